"""Schedules: the learning rate of every step."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]  # a step, counted from 1, to its learning rate


def constant(rate: float, steps: int) -> Schedule:
    """The same rate at every step."""
    return lambda step: rate


def cosine(rate: float, steps: int) -> Schedule:
    """From `rate` to zero along half a cosine (Loshchilov & Hutter 2017, without restarts)."""

    def at(step: int) -> float:
        done = (step - 1) / steps
        return rate * (1 + math.cos(math.pi * done)) / 2

    return at


SCHEDULES = {"constant": constant, "cosine": cosine}
