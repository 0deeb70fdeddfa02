"""Gathered: a batch's gradient, part by part, each by all threads; then comes the step."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator

import numpy as np

from .. import kernels
from ..core.arithmetic import aligned_zeros
from ..training.batches import Part
from ..training.events import Event, Progressed
from ..training.loop import Taken
from ..training.record import GRADIENT, OPTIMIZER
from .reference import Reference


class Gathered(Reference):
    """Takes a step at a time, layer by layer: for networks that have no quicker way, as float64."""

    distorted_at_once = 1 << 20  # compiled, this takes a tenth of NumPy's time
    gradient: np.ndarray | None = None
    done = 0  # images of the batch under way

    def prepare(self) -> Generator[Event, None, None]:
        """Begin with the next step."""
        self.parts = self.batches()
        yield from ()

    def made_ahead(
        self, portions: Generator[list[Part], None, None]
    ) -> Generator[list[Part], None, None]:
        """Return the same portions, each made while the one before it is learnt from."""
        return kernels.ahead(portions)

    def take(self, most: int) -> Generator[Event, None, list[Taken]]:
        """Take a step."""
        return [(yield from self.step(self.parts))]

    def add_gradient(self, part: Part, gradient: np.ndarray) -> tuple[float, int]:
        """Add a part's gradient to that of its batch; return (loss summed, right answers)."""
        task, done = self.task, self.done
        way = task.network.practice(task.config.seed, task.state.step, part.of)
        return task.network.gradient(
            part.images, part.labels, gradient, count=part.of, descended=task.loss,
            practice=lambda first, images: way(done + first, images),
        )  # fmt: skip

    def step(self, parts: Iterator[Part]) -> Generator[Event, None, Taken]:
        """Take the step of the next batch."""
        task, theta = self.task, self.task.network.theta
        if self.gradient is None:
            self.gradient = aligned_zeros(theta.shape, theta.dtype)
        self.gradient[:] = 0
        loss, correct, self.done, count = 0.0, 0, 0, 0
        for part in parts:
            started = time.perf_counter()
            summed, right = self.add_gradient(part, self.gradient)
            task.timings.add(GRADIENT, started)
            loss, correct, self.done = loss + summed, correct + right, self.done + part.count
            count = part.of
            if part.last:
                break
            if task.heartbeat.due():
                at = task.state.step + 1
                yield task.heartbeat.give(Progressed(step=at, done=self.done, total=part.of))
        started = time.perf_counter()
        if math.isfinite(loss):
            task.network.settle(self.gradient)
            task.optimizer.step(self.gradient)
        task.timings.add(OPTIMIZER, started)
        return Taken(loss, correct, count)
