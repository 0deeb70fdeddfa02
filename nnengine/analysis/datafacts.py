"""Data facts: what can be said of images and labels before anything is trained on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.layers import product
from ..data.dataset import Dataset

LOOKED_AT = 2_000  # images at most for means and for copies
_ASKED, _AMONG = 400, 2_000  # images whose neighbours are looked for, and among how many
_EVERY = 196  # pixels at most of an image that neighbours are told by
_KEYS = 64  # pixels that copies are first told by: all of 60,000 images cost 0.1 s more
_FEWEST = 100  # images, below which neighbours say nothing


def facts(dataset: Dataset, validation: Dataset | None = None, scale: float = 1 / 255) -> dict:
    """Return what is known of the data of a run as numbers, and lists of them, for JSON.

    scale: what pixels are multiplied by. counts: images of each class. mean, std, largest: of
    scaled pixels. neighbours: see `neighbours`. validation: the same of that side, and how its
    mean image correlates with the training images' (None where either is even), and `copies`, the
    share of its images that stand among the training images, all but blank ones.
    """
    found = _side(dataset, scale) | {"neighbours": neighbours(dataset)}
    if validation is not None and validation.inputs == dataset.inputs:
        found["validation"] = _side(validation, scale) | {
            "correlation": _correlation(dataset, validation),
            "copies": copies(dataset, validation),
        }
    return found


def _side(data: Dataset, scale: float) -> dict[str, Any]:
    some = _some(data, LOOKED_AT)
    mean, square = (int(x.sum(dtype=np.uint64)) / some.size for x in (some, _squared(some)))
    return {
        "count": data.count,
        "counts": data.class_counts().tolist(),
        "mean": short(mean * scale),
        "std": short(math.sqrt(square - mean**2) * scale),
        "largest": short(float(some.max()) * scale),
    }


def _squared(pixels: np.ndarray) -> np.ndarray:
    """Return the squares of bytes, exactly; as float64 they would take four times the memory."""
    return np.square(pixels, dtype=np.uint16)


def short(number: Any) -> float | None:
    """Return a number with four digits, or None for one that is not finite: JSON has no word."""
    number = float(number)
    return float(f"{number:.4g}") if np.isfinite(number) else None


def _rows(count: int, most: int) -> np.ndarray:
    """Return at most so many rows, evenly apart over all."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def _some(data: Dataset, most: int) -> np.ndarray:
    return data.images.reshape(data.count, -1)[_rows(data.count, most)]


def _correlation(one: Dataset, other: Dataset) -> float | None:
    """Return how alike the two mean images are, from -1 to 1; -1: light where the other is dark."""
    means = [_some(data, LOOKED_AT).mean(axis=0) for data in (one, other)]
    if min(mean.std() for mean in means) == 0:
        return None
    return short(np.corrcoef(*means)[0, 1])


def copies(dataset: Dataset, validation: Dataset) -> float:
    """Return the share in [0, 1] of validation images that stand among the training images.

    Of at most 2,000 of them; images of one level throughout do not count. Found by a sum over the
    64 pixels that differ most, and then compared pixel by pixel.
    """
    mine, theirs = (data.images.reshape(data.count, -1) for data in (dataset, validation))
    theirs = theirs[_rows(len(theirs), LOOKED_AT)]
    asked = np.flatnonzero(theirs.max(axis=1) > theirs.min(axis=1))
    spread = theirs[:256].astype(np.float32).std(axis=0)
    at = np.sort(np.argsort(spread)[-_KEYS:])
    keys, wanted = _keys(mine, at), _keys(theirs[asked], at)
    near = np.flatnonzero(np.isin(keys, wanted))
    near = near[np.argsort(keys[near], kind="stable")]
    first = np.searchsorted(keys[near], wanted)
    last = np.searchsorted(keys[near], wanted, side="right")
    same = sum(
        bool((mine[near[a : min(b, a + 50)]] == theirs[row]).all(axis=1).any())
        for row, a, b in zip(asked, first, last, strict=True)
        if b > a
    )
    return round(same / len(theirs), 4)


def _keys(images: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return a number for each image, uint64 (n,), that is the same where the pixels `at` are.

    Eight pixels are taken for one number at a time: an eighth of the sums.
    """
    pixels = np.zeros((len(images), -(-len(at) // 8) * 8), np.uint8)
    pixels[:, : len(at)] = images[:, at]
    weights = np.random.default_rng(0).integers(1, 2**63, pixels.shape[1] // 8, np.uint64)
    return pixels.view(np.uint64) @ (2 * weights + 1)


def neighbours(data: Dataset, seed: int = 0) -> dict[str, Any] | None:
    """Return how often an image's nearest neighbour has its label: `agreement` of `asked` images.

    `chance`: what labels dealt out by lot would come to, by their shares. Where images look alike
    labels do as well, unless they belong to other images: 1-nearest-neighbour agreement as a test
    of labels (Wilson 1972). Euclidean distance over at most 196 pixels, copies left out. None for
    less than a hundred images, or for one class.
    """
    shares = data.class_counts() / data.count
    chance = float((shares**2).sum())
    if data.count < _FEWEST or chance > 1 - 1e-9:
        return None
    picked = np.random.default_rng(seed).permutation(data.count)[: _ASKED + _AMONG]
    pixels = data.images.reshape(data.count, -1)
    x = pixels[picked][:, :: max(1, -(-data.inputs // _EVERY))].astype(np.float32)
    asked = min(_ASKED, data.count // 4)
    squares = (x**2).sum(axis=1)
    far = squares[asked:] - 2 * product(x[:asked], np.ascontiguousarray(x[asked:].T))
    far += squares[:asked, None]
    far[far < 1] = np.inf
    labels = data.labels[picked]
    agreement = float((labels[asked:][far.argmin(axis=1)] == labels[:asked]).mean())
    return {"agreement": short(agreement), "chance": short(chance), "asked": asked}
