"""Turned: images whose rows and columns were exchanged, as EMNIST's files have them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ..dataset import Dataset
from ..framing import fit
from ..synthetic import digits
from .contents import Contents

SAMPLE = 2_000  # images that are looked at
LEAST_LIKENESS = 0.4  # of correlation with mean digits: below it these are no digits either way
CLEARER = 0.1  # by how much they must be more alike once turned
LETTERS = 27  # classes of EMNIST's letters, which begin at 1


def turned(images: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h, w), or (n, h, w, 3), with rows and columns of each image exchanged."""
    out = np.ascontiguousarray(images.swapaxes(1, 2))
    out.flags.writeable = False
    return out


def turned_contents(found: Contents) -> Contents:
    """Return the same with all images turned; labels alone stay as they are."""
    train, test = (
        data
        and Dataset(turned(data.images), data.labels, class_names=data.class_names, name=data.name)
        for data in (found.train, found.test)
    )
    images = None if found.images is None else turned(found.images)
    before = found.coloured and turned_contents(found.coloured)
    return replace(found, train=train, test=test, images=images, coloured=before)


def says_upright(dataset: Dataset) -> bool:
    """Return whether these are digits that tell that they are not turned."""
    return _by_digits(dataset) is False


def looks_turned(dataset: Dataset, *, name: str = "") -> bool:
    """Return whether these images look as if their rows and columns had been exchanged.

    Digits tell it themselves: the means of classes 0 to 9 are compared with those of the built-in
    digits both ways. Where they are no digits, a name or labels like EMNIST's are the hint.
    """
    verdict = _by_digits(dataset)
    if verdict is not None:
        return verdict
    if dataset.class_names[:1] == ("Aa",):  # EMNIST's mapping came along: they were turned then
        return False
    letters = dataset.classes == LETTERS and not (dataset.labels == 0).any()
    return dataset.image_shape == (28, 28) and (letters or "emnist" in (name or "").lower())


def _by_digits(dataset: Dataset) -> bool | None:
    height, width = dataset.image_shape
    if dataset.channels > 1:  # the digits that they are compared with are grey
        return None
    if height != width or height < 8 or dataset.classes < 10:
        return None
    found = _means(dataset)
    wanted = np.stack([fit(mean, (height, width)) for mean in _reference()])
    if found is None:
        return None
    upright, across = _likeness(found, wanted), _likeness(found.transpose(0, 2, 1), wanted)
    if max(upright.mean(), across.mean()) < LEAST_LIKENESS:
        return None
    return bool(across.mean() > upright.mean() + CLEARER and (across > upright).sum() >= 7)


def _means(dataset: Dataset) -> np.ndarray | None:
    """Return the mean images of classes 0 to 9, float (10, h, w); None where one has no image."""
    step = max(1, len(dataset) // SAMPLE)  # files are often sorted: take from all of it
    images, labels = dataset.images[::step], dataset.labels[::step]
    counts = np.bincount(labels, minlength=10)[:10]
    if (counts == 0).any():
        return None
    return np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])


@cache
def _reference() -> np.ndarray:
    """Return the mean images of the built-in digits, uint8 (10, 28, 28)."""
    means = _means(digits(SAMPLE, seed=0))
    if means is None:
        raise AssertionError("the built-in digits lack a class")
    return np.rint(means).astype(np.uint8)


def _likeness(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the correlation of each image with its partner, float (n,)."""
    a, b = (x.reshape(len(x), -1).astype(float) for x in (one, other))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return (a * b).sum(axis=1) / np.where(norms > 0, norms, 1)
