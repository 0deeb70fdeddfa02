"""My digits: the drawings a visitor keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dashboard.store.visits import Kept
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError

from .session import this_visit, visit_or_new

DIGITS = tuple("0123456789")
MOST_KEPT = 500


def kept() -> list[Kept]:
    """Return the drawings this visitor keeps, oldest first."""
    visit = this_visit()
    return list(visit.mine) if visit else []


def keep(image: np.ndarray, name: str) -> Kept:
    """Keep a framed drawing, uint8 (28, 28), as one of the class `name`.

    The same drawing under another name takes the place of the first. Raises ConfigError when
    there is no room.
    """
    visit = visit_or_new()
    for one in visit.mine:
        if one.name == name and np.array_equal(one.image, image):
            return one
    others = [one for one in visit.mine if not np.array_equal(one.image, image)]
    if len(others) >= MOST_KEPT:
        raise ConfigError(
            f"{MOST_KEPT} drawings are kept, as many as there is room for: delete some"
        )
    visit.kept += 1
    frozen = np.array(image, np.uint8)
    frozen.flags.writeable = False
    visit.mine = [*others, Kept(visit.kept, frozen, name)]
    return visit.mine[-1]


def delete_kept(*ids: int) -> None:
    """Delete these drawings."""
    visit = this_visit()
    if visit:
        visit.mine = [one for one in visit.mine if one.id not in ids]


def my_digits(names: Sequence[str] = DIGITS) -> Dataset | None:
    """Return the kept drawings of these classes as a data set, or None without any."""
    return digits_of(kept(), names)


def digits_of(drawings: Sequence[Kept], names: Sequence[str] = DIGITS) -> Dataset | None:
    """Return those of the drawings that are of these classes as a data set, or None."""
    places = {name: place for place, name in enumerate(names)}
    mine = [one for one in drawings if one.name in places]
    if not mine:
        return None
    return Dataset(
        np.stack([one.image for one in mine]),
        np.array([places[one.name] for one in mine], np.uint8),
        class_names=tuple(names),
        name="My digits",
    )
