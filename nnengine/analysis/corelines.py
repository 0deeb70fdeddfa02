"""Core lines: which line of the source computes a number, found by the text of the line itself."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..core import activations, layers, losses, optimizers, steadying, windows
from ..data import idxheader

_ROOT = Path(__file__).resolve().parent.parent.parent


class Line(NamedTuple):
    """A line of the engine's source: its file, its number there, what it says, and in what."""

    path: str
    number: int
    code: str
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}"


# The function that computes a number, and how the line begins that does. Where kernels compiled
# for this machine stand in for such a function, its line is the reference they are held to.
_BY_NAME: dict[str, tuple[Callable[..., Any], str]] = {
    "header": (idxheader.read_header, 'shape = struct.unpack(f">{dimensions}I"'),
    "x": (layers.Pass.floats, "return np.multiply(x, self.scale"),
    "bytes": (layers.bytes_forward, "product(x.astype(w.dtype)"),
    "dense": (layers.dense_forward, "product(x, w, out=z)"),
    "conv": (windows.convolve, "z[rows] = product("),
    "pool": (windows.pool, "np.maximum(a, part"),
    "average": (windows.average, "a *= a.dtype.type("),
    "norm": (steadying.Norm.sums, "return (x - mean)"),
    "dropout": (steadying.Dropout.sums, "return x"),
    "flatten": (layers.Layer.sums, "return way.floats("),
    "relu": (activations.relu, "np.maximum(z, 0"),
    "leaky_relu": (activations.leaky_relu, "np.multiply(z, "),
    "tanh": (activations.tanh, "np.tanh(z"),
    "sigmoid": (activations.sigmoid, "np.tanh(z"),
    "identity": (activations.identity, "def identity(z"),
    "maximum": (losses.softmax, "np.subtract(logits, logits.max("),
    "exponential": (losses.softmax, "np.exp(probabilities"),
    "probability": (losses.softmax, "probabilities /= "),
    "loss": (losses._softmax_cross_entropy, "loss = float((np.log(totals)"),
    "blame.logits": (losses._softmax_cross_entropy, "gradient[rows, labels] -= 1"),
    "blame.activation": (activations.activation_backward, "da *= "),
    "blame.dense": (layers.dense_backward, "product(dz, w.T"),
    "blame.conv": (windows.convolve_backward, "part += spread["),
    "blame.pool": (windows.pool_backward, "back += here"),
    "blame.average": (windows.average_backward, "back += share"),
    "blame.norm": (steadying.Norm.blame, "return da * (slope"),
    "blame.dropout": (steadying.Dropout.blame, "return da * way.notes"),
    "blame.flatten": (layers.Layer.blame, "return da"),
    "relu.slope": (activations.relu_slope, "return a > 0"),
    "leaky_relu.slope": (activations.leaky_relu_slope, "return np.where("),
    "tanh.slope": (activations.tanh_slope, "return 1 - a * a"),
    "sigmoid.slope": (activations.sigmoid_slope, "return a * (1 - a)"),
    "identity.slope": (activations.identity_slope, "return 1"),
    "weights.bytes": (layers.bytes_backward, "dw += product("),
    "weights.dense": (layers.dense_backward, "dw += product("),
    "weights.conv": (windows.convolve_backward, "dw += product("),
    "biases.bytes": (layers.bytes_backward, "db += dz.sum("),
    "biases.dense": (layers.dense_backward, "db += dz.sum("),
    "biases.conv": (windows.convolve_backward, "db += dz.sum("),
    "scales.norm": (steadying.Norm.blame, "gradient.scales[:] += "),
    "shifts.norm": (steadying.Norm.blame, "gradient.shifts[:] += "),
    "step.sgd": (optimizers.sgd, "theta -= "),
    "step.momentum": (optimizers.momentum, "theta += velocity"),
    "step.nesterov": (optimizers.nesterov, "theta += "),
    "step.rmsprop": (optimizers.rmsprop, "theta -= "),
    "step.adam": (optimizers.adam, "theta -= "),
    "step.adamw": (optimizers.adam, "theta -= "),
}
NAMES = tuple(_BY_NAME)


@cache
def line(name: str) -> Line:
    """Return the line that computes one of `NAMES`, asked of the source that is running.

    Raises KeyError for another name, and LookupError where the function has no such line any more:
    a test goes over all of them.
    """
    function, begins = _BY_NAME[name]
    code = inspect.unwrap(function).__code__
    lines = inspect.getblock(linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :])
    for number, text in enumerate(lines, code.co_firstlineno):
        if text.strip().startswith(begins):
            path = Path(code.co_filename).resolve().relative_to(_ROOT).as_posix()
            return Line(path, number, text.strip(), code.co_name.lstrip("_"))
    raise LookupError(f"{code.co_filename}: {code.co_name} has no line that begins {begins!r}")
