"""Tables: images as rows of a CSV, read a block at a time by arithmetic on its bytes.

Of MNIST's 60,000 rows and 47 million numbers none becomes a Python object: in a block of whole
numbers the places of its commas are enough to work out all values at once. A block that holds
anything else (fractions, quotes, blanks) goes through `numpy.loadtxt`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from math import isqrt

import numpy as np

from ...errors import FormatError
from ..sources import Stream
from .contents import Contents, datasets
from .contract import Request

BLOCK = 1 << 20  # MNIST in 1.0 to 1.6 s; blocks of 4 MB were no faster and took 31 MB more
MAX_LINE = 1 << 20  # bytes of one row: 250,000 pixels
DELIMITERS = b",;\t"
LABEL = re.compile(r"(label|class|target|digit|y|category)s?", re.IGNORECASE)
COUNTER = re.compile(r"|unnamed: \d+|index|id|row", re.IGNORECASE)  # what a frame adds of its own
_SIDES = re.compile(r"\D*(\d+)\s*x\s*(\d+)")
_NEWLINE, _ZERO = 10, 48
_LEAST_SQUARE = 64  # columns: from 8 x 8 on a square is hardly an accident


@dataclass
class _Plan:
    """What the first line says: how rows are cut, and which columns are what."""

    delimiter: int
    columns: int
    label: int | None = None  # None: no header says so
    dropped: list[int] = field(default_factory=list)
    shape: tuple[int, int] | None = None
    header: bool = False


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels in a CSV: one image a row, its label first or named in a header.

    Pixels make a square image, or the one that a header's "28x28" speaks of, else a single row.
    Where that is asked for, the rows before one that was cut short are kept. Raises FormatError.
    """
    plan = _plan(stream)
    rows = _Rows(plan.columns, request.max_bytes, stream)
    carry, number = b"", 1 + plan.header  # the row that a block begins with, as an editor counts
    while part := stream.read(BLOCK):
        block = carry + part
        cut = block.rfind(b"\n") + 1
        block, carry = block[:cut], block[cut:]
        if len(carry) > MAX_LINE:
            raise _too_long(stream)
        if block:
            values = _parse(block, plan, stream, number)
            number += block.count(b"\n")
            rows.add(values)
    whole = _last_row(carry, plan, stream, rows, number, request.keep_whole)
    found = _contents(rows.all(), plan, stream, request.name)
    return found if whole else replace(found, whole_items=rows.count)


def _plan(stream: Stream) -> _Plan:
    head = stream.peek(1 << 14)
    while b"\n" not in head and len(head) < MAX_LINE:
        longer = stream.peek(2 * len(head))
        if len(longer) == len(head):
            break
        head = longer
    line = head.partition(b"\n")[0]
    if len(line) >= MAX_LINE:
        raise _too_long(stream)
    bom = len(line) - len(line.removeprefix(b"\xef\xbb\xbf"))
    text = line[bom:].decode("utf-8", errors="replace")
    delimiter = max(DELIMITERS, key=lambda d: text.count(chr(d)))
    fields = [part.strip().strip('"') for part in text.split(chr(delimiter))]
    plan = _Plan(delimiter, len(fields))
    if all(_is_number(part) for part in fields):
        stream.read(bom)
        return plan
    _skip(stream, len(line) + 1)
    plan.header = True
    named = [i for i, part in enumerate(fields) if LABEL.fullmatch(part)]
    plan.label = named[0] if named else None
    plan.dropped = [i for i, f in enumerate(fields) if COUNTER.fullmatch(f) and i != plan.label]
    sides = _SIDES.fullmatch(fields[-1] if plan.label != len(fields) - 1 else fields[-2])
    if sides:
        plan.shape = int(sides[1]), int(sides[2])
    if not named:
        plan.label = _unnamed(fields, plan, stream)
    return plan


