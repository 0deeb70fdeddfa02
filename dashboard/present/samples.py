"""Samples: which images of a set a page shows, and what a class looks like on average."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from nnengine.data.dataset import Dataset

CHUNK = 4096  # images summed at a time: 3 MB of MNIST, so that no copy of the whole is made

_means: WeakKeyDictionary[Dataset, np.ndarray] = WeakKeyDictionary()


def choose(
    labels: np.ndarray, number: int, *, only: int | None = None, seed: int = 0
) -> np.ndarray:
    """Return up to `number` different positions in `labels`, int64, in the order drawn by `seed`.

    `only` limits them to one class. The same seed gives the same positions, and a larger number
    only adds to them.
    """
    among = np.arange(len(labels)) if only is None else np.flatnonzero(labels == only)
    return np.random.default_rng(seed).permutation(among)[:number]


def class_means(dataset: Dataset) -> np.ndarray:
    """Return the mean image of each class, read-only uint8 (classes, h, w); 0 for an empty class.

    In colour (classes, h, w, 3).

    Sums are whole numbers, taken a few thousand images at a time, and worked out once for
    everybody who looks at the same data set.
    """
    found = _means.get(dataset)
    if found is None:
        found = _means[dataset] = _class_means(dataset)
    return found


def _class_means(dataset: Dataset) -> np.ndarray:
    sums = np.zeros((dataset.classes, *dataset.images.shape[1:]), dtype=np.int64)
    for start in range(0, len(dataset), CHUNK):
        images = dataset.images[start : start + CHUNK]
        labels = dataset.labels[start : start + CHUNK]
        for label in np.unique(labels):
            sums[label] += images[labels == label].sum(axis=0, dtype=np.int64)
    counts = np.maximum(dataset.class_counts(), 1)
    means = np.rint(sums / counts.reshape(-1, *[1] * (sums.ndim - 1))).astype(np.uint8)
    means.flags.writeable = False
    return means
