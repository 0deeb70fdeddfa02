"""Sides: a run's data as the network reads them fastest, and the images its curves ask."""

from __future__ import annotations

import time
from collections.abc import Generator
from weakref import WeakValueDictionary

import numpy as np

from .. import kernels
from ..core.network import Network
from ..data.dataset import Dataset
from ..fast.sliced import Grouped, grouping
from ..fast.sparse import Packed, pack, pack_once, whole
from .config import TrainingConfig
from .events import Event, Progressed
from .heartbeat import Signs
from .timings import PREPARING, Cost

SAMPLE = 10_000  # images at most on which a curve's point is measured
GROUPED_FEWEST = 4096  # images
GROUPED_STEPS = 20  # after which what the grouping took has been won back
_GROUPED_WIDEST = 128  # units of a layer; at 100 grouped images are 1.7 times as fast as lists


class Side:
    """A data set's images and labels, as the network reads them fastest."""

    def __init__(self, images: np.ndarray | Packed | Grouped, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels
        self.origin: Side | None = None  # what they were chosen from, where others may share them

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: slice | np.ndarray) -> Side:
        """Return some of the images with their labels."""
        return Side(self.images[rows], self.labels[rows])

    def packed(self, network: Network) -> Side:
        """Return the same, packed where that pays: what grouped runs do for measurements alone."""
        bytes_ = isinstance(self.images, np.ndarray)
        packed = pack_once(self.images) if bytes_ and lists_pay(network) else None
        return self if packed is None else Side(packed, self.labels)

    def sample(self, most: int, seed: int) -> Side:
        """Return at most `most` images, chosen by the seed."""
        if len(self) <= most:
            return self
        # Another stream than the shuffling's, so that watching does not change the run.
        rng = np.random.default_rng([seed, 1])
        return self.take(np.sort(rng.choice(len(self), most, replace=False)))


def sides_of(
    network: Network, dataset: Dataset, validation: Dataset | None, lists: bool
) -> list[Side]:
    """Return both data sets as the kernels read them best; lists: where these pay at all."""
    sides = []
    for data in filter(None, (dataset, validation)):
        images = data.images
        if lists and lists_pay(network):
            images = pack(images) or whole(images)
        sides.append(Side(images, data.labels))
    return sides


def lists_pay(network: Network) -> bool:
    """Tell whether lists of nonzero pixels are worth making for this network."""
    return kernels.packs and network.dtype == np.float32


def groups_pay(network: Network, count: int, config: TrainingConfig) -> bool:
    """Tell whether a run gains by grouped images: full batches of enough, often enough."""
    return (
        lists_pay(network)
        and config.batch_size is None
        and max(network.sizes[1:]) <= _GROUPED_WIDEST
        and network.inputs <= 1 << 16
        and count >= GROUPED_FEWEST
        and config.total_steps(count) >= GROUPED_STEPS
    )


def in_groups(
    dataset: Dataset, cost: Cost, step: int, signs: Signs
) -> Generator[Event, None, Side]:
    """Return the data set in groups of images that are alike; in full batch their order is free.

    step: the last that was taken.
    """
    work, count = grouping(dataset.images), len(dataset)
    while True:
        started = time.perf_counter()
        try:
            done = next(work)
        except StopIteration as end:
            images = end.value
            break
        finally:
            cost.add(PREPARING, started)
        if signs.due():
            yield signs.give(Progressed(step=step, done=done, total=count))
    yield Progressed(step=step, done=count, total=count)
    return Side(images, dataset.labels[images.rows])


def path_of(images: np.ndarray | Packed | Grouped) -> str:
    """Return in words how a run reads its images, which depends on how many pixels are zero."""
    if isinstance(images, Grouped):
        return "in groups of sixteen alike"
    lists = isinstance(images, Packed) and (images.places.size or not images.values.size)
    return "as lists of nonzero pixels" if lists else "whole, zeros and all"


def samples(sides: list[Side], network: Network, config: TrainingConfig) -> list[Side]:
    """Return what the curves of a run are measured on until its end."""
    most = [config.train_sample or SAMPLE, SAMPLE]
    return [_measured(*side, network, config.seed) for side in zip(sides, most, strict=False)]


_MEASURED: WeakValueDictionary[tuple, Side] = WeakValueDictionary()


def _measured(side: Side, most: int, network: Network, seed: int) -> Side:
    """Return `most` images of a side at most, for curves, packed where that pays.

    Runs with one seed on one data set share them, or ten full batches of MNIST would hold 80 MB
    more. They hold on to what they were chosen from, so that nothing else comes by its id.
    """
    chosen = (most, seed) if len(side) > most else None
    key = id(side.images), id(side.labels), chosen, lists_pay(network)
    known = _MEASURED.get(key)
    if known is None:
        known = _MEASURED[key] = side.sample(most, seed).packed(network)
        if known is not side:
            known.origin = side
    return known
