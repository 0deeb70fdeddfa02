"""Endurance: what a network still reads of distorted images, measured a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np

from dashboard import state
from dashboard.present import words
from dashboard.present.samples import choose
from dashboard.store.networks import Entry
from nnengine.analysis.robustness import DISTORTIONS, distort, fragility
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset

SAMPLE = 1000  # images at each level: luck moves a share of them by a point or so of a hundred
PIECE = 250  # images of a step: 2 to 5 ms by compiled kernels, 10 to 30 ms by NumPy
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

# Values must not lead back to their keys, or nothing would ever be let go.
_found: WeakKeyDictionary[Network, dict[tuple, list[float]]] = WeakKeyDictionary()
_pieces: WeakKeyDictionary[Dataset, list[Dataset]] = WeakKeyDictionary()


def examination(network: Network) -> tuple[Dataset, str] | None:
    """Return images to examine a network on, and which they are; None where none fit it.

    The test set in hand, else the built-in digits', else the training set.
    """
    for find, part in (
        (state.test_set, "test"),
        (lambda: state.built_in().test, "test"),
        (state.training_set, "training"),
    ):
        data = find()
        if data is not None and fits(network, data):
            return data, part
    return None


def fits(network: Network, data: Dataset) -> bool:
    """Return whether these are images of the network's size and classes."""
    return (network.inputs, network.class_names) == (data.inputs, tuple(data.class_names))


def line(network: Network, data: Dataset, kind: Kind) -> np.ndarray:
    """Return accuracy in [0, 1] at each level, not a number where it is not measured yet."""
    found, whole = _found.get(network, {}), len(pieces(data))
    rights = [found.get((data.digest, kind.name, x), []) for x in kind.levels]
    count = sum(map(len, pieces(data)))
    return np.array([sum(right) / count if len(right) == whole else np.nan for right in rights])


def pieces(data: Dataset) -> list[Dataset]:
    """Return the images to examine with, the same for everybody, in pieces of a step each."""
    if data not in _pieces:
        rows = np.random.default_rng(0).permutation(len(data))[:SAMPLE]
        starts = range(0, len(rows), PIECE)
        _pieces[data] = [data.take(rows[start : start + PIECE]) for start in starts]
    return _pieces[data]


def done(networks: Sequence[Network], data: Dataset) -> float:
    """Return the share of all levels that is measured, in [0, 1]."""
    parts = [np.isfinite(line(network, data, kind)) for network in networks for kind in KINDS]
    return float(np.mean(np.concatenate(parts)))


def measure(
    networks: Sequence[Network],
    data: Dataset,
    budget_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Measure one level after another, at least a piece of one, for about so long.

    All charts grow together, from the undistorted level outwards. What is measured is shared by
    everybody who looks at the same network and data.
    """
    deadline = clock() + budget_s
    for network in networks:
        found = _found.setdefault(network, {})
        for kind, level in _outwards():
            rights = found.get((data.digest, kind.name, level), [])
            for i in range(len(rights), len(pieces(data))):
                piece = pieces(data)[i]
                one = fragility(network, piece, kind.name, levels=[level], sample=PIECE, seed=i)
                rights = [*rights, one.accuracies[0] * len(piece)]
                found[data.digest, kind.name, level] = rights  # whole: others read it meanwhile
                if clock() >= deadline:
                    return


@lru_cache(maxsize=1)
def _outwards() -> list[tuple[Kind, float]]:
    steps = [(abs(i - k.usual), k, x) for k in KINDS for i, x in enumerate(k.levels)]
    return [(kind, level) for _, kind, level in sorted(steps, key=lambda step: step[0])]


class Watch:
    """Which weights of each network are shown, and which newer ones are being measured.

    A run's weights change four times a second: its line stays until the next one is whole.
    """

    def __init__(self) -> None:
        self._shown: dict[str, Network] = {}
        self._next: dict[str, Network] = {}

    def follow(self, now: Sequence[Entry], data: Dataset) -> list[Network]:
        """Take up the latest weights of networks whose last are measured; return what is left."""
        keys = {held.key for held in now}
        self._shown = {key: self._shown[key] for key in keys & self._shown.keys()}
        self._next = {key: self._next[key] for key in keys & self._next.keys()}
        for held in now:
            self._take_up(held, data)
        return [network for network in self._next.values() if done([network], data) < 1]

    def _take_up(self, held: Entry, data: Dataset) -> None:
        key = held.key
        if key in self._next and done([self._next[key]], data) == 1:
            self._shown[key] = self._next.pop(key)
        if key in self._shown and done([self._shown[key]], data) < 1:  # other data are in hand now
            del self._shown[key]
        if key not in self._next and self._shown.get(key) is not held.network:
            self._next[key] = held.network

    def measured(self, held: Entry) -> Network:
        """Return the weights that are being measured, or were last."""
        return self._next.get(held.key, self._shown.get(held.key))

    def line(self, held: Entry, data: Dataset, kind: Kind) -> np.ndarray:
        """Return the line to draw."""
        return line(self._shown.get(held.key, self._next.get(held.key)), data, kind)


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


# Beside each other -----------------------------------------------------------------------


def alike(held: Entry, among: dict[str, Entry]) -> list[str]:
    """Return the keys of networks that read the same images and know the same classes."""
    mine = held.network.inputs, held.network.class_names
    return [
        key
        for key, one in among.items()
        if key != held.key and mine == (one.network.inputs, one.network.class_names)
    ]


def first_others(held: Entry) -> list[str]:
    """Return whom to show beside a network before anybody has chosen."""
    runs = [state.key_of(run) for run in state.runs()]
    earlier = [key for key in reversed(runs) if key != held.key]
    return earlier[:1] or ["shipped:original"]


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
    """Return what is read far from the undistorted level: "At 3 px 45 %, Run 1 94 %"."""
    found = [(name, y[kind.far]) for name, y in lines if np.isfinite(y[kind.far])]
    if not found:
        return "…"
    level = kind.level(kind.levels[kind.far])
    place = f"At {level}" if any(c.isdigit() for c in level) else level.capitalize()
    if len(lines) == 1:
        return f"{place} **{words.share(found[0][1])}** are read."
    return f"{place}: " + ", ".join(f"{name} **{words.share(y)}**" for name, y in found)


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
