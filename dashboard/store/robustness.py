"""Robustness: what a network still reads of distorted images, measured a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np

from dashboard.present.robustness import KINDS, SAMPLE, Kind
from dashboard.store.networks import Entry
from nnengine.analysis.robustness import robustness
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset

PIECE = 250  # images of a step: 2 to 5 ms by compiled kernels, 10 to 30 ms by NumPy

# Values must not lead back to their keys, or nothing would ever be let go.
_found: WeakKeyDictionary[Network, dict[tuple, list[float]]] = WeakKeyDictionary()
_pieces: WeakKeyDictionary[Dataset, list[Dataset]] = WeakKeyDictionary()


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
                one = robustness(network, piece, kind.name, levels=[level], sample=PIECE, seed=i)
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
        return self._next[held.key] if held.key in self._next else self._shown[held.key]

    def line(self, held: Entry, data: Dataset, kind: Kind) -> np.ndarray:
        """Return the line to draw."""
        shown = self._shown if held.key in self._shown else self._next
        return line(shown[held.key], data, kind)
