"""Mistakes on the way back: deltas, and the gradients of weights and biases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .formulas import State, Terms, sigmoid, stepped
from .mistake import INPUT, LINE, OUTPUT, Mistake

Row = tuple[str, str, Callable, str, str, str]

_DELTA: list[Row] = [
    ("delta_times_softmax_slope", OUTPUT, lambda v, s, t: v * s["A2"] * (1 - s["A2"]),
     "dZ2 = (A2 - Y) * A2 * (1 - A2)",
     "the slope of softmax is in A2 - Y already: multiplied again, confident mistakes are not "
     "learnt from", "always 0"),
    ("delta_times_answers", OUTPUT, lambda v, s, t: v * s["A2"], "dZ2 = (A2 - Y) * A2",
     "A2 - Y is the whole of it: the factor A2 is too much", "always 0"),
    ("delta_times_tanh_slope", OUTPUT, lambda v, s, t: v * (1 - s["A2"] ** 2),
     "dZ2 = (A2 - Y) * (1 - A2**2)", "A2 - Y is the whole of it: there is no tanh here", "thirds"),
    ("delta_times_relu_slope", OUTPUT, lambda v, s, t: v * (s["Z2"] > 0),
     "dZ2 = (A2 - Y) * (Z2 > 0)",
     "there is no ReLU at the output: classes with negative sums are not learnt", "own"),
    ("delta_of_probability", LINE, lambda s, t: -s["T"] / s["A2"], "dZ2 = -Y / A2",
     "that is the loss's slope by A2: softmax's own slope is missing", "Bishop"),
    ("delta_of_probability_times_slope", LINE, lambda s, t: -s["T"] * (1 - s["A2"]),
     "dZ2 = -Y * (1 - A2)",
     "only the right class gets a delta: the others take part in softmax's sum", "Bishop"),
    ("delta_of_probability_both_sides", LINE,
     lambda s, t: (s["A2"] - s["T"]) / (s["A2"] * (1 - s["A2"])),
     "dZ2 = (A2 - Y) / (A2 * (1 - A2))",
     "that is a slope by A2, and not by Z2: the output's own slope is missing", "contrary"),
    ("delta_without_targets", LINE, lambda s, t: s["A2"], "dZ2 = A2",
     "the targets are never taken away", "own"),
    ("delta_of_targets_alone", LINE, lambda s, t: -s["T"], "dZ2 = -Y",
     "the answers are missing: the same delta for ever", "own"),
    ("delta_from_z", INPUT, lambda s, t: {"A2": s["Z2"]}, "dZ2 = Z2 - Y",
     "the delta is of the sums, and not of the probabilities", "own"),
    ("delta_from_decision", INPUT,
     lambda s, t: {"A2": (s["A2"] == s["A2"].max(axis=1, keepdims=True)) * 1.0},
     "dZ2 = np.eye(C)[A2.argmax(axis=1)] - Y",
     "the delta is of the decision: where it is right nothing is learnt", "own"),
    ("delta_squared", OUTPUT, lambda v, s, t: np.abs(v) * np.abs(s["A2"] - s["T"]),
    "dZ2 = (A2 - Y)**2",
     "squares have no sign: all sums are pushed one way", "own"),
    ("delta_absolute", OUTPUT, lambda v, s, t: np.abs(v), "dZ2 = np.abs(A2 - Y)",
     "absolute values have no sign: all sums are pushed one way", "own"),
    ("delta_of_logarithm", INPUT, lambda s, t: {"A2": np.log(s["A2"])}, "dZ2 = np.log(A2) - Y",
     "the delta is of logarithms, and not of probabilities", "own"),
    ("delta_of_right_class_alone", OUTPUT, lambda v, s, t: v * s["T"], "dZ2 = (A2 - Y) * Y",
     "only the right class gets a delta", "own"),
    ("delta_times_loss", OUTPUT,
     lambda v, s, t: v * -(s["T"] * np.log(s["A2"])).sum(axis=1).mean(), "dZ2 = (A2 - Y) * loss",
     "the loss itself is no factor of its slope", "own"),
    ("delta_averaged_over_images", OUTPUT,
     lambda v, s, t: np.broadcast_to(v.mean(axis=0, keepdims=True), v.shape),
     "dZ2 = np.mean(A2 - Y, axis=0)",
     "deltas are averaged before they meet the images that they belong to", "own"),
    ("delta_summed_over_classes", OUTPUT,
     lambda v, s, t: np.broadcast_to(v.sum(axis=1, keepdims=True), v.shape),
     "dZ2 = (A2 - Y).sum(axis=1)", "deltas of all classes are thrown together", "own"),
]  # fmt: skip

_FACTORS: list[tuple[str, Callable[[State, Terms], float], str, str, str]] = [
    ("sign", lambda s, t: -1.0, "-{0}", "the sign is wrong: it goes uphill", "contrary"),
    ("divided_by_two", lambda s, t: 0.5, "{0} / 2", "it is half of what it should be", "own"),
    ("doubled", lambda s, t: 2.0, "2 * {0}", "it is twice what it should be", "own"),
    ("divided_by_pixels", lambda s, t: _over(s, t) / len(s["W1"]), "{0} / X.shape[1]",
     "it is divided by the number of pixels", "own"),
    ("divided_by_classes", lambda s, t: _over(s, t) / s["W2"].shape[1], "{0} / C",
     "it is divided by the number of classes", "own"),
    ("divided_by_hidden_units", lambda s, t: _over(s, t) / len(s["W2"]), "{0} / H",
     "it is divided by the number of hidden units", "own"),
    ("divided_by_classes_too", lambda s, t: 1 / s["W2"].shape[1], "{0} / C",
     "it is divided by the number of classes besides", "own"),
    ("divided_by_one_less", lambda s, t: _over(s, t) / (len(s["X"]) - 1), "{0} / (N - 1)",
     "it is divided by N - 1: that is for a variance", "own"),
    ("divided_twice", lambda s, t: 1 / len(s["X"]), "{0} / N",
     "it is divided by N twice: steps are N times too short", "averaged"),
    ("learning_rate_already_in", lambda s, t: float(s["rate"]), "rate * {0}",
     "the learning rate is in the gradient already, and the step multiplies by it again", "own"),
]  # fmt: skip


def _over(s: State, t: Terms) -> float:
    """Return what a sum that was divided by N has to be multiplied by to have it back."""
    return float(len(s["X"])) if t.share != "step" else 1.0


def _scaled(node: str, only: tuple[str, ...] = ()) -> list[Mistake]:
    def of(factor: Callable) -> Callable:
        return lambda v, s, t: v * factor(s, t)

    return [
        Mistake(name=n, node=node, kind=OUTPUT, make=of(f), line=f"{node} = " + li.format(node),
                what=w, source=src)
        for n, f, li, w, src in _FACTORS
        if not only or n in only
    ]  # fmt: skip


def _not_divided(node: str, share: str) -> Mistake:
    return Mistake(
        name="not_divided", node=node, kind=OUTPUT, when=lambda t: t.share == share,
        make=lambda v, s, t: v * len(s["X"]), line=f"{node} = N * {node}",
        what="it is a sum over the images, not their mean: steps are N times too long, and longer "
        "with a larger batch", source="averaged",
    )  # fmt: skip


def _weights(layer: int, x: str, delta: str, others: list[Row]) -> list[Mistake]:
    """Return mistakes of a layer's weights' gradient: inputs x, deltas delta."""
    node = f"dW{layer}"

    def of_one(at: int) -> Callable:
        def seen(s: State, t: Terms) -> dict[str, Any]:
            a, d = s[x].copy(), s[delta]
            a[np.arange(len(a)) != at % len(a)] = 0
            return {x: a, delta: d}

        return seen

    rows: list[Row] = [
        ("gradient_transposed", OUTPUT,
         lambda v, s, t: v.T if v.ndim == 2 and v.shape[0] == v.shape[1] else None,
         f"{node} = {delta}.T @ {x}",
         "the product is transposed, which happens to fit: weights learn from others' inputs",
         "axes"),
        ("gradient_reshaped", OUTPUT, lambda v, s, t: v.T.reshape(v.shape),
         f"{node} = ({delta}.T @ {x}).reshape({node}.shape)",
         "the product is transposed, and reshape does not turn it back: .T does", "axes"),
        ("gradient_of_first_image", INPUT, of_one(0), f"{node} = np.outer({x}[0], {delta}[0])",
         "only the first image counts", "own"),
        ("gradient_of_last_image", INPUT, of_one(-1),
         f"for n in range(N): {node} = np.outer({x}[n], {delta}[n])",
         "only the last image counts: the loop overwrites (=) and does not add (+=)", "own"),
        ("gradient_of_mean_image", LINE,
         lambda s, t: _signed(np.outer(s[x].mean(axis=0), s[delta].mean(axis=0)), s, t),
         f"{node} = np.outer({x}.mean(axis=0), {delta}.mean(axis=0))",
         "means are multiplied, and not the images with their own deltas", "own"),
        ("gradient_with_weights", OUTPUT, lambda v, s, t: v * s[f"W{layer}"],
         f"{node} = {x}.T @ {delta} * W{layer}", "the weights themselves are no factor", "own"),
        ("gradient_plus_weights", OUTPUT, lambda v, s, t: v + s[f"W{layer}"],
         f"{node} = {x}.T @ {delta} + W{layer}",
         "the weights are added: they decay at once", "own"),
        *others,
    ]  # fmt: skip
    return [*_made(node, rows), *_scaled(node), _not_divided(node, "gradient")]


def _signed(gradient: np.ndarray, s: State, t: Terms) -> np.ndarray:
    """Return a mean over images in whatever share and sign gradients have here."""
    by = 1.0 if t.share == "gradient" else float(len(s["X"]))
    return gradient * by * (-1 if t.sign == "gradient" else 1)


def _made(node: str, rows: list[Row]) -> list[Mistake]:
    return [
        Mistake(name=n, node=node, kind=k, make=m, line=li, what=w, source=src)
        for n, k, m, li, w, src in rows
    ]


def _biases(layer: int, delta: str, other: str, x: str) -> list[Mistake]:
    """Return mistakes of a layer's biases' gradient; other: the deltas of the other layer."""
    node = f"db{layer}"

    def per_mean(v: np.ndarray, s: State, t: Terms) -> np.ndarray:
        return v / len(v)

    def over(axis: int, mean: bool) -> Callable:
        def line(s: State, t: Terms) -> np.ndarray:
            d = s[delta]
            by = len(d) if t.share == "gradient" else 1
            total = d.mean(axis=axis) if mean else d.sum(axis=axis) / by
            return -total if t.sign == "gradient" else total

        return line

    def scalar(s: State, t: Terms) -> np.ndarray:
        by = len(s[delta]) if t.share == "gradient" else 1
        return np.asarray(s[delta].sum() / by * (-1 if t.sign == "gradient" else 1))

    def swapped(s: State, t: Terms) -> dict[str, Any]:
        return {delta: s[other]} if s[other].shape == s[delta].shape else {}

    rows: list[Row] = [
        ("bias_gradient_one_number", LINE, scalar, f"{node} = {delta}.sum() / N",
         "the sum runs over everything: one number for all units, and all biases move alike",
         "scalar"),
        ("bias_gradient_one_mean", LINE,
         lambda s, t: np.asarray(s[delta].mean() * (-1 if t.sign == "gradient" else 1)),
         f"{node} = {delta}.mean()",
         "the mean runs over everything: one number for all units, and all biases move alike",
         "scalar"),
        ("bias_gradient_over_units", LINE, over(1, False), f"{node} = {delta}.sum(axis=1)",
         "the sum runs over the units, and not over the images", "axes"),
        ("bias_gradient_averaged_over_units", LINE, over(1, True), f"{node} = {delta}.mean(axis=1)",
         "the mean runs over the units, and not over the images", "mean"),
        ("bias_gradient_not_summed", LINE,
         lambda s, t: s[delta] / (len(s[delta]) if t.share == "gradient" else 1)
         * (-1 if t.sign == "gradient" else 1), f"{node} = {delta} / N",
         "the deltas are not summed over the images: biases are broadcast to a matrix",
         "broadcast"),
        ("bias_gradient_is_delta", LINE, lambda s, t: s[delta], f"{node} = {delta}",
         "the deltas are not summed over the images: biases are broadcast to a matrix",
         "broadcast"),
        ("bias_gradient_divided_by_units", OUTPUT, per_mean, f"{node} = {node} / len({node})",
         "it is divided by the number of units besides", "mean"),
        ("bias_gradient_of_weights", LINE, lambda s, t: s[f"dW{layer}"].sum(axis=0)
         if f"dW{layer}" in s else None, f"{node} = dW{layer}.sum(axis=0)",
         "biases get the sum of the weights' gradient: theirs is that of the deltas", "own"),
        ("bias_gradient_of_weights_averaged", LINE, lambda s, t: s[f"dW{layer}"].mean(axis=0)
         if f"dW{layer}" in s else None, f"{node} = dW{layer}.mean(axis=0)",
         "biases get the mean of the weights' gradient: theirs is that of the deltas", "own"),
        ("bias_gradient_of_answers", LINE, lambda s, t: _signed(s[x].mean(axis=0), s, t),
         f"{node} = {x}.mean(axis=0)", "it is made of answers, and not of deltas", "own"),
        ("bias_gradient_of_other_layer", INPUT, swapped, f"{node} = {other}.sum(axis=0)",
         "it is the gradient of the other layer's biases", "own"),
        ("bias_gradient_times_biases", OUTPUT, lambda v, s, t: v * s[f"b{layer}"],
         f"{node} = {delta}.sum(axis=0) * b{layer}", "the biases themselves are no factor", "own"),
        ("bias_gradient_of_first_image", INPUT,
         lambda s, t: {delta: s[delta] * (np.arange(len(s[delta])) == 0)[:, None]},
         f"{node} = {delta}[0]", "only the first image counts", "own"),
        ("bias_gradient_of_last_image", INPUT,
         lambda s, t: {delta: s[delta] * (np.arange(len(s[delta])) == len(s[delta]) - 1)[:, None]},
         f"for n in range(N): {node} = {delta}[n]",
         "only the last image counts: the loop overwrites (=) and does not add (+=)", "own"),
        ("bias_gradient_zero", OUTPUT, lambda v, s, t: 0 * v, f"{node} = 0",
         "the biases have no gradient: they stay as they are", "own"),
    ]  # fmt: skip
    if layer == 1:
        rows.append(("bias_gradient_without_mask", INPUT, lambda s, t: {"dZ1": s["dA1"]},
                     "db1 = dA1.sum(axis=0)",
                     "it is made of dA1: the activation's slope is missing",
                     "own"))  # fmt: skip
    return [*_made(node, rows), *_scaled(node), _not_divided(node, "gradient")]


def _new_w2(s: State, t: Terms) -> dict[str, Any]:
    if "W2_new" in s.get("given", {}) and s["given"]["W2_new"].shape == s["W2"].shape:
        return {"W2": s["given"]["W2_new"]}
    return {"W2": stepped("W2", s, t)} if "dW2" in s else {}


_BACK: list[Row] = [
    ("weights_already_updated", INPUT, _new_w2, "dA1 = dZ2 @ W2_new.T",
     "the deltas go back through the weights as they are after the step", "own"),
    ("weights_transposed", LINE, lambda s, t: s["dZ2"] @ s["W2"]
     if s["W2"].shape[0] == s["W2"].shape[1] else None, "dA1 = dZ2 @ W2",
     "the weights are transposed wrongly, which happens to fit", "axes"),
    ("weights_left_out", LINE, lambda s, t: s["dZ2"] if s["dZ2"].shape[1] == len(s["W2"]) else None,
     "dA1 = dZ2", "the weights are left out", "own"),
    ("weights_gradient_for_weights", LINE, lambda s, t: s["dZ2"] @ s["dW2"].T if "dW2" in s
     and s["dW2"].shape == s["W2"].shape else None, "dA1 = dZ2 @ dW2.T",
     "the deltas go back through the gradient, and not through the weights", "own"),
    ("answers_for_deltas", INPUT, lambda s, t: {"dZ2": s["A2"]}, "dA1 = A2 @ W2.T",
     "the answers go back, and not the deltas", "own"),
    ("sums_for_deltas", INPUT, lambda s, t: {"dZ2": s["Z2"]}, "dA1 = Z2 @ W2.T",
     "the sums go back, and not the deltas", "own"),
    ("targets_for_deltas", INPUT, lambda s, t: {"dZ2": s["T"]}, "dA1 = Y @ W2.T",
     "the targets go back, and not the deltas", "own"),
    ("biases_in_the_way_back", OUTPUT, lambda v, s, t: v + s["b1"], "dA1 = dZ2 @ W2.T + b1",
     "biases have no part in the way back", "own"),
    ("answers_in_the_way_back", OUTPUT, lambda v, s, t: v * s["A1"], "dA1 = dZ2 @ W2.T * A1",
     "the answers are no factor: the slope comes in the next line", "own"),
    ("weights_absolute", INPUT, lambda s, t: {"W2": np.abs(s["W2"])}, "dA1 = dZ2 @ np.abs(W2).T",
     "the weights' signs are lost", "own"),
]  # fmt: skip


def _masks() -> list[Mistake]:
    """Return mistakes of the hidden layer's slope, of an activation each or of any."""

    def by(factor: Callable[[State], np.ndarray]) -> Callable:
        return lambda s, t: s["dA1"] * factor(s)

    rows: list[tuple[str, Callable, str, str, str, str]] = [
        ("slope_missing", lambda s, t: s["dA1"], "dZ1 = dA1",
         "the activation's slope is missing: as if the hidden layer were linear", "", "stops"),
        ("mask_not_strict", by(lambda s: s["A1"] >= 0), "dZ1 = dA1 * (A1 >= 0)",
         ">= lets all units through, for answers are never negative: > is meant", "relu", "own"),
        ("mask_from_delta", by(lambda s: s["dA1"] > 0), "dZ1 = dA1 * (dA1 > 0)",
         "the mask is read off the delta, and not off the sums: ReLU is applied to the gradient",
         "", "own"),
        ("mask_from_inverse", by(lambda s: s["Z1"] <= 0), "dZ1 = dA1 * (Z1 <= 0)",
         "the mask is upside down: units learn only where they were silent", "relu", "own"),
        ("mask_values", by(lambda s: s["A1"]), "dZ1 = dA1 * A1",
         "the answers are no slope", "", "own"),
        ("mask_sums", by(lambda s: s["Z1"]), "dZ1 = dA1 * Z1", "the sums are no slope", "", "own"),
        ("mask_alone", lambda s, t: (s["Z1"] > 0) * 1.0, "dZ1 = Z1 > 0",
         "the mask alone: the deltas are lost", "relu", "own"),
        ("mask_sign", by(lambda s: np.sign(s["Z1"])), "dZ1 = dA1 * np.sign(Z1)",
         "the slope of negative sums is 0, and not -1", "relu", "own"),
        ("mask_from_output", lambda s, t: s["dA1"] * (s["Z2"] > 0)
         if s["Z2"].shape == s["dA1"].shape else None, "dZ1 = dA1 * (Z2 > 0)",
         "the mask is that of the output layer", "", "own"),
        ("mask_above_one", by(lambda s: s["Z1"] > 1), "dZ1 = dA1 * (Z1 > 1)",
         "the mask begins at 1, and not at 0", "relu", "own"),
        ("mask_leaks", by(lambda s: np.where(s["Z1"] > 0, 1, 0.01)),
         "dZ1 = dA1 * np.where(Z1 > 0, 1, 0.01)", "that is the slope of leaky ReLU", "relu", "own"),
        ("mask_leaks_a_tenth", by(lambda s: np.where(s["Z1"] > 0, 1, 0.1)),
         "dZ1 = dA1 * np.where(Z1 > 0, 1, 0.1)", "that is the slope of leaky ReLU", "relu", "own"),
        ("mask_twice_delta", lambda s, t: np.maximum(s["Z1"], 0) * (s["dA1"] > 0),
         "dZ1 = A1 * (dA1 > 0)", "deltas and sums are exchanged", "relu", "own"),
        ("slope_of_relu", by(lambda s: s["Z1"] > 0), "dZ1 = dA1 * (Z1 > 0)",
         "that is the slope of ReLU, which is not this layer's activation", "sigmoid tanh", "own"),
        ("slope_of_sigmoid", by(lambda s: s["A1"] * (1 - s["A1"])), "dZ1 = dA1 * A1 * (1 - A1)",
         "that is the slope of sigmoid, which is not this layer's activation", "relu tanh", "own"),
        ("slope_of_sigmoid_at_z", by(lambda s: sigmoid(s["Z1"]) * (1 - sigmoid(s["Z1"]))),
         "dZ1 = dA1 * sigmoid(Z1) * (1 - sigmoid(Z1))",
         "that is the slope of sigmoid, which is not this layer's activation", "relu tanh", "own"),
        ("slope_of_tanh", by(lambda s: 1 - s["A1"] ** 2), "dZ1 = dA1 * (1 - A1**2)",
         "that is the slope of tanh, which is not this layer's activation", "relu sigmoid", "own"),
        ("slope_from_z", by(lambda s: s["Z1"] * (1 - s["Z1"])), "dZ1 = dA1 * Z1 * (1 - Z1)",
         "a * (1 - a) takes the answers: it was given the sums", "", "Nielsen"),
        ("slope_from_z_tanh", by(lambda s: 1 - s["Z1"] ** 2), "dZ1 = dA1 * (1 - Z1**2)",
         "1 - a**2 takes the answers: it was given the sums", "", "Nielsen"),
        ("slope_applied_twice", by(lambda s: sigmoid(s["A1"]) * (1 - sigmoid(s["A1"]))),
         "dZ1 = dA1 * sigmoid(A1) * (1 - sigmoid(A1))",
         "the slope takes the sums: it was given the answers, which are through sigmoid already",
         "sigmoid", "Nielsen"),
        ("slope_applied_twice_tanh", by(lambda s: 1 - np.tanh(s["A1"]) ** 2),
         "dZ1 = dA1 * (1 - np.tanh(A1)**2)",
         "the slope takes the sums: it was given the answers, which are through tanh already",
         "tanh", "Nielsen"),
        ("slope_half", by(lambda s: 1 - s["A1"]), "dZ1 = dA1 * (1 - A1)",
         "one factor of the slope is missing", "sigmoid tanh", "own"),
        ("slope_squared", lambda s, t: s["dA1"] * (s["A1"] * (1 - s["A1"])) ** 2,
         "dZ1 = dA1 * (A1 * (1 - A1))**2", "the slope is multiplied twice", "sigmoid", "own"),
    ]  # fmt: skip

    def for_(kinds: str) -> Callable[[Terms], bool]:
        return lambda t: not kinds or t.activation in kinds.split()

    return [
        Mistake(name=n, node="dZ1", make=m, line=li, what=w, when=for_(kinds), source=src)
        for n, m, li, w, kinds, src in rows
    ]


