"""What was compiled is kept for the next process, and for exactly these sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nnengine import kernels
from nnengine.kernels import sources

from .test_imports import used

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


@pytest.mark.parametrize("name", ["numpy_.py", "compiled/simd.py", "compiled/steps.py"])
def test_an_edit_in_any_file_of_kernels_makes_them_all_new_and_removes_the_old(copy, name):
    copy()
    old = set(copy.kept.glob("*/*"))
    (path,) = (copy.engine / "kernels").rglob(name)
    path.write_text(path.read_text() + "\n# changed\n")
    assert "[0.5, 1.0] 0 1" == copy()
    new = set(copy.kept.glob("*/*"))
    assert (1, 1, set()) == (len(old), len(new), old & new)


ALTERED = """
import numba
from numba.core import caching, codegen, config, cpu, ir, postproc, targetconfig
from numba.core.types import functions
CLASSES = [
    thing
    for module in (caching, codegen, cpu, functions, ir, postproc, targetconfig)
    for thing in vars(module).values()
    if isinstance(thing, type)
]
def state():
    return [config.CACHE_DIR, caching.CacheImpl._locator_classes[:]] + [
        (name, thing) for kind in CLASSES for name, thing in vars(kind).items() if callable(thing)
    ]
before = state()
from nnengine.kernels import compiled
from nnengine.kernels.compiled import compiling, insides
import numpy as np
assert before == state(), "by being imported"
with insides.changed("some kernel"):
    assert before != state()
assert before == state(), "by a kernel"
theta = np.zeros(3, np.float32)
compiled.sgd(theta, theta.copy(), np.float32(1))
assert 1 == len(compiled.sgd.overloads)
assert before == state(), "by compiling"
try:
    compiled.sgd("not an array", theta, np.float32(1))
except ValueError:
    assert before == state(), "by failing to"
    print("as it was")
"""


def test_numba_is_left_as_it_was_but_while_a_kernel_is_compiled(copy):
    assert "as it was" == copy(ALTERED)


def test_what_somebody_else_changes_meanwhile_stays(copy):
    code = """
from nnengine.kernels.compiled import insides
theirs = lambda *_: None
with insides.changed("a kernel"):
    with insides.changed("another"):
        pass
    insides.CPUCodeLibrary._optimize_functions = theirs
print(insides.CPUCodeLibrary._optimize_functions is theirs)
"""
    assert "True" == copy(code)


THEIRS = """
import hashlib, re, threading
import numba
import numpy as np

def theirs():
    \"""Compile what somebody else may have, by what kernels use too; return its machine code.\"""
    @numba.njit
    def inner(x):
        flat, sums = x.reshape(x.size), np.zeros(x.size)
        for i in range(flat.size):
            sums[max(i, 1)] = max(flat[i], np.float32(0))
        return sums.sum()
    @numba.njit(error_model="numpy")
    def outer(x):
        return inner(x) + inner(x[1:]) / x.shape[0]
    assert 3.5 == outer(np.ones((2, 2), np.float32))
    found = []
    for function in (inner, outer):
        (made,) = function.overloads.values()
        # A part of a kernel would have no code of its own.
        address = made.library.get_pointer_to_function(made.fndesc.mangled_name)
        lines = made.library.get_asm_str().splitlines()
        steps = [line for line in lines if re.match(r"\\t[a-z]", line)]
        names = r"[.]?[_\\w]*_Z\\w+|[.]const[.][^,]+"
        code = re.sub(names, "", "\\n".join(steps))
        found += [address != 0, len(steps) > 20, hashlib.sha256(code.encode()).hexdigest()]
    return found

def in_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(theirs()))
    thread.start()
    thread.join(60)
    return found[0]
"""


def test_functions_of_others_come_out_as_by_numba_alone(copy):
    """After kernels, with whose parts they share some; and in a thread while one is compiled."""
    alone = copy(THEIRS + "print(theirs())")
    assert alone.startswith("[True, True, '") and alone.count("True") == 4
    code = """
from nnengine.kernels import compiled
from nnengine.kernels.compiled import insides
compiled.prepare("losses")
with insides.changed("a kernel"):
    print(in_a_thread())
compiled.prepare("optimizers")
print(theirs())
"""
    assert [alone, alone] == copy(THEIRS + code).splitlines()


def test_functions_of_others_may_be_compiled_while_kernels_are(copy):
    """Both at once, as it comes."""
    code = """
from nnengine.kernels import compiled
alone = theirs()
kernels = threading.Thread(target=lambda: [*map(compiled.prepare, ("optimizers", "losses"))])
kernels.start()
found = []
while kernels.is_alive():
    found.append(theirs() == alone)
kernels.join()
print(len(found) > 0, all(found), len(compiled.adam.overloads))
"""
    assert "True True 1" == copy(THEIRS + code)


def test_numba_reads_what_it_knows_under_the_lock_that_it_compiles_under(monkeypatch):
    """Two threads that read at once are an error of one, and of the kernel it compiles."""
    pytest.importorskip("numba")
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    from nnengine.kernels.compiled import compiling

    read = threading.Event()
    monkeypatch.setattr(type(cpu_target.target_context), "refresh", lambda context: read.set())
    with global_compiler_lock:  # somebody compiles
        reader = threading.Thread(target=compiling.load)
        reader.start()
        assert not read.wait(0.2)
    assert read.wait(10)
    reader.join()


def test_whatever_kernels_are_made_from_counts_for_what_is_kept():
    """Every file of the engine that they import, and those it imports, but the words of errors."""
    seen, waiting = set(), [file for folder in sources.FOLDERS for file in folder.rglob("*.py")]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        waiting += [file for file, _ in used(path)]
    beyond = {path.name for path in seen if not set(sources.FOLDERS) & set(path.parents)}
    assert beyond <= {"errors.py"}


def test_a_kernel_keeps_to_itself_what_it_calls(copy):
    """Shared, its parts would be those that were left as they are: 230 for 160 us a step."""
    linkages = """
from nnengine.kernels.compiled.mini_batch import _steps
from nnengine.kernels.compiled import prepare
prepare("mini-batch")
(made,) = _steps.overloads.values()
functions = made.library._final_module.functions
print(*sorted({function.linkage.name for function in functions if not function.is_declaration}))
"""
    assert "external internal" == copy(linkages)


SHARED = """
import sys
from nnengine import kernels
from nnengine.kernels import compiled
from nnengine.kernels.compiled import helpers
compiled.PREPARE = {name: compiled.PREPARE[name] for name in ("optimizers", "losses")}
compiled._SHARES = ("optimizers",), ("losses",)
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
from nnengine.kernels import compiled
from nnengine.kernels.compiled import helpers

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
    with helpers.compiling(compiled.__name__, [["mini-batch"], ["full batch"]]) as ready:
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
from nnengine.kernels import compiled
from nnengine.kernels.compiled import full_batch, quicker
QUICKER
compiled.prepare("full batch")
(made,) = full_batch._sliced_gradient.overloads.values()
lines = made.library.get_asm_str().splitlines()
steps = [line for line in lines if re.match(r"\\t[a-z]", line)]
names = r"[.]?[_\\w]*_Z\\w+|[.]const[.][^,]+"  # change every time
code = re.sub(names, "", "\\n".join(steps))
print(len(code.splitlines()) > 1000, hashlib.sha256(code.encode()).hexdigest())
"""
    plain = copy(code.replace("QUICKER", ""))
    assert plain.startswith("True ")
    shutil.rmtree(copy.kept)
    assert plain == copy(code.replace("QUICKER", "quicker.make_numba_quicker()"))
