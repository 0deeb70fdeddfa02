"""Writing: whatever goes wrong, a file is what it was, or what it was to be."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from nnengine import write_idx
from nnengine.data import fetch, writing

ROOT = Path(__file__).resolve().parent.parent
UNIX = pytest.mark.skipif(os.name != "posix", reason="no such files on this system")


@pytest.fixture
def old(tmp_path) -> Path:
    """A file that is there already, alone in its folder."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    return path


def alone(path: Path) -> bool:
    return [path] == list(path.parent.iterdir())


def test_what_is_written_takes_the_place_of_what_was_there(old):
    writing.write(old, b"new")
    assert b"new" == old.read_bytes() and alone(old)


def test_nobody_sees_a_file_in_part(old):
    with writing.whole(old) as file:
        file.write(b"ne")
        file.flush()
        assert b"old" == old.read_bytes()
        file.write(b"w")
    assert b"new" == old.read_bytes()


@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt, MemoryError])
def test_whatever_ends_the_writing_leaves_the_old_file_and_nothing_else(old, end):
    with pytest.raises(end), writing.whole(old) as file:
        file.write(b"half")
        raise end
    assert b"old" == old.read_bytes() and alone(old)


def test_a_write_that_fails_is_told_in_the_targets_name_and_says_what_is_left(old):
    with pytest.raises(OSError) as caught, writing.whole(old):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(old) == caught.value.filename
    assert caught.value.strerror.endswith("what was there is there still")
    with pytest.raises(OSError) as caught, writing.whole(old.with_name("b.bin")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.strerror(errno.ENOSPC) == caught.value.strerror and alone(old)


@UNIX
def test_a_file_that_grows_too_large_for_its_process_is_not_begun(old):
    code = (
        "import resource\n"
        "from nnengine.data import writing\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"writing.write({str(old)!r}, bytes(5000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NNENGINE_KERNELS": "numpy"},
    )  # fmt: skip
    assert 1 == done.returncode and os.strerror(errno.EFBIG) in done.stderr
    assert b"old" == old.read_bytes() and alone(old)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(small_disk):
    path = small_disk / "a.bin"
    writing.write(path, b"old")
    with pytest.raises(OSError, match="what was there is there still") as caught:
        writing.write(path, bytes(100_000))
    assert errno.ENOSPC == caught.value.errno
    assert b"old" == path.read_bytes() and alone(path)


def test_a_download_that_the_disk_cannot_hold_is_no_fault_of_the_mirror(small_disk):
    """An unbuffered file takes what there is room for and says how much: the rest was not there."""
    with (
        open(small_disk / "a.part", "wb", buffering=0) as part,
        pytest.raises(OSError) as caught,
    ):
        fetch._write(part, bytes(100_000))
    assert (errno.ENOSPC, part.name) == (caught.value.errno, caught.value.filename)


@UNIX
def test_permissions_of_the_old_file_stay(old):
    old.chmod(0o640)
    with writing.whole(old) as file:
        (beside,) = set(old.parent.iterdir()) - {old}
        assert 0o640 == stat.S_IMODE(beside.stat().st_mode)
        file.write(b"new")
    assert 0o640 == stat.S_IMODE(old.stat().st_mode)


@UNIX
def test_a_new_file_is_as_open_as_others_are(tmp_path):
    (tmp_path / "other").touch()
    writing.write(tmp_path / "a.bin", b"new")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert 1 == len(modes)


@UNIX
def test_the_owner_of_the_old_file_stays_where_that_is_allowed(old):
    if os.getuid():
        pytest.skip("only root may give files away")
    os.chown(old, 1234, 1235)
    writing.write(old, b"new")
    assert (1234, 1235) == (old.stat().st_uid, old.stat().st_gid)


@UNIX
def test_a_file_that_is_protected_is_not_replaced(old, monkeypatch):
    old.chmod(0o440)
    if not os.getuid():  # from root nothing is
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(PermissionError):
        writing.check(old)
    with pytest.raises(PermissionError):
        writing.write(old, b"new")
    assert b"old" == old.read_bytes()


@UNIX
def test_links_are_followed_and_stay(old):
    link, far = old.with_name("link"), old.with_name("far")
    link.symlink_to("far")
    far.symlink_to(old)
    writing.write(link, b"new")
    assert link.is_symlink() and far.is_symlink() and b"new" == old.read_bytes()


@UNIX
def test_a_link_that_leads_to_nothing_yet_is_followed(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("there")
    writing.write(link, b"new")
    assert link.is_symlink() and b"new" == (tmp_path / "there").read_bytes()


@UNIX
def test_a_link_to_itself_is_refused_and_stays(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("link")
    for attempt in (writing.check, lambda path: writing.write(path, b"new")):
        with pytest.raises(OSError) as caught:
            attempt(link)
        assert errno.ELOOP == caught.value.errno
    assert link.is_symlink()


@UNIX
def test_a_pipe_is_written_to_as_it_stands(tmp_path):
    pipe, came = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()))
    reader.start()
    writing.check(pipe)  # which does not open it, or the reader would have seen an end
    writing.write(pipe, b"through")
    reader.join(timeout=120)
    assert [b"through"] == came and stat.S_ISFIFO(pipe.stat().st_mode)


@UNIX
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_standard_output_is_written_to_and_not_replaced(tmp_path, kind):
    code = "from nnengine.data import writing; writing.write('/dev/stdout', b'through')"
    with open(tmp_path / "out", "wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT,
            stdout=subprocess.PIPE if kind == "pipe" else file,
            env=os.environ | {"PYTHONPATH": str(ROOT), "NNENGINE_KERNELS": "numpy"},
        )  # fmt: skip
        assert 0 == done.returncode
        same = os.fstat(file.fileno()).st_ino == (tmp_path / "out").stat().st_ino
    assert b"through" == (done.stdout if kind == "pipe" else (tmp_path / "out").read_bytes())
    assert same


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "a" * 246, "点" * 82 + ".npz"])
def test_the_longest_name_that_a_file_may_have_can_be_written(tmp_path, name):
    writing.check(tmp_path / name)
    writing.write(tmp_path / name, b"new")
    assert [name] == os.listdir(tmp_path)


@UNIX
def test_a_name_longer_than_that_is_refused_at_once(tmp_path):
    with pytest.raises(OSError) as caught:
        writing.check(tmp_path / ("a" * 256))
    assert errno.ENAMETOOLONG == caught.value.errno


@UNIX
def test_a_name_that_is_no_utf_8_is_one_like_others(tmp_path):
    name = os.fsdecode(b"caf\xe9.bin")
    writing.write(tmp_path / name, b"new")
    assert [name] == os.listdir(tmp_path)


def test_a_check_leaves_nothing_and_refuses_what_cannot_be_written(old):
    writing.check(old.with_name("b.bin"))
    assert alone(old)
    with pytest.raises(IsADirectoryError):
        writing.check(old.parent)
    with pytest.raises(FileNotFoundError) as caught:
        writing.check(old.parent / "none" / "a.bin")
    assert str(old.parent / "none" / "a.bin") == caught.value.filename
    with pytest.raises(NotADirectoryError):
        writing.check(old / "a.bin")


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_an_idx_file_is_there_whole_or_as_it_was(tmp_path, monkeypatch, name):
    path, array = tmp_path / name, np.zeros((3, 4, 5), np.uint8)
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("nnengine.data.idx._write", fail)
    with pytest.raises(OSError, match="full"):
        write_idx(path, array)
    assert b"old" == path.read_bytes() and alone(path)
