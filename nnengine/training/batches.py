"""Batches: what the steps of a run see and in which order."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from .config import TrainingConfig

SAMPLE = 10_000  # images at most on which a curve's point is measured


class Split:
    """A data set's images and labels, as an executor reads them fastest."""

    def __init__(self, images: Any, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels
        self.origin: Split | None = None  # what it was chosen from, where others may share it

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: slice | np.ndarray) -> Split:
        """Return some of the images with their labels."""
        return Split(self.images[rows], self.labels[rows])

    def sample(self, most: int, seed: int) -> Split:
        """Return at most `most` images, chosen by the seed."""
        if len(self) <= most:
            return self
        # Another stream than the shuffling's, so that watching does not change the run.
        rng = np.random.default_rng([seed, 1])
        return self.take(np.sort(rng.choice(len(self), most, replace=False)))


@dataclass(slots=True)  # not frozen: quicker to make, once a step
class Part:
    """As much of a batch as is handed over at once, which mostly is all of it."""

    source: Split
    rows: slice | np.ndarray  # of the source
    count: int  # images of this part
    of: int  # images of the batch
    last: bool  # of the batch
    more: bool = True  # the next part is of the same source

    @property
    def images(self) -> Any:
        """The images, taken from the source each time."""
        return self.source.images[self.rows]

    @property
    def labels(self) -> np.ndarray:
        """Their labels."""
        return self.source.labels[self.rows]


class Shuffled:
    """The rows of a run's batches, shuffled anew every epoch; of full batches: all, in order.

    done: steps of the run that are taken already.
    """

    def __init__(self, count: int, config: TrainingConfig, done: int = 0) -> None:
        self.count, self.size = count, config.batch_size
        self._rng = np.random.default_rng(config.seed)
        if self.size is not None:
            epochs, steps = divmod(done, config.steps_per_epoch(count))
            for _ in range(epochs + 1):
                self._order = self._rng.permutation(count)
            self._at = steps * self.size

    def take(self, most: int = 1) -> np.ndarray:
        """Return the rows of the next mini-batches of an epoch, at most so many batches."""
        assert self.size is not None
        if self._at >= self.count:
            self._order, self._at = self._rng.permutation(self.count), 0
        begin, self._at = self._at, min(self._at + most * self.size, self.count)
        return self._order[begin : self._at]

    def __iter__(self) -> Iterator[slice | np.ndarray]:
        """Yield the rows of a batch, for ever."""
        while True:
            yield slice(0, self.count) if self.size is None else self.take()


def cut(
    split: Split, batches: Iterable[slice | np.ndarray], most: int
) -> Generator[Part, None, None]:
    """Yield the batches in parts of at most so many images."""
    for batch in batches:
        whole = isinstance(batch, slice)
        size = len(split) if whole else len(batch)
        for start in range(0, size, most):
            end = min(start + most, size)
            rows = slice(start, end) if whole else batch[start:end]
            yield Part(split, rows, end - start, size, end == size)


def in_pieces(parts: Generator[Part, None, None], most: int) -> Generator[Part, None, None]:
    """Yield the same images, at most so many at a time; closing it closes the parts."""
    with closing(parts):
        for part in parts:
            if part.count <= most:
                yield part
                continue
            taken = part.source.take(part.rows)
            for start in range(0, part.count, most):
                end = min(start + most, part.count)
                last = part.last and end == part.count
                yield Part(taken, slice(start, end), end - start, part.of, last)
