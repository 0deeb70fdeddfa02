"""LIBSVM's tables: a label a row, then place:value of the pixels that are not zero.

No file says whether places count from 0 or from 1, nor how wide an image is (Chang & Lin, README of
LIBSVM; scikit-learn's own writer counts from 0 and its reader guesses, which moves every digit of
MNIST by a pixel). Where the places themselves leave one answer it is taken, else it is asked.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import isqrt

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from ..sources import Stream
from .choosing import SeveralSetsError
from .contents import Contents, datasets
from .contract import Request
from .tableplan import MAX_LINE, too_long

MAX_PIXELS = 1 << 20
_BLOCK = 1 << 20
_ROW = re.compile(rb"[-+.\deE]+(?:[ \t]+\d{1,9}:[-+.\deE]+)*[ \t\r]*(?:#.*)?")
_SAID = re.compile(rb"#.*indices are (zero|one)-based", re.IGNORECASE)
_LAYOUT = re.compile(r"(?:(\d{1,4})x(\d{1,4})-)?from-([01])", re.IGNORECASE)
_FORM = "LIBSVM table"


def is_layout(which: str | None) -> bool:
    """Return whether these words say how such a table is to be read, such as 28x28-from-1."""
    return which is not None and _LAYOUT.fullmatch(which) is not None


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels in a LIBSVM table; raises FormatError.

    Images are square unless `request.which` says otherwise, "28x28-from-1"; SeveralSetsError asks
    where the first place of a pixel cannot be told.
    """
    if request.which is not None and not is_layout(request.which):
        raise FormatError(
            f"{request.which[:40]} does not say how its places are counted: 28x28-from-1, from-1"
        )
    rows = _Rows(request)
    said, whole = _read_rows(stream, rows, request.keep_whole)
    if not rows.count:
        raise stream.fault("no rows: a label a row, then place:value of its pixels")
    first = said if said is not None else 0 if rows.least == 0 else None
    shape, first = _layout(rows.last, first, request.which)
    labels, images = rows.all(shape[0] * shape[1], first)
    notes = [f"Places count from {first}: images of {shape[0]} x {shape[1]} pixels."]
    numbers, names = _classes(labels)
    found = datasets(
        {"": (images.reshape(-1, *shape), numbers)}, form=_FORM, name=request.name, notes=notes,
        class_names=names,
    )  # fmt: skip
    return found if whole else replace(found, whole_items=rows.count)


