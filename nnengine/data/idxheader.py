"""IDX headers: eight to twenty bytes that claim an element type and the sizes of an array.

Two zero bytes, one for the element type, one for the number of dimensions, then each dimension as
a big-endian 32-bit number (LeCun, Cortes & Burges, "The MNIST database").
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError, FormatError
from .sources import Stream, looks_like

TYPES = {
    code: np.dtype(name)
    for code, name in (
        (0x08, "u1"),
        (0x09, "i1"),
        (0x0B, "i2"),
        (0x0C, "i4"),
        (0x0D, "f4"),
        (0x0E, "f8"),
    )
}
CODES = {dtype.str[1:]: code for code, dtype in TYPES.items()}
MAX_DIMENSIONS = 4
_HEAD_BYTES = 512  # enough of a strange file to recognise it


@dataclass(frozen=True, slots=True, kw_only=True)
class IdxHeader:
    """What an IDX file says of itself: claims, not yet compared with the data behind them.

    ``dtype`` is in native byte order; ``header_bytes`` are the 8 to 20 bytes themselves;
    ``data_bytes`` is the size promised for the elements, unpacked; ``name`` is the
    file's, if known.
    """

    magic: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    header_bytes: bytes
    gzipped: bool
    data_bytes: int
    name: str | None

    @property
    def count(self) -> int:
        """Number of items: the first dimension."""
        return self.shape[0]

    @property
    def item_bytes(self) -> int:
        """Bytes of one item, unpacked."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file as promised, header included, unpacked."""
        return len(self.header_bytes) + self.data_bytes

    def items(self, count: int) -> str:
        """Say ``count`` of its items in words: ``10,000 images of 28x28``."""
        plain = self.dtype == np.uint8
        if len(self.shape) == 1:
            noun, size = "label" if plain else "value", ""
        else:
            noun = "row" if len(self.shape) == 2 else "item"
            noun = "image" if plain and len(self.shape) == 3 else noun
            size = " of " + "x".join(map(str, self.shape[1:]))
        return f"{count:,} {noun}{'' if count == 1 else 's'}{size}"

    def __str__(self) -> str:
        packed = ", gzip" if self.gzipped else ""
        return f"{self.items(self.count)}, {self.dtype.name}, magic {self.magic}{packed}"


def encode_header(array: np.ndarray) -> bytes:
    """Return the IDX header of ``array``; ConfigError where IDX has no place for such an array."""
    code = CODES.get(array.dtype.str[1:])
    if code is None:
        raise ConfigError(
            f"IDX cannot hold {array.dtype}: it knows uint8, int8, int16, int32, float32 and "
            "float64; convert first, for example array.astype(np.uint8)"
        )
    if not 1 <= array.ndim <= MAX_DIMENSIONS:
        raise ConfigError(f"IDX files here have 1 to 4 dimensions, the array has {array.ndim}")
    if max(array.shape) >= 2**32:
        raise ConfigError(f"an IDX dimension is at most 4,294,967,295, the array is {array.shape}")
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)


def read_header(stream: Stream) -> IdxHeader:
    """Return the header at the start of ``stream``; FormatError where there is none."""
    head = stream.peek(_HEAD_BYTES)
    if not head:
        raise _nothing(stream)
    _check_magic(stream, head)
    dimensions = head[3]
    size = 4 + 4 * dimensions
    if len(head) < size:
        raise stream.fault(
            f"the header is cut short: {len(head)} of its {size} bytes are there; "
            "download the file again",
            whole_items=0,
        )
    shape = struct.unpack(f">{dimensions}I", head[4:size])
    dtype = TYPES[head[2]]
    return IdxHeader(
        magic=int.from_bytes(head[:4], "big"),
        dtype=dtype,
        shape=shape,
        header_bytes=stream.read(size),
        gzipped=stream.gzipped,
        data_bytes=math.prod(shape) * dtype.itemsize,
        name=stream.name,
    )


def _check_magic(stream: Stream, head: bytes) -> None:
    if is_magic(head[:4]):
        return
    known = looks_like(head)
    if known is not None:
        raise stream.fault(f"not an IDX file but {known[0]}: {known[1]}")
    if len(head) < 4:
        raise stream.fault(f"too short for an IDX file ({len(head)} bytes): download it again")
    if is_magic(head[3::-1]):
        raise stream.fault(
            "an IDX header with its bytes reversed (little-endian): IDX is "
            "big-endian; write the file again with write_idx"
        )
    if head[:2] != b"\0\0":
        raise stream.fault(
            f"not an IDX file: it begins with the bytes {head[:4].hex(' ')}, an IDX "
            "file with two zero bytes; give a file such as train-images-idx3-ubyte"
        )
    if head[2] not in TYPES:
        types = ", ".join(f"0x{code:02X}" for code in TYPES)
        raise stream.fault(
            f"not an IDX file: element type 0x{head[2]:02X} is none of the six "
            f"({types}); the file is of another kind or damaged"
        )
    raise stream.fault(
        f"has {head[3]} dimensions: 1 to {MAX_DIMENSIONS} can be read; the file is "
        "of another kind or damaged"
    )


def is_magic(four: bytes) -> bool:
    """Return whether an IDX file of a known type and number of dimensions begins so."""
    whole = len(four) == 4 and four[:2] == b"\0\0"
    return whole and four[2] in TYPES and 1 <= four[3] <= MAX_DIMENSIONS


def _nothing(stream: Stream) -> FormatError:
    if stream.cut:
        return stream.fault(
            "the gzip data break off before the first byte of content: download the file again",
            whole_items=0,
        )
    unpacked = " once unpacked" if stream.gzipped else ""
    rewind = "; if it was read before, rewind it with seek(0)" if stream.borrowed else ""
    return stream.fault(f"is empty{unpacked} (0 bytes): download it again{rewind}")
