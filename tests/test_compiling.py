"""What was compiled is kept for the next process, and for exactly these sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnengine import kernels

ENGINE = Path(kernels.__file__).parent.parent
STEP = """
import numpy as np
from nnengine import kernels
theta = np.array([1.0, 2.0], np.float32)
kernels.sgd(theta, theta.copy(), np.float32(0.5))
hits = sum(kernels.sgd.stats.cache_hits.values())
misses = sum(kernels.sgd.stats.cache_misses.values())
print(theta.tolist(), hits, misses)
"""


@pytest.fixture
def copy(tmp_path):
    """An engine of its own to change, with a cache of its own; returns what a process says."""
    if reason := kernels.available()["numba"]:
        pytest.skip(f"numba kernels: {reason}")
    shutil.copytree(ENGINE, tmp_path / "nnengine", ignore=shutil.ignore_patterns("__pycache__"))

    def run(code: str = STEP, **environment: str) -> str:
        environment = {"NNENGINE_KERNELS": "numba", "PYTHONPATH": str(tmp_path), **environment}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kept"), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout.strip()

    run.engine, run.kept = tmp_path / "nnengine", tmp_path / "kept"
    return run


def test_a_second_process_compiles_nothing(copy):
    assert ["[0.5, 1.0] 0 1", "[0.5, 1.0] 1 0"] == [copy(), copy()]


@pytest.mark.parametrize("name", ["numpy_.py", "simd.py", "steps.py"])
def test_an_edit_in_any_file_of_kernels_makes_them_all_new_and_removes_the_old(copy, name):
    copy()
    old = set(copy.kept.glob("*/*"))
    path = copy.engine / "kernels" / name
    path.write_text(path.read_text() + "\n# changed\n")
    assert "[0.5, 1.0] 0 1" == copy()
    new = set(copy.kept.glob("*/*"))
    assert (1, 1, set()) == (len(old), len(new), old & new)


def test_numba_is_left_as_it_was_for_everybody_else():
    """The cache's place and version are the kernels' own: no setting of the process changes."""
    if reason := kernels.available()["numba"]:
        pytest.skip(f"numba kernels: {reason}")
    code = (
        "from numba.core import config, caching\n"
        "before = config.CACHE_DIR, list(caching.CacheImpl._locator_classes)\n"
        "import nnengine.kernels.numba_\n"
        "print(before == (config.CACHE_DIR, list(caching.CacheImpl._locator_classes)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "True\n" == done.stdout


def test_a_kernel_keeps_to_itself_what_it_calls(copy):
    """Shared, its parts would be those that were left as they are: 230 for 160 us a step."""
    linkages = """
from nnengine.kernels.mini_batch import _step
from nnengine.kernels.numba_ import prepare
prepare("mini-batch")
(compiled,) = _step.overloads.values()
functions = compiled.library._final_module.functions
print(*sorted({function.linkage.name for function in functions if not function.is_declaration}))
"""
    assert "external internal" == copy(linkages)


def test_without_a_place_to_write_kernels_are_compiled_all_the_same(copy):
    nowhere = {"NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}  # which finds none outside a zip
    assert ["[0.5, 1.0] 0 1", False] == [copy(**nowhere), copy.kept.exists()]


SHARED = """
import sys
from nnengine import kernels
from nnengine.kernels import helpers, numba_
numba_.PREPARE = {name: numba_.PREPARE[name] for name in ("optimisers", "losses")}
numba_._SHARES = ("optimisers",), ("losses",)
BEFORE
kernels.warm_up()
found = [kernels.sgd.stats, kernels.softmax_cross_entropy.stats]
print([(sum(s.cache_hits.values()), sum(s.cache_misses.values())) for s in found])
"""


@pytest.mark.parametrize(
    ("before", "cores", "expected"),
    [
        ("", "2", "[(1, 0), (1, 0)]"),  # all comes out of the cache that helpers have filled
        ("", "1", "[(1, 0), (1, 0)]"),
        ("helpers._COPIES = False", "2", "[(1, 0), (1, 0)]"),
        ("sys.executable = '/nowhere/python'", "2", "[(0, 1), (0, 1)]"),
        ("helpers._CODE = 'print(42)'", "2", "[(0, 1), (0, 1)]"),
    ],
    ids=["two cores", "one core", "no copies", "no Python", "another tongue"],
)
def test_helpers_compile_and_what_they_do_not_is_compiled_here(copy, before, cores, expected):
    assert expected == copy(SHARED.replace("BEFORE", before), NNENGINE_THREADS=cores)


def test_where_everything_is_kept_no_helper_is_started(copy):
    first, later = (SHARED.replace("BEFORE", before) for before in ("", "helpers._start = None"))
    found = [copy(code, NNENGINE_THREADS="2") for code in (first, later)]
    assert ["[(1, 0), (1, 0)]"] * 2 == found


def test_helpers_end_with_whoever_waits_for_them(copy):
    """Also a helper's copies, which would go on for seconds."""
    if not os.path.exists("/proc/self/cmdline"):
        pytest.skip("this system does not list its processes in /proc")
    code = """
import os, time
from pathlib import Path
from nnengine.kernels import helpers, numba_

def at_work():
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        found += "kernels.prepare" in command and str(Path.cwd()) in command
    return found

end = time.monotonic() + 60
try:
    with helpers.compiling(numba_.__name__, [["mini-batch"], ["full batch"]]) as ready:
        while at_work() < 2 and time.monotonic() < end:
            time.sleep(0.1)
        print(at_work())
        raise KeyboardInterrupt
except KeyboardInterrupt:
    while at_work() and time.monotonic() < end:
        time.sleep(0.1)
    print(at_work())
"""
    assert "2\n0" == copy(code)


def test_the_quicker_way_comes_to_the_same_machine_code(copy):
    code = """
import hashlib, re
from nnengine.kernels import full_batch, numba_, quicker
QUICKER
numba_.prepare("full batch")
(compiled,) = full_batch._grouped_gradient.overloads.values()
lines = compiled.library.get_asm_str().splitlines()
steps = [line for line in lines if re.match(r"\\t[a-z]", line)]
code = re.sub(r"[.]?[_\\w]*_Z\\w+", "", "\\n".join(steps))  # names change every time
print(len(code.splitlines()) > 1000, hashlib.sha256(code.encode()).hexdigest())
"""
    plain = copy(code.replace("QUICKER", ""))
    assert plain.startswith("True ")
    shutil.rmtree(copy.kept)
    assert plain == copy(code.replace("QUICKER", "quicker.make_numba_quicker()"))
