"""Archives: a zip or a folder is a list of named members, none of them trusted for its size."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from ...errors import EngineError, FormatError
from ..limits import MAX_DIRECTORY_BYTES, MAX_MEMBERS
from ..sources import DEFLATE_RATIO, BinaryFile

_LOCAL, _ENTRY, _END, _LOCATOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x07"
_AFTER = 76  # bytes that a large zip may have between its directory and its end
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside: its path with slashes, its size as claimed, and how to open it."""

    path: str
    size: int
    open: Callable[[], BinaryFile]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def head(self, count: int) -> bytes:
        """Return its first bytes."""
        with self.open() as file:
            return file.read(count)


@contextmanager
def zip_members(file: BinaryIO) -> Iterator[list[Member]]:
    """Yield the members of an open, seekable zip in the order of their paths.

    Raises FormatError for a zip that is damaged, cut short or encrypted, when it is opened or one
    of its members is read.
    """
    size = _check_directory(file)
    with zip_faults():
        archive = zipfile.ZipFile(file)
    with archive:
        with zip_faults():  # a name may be empty
            infos = [info for info in archive.infolist() if not info.is_dir()]
        if sum(info.compress_size for info in infos) > size:
            raise FormatError(
                "the files in the zip lie over each other, as none that was packed in good faith "
                "has them: download or pack it again"
            )
        paths = _with_slashes([info.filename for info in infos])
        yield [
            Member(path, _checked(info).file_size, partial(_Unpacked, archive, info))
            for path, info in sorted(zip(paths, infos, strict=True), key=lambda pair: pair[0])
            if not is_clutter(path) and not path.endswith("/")
        ]


def _with_slashes(paths: list[str]) -> list[str]:
    """Return the paths of a zip, those that Windows parted by backslashes with slashes.

    .NET before 4.6.1, and so PowerShell's Compress-Archive, wrote the former into every name.
    """
    if any("/" in path for path in paths):
        return paths
    return [path.replace("\\", "/") for path in paths]


class _Unpacked(io.BufferedIOBase):
    """A member of a zip; what `zipfile` finds wrong with it is a FormatError.

    It alone is watched, and not whoever reads it: a fault of a reader is no damage of the zip. One
    that is read whole at once, as pictures are, never needs zipfile's own machinery, which takes
    six times as long for a small one; whatever is odd about it is left for zipfile to tell.
    """

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive, self._info = archive, info
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        size = -1 if size is None else size
        if self._file is None and (size < 0 or size >= self._info.file_size):
            with zip_faults():
                whole = _whole(self._archive, self._info)
            if whole is not None:
                self._file = io.BytesIO(whole)
        with zip_faults():
            return self._opened().read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with zip_faults():
            return self._opened().seek(offset, whence)

    def tell(self) -> int:
        return 0 if self._file is None else self._file.tell()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._archive.open(self._info)
        return self._file


def _whole(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | None:
    """Return a member's bytes, its name, size and checksum being right; else None."""
    file = archive.fp
    if file is None or info.flag_bits & 1:
        return None
    file.seek(info.header_offset)
    head = file.read(30)
    if len(head) < 30 or not head.startswith(_LOCAL):
        return None
    called, more = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
    name, _, body = file.read(called), file.read(more), file.read(info.compress_size)
    if name.decode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace") != info.orig_filename:
        return None
    if info.compress_type == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            body = inflate.decompress(body, info.file_size + 1)
        except zlib.error:
            return None
    right = len(body) == info.file_size and zlib.crc32(body) == info.CRC
    return body if right else None


def _checked(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    if info.flag_bits & 1:
        raise FormatError("the zip is locked with a password: unpack it and pack it without one")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError("the zip is packed by an unusual method: pack it as an ordinary zip")
    if info.file_size > info.compress_size * DEFLATE_RATIO + 64:
        raise FormatError(
            f"{info.filename[:60]} claims {info.file_size:,} bytes from {info.compress_size:,} "
            "packed ones, which no zip can hold: it is damaged; download or pack it again"
        )
    return info


def folder_members(folder: Path) -> list[Member]:
    """Return the files in a folder and those beneath it, in the order of their paths."""
    found = []
    for at, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not is_clutter(name))
        for name in sorted(names):
            path = Path(at) / name
            inside = path.relative_to(folder).as_posix()
            if not is_clutter(inside) and path.is_file():
                found.append(Member(inside, path.stat().st_size, partial(open, path, "rb")))
        if len(found) > MAX_MEMBERS:
            raise FormatError(f"{folder.name}: {too_many(len(found))}")
    return sorted(found, key=lambda member: member.path)


def is_clutter(path: str) -> bool:
    """Return whether a file is one that systems leave in folders, or is hidden."""
    parts = path.lower().split("/")  # not by pathlib: 100,000 names took half a second
    return any(part.startswith(".") and part != "." or part in _CLUTTER for part in parts)


def too_many(count: int) -> str:
    """Say that so many files are too many."""
    return (
        f"{count:,} files, and {MAX_MEMBERS:,} at most are read: give the images as one array "
        "(.npy, .npz, IDX), or a part of them"
    )


def _check_directory(file: BinaryIO) -> int:
    """Return a zip's size; FormatError where its directory is missing or would fill the memory."""
    size = file.seek(0, io.SEEK_END)
    start = file.seek(max(0, size - (1 << 16) - 64))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise FormatError("the end of the zip is missing: it was cut short; download it again")
    end = start + at
    (directory,) = struct.unpack_from("<L", tail, at + 12)
    if directory == 0xFFFFFFFF:  # a large zip keeps the number elsewhere, and says where
        locator = tail.rfind(_LOCATOR, 0, at)
        if locator < 0 or len(tail) - locator < 20:
            raise FormatError("the directory of the zip is damaged: download or pack it again")
        (place,) = struct.unpack_from("<Q", tail, locator + 8)
        file.seek(end := min(place, start + locator))
        record = file.read(56)
        directory = struct.unpack_from("<Q", record, 40)[0] if len(record) == 56 else size
    if directory > MAX_DIRECTORY_BYTES:
        raise FormatError(
            f"the directory of the zip alone has {directory:,} bytes: pack fewer files, or give "
            "the images as one array"
        )
    # An entry becomes an object of some 500 bytes: they are counted before the first one does.
    file.seek(max(0, end - directory - _AFTER))
    count = file.read(directory + _AFTER).count(_ENTRY)
    if count > MAX_MEMBERS:
        raise FormatError(too_many(count))
    return size


@contextmanager
def zip_faults() -> Iterator[None]:
    """Turn whatever `zipfile` raises on damaged bytes into one FormatError."""
    try:
        yield
    except EngineError:
        raise
    except (
        zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError,
        struct.error, NotImplementedError, RuntimeError, ValueError, OSError, OverflowError,
        LookupError,
    ) as error:  # fmt: skip
        raise FormatError(f"the zip is damaged ({error}): download or pack it again") from None
