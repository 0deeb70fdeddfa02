"""Synthetic digits: written here by stroke models of many hands, the same bytes on every machine.

Nothing but PCG64's raw bits, whole numbers and the operations IEEE 754 rounds exactly (+ - * /
and the square root, one NumPy loop each) stands between the seed and the pixels: no sine, no
float sum whose order a machine may choose, and none of NumPy's distributions, whose streams may
change between versions.
"""

from __future__ import annotations

import numpy as np

from ...errors import ConfigError
from ..dataset import Dataset
from .hands import paths_of, pens_of, pieces
from .ink import SIDE, SIZE, centred, drawn, fitted
from .models import STEPS, all_models
from .ways import WAYS

__all__ = ["MAX_IMAGES", "SIDE", "SIZE", "STEPS", "WAYS", "digits", "strokes"]
MAX_IMAGES = 1_000_000  # 784 MB


def digits(n: int = 12_000, seed: int = 0, *, every_way: bool = False) -> Dataset:
    """Return `n` synthetic handwritten digits as uint8 (n, 28, 28), framed as MNIST's are.

    Light ink on 0, longest side 20 pixels, strongest pixel 255, centre of mass within pixel
    (14, 14) by a shift of whole pixels (LeCun et al. 1998, III.A), unless that would cut ink: then
    at the border, as `drawing.to_image` does it. From the first on, every ten images hold each
    digit once, in random order. The first m are those of `digits(m, seed)`; image i is drawn
    along path i of `strokes(n, seed)`. `every_way`: all ways of writing a digit as often, those
    included that are rare where MNIST was written; by default they come by their weights. Raises
    ConfigError unless n is a whole number from 1 to 1,000,000 and seed one from 0.
    """
    n, seed = _checked(n, seed)
    images, labels = np.empty((n, SIZE, SIZE), np.uint8), np.empty(n, np.uint8)
    for rows, hands in pieces(n, seed, every_way):
        images[rows] = centred(drawn(*fitted(paths_of(hands), pens_of(hands))))
        labels[rows] = hands.labels
    return Dataset(images, labels, classes=10, name="digits")


def strokes(
    n: int = 12_000, seed: int = 0, *, every_way: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (points, down, labels): the paths along which `digits` of these arguments are inked.

    points: float32 (n, 96, 2), x to the right and y down; the box of each path begins at 0 and
    its longer side is 1. down: bool (n, 96), whether the pen drew its way here from the point
    before: False at the first point of every stroke. labels: uint8 (n,). Raises ConfigError as
    `digits` does.
    """
    n, seed = _checked(n, seed)
    points, down = np.empty((n, STEPS, 2), np.float32), np.empty((n, STEPS), bool)
    labels = np.empty(n, np.uint8)
    for rows, hands in pieces(n, seed, every_way):
        points[rows] = paths_of(hands)
        down[rows], labels[rows] = all_models().down[hands.ways], hands.labels
    return points, down, labels


def _checked(n: int, seed: int) -> tuple[int, int]:
    for name, value, low, high in (("n", n, 1, MAX_IMAGES), ("seed", seed, 0, None)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < low or (high is not None and value > high):
            end = "" if high is None else f" to {high:,}"
            raise ConfigError(f"{name} is {value!r}: give a whole number from {low}{end}")
    return int(n), int(seed)
