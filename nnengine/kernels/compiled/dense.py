"""Layer by layer: for float64 networks, dense data and whoever asks for the activations."""

from __future__ import annotations

import math

import numpy as np

from .. import numpy_
from ..numpy_ import LEAK, LEAKY_RELU, RELU, SIGMOID, TANH
from .compiling import compiled


@compiled
def _bytes_forward(x, scale, w, b, z):
    """Put (x * scale) @ w + b into z, skipping the zero pixels: four in five on MNIST."""
    n, fan_in = x.shape
    fan_out = w.shape[1]
    for i in range(n):
        for k in range(fan_out):
            z[i, k] = 0
        for j in range(fan_in):
            if x[i, j] != 0:
                pixel = w.dtype.type(x[i, j])
                for k in range(fan_out):
                    z[i, k] += pixel * w[j, k]
        for k in range(fan_out):
            z[i, k] = z[i, k] * scale + b[k]


@compiled
def _bytes_backward(x, scale, dz, dw, db):
    """Add (x * scale).T @ dz to dw and the column sums of dz to db, skipping zero pixels."""
    n, fan_in = x.shape
    fan_out = dw.shape[1]
    for i in range(n):
        for k in range(fan_out):
            db[k] += dz[i, k]
        for j in range(fan_in):
            if x[i, j] != 0:
                pixel = dw.dtype.type(x[i, j] * scale)
                for k in range(fan_out):
                    dw[j, k] += pixel * dz[i, k]


def bytes_forward(x, scale, w, b, z):
    """Put (x * scale) @ w + b into z. float32 goes to BLAS: what is sparse comes packed."""
    kernel = numpy_.bytes_forward if w.dtype == np.float32 else _bytes_forward
    kernel(x, scale, w, b, z)


def bytes_backward(x, scale, dz, dw, db):
    """Add (x * scale).T @ dz to dw and the column sums of dz to db; as `bytes_forward`."""
    kernel = numpy_.bytes_backward if dw.dtype == np.float32 else _bytes_backward
    kernel(x, scale, dz, dw, db)


def dense_forward(x, w, b, z):
    """Put x @ w + b into z, by BLAS, which is a compiled kernel already."""
    numpy_.dense_forward(x, w, b, z)


def dense_backward(x, w, dz, dw, db, dx):
    """Add x.T @ dz to dw and the column sums of dz to db; put dz @ w.T into dx; by BLAS."""
    numpy_.dense_backward(x, w, dz, dw, db, dx)


@compiled
def activate(z, kind):
    """Replace z by its activation, in place."""
    n, width = z.shape
    for i in range(n):
        for k in range(width):
            v = z[i, k]
            if kind == RELU:
                z[i, k] = v if v > 0 or v != v else z.dtype.type(0)
            elif kind == LEAKY_RELU:
                z[i, k] = v * z.dtype.type(LEAK) if v < 0 else v
            elif kind == TANH:
                z[i, k] = math.tanh(v)
            elif kind == SIGMOID:
                half = z.dtype.type(0.5)
                z[i, k] = half * math.tanh(half * v) + half


@compiled
def activation_backward(a, da, kind):
    """Multiply da, in place, by the activation's slope, found from its output a."""
    n, width = a.shape
    one = a.dtype.type(1)  # a plain 1 would lift float32 to float64
    for i in range(n):
        for k in range(width):
            y = a[i, k]
            if kind == RELU:
                if not y > 0:
                    da[i, k] = 0
            elif kind == LEAKY_RELU:
                if y <= 0:
                    da[i, k] *= a.dtype.type(LEAK)
            elif kind == TANH:
                da[i, k] *= one - y * y
            elif kind == SIGMOID:
                da[i, k] *= y * (one - y)


@compiled
def softmax(logits, probabilities):
    """Put softmax(logits) into probabilities (may be the same array); rows sum to 1."""
    n, classes = logits.shape
    for i in range(n):
        top = logits[i, 0]
        for k in range(1, classes):
            top = max(top, logits[i, k])
        total = logits.dtype.type(0)
        for k in range(classes):
            probabilities[i, k] = math.exp(logits[i, k] - top)
            total += probabilities[i, k]
        for k in range(classes):
            probabilities[i, k] /= total


@compiled
def softmax_cross_entropy(logits, labels, weight, gradient):
    """Put (softmax(logits) - onehot(labels)) * weight into gradient; return (loss, right)."""
    n, classes = logits.shape
    loss = 0.0
    correct = 0
    for i in range(n):
        best = 0
        for k in range(1, classes):
            if logits[i, k] > logits[i, best]:
                best = k
        top = logits[i, best]
        label = labels[i]
        correct += best == label
        total = logits.dtype.type(0)
        for k in range(classes):
            gradient[i, k] = math.exp(logits[i, k] - top)
            total += gradient[i, k]
        loss += math.log(total) - (logits[i, label] - top)
        for k in range(classes):
            gradient[i, k] = gradient[i, k] / total * weight
        gradient[i, label] -= weight
    return loss, correct
