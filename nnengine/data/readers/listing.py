"""Listing: a table beside pictures that says what each of them shows, name and label a line.

So Kaggle's competitions come, and whatever was labelled by hand in a spreadsheet. Names are matched
as paths, as file names, or as these without their ending; a table that matches none is left alone.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from ...errors import FormatError
from ..limits import MAX_MEMBERS
from ..sources import Stream
from .archive import Member
from .tableplan import COUNTER, LABEL

MOST_COLUMNS = 12  # a table of images has more
MOST_BYTES = 2**26
_ENDING = re.compile(r"\.(png|jpe?g|bmp|gif|tiff?|webp|avif)$", re.IGNORECASE)


def looks_so(head: bytes) -> bool:
    """Return whether a table that begins so lists pictures, or numbers with labels, not pixels."""
    lines = head.decode("utf-8-sig", errors="replace").splitlines()[:2]
    rows = list(_cells("\n".join(lines)))
    if not rows or not 2 <= len(rows[0]) <= MOST_COLUMNS:
        return False
    if any(_ENDING.search(cell) for cell in rows[-1]):
        return True
    named = [cell for cell in rows[0] if LABEL.fullmatch(cell)]
    return len(rows[0]) == 2 and bool(named) and any(map(_is_name, rows[0]))


def _is_name(cell: str) -> bool:
    return bool(COUNTER.fullmatch(cell) or re.fullmatch(r"(file|image|img|id)\w*", cell.lower()))


def read_listing(stream: Stream, pictures: Sequence[Member]) -> dict[str, str]:
    """Return the label of each picture that the table names, by its path; raises FormatError."""
    text = stream.rest(MOST_BYTES).decode("utf-8-sig", errors="replace")
    rows = []
    for row in _cells(text):
        if not rows or len(row) == len(rows[0]):
            rows.append(row)
        if len(rows) > MAX_MEMBERS + 1:
            raise stream.fault(f"more than {MAX_MEMBERS:,} rows: name fewer pictures")
    if len(rows) < 2 or len(rows[0]) < 2:
        return {}
    found = _by_every_name(pictures)
    columns = range(len(rows[0]))
    hits = [sum(row[c] in found for row in rows) for c in columns]
    names = max(columns, key=lambda c: hits[c])
    labels = _labels(rows[0], names)
    if not hits[names] or labels is None:
        return {}
    return {path: row[labels] for row in rows for path in found.get(row[names], ()) if row[labels]}


def _labels(head: Sequence[str], names: int) -> int | None:
    """Return the column of labels: called so, or the only other one."""
    called = [c for c, cell in enumerate(head) if LABEL.fullmatch(cell) and c != names]
    if called:
        return called[0]
    return 1 - names if len(head) == 2 else None


def _by_every_name(pictures: Sequence[Member]) -> dict[str, list[str]]:
    """Return paths by all that a table may call them; a name that two have is none."""
    found: dict[str, list[str]] = {}
    for member in pictures:
        tails = {member.path, member.name}
        for name in tails | {_ENDING.sub("", tail) for tail in tails}:
            found.setdefault(name, []).append(member.path)
    return {name: paths for name, paths in found.items() if len(paths) == 1}


def _cells(text: str) -> Iterator[list[str]]:
    first = text.partition("\n")[0]
    mark = max(",;\t", key=first.count)
    try:
        for row in csv.reader(io.StringIO(text), delimiter=mark):
            if row:
                yield [cell.strip() for cell in row]
    except csv.Error as error:
        raise FormatError(f"a table of names and labels that cannot be read: {error}") from None
