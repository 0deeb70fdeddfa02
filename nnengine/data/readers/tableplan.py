"""Table plan: what the first lines of a CSV say of all others, before they are read.

How numbers are parted and lines end, whether the first line is a header, and which column holds the
label. Programs have habits: pandas numbers its columns and rows, Excel says `sep=;`, old ones end
lines by CR alone, others put a delimiter behind every number.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from math import isqrt

from ...errors import FormatError
from ..sources import Stream
from .labelwords import Words

MAX_LINE = 1 << 20  # bytes of one row: 250,000 pixels
DELIMITERS = b",;\t"
LABEL = re.compile(r"(label|class|target|digit|y|category|answer)s?", re.IGNORECASE)
COUNTER = re.compile(  # what a frame, or a competition, adds of its own
    r"|unnamed: \d+|index|id|row|image_?id", re.IGNORECASE
)
_SIDES = re.compile(r"\D*(\d{1,6})\s*x\s*(\d{1,6})")
_SEP = re.compile(rb"sep=(.)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_DECIMAL_COMMAS = re.compile(r"[-+\d,]*;(?:[-+\d,]+;){2,}")
_LEAST_NUMBERED = 10  # columns: 0, 1, 2, … as a header is hardly an image
LEAST_SQUARE = 64  # columns: from 8 x 8 on a square is hardly an accident


@dataclass
class Plan:
    """What the first lines say: how rows are cut, and which columns are what."""

    delimiter: int
    columns: int
    first_row: int = 1  # as an editor counts lines
    label: int | None = None  # None: no header says so
    unlabelled: bool = False  # the header names pixels alone
    doubt: str | None = None  # why no column is taken for the label, unless many are
    dropped: list[int] = field(default_factory=list)
    shape: tuple[int, int] | None = None
    header: bool = False
    trailing: bool = False  # a delimiter stands behind the last number too
    old_mac: bool = False  # lines end with CR alone
    quoted: bool = False  # numbers may stand in single quotes, as in ARFF
    words: Words | None = None  # of the column of labels, where these are words

    @property
    def kept(self) -> list[int]:
        """The columns that are no counter of rows."""
        return [i for i in range(self.columns) if i not in self.dropped]

    def tidy(self, block: bytes) -> bytes:
        """Return whole lines with single delimiters between their numbers and none behind them."""
        if b"\r" in block:
            block = block.replace(b"\r", b"")
        if self.delimiter == ord(" "):
            block = re.sub(rb"[ \t]+", b" ", block).replace(b"\n ", b"\n").removeprefix(b" ")
        if self.quoted:
            block = block.replace(b"'", b"")
        if self.trailing:
            block = block.replace(bytes([self.delimiter, ord("\n")]), b"\n")
        return block


def make_plan(stream: Stream) -> Plan:
    """Return the plan of a table; the stream then stands at the first row. Raises FormatError."""
    head, old_mac = _head(stream)
    said, passed, lines = _preamble(head)
    line = head[passed:].partition(b"\n")[0]
    if len(line) >= MAX_LINE:
        raise too_long(stream)
    text = line.decode("utf-8", errors="replace").strip("\r")
    delimiter = said or max(DELIMITERS, key=lambda d: text.count(chr(d)))
    if said is None and _DECIMAL_COMMAS.match(text):
        delimiter = ord(";")
    if chr(delimiter) not in text and " " in text.strip():
        delimiter, text = ord(" "), " ".join(text.split()) + " " * text.endswith(" ")
    fields = [part.strip().strip('"') for part in _cells(text, chr(delimiter))]
    trailing = len(fields) > 2 and not fields[-1]
    fields = fields[:-1] if trailing else fields
    plan = Plan(delimiter, len(fields), first_row=lines + 1, trailing=trailing, old_mac=old_mac)
    word = _only_word(fields)
    if word is not None or _are_numbers(fields):
        _skip(stream, passed)
        plan.label = word
        return plan
    if any(map(DECIMAL_COMMA.fullmatch, fields)):
        raise decimal_commas(stream, lines + 1, next(filter(DECIMAL_COMMA.fullmatch, fields)))
    _skip(stream, passed + len(line) + 1)
    plan.header, plan.first_row = True, lines + 2
    name_columns(plan, fields, stream)
    return plan


def _are_numbers(fields: list[str]) -> bool:
    """Return whether a first line is a row, cells of which may be empty, and no header."""
    filled = [field for field in fields if field]
    numbers = bool(filled) and all(map(is_number, filled))
    return numbers and not _is_numbering(filled) and len(filled) > len(fields) / 2


def _only_word(fields: list[str]) -> int | None:
    """Return the column of a word for a label in the first row of a table without a header.

    A header that calls one column and numbers the others is none such.
    """
    for column in (0, len(fields) - 1):
        others = fields[1:] if column == 0 else fields[:-1]
        numbers = len(others) >= LEAST_SQUARE and all(map(is_number, others))
        counted = [[str(i + first) for i in range(len(others))] for first in (0, 1)]
        if numbers and fields[column] and not is_number(fields[column]) and others not in counted:
            return column
    return None


def _cells(text: str, mark: str) -> list[str]:
    """Return the cells of a line; a delimiter between quotes parts none."""
    if f'{mark}"' in text or text.startswith('"'):
        with suppress(csv.Error):
            return next(csv.reader([text], delimiter=mark), [])
    return text.split(mark)


def _head(stream: Stream) -> tuple[bytes, bool]:
    """Return the first lines with LF ends, and whether they end with CR alone."""
    size = 1 << 14
    while True:
        head = stream.peek(size)
        old_mac = b"\n" not in head and b"\r" in head
        if old_mac or head.strip().count(b"\n") > 1 or len(head) < size or size >= MAX_LINE:
            return (head.replace(b"\r", b"\n") if old_mac else head), old_mac
        size *= 2


def _preamble(head: bytes) -> tuple[int | None, int, int]:
    """Return a delimiter that is said, and the bytes and lines before the first that counts."""
    at = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    said, lines = None, 0
    while (end := head.find(b"\n", at)) >= 0:
        line = head[at:end].strip()
        match = _SEP.fullmatch(line) if said is None else None
        if line and match is None:
            break
        said, at, lines = match[1][0] if match else said, end + 1, lines + 1
    return said, at, lines


def _is_numbering(fields: list[str]) -> bool:
    """Return whether these are 0, 1, 2, …, as pandas calls columns that nobody has named."""
    return len(fields) >= _LEAST_NUMBERED and fields == [str(i) for i in range(len(fields))]


def name_columns(plan: Plan, fields: list[str], stream: Stream) -> None:
    """Find the label and what is no pixel by the names in a header."""
    named = [i for i, part in enumerate(fields) if LABEL.fullmatch(part)]
    plan.label = named[0] if named else None
    plan.dropped = [i for i, f in enumerate(fields) if COUNTER.fullmatch(f) and i != plan.label]
    last = next((f for i, f in reversed(list(enumerate(fields))) if i != plan.label), "")
    sides = _SIDES.fullmatch(last)
    if sides:
        plan.shape = int(sides[1]), int(sides[2])
    if named or _is_numbering([fields[i] for i in plan.kept]):
        return
    _find_unnamed(plan, fields, stream)


def _find_unnamed(plan: Plan, fields: list[str], stream: Stream) -> None:
    """Find the label where none is called so: the one column whose name is unlike all others."""
    kept = plan.kept
    kin = {i: re.sub(r"\d+", "#", fields[i]) for i in kept}
    if not kin:
        return
    usual, count = Counter(kin.values()).most_common(1)[0]
    odd = [i for i in kept if kin[i] != usual]
    if len(kept) <= 2 or count <= len(kept) / 2:
        plan.label = kept[0]
    elif len(odd) == 1:
        plan.label = odd[0]
    elif odd:
        plan.doubt = (
            f"no column of labels: beside pixels the header names {fields[odd[0]][:20]}, "
            f"{fields[odd[1]][:20]}, …: call the one that has them “label”"
        )
    elif is_square(len(kept)) or (plan.shape and plan.shape[0] * plan.shape[1] == len(kept)):
        plan.unlabelled = True
    else:
        raise stream.fault(
            f"no column of labels: the header names {fields[kept[0]]}, {fields[kept[1]]}, … alone; "
            "give the table that has a column “label”"
        )


def is_square(count: int) -> bool:
    """Return whether so many columns make a square image of 8 x 8 pixels or more."""
    return count >= LEAST_SQUARE and isqrt(count) ** 2 == count


def _skip(stream: Stream, count: int) -> None:
    while count > 0 and (part := stream.read(count)):
        count -= len(part)


def is_number(text: str) -> bool:
    """Tell whether a cell of a table is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def decimal_commas(stream: Stream, row: int, cell: str) -> FormatError:
    """Return the refusal of a table whose numbers have commas for points."""
    return stream.fault(
        f"row {row:,}: “{cell[:20]}” has a comma for its decimal point: save the table with points"
    )


def too_long(stream: Stream) -> FormatError:
    """Return the refusal of a row that has no end."""
    return stream.fault(
        f"a row of more than {MAX_LINE:,} characters: a table of images has one image a row"
    )