def _unnamed(fields: list[str], plan: _Plan, stream: Stream) -> int:
    """Return the label's column under a header that names none: the first, unless it is a pixel."""
    first = next((i for i in range(len(fields)) if i not in plan.dropped), 0)
    kin = [re.sub(r"\d+", "#", part) for part in fields[first:]]
    if len(kin) > 2 and kin[0] == kin[1] == kin[-1]:
        raise stream.fault(
            f"no column of labels: the header names {fields[first]}, {fields[first + 1]}, … alone; "
            "give the table that has a column “label”"
        )
    return first


def _skip(stream: Stream, count: int) -> None:
    while count > 0 and (part := stream.read(count)):
        count -= len(part)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class _Rows:
    """Rows as they come, in one array that grows by doubling: bytes until something is no byte."""

    def __init__(self, columns: int, max_bytes: int, stream: Stream) -> None:
        self._array = np.empty((0, columns), np.uint8)
        self._most, self._stream = max_bytes, stream
        self.count = 0

    def add(self, values: np.ndarray) -> None:
        if values.dtype != np.uint8 and self._array.dtype == np.uint8:
            self._array = self._array[: self.count].astype(np.float32)
        need = self.count + len(values)
        if need * self._array.shape[1] * self._array.itemsize > self._most:
            raise self._stream.fault(
                f"more than the {self._most:,} bytes of values allowed: give a smaller table"
            )
        if need > len(self._array):
            shape = (max(need, 2 * len(self._array)), self._array.shape[1])
            self._array.resize(shape, refcheck=False)
        self._array[self.count : need] = values
        self.count = need

    def all(self) -> np.ndarray:
        self._array.resize((self.count, self._array.shape[1]), refcheck=False)
        return self._array


def _parse(block: bytes, plan: _Plan, stream: Stream, number: int) -> np.ndarray:
    """Return the rows of a block that ends with a line's end: uint8, or float32 where need be."""
    if b"\r" in block:
        block = block.replace(b"\r", b"")
    values = _whole_numbers(block, plan)
    return _any_numbers(block, plan, stream, number) if values is None else values


def _whole_numbers(block: bytes, plan: _Plan) -> np.ndarray | None:
    """Return uint8 (rows, columns) where all fields are plain numbers up to 255, else None."""
    digits = np.frombuffer(block, np.uint8) - np.uint8(_ZERO)  # below 0 wraps to above 9
    ends = np.flatnonzero(digits > 9)
    if len(ends) % plan.columns:
        return None
    marks = digits[ends].reshape(-1, plan.columns)
    newline, delimiter = ((mark - _ZERO) % 256 for mark in (_NEWLINE, plan.delimiter))
    if not ((marks[:, -1] == newline).all() and (marks[:, :-1] == delimiter).all()):
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    # Where a number is shorter, the place before it holds another's digit or a mark: times zero.
    tens = digits[ends - 2] * (lengths > 1)
    hundreds = digits[ends - 3] * (lengths > 2)
    if (hundreds > 2).any():
        return None
    tail = digits[ends - 1] + 10 * tens  # up to 99: fits a byte
    if ((hundreds == 2) & (tail > 55)).any():
        return None
    return (100 * hundreds + tail).reshape(-1, plan.columns)


def _any_numbers(block: bytes, plan: _Plan, stream: Stream, number: int) -> np.ndarray:
    """Return float32 (rows, columns); FormatError names the first row or field that is wrong."""
    mark = chr(plan.delimiter)
    text = block.decode("utf-8", errors="replace")
    lines = []
    for i, line in enumerate(text.split("\n")):
        if line.strip():
            if line.count(mark) + 1 != plan.columns:
                raise stream.fault(
                    f"row {number + i:,} has {line.count(mark) + 1:,} columns, the first row "
                    f"{plan.columns:,}: each row holds one image and its label"
                )
            lines.append(line)
    if not lines:
        return np.empty((0, plan.columns), np.uint8)
    try:
        return np.loadtxt(lines, np.float32, delimiter=mark, comments=None, quotechar='"', ndmin=2)
    except ValueError:
        raise _no_number(text, plan, stream, number) from None


