"""Mistakes of the gradients of biases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .formulas import State, Terms
from .mistake import INPUT, LINE, OUTPUT, Mistake
from .wrong_factors import Row, made, not_divided, scaled, signed


def _over_units(delta: str, mean: bool) -> Callable:
    def line(s: State, t: Terms) -> np.ndarray:
        d = s[delta]
        by = len(d) if t.share == "gradient" else 1
        total = d.mean(axis=1) if mean else d.sum(axis=1) / by
        return -total if t.sign == "gradient" else total

    return line


def _one_number(delta: str) -> Callable:
    def line(s: State, t: Terms) -> np.ndarray:
        by = len(s[delta]) if t.share == "gradient" else 1
        return np.asarray(s[delta].sum() / by * (-1 if t.sign == "gradient" else 1))

    return line


def _summed_wrongly(node: str, delta: str) -> list[Row]:
    return [
        ("bias_gradient_one_number", LINE, _one_number(delta), f"{node} = {delta}.sum() / N",
         "the sum runs over everything: one number for all units, and all biases move alike",
         "scalar"),
        ("bias_gradient_one_mean", LINE,
         lambda s, t: np.asarray(s[delta].mean() * (-1 if t.sign == "gradient" else 1)),
         f"{node} = {delta}.mean()",
         "the mean runs over everything: one number for all units, and all biases move alike",
         "scalar"),
        ("bias_gradient_over_units", LINE, _over_units(delta, False),
         f"{node} = {delta}.sum(axis=1)",
         "the sum runs over the units, and not over the images", "axes"),
        ("bias_gradient_averaged_over_units", LINE, _over_units(delta, True),
         f"{node} = {delta}.mean(axis=1)",
         "the mean runs over the units, and not over the images", "mean"),
        ("bias_gradient_not_summed", LINE,
         lambda s, t: s[delta] / (len(s[delta]) if t.share == "gradient" else 1)
         * (-1 if t.sign == "gradient" else 1), f"{node} = {delta} / N",
         "the deltas are not summed over the images: biases are broadcast to a matrix",
         "broadcast"),
        ("bias_gradient_is_delta", LINE, lambda s, t: s[delta], f"{node} = {delta}",
         "the deltas are not summed over the images: biases are broadcast to a matrix",
         "broadcast"),
        ("bias_gradient_divided_by_units", OUTPUT, lambda v, s, t: v / len(v),
         f"{node} = {node} / len({node})",
         "it is divided by the number of units besides", "mean"),
    ]  # fmt: skip


def _made_of_others(node: str, layer: int, delta: str, other: str, x: str) -> list[Row]:
    return [
        ("bias_gradient_of_weights", LINE, lambda s, t: s[f"dW{layer}"].sum(axis=0)
         if f"dW{layer}" in s else None, f"{node} = dW{layer}.sum(axis=0)",
         "biases get the sum of the weights' gradient: theirs is that of the deltas", "own"),
        ("bias_gradient_of_weights_averaged", LINE, lambda s, t: s[f"dW{layer}"].mean(axis=0)
         if f"dW{layer}" in s else None, f"{node} = dW{layer}.mean(axis=0)",
         "biases get the mean of the weights' gradient: theirs is that of the deltas", "own"),
        ("bias_gradient_of_answers", LINE, lambda s, t: signed(s[x].mean(axis=0), s, t),
         f"{node} = {x}.mean(axis=0)", "it is made of answers, and not of deltas", "own"),
        ("bias_gradient_of_other_layer", INPUT,
         lambda s, t: {delta: s[other]} if s[other].shape == s[delta].shape else {},
         f"{node} = {other}.sum(axis=0)",
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


def _biases(layer: int, delta: str, other: str, x: str) -> list[Mistake]:
    """Return mistakes of a layer's biases' gradient; other: the deltas of the other layer."""
    node = f"db{layer}"
    rows = [*_summed_wrongly(node, delta), *_made_of_others(node, layer, delta, other, x)]
    if layer == 1:
        rows.append(("bias_gradient_without_mask", INPUT, lambda s, t: {"dZ1": s["dA1"]},
                     "db1 = dA1.sum(axis=0)",
                     "it is made of dA1: the activation's slope is missing",
                     "own"))  # fmt: skip
    return [*made(node, rows), *scaled(node), not_divided(node, "gradient")]


MISTAKES: list[Mistake] = [*_biases(2, "dZ2", "dZ1", "A2"), *_biases(1, "dZ1", "dZ2", "A1")]
