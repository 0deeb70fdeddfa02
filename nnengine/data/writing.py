"""Writing: a file is there whole, as it was or as it is to be, and never in part.

What is written lies beside its target under a name of its own until the disk has it, and then takes
the target's place in one step: a full disk, a signal or a power cut leaves what was there before.
Whoever is killed while writing leaves a file .NAME.????????.part, which nobody needs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_NAME_BYTES = 64  # of the target's name in that of the file beside it, which must not be longer
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_KEPT = "what was there is there still"


@contextlib.contextmanager
def whole(target: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Lend a binary file; what it holds takes the target's place once the block has ended well.

    A link is followed, not replaced. A file that was there leaves its permissions, and its owner
    where that is allowed. Pipes, devices and open files (/dev/stdout) are written to as they stand.
    Raises OSError in the target's name.
    """
    path = os.fsdecode(target)
    with _in_the_name_of(path):
        place, before = _place(path)
        if place is None:
            with open(path, "wb") as file:
                yield file
            return
        beside = _beside(place)
        try:
            with _new(beside, before) as file:
                yield file
                file.flush()
                # Renaming is quicker than writing: after a power cut the name could stand for an
                # empty file. Some file systems also tell here, and not before, that they are full.
                # The folder is not synced: then the old file would be there, and whole.
                os.fsync(file.fileno())
            os.replace(beside, place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def write(target: str | os.PathLike[str], data: bytes) -> None:
    """Have a file hold these bytes, or leave it as it is; raises OSError as `whole` does."""
    with whole(target) as file:
        file.write(data)


def check(target: str | os.PathLike[str]) -> None:
    """Raise the OSError now that writing to `target` would raise; leaves nothing behind."""
    path = os.fsdecode(target)
    with _in_the_name_of(path):
        place, _ = _place(path)
        if place is not None:  # opening a pipe could wait for ever
            beside = _beside(place)
            beside.touch(exist_ok=False)
            beside.unlink()


def is_stream(target: str | os.PathLike[str]) -> bool:
    """Tell whether a name stands for a pipe, a device or an open file, which nothing replaces."""
    path = os.fsdecode(target)
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or _is_open_file(path))


def _place(path: str) -> tuple[Path | None, os.stat_result | None]:
    """Return which file is to be put in place, None for none, and what is known of the old one."""
    try:
        before = os.stat(path)
    except FileNotFoundError:
        return Path(os.path.realpath(path)), None
    if stat.S_ISDIR(before.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if is_stream(path):
        return None, before
    if not os.access(path, os.W_OK):  # renaming asks the folder alone
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
    return Path(os.path.realpath(path)), before


def _is_open_file(path: str) -> bool:
    """Tell whether a name stands for a file that a process has open, such as /dev/stdout."""
    folder = os.path.realpath(os.path.dirname(path) or ".")
    return folder in ("/dev", "/dev/fd") or folder.startswith("/proc/")


def _beside(place: Path) -> Path:
    start = os.fsencode(place.name)[:_NAME_BYTES].decode(errors="ignore")
    return place.with_name(f".{start}.{secrets.token_hex(4)}.part")


def _new(beside: Path, before: os.stat_result | None) -> BinaryIO:
    """Open a new file that nobody can read who could not read the old one."""
    mode = 0o666 if before is None else stat.S_IMODE(before.st_mode) & 0o777
    file = os.fdopen(os.open(beside, _FLAGS, mode), "wb")
    if before is not None:
        with contextlib.suppress(OSError, AttributeError):  # Windows knows no owners
            os.chown(beside, before.st_uid, before.st_gid)
        with contextlib.suppress(OSError):
            os.chmod(beside, mode)
    return file


@contextlib.contextmanager
def _in_the_name_of(path: str) -> Iterator[None]:
    """Have an OSError name the target, not the file beside it, and say that nothing is lost."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        text = error.strerror or os.strerror(error.errno)
        kept = os.path.isfile(path) and not _is_open_file(path) and _KEPT not in text
        raise OSError(error.errno, f"{text}: {_KEPT}" if kept else text, path) from error


@contextlib.contextmanager
def whole_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Lend a new folder; it gets the target's name once the block has ended well.

    Nothing is ever put into a folder that holds something: raises OSError, in the target's name,
    where it does, or where the target is no folder.
    """
    path = os.fsdecode(target)
    with _in_the_name_of(path):
        place = Path(os.path.realpath(path))
        if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
            kind = errno.ENOTEMPTY if place.is_dir() else errno.EEXIST
            raise OSError(kind, f"{os.strerror(kind)}: give the name of a new folder", path)
        beside = _beside(place)
        beside.mkdir()
        try:
            yield beside
            if place.is_dir() and os.name == "nt":
                place.rmdir()  # a name is given there only where nothing has it
            os.replace(beside, place)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
