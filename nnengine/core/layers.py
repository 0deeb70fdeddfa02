"""Layers: what each makes of its inputs, an activation; and how blame flows back. Dense: here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .activations import kind_of
from .arithmetic import calmly, formula, now, read_only
from .description import Shape, Spec


class Pass:
    """One way of some images forward through the layers, and back again.

    scale: what bytes are multiplied by. by: who does the sums. rng: in training, the stream of
    what is silenced; None: the network answers. share: of their batch, that these images are.
    notes: layers put on it what they need again, and take it off, last first, on the way back.
    """

    def __init__(self, scale: float = 1.0, by: Any = now, rng: Any = None, share: float = 1.0):
        self.scale, self.by, self.rng, self.share = scale, by, rng, share
        self.notes: list[Any] = []

    def floats(self, x: np.ndarray, real: np.dtype) -> np.ndarray:
        """Return bytes as scaled floats; floats as they are, for they come scaled."""
        return np.multiply(x, self.scale, dtype=real) if x.dtype == np.uint8 else x


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What all layers share: the activation behind what each computes, on rows of numbers.

    shape: what comes in, (height, width, channels), flat in the rows, pixel by pixel. real: the
    type of the numbers. A kind of layer has its own `sums` and `blame`; this one is `flatten`.
    """

    spec: Spec
    shape: Shape
    real: np.dtype
    activation: str

    def forward(self, x: np.ndarray, way: Pass) -> np.ndarray:
        """Return the activations, float (n, width), for x (n, inputs), bytes or scaled floats."""
        a = self.sums(x, way).reshape(len(x), -1)
        if self.activation != "identity":
            way.by.activate(a, kind_of(self.activation))
        return a

    def backward(
        self, x: np.ndarray, a: np.ndarray, da: np.ndarray, gradient: Any, way: Pass
    ) -> np.ndarray:
        """Add this layer's gradient to `gradient`; return the one for x, float (n, inputs).

        x, a, way: what `forward` took and gave. da: gradient for a, (n, width), overwritten.
        For bytes, which nothing stands behind, what is returned means nothing.
        """
        if self.activation != "identity":
            way.by.activation_backward(a, da, kind_of(self.activation))
        return self.blame(x, a, da, gradient, way).reshape(len(x), -1)

    def sums(self, x: np.ndarray, way: Pass) -> np.ndarray:
        """Do what `forward` does before the activation."""
        return way.floats(x, self.real)

    def blame(self, x: np.ndarray, a: np.ndarray, da: np.ndarray, gradient: Any, way: Pass) -> Any:
        """Do what `backward` does before the activation."""
        return da

    def images(self, x: np.ndarray, way: Pass) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return x as images, float (n, height, width, channels), and the shape of those behind."""
        images = way.floats(x, self.real).reshape(len(x), *self.shape)
        return images, (len(x), *self.spec.after(self.shape))


@dataclass(frozen=True, slots=True, eq=False)
class Dense(Layer):
    """A fully connected layer: a = activation(x @ weights + biases).

    weights: float (fan_in, fan_out); biases: float (fan_out,). Both are views into the
    network's one parameter vector.
    """

    weights: np.ndarray
    biases: np.ndarray

    def sums(self, x: np.ndarray, way: Pass) -> np.ndarray:
        """Return x @ weights + biases; bytes are scaled inside the product."""
        a = np.empty((len(x), self.weights.shape[1]), self.real)
        if x.dtype == np.uint8:
            # A snapshot's weights are frozen: one compiled function serves them and others.
            w, b = read_only(self.weights), read_only(self.biases)
            way.by.bytes_forward(x, self.real.type(way.scale), w, b, a)
        else:
            way.by.dense_forward(x, self.weights, self.biases, a)
        return a

    def blame(self, x: np.ndarray, a: np.ndarray, da: np.ndarray, gradient: Any, way: Pass) -> Any:
        """Add to the gradients of weights and biases; return that of x."""
        dw, db = gradient.weights, gradient.biases
        if x.dtype == np.uint8:
            way.by.bytes_backward(x, self.real.type(way.scale), da, dw, db)
            return da
        dx = np.empty_like(x)
        way.by.dense_backward(x, self.weights, da, dw, db, dx)
        return dx


# A network's layers, one after the other ---------------------------------------------------


@calmly
def forward(layers: Sequence[Layer], x: np.ndarray, way: Pass) -> list[np.ndarray]:
    """Return the activations of every layer, float (n, width) each; the last are the logits."""
    outputs = []
    for layer in layers:
        x = layer.forward(x, way)
        outputs.append(x)
    return outputs


@calmly
def backward(
    layers: Sequence[Layer],
    x: np.ndarray,
    outputs: Sequence[np.ndarray],
    blame: np.ndarray,
    gradients: Sequence[Layer],
    way: Pass,
) -> None:
    """Add every layer's gradient to `gradients`, from the last layer to the first.

    x, outputs, way: what `forward` took and gave; blame: the gradient for the logits, overwritten.
    (Backpropagation: Rumelhart, Hinton & Williams 1986.)
    """
    inputs = [x, *outputs[:-1]]
    for n in reversed(range(len(layers))):
        blame = layers[n].backward(inputs[n], outputs[n], blame, gradients[n], way)


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
