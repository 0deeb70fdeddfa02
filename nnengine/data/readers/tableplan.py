"""Table plan: what the first lines of a CSV say of all others, before they are read.

How numbers are parted and lines end, whether the first line is a header, and which column holds the
label. Programs have habits: pandas numbers its columns and rows, Excel says `sep=;`, old ones end
lines by CR alone, others put a delimiter behind every number.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from math import isqrt

from ...errors import FormatError
from ..sources import Stream

MAX_LINE = 1 << 20  # bytes of one row: 250,000 pixels
DELIMITERS = b",;\t"
LABEL = re.compile(r"(label|class|target|digit|y|category|answer)s?", re.IGNORECASE)
COUNTER = re.compile(  # what a frame, or a competition, adds of its own
    r"|unnamed: \d+|index|id|row|image_?id", re.IGNORECASE
)
_SIDES = re.compile(r"\D*(\d{1,6})\s*x\s*(\d{1,6})")
_SEP = re.compile(rb"sep=(.)", re.IGNORECASE)
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
    if chr(delimiter) not in text and " " in text.strip():
        delimiter, text = ord(" "), " ".join(text.split()) + " " * text.endswith(" ")
    fields = [part.strip().strip('"') for part in text.split(chr(delimiter))]
    trailing = len(fields) > 2 and not fields[-1]
    fields = fields[:-1] if trailing else fields
    plan = Plan(delimiter, len(fields), first_row=lines + 1, trailing=trailing, old_mac=old_mac)
    if all(map(is_number, fields)) and not _is_numbering(fields):
        _skip(stream, passed)
        return plan
    _skip(stream, passed + len(line) + 1)
    plan.header, plan.first_row = True, lines + 2
    name_columns(plan, fields, stream)
    return plan


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


def too_long(stream: Stream) -> FormatError:
    """Return the refusal of a row that has no end."""
    return stream.fault(
        f"a row of more than {MAX_LINE:,} characters: a table of images has one image a row"
    )
