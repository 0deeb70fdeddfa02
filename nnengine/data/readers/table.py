"""Tables: images as rows of a CSV, read a block at a time by arithmetic on its bytes.

Of MNIST's 60,000 rows and 47 million numbers none becomes a Python object: in a block of whole
numbers the places of its commas are enough to work out all values at once. A block that holds
anything else (fractions, quotes, blanks) goes through `numpy.loadtxt`.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from ..sources import Stream
from .contents import Contents, as_bytes, datasets, frozen
from .contract import Request
from .labelwords import Words
from .tableplan import (
    DECIMAL_COMMA,
    MAX_LINE,
    Plan,
    decimal_commas,
    is_number,
    is_square,
    make_plan,
    too_long,
)

BLOCK = 1 << 20  # MNIST in 1.0 to 1.6 s; blocks of 4 MB were no faster and took 31 MB more
_NEWLINE, _ZERO = 10, 48
_FIRST = 64  # rows
_LEAST_COUNTED = 10  # rows: so many labels are hardly 0, 1, 2, … in order


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels in a CSV: one image a row, its label first or named in a header.

    Pixels make a square image, or the one that a header's "28x28" speaks of, else a single row.
    Without a label they are images alone. Where that is asked for, the rows before one that was cut
    short are kept. Raises FormatError.
    """
    return read_rows(stream, make_plan(stream), request, "CSV table")


def read_rows(stream: Stream, plan: Plan, request: Request, form: str) -> Contents:
    """Return what the rows of a table hold, by a plan of its columns; raises FormatError."""
    rows = Rows(plan.columns, request.max_bytes, stream)
    carry, number = b"", plan.first_row  # the row that a block begins with, as an editor counts
    while part := stream.read_whole(BLOCK):
        block = carry + (part.replace(b"\r", b"\n") if plan.old_mac else part)
        cut = block.rfind(b"\n") + 1
        block, carry = block[:cut], block[cut:]
        if len(carry) > MAX_LINE:
            raise too_long(stream)
        if block:
            rows.add(_with_words(block, plan, stream, number, rows))
            number += block.count(b"\n")
    whole = _last_row(carry, plan, stream, rows, number, request.keep_whole)
    found = contents_of(rows.all(), plan, stream, request.name, form)
    return found if whole else replace(found, whole_items=rows.count)


class Rows:
    """Rows as they come, in one array that grows by doubling: bytes until something is no byte."""

    def __init__(self, columns: int, max_bytes: int, stream: Stream) -> None:
        self._array = np.empty((0, columns), np.uint8)
        self._most, self._stream = max_bytes, stream
        self.count = 0

    def add(self, values: np.ndarray) -> None:
        need = self.count + len(values)
        itemsize = max(values.itemsize, self._array.itemsize)
        if need * self._array.shape[1] * itemsize > self._most:
            raise self._stream.fault(
                f"more than the {self._most:,} bytes of values allowed: give a smaller table",
                too_large=True,
            )
        if values.dtype != np.uint8 and self._array.dtype == np.uint8:
            self._array = self._array[: self.count].astype(np.float32)
        if need > len(self._array):
            room = self._most // (self._array.shape[1] * itemsize)
            shape = (min(room, max(need, 2 * len(self._array))), self._array.shape[1])
            self._array.resize(shape, refcheck=False)
        self._array[self.count : need] = values
        self.count = need

    def recode(self, column: int, words: Words) -> None:
        """Take the numbers of a column for words, so far."""
        values = self._array[: self.count, column]
        codes = {value: words.number(f"{value:g}") for value in np.unique(values).tolist()}
        values[:] = [codes[value] for value in values.tolist()]

    def all(self) -> np.ndarray:
        self._array.resize((self.count, self._array.shape[1]), refcheck=False)
        return self._array


class _WordsError(Exception):
    """A word stands in the column of labels, where numbers stood before."""


def _with_words(block: bytes, plan: Plan, stream: Stream, number: int, rows: Rows) -> np.ndarray:
    """Return the rows of a block; the first word for a label makes words of all before it."""
    try:
        return _parse(block, plan, stream, number)
    except _WordsError:
        plan.words = Words(plan.label or 0, plan.columns, plan.delimiter)
        rows.recode(plan.label or 0, plan.words)
        return _parse(block, plan, stream, number)


