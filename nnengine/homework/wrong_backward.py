"""Mistakes on the way back: deltas, and the gradients of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .formulas import State, Terms, stepped
from .mistake import INPUT, LINE, OUTPUT, Mistake
from .wrong_factors import SOME, Row, made, not_divided, scaled, signed

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
         lambda s, t: signed(np.outer(s[x].mean(axis=0), s[delta].mean(axis=0)), s, t),
         f"{node} = np.outer({x}.mean(axis=0), {delta}.mean(axis=0))",
         "means are multiplied, and not the images with their own deltas", "own"),
        ("gradient_with_weights", OUTPUT, lambda v, s, t: v * s[f"W{layer}"],
         f"{node} = {x}.T @ {delta} * W{layer}", "the weights themselves are no factor", "own"),
        ("gradient_plus_weights", OUTPUT, lambda v, s, t: v + s[f"W{layer}"],
         f"{node} = {x}.T @ {delta} + W{layer}",
         "the weights are added: they decay at once", "own"),
        *others,
    ]  # fmt: skip
    return [*made(node, rows), *scaled(node), not_divided(node, "gradient")]


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

MISTAKES: list[Mistake] = [
    *made("dZ2", _DELTA),
    *scaled("dZ2", (*SOME, "divided_by_classes", "divided_by_one_less", "divided_by_pixels")),
    not_divided("dZ2", "delta"),
    *_weights(2, "A1", "dZ2", _SECOND),
    *made("dA1", _BACK),
    *scaled("dA1", SOME),
    *_weights(1, "X", "dZ1", _FIRST),
]
