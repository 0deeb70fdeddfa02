"""Distorting: batches of images that are changed anew each time they are shown."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import numpy as np

from ..data.augment import Distorter
from .batches import Part, Split
from .state import Task


def distortions(task: Task) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives new images for rows of a task's data, from where its run is."""
    count, augmentation = len(task.dataset), task.config.augmentation
    assert augmentation is not None
    distorter = Distorter(task.dataset.images, augmentation)
    # Another stream than the shuffling's, so that distortions do not change the order.
    rng = np.random.default_rng([task.config.seed, 2])
    distorter.skip(task.config.images_after(task.state.step, count), rng)
    return lambda rows: distorter.distort(rows, rng)


def distorted(
    parts: Iterator[Part], distort: Callable[[np.ndarray], Any], at_once: int
) -> Generator[list[Part], None, None]:
    """Yield lists of the next parts, their images distorted together, so many or a part more.

    distort: gives new images for rows. Calls are dear, images cheap.
    """
    portion: list[Part] = []
    for part in parts:
        portion.append(part)
        if sum(part.count for part in portion) < at_once:
            continue
        every = np.arange(len(part.source))
        rows, end = np.concatenate([every[part.rows] for part in portion]), 0
        made = Split(distort(rows), part.source.labels[rows])
        for part in portion:
            start, end = end, end + part.count
            part.source, part.rows, part.more = made, slice(start, end), part is not portion[-1]
        yield portion
        portion = []


def flat(lists: Generator[list[Part], None, None]) -> Generator[Part, None, None]:
    """Yield the parts of every list in turn; closing it closes the lists' maker."""
    with closing(lists):
        for parts in lists:
            yield from parts
