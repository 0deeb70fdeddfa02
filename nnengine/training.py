"""Training: the one loop, a generator of facts. It knows no pause, stop, screen or thread.

Pause: do not ask for the next event. Stop: close the generator. The network keeps what it
has learnt so far.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from . import kernels
from .augment import Augmentation, Distorter
from .cost import GRADIENT, MEASURING, OPTIMISER, PREPARING, STEPS, Cost
from .course import Course
from .dataset import Dataset, check_labels
from .errors import ConfigError
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
from .grouped import BLOCK, Grouped, grouping
from .network import Network
from .optimisers import OPTIMISERS, check_optimiser
from .packed import Packed, density, pack, pack_once, read_only, whole

_SAMPLE = 10_000  # images at most on which a curve's point is measured
_POINTS = 200  # of a full-batch run's curve, unless asked otherwise
_PACE_S = 0.03  # between two signs of life
_AT_ONCE = 2  # pieces measured together, 6,552 images by a small network
_KEEP_EVERY = 32  # steps between two copies of weights known to be good
_GROUPED_WIDEST = 128  # units of a layer; at 100 grouped images are 1.7 times as fast as lists
_GROUPED_FEWEST = 4096  # images
_GROUPED_STEPS = 20  # after which what the grouping took has been won back
_AHEAD_PIXELS = 1 << 20  # distorted at once: some milliseconds, 1,337 images of MNIST's size
SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How to train. Exactly one of `epochs` and `iterations`; neither means 10 epochs.

    epochs: passes over the data. iterations: optimiser steps. batch_size: images a step;
    None: all of them, the full batch. optimiser: "sgd", "momentum" or "adam". learning_rate:
    above zero. momentum: in [0, 1), for the optimiser of that name. seed: of the shuffling.
    evaluate_every: steps between two points of the curves; None: once an epoch, or 200 times
    a run for the full batch. train_sample: training images at most, chosen by the seed, that the
    training curve is measured on, its last point too; None: 10,000, and all for the last point.
    augmentation: distortions drawn anew for each image of each batch, None for none; curves are
    measured on images as they are. schedule: "constant", or "cosine": the learning rate falls to
    zero along half a cosine over the run (Loshchilov & Hutter 2017, without restarts). Raises
    ConfigError for settings that cannot be.
    """

    epochs: int | None = None
    iterations: int | None = None
    batch_size: int | None = 64
    optimiser: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    seed: int = 0
    evaluate_every: int | None = None
    train_sample: int | None = None
    augmentation: Augmentation | None = None
    schedule: str = "constant"

    def __post_init__(self) -> None:
        check_optimiser(self.optimiser)
        if self.epochs is not None and self.iterations is not None:
            raise ConfigError("epochs and iterations are both given: give one of them")
        for name in ("epochs", "iterations", "batch_size", "evaluate_every", "train_sample"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | np.integer) or value < 1):
                raise ConfigError(f"{name} is {value!r}: give a whole number above zero")
        if not (0 < self.learning_rate < math.inf):
            raise ConfigError(f"learning_rate is {self.learning_rate!r}: give a number above zero")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum is {self.momentum!r}: give a number from 0 to below 1")
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise ConfigError(f"seed is {self.seed!r}: give a whole number, zero or above")
        if self.augmentation is not None and not isinstance(self.augmentation, Augmentation):
            raise ConfigError(
                f"augmentation is {self.augmentation!r}: give an Augmentation, or None for none"
            )
        if self.schedule not in SCHEDULES:
            raise ConfigError(
                f"schedule {self.schedule!r} is not known: choose {' or '.join(SCHEDULES)}"
            )

    def steps_per_epoch(self, count: int) -> int:
        """Return how many optimiser steps a pass over `count` images takes."""
        return 1 if self.batch_size is None else -(-count // self.batch_size)

    def total_steps(self, count: int) -> int:
        """Return how many optimiser steps a run over `count` images takes."""
        return self.iterations or (self.epochs or 10) * self.steps_per_epoch(count)

    def rate_at(self, step: int, count: int) -> float:
        """Return the learning rate of a step, counted from 1, of a run over `count` images."""
        if self.schedule == "constant":
            return self.learning_rate
        done = (step - 1) / self.total_steps(count)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2

    def steps_between_points(self, count: int) -> int:
        """Return how many steps apart the curves' points are, for `count` images."""
        if self.evaluate_every:
            return self.evaluate_every
        if self.batch_size is None:
            return max(1, self.total_steps(count) // _POINTS)
        return self.steps_per_epoch(count)

    def point_after(self, step: int, count: int) -> type[Evaluated] | None:
        """Return which measurement follows a step other than the last, or None."""
        ends_epoch = bool(step) and step % self.steps_per_epoch(count) == 0
        due = step % self.steps_between_points(count) == 0
        if due or (ends_epoch and self.batch_size is not None):
            return EpochFinished if ends_epoch else Evaluated
        return None

    def images_after(self, step: int, count: int) -> int:
        """Return how many images so many steps show to the network."""
        epochs, steps = divmod(step, self.steps_per_epoch(count))
        return epochs * count + steps * (self.batch_size or 0)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers and words, the augmentation as a dict of them."""
        return asdict(self)


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
    record = _Record(network, dataset, config, validation, cost)
    if course.step:
        record.go_on(course.step)
    try:
        started = last = time.perf_counter()
        grouped = distorter is None and _groups(network, len(dataset), config)
        # 30 ms for MNIST, which no measurement should wait for.
        with kernels.beside(
            lambda: [data.digest for data in (dataset, validation) if data is not None]
        ):
            sides = _sides(network, dataset, validation, packs=not grouped)
        cost.add(PREPARING, started)
        shown = (yield from _grouped(dataset, cost, course.step, last)) if grouped else sides[0]
        started = time.perf_counter()
        record.data = {"path": _path(shown.images, distorter), "density": density(dataset.images)}
        cost.add(PREPARING, started)
        with closing(_parts(network, shown, distorter, config, course.step)) as parts:
            yield from _steps(network, sides, parts, config, record, course)
    except GeneratorExit:
        record.stop()
        raise


def _steps(
    network: Network,
    sides: list[_Side],
    parts: Iterator[_Part],
    config: TrainingConfig,
    record: _Record,
    course: Course,
) -> Generator[Event, None, None]:
    """Take every step that is left. sides: the training data, and the validation data if any."""
    count = len(sides[0])
    total = config.total_steps(count)
    # No name for the samples: they go before the end.
    watch = _Watch(network, _samples(sides, network, config), record.cost)
    optimiser = OPTIMISERS[config.optimiser](
        network.theta, rate=config.learning_rate, momentum=config.momentum
    )
    optimiser.steps = course.step
    course.join(optimiser.carried())
    stepper = _Stepper(network, optimiser, watch)
    good, seen = network.theta.copy(), config.images_after(course.step, count)
    kept = good.copy()
    due = config.point_after(course.step, count)
    if due and course.step < total and course.step not in record.history.step:
        yield record.note((yield from watch.measure(due, course.step, seen / count)))
    for step in range(course.step + 1, total + 1):
        if config.schedule != "constant":
            optimiser.rate = type(optimiser.rate)(config.rate_at(step, count))
        if step % _KEEP_EVERY == 1:
            kept[:] = network.theta
        loss, correct, batch = yield from stepper.step(parts, step)
        if not math.isfinite(loss):
            network.theta[:] = good
            yield record.end(_diverged(step, seen / count, loss, config))
            return
        if step % _KEEP_EVERY == 1:
            good, kept = kept, good  # their loss is known only now
        size = batch.count
        record.cost.images += size
        seen += size
        record.steps = course.step = step
        yield watch.sign(
            StepFinished(
                step=step,
                epoch=seen / count,
                loss=loss / size,
                accuracy=correct / size,
                images=size,
            )
        )
        if step == total:
            break
        if due := config.point_after(step, count):
            yield record.note((yield from watch.measure(due, step, seen / count)))
    watch.sides = [*watch.sides[:1], *sides[1:]] if config.train_sample else sides
    final = yield from watch.measure(TrainingFinished, total, seen / count)
    if not math.isfinite(final.train_loss):
        network.theta[:] = good
        final = _diverged(total, seen / count, final.train_loss, config)
    yield record.end(final)


class _Side:
    """A data set's images and labels, as the network reads them fastest."""

    def __init__(self, images: np.ndarray | Packed | Grouped, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels
        self.origin: _Side | None = None  # what they were chosen from, where others may share them

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: slice | np.ndarray) -> _Side:
        """Return some of the images with their labels."""
        return _Side(self.images[rows], self.labels[rows])

    def packed(self, network: Network) -> _Side:
        """Return the same, packed where that pays: what grouped runs do for measurements alone."""
        bytes_ = isinstance(self.images, np.ndarray)
        packed = pack_once(self.images) if bytes_ and _packs(network) else None
        return self if packed is None else _Side(packed, self.labels)

    def sample(self, most: int, seed: int) -> _Side:
        """Return at most `most` images, chosen by the seed."""
        if len(self) <= most:
            return self
        # Another stream than the shuffling's, so that watching does not change the run.
        rng = np.random.default_rng([seed, 1])
        return self.take(np.sort(rng.choice(len(self), most, replace=False)))


def _sides(
    network: Network, dataset: Dataset, validation: Dataset | None, packs: bool
) -> list[_Side]:
    """Return both data sets as the kernels read them best."""
    sides = []
    for data in filter(None, (dataset, validation)):
        images = data.images
        if packs and _packs(network):
            images = pack(images) or whole(images)
        sides.append(_Side(images, data.labels))
    return sides


_MEASURED: WeakValueDictionary[tuple, _Side] = WeakValueDictionary()


def _samples(sides: list[_Side], network: Network, config: TrainingConfig) -> list[_Side]:
    """Return what the curves of a run are measured on until its end."""
    most = [config.train_sample or _SAMPLE, _SAMPLE]
    return [_measured(*side, network, config.seed) for side in zip(sides, most, strict=False)]


def _measured(side: _Side, most: int, network: Network, seed: int) -> _Side:
    """Return `most` images of a side at most, for curves, packed where that pays.

    Runs with one seed on one data set share them, or ten full batches of MNIST would hold 80 MB
    more. They hold on to what they were chosen from, so that nothing else comes by its id.
    """
    chosen = (most, seed) if len(side) > most else None
    key = id(side.images), id(side.labels), chosen, _packs(network)
    known = _MEASURED.get(key)
    if known is None:
        known = _MEASURED[key] = side.sample(most, seed).packed(network)
        if known is not side:
            known.origin = side
    return known


def _packs(network: Network) -> bool:
    """Tell whether lists of nonzero pixels are worth making for this network."""
    return kernels.packs and network.dtype == np.float32


def _groups(network: Network, count: int, config: TrainingConfig) -> bool:
    """Tell whether a run gains by grouped images: full batches of enough, often enough."""
    return (
        _packs(network)
        and config.batch_size is None
        and max(network.sizes[1:]) <= _GROUPED_WIDEST
        and network.inputs <= 1 << 16
        and count >= _GROUPED_FEWEST
        and config.total_steps(count) >= _GROUPED_STEPS
    )


def _path(images: np.ndarray | Packed | Grouped, distorter: Distorter | None) -> str:
    """Return in words how a run reads its images, which depends on how many pixels are zero."""
    if distorter is not None:
        return "distorted anew for every batch"
    if isinstance(images, Grouped):
        return "in groups of sixteen alike"
    lists = isinstance(images, Packed) and (images.places.size or not images.values.size)
    return "as lists of nonzero pixels" if lists else "whole, zeros and all"


def _grouped(dataset: Dataset, cost: Cost, step: int, last: float) -> Generator[Event, None, _Side]:
    """Return the data set in groups of images that are alike; in full batch their order is free.

    step: the last that was taken; last: when the caller began, by time.perf_counter.
    """
    work, count = grouping(dataset.images), len(dataset)
    while True:
        started = time.perf_counter()
        try:
            done = next(work)
        except StopIteration as end:
            images = end.value
            break
        finally:
            cost.add(PREPARING, started)
        if time.perf_counter() - last > _PACE_S:
            yield Progressed(step=step, done=done, total=count)
            last = time.perf_counter()
    yield Progressed(step=step, done=count, total=count)
    return _Side(images, dataset.labels[images.rows])


@dataclass(slots=True)  # not frozen: 9.6 -> 7.3 us of Python a step, with `_Part`
class _Batch:
    """The images of one step: which rows, and how many."""

    rows: slice | np.ndarray
    count: int


@dataclass(slots=True)
class _Part:
    """As much of a batch as is handed over at once, which mostly is all of it."""

    rows: slice | np.ndarray
    count: int
    batch: _Batch
    last: bool
    images: _Side | None = None  # None: still to be taken


def _batches(count: int, config: TrainingConfig, done: int = 0) -> Iterator[_Batch]:
    """Yield for ever the batches of a run that has taken `done` steps."""
    if config.batch_size is None:
        while True:
            yield _Batch(slice(0, count), count)
    rng = np.random.default_rng(config.seed)
    epochs, steps = divmod(done, config.steps_per_epoch(count))
    for _ in range(epochs):
        rng.permutation(count)
    begin = steps * config.batch_size
    while True:
        order = rng.permutation(count)
        for start in range(begin, count, config.batch_size):
            rows = order[start : start + config.batch_size]
            yield _Batch(rows, len(rows))
        begin = 0


def _pieces(batches: Iterator[_Batch], most: int) -> Iterator[_Part]:
    """Yield the batches in parts of at most so many images, which are still to be taken."""
    for batch in batches:
        for start in range(0, batch.count, most):
            end = min(start + most, batch.count)
            whole = isinstance(batch.rows, slice)
            rows = slice(start, end) if whole else batch.rows[start:end]
            yield _Part(rows, end - start, batch, end == batch.count)


def _parts(
    network: Network,
    images: _Side,
    distorter: Distorter | None,
    config: TrainingConfig,
    done: int = 0,
) -> Generator[_Part, None, None]:
    """Return a generator, for ever, of what the steps see: the images, or their distortions.

    done: steps of the run that are taken already.
    """
    batches, block = _batches(len(images), config, done), network.block_images
    if isinstance(images.images, Grouped):
        block = max(1, block // BLOCK) * BLOCK
    if distorter is None:
        return _taken(_pieces(batches, block), images)
    pixels = _AHEAD_PIXELS if kernels.packs else _AHEAD_PIXELS // 4  # NumPy takes ten times longer
    most = max(1, min(pixels // network.inputs, len(images)))  # an epoch at most
    # Another stream than the shuffling's, so that distortions do not change the order.
    rng = np.random.default_rng([config.seed, 2])
    distorter.skip(config.images_after(done, len(images)), rng)
    portions = _portions(_pieces(batches, min(block, most)), most)
    return _flat(
        kernels.ahead(_distorted(portions, distorter, images.labels, rng, _packs(network)))
    )


def _taken(parts: Iterator[_Part], images: _Side) -> Generator[_Part, None, None]:
    """Yield the parts with their images."""
    for part in parts:
        part.images = images.take(part.rows)
        yield part


def _portions(parts: Iterator[_Part], most: int) -> Iterator[list[_Part]]:
    """Yield lists of the next parts, of so many images together or a batch more."""
    portion: list[_Part] = []
    for part in parts:
        portion.append(part)
        if sum(part.count for part in portion) >= most:
            yield portion
            portion = []


def _distorted(
    portions: Iterator[list[_Part]],
    distorter: Distorter,
    labels: np.ndarray,
    rng: np.random.Generator,
    packs: bool,
) -> Generator[list[_Part], None, None]:
    """Yield each portion with its images, distorted together: calls are dear, images cheap."""
    every = np.arange(len(labels))
    for portion in portions:
        rows = np.concatenate([every[part.rows] for part in portion])
        images = distorter.distort(rows, rng)
        packed = pack_once(images) or whole(images) if packs else None
        side, end = _Side(images if packed is None else packed, labels[rows]), 0
        for part in portion:
            start, end = end, end + part.count
            part.images = side.take(slice(start, end))
        yield portion


def _flat(lists: Generator[list[_Part], None, None]) -> Generator[_Part, None, None]:
    """Yield the parts of every list in turn; closing it closes the lists' maker."""
    with closing(lists):
        for parts in lists:
            yield from parts


class _Watch:
    """Measures the sides of a run, and gives a sign of life while something takes long."""

    def __init__(self, network: Network, sides: list[_Side], cost: Cost) -> None:
        self.network = network
        self.cost = cost
        self.sides = sides
        self.last = time.perf_counter()

    def due(self) -> bool:
        """Tell whether the last sign of life is long ago."""
        return time.perf_counter() - self.last > _PACE_S

    def sign(self, event: Event) -> Event:
        """Return the event, and remember when: the clock starts as it is handed over."""
        self.last = time.perf_counter()
        return event

    def measure(self, kind: type, step: int, epoch: float) -> Generator[Event, None, Evaluated]:
        """Return a `kind` of Evaluated for the weights as they are now."""
        numbers: list[float] = []
        total, done = sum(map(len, self.sides)), 0
        block = min(self.network.block_images, _AT_ONCE * self.network.piece_images)
        for side in self.sides:
            loss, correct = 0.0, 0
            for start in range(0, len(side), block):
                started = time.perf_counter()
                # Whole data sets that are measured but once need not stand in memory as lists.
                part = side.take(slice(start, start + block))
                part = part if len(side) <= _SAMPLE else part.packed(self.network)
                summed, right = self.network.loss(part.images, part.labels)
                self.cost.add(MEASURING, started)
                loss, correct, done = loss + summed, correct + right, done + len(part)
                if self.due():
                    yield self.sign(Progressed(step=step, done=done, total=total))
            numbers += [loss / len(side), correct / len(side)]
        names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
        return kind(step=step, epoch=epoch, **dict(zip(names, numbers, strict=False)))


class _Stepper:
    """Takes the steps of a run: in one call where it can, else gradient first."""

    def __init__(self, network: Network, optimiser: Any, watch: _Watch) -> None:
        self.network = network
        self.optimiser = optimiser
        self.watch = watch
        self.memory = tuple(optimiser.carried().values())
        self.gradient: np.ndarray | None = None
        self.starts: np.ndarray | None = None  # of the lists that `whole_step` reads
        self.whole_step: Any = None
        self.most = 0

    def step(
        self, parts: Iterator[_Part], step: int
    ) -> Generator[Event, None, tuple[float, int, _Batch]]:
        """Take step number `step` on the next batch; return (loss summed, right, batch)."""
        part = next(parts)
        images, cost, started = part.images.images, self.watch.cost, time.perf_counter()
        if isinstance(images, Packed) and part.last and part.count <= kernels.TOGETHER:
            found = self._whole(images, part.images.labels)
            cost.add(STEPS, started)
            return *found, part.batch
        if self.gradient is None:
            self.gradient = kernels.aligned_zeros(self.network.theta.shape, self.network.dtype)
        found = yield from _gradient(self.watch, chain((part,), parts), self.gradient, step)
        started = time.perf_counter()
        if math.isfinite(found[0]):
            self.optimiser.step(self.gradient)
        cost.add(OPTIMISER, started)
        return found

    def _whole(self, images: Packed, labels: np.ndarray) -> tuple[float, int]:
        """Do `step` in one call."""
        net, count = self.network, len(images)
        if self.starts is not images.starts or count > self.most:
            lists = images.starts, images.places, images.values
            network = net.dtype.type(net.input_scale), net.sizes, net.kinds, net.theta
            rule = self.optimiser.rule
            self.whole_step = kernels.packed_steps(lists, *network, rule, self.memory, count)
            self.starts, self.most = images.starts, count
        return self.whole_step(images.rows, read_only(labels), 1 / count, *self.optimiser.numbers())


def _gradient(
    watch: _Watch, parts: Iterator[_Part], gradient: np.ndarray, step: int
) -> Generator[Event, None, tuple[float, int, _Batch]]:
    """Put the next batch's mean gradient into `gradient`; return (loss summed, right, batch)."""
    gradient[:] = 0
    loss, correct, done = 0.0, 0, 0
    for part in parts:
        images, labels, count = part.images.images, part.images.labels, part.batch.count
        started = time.perf_counter()
        summed, right = watch.network.gradient(images, labels, gradient, count=count)
        watch.cost.add(GRADIENT, started)
        loss, correct, done = loss + summed, correct + right, done + part.count
        if part.last:
            break
        if watch.due():
            yield watch.sign(Progressed(step=step, done=done, total=count))
    return loss, correct, part.batch


class _Record:
    """What a network remembers of this run: kept up to date on it at every measurement."""

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        config: TrainingConfig,
        validation: Dataset | None,
        cost: Cost,
    ) -> None:
        self.network = network
        self.earlier = network.training
        self.sets = (dataset, validation)
        self.data: dict[str, Any] = {}
        self.cost = cost
        self.config = config
        self.history = History()
        self.steps = 0

    def go_on(self, step: int) -> None:
        """Take up what the network remembers of this very run, which is at `step`."""
        self.steps = step
        self.cost.images = self.config.images_after(step, len(self.sets[0]))
        run = self.earlier[-1] if self.earlier else {}
        if self._knows(run):
            self.earlier = self.earlier[:-1]
            self.history = History.from_dict(run["history"])
            self.cost.go_on(run.get("cost", {}))

    def _knows(self, run: Mapping[str, Any]) -> bool:
        """Tell whether a record is that of this run, as far as it had come."""
        settings = run.get("config")
        if isinstance(settings, Mapping):  # earlier versions had fewer of them
            settings = {**TrainingConfig().as_dict(), **settings}
        known = (run.get("data_digest"), settings)
        begun = run.get("outcome") in ("unfinished", "stopped")
        return begun and known == (self.sets[0].digest, self.config.as_dict())

    def note(self, event: Evaluated, outcome: str = "unfinished") -> Evaluated:
        """Put the measurement on record and return it."""
        self.history.record(event)
        dataset, validation = self.sets
        run = {
            "data_digest": dataset.digest,
            "validation_digest": validation.digest if validation is not None else None,
            "seed": int(self.config.seed),
            "config": self.config.as_dict(),
            "steps": self.steps,
            "outcome": outcome,
            "kernels": kernels.name,
            "data": self.data,
            "cost": self.cost.as_dict(),
            "history": self.history.as_dict(),
        }
        self.network.training = (*self.earlier, run)
        return event

    def stop(self) -> None:
        """Put on record that the run was stopped, and after how many steps; unless it had ended.

        Whoever leaves the loop at the last event closes a run that is over.
        """
        run = self.network.training[-1] if len(self.network.training) > len(self.earlier) else {}
        if run.get("outcome") == "unfinished":
            run = {**run, "steps": self.steps, "outcome": "stopped"}
            self.network.training = (*self.earlier, run)

    def end(self, event: Event) -> Event:
        """Put the run's end on record and return it."""
        finished = isinstance(event, TrainingFinished)
        return self.note(event, "finished" if finished else "diverged")


def _diverged(step: int, epoch: float, loss: float, config: TrainingConfig) -> TrainingDiverged:
    """Return the event that ends a run whose loss is no longer finite."""
    advice = (
        f"the loss became {loss} at step {step:,}: the steps are too long; "
        f"try a learning rate of {config.learning_rate / 10:g} instead of "
        f"{config.learning_rate:g}"
    )
    if config.optimiser == "momentum":
        advice += ", or less momentum"
    return TrainingDiverged(step=step, epoch=epoch, loss=loss, advice=advice)
