"""Hints: what looks wrong with a data set that was read, said before anybody trains on it."""

from __future__ import annotations

import numpy as np

from ..dataset import Dataset
from .inverted import looks_light
from .turned import looks_turned

LIGHT = "these images look dark on light, while MNIST and drawings are light on dark"
TURNED = "these images look turned: rows and columns seem to be exchanged, as in EMNIST's files"


def seems(data: Dataset, name: str = "") -> dict[str, str]:
    """Return what seems wrong with the images, by what would put it right: "invert", "turn"."""
    found = {}
    if looks_light(data.images):
        found["invert"] = LIGHT
    if data.channels == 1 and looks_turned(data, name=name):
        found["turn"] = TURNED
    return found


def without_images(data: Dataset) -> str | None:
    """Return a sentence about classes without an image, or None where each has one."""
    empty = np.flatnonzero(data.class_counts() == 0)
    if not empty.size:
        return None
    first = data.class_names[int(empty[0])]
    if empty.size == 1:
        begins = "Labels begin at 1: class" if empty[0] == 0 else "Class"
        return f"{begins} {first} has no image, and cannot be learnt."
    return f"{empty.size:,} classes, such as {first}, have no image, and cannot be learnt."
