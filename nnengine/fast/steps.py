"""Steps: the next batch's gradient and what the optimizer makes of it, in one call where it can."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

import numpy as np

from .. import kernels
from ..core.network import Network
from ..core.optimizers import OPTIMIZERS
from ..training.batches import Part
from ..training.config import TrainingConfig
from ..training.events import Event, Progressed
from ..training.heartbeat import Signs
from ..training.state import Course
from ..training.timings import GRADIENT, OPTIMIZER, STEPS, Cost
from .sparse import Packed, read_only


def optimizer_of(network: Network, config: TrainingConfig, course: Course) -> Any:
    """Return the optimizer of a run, as it was after the last step of its course."""
    optimizer = OPTIMIZERS[config.optimizer](
        network.theta, rate=config.learning_rate, momentum=config.momentum
    )
    optimizer.steps = course.step
    course.join(optimizer.carried())
    return optimizer


class GoodWeights:
    """The last weights known to be good, for runs whose loss is no longer finite."""

    def __init__(self, theta: np.ndarray) -> None:
        self.theta = theta
        self._good = theta.copy()
        self._seen = theta.copy()

    def look(self) -> None:
        """Remember the weights as they are, of which nobody knows the loss yet."""
        self._seen[:] = self.theta

    def keep(self) -> None:
        """Take those looked at last for good: by now their loss is known."""
        self._good, self._seen = self._seen, self._good

    def restore(self) -> None:
        """Put the good weights back."""
        self.theta[:] = self._good


class Stepper:
    """Takes the steps of a run: in one call where it can, else gradient first."""

    def __init__(self, network: Network, optimizer: Any, cost: Cost, signs: Signs) -> None:
        self.network = network
        self.optimizer = optimizer
        self.cost = cost
        self.signs = signs
        self.memory = tuple(optimizer.carried().values())
        self.gradient: np.ndarray | None = None
        self.starts: np.ndarray | None = None  # of the lists that `whole_step` reads
        self.whole_step: Any = None
        self.most = 0

    def step(
        self, parts: Iterator[Part], step: int
    ) -> Generator[Event, None, tuple[float, int, int]]:
        """Take step number `step` on the next batch; return (loss summed, right, images)."""
        part = next(parts)
        images, cost, started = part.images.images, self.cost, time.perf_counter()
        if isinstance(images, Packed) and part.last and part.count <= kernels.TOGETHER:
            found = self._whole(images, part.images.labels)
            cost.add(STEPS, started)
            return *found, part.of
        if self.gradient is None:
            self.gradient = kernels.aligned_zeros(self.network.theta.shape, self.network.dtype)
        found = yield from self._gradient(chain((part,), parts), step)
        started = time.perf_counter()
        if math.isfinite(found[0]):
            self.optimizer.step(self.gradient)
        cost.add(OPTIMIZER, started)
        return found

    def _whole(self, images: Packed, labels: np.ndarray) -> tuple[float, int]:
        """Do `step` in one call."""
        net, count = self.network, len(images)
        if self.starts is not images.starts or count > self.most:
            lists = images.starts, images.places, images.values
            network = net.dtype.type(net.input_scale), net.sizes, net.kinds, net.theta
            rule = self.optimizer.rule
            self.whole_step = kernels.packed_steps(lists, *network, rule, self.memory, count)
            self.starts, self.most = images.starts, count
        return self.whole_step(images.rows, read_only(labels), 1 / count, *self.optimizer.numbers())

    def _gradient(
        self, parts: Iterator[Part], step: int
    ) -> Generator[Event, None, tuple[float, int, int]]:
        """Put the next batch's mean gradient into `gradient`; return what `step` does."""
        gradient, signs = self.gradient, self.signs
        gradient[:] = 0
        loss, correct, done = 0.0, 0, 0
        for part in parts:
            images, labels, count = part.images.images, part.images.labels, part.of
            started = time.perf_counter()
            summed, right = self.network.gradient(images, labels, gradient, count=count)
            self.cost.add(GRADIENT, started)
            loss, correct, done = loss + summed, correct + right, done + part.count
            if part.last:
                break
            if signs.due():
                yield signs.give(Progressed(step=step, done=done, total=count))
        return loss, correct, part.of
