"""Batches: what the steps of a run see and in which order, as it is or distorted."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..core.network import Network
from ..data.augment import Distorter
from ..fast.sliced import BLOCK, Grouped
from ..fast.sparse import pack_once, whole
from .config import TrainingConfig
from .splits import Side, lists_pay

AHEAD_PIXELS = 1 << 20  # distorted at once: some milliseconds, 1,337 images of MNIST's size


@dataclass(slots=True)  # not frozen: quicker to make, once a step
class Part:
    """As much of a batch as is handed over at once, which mostly is all of it."""

    rows: slice | np.ndarray
    count: int  # images of this part
    of: int  # images of the batch
    last: bool
    images: Side | None = None  # None: still to be taken


def parts_of(
    network: Network,
    images: Side,
    distorter: Distorter | None,
    config: TrainingConfig,
    done: int = 0,
) -> Generator[Part, None, None]:
    """Return a generator, for ever, of what the steps see: the images, or their distortions.

    done: steps of the run that are taken already.
    """
    count, block = len(images), network.block_images
    batches = _batches(count, config, done)
    if isinstance(images.images, Grouped):
        block = max(1, block // BLOCK) * BLOCK
    if distorter is None:
        return _pieces(batches, count, block, images)
    pixels = AHEAD_PIXELS if kernels.packs else AHEAD_PIXELS // 4  # NumPy takes ten times longer
    most = max(1, min(pixels // network.inputs, count))  # an epoch at most
    # Another stream than the shuffling's, so that distortions do not change the order.
    rng = np.random.default_rng([config.seed, 2])
    distorter.skip(config.images_after(done, count), rng)
    portions = _portions(_pieces(batches, count, min(block, most)), most)
    return _flat(
        kernels.ahead(_distorted(portions, distorter, images.labels, rng, lists_pay(network)))
    )


def _batches(count: int, config: TrainingConfig, done: int = 0) -> Iterator[slice | np.ndarray]:
    """Yield for ever the rows of the batches of a run that has taken `done` steps."""
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


def _pieces(
    batches: Iterator[slice | np.ndarray], count: int, most: int, images: Side | None = None
) -> Generator[Part, None, None]:
    """Yield the batches in parts of at most so many images, taken from `images` if there are any.

    count: images that there are in all.
    """
    for batch in batches:
        whole = isinstance(batch, slice)
        size = count if whole else len(batch)
        for start in range(0, size, most):
            end = min(start + most, size)
            rows = slice(start, end) if whole else batch[start:end]
            taken = None if images is None else images.take(rows)
            yield Part(rows, end - start, size, end == size, taken)


def _portions(parts: Iterator[Part], most: int) -> Iterator[list[Part]]:
    """Yield lists of the next parts, of so many images together or a batch more."""
    portion: list[Part] = []
    for part in parts:
        portion.append(part)
        if sum(part.count for part in portion) >= most:
            yield portion
            portion = []


def _distorted(
    portions: Iterator[list[Part]],
    distorter: Distorter,
    labels: np.ndarray,
    rng: np.random.Generator,
    packs: bool,
) -> Generator[list[Part], None, None]:
    """Yield each portion with its images, distorted together: calls are dear, images cheap."""
    every = np.arange(len(labels))
    for portion in portions:
        rows = np.concatenate([every[part.rows] for part in portion])
        images = distorter.distort(rows, rng)
        packed = pack_once(images) or whole(images) if packs else None
        side, end = Side(images if packed is None else packed, labels[rows]), 0
        for part in portion:
            start, end = end, end + part.count
            part.images = side.take(slice(start, end))
        yield portion


def _flat(lists: Generator[list[Part], None, None]) -> Generator[Part, None, None]:
    """Yield the parts of every list in turn; closing it closes the lists' maker."""
    with closing(lists):
        for parts in lists:
            yield from parts
