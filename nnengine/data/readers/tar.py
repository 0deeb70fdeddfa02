"""Tar archives: the same list of named members as a zip, packed with gzip or not.

Python's own module reads the headers, after they were gone through here: how many there are, that
none of them has a name without end, and that the end of the archive is there. Links and special
files are passed over, and nothing is ever unpacked to a disk.
"""

from __future__ import annotations

import io
import re
import tarfile
from functools import partial
from typing import BinaryIO

from ...errors import FormatError
from ..limits import MAX_MEMBERS
from ..sources import Stream
from .archive import Member, is_clutter, too_many
from .contents import Contents
from .contract import Request

_BLOCK = 512
MOST_NAME_BYTES = 1 << 16  # of one member; a path has 4,096
_LONG = (b"L", b"K", b"x", b"g", b"X")  # headers of what stands before a member, names above all


def is_tar(head: bytes) -> bool:
    """Return whether a file begins as a tar archive."""
    return head[257:262] == b"ustar"


def read(stream: Stream, request: Request) -> Contents:
    """Return what a tar archive holds; raises FormatError."""
    from .members import read_members

    return read_members(_members(stream.seekable(request.max_bytes), request), request)


def _members(file: BinaryIO, request: Request) -> list[Member]:
    """Return the files inside, in the order of their paths."""
    _check_headers(file, request)
    found: list[Member] = []
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            kept = vars(archive)["members"]
            while (info := archive.next()) is not None:
                request.deadline.check()
                kept.clear()  # each would stay as long as the archive
                path = info.name.removeprefix("./")
                if info.isreg() and not info.issparse() and not is_clutter(path):
                    opening = partial(_Part, file, info.offset_data, info.size)
                    found.append(Member(path, info.size, opening))
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise FormatError(f"the tar archive is damaged ({error}): download it again") from None
    return sorted(found, key=lambda member: member.path)


def _check_headers(file: BinaryIO, request: Request) -> None:
    """Raise FormatError for too many members, for one without end, and where the end is missing.

    An archive ends with blocks of zeros (POSIX.1-1988, ustar): without them it was cut short.
    """
    size = file.seek(0, io.SEEK_END)
    at = count = 0
    while True:
        request.deadline.check()
        file.seek(at)
        header = file.read(_BLOCK)
        if len(header) == _BLOCK and not any(header):
            break
        claimed = _number(header[124:136])
        if len(header) < _BLOCK or claimed is None or at + _BLOCK + claimed > size:
            raise FormatError("the tar archive was cut short or is damaged: download it again")
        if header[156:157] in _LONG and claimed > MOST_NAME_BYTES:
            raise FormatError("a name in the tar archive has no end: pack the files as a zip")
        count += 1
        if count > 2 * MAX_MEMBERS:
            raise FormatError(too_many(count))
        at += _BLOCK + -(-claimed // _BLOCK) * _BLOCK
    file.seek(0)


def _number(field: bytes) -> int | None:
    """Return a size as a header says it, in octal digits, or in binary where it is large."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]{0,12}", digits):
        return None
    return int(digits or b"0", 8)


class _Part(io.BufferedIOBase):
    """A member: a part of the archive's file, which stands elsewhere between two readings."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._size - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted <= 0:
            return b""
        self._file.seek(self._start + self._at)
        part = self._file.read(wanted)
        self._at += len(part)
        return part

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at
