"""Label words: a column of words for labels, as numbers while a table is read, and their names."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from .pictures import in_order_of_names

_MOST_LETTERS = 200


class Words:
    """The words of one column, each by a number in the order in which they came."""

    def __init__(self, column: int, columns: int, mark: int, names: Sequence[str] = ()) -> None:
        """Take words from this column of so many, parted by `mark`; names: all that there are."""
        self._known = {name: i for i, name in enumerate(names)}
        self._closed = bool(names)
        self._mark, self._last = bytes([mark]), column == columns - 1 > 0
        between = re.escape(self._mark)
        cell = rb'(?:"((?:[^"]|"")*)"|([^%b"]*))(?=%b)' % (between, between)
        self._cell = re.compile(rb"(?:[^%b]*%b){%d}" % (between, between, column) + cell)

    def number(self, word: str) -> int:
        """Return the number of a word; raises FormatError for one too many."""
        found = self._known.get(word)
        if found is None:
            if self._closed:
                raise FormatError(f"“{word[:20]}” is none of the words that its header names")
            found = self._known[word] = len(self._known)
            if found >= MAX_CLASSES:
                raise FormatError(
                    f"more than {MAX_CLASSES} words for labels, “{word[:20]}” among them: there "
                    f"can be {MAX_CLASSES} classes"
                )
        return found

    def coded(self, block: bytes, row: int) -> bytes:
        """Return whole lines, the first of them row `row`, with numbers in place of the words."""
        return b"\n".join(self._line(line, row + i) for i, line in enumerate(block.split(b"\n")))

    def _line(self, line: bytes, row: int) -> bytes:
        if not line.strip():
            return line
        start, end = self._place(line)
        raw = line[start:end].strip()
        if raw.startswith(b'"') and raw.endswith(b'"') and len(raw) > 1:
            raw = raw[1:-1].replace(b'""', b'"')
        word = raw.decode("utf-8", errors="replace").strip()[:_MOST_LETTERS]
        if not word:
            raise FormatError(f"row {row:,} has no label: its cell is empty")
        try:
            return b"%b%d%b" % (line[:start], self.number(word), line[end:])
        except FormatError as error:
            raise FormatError(f"row {row:,}: {error}") from None

    def _place(self, line: bytes) -> tuple[int, int]:
        """Return where the word of a row begins and ends."""
        if self._last:
            opening = self._mark + b'"' if line.rstrip().endswith(b'"') else self._mark
            return line.rfind(opening) + 1, len(line)
        match = self._cell.match(line)
        if match is None:  # a row of too few columns: whoever reads its numbers says so
            return 0, max(0, line.find(self._mark))
        return match.span(1)[0] - 1 if match[1] is not None else match.span(2)[0], match.end()

    def done(self, numbers: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Return labels for these numbers, and the names of the classes.

        Names that a header gave keep its order; others are ordered, numbers by value, words by the
        alphabet.
        """
        names = list(self._known)
        ordered = names if self._closed else in_order_of_names(names)
        place = {name: i for i, name in enumerate(ordered)}
        turn = np.array([place[name] for name in names], np.uint8)
        return turn[numbers.astype(np.int64)], ordered
