"""What was compiled is kept where it can be, and run only if it is whole and nobody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nnengine import kernels

if reason := kernels.available().get("numba", "in browsers there is none"):
    pytest.skip(f"numba kernels: {reason}", allow_module_level=True)

from nnengine.kernels.compiled import folders
from tests.conftest import without_rights

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows keeps users apart itself")
STEP = """
import numpy as np
from nnengine import kernels
theta = np.array([1.0, 2.0], np.float32)
kernels.sgd(theta, theta.copy(), np.float32(0.5))
hits = sum(kernels.sgd.stats.cache_hits.values())
print(theta.tolist(), hits, kernels.remark(), sep="\\n")
"""
HALVED = "[0.5, 1.0]"
SHORT_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
WAY_OUT = "set NUMBA_CACHE_DIR to a folder that can be written"


@pytest.fixture
def start(tmp_path):
    """Start a process whose kernels are kept below `kept`, and temporary files in `temporary`."""
    for name in ("kept", "temporary"):
        (tmp_path / name).mkdir()

    def run(code: str = STEP, before: tuple = (), **environment: str) -> subprocess.Popen:
        given = {
            "NNENGINE_KERNELS": "numba",
            "PYTHONPATH": str(ROOT),
            "NUMBA_CACHE_DIR": str(tmp_path / "kept"),
            "TMPDIR": str(tmp_path / "temporary"),
            **environment,
        }
        return subprocess.Popen(
            [*before, sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


def told(process: subprocess.Popen) -> tuple[list[str], str]:
    """Return the lines that a process prints and what it says on stderr; it must end well."""
    out, err = process.communicate(timeout=240)
    assert 0 == process.returncode, err
    return out.splitlines(), err


# Files: whole or not at all --------------------------------------------------------------


BODY = bytes(range(256)) * 4


@pytest.fixture
def file(tmp_path) -> Path:
    """A file that was kept, in a folder of its own."""
    path = tmp_path / "nnengine-1" / "kernel.nbc"
    assert "" == folders.write(path, BODY)
    assert BODY == folders.read(path)
    return path


def damages(whole: bytes) -> dict[str, bytes]:
    """Return what may have become of a file, by name."""
    cuts = {f"cut at {n} tenths": whole[: len(whole) * n // 10] for n in range(10)}
    flipped = {
        f"byte {n} is another": whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :]
        for n in range(0, len(whole), len(whole) // 9)
    }
    others = {"zeros": bytes(len(whole)), "longer": whole + b"\0", "text": b"no code at all\n"}
    return {**cuts, **flipped, **others}


def test_a_damaged_file_is_as_good_as_absent(file):
    found = {}
    for name, raw in damages(file.read_bytes()).items():
        file.write_bytes(raw)
        found[name] = folders.read(file)
    assert dict.fromkeys(found) == found
    assert len(found) > 20


def test_a_folder_in_place_of_a_file_makes_room(file):
    file.unlink()
    file.mkdir()
    (file / "something").touch()
    assert folders.read(file) is None
    assert "" == folders.write(file, BODY)
    assert BODY == folders.read(file)


@POSIX
def test_nobody_waits_for_a_pipe_in_place_of_a_file(file):
    file.unlink()
    os.mkfifo(file)
    assert folders.read(file) is None


@POSIX
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_what_others_may_have_written_is_not_read(file, mode):
    file.chmod(mode)
    assert folders.read(file) is None


@POSIX
def test_a_link_is_not_followed(file):
    other = file.with_name("other.nbc")
    other.symlink_to(file)
    assert folders.read(other) is None


def test_what_somebody_else_wrote_is_not_read(file):
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("root alone gives files away")
    os.chown(file, 65534, -1)
    assert folders.read(file) is None


def test_who_writes_and_reads_at_the_same_time_meets_whole_files_alone(file):
    bodies = [bytes([n]) * 300_000 for n in range(4)]
    found, faults = set(), []
    writers = [
        threading.Thread(
            target=lambda b=body: faults.extend(folders.write(file, b) for _ in "12345")
        )
        for body in bodies
    ]
    folders.write(file, bodies[0])
    for thread in writers:
        thread.start()
    while any(thread.is_alive() for thread in writers):
        found.add(folders.read(file))
    assert found <= set(bodies)
    assert {""} == set(faults)
    assert [file] == list(file.parent.iterdir())


# Folders: this user's alone ---------------------------------------------------------------


@POSIX
@pytest.mark.parametrize(
    ("fault", "make"),
    [
        ("it is a link, or no folder", lambda place, at: place.symlink_to(at)),
        ("it is a link, or no folder", lambda place, at: place.touch()),
        (
            "it is somebody else's, or others may write to it",
            lambda place, at: (place.mkdir(), place.chmod(0o777)),
        ),
    ],
    ids=["a link", "a file", "open to all"],
)
def test_a_temporary_folder_that_may_be_somebody_elses_is_not_used(
    tmp_path, monkeypatch, fault, make
):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "nnengine-theirs").mkdir(parents=True)
    place = tmp_path / "mine"
    make(place, elsewhere)
    monkeypatch.setattr(folders, "temporary", lambda: place)
    assert f"{place}: {fault}" == folders.why_not(place / "nnengine-1")
    assert (elsewhere / "nnengine-theirs").is_dir()  # nothing was made room for there


@POSIX
def test_the_temporary_folder_is_closed_to_others(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "temporary", lambda: tmp_path / "mine")
    assert "" == folders.why_not(tmp_path / "mine" / "nnengine-1")
    assert 0o700 == (tmp_path / "mine").stat().st_mode & 0o777


def test_folders_of_other_sources_make_room(tmp_path):
    for name in ("nnengine-1", "others"):
        (tmp_path / name).mkdir()
    assert "" == folders.why_not(tmp_path / "nnengine-2")
    assert {"nnengine-2", "others"} == {path.name for path in tmp_path.iterdir()}


# Kernels --------------------------------------------------------------------------------------


def test_a_kernel_that_is_damaged_is_compiled_and_kept_anew(start, tmp_path):
    told(start())
    (kept,) = tmp_path.glob("kept/*/*/steps.sgd-*.nbc")
    whole = kept.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1] + b"\0"):
        kept.write_bytes(damaged)
        assert ([HALVED, "0", ""], "") == told(start())
        assert len(whole) == pytest.approx(kept.stat().st_size, rel=0.05)
    assert ([HALVED, "1", ""], "") == told(start())


def test_what_numba_does_not_know_is_compiled_and_kept_anew(start, tmp_path):
    """Whole, and of our own making, but nothing that numba put there."""
    told(start())
    (kept,) = tmp_path.glob("kept/*/*/steps.sgd-*.nbc")
    assert "" == folders.write(kept, b"no pickle")
    assert [([HALVED, n, ""], "") for n in "01"] == [told(start()), told(start())]


def test_two_processes_that_compile_the_same_at_once_keep_it_whole(start):
    """Two servers that start together, one with a kernel for float64 besides."""
    other = STEP.replace("hits =", "kernels.sgd(*np.ones((2, 2)), np.float64(1))\nhits =", 1)
    both = [start(STEP), start(other)]
    assert [HALVED] * 2 == [told(process)[0][0] for process in both]
    assert ([HALVED, "1", ""], "") == told(start(STEP))
    assert ([HALVED, "2", ""], "") == told(start(other))


NO_PLACE = """
from numba.core import caching
class Nowhere:
    from_function = staticmethod(lambda *_: None)
