"""Hints: what looks wrong with a data set that was read, said before anybody trains on it."""

from __future__ import annotations

import numpy as np

from ..dataset import Dataset
from .inverted import looks_light
from .turned import looks_turned

_BLOCK = 1 << 22  # pixels worked on at a time
_FEW, _SHOWN = 16, 200  # images

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


def remarks(data: Dataset) -> list[str]:
    """Return sentences about classes and images that nobody can learn from, or that are odd."""
    empty, scrambled = without_images(data), _scrambled(data.images)
    if scrambled:
        return [said for said in (empty, scrambled) if said]
    return [said for said in (empty, _blank(data.images), _repeated(data.images)) if said]


def without_images(data: Dataset) -> str | None:
    """Return a sentence about classes without an image, or None where each has one."""
    empty = np.flatnonzero(data.class_counts() == 0)
    if not empty.size:
        return None
    first = data.class_names[int(empty[0])]
    if empty.size == 1 and empty[0] == 0 and data.classes == 11 and first == "0":
        return (
            "Labels begin at 1: class 0 has no image, and cannot be learnt. Where 10 stands for 0, "
            "as in SVHN, give labels % 10; where each is one more than its digit, labels - 1."
        )
    if empty.size == 1:
        begins = "Labels begin at 1: class" if empty[0] == 0 else "Class"
        return f"{begins} {first} has no image, and cannot be learnt."
    return f"{empty.size:,} classes, such as {first}, have no image, and cannot be learnt."


def _blank(images: np.ndarray) -> str | None:
    """Return a sentence about images of one level throughout."""
    rows = images.reshape(len(images), -1)
    count = int((rows.max(axis=1) == rows.min(axis=1)).sum())
    if not count or rows.shape[1] == 1:
        return None
    if count == len(rows):
        return "All images are blank: there is nothing to learn from."
    return f"{count:,} {'image is' if count == 1 else 'images are'} blank."


def _repeated(images: np.ndarray) -> str | None:
    """Return a sentence about images that stand there more than once."""
    rows = images.reshape(len(images), -1)
    weights = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], np.uint64)
    keys = np.empty(len(rows), np.uint64)
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):  # sums modulo 2^64: two are equal by chance never
        keys[start : start + step] = rows[start : start + step].astype(np.uint64) @ weights
    count = len(keys) - len(np.unique(keys))
    if not count or rows.shape[1] == 1 or not rows.any():
        return None
    return "One image is a copy." if count == 1 else f"{count:,} images are copies of others."


def _scrambled(images: np.ndarray) -> str | None:
    """Return a sentence about bytes that make pictures only if they are counted by columns.

    Julia, R and MATLAB keep arrays so. Neighbours in a picture are alike: in bytes taken in the
    wrong order they are not, and in the other order they are.
    """
    if images.ndim != 3 or min(images.shape) < 3 or len(images) < _FEW or not images.any():
        return None
    count, height, width = images.shape
    shown = np.linspace(0, count - 1, min(count, _SHOWN)).astype(int)
    by_columns = np.ascontiguousarray(images).reshape(width, height, count)[:, :, shown].T
    if _roughness(images[shown]) < 2 * _roughness(by_columns):
        return None
    return (
        "The images look like noise, and like pictures once their bytes are counted by columns, as "
        f"Julia, R and MATLAB do: save them again as a.reshape({width}, {height}, -1).T in NumPy."
    )


def _roughness(images: np.ndarray) -> float:
    """Return the mean step between neighbours in a row."""
    return float(np.abs(np.diff(images.astype(np.int16), axis=2)).mean())
