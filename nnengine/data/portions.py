"""Portions: a part of a data set held out, and all of it a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError

if TYPE_CHECKING:
    from .dataset import Dataset, Rng


def split(dataset: Dataset, share: float, rng: Rng) -> tuple[Dataset, Dataset]:
    """Do what `Dataset.split` promises."""
    if not isinstance(share, (int, float, np.floating)) or not 0 < share < 1:
        raise ConfigError(f"share is {share!r}: it lies between 0 and 1, both excluded")
    if dataset.count < 2:
        raise ConfigError("one image cannot be split: give at least two")
    rest, held_out = split_rows(dataset.labels, dataset.classes, float(share), _generator(rng))
    return dataset.take(rest), dataset.take(held_out)


def split_rows(
    labels: np.ndarray, classes: int, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of (rest, held out) of two labels or more: see `Dataset.split`."""
    order = rng.permutation(len(labels))
    held_out, shuffled = np.zeros(len(labels), bool), labels[order]
    for label, wanted in enumerate(_allot(np.bincount(labels, minlength=classes), share)):
        held_out[np.flatnonzero(shuffled == label)[:wanted]] = True
    return order[~held_out], order[held_out]


def batches(dataset: Dataset, size: int, rng: Rng) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Do what `Dataset.batches` promises."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise ConfigError(f"batch size is {size!r}: it is a whole number of at least 1")
    order = None if rng is None else _generator(rng).permutation(dataset.count)
    return _batches(dataset, int(size), order)


def _batches(
    dataset: Dataset, size: int, order: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, dataset.count, size):
        chosen = slice(start, start + size) if order is None else order[start : start + size]
        yield dataset.images[chosen], dataset.labels[chosen]


def _allot(counts: np.ndarray, share: float) -> np.ndarray:
    """Return how many of each class to hold out: the largest remainders get what rounding left."""
    total = min(max(1, round(share * int(counts.sum()))), int(counts.sum()) - 1)
    exact = share * counts
    whole = np.minimum(np.floor(exact), np.maximum(counts - 1, 0)).astype(np.int64)
    missing = total - int(whole.sum())
    remainder = np.where(counts > 0, exact - whole, -1.0)
    whole[np.argsort(-remainder, kind="stable")[:missing]] += 1
    return whole


def _generator(rng: Rng) -> np.random.Generator:
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"rng is {rng!r}: give a whole number from 0 or a Generator") from error
