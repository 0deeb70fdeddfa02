"""Sliced: full batches in groups of sixteen images alike, whose order is free."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from .. import kernels
from ..core.arithmetic import read_only
from ..data.dataset import Dataset
from ..training.batches import Part, Shuffled, Split, cut
from ..training.config import TrainingConfig
from ..training.events import Event, Progressed
from ..training.record import PREPARING
from ..training.state import Task
from .gathered import Gathered
from .groups import BLOCK, SlicedImages, slicing
from .sparse import measured, measured_at_once, sampled

FEWEST = 4096  # images
STEPS = 20  # after which what the slicing took has been won back
WIDEST = 128  # units of a layer; at 100 these groups are 1.7 times as fast as lists
SLICED = "in groups of sixteen alike"


def pays(sizes: tuple[int, ...], count: int, config: TrainingConfig) -> bool:
    """Tell whether a run gains by groups: full batches of enough images, often enough."""
    return (
        config.batch_size is None
        and config.augmentation is None
        and max(sizes[1:]) <= WIDEST
        and sizes[0] <= 1 << 16
        and count >= FEWEST
        and config.total_steps(count) >= STEPS
    )


class Sliced(Gathered):
    """Gathers the gradient of a full batch block by block, sixteen images in each instruction."""

    path = SLICED

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.measured_at_once = measured_at_once(task.network)

    def prepare(self) -> Generator[Event, None, None]:
        """Put images that are alike side by side."""
        task, count = self.task, len(self.split)
        work = slicing(task.dataset.images)
        while True:
            started = time.perf_counter()
            try:
                done = next(work)
            except StopIteration as end:
                images: SlicedImages = end.value
                break
            finally:
                task.timings.add(PREPARING, started)
            if task.heartbeat.due():
                step = task.state.step
                yield task.heartbeat.give(Progressed(step=step, done=done, total=count))
        yield Progressed(step=task.state.step, done=count, total=count)
        groups = Split(images, task.dataset.labels[images.rows])
        block = max(1, task.network.block_images // BLOCK) * BLOCK
        self.parts = cut(groups, Shuffled(count, task.config), block)

    def add_gradient(self, part: Part, gradient: np.ndarray) -> tuple[float, int]:
        """Add a part's gradient to that of the batch."""
        network, images, real = self.task.network, part.images, self.task.network.dtype.type
        made_of = network.sizes, network.kinds, network.theta, gradient
        rest = read_only(part.labels), real(network.input_scale), real(1 / part.of)
        return kernels.sliced_gradient(images.lists, images.first, *rest, *made_of)

    def read(self, data: Dataset) -> Split:
        """Return the images as they are: what is measured becomes lists a part at a time."""
        return Split(data.images, data.labels)

    def sample(self, split: Split, most: int, seed: int) -> Split:
        """Return at most `most` images of a split as lists, shared with runs of the same seed."""
        return sampled(split, most, seed)

    def loss(self, part: Split) -> tuple[float, int]:
        """Return (loss summed, right answers), found by lists where these pay."""
        return measured(self.task.network, part)