class _Rows:
    """Labels, places and values as they come, within what is allowed."""

    def __init__(self, request: Request) -> None:
        self.count = 0
        self._request = request
        self._labels: list[np.ndarray] = []
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.least, self.last = 1, 0  # of all places
        self._left = request.max_bytes // 2  # values that are held with their places: 8 bytes each

    def add(self, lines: list[bytes], number: int) -> None:
        """Take in rows that are well formed, the first of them row `number` of the file."""
        counts = np.array([line.count(b":") for line in lines])
        try:
            numbers = np.array(b" ".join(lines).replace(b":", b" ").split(), np.float64)
        except ValueError:
            raise FormatError(f"the rows from {number:,} cannot be read as numbers") from None
        starts = np.cumsum(1 + 2 * counts) - 1 - 2 * counts
        pairs = np.delete(numbers, starts).reshape(-1, 2)
        places, values = pairs[:, 0].astype(np.int32), pairs[:, 1]
        if places.max(initial=0) > MAX_PIXELS:
            raise FormatError(
                f"its places go up to {places.max():,}, and {MAX_PIXELS:,} pixels at most are read"
            )
        row = np.repeat(np.arange(len(lines)), counts)
        behind = np.flatnonzero((np.diff(places) <= 0) & (np.diff(row) == 0))
        if behind.size:
            raise FormatError(
                f"row {number + row[behind[0]]:,}: place {places[behind[0] + 1]:,} stands behind "
                f"place {places[behind[0]]:,}: each pixel stands once, in order"
            )
        self._left -= 2 * len(places) + len(lines)
        if self._left < 0:
            raise self._too_large()
        whole = bool(((values >= 0) & (values <= 255) & (values == np.rint(values))).all())
        self.count += len(lines)
        self._parts.append((counts, places, values.astype(np.uint8 if whole else np.float32)))
        self._labels.append(numbers[starts])
        self.least = min(self.least, int(places.min(initial=1)))
        self.last = max(self.last, int(places.max(initial=0)))

    def all(self, pixels: int, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels, and images of so many pixels, whose places count from `first`."""
        kinds = [values.dtype for _, _, values in self._parts]
        dtype = max(kinds, key=lambda kind: kind.itemsize)
        if self.count * pixels * dtype.itemsize > self._request.max_bytes:
            raise self._too_large()
        images = np.zeros((self.count, pixels), dtype)
        row = 0
        for counts, places, values in self._parts:
            here = np.repeat(np.arange(row, row + len(counts)), counts)
            images[here, places - first] = values
            row += len(counts)
        return np.concatenate(self._labels), images

    def _too_large(self) -> FormatError:
        return FormatError(
            f"more than the {self._request.max_bytes:,} bytes of values allowed: give a smaller "
            "table",
            too_large=True,
        )


def _read_rows(stream: Stream, rows: _Rows, keep_whole: bool) -> tuple[int | None, bool]:
    """Take in all rows; return from where places count, where a comment says so, and whether all
    rows are whole: of one that lacks its line's end nobody can tell.
    """
    said, carry, number = None, b"", 1
    while part := stream.read_whole(_BLOCK):
        block = carry + part
        cut = block.rfind(b"\n") + 1
        block, carry = block[:cut], block[cut:]
        if len(carry) > MAX_LINE:
            raise too_long(stream)
        said = _take(block, rows, stream, number, said)
        number += block.count(b"\n")
    whole = not carry.strip() and not stream.cut
    if not whole and not keep_whole:
        where = "the gzip data break off" if stream.cut else f"row {number:,} has no line's end"
        raise stream.fault(
            f"{where}: it may have been cut short; {rows.count:,} whole rows stand before it: "
            "download it again, or keep the rows before (keep_whole=True)",
            whole_items=rows.count,
        )
    return said, whole


def _take(block: bytes, rows: _Rows, stream: Stream, number: int, said: int | None) -> int | None:
    """Take in whole lines, the first of them row `number`; return what comments say of places."""
    lines = []
    for i, line in enumerate(block.split(b"\n")):
        if match := _SAID.match(line):
            said = int(match[1].lower() == b"one")
        if not line.strip() or line.startswith(b"#"):
            continue
        if _ROW.fullmatch(line) is None:
            raise stream.fault(
                f"row {number + i:,}: “{line[:30].decode(errors='replace')}” is no label with "
                "place:value of pixels behind it"
            )
        lines.append(line.partition(b"#")[0])
    if lines:
        rows.add(lines, number)
    return said


def _layout(last: int, first: int | None, which: str | None) -> tuple[tuple[int, int], int]:
    """Return (height, width) and the first place, for places up to `last`; raises FormatError."""
    asked = _LAYOUT.fullmatch(which) if which else None
    if asked is not None:
        start = int(asked[3])
        side = _side(last + 1 - start)
        shape = (int(asked[1]), int(asked[2])) if asked[1] else (side, side)
        if first == 0 < start or shape[0] * shape[1] < last + 1 - start:
            raise FormatError(f"its places go from {first or 1} to {last:,}: {which} has no room")
        return shape, start
    if first is not None:
        side = _side(last + 1 - first)
        return (side, side), first
    side = _side(last)
    if side * side == last:  # from 0 it would be one more than a square
        return (side, side), 1
    zero = _side(last + 1)
    raise SeveralSetsError(
        f"a LIBSVM table with places up to {last:,}, which count from 0 or from 1, and it does not "
        f"say which: from the wrong one all images lie a pixel aside. --set from-1, as most are, "
        f"or --set from-0, as scikit-learn writes them (which=“from-1” in Python); 28x28-from-1 "
        "says sides too",
        (f"{side}x{side}-from-1", f"{zero}x{zero}-from-0"),
        asked="counts its pixels from 0 or from 1. From which?",
    )


def _side(pixels: int) -> int:
    """Return the side of the smallest square that has so many pixels."""
    return isqrt(max(1, pixels) - 1) + 1


def _classes(labels: np.ndarray) -> tuple[np.ndarray, list[str] | None]:
    """Return the labels, and their names where -1 is among them."""
    if labels.min() >= 0:
        return labels, None
    found, numbers = np.unique(labels, return_inverse=True)
    if len(found) > MAX_CLASSES:
        raise FormatError(f"{len(found):,} labels that differ: there can be {MAX_CLASSES} classes")
    return numbers, [f"{label:+g}" for label in found.tolist()]
