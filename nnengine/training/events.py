"""Events: what a training run tells, as facts in the past tense; and the curves they make."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import FormatError


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """A part of a long step or evaluation is done: `done` of `total` images. Nothing changed."""

    step: int
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """The optimizer took step number `step`, on `images` images.

    loss (mean, nats) and accuracy (in [0, 1]) are those of the batch before the step. epoch:
    images seen so far over images there are.
    """

    step: int
    epoch: float
    loss: float
    accuracy: float
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Both sides were measured by the same function on the same weights, after `step`.

    Losses are means in nats, accuracies in [0, 1]; val_* are None without validation data.
    Measured on a sample of at most 10,000 images a side, the same ones throughout a run, or of as
    many training images as the settings' `train_sample` says. final: whether it is the run's last.
    """

    final: ClassVar[bool] = False
    step: int
    epoch: float
    train_loss: float
    train_accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None


class EpochFinished(Evaluated):
    """All images were seen once more, and both sides measured."""

    __slots__ = ()


class TrainingFinished(Evaluated):
    """The run came to its end; both sides were measured whole, training images as settings say."""

    __slots__ = ()
    final = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDiverged:
    """The loss was no longer finite. The network holds the last weights known to be good."""

    step: int
    epoch: float
    loss: float
    advice: str


PACE_S = 0.03  # between two signs of life


class Heartbeat:
    """When the last event was handed over, and whether a sign of life is due."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def due(self) -> bool:
        """Tell whether the last event is long ago."""
        return time.perf_counter() - self.last > PACE_S

    def give(self, event: Event) -> Event:
        """Return the event, and remember when: the clock starts as it is handed over."""
        self.last = time.perf_counter()
        return event


Event = Progressed | StepFinished | Evaluated | TrainingDiverged
_COLUMNS = ("step", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(slots=True)
class History:
    """The curves of a run: one entry in every list for each measurement, oldest first."""

    step: list[int] = field(default_factory=list)
    epoch: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float | None] = field(default_factory=list)
    val_accuracy: list[float | None] = field(default_factory=list)

    def record(self, event: Event) -> None:
        """Append what `event` measured; events that measured nothing pass by.

        The last word on a step replaces an earlier one: `TrainingFinished` measures all
        images where the sample of `EpochFinished` had been measured a moment before.
        """
        if not isinstance(event, Evaluated):
            return
        again = bool(self.step) and self.step[-1] == event.step
        for name in _COLUMNS:
            column = getattr(self, name)
            if again:
                column.pop()
            column.append(getattr(event, name))

    def __len__(self) -> int:
        return len(self.step)

    def copy(self) -> History:
        """Return a history that does not grow with this one."""
        return History(*(list(getattr(self, name)) for name in _COLUMNS))

    def as_dict(self) -> dict[str, list]:
        """Return the columns by name; JSON can hold them."""
        return {name: list(getattr(self, name)) for name in _COLUMNS}

    @classmethod
    def from_dict(cls, columns: Mapping[str, list]) -> History:
        """Return the history that `as_dict` gave. Raises FormatError when columns are off."""
        found = map(columns.get, _COLUMNS)
        lists = [list(column) for column in found if isinstance(column, list)]
        if len(lists) < len(_COLUMNS) or len(set(map(len, lists))) > 1:
            raise FormatError(
                f"history: expected equally long lists {', '.join(_COLUMNS)}, "
                f"found {sorted(columns)}"
            )
        return cls(*lists)

    def to_csv(self) -> str:
        """Return the curves as CSV text with a header row; missing values are left empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(zip(*(getattr(self, name) for name in _COLUMNS), strict=True))
        return text.getvalue()
