"""Robustness: how a network's answers fall as its images are distorted more, one way at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.arithmetic import calmly
from ..data.augment import Augmentation, affine_numbers, distorted, stroke_number
from ..errors import ConfigError
from ..kernels import numpy_ as columns

if TYPE_CHECKING:
    from ..core.network import Network
    from ..data.dataset import Dataset

_SIDES = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # right, down, left, up


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """One way of distorting images, by exactly so much.

    label: what it does, in words. unit: of its levels. levels: those worth a look, ascending.
    undistorted: the level that changes nothing. remedy: what to train with against it. least and
    most: the levels that can be asked for.
    """

    label: str
    unit: str
    levels: tuple[float, ...]
    remedy: Augmentation
    least: float = 0.0
    most: float
    undistorted: float = 0.0


DISTORTIONS = {
    "shift": Distortion(
        label="moved aside",
        unit="px",
        levels=(0, 1, 2, 3, 4, 5, 6),
        most=256,
        remedy=Augmentation(shift=5),
    ),
    "rotation": Distortion(
        label="turned",
        unit="°",
        levels=(0, 10, 20, 30, 40, 50, 60),
        most=180,
        remedy=Augmentation(rotation=50),
    ),
    "thickness": Distortion(
        label="strokes thinner or thicker",
        unit="px",
        levels=(-2, -1.5, -1, -0.5, 0, 0.5, 1, 2, 3, 4),
        least=-8,
        most=8,
        remedy=Augmentation(stroke_width=3),
    ),
    "noise": Distortion(
        label="grey noise",
        unit="share of full range",
        levels=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
        most=1,
        remedy=Augmentation(noise=0.6),
    ),
    "inversion": Distortion(
        label="dark on light",
        unit="",
        levels=(0, 1),
        most=1,
        remedy=Augmentation(inversion=0.5),
    ),
}


@dataclass(frozen=True, slots=True)
class Robustness:
    """What one distortion does to one network.

    name: the distortion's. levels: in its unit. accuracies: share of right answers in [0, 1] at
    each level, all on the same `count` images.
    """

    name: str
    levels: tuple[float, ...]
    accuracies: tuple[float, ...]
    count: int


@calmly
def distort(
    images: np.ndarray, name: str, level: float, rng: np.random.Generator | int = 0
) -> np.ndarray:
    """Return new images, uint8 of the same shape, distorted by exactly `level`.

    images: uint8 (n, height, width), in colour (n, height, width, 3). name: one of
    DISTORTIONS. Directions take turns: images are moved right, down, left and up, and turned one
    way and the other. rng: of the noise, which is grey, uniform in +-level of full range; nothing
    else is left to chance. Raises ConfigError for a name or a level that cannot be.
    """
    _check(name, level)
    if name == "noise":
        reach = 255 * level * np.random.default_rng(rng).uniform(-1, 1, images.shape[:3])
        reach = reach[..., None] if images.ndim == 4 else reach  # grey noise: alike in all channels
        return np.clip(np.rint(images + reach), 0, 255).astype(np.uint8)
    if name == "inversion":
        return 255 - images if level else images.copy()
    turn = np.arange(len(images))
    shift, rotation = (0, 0), np.zeros(len(images))
    if name == "shift":
        shift = tuple(level * _SIDES[turn % 4].T)
    if name == "rotation":
        rotation = level * (1 - 2 * (turn % 2))
    numbers = affine_numbers(images.shape[1:3], shift=shift, rotation=rotation)
    if name == "thickness":
        numbers[:, columns.WIDTH] = stroke_number(level)
    return distorted(np.ascontiguousarray(images), turn, numbers)


def robustness(
    network: Network,
    dataset: Dataset,
    name: str,
    *,
    levels: Sequence[float] | None = None,
    sample: int = 1000,
    seed: int = 0,
) -> Robustness:
    """Return how often the network is right at each level of a distortion.

    levels: by default those of DISTORTIONS[name]. sample: images at most, chosen by the seed,
    the same for every level, with the same noise on them. Raises ConfigError for a name, a level
    or a sample that cannot be, FormatError for images that do not fit the network.
    """
    levels = tuple(map(float, _distortion(name).levels if levels is None else levels))
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer) or sample < 1:
        raise ConfigError(f"sample is {sample!r}: give a whole number of images, 1 or more")
    rng = np.random.default_rng([seed, 3])
    rows = rng.choice(len(dataset), min(sample, len(dataset)), replace=False)
    images, labels = dataset.images[rows], dataset.labels[rows]
    right = [network.accuracy(distort(images, name, level, seed), labels) for level in levels]
    return Robustness(name, levels, tuple(right), len(rows))


def remedy(name: str) -> Augmentation:
    """Return what to train with against a distortion. Raises ConfigError for unknown names."""
    return _distortion(name).remedy


def _distortion(name: str) -> Distortion:
    """Return a distortion by its name, or raise ConfigError with those there are."""
    if name not in DISTORTIONS:
        raise ConfigError(f"distortion {name!r} is not known: choose {', '.join(DISTORTIONS)}")
    return DISTORTIONS[name]


def _check(name: str, level: float) -> None:
    """Raise ConfigError unless images can be distorted so much."""
    kind = _distortion(name)
    if not kind.least <= level <= kind.most or (name == "inversion" and level not in (0, 1)):
        allowed = (
            "0 or 1" if name == "inversion" else f"{kind.least:g} to {kind.most:g} {kind.unit}"
        )
        raise ConfigError(f"{name} of {level!r} cannot be shown: give {allowed}")
