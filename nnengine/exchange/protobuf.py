"""Protocol buffers, as far as ONNX needs them: numbered fields to bytes and back, nothing trusted.

A message is a chain of fields: a number and a wire type in one varint, then a varint (0), eight
bytes (1), bytes with their length before them (2), or four (5). (Protocol Buffers, "Encoding".)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import FormatError

MAX_FIELDS = 200_000  # of one message
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Message = dict[int, list[Any]]


def varint(value: int) -> bytes:
    """Return a whole number in pieces of seven bits, the lowest first; negative ones take ten."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: int | float | str | bytes) -> bytes:
    """Return a field: a whole number, a float of four bytes, text, or a message's bytes."""
    if isinstance(value, float):
        return varint(number << 3 | FIXED32) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | BYTES) + varint(len(raw)) + raw


def message(*fields: tuple[int, Any]) -> bytes:
    """Return a message: each a number and its value, or values where it is repeated."""
    found = []
    for number, value in fields:
        several = value if isinstance(value, list | tuple) else [value]
        found += [field(number, one) for one in several]
    return b"".join(found)


# Reading -----------------------------------------------------------------------------------


def fields_of(data: memoryview | bytes) -> Message:
    """Return the values of a message by field: numbers, or memoryviews of what is left to read.

    Raises FormatError where it is cut short, or is no such message.
    """
    view, at, found, count = memoryview(data), 0, {}, 0
    while at < len(view):
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(view, at)
        else:
            if wire == BYTES:
                size, at = _varint(view, at)
            else:
                size = {FIXED64: 8, FIXED32: 4}.get(wire, -1)
            if number < 1 or not 0 <= size <= len(view) - at:
                raise FormatError(f"field {number} is cut short or damaged: download it again")
            value, at = view[at : at + size], at + size
        found.setdefault(number, []).append(value)
        count += 1
        if count > MAX_FIELDS:
            raise FormatError(f"a message of more than {MAX_FIELDS:,} fields")
    return found


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for n, byte in enumerate(view[at : at + 10]):
        value |= (byte & 0x7F) << 7 * n
        if byte < 0x80:
            return value & (1 << 64) - 1, at + n + 1
    raise FormatError("a number is cut short or damaged: download it again")


def signed(value: int) -> int:
    """Return a varint as the int64 that it is."""
    return value - (1 << 64) if value >= 1 << 63 else value


def texts(values: Iterable[Any]) -> list[str]:
    """Return fields of text. Raises FormatError for what is none."""
    try:
        return [bytes(value).decode() for value in values]
    except (UnicodeDecodeError, TypeError):
        raise FormatError("a name is no UTF-8 text: download it again") from None


def wholes(values: Sequence[Any], most: int = 64) -> list[int]:
    """Return repeated int64, packed into bytes or one by one; at most so many."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(signed(value))
            continue
        at = 0
        while at < len(value) and len(found) <= most:
            one, at = _varint(value, at)
            found.append(signed(one))
    if len(found) > most:
        raise FormatError(f"a list of more than {most} numbers where sides of an array are")
    return found


def floats(values: Sequence[Any], dtype: str) -> np.ndarray:
    """Return repeated floats or doubles, packed or one by one. Raises FormatError for others."""
    if any(isinstance(value, int) for value in values):
        raise FormatError("whole numbers where floats are: it is damaged")
    raw = b"".join(bytes(value) for value in values)
    if len(raw) % np.dtype(dtype).itemsize:
        raise FormatError("floats are cut short: download it again")
    return np.frombuffer(raw, dtype)


def nested(values: Sequence[Any]) -> list[Message]:
    """Return the messages that fields hold. Raises FormatError for what is none."""
    if any(isinstance(value, int) for value in values):
        raise FormatError("a number where a message is: it is damaged, or no ONNX")
    return [fields_of(value) for value in values]
