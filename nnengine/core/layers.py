"""Layers: a weighted sum of the inputs, a bias, an activation; and how blame flows back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..fast.sparse import read_only
from .activations import kind_of


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A fully connected layer: a = activation(x @ weights + biases).

    weights: float (fan_in, fan_out); biases: float (fan_out,). Both are views into the
    network's one parameter vector.
    """

    weights: np.ndarray
    biases: np.ndarray
    activation: str

    def forward(self, x: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """Return the activations, float (n, fan_out), for x (n, fan_in).

        x: bytes, which are multiplied by `scale` inside the product; or floats, which come scaled
        already.
        """
        a = np.empty((len(x), self.weights.shape[1]), self.weights.dtype)
        scale = self.weights.dtype.type(scale)
        if x.dtype == np.uint8:
            # A snapshot's weights are frozen: one compiled kernel serves them and others.
            kernels.bytes_forward(x, scale, read_only(self.weights), read_only(self.biases), a)
        else:
            kernels.dense_forward(x, self.weights, self.biases, a)
        if self.activation != "identity":
            kernels.activate(a, kind_of(self.activation))
        return a

    def backward(
        self,
        x: np.ndarray,
        a: np.ndarray,
        da: np.ndarray,
        gradient: Dense,
        scale: float = 1.0,
    ) -> np.ndarray | None:
        """Add this layer's gradient to `gradient`; return the one for x, float (n, fan_in).

        x and a: what `forward` took and gave. da: gradient for a, (n, fan_out), overwritten.
        For bytes, which nothing stands behind, the answer is None.
        """
        if self.activation != "identity":
            kernels.activation_backward(a, da, kind_of(self.activation))
        scale = self.weights.dtype.type(scale)
        if x.dtype == np.uint8:
            kernels.bytes_backward(x, scale, da, gradient.weights, gradient.biases)
            return None
        dx = np.empty_like(x)
        kernels.dense_backward(x, self.weights, da, gradient.weights, gradient.biases, dx)
        return dx