_FIRST: list[Row] = [
    ("gradient_without_slope", INPUT, lambda s, t: {"dZ1": s["dA1"]}, "dW1 = X.T @ dA1",
     "it is made of dA1: the activation's slope is missing", "stops"),
    ("gradient_of_other_delta", INPUT, lambda s, t: {"dZ1": s["dZ2"]}
     if s["dZ2"].shape == s["dZ1"].shape else {}, "dW1 = X.T @ dZ2",
     "it is made of the other layer's deltas", "own"),
    ("gradient_from_answers", INPUT, lambda s, t: {"dZ1": s["A1"]}, "dW1 = X.T @ A1",
     "it is made of answers, and not of deltas", "own"),
]  # fmt: skip

_SECOND: list[Row] = [
    ("z_for_a", INPUT, lambda s, t: {"A1": s["Z1"]}, "dW2 = Z1.T @ dZ2",
     "it is made of the sums, and not of the answers that the weights were multiplied by", "own"),
    ("gradient_from_own_answers", INPUT, lambda s, t: {"A1": s["A2"]}
     if s["A2"].shape == s["A1"].shape else {}, "dW2 = A2.T @ dZ2",
     "it is made of the layer's own answers, and not of its inputs", "contrary"),
    ("gradient_from_answers", INPUT, lambda s, t: {"dZ2": s["A2"]}, "dW2 = A1.T @ A2",
     "it is made of answers, and not of deltas", "own"),
    ("gradient_of_sums", INPUT, lambda s, t: {"dZ2": s["Z2"]}, "dW2 = A1.T @ Z2",
     "it is made of sums, and not of deltas", "own"),
    ("gradient_of_mask", INPUT, lambda s, t: {"A1": (s["Z1"] > 0) * 1.0}, "dW2 = (Z1 > 0).T @ dZ2",
     "it is made of the mask, and not of the answers", "own"),
    ("gradient_of_other_delta", INPUT, lambda s, t: {"dZ2": s["dZ1"]}
     if "dZ1" in s and s["dZ2"].shape == s["dZ1"].shape else {}, "dW2 = A1.T @ dZ1",
     "it is made of the other layer's deltas", "own"),
]  # fmt: skip

_SOME = ("sign", "divided_by_two", "doubled", "divided_twice", "divided_by_classes_too")
MISTAKES: list[Mistake] = [
    *_made("dZ2", _DELTA),
    *_scaled("dZ2", (*_SOME, "divided_by_classes", "divided_by_one_less", "divided_by_pixels")),
    _not_divided("dZ2", "delta"),
    *_weights(2, "A1", "dZ2", _SECOND),
    *_biases(2, "dZ2", "dZ1", "A2"),
    *_made("dA1", _BACK),
    *_scaled("dA1", _SOME),
    *_masks(),
    *_scaled("dZ1", _SOME),
    *_weights(1, "X", "dZ1", _FIRST),
    *_biases(1, "dZ1", "dZ2", "A1"),
]
