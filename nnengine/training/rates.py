"""Rates: which learning rate suits a network and its data, found by trying ever higher ones."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from ..core.schedules import Schedule
from ..errors import ConfigError
from .config import TrainingConfig
from .events import Event, StepFinished, TrainingDiverged

STEPS = 120  # of a whole test
LOWEST, HIGHEST = 1e-6, 10.0
_KEEPS = 0.9  # of the smoothed loss, from step to step
_BLOWN_UP = 4.0  # times the least smoothed loss: nothing is learnt any more
_BEFORE = 10.0  # how much lower than the rate of the least loss the suggested one is


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A step was taken with a rate: its batch's loss before it, and the loss smoothed up to it."""

    step: int
    rate: float
    loss: float
    smoothed: float


class _Rising(TrainingConfig):
    """Settings of a test: the rate goes from the lowest to the highest by equal factors."""

    __slots__ = ()

    def rates(self, count: int) -> Schedule:
        steps = self.total_steps(count)
        return lambda step: rate_of(step, steps)


def rate_of(step: int, steps: int) -> float:
    """Return the rate of a step, counted from 1, of a test of so many steps, at least two."""
    return LOWEST * (HIGHEST / LOWEST) ** ((step - 1) / (steps - 1))


def rising(config: TrainingConfig | None = None, steps: int = STEPS) -> TrainingConfig:
    """Return settings of a run whose rate rises at every step, for `trying`; else as `config`'s.

    But for its schedule, its length and early stopping. Raises ConfigError for less than two steps.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
        raise ConfigError(f"steps is {steps!r}: give a whole number from 2")
    plain = replace(
        config or TrainingConfig(), epochs=None, iterations=steps, schedule="constant",
        early_stopping=0, evaluate_every=steps, train_sample=1,
    )  # fmt: skip
    return _Rising(**{name: getattr(plain, name) for name in TrainingConfig.__slots__})


def trying(events: Generator[Event], steps: int = STEPS) -> Generator[Tried, None, None]:
    """Yield what came of each rate of a test: `trying(training(network.copy(), data, rising()))`.

    The learning-rate range test (Smith 2017, section 3.3), with rates at equal factors and the
    smoothing and the end of fast.ai: it ends when the smoothed loss is four times the least there
    was, or not a number, and closes the run. steps: as `rising` was given.
    """
    mean, least = 0.0, math.inf
    for event in events:
        if isinstance(event, TrainingDiverged):
            break
        if not isinstance(event, StepFinished):
            continue
        mean = _KEEPS * mean + (1 - _KEEPS) * event.loss
        smoothed = mean / (1 - _KEEPS**event.step)
        rate = rate_of(event.step, steps)
        yield Tried(step=event.step, rate=rate, loss=event.loss, smoothed=smoothed)
        least = min(least, smoothed)
        if not smoothed < _BLOWN_UP * least:
            break
    events.close()


def suggested(tried: Sequence[Tried]) -> float | None:
    """Return a tenth of the rate at which the smoothed loss was least, to two digits.

    None where no rate brought the loss down by a hundredth: then nothing was learnt.
    """
    if not tried:
        return None
    best = min(tried, key=lambda one: one.smoothed)
    if best.smoothed > 0.99 * tried[0].smoothed:
        return None
    return float(f"{best.rate / _BEFORE:.1e}")
