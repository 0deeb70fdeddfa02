"""Folders: where compiled code may lie, whole or not at all, and nobody's work but this user's.

Whoever reads it runs it. So a file is taken only if nobody can have written it but this user, or
who installed these sources, and if its digest is right.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

_DIGEST = 16  # bytes, before all others of a file
_ROOM = 1 << 20  # bytes, about what all kernels take


def temporary() -> Path | None:
    """Return this user's own folder among the temporary ones, made or not; None without any."""
    try:
        return Path(tempfile.gettempdir(), f"nnengine-{getattr(os, 'geteuid', str)()}")
    except OSError:
        return None


@functools.cache
def why_not(folder: Path) -> str:
    """Return why nothing can be kept in a folder, or nothing; it is made, and tried once.

    Folders beside it of the same kind, which other sources have left, make room for it.
    """
    try:
        if folder.parent == temporary():
            _own(folder.parent, 0o700)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            _forget_others(folder)
        _own(folder)
        with tempfile.TemporaryFile(dir=folder) as trial:  # a full disk still makes empty files
            trial.write(bytes(_ROOM))
    except OSError as fault:
        return in_words(folder, fault)
    return ""


def in_words(folder: Path, fault: OSError) -> str:
    """Return what is wrong with a folder."""
    return f"{folder.parent}: {(fault.strerror or str(fault)).lower()}"


def read(path: Path) -> bytes | None:
    """Return what was kept in a file; None where it is not there, not whole or not to be trusted.

    Of damaged code LLVM would make an end of the process.
    """
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # no link; wait for no pipe
    try:
        with open(path, "rb", opener=lambda name, usual: os.open(name, usual | flags)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _is_trusted(status, _authors()):
                return None
            digest, body = file.read(_DIGEST), file.read()
    except OSError:
        return None
    return body if digest == _digest(body) else None


def write(path: Path, body: bytes) -> str:
    """Put a file in place whole; return why that cannot be, or nothing.

    Who reads it, or writes it at the same time, finds one or the other, and never half of it.
    """
    for _ in range(3):
        beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            _own(path.parent)  # a process of other sources may just have removed it
            with open(beside, "xb", opener=lambda name, flags: os.open(name, flags, 0o644)) as file:
                file.write(_digest(body) + body)
            if path.is_dir():  # we have not put it there
                shutil.rmtree(path, ignore_errors=True)
            os.replace(beside, path)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            if read(path) is not None:  # Windows replaces no file that another process has open
                return ""
            found = in_words(path.parent, fault)
        else:
            return ""
    return found


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST).digest()


def _own(folder: Path, mode: int = 0o755) -> None:
    """Make a folder unless it is there. Raises OSError if others may write to it, or it is none."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(0, "it is a link, or no folder")
    if not _is_trusted(status, {_user()}):
        raise PermissionError(0, "it is somebody else's, or others may write to it")


def _forget_others(folder: Path) -> None:
    """Remove the folders of the same kind beside it, if they are this user's."""
    for other in folder.parent.glob("nnengine-*"):
        if _is_trusted(other.lstat(), {_user()}):
            shutil.rmtree(other, ignore_errors=True)


def _is_trusted(status: os.stat_result, owners: set[int]) -> bool:
    """Tell whether nobody but these owners can have written a file, or into a folder."""
    if not hasattr(os, "geteuid"):  # Windows keeps users' folders apart itself
        return True
    return status.st_uid in owners and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _user() -> int:
    return getattr(os, "geteuid", int)()


@functools.cache
def _authors() -> set[int]:
    """Return whose code runs here anyway: this user's, and that of who installed these sources."""
    with contextlib.suppress(OSError):  # within an archive, say
        return {_user(), os.stat(__file__).st_uid}
    return {_user()}
