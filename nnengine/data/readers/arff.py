"""ARFF, the tables of Weka and OpenML: attributes by name and type, then rows as those of a CSV.

A row an image; the attribute called class, or the last, has the label (the format's description:
waikato.github.io/weka-wiki/formats_and_processing/arff_stable).
"""

from __future__ import annotations

import csv
import re

from ...errors import FormatError
from ..sources import Stream
from .contents import Contents
from .contract import Request
from .labelwords import Words
from .table import read_rows
from .tableplan import Plan, is_number, name_columns

MAX_HEADER_BYTES = 1 << 22  # 784 attributes take 30 kB
MAX_ATTRIBUTES = 1 << 16
_PIECE = 1 << 16
_DATA = re.compile(rb"^[ \t]*@data[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE)
_ATTRIBUTE = re.compile(
    r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.*)""", re.IGNORECASE
)
_NUMBERS = ("real", "numeric", "integer")


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels in an ARFF; raises FormatError.

    Labels are numbers, nominal ones too, or words, in the order in which the header has them;
    sparse rows are refused.
    """
    header, size = _header(stream)
    names, kinds = _attributes(header)
    plan = Plan(ord(","), len(names), first_row=header.count("\n") + 1, header=True, quoted=True)
    _skip(stream, size)
    if stream.peek(_PIECE).lstrip().startswith(b"{"):
        raise FormatError("a sparse ARFF, whose rows name their columns: give a dense one, or CSV")
    name_columns(plan, names, stream)
    if plan.label is None and not plan.unlabelled and kinds[-1].startswith("{"):
        plan.label = len(names) - 1
    for place, kind in enumerate(kinds):
        values = _values(kind)
        if place == plan.label and not all(map(is_number, values)):
            plan.words = Words(place, len(names), plan.delimiter, values)
        else:
            _check(names[place], kind, values)
    return read_rows(stream, plan, request, "ARFF table")


def _header(stream: Stream) -> tuple[str, int]:
    """Return all up to the rows as text, and how many bytes that is."""
    wanted = _PIECE
    while True:
        head = stream.peek(wanted)
        match = _DATA.search(head)
        if match:
            return head[: match.end()].decode("utf-8", errors="replace"), match.end()
        if len(head) < wanted or wanted >= MAX_HEADER_BYTES:
            raise FormatError(
                "an ARFF without its line @DATA: it was cut short, or is none; download it again"
            )
        wanted *= 2


def _attributes(header: str) -> tuple[list[str], list[str]]:
    """Return the names and the types of the attributes, in their order."""
    names, kinds = [], []
    for line in header.splitlines():
        match = _ATTRIBUTE.match(line.strip())
        if match is None:
            continue
        names.append(match[1].strip("'\""))
        kinds.append(match[2].strip())
        if len(names) > MAX_ATTRIBUTES:
            raise FormatError(f"more than {MAX_ATTRIBUTES:,} attributes: give smaller images")
    if not names:
        raise FormatError("an ARFF without an attribute: each pixel has a line @ATTRIBUTE")
    return names, kinds


def _values(kind: str) -> list[str]:
    """Return the values that a nominal attribute may have; none of another."""
    if not kind.startswith("{"):
        return []
    found = next(csv.reader([kind.strip("{} ")], quotechar="'", skipinitialspace=True), [])
    return list(dict.fromkeys(value.strip().strip("'\"") for value in found))


def _check(name: str, kind: str, values: list[str]) -> None:
    """Raise FormatError for an attribute that holds no numbers."""
    if kind.startswith("{"):
        odd = next((value for value in values if not is_number(value)), None)
        if odd is not None:
            raise FormatError(
                f"its attribute {name[:40]} has words, such as {odd[:20]}: pixels are numbers; the "
                "one that has the labels is called class, or is the last"
            )
    elif kind.lower().split()[:1] not in [[word] for word in _NUMBERS]:
        raise FormatError(f"its attribute {name[:40]} is of type {kind[:20]}: pixels are numbers")


def _skip(stream: Stream, count: int) -> None:
    while count > 0 and (part := stream.read(count)):
        count -= len(part)
