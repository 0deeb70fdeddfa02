"""Windowed: networks that look at images a window at a time, sixteen images in each instruction."""

from __future__ import annotations

import time
from collections.abc import Generator
from itertools import chain
from typing import Any

import numpy as np

from .. import kernels
from ..core.arithmetic import read_only
from ..core.network import each_piece, totals
from ..data.dataset import Dataset
from ..kernels.taken import described
from ..training.batches import Part, Shuffled, Split
from ..training.events import Event, Progressed
from ..training.loop import Taken
from ..training.record import PREPARING, STEPS
from ..training.state import Task
from .gathered import Gathered
from .reference import DISTORTED
from .sparse import CALL_S

SIDE_BY_SIDE = "sixteen side by side"
MOST = 1024  # images of a batch whose step is taken in one call
_MEASURED = 256  # images that a thread measures at a time


class Windowed(Gathered):
    """Batches of 1,024 images at most are steps of one call, or their gradient is; of others the
    gradient is gathered."""

    call_s = CALL_S  # longer where nobody waits for what is told between calls

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        network, optimizer = task.network, task.optimizer
        self.measured_at_once = max(_MEASURED, self.measured_at_once)
        self.path = DISTORTED if task.config.augmentation else SIDE_BY_SIDE
        size = min(task.config.batch_size or len(self.split), len(self.split))
        self.moves = optimizer.rule is not None and not optimizer.penalty and size <= MOST
        self.heard = [
            (spec.share, width)
            for spec, width in zip(network.specs, network.sizes, strict=False)
            if spec.kind == "dropout"
        ]
        self.targets = task.config.targets(task.dataset.labels, network.classes)
        self.steps: Any = None
        self.images: Any = None  # that `steps` reads
        self.largest = 0
        self.step_s = self.call_s  # what a step took lately; until then a call is one step
        self.shuffled: Shuffled | None = None  # where every step is one of a small batch

    def prepare(self) -> Generator[Event, None, None]:
        """Have the kernels compiled, if that must be, and begin with the next step."""
        task, started = self.task, time.perf_counter()
        count = len(self.split)
        for _ in kernels.made_ready("windows"):
            if task.heartbeat.due():
                yield task.heartbeat.give(Progressed(step=task.state.step, done=0, total=count))
        task.timings.add(PREPARING, started)
        if self.moves and task.config.batch_size and not task.config.augmentation:
            self.shuffled = Shuffled(count, task.config, task.state.step)
        else:
            yield from super().prepare()

    def read(self, data: Dataset) -> Split:
        """Return the images as they are, each in a row."""
        return Split(rows_of(data.images), data.labels)

    def take(self, most: int) -> Generator[Event, None, list[Taken]]:
        """Take the next steps: those of small batches together."""
        started, most = time.perf_counter(), min(most, max(1, int(self.call_s / self.step_s)))
        if self.shuffled is not None:
            rows, size = self.shuffled.take(most), self.shuffled.size or 0
            sizes = [min(size, len(rows) - start) for start in range(0, len(rows), size)]
            steps = self._in_one_call(self.split, rows, sizes)
        else:
            part = next(self.parts)
            if not self.moves:
                return [(yield from self.step(chain((part,), self.parts)))]
            steps = self._in_one_call(part.source, _numbers(part.rows), [part.count])
        self.task.timings.add(STEPS, started)
        self.step_s = max(time.perf_counter() - started, 1e-6) / len(steps)
        return steps

    def _in_one_call(self, split: Split, rows: np.ndarray, sizes: list[int]) -> list[Taken]:
        """Take the steps of batches, one after another."""
        optimizer, theta, done = self.task.optimizer, self.task.network.theta, self.task.state.step
        memory = tuple(optimizer.carried().values())
        self._open(split.images, theta, optimizer.rule, memory, max(sizes))
        numbers = np.array([optimizer.numbers() for _ in sizes], float)
        ends, weights = np.cumsum(sizes), 1 / np.array(sizes)
        heard = [self._heard(done + n, 0, size) for n, size in enumerate(sizes)]
        batches = rows, read_only(split.labels[rows]), ends, numbers, weights, np.concatenate(heard)
        losses, right = (found.tolist() for found in self.steps(*batches))
        return list(map(Taken, losses, right, sizes))

    def _open(self, images: Any, target: np.ndarray, rule: Any, memory: tuple, count: int) -> None:
        """Have at hand what takes steps on these images."""
        if self.images is images and self.largest >= count:
            return
        network, self.images, self.largest = self.task.network, images, count
        scale, made_of = network.dtype.type(network.input_scale), described(network)
        self.steps = kernels.window_steps(
            rows_of(images), scale, made_of, network.theta, target, rule, memory, count,
            self.targets,
        )  # fmt: skip

    def _heard(self, step: int, first: int, count: int) -> np.ndarray:
        """Return uint8 (count, numbers): 1 for each that dropout lets through, drawn as layers do.

        first: where in its batch the first of these images is.
        """
        if not self.heard:
            return np.empty((0, 0), np.uint8)
        network, found = self.task.network, []
        way = network.practice(self.task.config.seed, step, count)
        for start in range(0, count, network.piece_images):
            few = min(network.piece_images, count - start)
            rng = way(first + start, few).rng
            drawn = [rng.random((few, n), np.float32) >= share for share, n in self.heard]
            found.append(np.concatenate(drawn, axis=1))
        return np.concatenate(found).view(np.uint8)

    def add_gradient(self, part: Part, gradient: np.ndarray) -> tuple[float, int]:
        """Add a part's gradient to that of its batch."""
        rows, loss, right = _numbers(part.rows), 0.0, 0
        portion = max(1, MOST // self.task.network.piece_images) * self.task.network.piece_images
        for start in range(0, part.count, portion):
            some = rows[start : start + portion]
            # Gradient descent at the rate -1, of a gradient instead of weights, adds to it.
            self._open(part.source.images, gradient, 0, (), min(part.of, portion))
            heard = self._heard(self.task.state.step, self.done + start, len(some))
            labels, ends = read_only(part.source.labels[some]), np.array([len(some)])
            batches = some, labels, ends, np.array([[-1.0]]), np.array([1 / part.of]), heard
            losses, correct = self.steps(*batches)
            loss, right = loss + float(losses[0]), right + int(correct[0])
        return loss, right

    def loss(self, part: Split) -> tuple[float, int]:
        """Return (loss summed, right answers)."""
        network, labels = self.task.network, read_only(part.labels)
        images, nothing = rows_of(part.images), np.empty((0, network.classes), np.float32)
        scale, made_of = network.dtype.type(network.input_scale), described(network)

        def piece(n: int, rows: slice) -> tuple[float, int]:
            some = images[rows], labels[rows]
            return kernels.window_loss(*some, scale, made_of, network.theta, nothing)

        return totals(each_piece(len(labels), _MEASURED, piece))


def rows_of(images: np.ndarray) -> np.ndarray:
    """Return images with all their bytes in a row; not a copy."""
    return images if images.ndim == 2 else read_only(images).reshape(len(images), -1)


def _numbers(rows: slice | np.ndarray) -> np.ndarray:
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
