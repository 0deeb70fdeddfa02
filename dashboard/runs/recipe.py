"""Recipes: what a visitor asks a run to be, and the bounds a server keeps to."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from dashboard.host.tab import HERE
from nnengine.core.activations import ACTIVATIONS
from nnengine.core.network import INITIALIZERS, Network
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data.augment import GENTLE, NONE, STRONG, Augmentation, Distorter
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training import SCHEDULES, TrainingConfig

LABELS = {
    "relu": "ReLU",
    "leaky_relu": "Leaky ReLU",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "identity": "None (linear)",
    "he": "He",
    "glorot": "Glorot",
    "uniform": "Uniform ±0.5",
    "sgd": "SGD",
    "momentum": "Momentum",
    "adam": "Adam",
    "constant": "Constant",
    "cosine": "Falls to zero along a cosine",
}
CURVE_POINTS = 40  # of a run in mini-batches; each costs one evaluation of both sides
# The split is shared between visitors in memory, so the shares on offer are few.
VALIDATION_SHARES = (0.05, 0.1, 0.2, 0.3)
# What a form and a link may say, least and most.
RATES, MOMENTA, SEEDS = (1e-6, 100.0), (0.0, 0.999), (0, 2**31 - 1)
MOST_SHIFT = 0.5  # of an image's longer side: what is moved further has left the image
_CHANGES = {GENTLE: "gently changed", STRONG: "strongly changed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one server grants: sizes of networks, lengths of runs, numbers of runs, patience.

    Every field may be set through the environment as NNENGINE_<FIELD>, for example
    NNENGINE_ACTIVE_RUNS=8; see `from_environment`.
    """

    hidden_layers: int = 6
    width: int = 1024
    parameters: int = 2_000_000
    batch_size: int = 8192
    epochs: int = 200
    iterations: int = 100_000
    history_points: int = 2_000
    runs_per_visit: int = 12
    active_per_visit: int = 4
    active_runs: int = 24
    unseen_pause_s: int = 180
    unseen_forget_s: int = 3600

    def __post_init__(self) -> None:
        """Raise ConfigError for a bound below one."""
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ConfigError(f"the bound {field.name} must be at least 1")

    @classmethod
    def from_environment(cls) -> Bounds:
        """Return the bounds with those the operator set; raise ConfigError for one unreadable."""
        given = {}
        for field in fields(cls):
            key = f"NNENGINE_{field.name.upper()}"
            if key in os.environ:
                if not os.environ[key].strip().isdigit():
                    raise ConfigError(f"{key}={os.environ[key]!r}: give a whole number above 0")
                given[field.name] = int(os.environ[key])
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a run besides its data; the same recipe and data give the same run.

    `batch_size` None is full batch. `validation` is "test" (the loaded test set), "none", or a
    share of the training data in `VALIDATION_SHARES`. Exactly one of `epochs`, `iterations`.
    `augmentation` says how far images are changed while the network trains, `schedule` how the
    learning rate goes, as `TrainingConfig` has it.
    """

    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    initializer: str = "he"
    optimizer: str = "adam"
    batch_size: int | None = 64
    learning_rate: float = 0.001
    momentum: float = 0.9
    epochs: int | None = 5
    iterations: int | None = None
    seed: int = 0
    validation: str | float = "test"
    augmentation: Augmentation = NONE
    schedule: str = "constant"

    def sizes(self, dataset: Dataset) -> tuple[int, ...]:
        """Return the widths from inputs to classes for `dataset`."""
        return (dataset.inputs, *self.hidden, dataset.classes)

    def config(self, count: int) -> TrainingConfig:
        """Return the engine's settings for `count` images; raises ConfigError out of range.

        In mini-batches the curves get a point more often than once an epoch where epochs are
        few: a visitor wants to see the first seconds.
        """
        plain = self._plain_config()
        if self.batch_size is None:
            return plain
        often = max(1, plain.total_steps(count) // CURVE_POINTS)
        return replace(plain, evaluate_every=min(often, plain.steps_per_epoch(count)))

    def _plain_config(self) -> TrainingConfig:
        return TrainingConfig(
            epochs=self.epochs,
            iterations=self.iterations,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            seed=self.seed,
            augmentation=self.augmentation or None,
            schedule=self.schedule,
        )

    def build(self, dataset: Dataset) -> Network:
        """Return the untrained network, drawn from `seed`."""
        return Network.build(
            self.sizes(dataset),
            activation=self.activation,
            rng=self.seed,
            initializer=self.initializer,
            class_names=dataset.class_names,
            image_shape=dataset.image_shape,
        )

    def in_words(self) -> str:
        """Return what sets this recipe apart, in one line without its sizes."""
        batch = "full batch" if self.batch_size is None else f"batches of {self.batch_size:,}"
        length = f"{self.epochs:,} epochs" if self.epochs else f"{self.iterations:,} iterations"
        falling = " falling to zero" if self.schedule == "cosine" else ""
        parts = [
            LABELS.get(self.activation, self.activation),
            f"{LABELS[self.optimizer]} at rate {self.learning_rate:g}{falling}",
            batch,
            length,
        ]
        if self.augmentation:
            changed = _CHANGES.get(self.augmentation) or self.augmentation.in_words()
            parts.append(f"images {changed}")
        return ", ".join(parts)

    def check(self, dataset: Dataset, bounds: Bounds) -> None:
        """Raise ConfigError, with the bound and the way out, for what the server will not do."""
        self._check_shape(dataset, bounds)
        self._check_length(dataset, bounds)
        self._check_images(dataset)
        for value, known, what in (
            (self.activation, ACTIVATIONS, "activation"),
            (self.initializer, INITIALIZERS, "initializer"),
            (self.optimizer, OPTIMIZERS, "optimizer"),
            (self.validation, ("test", "none", *VALIDATION_SHARES), "validation"),
            (self.schedule, SCHEDULES, "schedule"),
        ):
            if value not in known:
                raise ConfigError(f"{what} {value!r} is not known: choose one of {known}")

    def _check_shape(self, dataset: Dataset, bounds: Bounds) -> None:
        if len(self.hidden) > bounds.hidden_layers:
            raise ConfigError(
                f"{len(self.hidden)} hidden layers: {HERE} allows {bounds.hidden_layers}"
            )
        for width in self.hidden:
            if not 1 <= width <= bounds.width:
                raise ConfigError(
                    f"a hidden layer of {width:,} units: choose between 1 and {bounds.width:,}"
                )
        count = parameter_count(self.sizes(dataset))
        if count > bounds.parameters:
            raise ConfigError(
                f"{count:,} parameters: {HERE} allows {bounds.parameters:,}; "
                "make the hidden layers narrower"
            )

    def _check_length(self, dataset: Dataset, bounds: Bounds) -> None:
        if self.batch_size is not None and not 1 <= self.batch_size <= bounds.batch_size:
            raise ConfigError(
                f"batches of {self.batch_size:,} images: choose between 1 and "
                f"{bounds.batch_size:,}, or full batch"
            )
        for asked, most, what in (
            (self.epochs, bounds.epochs, "epochs"),
            (self.iterations, bounds.iterations, "iterations"),
        ):
            if asked is not None and not 1 <= asked <= most:
                raise ConfigError(f"{asked:,} {what}: choose between 1 and {most:,}")
        passes = self.passes(dataset.count)
        if self.batch_size is not None and passes > bounds.history_points:
            raise ConfigError(
                f"{self.iterations:,} iterations are {passes:,.0f} passes over these "
                f"{dataset.count:,} images: choose at most {bounds.history_points:,} passes"
            )

    def _check_images(self, dataset: Dataset) -> None:
        if not self.augmentation:
            return
        (height, width), most = dataset.image_shape, most_shift(dataset)
        if self.augmentation.shift > most:
            raise ConfigError(
                f"images of {height}x{width} pixels moved by up to {self.augmentation.shift:g}: "
                f"little would be left of some; choose at most {most:g}"
            )
        Distorter(dataset.images[:1], self.augmentation)  # says what it cannot change

    def passes(self, count: int) -> float:
        """Return how often a run goes over all of `count` images."""
        plain = self._plain_config()
        return plain.total_steps(count) / plain.steps_per_epoch(count)


PRESETS: dict[str, Recipe] = {
    "The original: 784-10-10, full batch": Recipe(
        hidden=(10,),
        initializer="uniform",
        optimizer="sgd",
        batch_size=None,
        learning_rate=0.1,
        epochs=None,
        iterations=5000,
    ),
    "Quick: 784-128-10, Adam": Recipe(),
}


def most_shift(dataset: Dataset) -> float:
    """Return by how many pixels images may be moved at most."""
    return max(1.0, MOST_SHIFT * max(dataset.image_shape))


def parameter_count(sizes: Sequence[int]) -> int:
    """Return the number of weights and biases of a dense network of these widths."""
    return sum((a + 1) * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))


def parse_hidden(text: str) -> tuple[int, ...]:
    """Return the widths in "128, 64" (commas, spaces or dashes between); () when empty.

    Raises ConfigError that shows what is wrong and an example.
    """
    parts = [part for part in re.split(r"[\s,;]+|(?<=\d)-(?=\d)", text.strip()) if part]
    for part in parts:
        if not (part.isascii() and part.isdigit()) or int(part) < 1:
            raise ConfigError(
                f"“{part[:20]}” is not a number of units: write whole numbers, such as 128, 64"
            )
    return tuple(int(part[:9]) for part in parts)
