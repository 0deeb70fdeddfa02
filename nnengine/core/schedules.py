"""Schedules: the learning rate of every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Schedule = Callable[[int], float]  # a step, counted from 1, to its learning rate
# Each is made of a rate, the steps of a run, and the run's settings, of which it asks some.


def constant(rate: float, steps: int, settings: Any = None) -> Schedule:
    """The same rate at every step."""
    return lambda step: rate


def in_stages(rate: float, steps: int, settings: Any) -> Schedule:
    """Equally long stages, each `drop` times the rate of the one before."""
    length = steps / settings.stages
    return lambda step: rate * settings.drop ** int((step - 1) / length)


def cosine(rate: float, steps: int, settings: Any = None) -> Schedule:
    """From `rate` to zero along half a cosine (Loshchilov & Hutter 2017, without restarts).

    Where `warmup` is above zero, that share of the steps comes before it, in which the rate rises
    from almost zero along a line (Goyal et al. 2017).
    """
    rising = round(settings.warmup * steps) if settings else 0

    def at(step: int) -> float:
        if step <= rising:
            return rate * step / (rising + 1)
        done = (step - 1 - rising) / (steps - rising)
        return rate * (1 + math.cos(math.pi * done)) / 2

    return at


def one_cycle(rate: float, steps: int, settings: Any = None) -> Schedule:
    """Up to `rate` in three tenths of the steps, then down to almost nothing, along cosines.

    From a 25th of the rate, to a 10,000th of that (Smith & Topin 2019, with the numbers of fast.ai
    and PyTorch's OneCycleLR; the momentum stays as it is).
    """
    first, last = rate / 25, rate / 25 / 1e4
    top = max(0.3 * steps, 1) - 1  # step of the highest rate, counted from 0

    def at(step: int) -> float:
        if step - 1 <= top:
            return _between(first, rate, (step - 1) / top if top else 1)
        return _between(rate, last, (step - 1 - top) / (steps - 1 - top))

    return at


def _between(start: float, end: float, done: float) -> float:
    """Return what lies between two rates, a share of the way along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


@dataclass(slots=True)
class Plateau:
    """A rate that is multiplied by `drop` where `patience` measurements brought nothing better.

    Better: less by a ten-thousandth at least, so that what creeps counts as standing. Whoever
    measures tells the loss to `note`. (In this form that of PyTorch's ReduceLROnPlateau.)
    """

    rate: float
    drop: float
    patience: int
    best: float = math.inf
    waited: int = 0

    def __call__(self, step: int) -> float:
        return self.rate

    def note(self, loss: float) -> None:
        """Take a measured loss into account."""
        if loss < self.best * (1 - 1e-4):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.rate, self.waited = self.rate * self.drop, 0


SCHEDULES = {
    "constant": constant,
    "cosine": cosine,
    "step": in_stages,
    "one_cycle": one_cycle,
    "plateau": lambda rate, steps, settings: Plateau(rate, settings.drop, settings.patience),
}
