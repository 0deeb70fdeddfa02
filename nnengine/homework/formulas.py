"""Formulas: one step of a network with one hidden layer, a line each, as a learner would write it.

Rows are images, weights are (inputs, units); `layout` brings every other way of writing to this
one. N images, D pixels, H hidden units, C classes. A state is a dict of arrays by name: `P`, the
pixels (N, D) in [0, 1]; `L`, the labels (N,); `W1` (D, H), `b1` (H,), `W2` (H, C), `b2` (C,);
`rate`; then what the lines make, in the order of `NODES`. Softmax and cross-entropy with their
gradient as in Bishop 2006, section 5.3; He and others say it of ReLU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a learner may choose, and is not faulted for.

    activation: of the hidden layer. output: softmax, or sigmoid. loss: cross_entropy, or squared
    (of sigmoid outputs). share: where the division by N stands: in the delta, the gradient or the
    step. sign: where errors are target minus output: nowhere, in the delta or the gradient; steps
    are then added. optimizer: sgd or adam, whose first step is meant.
    """

    activation: str = "relu"
    output: str = "softmax"
    loss: str = "cross_entropy"
    share: str = "gradient"
    sign: str = ""
    optimizer: str = "sgd"


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-z)."""
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray, axis: int | None = 1) -> np.ndarray:
    """e^z over its sum along an axis; None: over all of it."""
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return (N, C) with a one at each image's label; a label out of range leaves zeros."""
    return (labels[:, None] == np.arange(classes)).astype(float)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
}


def slope(kind: str, z: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the slope of an activation at sums z, or where it is said by its answers a."""
    if kind == "sigmoid":
        return a * (1 - a)
    if kind == "tanh":
        return 1 - a * a
    return np.where(z > 0, 1.0, 0.01 if kind == "leaky_relu" else 0.0)


def _z1(s: State, t: Terms) -> np.ndarray:
    return s["X"] @ s["W1"] + s["b1"]


def _z2(s: State, t: Terms) -> np.ndarray:
    return s["A1"] @ s["W2"] + s["b2"]


def _a2(s: State, t: Terms) -> np.ndarray:
    return softmax(s["Z2"]) if t.output == "softmax" else sigmoid(s["Z2"])


def _loss(s: State, t: Terms) -> np.ndarray:
    a, y = s["A2"], s["T"]
    if t.loss == "squared":
        return ((a - y) ** 2).sum(axis=1).mean()
    return -log_of_right(a, y).mean()


def log_of_right(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (N,) logarithms of the probabilities that the right classes were given."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(y != 0, y * np.log(a), 0.0).sum(axis=1)


def _dz2(s: State, t: Terms) -> np.ndarray:
    d = s["A2"] - s["T"]
    if t.loss == "squared":
        d = d * s["A2"] * (1 - s["A2"])
    return (-d if t.sign == "delta" else d) / (len(d) if t.share == "delta" else 1)


def shared(gradient: np.ndarray, s: State, t: Terms) -> np.ndarray:
    """Return what was summed over images as the terms want a gradient: divided, turned, or not."""
    over = len(s["X"]) if t.share == "gradient" else 1
    return (-gradient if t.sign == "gradient" else gradient) / over


def _da1(s: State, t: Terms) -> np.ndarray:
    return s["dZ2"] @ s["W2"].T


def _dz1(s: State, t: Terms) -> np.ndarray:
    return s["dA1"] * slope(t.activation, s["Z1"], s["A1"])


def stepped(w: str, s: State, t: Terms) -> np.ndarray:
    """Return weights or biases after the step, by the gradient of their name."""
    g = s["d" + w] / (len(s["X"]) if t.share == "step" else 1)
    if t.optimizer == "adam":  # m = 0.1 g and v = 0.001 g^2, each over its own correction
        g = g / (np.abs(g) + 1e-8)
    return s[w] + s["rate"] * (g if t.sign else -g)


Formula = Callable[[State, Terms], Any]
RIGHT: dict[str, Formula] = {
    "X": lambda s, t: s["P"],
    "T": lambda s, t: one_hot(s["L"], s["W2"].shape[1]),
    "Z1": _z1,
    "A1": lambda s, t: ACTIVATIONS[t.activation](s["Z1"]),
    "Z2": _z2,
    "A2": _a2,
    "loss": _loss,
    "dZ2": _dz2,
    "dW2": lambda s, t: shared(s["A1"].T @ s["dZ2"], s, t),
    "db2": lambda s, t: shared(s["dZ2"].sum(axis=0), s, t),
    "dA1": _da1,
    "dZ1": _dz1,
    "dW1": lambda s, t: shared(s["X"].T @ s["dZ1"], s, t),
    "db1": lambda s, t: shared(s["dZ1"].sum(axis=0), s, t),
    "W1_new": lambda s, t: stepped("W1", s, t),
    "b1_new": lambda s, t: stepped("b1", s, t),
    "W2_new": lambda s, t: stepped("W2", s, t),
    "b2_new": lambda s, t: stepped("b2", s, t),
}
NODES = tuple(RIGHT)
# What each line is made of, mistaken ones included: a change here may change what is there.
NEEDS: dict[str, tuple[str, ...]] = {
    "X": (),
    "T": (),
    "Z1": ("X",),
    "A1": ("Z1",),
    "Z2": ("A1",),
    "A2": ("Z2",),
    "loss": ("A2", "T"),
    "dZ2": ("A2", "T"),
    "dW2": ("A1", "dZ2"),
    "db2": ("dZ2",),
    "dA1": ("dZ2",),
    "dZ1": ("dA1", "Z1", "A1"),
    "dW1": ("X", "dZ1"),
    "db1": ("dZ1",),
    "W1_new": ("dW1",),
    "b1_new": ("db1",),
    "W2_new": ("dW2",),
    "b2_new": ("db2",),
}


def also_right(node: str, s: State, t: Terms) -> list[Any]:
    """Return other values that are no mistakes: unusual but equal algebra, and harmless habits."""
    if node == "loss":
        a, y = s["A2"], s["T"]
        rows = -log_of_right(a, y)
        found: list[Any] = [rows]  # image by image
        for tiny in (1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7):
            found.append(-log_of_right(a + tiny, y).mean())
            found.append(-log_of_right(np.clip(a, tiny, 1 - tiny), y).mean())
        if t.share == "step":
            found.append(rows.sum())
        if t.loss == "squared":
            square = (a - y) ** 2
            found += [square.sum() / 2, square.mean(), square.mean() / 2, square.sum()]
            found.append(square.sum() / len(a) / 2)
        return found
    if node.endswith("_new") and t.optimizer == "adam":
        w = node.removesuffix("_new")
        g = s["d" + w] / (len(s["X"]) if t.share == "step" else 1) * (-1 if t.sign else 1)
        roots = (np.abs(g) + 1e-7, np.abs(g) + 1e-10, np.sqrt(g * g + 1e-8))
        return [s[w] - s["rate"] * g / root for root in roots]
    if node == "dZ1":  # the mask may be read off the answers as well as off the sums
        return [s["dA1"] * slope(t.activation, s["A1"], s["A1"])]
    return []
