"""Training: the one loop, a generator of facts. It knows no pause, stop, screen or thread.

Pause: do not ask for the next event. Stop: close the generator. The network keeps what it
has learnt so far.

The loop is here; each of its parts may stand on those before: `config` and `signs`; `sides`,
the data as they are read; `batches`, what steps see; `steps`; `watch`, which measures; `record`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing

from .. import kernels
from ..core.network import Network
from ..data.augment import Distorter
from ..data.dataset import Dataset, check_labels
from ..errors import ConfigError
from ..fast.sparse import density
from ..fast.steps import GoodWeights, Stepper, optimizer_of
from .batches import Part, parts_of
from .config import TrainingConfig
from .evaluation import Watch
from .events import (
    EpochFinished,
    Evaluated,
    Event,
    History,
    Progressed,
    StepFinished,
    TrainingDiverged,
    TrainingFinished,
)
from .heartbeat import Signs
from .record import Record
from .settings import SCHEDULES
from .splits import Side, groups_pay, in_groups, path_of, samples, sides_of
from .state import Course
from .timings import PREPARING, Cost

__all__ = [
    "SCHEDULES",
    "EpochFinished",
    "Evaluated",
    "Event",
    "History",
    "Progressed",
    "StepFinished",
    "TrainingConfig",
    "TrainingDiverged",
    "TrainingFinished",
    "training",
]
_KEEP_EVERY = 32  # steps between two copies of weights known to be good


def training(
    network: Network,
    dataset: Dataset,
    config: TrainingConfig | None = None,
    validation: Dataset | None = None,
    course: Course | None = None,
) -> Generator[Event, None, None]:
    """Train `network` in place; return a generator of events, at most about 50 ms of work apart.

    Mean cross-entropy over each batch is descended. Full batch: every step sees all images,
    gathered block by block. Mini-batches: every epoch is shuffled anew from `config.seed`.
    Augmentation draws from a stream of its own. The same seed on the same back end gives the
    same run, on any number of threads. The run's record joins
    `network.training`. Raises ConfigError or FormatError at once when the parts do not fit.

    course: kept up to date, so that a copy of it and of the network, taken between two events,
    lets the run go on elsewhere: given again with the same data and settings, one that has begun
    goes on where it was, to the same bits as if it had never stopped.
    """
    config = config or TrainingConfig()
    if not network.theta.flags.writeable:
        raise ConfigError("this network is a frozen snapshot: train network.copy() instead")
    for data, what in ((dataset, "training"), (validation, "validation")):
        if data is not None:
            _check_fit(network, data, what)
    distorter = Distorter(dataset.images, config.augmentation) if config.augmentation else None
    course, cost = course or Course(), Cost()
    if not 0 <= course.step <= config.total_steps(len(dataset)):
        raise ConfigError(
            f"the run is at step {course.step:,} of {config.total_steps(len(dataset)):,}: "
            "go on with the settings and the data it began with"
        )
    return cost.timed(_run(network, dataset, config, validation, distorter, cost, course))


def _check_fit(network: Network, data: Dataset, what: str) -> None:
    """Raise ConfigError or FormatError when the network cannot read the data."""
    if data.inputs != network.inputs:
        height, width = data.image_shape
        raise ConfigError(
            f"{what} images have {height}x{width} = {data.inputs:,} pixels, the network has "
            f"{network.inputs:,} inputs: build it with {data.inputs:,}"
        )
    check_labels(data.labels, network.classes, what=f"{what} labels")


def _run(
    network: Network,
    dataset: Dataset,
    config: TrainingConfig,
    validation: Dataset | None,
    distorter: Distorter | None,
    cost: Cost,
    course: Course,
) -> Generator[Event, None, None]:
    """Do what `training` promises, for parts that are known to fit."""
    record = Record(network, dataset, config, validation, cost)
    if course.step:
        record.go_on(course.step)
    try:
        started, signs = time.perf_counter(), Signs()
        grouped = distorter is None and groups_pay(network, len(dataset), config)
        # 30 ms for MNIST, which no measurement should wait for.
        with kernels.beside(
            lambda: [data.digest for data in (dataset, validation) if data is not None]
        ):
            sides = sides_of(network, dataset, validation, lists=not grouped)
        cost.add(PREPARING, started)
        shown = (yield from in_groups(dataset, cost, course.step, signs)) if grouped else sides[0]
        started = time.perf_counter()
        path = "distorted anew for every batch" if distorter else path_of(shown.images)
        record.data = {"path": path, "density": density(dataset.images)}
        cost.add(PREPARING, started)
        with closing(parts_of(network, shown, distorter, config, course.step)) as parts:
            yield from _steps(network, sides, parts, config, record, course)
    except GeneratorExit:
        record.stop()
        raise


def _steps(
    network: Network,
    sides: list[Side],
    parts: Iterator[Part],
    config: TrainingConfig,
    record: Record,
    course: Course,
) -> Generator[Event, None, None]:
    """Take every step that is left. sides: the training data, and the validation data if any."""
    count, step, signs = len(sides[0]), course.step, Signs()
    total, seen = config.total_steps(count), config.images_after(course.step, count)
    # No name for the samples: they go before the end.
    watch = Watch(network, samples(sides, network, config), record.cost, signs)
    optimizer, good = optimizer_of(network, config, course), GoodWeights(network.theta)
    stepper = Stepper(network, optimizer, record.cost, signs)
    due = config.point_after(step, count)
    if due and step < total and step not in record.history.step:
        yield record.note((yield from watch.measure(due, step, seen / count)))
    for step in range(course.step + 1, total + 1):
        if config.schedule != "constant":
            optimizer.rate = type(optimizer.rate)(config.rate_at(step, count))
        if step % _KEEP_EVERY == 1:
            good.look()
        loss, correct, size = yield from stepper.step(parts, step)
        if not math.isfinite(loss):
            break
        if step % _KEEP_EVERY == 1:
            good.keep()
        record.cost.images += size
        seen += size
        record.steps = course.step = step
        event = StepFinished(
            step=step, epoch=seen / count, loss=loss / size, accuracy=correct / size, images=size
        )
        yield signs.give(event)
        if step < total and (due := config.point_after(step, count)):
            yield record.note((yield from watch.measure(due, step, seen / count)))
    else:
        watch.sides = [*watch.sides[:1], *sides[1:]] if config.train_sample else sides
        final = yield from watch.measure(TrainingFinished, total, seen / count)
        loss = final.train_loss
    if math.isfinite(loss):
        yield record.end(final)
    else:
        good.restore()
        yield record.end(_diverged(step, seen / count, loss, config))


def _diverged(step: int, epoch: float, loss: float, config: TrainingConfig) -> TrainingDiverged:
    """Return the event that ends a run whose loss is no longer finite."""
    advice = (
        f"the loss became {loss} at step {step:,}: the steps are too long; "
        f"try a learning rate of {config.learning_rate / 10:g} instead of "
        f"{config.learning_rate:g}"
    )
    if config.optimizer == "momentum":
        advice += ", or less momentum"
    return TrainingDiverged(step=step, epoch=epoch, loss=loss, advice=advice)
