"""Config: how to train, checked at birth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from ..core.schedules import SCHEDULES, Schedule
from ..errors import ConfigError
from .events import EpochFinished, Evaluated

if TYPE_CHECKING:
    from ..data.augment import Augmentation

_POINTS = 200  # of a full-batch run's curve, unless asked otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How to train. Exactly one of `epochs` and `iterations`; neither means 10 epochs.

    epochs: passes over the data. iterations: optimizer steps. batch_size: images a step;
    None: all of them, the full batch. optimizer: "sgd", "momentum" or "adam". learning_rate:
    above zero. momentum: in [0, 1), for the optimizer of that name. seed: of the shuffling.
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
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    seed: int = 0
    evaluate_every: int | None = None
    train_sample: int | None = None
    augmentation: Augmentation | None = None
    schedule: str = "constant"

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
        return SCHEDULES[self.schedule](self.learning_rate, self.total_steps(count))

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
