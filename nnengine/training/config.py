"""Config: how to train, checked at birth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.losses import Loss, targeted
from ..core.optimizers import Penalty
from ..core.schedules import SCHEDULES, Schedule
from ..errors import ConfigError
from .events import EpochFinished, Evaluated

if TYPE_CHECKING:
    from ..data.augment import Augmentation

_POINTS = 200  # of a full-batch run's curve, unless asked otherwise


def balanced(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return float64 (classes,): weights by which every class counts as much as any other.

    n / (classes * images of the class), as scikit-learn has it: their mean over n images is 1.
    """
    counts = np.bincount(labels, minlength=classes)
    return len(labels) / (classes * np.maximum(counts, 1))


def wanted(classes: int, smoothing: float = 0.0, class_weights: Any = None) -> np.ndarray:
    """Return float64 (2, classes): the target of a class for every row, and what more for its own.

    What `core.losses.targeted` descends. Softmax cross-entropy has nothing for every row, and 1.
    """
    shares = np.array([[smoothing / classes], [1 - smoothing]])
    return shares * (np.ones(classes) if class_weights is None else class_weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How to train. Exactly one of `epochs` and `iterations`; neither means 10 epochs.

    epochs: passes over the data. iterations: optimizer steps. batch_size: images a step;
    None: all of them, the full batch. optimizer: a name in `core.optimizers`. learning_rate:
    above zero. momentum: in [0, 1), for "momentum" and "nesterov". seed: of the shuffling.
    evaluate_every: steps between two points of the curves; None: once an epoch, or 200 times
    a run for the full batch. train_sample: training images at most, chosen by the seed, that the
    training curve is measured on, its last point too; None: 10,000, and all for the last point.
    augmentation: distortions drawn anew for each image of each batch, None for none; curves are
    measured on images as they are. schedule: a name in `core.schedules`, which says what each does
    with warmup (a share of the run), stages, drop and patience. weight_decay: of "adamw".
    clip_norm, l1, l2: see `core.optimizers.Penalty`; label_smoothing and class_weights ("equal" or
    "balanced"): `core.losses.targeted`, which steps descend and curves do not measure.
    early_stopping: how many measurements may pass that bring no smaller loss, on the validation
    data where there are any; a run with it ends with the best weights it measured. Zero turns each
    of these off. Raises ConfigError for settings that cannot be.
    """

    epochs: int | None = None
    iterations: int | None = None
    batch_size: int | None = 64
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    seed: int = 0
    evaluate_every: int | None = None
    train_sample: int | None = None
    augmentation: Augmentation | None = None
    schedule: str = "constant"
    warmup: float = 0.0
    stages: int = 3
    drop: float = 0.1
    patience: int = 5
    weight_decay: float = 0.01
    clip_norm: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "equal"
    early_stopping: int = 0

    def __post_init__(self) -> None:
        from .settings import SETTINGS  # what every setting may be: whoever learns needs it last

        if self.epochs is not None and self.iterations is not None:
            raise ConfigError("epochs and iterations are both given: give one of them")
        for field in fields(self):
            SETTINGS[field.name].check(getattr(self, field.name))

    def steps_per_epoch(self, count: int) -> int:
        """Return how many optimizer steps a pass over `count` images takes."""
        return 1 if self.batch_size is None else -(-count // self.batch_size)

    def total_steps(self, count: int) -> int:
        """Return how many optimizer steps a run over `count` images takes."""
        return self.iterations or (self.epochs or 10) * self.steps_per_epoch(count)

    def rate_at(self, step: int, count: int) -> float:
        """Return the learning rate of a step, counted from 1, of a run over `count` images."""
        return self.rates(count)(step)

    def rates(self, count: int) -> Schedule:
        """Return the learning rate by step, counted from 1, of a run over `count` images."""
        return SCHEDULES[self.schedule](self.learning_rate, self.total_steps(count), self)

    def penalty(self, weights: Sequence[slice]) -> Penalty:
        """Return what else than the loss moves the weights, which stand at these places."""
        decay = self.weight_decay if self.optimizer == "adamw" else 0.0
        return Penalty(clip=self.clip_norm, l1=self.l1, l2=self.l2, decay=decay, weights=weights)

    def loss(self, labels: np.ndarray, classes: int) -> Loss:
        """Return the loss that is descended, for a run on data with these labels."""
        return targeted(self.label_smoothing, self._weights(labels, classes))

    def targets(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Return what that loss wants of classes: see `wanted`."""
        return wanted(classes, self.label_smoothing, self._weights(labels, classes))

    def _weights(self, labels: np.ndarray, classes: int) -> np.ndarray | None:
        return balanced(labels, classes) if self.class_weights == "balanced" else None

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
