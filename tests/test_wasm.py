"""The kernels that browsers get: all of them, made from these sources, and right in Pyodide."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies

from nnengine import kernels
from nnengine.errors import ConfigError
from nnengine.kernels import sources
from nnengine.kernels.wasm import ahead_of_time, entries

ROOT = Path(__file__).resolve().parent.parent
# Everything that runs on each back end in turn, but for what starts processes or takes long.
TESTS = (
    "test_kernels",
    "test_network",
    "test_augment",
    "test_training",
    "test_digests",
    "test_wasm_alone",
    "test_windows",
    "test_window_answers",
    "test_window_norms",
    "test_explain",
    "test_sweep",
)
NEEDS = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")


def missing(reason: str) -> None:
    """Skip with the reason, or fail with it where the kernels for browsers are to be tested."""
    if os.environ.get("NNENGINE_WASM") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def module() -> Path:
    """The module made from the sources as they are."""
    try:
        return ahead_of_time.make()
    except ahead_of_time.CompileError as fault:
        missing(f"kernels for browsers: {fault}")


@pytest.fixture(scope="module")
def in_pyodide(module, tmp_path_factory, pytestconfig):
    """Return a function that runs pytest in Pyodide under Node and gives what it printed."""
    from dashboard.web import gather

    if shutil.which("node") is None:
        missing("there is no Node (on Debian: apt install nodejs)")
    if not gather.complete(gather.cache()):
        missing("Pyodide is not gathered: python -m dashboard.web gather (150 MB)")
    packages = tmp_path_factory.mktemp("packages")
    for name in NEEDS:
        if found := importlib.util.find_spec(name):
            place = Path(found.origin)
            whole = place.name == "__init__.py"
            copy = shutil.copytree if whole else shutil.copy
            copy(place.parent if whole else place, packages / (name if whole else place.name))

    def run(*arguments: str) -> str:
        networks = pytestconfig.getoption("sweep")
        options = ["-p", "no:cacheprovider", "-q", f"--sweep={networks}", *arguments]
        longer = max(1, networks / 12, 4 * ("NNENGINE_LONG" in os.environ))
        command = ["node", str(ROOT / "tests" / "in_node.mjs"), str(gather.cache() / "pyodide")]
        done = subprocess.run(
            [*command, str(ROOT), str(packages), *options],
            capture_output=True, text=True, timeout=280 * longer,
        )  # fmt: skip
        assert 0 == done.returncode, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    return run


def counted(what: str, printed: str) -> int:
    """Return how many tests passed, or were skipped, as pytest says in its last line."""
    found = re.search(rf"(\d+) {what}", printed.splitlines()[-1])
    return int(found[1]) if found else 0


def test_in_pyodide_every_test_of_back_ends_passes_on_these_kernels(in_pyodide):
    files = [f"tests/{name}.py" for name in TESTS]
    printed = in_pyodide(*files, "-k", "wasm")
    assert "wasm kernels:" not in printed  # none is skipped because they cannot be had
    assert counted("passed", printed) > 250


def test_in_pyodide_the_kernels_in_numpy_still_answer(in_pyodide):
    # A tab has one thread, whatever it is told: half of the time would be for nothing new.
    chosen = "(numpy- or [numpy] or products or unpacking) and not number_of_threads"
    printed = in_pyodide("tests/test_kernels.py", "-k", chosen)
    assert counted("passed", printed) > 200


def test_every_compiled_kernel_is_listed_for_browsers():
    if reason := kernels.available()["numba"]:
        pytest.skip(f"numba kernels: {reason}")
    from nnengine.kernels.compiled.compiling import KERNELS

    assert set(KERNELS) == set(entries.ENTRIES)


def listed(kind) -> str | tuple:
    """Return a type of numba's as entries write it."""
    inner = getattr(kind, "types", None)
    if inner is not None:
        return tuple(map(listed, inner))
    item = getattr(kind, "dtype", kind)
    name = f"{item.name[0]}{item.bitwidth // 8}"
    return f"{name}:{kind.ndim}" if hasattr(kind, "ndim") else name


def as_numba_sees(types: str | tuple) -> str | tuple:
    """Return types of an entry with all whole numbers as they come on a server."""
    if isinstance(types, tuple):
        return tuple(map(as_numba_sees, types))
    return types.replace("int", "i8")


def test_what_networks_use_is_compiled_for_the_types_they_use_it_with():
    if reason := kernels.available()["numba"]:
        pytest.skip(f"numba kernels: {reason}")
    # In a process of its own: other tests call kernels with types that networks never use.
    code = "from tests.test_wasm import check_types; check_types()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr


def check_types() -> None:
    """Fail where a kernel was compiled for types that browsers have no entry for."""
    from nnengine.kernels import compiled
    from nnengine.kernels.compiled.compiling import KERNELS

    compiled.warm_up()
    for what in compiled.LATER:
        compiled.prepare(what)
    for name, kernel in KERNELS.items():
        known = [as_numba_sees(types) for types in entries.ENTRIES[name]]
        for signature in kernel.signatures:
            assert tuple(map(listed, signature)) in known, name


def test_the_same_sources_make_the_same_module(module, tmp_path):
    again = [ahead_of_time.make(tmp_path / f"{n}.wasm", only=("sgd", "softmax")) for n in range(2)]
    assert again[0].read_bytes() == again[1].read_bytes()


def test_a_module_says_which_sources_it_is_made_from(module):
    assert sources.digest() == entries.made_from(module.read_bytes())
    assert ahead_of_time.current()


def test_a_module_of_other_sources_is_made_anew(module, monkeypatch):
    monkeypatch.setattr(sources, "digest", lambda: "other sources")
    assert not ahead_of_time.current()


@given(strategies.binary(max_size=40))
def test_whatever_stands_in_a_file_it_is_no_module_of_ours(raw):
    assert entries.made_from(b"\0asm\1\0\0\0" + raw) is None


def test_without_a_linker_the_way_out_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(ahead_of_time, "linker", lambda: None)
    with pytest.raises(ahead_of_time.CompileError, match="pip install ziglang"):
        ahead_of_time.make(tmp_path / "kernels.wasm")


def test_on_a_server_they_cannot_be_had():
    with pytest.raises(ConfigError, match="choose auto, numba or numpy"):
        kernels.use("wasm")
    with pytest.raises(ImportError, match="in a browser alone"):
        importlib.import_module("nnengine.kernels.wasm.module")
