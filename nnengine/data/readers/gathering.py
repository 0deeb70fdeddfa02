"""Gathering: the arrays that lie together in an archive, within its bounds, what is twice once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import FormatError
from .. import pairing
from ..npy import NoNumbersError
from ..sources import Stream
from .arrays import Named, assemble, left_out
from .contents import Contents
from .contract import Format, Request


class Gathered:
    """Arrays as they come: each is read in what room those before it have left."""

    def __init__(self, request: Request) -> None:
        self.left = request.max_bytes
        self._request = request
        self._arrays: list[Named] = []
        self._titles: set[str] = set()
        self._twice: list[tuple[str, str]] = []
        self._unread: dict[str, FormatError] = {}  # of text and objects what is wrong with them

    def add(self, name: str, stream: Stream, known: Format) -> None:
        """Read an array that lies under a name; raises FormatError."""
        if known.array is None:
            return
        self._titles.add(known.title)
        try:
            array = known.array(stream, replace(self._request, max_bytes=self.left))
        except NoNumbersError as error:
            self._unread[name] = error
            return
        named = Named(name, array)
        twin = next((one for one in self._arrays if _same(one, named)), None)
        if twin is not None:
            self._twice.append((name, twin.name))
            return
        self.left -= array.nbytes
        self._arrays.append(named)

    def contents(self) -> Contents:
        """Return the sets that they make; raises FormatError."""
        if not self._arrays:
            raise next(iter(self._unread.values()), FormatError("no array in it"))
        form = f"{self._titles.pop()}s" if len(self._titles) == 1 else "arrays"
        request = self._request
        found = assemble(self._arrays, form=form, name=request.name, colours=request.colours)
        if found.train is None and self._unread:  # they were the other half
            raise next(iter(self._unread.values()))
        notes = [left_out(list(self._unread))] if self._unread else []
        if self._twice:
            one, other = (name[-60:] for name in self._twice[0])
            rest = len(self._twice) - 1
            more = f", and {rest:,} others are there twice too" if rest else ""
            notes.append(f"{one} is the same as {other}{more}: each was read once.")
        return replace(found, notes=(*found.notes, *notes))


def _same(one: Named, other: Named) -> bool:
    """Return whether two arrays are one, given twice: of one part and kind, and equal."""
    alike = one.kind == other.kind and pairing.by_part(one, other)
    return alike and one.array.dtype == other.array.dtype and np.array_equal(one.array, other.array)
