"""Passes: over examples by the engine's own steps, quick ones where these know the task.

Bytes that weigh the same go to the executor that `nnengine.fast` chooses; anything else, floats and
weights, is learnt from layer by layer, by the textbook's arithmetic in the kernels in use.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import fast
from ..core.losses import Loss, against, targeted
from ..core.network import Network
from ..core.optimizers import OPTIMIZERS, Optimizer
from ..data.dataset import MAX_CLASSES, Dataset
from ..errors import ConfigError
from ..fast.gathered import Gathered
from ..training.config import TrainingConfig
from ..training.events import Heartbeat
from ..training.loop import Taken
from ..training.measuring import diverged
from ..training.record import Timings
from ..training.state import Task, TrainingState
from .examples import Examples

# Of several steps in one call, for nobody here hears of them on the way: against 5 ms, 0.120 ->
# 0.110 s of the processor for a fit of one pass over 20,000 digits.
_CALL_S = 0.05


@dataclass(slots=True)
class Memory:
    """What an optimizer takes from one pass to the next: its steps so far, its arrays by name."""

    steps: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(slots=True)
class _Table:
    """Examples as an executor reads a data set: the label of a row is its number."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def weighted(examples: Examples, classes: int, smoothing: float = 0.0) -> Loss:
    """Return cross-entropy in which every example weighs what it does.

    It takes numbers of examples where other losses take labels. smoothing: the share of each label
    that is spread over all classes.
    """
    codes, weights = examples.codes, examples.weights

    def loss(logits: Any, rows: Any, *, count: int | None = None) -> tuple[float, int, Any]:
        labels = codes[rows]
        targets = np.full(logits.shape, smoothing / classes)
        targets[np.arange(len(labels)), labels] += 1 - smoothing
        if weights is not None:
            targets *= weights[rows, None]
        return against(targets, logits, labels, 1 / (count or len(labels)))

    return loss


def mean_loss(network: Network, examples: Examples) -> float:
    """Return the mean cross-entropy over examples, each by its weight, in nats."""
    loss, every = weighted(examples, network.classes), np.arange(len(examples))
    total = 0.0
    for start in range(0, len(every), network.block_images):
        rows = every[start : start + network.block_images]
        total += loss(network.logits(examples.rows[rows]), rows)[0]
    return total / (len(every) if examples.weights is None else examples.weights.sum())


def passes(
    network: Network, examples: Examples, config: TrainingConfig, memory: Memory
) -> Generator[float, None, None]:
    """Train `network` in place; yield the mean loss of the steps' batches after each pass.

    The optimizer goes on from `memory`, and leaves there what it would go on with. Raises
    ConfigError where the loss is no longer finite.
    """
    optimizer = _optimizer(network, config, len(examples), memory)
    task = _task(network, examples, config, optimizer)
    executor = _executor(task)
    try:
        _through(executor.prepare())
        every = config.steps_per_epoch(len(examples))
        for end in range(every, config.total_steps(len(examples)) + 1, every):
            loss = _one_pass(task, executor, end)
            memory.steps, memory.arrays = optimizer.steps, optimizer.carried()
            yield loss / len(examples)
    finally:
        executor.close()


def _one_pass(task: Task, executor: Any, end: int) -> float:
    """Take steps until so many are taken; return their loss, summed over the examples."""
    total = 0.0
    while task.state.step < end:
        steps: list[Taken] = _through(executor.take(end - task.state.step))
        task.state.step += len(steps)
        total += sum(step.loss for step in steps)
        if not math.isfinite(total):
            raise ConfigError(diverged(task.state.step, 0, total, task.config).advice)
    return total


def _optimizer(network: Network, config: TrainingConfig, count: int, memory: Memory) -> Optimizer:
    optimizer = OPTIMIZERS[config.optimizer](
        network.theta,
        rate=config.rates(count),
        momentum=config.momentum,
        penalty=config.penalty(network.weight_places),
    )
    optimizer.steps = memory.steps
    for name, array in optimizer.carried().items():
        if name in memory.arrays:
            array[:] = memory.arrays[name]
    return optimizer


def _task(
    network: Network, examples: Examples, config: TrainingConfig, optimizer: Optimizer
) -> Task:
    """Return what an executor is to do: on a data set of bytes, or on a table of anything."""
    classes = network.classes
    data: Any = _as_dataset(network, examples)
    if data is not None:
        loss = targeted(config.label_smoothing)
    else:
        data = _Table(examples.rows, np.arange(len(examples)))
        loss = weighted(examples, classes, config.label_smoothing)
    rest = TrainingState(), Timings(), Heartbeat(), loss
    return Task(network, data, config, optimizer, *rest)


def _as_dataset(network: Network, examples: Examples) -> Dataset | None:
    """Return the examples as a data set, where they are one: bytes that weigh the same."""
    if examples.rows.dtype != np.uint8 or examples.weights is not None:
        return None
    if network.classes > MAX_CLASSES or network.channels not in (1, 3):
        return None
    depth = (3,) if network.channels == 3 else ()
    images = examples.rows.reshape(len(examples), *network.image_shape, *depth)
    return Dataset(images, examples.codes, classes=network.classes)


def _executor(task: Task) -> Any:
    executor: Any = fast.choose(task)[0] if isinstance(task.dataset, Dataset) else Gathered(task)
    executor.call_s = _CALL_S
    return executor


def _through(events: Generator[Any, None, Any]) -> Any:
    """Run a generator to its end, and return what it returns: nobody here wants signs of life."""
    with closing(events):
        while True:
            try:
                next(events)
            except StopIteration as end:
                return end.value
