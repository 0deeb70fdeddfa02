"""Activations: what a unit answers to its sum, and the slope of that answer from the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError
from .arithmetic import formula

LEAK = 0.01  # slope of the leaky ReLU left of zero


def relu(z: np.ndarray) -> None:
    """max(z, 0) (Nair & Hinton 2010)."""
    np.maximum(z, 0, out=z)


def relu_slope(a: np.ndarray) -> np.ndarray:
    """1 where the unit answered at all."""
    return a > 0


def leaky_relu(z: np.ndarray) -> None:
    """z, or a hundredth of it where it is negative (Maas, Hannun & Ng 2013)."""
    np.multiply(z, z.dtype.type(LEAK), out=z, where=z < 0)


def leaky_relu_slope(a: np.ndarray) -> np.ndarray:
    """1, or a hundredth where the answer is not above zero."""
    return np.where(a <= 0, a.dtype.type(LEAK), a.dtype.type(1))


def tanh(z: np.ndarray) -> None:
    """(e^z - e^-z) / (e^z + e^-z), between -1 and 1."""
    np.tanh(z, out=z)


def tanh_slope(a: np.ndarray) -> np.ndarray:
    """1 - tanh(z)^2."""
    return 1 - a * a


def sigmoid(z: np.ndarray) -> None:
    """1 / (1 + e^-z), between 0 and 1, as (tanh(z / 2) + 1) / 2, which never overflows."""
    half = z.dtype.type(0.5)
    z *= half
    np.tanh(z, out=z)
    z *= half
    z += half


def sigmoid_slope(a: np.ndarray) -> np.ndarray:
    """sigmoid(z) (1 - sigmoid(z))."""
    return a * (1 - a)


def identity(z: np.ndarray) -> None:
    """z as it is: the last layer's, whose sums are the logits."""


def identity_slope(a: np.ndarray) -> int:
    """1 everywhere."""
    return 1


class Activation(NamedTuple):
    """An activation: it replaces sums by answers in place; its slope is found from the answers."""

    kind: int  # its number, which is what kernels take
    answer: Callable[[np.ndarray], None]
    slope: Callable[[np.ndarray], Any]


RELU, LEAKY_RELU, TANH, SIGMOID, IDENTITY = range(5)
_BY_NAME = {
    "relu": Activation(RELU, relu, relu_slope),
    "leaky_relu": Activation(LEAKY_RELU, leaky_relu, leaky_relu_slope),
    "tanh": Activation(TANH, tanh, tanh_slope),
    "sigmoid": Activation(SIGMOID, sigmoid, sigmoid_slope),
    "identity": Activation(IDENTITY, identity, identity_slope),
}
_BY_KIND = tuple(_BY_NAME.values())
ACTIVATIONS = tuple(_BY_NAME)


@formula
def activate(z: np.ndarray, kind: int) -> None:
    """Replace sums z, of any shape, by their activation, in place."""
    _BY_KIND[kind].answer(z)


@formula
def activation_backward(a: np.ndarray, da: np.ndarray, kind: int) -> None:
    """Turn da, the gradient for answers a, into that for their sums, in place (chain rule)."""
    da *= _BY_KIND[kind].slope(a)


def kind_of(activation: str) -> int:
    """Return the kernels' number for an activation's name. Raises ConfigError if unknown."""
    try:
        return _BY_NAME[activation].kind
    except (KeyError, TypeError):
        raise ConfigError(
            f"activation {activation!r} is not known: choose one of {', '.join(ACTIVATIONS)}"
        ) from None
