"""MATLAB's .mat files of version 5: arrays by name, those in structs too (MAT-File Format, R2023b).

Read here and not by SciPy: what such a file says of its sizes has to be gone through before anybody
believes it, nested and packed as it is, and then the arrays are there. Tests hold it to SciPy.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

import numpy as np

from ...errors import FormatError
from ..limits import MAX_DIMENSIONS, Deadline
from ..sources import Stream
from .contents import Contents
from .contract import Request
from .matrices import assembled

MAX_ARRAYS = 2_000
_MOST_NESTED = 6
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _NUMBERS = 2, range(6, 16)  # classes of arrays
_COMPLEX = 0x0800
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_DAMAGED = "the .mat file is damaged or was cut short: download it again"


def is_mat(head: bytes) -> bool:
    """Return whether a file begins as one of version 5: MATLAB's, or another program's."""
    return head.startswith(b"MATLAB 5.0 MAT-file") or (
        head[124:128] in (b"\0\1IM", b"\1\0MI") and head[:4].isalpha()
    )


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels in a .mat file; raises FormatError.

    Arrays are told apart by name and shape as those of an .npz; see `matrices` for what MATLAB does
    otherwise. Text, cells, sparse matrices and objects are passed over.
    """
    return assembled(
        arrays_in(stream, request), form="MATLAB file", name=request.name, by_columns=True,
        colours=request.colours,
    )  # fmt: skip


def arrays_in(stream: Stream, request: Request) -> dict[str, np.ndarray]:
    """Return the arrays of numbers in a .mat file by name, as they are; raises FormatError."""
    head = stream.read_whole(128)
    if len(head) < 128 or head[126:128] not in (b"IM", b"MI"):
        raise FormatError(_DAMAGED)
    reader = _Reader("<" if head[126:128] == b"IM" else ">", request)
    while tag := stream.read_whole(8):
        reader.element(tag, stream)
    return reader.arrays


class _Reader:
    """The arrays as they come, within what is allowed of bytes, arrays and nesting."""

    def __init__(self, order: str, request: Request) -> None:
        self._order, self._left, self._most = order, request.max_bytes, request.max_bytes
        self._deadline: Deadline = request.deadline
        self.arrays: dict[str, np.ndarray] = {}

    def element(self, tag: bytes, stream: Stream) -> None:
        """Read one variable, of which the tag was read; raises FormatError."""
        kind, size = self._numbers(tag, 2)
        if kind not in (_MATRIX, _COMPRESSED):
            raise FormatError(_DAMAGED)
        room = self._left + (1 << 16)  # of what is no value: names, and tags of eight bytes
        if kind == _MATRIX:
            if size > room:
                raise self._too_large()
            body = stream.read_whole(size)
            stream.read_whole(-size % 8)
        else:
            body = self._unpacked(stream, size, room)
        if len(body) < size and kind == _MATRIX:
            raise FormatError(_DAMAGED)
        self._matrix(memoryview(body), "", 0)

    def _unpacked(self, stream: Stream, size: int, room: int) -> bytes:
        """Return the one matrix in packed bytes, without its tag."""
        inflate, parts, held = zlib.decompressobj(), [], 0
        while size > 0 and (packed := stream.read(min(size, 1 << 16))):
            self._deadline.check()
            size -= len(packed)
            while packed:
                try:
                    part = inflate.decompress(packed, 1 << 20)
                except zlib.error:
                    raise FormatError(_DAMAGED) from None
                packed = inflate.unconsumed_tail
                parts.append(part)
                held += len(part)
                if held > room:
                    raise self._too_large()
        whole = b"".join(parts)
        if size or not inflate.eof or len(whole) < 8:
            raise FormatError(_DAMAGED)
        kind, count = self._numbers(whole[:8], 2)
        if kind != _MATRIX or count > len(whole) - 8:
            raise FormatError(_DAMAGED)
        return whole[8 : 8 + count]

    def _matrix(self, body: memoryview, above: str, nested: int) -> None:
        """Take in an array, or those in a struct; `above` is what the structs around are called."""
        self._deadline.check()
        if not body:
            return  # an empty field
        parts = self._parts(body)
        flags, dimensions, called = (next(parts, (0, b""))[1] for _ in range(3))
        if len(flags) < 8 or len(dimensions) % 4 or len(dimensions) > 4 * MAX_DIMENSIONS:
            raise FormatError(_DAMAGED)
        (flag,) = self._numbers(flags[:4], 1)
        shape = tuple(self._numbers(dimensions, len(dimensions) // 4))
        name = bytes(called[:64]).decode("ascii", "replace")
        name = ".".join(filter(None, (above, name)))
        if flag & 255 == _STRUCT:
            self._struct(parts, shape, name, nested)
        elif flag & 255 in _NUMBERS and not flag & _COMPLEX:
            self._numeric(next(parts, (0, memoryview(b""))), shape, name)

    def _struct(
        self,
        parts: Iterator[tuple[int, memoryview]],
        shape: tuple[int, ...],
        name: str,
        nested: int,
    ) -> None:
        """Take in the arrays of a struct; one that is a list of structs is passed over."""
        if nested >= _MOST_NESTED:
            raise FormatError(
                f"structs lie in structs more than {_MOST_NESTED} deep: save the arrays by "
                "themselves"
            )
        (_, width), (_, names) = (next(parts, (0, memoryview(b""))) for _ in range(2))
        (length,) = self._numbers(width[:4], 1) if len(width) >= 4 else (0,)
        if not 0 < length <= 64 or math.prod(shape) != 1:
            return
        for start in range(0, len(names), length):
            field = bytes(names[start : start + length]).partition(b"\0")[0]
            kind, body = next(parts, (0, memoryview(b"")))
            if kind != _MATRIX:
                raise FormatError(_DAMAGED)
            called = ".".join(filter(None, (name, field.decode("ascii", "replace"))))
            self._matrix(body, called, nested + 1)

    def _numeric(self, part: tuple[int, memoryview], shape: tuple[int, ...], name: str) -> None:
        """Take in an array, its values as narrow as they lie in the file."""
        kind, body = part
        dtype = _TYPES.get(kind)
        if dtype is None or math.prod(shape) * int(dtype[1:]) != len(body):
            raise FormatError(_DAMAGED)
        self._left -= len(body)
        if self._left < 0:
            raise self._too_large()
        if len(self.arrays) >= MAX_ARRAYS:
            raise FormatError(f"more than {MAX_ARRAYS:,} arrays: save images and labels alone")
        if body:
            array = np.frombuffer(body, self._order + dtype).reshape(shape, order="F")
            self.arrays[name] = array.astype(dtype, copy=False)

    def _parts(self, body: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Yield (type, bytes) of the elements that a matrix is made of."""
        at = 0
        while at + 8 <= len(body):
            kind, size = self._numbers(body[at : at + 8], 2)
            start = at + 8
            if kind >> 16:  # four bytes or fewer stand in the tag itself
                kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
                if size > 4:
                    raise FormatError(_DAMAGED)
            if start + size > len(body):
                raise FormatError(_DAMAGED)
            yield kind, body[start : start + size]
            at = at + 8 if start == at + 4 else start + size + -size % 8

    def _numbers(self, raw: bytes | memoryview, count: int) -> list[int]:
        if len(raw) < 4 * count:
            raise FormatError(_DAMAGED)
        return np.frombuffer(raw, self._order + "u4", count).tolist()

    def _too_large(self) -> FormatError:
        return FormatError(
            f"more than the {self._most:,} bytes of values allowed: give a smaller file",
            too_large=True,
        )