def _no_number(text: str, plan: _Plan, stream: Stream, number: int) -> FormatError:
    for i, line in enumerate(text.split("\n")):
        for column, part in enumerate(line.split(chr(plan.delimiter)) if line.strip() else ()):
            if not _is_number(part.strip().strip('"')):
                return stream.fault(
                    f"row {number + i:,}, column {column + 1:,}: “{part.strip()[:20]}” is no "
                    "number: pixels and labels are numbers, and words stand in the first row only"
                )
    return stream.fault(f"the rows from {number:,} cannot be read as numbers")


def _last_row(
    line: bytes, plan: _Plan, stream: Stream, rows: _Rows, number: int, keep_whole: bool
) -> bool:
    """Take in a last line without a line's end, if it is whole; return whether all rows are."""
    found = line.count(bytes([plan.delimiter])) + 1
    line = line.rstrip(b"\r")
    whole = True
    if line.strip() and not stream.cut and found >= plan.columns and _ends(line, plan):
        rows.add(_parse(line + b"\n", plan, stream, number))
    elif line.strip() or stream.cut:
        whole = False
    if not whole and not keep_whole:
        where = "the gzip data break off" if stream.cut else f"row {number:,} is cut off"
        remedy = "download it again, or keep the rows before"
        if not rows.count:
            remedy = "not one row is whole, download it again"
        raise stream.fault(
            f"{where}: it has {found:,} of {plan.columns:,} columns; {rows.count:,} whole rows "
            f"stand before it: {remedy}",
            whole_items=rows.count,
        )
    if not rows.count:
        raise stream.fault("no rows: a table of images has one row an image", whole_items=0)
    return whole


def _ends(line: bytes, plan: _Plan) -> bool:
    """Return whether something follows the last delimiter."""
    return bool(line.rpartition(bytes([plan.delimiter]))[2].strip())


def _contents(table: np.ndarray, plan: _Plan, stream: Stream, name: str) -> Contents:
    kept = [i for i in range(plan.columns) if i not in plan.dropped]
    notes = []
    label = plan.label
    if label is None:
        label, note = _guess(table, kept, stream)
        notes += note
    pixels = [i for i in kept if i != label]
    if not pixels:
        raise stream.fault("only labels: each row needs the pixels of its image beside its label")
    labels = table[:, label].copy()
    first, last = pixels[0], pixels[-1] + 1
    images = table[:, first:last] if last - first == len(pixels) else table[:, pixels]
    images = np.ascontiguousarray(images).reshape(len(table), *_shape(len(pixels), plan))
    try:
        return datasets({"": (images, labels)}, form="CSV table", name=name, notes=notes)
    except FormatError as error:
        raise stream.fault(str(error)) from None


def _guess(table: np.ndarray, kept: list[int], stream: Stream) -> tuple[int, list[str]]:
    """Return the label's column where no header names it: the first, or the last if that is dull.

    A corner pixel is blank in every row of a table that ends with its labels.
    """
    first, last = table[:, kept[0]], table[:, kept[-1]]
    if len(table) > 1 and (first == first[0]).all() and (last != last[0]).any():
        return kept[-1], ["The first column never changes, so the last was taken for the label."]
    if len(kept) >= _LEAST_SQUARE and _is_square(len(kept)):
        side = isqrt(len(kept))
        raise stream.fault(
            f"{len(kept):,} columns are images of {side} x {side} pixels and leave none for the "
            "label: give the table that has one"
        )
    return kept[0], []


def _is_square(count: int) -> bool:
    return isqrt(count) ** 2 == count


def _shape(pixels: int, plan: _Plan) -> tuple[int, int]:
    if plan.shape and plan.shape[0] * plan.shape[1] == pixels:
        return plan.shape
    side = isqrt(pixels)
    return (side, side) if side * side == pixels else (1, pixels)


def _too_long(stream: Stream) -> FormatError:
    return stream.fault(
        f"a row of more than {MAX_LINE:,} characters: a table of images has one image a row"
    )