def _parse(block: bytes, plan: Plan, stream: Stream, number: int) -> np.ndarray:
    """Return the rows of a block that ends with a line's end: uint8, or float32 where need be."""
    block = plan.tidy(block)
    if plan.words is not None:
        try:
            block = plan.words.coded(block, number)
        except FormatError as error:
            raise stream.fault(str(error)) from None
    values = _whole_numbers(block, plan)
    return _any_numbers(block, plan, stream, number) if values is None else values


def _whole_numbers(block: bytes, plan: Plan) -> np.ndarray | None:
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


def _any_numbers(block: bytes, plan: Plan, stream: Stream, number: int) -> np.ndarray:
    """Return float32 (rows, columns); FormatError names the first row or field that is wrong."""
    mark = chr(plan.delimiter)
    text = block.decode("utf-8", errors="replace")
    lines = []
    for i, line in enumerate(text.split("\n")):
        if line.strip():
            if _is_word(line, plan):
                raise _WordsError
            if line.count(mark) + 1 != plan.columns:
                raise stream.fault(
                    f"row {number + i:,} has {line.count(mark) + 1:,} columns, the first row "
                    f"{plan.columns:,}: each row holds one image and its label"
                )
            lines.append(line)
    if not lines:
        return np.empty((0, plan.columns), np.uint8)
    try:
        values = np.loadtxt(
            lines, np.float32, delimiter=mark, comments=None, quotechar='"', ndmin=2
        )
    except ValueError:
        raise _no_number(text, plan, stream, number) from None
    if values.shape[1] != plan.columns:
        raise stream.fault(
            f"row {number:,} has quotes around more than one of its {plan.columns:,} columns: "
            "write numbers without quotes, or each within its own"
        )
    return values


def _is_word(line: str, plan: Plan) -> bool:
    """Return whether the label of a row is a word."""
    if plan.label is None or plan.words is not None:
        return False
    cells = line.split(chr(plan.delimiter))
    last = plan.label >= min(len(cells), plan.columns - 1)
    cell = cells[-1 if last else plan.label].strip().strip('"')
    return bool(cell) and not is_number(cell) and not DECIMAL_COMMA.fullmatch(cell)


def _no_number(text: str, plan: Plan, stream: Stream, number: int) -> FormatError:
    for i, line in enumerate(text.split("\n")):
        for column, part in enumerate(line.split(chr(plan.delimiter)) if line.strip() else ()):
            cell = part.strip().strip('"')
            if not is_number(cell):
                if DECIMAL_COMMA.fullmatch(cell):
                    return decimal_commas(stream, number + i, cell)
                if not cell:
                    return stream.fault(
                        f"row {number + i:,}, column {column + 1:,} is empty: each image has all "
                        "its pixels; fill it in, or leave the row out"
                    )
                return stream.fault(
                    f"row {number + i:,}, column {column + 1:,}: “{part.strip()[:20]}” is no "
                    "number: pixels and labels are numbers, and words stand in the first row only"
                )
    return stream.fault(f"the rows from {number:,} cannot be read as numbers")


def _last_row(
    line: bytes, plan: Plan, stream: Stream, rows: Rows, number: int, keep_whole: bool
) -> bool:
    """Take in a last line without a line's end, if it is whole; return whether all rows are."""
    line = line.rstrip(b"\r")
    ended = not plan.trailing or line.endswith(bytes([plan.delimiter]))
    line = plan.tidy(line + b"\n")[:-1]
    line = line.strip() if plan.delimiter == ord(" ") else line
    found = line.count(bytes([plan.delimiter])) + 1
    whole = True
    if line.strip() and not stream.cut and found >= plan.columns and ended and _ends(line, plan):
        rows.add(_with_words(line + b"\n", plan, stream, number, rows))
    elif line.strip() or stream.cut:
        whole = False
    if not whole and not keep_whole:
        where = "the gzip data break off" if stream.cut else f"row {number:,} is cut off"
        remedy = "download it again, or keep the rows before (keep_whole=True)"
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


def _ends(line: bytes, plan: Plan) -> bool:
    """Return whether something follows the last delimiter."""
    return bool(line.rpartition(bytes([plan.delimiter]))[2].strip())