caching.CacheImpl._locator_classes = [Nowhere]
"""


def test_where_numba_can_write_nowhere_kernels_are_kept_among_temporary_files(start, tmp_path):
    code, place = NO_PLACE + STEP, tmp_path / "temporary" / f"nnengine-{os.geteuid()}"
    remark = f"kernels are kept in {place} for now (no other folder can be written): {WAY_OUT}"
    for hits in "01":
        assert ([HALVED, hits, f"K{remark[1:]}."], f"{remark}\n") == told(start(code))


def test_a_folder_named_for_kernels_that_cannot_be_written_is_told(start, tmp_path):
    (tmp_path / "kept").chmod(0o500)
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    code = NO_PLACE.replace("[Nowhere]", "caching.CacheImpl._locator_classes[:1]") + STEP
    found, error = told(start(code, without_rights(), HOME=str(home)))
    assert [HALVED, "0"] == found[:2]
    assert f"kernels are kept in {tmp_path / 'temporary'}" in error
    assert error.endswith(f"{WAY_OUT}\n")
    assert 1 == error.count("\n")


def test_on_a_disk_that_is_full_kernels_work_and_are_not_kept(start, tmp_path):
    """As a quota would have it: no file may be longer than 4 kB, wherever it is."""
    pytest.importorskip("resource")
    found, error = told(start(SHORT_FILES + STEP))
    assert [HALVED, "0"] == found[:2]
    assert found[2].startswith("Every process compiles kernels anew (")
    assert "file too large" in found[2] and found[2].endswith(f"): {WAY_OUT}.")
    assert [found[2][1:-1]] == [line[1:] for line in error.splitlines()]
    assert [] == list(tmp_path.rglob("*.nbc")) + list(tmp_path.rglob("*.tmp"))
    assert ([HALVED, "0", ""], "") == told(start())  # there is room again


def full(place: Path) -> tuple[str, ...]:
    """Return what comes before a command for which a small, full disk lies in this place."""
    mounted = 'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"'
    before = "unshare", "-m", "sh", "-c", mounted, str(place)
    if (
        not shutil.which("unshare")
        or subprocess.run([*before, "true"], capture_output=True).returncode
    ):
        pytest.skip("no disk can be mounted here")
    return before


def test_on_a_full_disk_kernels_are_kept_on_another(start, tmp_path):
    place = tmp_path / "temporary" / f"nnengine-{os.geteuid()}"
    for hits in "01":
        found, error = told(start(STEP, full(tmp_path / "kept")))
        assert [HALVED, hits] == found[:2]
        assert f"kernels are kept in {place} for now ({tmp_path / 'kept'}" in error
        assert "no space left on device" in error


def test_no_helper_compiles_what_it_cannot_keep(start):
    """It would take as long, and all of it would be done again."""
    pytest.importorskip("resource")
    code = """
from nnengine.kernels.compiled import compiling, sgd
print(compiling.is_missing(sgd))
"""
    found = [told(start(bound + code))[0] for bound in ("", SHORT_FILES)]
    assert [["True"], ["False"]] == found


def test_what_was_compiled_beside_the_sources_serves_who_cannot_write_there(tmp_path, start):
    """An image of a container, say: made by one who may, run by one who may not."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nnengine", tmp_path / "lib" / "nnengine", ignore=ignored)
    given = {"PYTHONPATH": str(tmp_path / "lib"), "NUMBA_CACHE_DIR": ""}
    assert ([HALVED, "0", ""], "") == told(start(STEP, **given))
    for path in [tmp_path / "lib", *(tmp_path / "lib").rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        given["HOME"] = str(tmp_path / "lib")
        assert [HALVED, "1"] == told(start(STEP, without_rights(), **given))[0][:2]
    finally:
        for path in [tmp_path / "lib", *(tmp_path / "lib").rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
