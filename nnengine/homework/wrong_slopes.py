"""Mistakes of the hidden layer's slope, of an activation each or of any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .formulas import State, Terms, sigmoid
from .mistake import Mistake
from .wrong_factors import SOME, scaled


def _by(factor: Callable[[State], np.ndarray]) -> Callable:
    return lambda s, t: s["dA1"] * factor(s)


_ROWS: list[tuple[str, Callable, str, str, str, str]] = [
    ("slope_missing", lambda s, t: s["dA1"], "dZ1 = dA1",
     "the activation's slope is missing: as if the hidden layer were linear", "", "stops"),
    ("mask_not_strict", _by(lambda s: s["A1"] >= 0), "dZ1 = dA1 * (A1 >= 0)",
     ">= lets all units through, for answers are never negative: > is meant", "relu", "own"),
    ("mask_from_delta", _by(lambda s: s["dA1"] > 0), "dZ1 = dA1 * (dA1 > 0)",
     "the mask is read off the delta, and not off the sums: ReLU is applied to the gradient",
     "", "own"),
    ("mask_from_inverse", _by(lambda s: s["Z1"] <= 0), "dZ1 = dA1 * (Z1 <= 0)",
     "the mask is upside down: units learn only where they were silent", "relu", "own"),
    ("mask_values", _by(lambda s: s["A1"]), "dZ1 = dA1 * A1",
     "the answers are no slope", "", "own"),
    ("mask_sums", _by(lambda s: s["Z1"]), "dZ1 = dA1 * Z1", "the sums are no slope", "", "own"),
    ("mask_alone", lambda s, t: (s["Z1"] > 0) * 1.0, "dZ1 = Z1 > 0",
     "the mask alone: the deltas are lost", "relu", "own"),
    ("mask_sign", _by(lambda s: np.sign(s["Z1"])), "dZ1 = dA1 * np.sign(Z1)",
     "the slope of negative sums is 0, and not -1", "relu", "own"),
    ("mask_from_output", lambda s, t: s["dA1"] * (s["Z2"] > 0)
     if s["Z2"].shape == s["dA1"].shape else None, "dZ1 = dA1 * (Z2 > 0)",
     "the mask is that of the output layer", "", "own"),
    ("mask_above_one", _by(lambda s: s["Z1"] > 1), "dZ1 = dA1 * (Z1 > 1)",
     "the mask begins at 1, and not at 0", "relu", "own"),
    ("mask_leaks", _by(lambda s: np.where(s["Z1"] > 0, 1, 0.01)),
     "dZ1 = dA1 * np.where(Z1 > 0, 1, 0.01)", "that is the slope of leaky ReLU", "relu", "own"),
    ("mask_leaks_a_tenth", _by(lambda s: np.where(s["Z1"] > 0, 1, 0.1)),
     "dZ1 = dA1 * np.where(Z1 > 0, 1, 0.1)", "that is the slope of leaky ReLU", "relu", "own"),
    ("mask_twice_delta", lambda s, t: np.maximum(s["Z1"], 0) * (s["dA1"] > 0),
     "dZ1 = A1 * (dA1 > 0)", "deltas and sums are exchanged", "relu", "own"),
    ("slope_of_relu", _by(lambda s: s["Z1"] > 0), "dZ1 = dA1 * (Z1 > 0)",
     "that is the slope of ReLU, which is not this layer's activation", "sigmoid tanh", "own"),
    ("slope_of_sigmoid", _by(lambda s: s["A1"] * (1 - s["A1"])), "dZ1 = dA1 * A1 * (1 - A1)",
     "that is the slope of sigmoid, which is not this layer's activation", "relu tanh", "own"),
    ("slope_of_sigmoid_at_z", _by(lambda s: sigmoid(s["Z1"]) * (1 - sigmoid(s["Z1"]))),
     "dZ1 = dA1 * sigmoid(Z1) * (1 - sigmoid(Z1))",
     "that is the slope of sigmoid, which is not this layer's activation", "relu tanh", "own"),
    ("slope_of_tanh", _by(lambda s: 1 - s["A1"] ** 2), "dZ1 = dA1 * (1 - A1**2)",
     "that is the slope of tanh, which is not this layer's activation", "relu sigmoid", "own"),
    ("slope_from_z", _by(lambda s: s["Z1"] * (1 - s["Z1"])), "dZ1 = dA1 * Z1 * (1 - Z1)",
     "a * (1 - a) takes the answers: it was given the sums", "", "Nielsen"),
    ("slope_from_z_tanh", _by(lambda s: 1 - s["Z1"] ** 2), "dZ1 = dA1 * (1 - Z1**2)",
     "1 - a**2 takes the answers: it was given the sums", "", "Nielsen"),
    ("slope_applied_twice", _by(lambda s: sigmoid(s["A1"]) * (1 - sigmoid(s["A1"]))),
     "dZ1 = dA1 * sigmoid(A1) * (1 - sigmoid(A1))",
     "the slope takes the sums: it was given the answers, which are through sigmoid already",
     "sigmoid", "Nielsen"),
    ("slope_applied_twice_tanh", _by(lambda s: 1 - np.tanh(s["A1"]) ** 2),
     "dZ1 = dA1 * (1 - np.tanh(A1)**2)",
     "the slope takes the sums: it was given the answers, which are through tanh already",
     "tanh", "Nielsen"),
    ("slope_half", _by(lambda s: 1 - s["A1"]), "dZ1 = dA1 * (1 - A1)",
     "one factor of the slope is missing", "sigmoid tanh", "own"),
    ("slope_squared", lambda s, t: s["dA1"] * (s["A1"] * (1 - s["A1"])) ** 2,
     "dZ1 = dA1 * (A1 * (1 - A1))**2", "the slope is multiplied twice", "sigmoid", "own"),
]  # fmt: skip


def _for(kinds: str) -> Callable[[Terms], bool]:
    return lambda t: not kinds or t.activation in kinds.split()


MISTAKES: list[Mistake] = [
    *(
        Mistake(name=n, node="dZ1", make=m, line=li, what=w, when=_for(kinds), source=src)
        for n, m, li, w, kinds, src in _ROWS
    ),
    *scaled("dZ1", SOME),
]
