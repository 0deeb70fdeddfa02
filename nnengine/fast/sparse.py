"""Sparse: steps on lists of nonzero pixels, as many as take some milliseconds in one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from itertools import chain
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from .. import kernels
from ..core.arithmetic import read_only
from ..core.network import ASKED, Network, add_up, each_piece, totals
from ..data.dataset import Dataset
from ..training.batches import Part, Shuffled, Split
from ..training.events import Event
from ..training.loop import Taken
from ..training.record import STEPS
from ..training.state import Task
from .csr import SparseImages, pack, pack_once, whole
from .gathered import Gathered
from .reference import DISTORTED, WHOLE

LISTS = "as lists of nonzero pixels"
CALL_S = 0.005  # of several steps
SHARES = 4  # pieces that are measured between two signs of life: 10,000 of MNIST 3.9 -> 3.4 ms


class Sparse(Gathered):
    """Batches of 256 images at most are steps of one call; the gradient of others is gathered."""

    call_s = CALL_S  # longer where nobody waits for what is told between calls

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.measured_at_once = measured_at_once(task.network)
        self.path = DISTORTED if task.config.augmentation else _path_of(self.split.images)
        self.memory = tuple(task.optimizer.carried().values())
        self.indptr: np.ndarray | None = None  # of the lists that `steps` reads
        self.steps: Any = None
        self.largest = 0
        self.step_s = (
            self.call_s
        )  # what a step took lately: until that is known, a call is one step
        self.shuffled: Shuffled | None = None  # where every step is one of a small batch

    def prepare(self) -> Generator[Event, None, None]:
        """Begin with the next step; where all are small, with the order of the epoch itself."""
        task, count = self.task, len(self.split)
        small = min(task.config.batch_size or count, count) <= kernels.TOGETHER
        if small and task.config.batch_size and not task.config.augmentation:
            self.shuffled = Shuffled(count, task.config, task.state.step)
        else:
            yield from super().prepare()

    def read(self, data: Dataset) -> Split:
        """Return the images as lists, or whole but for the same kernels where lists do not pay."""
        return Split(pack(data.images) or whole(data.images), data.labels)

    def distortions(self) -> Callable[[np.ndarray], SparseImages]:
        """Return what gives new images for rows of the training data, as lists."""
        distort = super().distortions()

        def packed(rows: np.ndarray) -> SparseImages:
            images = distort(rows)
            return pack_once(images) or whole(images)

        return packed

    def take(self, most: int) -> Generator[Event, None, list[Taken]]:
        """Take the next steps: those of small batches together."""
        started, most = time.perf_counter(), min(most, max(1, int(self.call_s / self.step_s)))
        if self.shuffled is not None:
            rows, size = self.shuffled.take(most), self.shuffled.size or 0
            sizes = [min(size, len(rows) - start) for start in range(0, len(rows), size)]
            steps = self._in_one_call(self.split.take(rows), sizes)
        else:
            part = next(self.parts)
            if not part.last or part.count > kernels.TOGETHER:
                return [(yield from self.step(chain((part,), self.parts)))]
            parts = [part]
            while len(parts) < most and parts[-1].more:
                parts.append(next(self.parts))
            steps = self._in_one_call(together(parts), [part.count for part in parts])
        self.task.timings.add(STEPS, started)
        spent = max(time.perf_counter() - started, 1e-6)  # Firefox's clock may stand still
        self.step_s = spent / len(steps)
        return steps

    def _in_one_call(self, split: Split, sizes: list[int]) -> list[Taken]:
        """Take the steps of small batches, one after another."""
        network, optimizer, images = self.task.network, self.task.optimizer, split.images
        if self.indptr is not images.indptr or max(sizes) > self.largest:
            self.indptr, self.largest = images.indptr, max(sizes)
            scale = network.dtype.type(network.input_scale)
            made_of = scale, network.sizes, network.kinds, network.theta
            rule = optimizer.rule, self.memory
            self.steps = kernels.sparse_steps(images.lists, *made_of, *rule, self.largest)
        numbers = np.array([optimizer.numbers() for _ in sizes], float)
        found = self.steps(images.rows, read_only(split.labels), np.cumsum(sizes), numbers)
        losses, right = (array.tolist() for array in found)
        return list(map(Taken, losses, right, sizes))

    def add_gradient(self, part: Part, gradient: np.ndarray) -> tuple[float, int]:
        """Add a part's gradient to that of its batch, its pieces shared between threads."""
        return add_gradient(self.task.network, part.images, part.labels, gradient, part.of)

    def sample(self, split: Split, most: int, seed: int) -> Split:
        """Return at most `most` images of a split as lists, shared with runs of the same seed."""
        return sampled(split, most, seed)

    def loss(self, part: Split) -> tuple[float, int]:
        """Return (loss summed, right answers)."""
        return measured(self.task.network, part)


