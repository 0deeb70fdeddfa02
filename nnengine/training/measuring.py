"""Measuring: the points of a run's curves, both sides by the same function on the same weights."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from .batches import SAMPLE, Split
from .config import TrainingConfig
from .events import Evaluated, Event, Progressed, TrainingDiverged, TrainingFinished
from .record import MEASURING
from .state import Task

if TYPE_CHECKING:
    from ..fast import Executor


def samples_of(executor: Executor, splits: list[Split], config: TrainingConfig) -> list[Split]:
    """Return what the curves of a run are measured on until its end."""
    most = [config.train_sample or SAMPLE, SAMPLE]
    return [executor.sample(split, n, config.seed) for split, n in zip(splits, most, strict=False)]


def measure(
    task: Task, executor: Executor, splits: list[Split], kind: type[Evaluated], epoch: float
) -> Generator[Event, None, Evaluated]:
    """Return a `kind` of Evaluated for the weights as they are now; who watches is told first."""
    numbers: list[float] = []
    step, total, done = task.state.step, sum(map(len, splits)), 0
    for split in splits:
        loss, correct = 0.0, 0
        for start in range(0, len(split), executor.measured_at_once):
            part = split.take(slice(start, start + executor.measured_at_once))
            started = time.perf_counter()
            summed, right = executor.loss(part)
            task.timings.add(MEASURING, started)
            loss, correct, done = loss + summed, correct + right, done + len(part)
            if task.heartbeat.due():
                yield task.heartbeat.give(Progressed(step=step, done=done, total=total))
        numbers += [loss / len(split), correct / len(split)]
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    found = kind(step=step, epoch=epoch, **dict(zip(names, numbers, strict=False)))
    if task.watch and kind is not TrainingFinished:
        task.watch.note(found.train_loss, found.val_loss)
    return found


def diverged(step: int, epoch: float, loss: float, config: TrainingConfig) -> TrainingDiverged:
    """Return the event that ends a run whose loss is no longer finite; it advises a usual rate."""
    rate = min(config.learning_rate / 10, 0.001 if config.optimizer.startswith("adam") else 0.1)
    advice = (
        f"the loss became {loss} at step {step:,}: the steps are too long; "
        f"try a learning rate of {rate:g} instead of {config.learning_rate:g}"
    )
    if config.optimizer in ("momentum", "nesterov"):
        advice += ", or less momentum"
    return TrainingDiverged(step=step, epoch=epoch, loss=loss, advice=advice)
