"""Mapping: EMNIST's table of labels and the characters that they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..dataset import Dataset
from .contents import Contents


def codes_of(text: str) -> np.ndarray | None:
    """Return what a mapping.txt says, int64 (classes, 2 or 3), or None where it is none.

    A line is a label, the code of its character, and in EMNIST's letters that of the small one.
    """
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if not 0 < len(rows) <= 256 or {len(row) for row in rows} not in ({2}, {3}):
        return None
    if not all(cell.isdecimal() and len(cell) < 7 for row in rows for cell in row):
        return None
    return np.array([[int(cell) for cell in row] for row in rows], np.int64)


def renamed(found: Contents, codes: np.ndarray) -> Contents:
    """Return the sets with classes called by their characters, in the order of the mapping.

    Labels that begin at 1 begin at 0 then, and no class is without a name; a mapping that does not
    fit the labels is left alone, and that is said.
    """
    names = _names(codes)
    if not found.sets or names is None:
        return found
    order = {int(label): place for place, label in enumerate(codes[:, 0])}
    if any(not set(np.unique(data.labels).tolist()) <= order.keys() for data in found.sets):
        return replace(found, notes=(*found.notes, "The mapping fits other labels: left out."))
    place = np.zeros(256, np.uint8)
    place[list(order)] = list(order.values())
    train, test = (
        data and Dataset(data.images, place[data.labels], class_names=names, name=data.name)
        for data in (found.train, found.test)
    )
    note = f"Classes are called as its mapping says, {names[0]} to {names[-1]}"
    note += f"; in the file their labels begin at {min(order)}." if min(order) else "."
    return replace(found, train=train, test=test, notes=(*found.notes, note))


def _names(codes: np.ndarray) -> list[str] | None:
    """Return a name a row; None where the rows are no characters, or two are called alike."""
    if codes.ndim != 2 or codes.shape[1] not in (2, 3) or not 0 < len(codes) <= 256:
        return None
    whole = codes.astype(np.int64)
    if (whole != codes).any() or whole[:, 0].min() < 0 or whole[:, 0].max() > 255:
        return None
    if whole[:, 1:].min() < 33 or whole[:, 1:].max() > 126 or len(set(whole[:, 0])) < len(whole):
        return None
    names = ["".join(dict.fromkeys(map(chr, row))) for row in whole[:, 1:].tolist()]
    return names if len(set(names)) == len(names) else None
