"""Optimizers: from a gradient to a step. They see one flat vector and know no layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arithmetic import calmly, formula, now
from .schedules import Schedule

FORGET_EVERY = 16  # steps: looking for what has faded takes as long as a step of Adam


@formula
def sgd(theta: np.ndarray, gradient: np.ndarray, rate: Any) -> None:
    """theta -= rate * gradient, in place."""
    theta -= theta.dtype.type(rate) * gradient


@formula
def momentum(theta: Any, gradient: Any, velocity: Any, rate: Any, decay: Any) -> None:
    """velocity = decay * velocity - rate * gradient; theta += velocity, in place."""
    velocity *= velocity.dtype.type(decay)
    velocity -= velocity.dtype.type(rate) * gradient
    theta += velocity


@formula
def nesterov(theta: Any, gradient: Any, velocity: Any, rate: Any, decay: Any) -> None:
    """velocity as `momentum` has it; theta += decay * velocity - rate * gradient, in place."""
    kind = theta.dtype.type
    step = kind(rate) * gradient
    velocity *= kind(decay)
    velocity -= step
    theta += kind(decay) * velocity - step


@formula
def rmsprop(theta: Any, gradient: Any, square: Any, rate: Any, decay: Any, epsilon: Any) -> None:
    """square += (1 - decay) (gradient^2 - square); theta -= rate * gradient / (root + epsilon)."""
    kind = theta.dtype.type
    square += kind(1 - decay) * (gradient * gradient - square)
    theta -= kind(rate) * gradient / (np.sqrt(square) + kind(epsilon))


@formula
def adam(
    theta: Any, gradient: Any, mean: Any, square: Any,
    rate: Any, beta1: Any, beta2: Any, epsilon: Any,
) -> None:  # fmt: skip
    """One step of Adam, in place. rate and epsilon carry the bias corrections already."""
    kind = theta.dtype.type
    mean += kind(1 - beta1) * (gradient - mean)
    square += kind(1 - beta2) * (gradient * gradient - square)
    theta -= kind(rate) * mean / (np.sqrt(square) + kind(epsilon))


@calmly
def forget(memory: Iterable[np.ndarray]) -> None:
    """Take for zero, in place, what has faded to a hundred times the least ordinary number.

    Without a gradient it would never get there, and slow steps down twenty times on its way.
    """
    for array in memory:
        array[np.abs(array) < 100 * np.finfo(array.dtype).tiny] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """What is done to a gradient and to the weights before an optimizer's step, in this order.

    clip: the longest that the loss's gradient may be, as one vector of all layers; zero: any
    length (Pascanu, Mikolov & Bengio 2013). l1, l2: the gradients of l1 * sum |w| and of
    l2 / 2 * sum w^2 join it (Tibshirani 1996; Krogh & Hertz 1992). decay: each step takes
    rate * decay of every weight, whatever the gradient is (Loshchilov & Hutter 2019). These three
    act on `weights` alone, places in the parameter vector: not on biases, which are few and
    hinder nobody (Goodfellow, Bengio & Courville 2016, section 7.1).
    """

    clip: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    decay: float = 0.0
    weights: Sequence[slice] = ()

    def __bool__(self) -> bool:
        return bool(self.clip or self.l1 or self.l2 or self.decay)

    @calmly
    def apply(self, theta: np.ndarray, gradient: np.ndarray, rate: float) -> None:
        """Change both in place; rate: that of the step to come."""
        kind = theta.dtype.type
        if self.clip:
            shorten(gradient, self.clip)
        for where in self.weights:
            weights, slope = theta[where], gradient[where]
            if self.l1:
                slope += kind(self.l1) * np.sign(weights)
            if self.l2:
                slope += kind(self.l2) * weights
            if self.decay:
                weights *= kind(1 - rate * self.decay)


NO_PENALTY = Penalty()


def shorten(gradient: np.ndarray, most: float) -> None:
    """Shorten a gradient, in place, to the length `most` where it is longer."""
    length = math.sqrt(np.square(gradient, dtype=np.float64).sum())
    if length > most:
        gradient *= gradient.dtype.type(most / length)


class Optimizer:
    """What all have in common: `theta`, changed in place, and `steps`, how often it was.

    rate: of learning, a number or a schedule. penalty: what else than the loss moves the weights.
    Whoever goes on with a run sets `steps`, and fills what is `carried`. `rule` is the number by
    which kernels that take whole steps know an optimizer: None where they do not; `name`: the
    formula.
    """

    rule: int | None = None
    name: str
    remembers: tuple[str, ...] = ()  # arrays like theta, zeros before the first step

    def __init__(
        self, theta: np.ndarray, *, rate: float | Schedule, momentum: float = 0.9,
        penalty: Penalty = NO_PENALTY,
    ) -> None:  # fmt: skip
        self.theta = theta
        self.rate = rate
        self.momentum = momentum
        self.penalty = penalty
        self.steps = 0
        self._remembered = {name: np.zeros_like(theta) for name in self.remembers}

    def carried(self) -> dict[str, np.ndarray]:
        """Return what goes from step to step beside the weights, by name, as it is held here."""
        return dict(self._remembered)

    def numbers(self) -> tuple[float, ...]:
        """Count a step, and return the numbers that its formula takes after the arrays."""
        self.steps += 1
        return self._numbers(self.rate_at(self.steps))

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 1."""
        return float(self.rate(step) if callable(self.rate) else self.rate)

    def _numbers(self, rate: float) -> tuple[float, ...]:
        return (rate,)

    def step(self, gradient: np.ndarray) -> None:
        """Change theta in place. gradient: float, of theta's shape and type; it may be changed."""
        if self.penalty:
            self.penalty.apply(self.theta, gradient, self.rate_at(self.steps + 1))
        numbers = map(self.theta.dtype.type, self.numbers())
        getattr(now, self.name)(self.theta, gradient, *self._remembered.values(), *numbers)
        if self.steps % FORGET_EVERY == 0:
            forget(self._remembered.values())


