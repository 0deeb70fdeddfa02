"""Batches: what the steps of a run see and in which order."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from .config import TrainingConfig


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


def shuffled(
    count: int, config: TrainingConfig, done: int = 0
) -> Generator[slice | np.ndarray, None, None]:
    """Yield for ever the rows of each batch, shuffled anew every epoch; full batches: all of them.

    done: steps of the run that are taken already.
    """
    if config.batch_size is None:
        while True:
            yield slice(0, count)
    rng = np.random.default_rng(config.seed)
    epochs, steps = divmod(done, config.steps_per_epoch(count))
    for _ in range(epochs):
        rng.permutation(count)
    begin = steps * config.batch_size
    while True:
        order = rng.permutation(count)
        for start in range(begin, count, config.batch_size):
            yield order[start : start + config.batch_size]
        begin = 0


def cut(
    split: Split, batches: Iterator[slice | np.ndarray], most: int
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