def add_gradient(
    network: Network, images: SparseImages, labels: np.ndarray, gradient: np.ndarray, count: int
) -> tuple[float, int]:
    """Do what `Network.gradient` does, for lists."""

    def piece(rows: slice, sums: np.ndarray) -> tuple[float, int]:
        return _gradient(network, images[rows], labels[rows], 1 / count, sums)

    return add_up(len(images), network.piece_images, gradient, piece)


def measured(network: Network, part: Split) -> tuple[float, int]:
    """Return (loss summed, right answers), found by lists where these pay."""
    part = packed(part)
    if not isinstance(part.images, SparseImages):
        return network.loss(part.images, part.labels)
    nothing = np.empty(0, network.dtype)

    def piece(n: int, rows: slice) -> tuple[float, int]:
        one = part.take(rows)
        return _gradient(network, one.images, one.labels, 1.0, nothing)

    return totals(each_piece(len(part), piece_of(network), piece))


def piece_of(network: Network) -> int:
    """Return how many images of a list one thread measures at a time.

    It follows from the sizes alone, and so do the bits of a loss. A kernel walks through batches
    of 256 by itself, so a piece need not stay in cache: as many as four may take some 50 ms.
    """
    batches = min(5, network.block_images // (SHARES * kernels.TOGETHER))
    return max(min(network.piece_images, ASKED), batches * kernels.TOGETHER)


def measured_at_once(network: Network) -> int:
    """Return how many images are measured between two signs of life: a few pieces."""
    return min(SHARES * piece_of(network), 2 * network.block_images)


def _gradient(
    network: Network, images: SparseImages, labels: np.ndarray, weight: float, gradient: np.ndarray
) -> tuple[float, int]:
    """Add to a gradient, unless it is empty, that of these images; return (loss, right answers)."""
    real = network.dtype.type
    made_of = network.sizes, network.kinds, network.theta, gradient
    rest = read_only(labels), real(network.input_scale), real(weight)
    return kernels.sparse_gradient(images.lists, images.rows, *rest, *made_of)


def _path_of(images: SparseImages) -> str:
    """Return in words how they are read, which depends on how many pixels are zero."""
    return LISTS if images.indices.size or not images.data.size else WHOLE


def together(parts: list[Part]) -> Split:
    """Return the images of parts of one source, in turn."""
    if len(parts) == 1:
        return parts[0].source.take(parts[0].rows)
    rows = [
        np.arange(part.rows.start, part.rows.stop) if isinstance(part.rows, slice) else part.rows
        for part in parts
    ]
    return parts[0].source.take(np.concatenate(rows))


def packed(split: Split) -> Split:
    """Return a split as lists where it is not and these pay: for measurements alone."""
    lists = pack_once(split.images) if isinstance(split.images, np.ndarray) else None
    return split if lists is None else Split(lists, split.labels)


_SAMPLED: WeakValueDictionary[tuple, Split] = WeakValueDictionary()


def sampled(split: Split, most: int, seed: int) -> Split:
    """Return `most` images of a split at most, for curves, as lists where these pay.

    Runs with one seed on one data set share them, or ten full batches of MNIST would hold 80 MB
    more. They hold on to what they were chosen from, so that nothing else comes by its id.
    """
    chosen = (most, seed) if len(split) > most else None
    key = id(split.images), id(split.labels), chosen
    known = _SAMPLED.get(key)
    if known is None:
        known = _SAMPLED[key] = packed(split.sample(most, seed))
        if known is not split:
            known.origin = split
    return known