class SGD(Optimizer):
    """Gradient descent: theta -= rate * gradient."""

    rule, name = 0, "sgd"


class Momentum(Optimizer):
    """Gradient descent with a heavy ball (Polyak 1964): a velocity that decays and is pushed.

    The rate is in the velocity: a rate that changes acts on what comes, not on what was. PyTorch
    multiplies the velocity by it instead; at a constant rate both take the same steps.
    """

    rule, name = 1, "momentum"
    remembers = ("velocity",)

    def _numbers(self, rate: float) -> tuple[float, ...]:
        return rate, self.momentum


class Nesterov(Momentum):
    """Momentum that looks ahead (Nesterov 1983; in this form Bengio et al. 2013, section 3.5)."""

    rule, name = None, "nesterov"


class RMSprop(Optimizer):
    """Steps over the root of a running mean of squares (Hinton, Coursera lecture 6e, 2012)."""

    name = "rmsprop"
    remembers = ("square",)
    decay, epsilon = 0.9, 1e-8

    def _numbers(self, rate: float) -> tuple[float, ...]:
        return rate, self.decay, self.epsilon


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1, in the efficient order of its section 2)."""

    rule, name = 2, "adam"
    remembers = ("mean", "square")
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def _numbers(self, rate: float) -> tuple[float, ...]:
        unbias = math.sqrt(1 - self.beta2**self.steps)
        rate = rate * unbias / (1 - self.beta1**self.steps)
        return rate, self.beta1, self.beta2, self.epsilon * unbias


class AdamW(Adam):
    """Adam whose weights decay beside its step (Loshchilov & Hutter 2019, Algorithm 2).

    The decay is the penalty's; each step takes rate * decay of every weight.
    """

    rule = None


OPTIMIZERS = {
    "sgd": SGD, "momentum": Momentum, "nesterov": Nesterov, "rmsprop": RMSprop,
    "adam": Adam, "adamw": AdamW,
}  # fmt: skip
