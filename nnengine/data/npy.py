"""The .npy format, read without trust: a strict parse, and no byte beyond what it promises."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import FormatError
from .limits import MAX_DIMENSIONS, is_addressable

_PIECE = 1 << 20
MAX_HEAD_BYTES = 10_000  # NumPy's own limit for the text that describes an array


class NoNumbersError(FormatError):
    """An array holds text, objects or numbers of a kind that is not asked for."""


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
        raise _no_numbers(what, text if len(text) == length else "")
    if dtype[1].lstrip("<>=|") not in kinds:
        raise NoNumbersError(
            f"{what} holds numbers of type {dtype[1]!r}; expected one of {', '.join(kinds)}"
        )
    sides = [side for side in re.split(r"[\s,]+", shape[1]) if side]
    return NpyHead(np.dtype(dtype[1]), order[1] == "True", _shape(sides, dtype[1], what))


def _no_numbers(what: str, text: str) -> FormatError:
    """Return what is to be said of a description, "" of one cut short, that is none of numbers."""
    if "O'" in text:
        return NoNumbersError(
            f"{what} holds Python objects, as arrays of unequal length do: none is opened here; "
            "give an array of numbers"
        )
    if re.search(r"""['"]descr['"]\s*:\s*\[""", text):
        return NoNumbersError(
            f"{what} has fields with names, as a table has: save each as an array of its own"
        )
    return FormatError(
        f"the description of {what} is cut short or damaged: no plain array of numbers"
    )


def _shape(sides: list[str], dtype: str, what: str) -> tuple[int, ...]:
    """Return the sides as numbers, where an array can have them."""
    if len(sides) > MAX_DIMENSIONS:
        raise FormatError(
            f"{what} claims {len(sides):,} dimensions; arrays of up to {MAX_DIMENSIONS} are read: "
            "it is damaged; download or save it again"
        )
    shape = tuple(int(side) for side in sides if len(side) <= 18)
    if len(shape) < len(sides) or not is_addressable(shape, np.dtype(dtype).itemsize):
        raise FormatError(
            f"{what} claims the shape ({', '.join(side[:20] for side in sides)}), which no array "
            "can have: it is damaged; download or save it again"
        )
    return shape


def read_values(
    stream: Readable, head: NpyHead, what: str, out: np.ndarray | None = None
) -> np.ndarray:
    """Return the values in native byte order; never more is read than the description claims.

    Whether the stream can hold as many is for the caller to ask: memory is set aside for them.
    `out`, flat and as many, takes them where it is given, without another copy if it can. Raises
    FormatError when there are fewer or more of them.
    """
    wanted = math.prod(head.shape) * head.dtype.itemsize
    alike = out is not None and head.dtype == out.dtype and not head.fortran
    data = out.view(np.uint8) if alike and out is not None else np.empty(wanted, np.uint8)
    filled = fill(stream, data)
    if filled < wanted or stream.read(1):
        fault = "is cut short: it holds" if filled < wanted else "has bytes after its end:"
        found = f"{filled:,}" if filled < wanted else f"more than {wanted:,}"
        raise FormatError(
            f"{what} {fault} {found} bytes of values, its shape {head.shape} needs "
            f"{wanted:,}; save or download the model again"
        )
    array = data.view(head.dtype).reshape(head.shape, order="F" if head.fortran else "C")
    if out is not None and not alike:
        out[:] = array.ravel()
    return array.astype(head.dtype.newbyteorder("="), order="C", copy=False)


def fill(stream: Readable, data: np.ndarray) -> int:
    """Read into uint8 (n,) a piece at a time, no second copy; return how many bytes came."""
    filled = 0
    while filled < data.size and (part := stream.read(min(_PIECE, data.size - filled))):
        data[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
    return filled


def npy_bytes(array: np.ndarray) -> bytes:
    """Return the bytes ``numpy.save`` writes: version 1.0, little-endian, row by row."""
    stream = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    np.lib.format.write_array(stream, little, version=(1, 0), allow_pickle=False)
    return stream.getvalue()
