"""Optimizers: from a gradient to a step. They see one flat vector and know no layers."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from .arithmetic import formula, now
from .schedules import Schedule


@formula
def sgd(theta: np.ndarray, gradient: np.ndarray, rate: Any) -> None:
    """theta -= rate * gradient, in place."""
    theta -= theta.dtype.type(rate) * gradient


@formula
def momentum(
    theta: np.ndarray, gradient: np.ndarray, velocity: np.ndarray, rate: Any, decay: Any
) -> None:
    """velocity = decay * velocity - rate * gradient; theta += velocity, in place."""
    velocity *= velocity.dtype.type(decay)
    velocity -= velocity.dtype.type(rate) * gradient
    theta += velocity


@formula
def adam(
    theta: np.ndarray,
    gradient: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    rate: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
) -> None:
    """One step of Adam, in place. rate and epsilon carry the bias corrections already."""
    kind = theta.dtype.type
    mean += kind(1 - beta1) * (gradient - mean)
    square += kind(1 - beta2) * (gradient * gradient - square)
    theta -= kind(rate) * mean / (np.sqrt(square) + kind(epsilon))


class Stepper(Protocol):
    """What the loop asks of an optimizer."""

    def step(self, gradient: np.ndarray, /) -> object: ...


class Optimizer:
    """What all have in common: `theta`, changed in place, and `steps`, how often it was.

    rate: of learning, a number or a schedule. Whoever goes on with a run sets `steps`, and fills
    what is `carried`. `rule` is the number by which kernels know an optimizer, `name` the formula.
    """

    rule: int
    name: str

    def __init__(self, theta: np.ndarray, *, rate: float | Schedule, momentum: float = 0.9) -> None:
        self.theta = theta
        self.rate = rate
        self.momentum = momentum
        self.steps = 0

    def carried(self) -> dict[str, np.ndarray]:
        """Return what goes from step to step beside the weights, by name, as it is held here."""
        return {}

    def numbers(self) -> tuple[float, ...]:
        """Count a step, and return the numbers that its formula takes after the arrays."""
        self.steps += 1
        rate = self.rate(self.steps) if callable(self.rate) else self.rate
        return self._numbers(float(rate))

    def _numbers(self, rate: float) -> tuple[float, ...]:
        return (rate,)

    def step(self, gradient: np.ndarray) -> None:
        """Change theta in place. gradient: float, of theta's shape and type."""
        numbers = map(self.theta.dtype.type, self.numbers())
        getattr(now, self.name)(self.theta, gradient, *self.carried().values(), *numbers)


class SGD(Optimizer):
    """Gradient descent: theta -= rate * gradient."""

    rule, name = 0, "sgd"


class Momentum(Optimizer):
    """Gradient descent with a heavy ball (Polyak 1964): a velocity that decays and is pushed."""

    rule, name = 1, "momentum"

    def __init__(self, theta: np.ndarray, *, rate: float | Schedule, momentum: float = 0.9) -> None:
        super().__init__(theta, rate=rate, momentum=momentum)
        self.velocity = np.zeros_like(theta)

    def carried(self) -> dict[str, np.ndarray]:
        """Return the velocity."""
        return {"velocity": self.velocity}

    def _numbers(self, rate: float) -> tuple[float, ...]:
        return rate, self.momentum


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1, in the efficient order of its section 2)."""

    rule, name = 2, "adam"
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, theta: np.ndarray, *, rate: float | Schedule, momentum: float = 0.9) -> None:
        super().__init__(theta, rate=rate, momentum=momentum)
        self.mean = np.zeros_like(theta)
        self.square = np.zeros_like(theta)

    def carried(self) -> dict[str, np.ndarray]:
        """Return the running means of the gradient and of its square."""
        return {"mean": self.mean, "square": self.square}

    def _numbers(self, rate: float) -> tuple[float, ...]:
        unbias = math.sqrt(1 - self.beta2**self.steps)
        rate = rate * unbias / (1 - self.beta1**self.steps)
        return rate, self.beta1, self.beta2, self.epsilon * unbias


OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam}