def contents_of(table: np.ndarray, plan: Plan, stream: Stream, name: str, form: str) -> Contents:
    """Return the images and labels in rows of numbers; raises FormatError."""
    labels, pixels, notes = _columns(table, plan, stream)
    if not pixels:
        raise stream.fault("only labels: each row needs the pixels of its image beside its label")
    first, last = pixels[0], pixels[-1] + 1
    images = table[:, first:last] if last - first == len(pixels) else table[:, pixels]
    images = np.ascontiguousarray(images).reshape(len(table), *_shape(len(pixels), plan))
    try:
        if labels is None:
            scaled, said = as_bytes({"the images": images})
            images = frozen(scaled["the images"])
            return Contents(form=form, images=images, notes=(*notes, *said))
        names = None
        if plan.words is not None:
            labels, names = plan.words.done(labels)
        return datasets(
            {"": (images, labels)}, form=form, name=name, notes=notes, class_names=names
        )
    except FormatError as error:
        raise stream.fault(str(error)) from None


def _columns(
    table: np.ndarray, plan: Plan, stream: Stream
) -> tuple[np.ndarray | None, list[int], list[str]]:
    """Return the labels, if there are any, which columns are pixels, and what was guessed."""
    kept = plan.kept
    if plan.label is not None:
        return table[:, plan.label].copy(), [i for i in kept if i != plan.label], []
    if plan.unlabelled:
        return None, kept, []
    notes = []
    if not plan.dropped and _counts(table, kept):
        notes.append("The first column counts the rows: it was left out.")
        kept = kept[1:]
    if many := _one_hot(table, kept):
        notes.append(
            f"{len(many)} columns have a single 1 in each row: they were taken for the labels."
        )
        answers = table[:, many].argmax(axis=1)
        return answers, [i for i in kept if i not in set(many)], notes
    if plan.doubt:
        raise stream.fault(plan.doubt)
    label, said = _guess(table, kept)
    if label is None:
        return None, kept, notes
    return table[:, label].copy(), [i for i in kept if i != label], notes + said


def _counts(table: np.ndarray, kept: list[int]) -> bool:
    """Return whether the first column is 0, 1, 2, … or 1, 2, 3, …, and no label."""
    rows, first = len(table), table[:, kept[0]]
    if rows < 3 or first[0] not in (0, 1) or not (first == np.arange(rows) + first[0]).all():
        return False
    without_label = is_square(len(kept) - 1)
    return rows > _LEAST_COUNTED if without_label else is_square(len(kept) - 2) or rows > 256


def _one_hot(table: np.ndarray, kept: list[int]) -> list[int]:
    """Return the columns, last or first, that have a single 1 a row beside a square of pixels."""
    low, high = len(kept) - MAX_CLASSES, len(kept) - 2
    for side in range(isqrt(max(high, 0)), 0, -1):
        if side * side < low or not is_square(side * side):
            break
        count = len(kept) - side * side
        for many in (kept[-count:], kept[:count]):
            # Few rows are enough to say no: all of them for every square cost a third of reading.
            if _is_one_hot(table[:_FIRST, many]) and _is_one_hot(table[:, many]):
                return many
    return []


def _is_one_hot(values: np.ndarray) -> bool:
    ones = np.count_nonzero(values == 1, axis=1)
    return bool((ones == 1).all()) and np.count_nonzero(values) == len(values)


def _guess(table: np.ndarray, kept: list[int]) -> tuple[int | None, list[str]]:
    """Return the label's column where no header names it: the first, or the last if that is dull.

    A corner pixel is blank in every row of a table that ends with its labels. Columns that make a
    square image leave none.
    """
    first, last = table[:, kept[0]], table[:, kept[-1]]
    if is_square(len(kept)):
        return None, []
    if len(table) > 1 and (first == first[0]).all() and (last != last[0]).any():
        return kept[-1], ["The first column never changes, so the last was taken for the label."]
    return kept[0], []


def _shape(pixels: int, plan: Plan) -> tuple[int, int]:
    if plan.shape and plan.shape[0] * plan.shape[1] == pixels:
        return plan.shape
    side = isqrt(pixels)
    return (side, side) if side * side == pixels else (1, pixels)
