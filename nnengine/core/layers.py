"""Layers: a weighted sum of the inputs, a bias, an activation; and how blame flows back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ConfigError
from .activations import kind_of
from .arithmetic import formula, now, read_only


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A fully connected layer: a = activation(x @ weights + biases).

    weights: float (fan_in, fan_out); biases: float (fan_out,). Both are views into the
    network's one parameter vector. `by`: who does the sums.
    """

    weights: np.ndarray
    biases: np.ndarray
    activation: str

    def forward(self, x: np.ndarray, scale: float = 1.0, by: Any = now) -> np.ndarray:
        """Return the activations, float (n, fan_out), for x (n, fan_in).

        x: bytes, which are multiplied by `scale` inside the product; or floats, which come scaled
        already.
        """
        a = np.empty((len(x), self.weights.shape[1]), self.weights.dtype)
        if x.dtype == np.uint8:
            # A snapshot's weights are frozen: one compiled function serves them and others.
            w, b = read_only(self.weights), read_only(self.biases)
            by.bytes_forward(x, self.weights.dtype.type(scale), w, b, a)
        else:
            by.dense_forward(x, self.weights, self.biases, a)
        if self.activation != "identity":
            by.activate(a, kind_of(self.activation))
        return a

    def backward(
        self,
        x: np.ndarray,
        a: np.ndarray,
        da: np.ndarray,
        gradient: Dense,
        scale: float = 1.0,
        by: Any = now,
    ) -> np.ndarray:
        """Add this layer's gradient to `gradient`; return the one for x, float (n, fan_in).

        x and a: what `forward` took and gave. da: gradient for a, (n, fan_out), overwritten.
        For bytes, which nothing stands behind, it is empty: float (0,).
        """
        if self.activation != "identity":
            by.activation_backward(a, da, kind_of(self.activation))
        if x.dtype == np.uint8:
            scale = self.weights.dtype.type(scale)
            by.bytes_backward(x, scale, da, gradient.weights, gradient.biases)
            return np.empty(0, da.dtype)
        dx = np.empty_like(x)
        by.dense_backward(x, self.weights, da, gradient.weights, gradient.biases, dx)
        return dx


# A network's layers, one after the other ---------------------------------------------------


def forward(
    layers: Sequence[Dense], x: np.ndarray, scale: float = 1.0, by: Any = now
) -> list[np.ndarray]:
    """Return the activations of every layer, float (n, width) each; the last are the logits."""
    outputs = []
    for layer in layers:
        x = layer.forward(x, scale, by)
        outputs.append(x)
    return outputs


def backward(
    layers: Sequence[Dense],
    x: np.ndarray,
    outputs: Sequence[np.ndarray],
    blame: np.ndarray,
    gradients: Sequence[Dense],
    scale: float = 1.0,
    by: Any = now,
) -> None:
    """Add every layer's gradient to `gradients`, from the last layer to the first.

    x and outputs: what `forward` took and gave; blame: the gradient for the logits, overwritten.
    (Backpropagation: Rumelhart, Hinton & Williams 1986.)
    """
    inputs = [x, *outputs[:-1]]
    for n in reversed(range(len(layers))):
        blame = layers[n].backward(inputs[n], outputs[n], blame, gradients[n], scale, by)


# The parameter vector ----------------------------------------------------------------------


def layers_of(
    theta: np.ndarray, sizes: Sequence[int], activations: Sequence[str]
) -> tuple[Dense, ...]:
    """Return layers whose arrays are views into theta: weights, biases, weights, ..."""
    layers, start = [], 0
    for fan_in, fan_out, activation in zip(sizes, sizes[1:], activations, strict=False):
        middle, end = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        weights = theta[start:middle].reshape(fan_in, fan_out)
        layers.append(Dense(weights, theta[middle:end], activation))
        start = end
    return tuple(layers)


def count_parameters(sizes: Sequence[int]) -> int:
    """Return how many weights and biases dense layers of these sizes have."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes as whole numbers. Raises ConfigError unless two or more, all positive."""
    whole = tuple(int(size) for size in sizes)
    if len(whole) < 2 or any(size < 1 for size in whole) or whole != tuple(sizes):
        raise ConfigError(
            f"layer sizes {list(sizes)} make no network: "
            "give two or more whole numbers above zero, inputs first and classes last"
        )
    return whole


def check_activations(activations: Sequence[str], sizes: Sequence[int]) -> tuple[str, ...]:
    """Return one known activation a layer, the last of them "identity", or raise ConfigError."""
    names = tuple(activations)
    for name in names:
        kind_of(name)
    if len(names) != len(sizes) - 1:
        raise ConfigError(
            f"{len(names) - 1} activations for {len(sizes) - 2} hidden layers: give one name, "
            "or one for each hidden layer"
        )
    if names[-1] != "identity":
        raise ConfigError(
            f"the last layer's activation is {names[-1]!r}: it must be 'identity', "
            "softmax belongs to the loss"
        )
    return names


# The sums ----------------------------------------------------------------------------------

# NumPy in a browser has no BLAS, and its own product walks down the columns of b. There einsum,
# which goes along rows with vectors, needs a third of the time: 474 x 784 x 128 in 17 ms, not 51.
ALONG_ROWS = sys.platform == "emscripten"


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return a @ b, in `out` if it is given."""
    if not ALONG_ROWS:
        return np.matmul(a, b, out=out)
    columns = np.ascontiguousarray(b.T)
    return np.einsum("ij,kj->ik", np.ascontiguousarray(a), columns, out=out)


@formula
def dense_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray, z: np.ndarray) -> None:
    """z = x @ w + b. x: float (n, fan_in); z: float (n, fan_out)."""
    product(x, w, out=z)
    z += b


@formula
def dense_backward(
    x: np.ndarray, w: np.ndarray, dz: np.ndarray, dw: np.ndarray, db: np.ndarray, dx: np.ndarray
) -> None:
    """dw += x.T @ dz; db += the column sums of dz; dx = dz @ w.T."""
    dw += product(x.T, dz)
    db += dz.sum(axis=0)
    product(dz, w.T, out=dx)


@formula
def bytes_forward(x: np.ndarray, scale: Any, w: np.ndarray, b: np.ndarray, z: np.ndarray) -> None:
    """z = (x * scale) @ w + b. x: uint8 (n, fan_in); z: float (n, fan_out).

    The scale goes into the weights: they are few and the pixels are many.
    """
    product(x.astype(w.dtype), w * w.dtype.type(scale), out=z)
    z += b


@formula
def bytes_backward(
    x: np.ndarray, scale: Any, dz: np.ndarray, dw: np.ndarray, db: np.ndarray
) -> None:
    """dw += (x * scale).T @ dz; db += the column sums of dz. x: uint8 (n, fan_in)."""
    dw += product(x.astype(dw.dtype).T, dz) * dw.dtype.type(scale)
    db += dz.sum(axis=0)
