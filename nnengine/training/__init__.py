"""Training: a network, data and settings become a run, a generator of facts.

`loop` has the textbook and the run it makes; `config` how to train, `batches` what steps see,
`events` what is told, `state` what a run carries, `record` what the network remembers of it. How
steps are taken quickly stands in `nnengine.fast`, which hands the loop its executor.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from .. import fast, kernels
from ..core.losses import check_labels
from ..core.network import Network
from ..core.optimizers import OPTIMIZERS, Optimizer
from ..core.schedules import SCHEDULES
from ..data.dataset import Dataset
from ..errors import ConfigError
from ..fast.csr import density
from .config import TrainingConfig
from .events import (
    EpochFinished,
    Evaluated,
    Event,
    Heartbeat,
    History,
    Progressed,
    StepFinished,
    TrainingDiverged,
    TrainingFinished,
)
from .loop import run
from .record import PREPARING, Record
from .state import Task, TrainingState

if TYPE_CHECKING:
    from .watching import Watch

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
    "TrainingState",
    "training",
]


def training(
    network: Network,
    dataset: Dataset,
    config: TrainingConfig | None = None,
    validation: Dataset | None = None,
    state: TrainingState | None = None,
) -> Generator[Event, None, None]:
    """Train `network` in place; return a generator of events, at most about 50 ms of work apart.

    Mean cross-entropy over each batch is descended, or what the settings make of it. Full batch:
    every step sees all images, gathered block by block. Mini-batches: every epoch is shuffled anew
    from `config.seed`.
    Augmentation draws from a stream of its own. The same seed on the same back end gives the
    same run, on any number of threads. Small steps are taken several at once, some 5 ms of them,
    and told one by one behind that; weights are those after the last, and a run that is stopped
    ends there. The run's record joins `network.training`. Raises ConfigError or FormatError at
    once when the parts do not fit.

    state: kept up to date, so that a copy of it and of the network, taken between two events,
    lets the run go on elsewhere: given again with the same data and settings, one that has begun
    goes on where it was, to the same bits as if it had never stopped.
    """
    config, state = config or TrainingConfig(), state or TrainingState()
    if not network.theta.flags.writeable:
        raise ConfigError("this network is a frozen snapshot: train network.copy() instead")
    for data, what in ((dataset, "training"), (validation, "validation")):
        if data is not None:
            _check_fit(network, data, what)
    if config.augmentation:
        config.augmentation.check_shape(dataset.image_shape)
    if not 0 <= state.step <= config.total_steps(len(dataset)):
        raise ConfigError(
            f"the run is at step {state.step:,} of {config.total_steps(len(dataset)):,}: "
            "go on with the settings and the data it began with"
        )
    record = Record(network, dataset, config, validation, state)
    return record.timings.timed(record.kept(_run(record)))


def _check_fit(network: Network, data: Dataset, what: str) -> None:
    """Raise ConfigError or FormatError when the network cannot read the data."""
    height, width = data.image_shape
    if not network.is_dense and (height, width, data.channels) != network.shape:
        raise ConfigError(
            f"{what} images are {height}x{width}x{data.channels}, the network looks at "
            f"{'x'.join(map(str, network.shape))} (height, width, channels): build it for these"
        )
    if data.inputs != network.inputs:
        raise ConfigError(
            f"{what} images have {height}x{width}{'x3' * (data.channels > 1)} = {data.inputs:,} "
            "pixels, the network has "
            f"{network.inputs:,} inputs: build it with {data.inputs:,}"
        )
    check_labels(data.labels, network.classes, what=f"{what} labels")


def _run(record: Record) -> Generator[Event, None, None]:
    """Do what `training` promises, for parts that are known to fit."""
    network, (dataset, validation) = record.network, record.sets
    config, state, timings = record.config, record.state, record.timings
    started = time.perf_counter()
    optimizer = OPTIMIZERS[config.optimizer](
        network.theta,
        rate=config.rates(len(dataset)),
        momentum=config.momentum,
        penalty=config.penalty(network.weight_places),
    )
    optimizer.steps = state.step
    watch = _watch(record, optimizer)
    state.join({**optimizer.carried(), **(watch.carried() if watch else {})})
    loss = config.loss(dataset.labels, network.classes)
    task = Task(network, dataset, config, optimizer, state, timings, Heartbeat(), loss, watch)
    sets = [data for data in (dataset, validation) if data is not None]
    with kernels.beside(lambda: [data.digest for data in sets]):  # 30 ms for MNIST
        executor, why = fast.choose(task)
        splits = [executor.split, *map(executor.read, sets[1:])]
    record.data = {"path": executor.path, "why": why, "density": density(dataset.images)}
    timings.add(PREPARING, started)
    try:
        yield from executor.prepare()
        yield from run(task, executor, splits, record.history.step)
    finally:
        executor.close()


def _watch(record: Record, optimizer: Optimizer) -> Watch | None:
    """Return what is told of every measurement, where the settings ask for anything of the kind."""
    patience = record.config.early_stopping
    if not patience and record.config.schedule != "plateau":
        return None
    from .watching import Watch

    watch = Watch(record.network.theta, patience, optimizer.rate)
    watch.go_on(record.history)
    return watch
