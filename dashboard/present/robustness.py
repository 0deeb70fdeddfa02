"""Robustness: the ways of distorting images, as a page shows them and says them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dashboard.present import words
from dashboard.present.outside import plain
from dashboard.present.samples import choose
from nnengine.analysis.robustness import DISTORTIONS, distort
from nnengine.data.dataset import Dataset

SAMPLE = 1000  # images at each level: luck moves a share of them by a point or so of a hundred
_FAR = 3  # levels from the undistorted one: where a chart's number in words is read


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A distortion as the page shows it. `tick` and `level` put a level in short and in words."""

    name: str
    title: str
    sentence: str
    tick: Callable[[float], str]
    level: Callable[[float], str]

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels shown: whole pixels only, so that their images have room."""
        levels = DISTORTIONS[self.name].levels
        return tuple(x for x in levels if self.name != "thickness" or x == int(x))

    @property
    def usual(self) -> int:
        """The place among `levels` of the one that changes nothing."""
        return self.levels.index(DISTORTIONS[self.name].undistorted)

    @property
    def far(self) -> int:
        """The place of a level at which it shows what a network can bear."""
        return min(self.usual + _FAR, len(self.levels) - 1)

    @property
    def ticks(self) -> list[str]:
        """The levels as the chart names them."""
        return [self.tick(x) for x in self.levels]


def _percent(x: float) -> str:
    return f"{x:.0%}".replace("%", "\u00a0%")


def _signed(x: float) -> str:
    return f"{x:+g}".replace("-", "\u2212") if x else "0"


def _thickness(x: float) -> str:
    return f"{abs(x):g} px {'thicker' if x > 0 else 'thinner'}" if x else "0 px"


def _inverted(x: float) -> str:
    return "inverted" if x else "as it is"


KINDS = (
    Kind(
        name="shift", title="Shift, pixels", tick=lambda x: f"{x:g}", level=lambda x: f"{x:g} px",
        sentence="Moved to the right, down, to the left or up.",
    ),
    Kind(
        name="rotation", title="Rotation, degrees", tick=lambda x: f"{x:g}°",
        level=lambda x: f"{x:g}°", sentence="Turned clockwise or the other way.",
    ),
    Kind(
        name="thickness", title="Thickness, pixels", tick=_signed, level=_thickness,
        sentence="Strokes thinner to the left, thicker to the right.",
    ),
    Kind(
        name="noise", title="Noise, percent of full brightness", level=_percent,
        tick=lambda x: f"{100 * x:g}",
        sentence="Grey grains on every pixel.",
    ),
    Kind(
        name="inversion", title="Inversion", tick=_inverted, level=_inverted,
        sentence="Dark on light instead of light on dark.",
    ),
)  # fmt: skip


def pick(data: Dataset, turn: int) -> int:
    """Return the index of an image to show distorted; every turn another, of another class."""
    only = (2 + 3 * turn) % data.classes  # a 2, 5, 8, 1, ...: whose turning can be seen
    found = [*choose(data.labels, 1, only=only, seed=turn), *choose(data.labels, 1, seed=turn)]
    return int(found[0])


def strip(data: Dataset, kind: Kind, index: int) -> np.ndarray:
    """Return one image of `data` at every level, uint8 (levels, height, width)."""
    image = data.images[index]
    return _strip(kind, image.tobytes(), image.shape)


@lru_cache(maxsize=256)
def _strip(kind: Kind, pixels: bytes, shape: tuple[int, int]) -> np.ndarray:
    image = np.frombuffer(pixels, np.uint8).reshape(1, *shape)
    return np.concatenate([distort(image, kind.name, level) for level in kind.levels])


# In words --------------------------------------------------------------------------------


def about(data: Dataset, part: str, *, share: float = 1.0, live: bool = False) -> str:
    """Return which images are used: "Measured on 1,000 of the 2,000 test images (MNIST)".

    `share`: of the work that is done, in [0, 1]. Live: it is done again and again.
    """
    count = f"{len(data):,} {part} images"
    some = f"{SAMPLE:,} of the {count}" if len(data) > SAMPLE else f"all {count}"
    if share < 1 and not live:
        return f"Measuring on {some}: {words.share(share)}"
    return f"Measured on {some}{f' ({data.name})' if data.name else ''}{' · live' * live}"


def fact(kind: Kind, lines: Sequence[tuple[str, np.ndarray]]) -> str:
    """Return as Markdown what is read far from the undistorted: "At 3 px 45 %, Run 1 94 %"."""
    found = [(name, y[kind.far]) for name, y in lines if np.isfinite(y[kind.far])]
    if not found:
        return "…"
    level = kind.level(kind.levels[kind.far])
    place = f"At {level}" if any(c.isdigit() for c in level) else level.capitalize()
    if len(lines) == 1:
        return f"{place} **{words.share(found[0][1])}** are read."
    return f"{place}: " + ", ".join(f"{plain(name)} **{words.share(y)}**" for name, y in found)


def spoken(kind: Kind, lines: Sequence[tuple[str, np.ndarray]]) -> str:
    """Return a chart as a screen reader says it."""
    parts = []
    for name, accuracies in lines:
        known = [
            f"{kind.level(x)} {words.share(y)}"
            for x, y in zip(kind.levels, accuracies, strict=True)
            if np.isfinite(y)
        ]
        parts.append(f"{name}: {', '.join(known) or 'not measured yet'}")
    return f"Accuracy against {kind.name}. " + "; ".join(parts)


def weakest(lines: dict[Kind, np.ndarray]) -> Kind | None:
    """Return the distortion that a network bears worst on the whole; None until all is known."""
    if any(np.isnan(accuracies).any() for accuracies in lines.values()):
        return None
    return min(lines, key=lambda kind: np.mean(np.delete(lines[kind], kind.usual)))
