"""The .npy format, read without trust: a strict parse, and no byte beyond what it promises."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import FormatError

MAX_HEAD_BYTES = 10_000  # NumPy's own limit for the text that describes an array


class Readable(Protocol):
    """Whatever gives up to so many bytes when asked."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, fewer at the end."""
        ...


@dataclass(frozen=True, slots=True)
class NpyHead:
    """What an .npy says of its values: type, whether columns come first, and shape."""

    dtype: np.dtype
    fortran: bool
    shape: tuple[int, ...]


def read_head(
    stream: Readable, what: str, *, kinds: tuple[str, ...] = ("f2", "f4", "f8", "u1")
) -> NpyHead:
    """Return the description an .npy begins with; ``what`` names it in messages.

    A parse of our own, for NumPy's evaluates Python literals. Raises FormatError for anything but
    a plain array of one of ``kinds`` (NumPy's short names), in either byte order.
    """
    start = stream.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY" or start[6] not in (1, 2, 3):
        raise FormatError(f"{what} is not a NumPy array of version 1, 2 or 3")
    length = int.from_bytes(stream.read(2 if start[6] == 1 else 4), "little")
    if length > MAX_HEAD_BYTES:
        raise FormatError(f"{what} describes itself in {length:,} bytes; at most 10,000 are read")
    text = stream.read(length).decode("latin-1")
    dtype = re.search(r"""['"]descr['"]\s*:\s*['"]([<>=|]?[a-zA-Z]\d{1,3})['"]""", text)
    order = re.search(r"""['"]fortran_order['"]\s*:\s*(True|False)""", text)
    shape = re.search(r"""['"]shape['"]\s*:\s*\(([\d\s,]*)\)""", text)
    if len(text) < length or not (dtype and order and shape):
        found = "an array of Python objects" if "O'" in text else "no plain array of numbers"
        raise FormatError(f"the description of {what} is cut short or damaged: {found}")
    if dtype[1].lstrip("<>=|") not in kinds:
        raise FormatError(
            f"{what} holds numbers of type {dtype[1]!r}; expected one of {', '.join(kinds)}"
        )
    sides = [side for side in re.split(r"[\s,]+", shape[1]) if side]
    if any(len(side) > 18 for side in sides):
        raise FormatError(f"{what} claims an absurd shape")
    return NpyHead(np.dtype(dtype[1]), order[1] == "True", tuple(map(int, sides)))


def read_values(stream: Readable, head: NpyHead, what: str) -> np.ndarray:
    """Return the values in native byte order; never more is read than the description claims.

    Raises FormatError when there are fewer or more of them.
    """
    wanted = math.prod(head.shape) * head.dtype.itemsize
    data = stream.read(wanted + 1)
    if len(data) != wanted:
        fault = "is cut short: it holds" if len(data) < wanted else "has bytes after its end:"
        found = f"{len(data):,}" if len(data) < wanted else f"more than {wanted:,}"
        raise FormatError(
            f"{what} {fault} {found} bytes of values, its shape {head.shape} needs "
            f"{wanted:,}; save or download the model again"
        )
    flat = np.frombuffer(data, head.dtype)
    array = flat.reshape(head.shape, order="F" if head.fortran else "C")
    return array.astype(head.dtype.newbyteorder("="), order="C", copy=False)


def npy_bytes(array: np.ndarray) -> bytes:
    """Return the bytes ``numpy.save`` writes: version 1.0, little-endian, row by row."""
    stream = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    np.lib.format.write_array(stream, little, version=(1, 0), allow_pickle=False)
    return stream.getvalue()
