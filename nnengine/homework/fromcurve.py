"""From a curve alone: what may be wrong, the likeliest first, and what would tell it apart.

Losses, and accuracies where there are any, say far less than arrays do: several causes make one
curve. They are ranked as the training doctor ranks its questions, data before start before steps,
among those that the curve allows; each has the experiment that separates it from the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FormatError


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cause that a curve allows: its name, what speaks for it, the experiment that decides."""

    name: str
    evidence: str
    experiment: str


_EXPERIMENTS = {
    "pixels_scaled": "print X.max(): it should be 1, not 255; divide and run again",
    "weights_too_large": "print the loss before the first step: with small weights it is log(C)",
    "loss_exploding": "run with a tenth of the rate: if the loss then falls, it was the rate",
    "step_uphill": "change the sign of the step: if the loss then falls, that was it",
    "loss_sign": "look whether the loss is negative: -log of a probability never is",
    "softmax_overflow": "print Z2.max() before exp: beyond 700 (88 in float32) exp is infinite",
    "rate_too_high": "run with a tenth of the rate: the curve should become smooth",
    "rate_too_low": "run with ten times the rate: the loss should fall ten times as fast",
    "labels_shuffled": "train on ten images alone: a network learns even wrong labels by heart, so "
    "the loss falls, and the accuracy on other images stays at chance",
    "dead_units": "print (A1 > 0).mean(): near 0 all units are silent",
    "gradient_wrong": "save one step on the probe and run nnengine check on it",
    "single_class": "count A2.argmax() over a batch: one class alone means biases or data lead",
    "too_few_steps": "run ten times as long: the curve was still falling",
    "not_updated": "print abs(W1_new - W1).max(): 0 means that no step is taken",
}
_GUESS = "guessing costs"


def from_curve(
    losses: Sequence[float], accuracies: Sequence[float] | None = None, classes: int = 10
) -> list[Candidate]:
    """Return what may be wrong with a run, the likeliest first; nothing for one that learns.

    losses: one a step or epoch, NaN allowed. accuracies: in [0, 1], or percent. Raises FormatError
    for fewer than three.
    """
    values = np.asarray(losses, np.float64)
    if values.ndim != 1 or len(values) < 3:
        raise FormatError("a curve has at least three losses, one a line")
    chance = math.log(classes)
    finite = values[np.isfinite(values)]
    reached = _reached(accuracies)
    said = f"loss {values[0]:.3g} at first, {values[-1]:.3g} at the end"
    names: list[str] = []
    if len(finite) < len(values):
        names = ["pixels_scaled", "softmax_overflow", "loss_exploding", "weights_too_large"]
        if len(finite) and finite[0] < 2 * chance:
            names = ["loss_exploding", "softmax_overflow", "pixels_scaled"]
        said = f"the loss is no number from point {int(np.argmin(np.isfinite(values))) + 1} on"
    elif (values < 0).any():
        names, said = ["loss_sign", "gradient_wrong"], f"the loss is negative: {values.min():.3g}"
    elif np.ptp(values) == 0:
        names, said = ["not_updated", "dead_units"], f"the loss stays at {values[0]:.6g} exactly"
    else:
        names = _of_shape(values, chance, reached)
        if reached is not None:
            said += f", accuracy {reached:.1%}"
        said += f"; {_GUESS} {chance:.3g}"
    return [Candidate(name=n, evidence=said, experiment=_EXPERIMENTS[n]) for n in names]


def from_accuracy(accuracy: float, classes: int = 10) -> list[Candidate]:
    """Return what may be wrong where one accuracy, in [0, 1], is all there is; nothing above 85 %.

    Raises FormatError for what is no share.
    """
    if not 0 <= accuracy <= 1:
        raise FormatError(f"an accuracy of {accuracy:g}: a share from 0 to 1 is one")
    chance = 1 / classes
    if accuracy > 0.85:
        return []
    if accuracy < 0.6 * chance:  # less than guessing: it has learnt, and the wrong way round
        names = ["labels_shuffled", "single_class", "step_uphill"]
    elif accuracy < 1.6 * chance:
        names = ["labels_shuffled", "pixels_scaled", "single_class", "dead_units", "not_updated",
                 "gradient_wrong", "rate_too_high", "rate_too_low"]  # fmt: skip
    else:
        names = ["pixels_scaled", "gradient_wrong", "dead_units", "rate_too_high", "rate_too_low",
                 "too_few_steps"]  # fmt: skip
    said = f"accuracy {accuracy:.1%}; guessing reaches {chance:.0%}"
    return [Candidate(name=n, evidence=said, experiment=_EXPERIMENTS[n]) for n in names]


def _reached(accuracies: Sequence[float] | None) -> float | None:
    if accuracies is None or not len(accuracies):
        return None
    last = float(np.nanmean(np.asarray(accuracies, np.float64)[-3:]))
    return last / 100 if np.nanmax(accuracies) > 1 else last


def _of_shape(values: np.ndarray, chance: float, reached: float | None) -> list[str]:
    """Return the causes that a curve of numbers allows, by where it begins, ends and how."""
    begun, ended = values[0], float(values[-3:].mean())
    moved = np.diff(values)
    rough = float(np.abs(moved).sum()) > 4 * abs(ended - begun) + 0.2 * chance
    if ended > 1.1 * begun:
        return ["step_uphill", "rate_too_high", "loss_exploding"]
    if rough and ended > 0.3 * chance:
        return ["rate_too_high", "pixels_scaled"]
    if abs(ended - chance) < 0.05 * chance:
        flat = ["dead_units", "gradient_wrong", "rate_too_low", "labels_shuffled", "single_class"]
        return ["pixels_scaled", *flat] if begun > 4 * chance else flat
    if ended > 0.9 * begun:
        first = ["pixels_scaled", "weights_too_large"] if begun > 4 * chance else []
        return [*first, "rate_too_low", "gradient_wrong", "dead_units"]
    if reached is not None and reached < 0.2:
        return ["labels_shuffled", "gradient_wrong", "single_class"]
    late = values[len(values) // 2] - values[-1]
    if ended > 0.25 * chance and late > 0.05 * chance:
        return ["too_few_steps", "rate_too_low"]
    if ended > 0.5 * chance:
        return ["gradient_wrong", "dead_units"]
    return []


def curve_in(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return losses and accuracies among named arrays, or columns of one table.

    A table's columns are told by what is in them: accuracies lie in [0, 1] and rise, steps count.
    Raises FormatError where no curve is there.
    """
    words = {name.lower(): np.asarray(a, np.float64).squeeze() for name, a in arrays.items()}
    loss = next((a for n, a in words.items() if "loss" in n or "cost" in n), None)
    right = next((a for n, a in words.items() if "acc" in n), None)
    if loss is None and len(words) == 1:
        (table,) = words.values()
        if table.ndim == 1:
            return table, None
        columns = [c for c in table.T if not (np.diff(c) == 1).all()] if table.ndim == 2 else []
        if columns:
            return columns[0], columns[1] if len(columns) > 1 else None
    if loss is None or loss.ndim != 1:
        raise FormatError("no curve is in it: a column of losses, or a list called loss")
    return loss, right
