"""Optimizers: from a gradient to a step. They see one flat vector and know no layers.

`steps` counts those taken; whoever goes on with a run sets it, and fills what is `carried`.
"""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..errors import ConfigError
from ..kernels import numpy_


class SGD:
    """Gradient descent: theta -= rate * gradient."""

    rule, steps = numpy_.SGD, 0

    def __init__(self, theta: np.ndarray, *, rate: float, momentum: float = 0.0) -> None:
        self.theta = theta
        self.rate = theta.dtype.type(rate)

    def carried(self) -> dict[str, np.ndarray]:
        """Return what goes from step to step beside the weights: nothing."""
        return {}

    def numbers(self) -> tuple[float, ...]:
        """Return what the next step's kernel takes after its arrays."""
        return (self.rate,)

    def step(self, gradient: np.ndarray) -> None:
        """Change theta in place. gradient: float, of theta's shape and type."""
        kernels.sgd(self.theta, gradient, self.rate)


class Momentum:
    """Gradient descent with a heavy ball (Polyak 1964): a velocity that decays and is pushed."""

    rule, steps = numpy_.MOMENTUM, 0

    def __init__(self, theta: np.ndarray, *, rate: float, momentum: float = 0.9) -> None:
        self.theta = theta
        self.rate = theta.dtype.type(rate)
        self.decay = theta.dtype.type(momentum)
        self.velocity = np.zeros_like(theta)

    def carried(self) -> dict[str, np.ndarray]:
        """Return what goes from step to step beside the weights, by name, as it is held here."""
        return {"velocity": self.velocity}

    def numbers(self) -> tuple[float, ...]:
        """Return what the next step's kernel takes after its arrays."""
        return self.rate, self.decay

    def step(self, gradient: np.ndarray) -> None:
        """Change theta in place. gradient: float, of theta's shape and type."""
        kernels.momentum(self.theta, gradient, self.velocity, self.rate, self.decay)


class Adam:
    """Adam (Kingma & Ba 2015, Algorithm 1, in the efficient order of its section 2)."""

    rule = numpy_.ADAM
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, theta: np.ndarray, *, rate: float, momentum: float = 0.9) -> None:
        self.theta = theta
        self.rate = rate
        self.steps = 0
        self.mean = np.zeros_like(theta)
        self.square = np.zeros_like(theta)

    def carried(self) -> dict[str, np.ndarray]:
        """Return what goes from step to step beside the weights, by name, as it is held here."""
        return {"mean": self.mean, "square": self.square}

    def numbers(self) -> tuple[float, ...]:
        """Return what the next step's kernel takes after its arrays, and count that step."""
        self.steps += 1
        unbias = math.sqrt(1 - self.beta2**self.steps)
        rate = self.rate * unbias / (1 - self.beta1**self.steps)
        return rate, self.beta1, self.beta2, self.epsilon * unbias

    def step(self, gradient: np.ndarray) -> None:
        """Change theta in place. gradient: float, of theta's shape and type."""
        numbers = map(self.theta.dtype.type, self.numbers())
        kernels.adam(self.theta, gradient, self.mean, self.square, *numbers)


OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam}


def check_optimizer(name: str) -> None:
    """Raise ConfigError unless `name` is an optimizer's."""
    if name not in OPTIMIZERS:
        raise ConfigError(f"optimizer {name!r} is not known: choose {', '.join(OPTIMIZERS)}")
