"""Reference: the textbook itself takes the steps, in NumPy, on images as they are."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import numpy as np

from ..core.optimizers import Optimizer
from ..data.dataset import Dataset
from ..training.batches import Part, Shuffled, Split, cut, in_pieces
from ..training.events import Event, Progressed
from ..training.loop import Taken, learn
from ..training.record import GRADIENT, OPTIMIZER, Timings
from ..training.state import Task

WHOLE = "whole, zeros and all"
DISTORTED = "distorted anew for every batch"


class Reference:
    """Takes a step at a time by `training.loop.learn`. The contract is that of `Executor`."""

    path = WHOLE
    distorted_at_once = 1 << 18  # pixels: some milliseconds of NumPy, 334 images of MNIST's size

    def __init__(self, task: Task) -> None:
        self.task = task
        network = task.network
        self.measured_at_once = min(network.block_images, 2 * network.piece_images)
        self.split = self.read(task.dataset)
        self.parts: Generator[Part, None, None] = (part for part in ())  # until `prepare`
        if task.config.augmentation:
            self.path = DISTORTED

    def read(self, data: Dataset) -> Split:
        """Return the images as they are."""
        return Split(data.images, data.labels)

    def prepare(self) -> Generator[Event, None, None]:
        """Begin with the next step."""
        optimizer = _Timed(self.task.optimizer, self.task.timings)
        self.parts = parts = in_pieces(self.batches(), self.task.network.piece_images)
        random = self.task.config.seed, self.task.state.step
        self.learning = learn(self.task.network, optimizer, parts, self.task.loss, *random)
        yield from ()

    def batches(self) -> Generator[Part, None, None]:
        """Yield for ever what the steps see, a batch at a time or a block of it."""
        task, count, block = self.task, len(self.split), self.task.network.block_images
        batches = Shuffled(count, task.config, task.state.step)
        if not task.config.augmentation:
            return cut(self.split, batches, block)
        from ..training.distorting import distorted, flat  # only where images are

        at_once = max(1, min(self.distorted_at_once // task.network.inputs, count))  # an epoch
        parts = cut(self.split, batches, min(block, at_once))
        return flat(self.made_ahead(distorted(parts, self.distortions(), at_once)))

    def distortions(self) -> Any:
        """Return what gives new images for rows of the training data."""
        from ..training.distorting import distortions

        return distortions(self.task)

    def made_ahead(
        self, portions: Generator[list[Part], None, None]
    ) -> Generator[list[Part], None, None]:
        """Return the same portions, made ahead of need where another thread can."""
        return portions

    def take(self, most: int) -> Generator[Event, None, list[Taken]]:
        """Take a step."""
        task, done, step = self.task, 0, None
        while step is None:
            started, before = time.perf_counter(), task.timings.parts[OPTIMIZER]
            step = next(self.learning)
            spent = task.timings.parts[OPTIMIZER] - before
            task.timings.add(GRADIENT, started + spent)
            done += task.network.piece_images
            if step is None and task.heartbeat.due():
                total = task.config.batch_size or len(self.split)
                at = task.state.step + 1
                yield task.heartbeat.give(Progressed(step=at, done=min(done, total), total=total))
        return [step]

    def sample(self, split: Split, most: int, seed: int) -> Split:
        """Return at most `most` images of a split."""
        return split.sample(most, seed)

    def loss(self, part: Split) -> tuple[float, int]:
        """Return (loss summed, right answers)."""
        return self.task.network.loss(part.images, part.labels)

    def close(self) -> None:
        """Let go of the batches."""
        self.parts.close()


class _Timed:
    """An optimizer whose steps are timed."""

    def __init__(self, optimizer: Optimizer, timings: Timings) -> None:
        self.optimizer, self.timings = optimizer, timings

    def step(self, gradient: np.ndarray) -> None:
        """Take the optimizer's step."""
        started = time.perf_counter()
        self.optimizer.step(gradient)
        self.timings.add(OPTIMIZER, started)
