"""From a curve alone: what may be wrong, the likeliest first, and what would tell it apart.

Losses, and accuracies where there are any, say far less than arrays do: several causes make one
curve. What they show is judged by the training doctor, and the causes are those by which it would
explain that, in its order, but for what the curve contradicts; each has the experiment that
separates it from the others.

Some are asked here alone. The doctor knows runs of this engine, in which no line is wrong: a step
uphill, a loss of the wrong sign, exp beyond its range, a wrong gradient and weights that are not
changed are mistakes of a program. And a rate it calls too high by the length of steps, of which a
curve has only that it is rough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..analysis import doctor
from ..analysis.thresholds import THRESHOLDS as T
from ..errors import FormatError


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cause that a curve allows: its name, what speaks for it, the experiment that decides."""

    name: str
    evidence: str
    experiment: str


_EXPERIMENTS = {
    "one_class_of_data": "count the labels: np.bincount(Y) should have numbers in every place",
    "labels_shuffled": "train on ten images alone: a network learns even wrong labels by heart, so "
    "the loss falls, and the accuracy on other images stays at chance",
    "labels_shifted": "print ten labels beside their images: each should be of its own image",
    "pixels_scaled": "print X.max(): it should be 1, not 255; divide and run again",
    "gradient_wrong": "save one step on the probe and run nnengine check on it",
    "not_updated": "print abs(W1_new - W1).max(): 0 means that no step is taken",
    "weights_too_large": "print the loss before the first step: with small weights it is log(C)",
    "step_uphill": "change the sign of the step: if the loss then falls, that was it",
    "loss_sign": "look whether the loss is negative: -log of a probability never is",
    "softmax_overflow": "print Z2.max() before exp: beyond 700 (88 in float32) exp is infinite",
    "bottleneck": "count the units: with 32 in every hidden layer the loss should fall further",
    "loss_exploding": "run with a tenth of the rate: if the loss then falls, it was the rate",
    "rate_too_high": "run with a tenth of the rate: the curve should become smooth",
    "saturation": "print (A1 * (1 - A1)).mean(), of tanh (1 - A1**2).mean(): near 0 they are flat",
    "vanishing_gradients": "print abs(dW1).mean() and abs(dW2).mean(): they should be of one size",
    "dead_units": "print (A1 > 0).mean(): near 0 all units are silent",
    "single_class": "count A2.argmax() over a batch: one class alone means biases or data lead",
    "rate_too_low": "run with ten times the rate: the loss should fall ten times as fast",
    "batch_too_large": "run with batches of 64: as many passes then make more steps",
    "too_few_steps": "run ten times as long: the curve was still falling",
}
_DATA = ("one_class_of_data", "labels_shuffled", "labels_shifted", "pixels_scaled")
_SLOW = {"rate_too_low", "batch_too_large", "too_few_steps"}  # a loss that falls, and goes on
# A flat loss contradicts these: one class would be learnt at once, the others would be seen.
_NOT_FLAT = {"one_class_of_data", "loss_exploding", "rate_too_high", "batch_too_large",
             "too_few_steps"}  # fmt: skip
_AT_CHANCE = {"one_class_of_data", "labels_shuffled", "single_class"}  # nothing is answered rightly


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
    reached = _reached(accuracies)
    found = doctor.of_curve(values.tolist(), reached, classes)
    symptom, names = _of_shape(values, classes, found.name if found else "", reached)
    said = f"loss {values[0]:.3g} at first, {values[-1]:.3g} at the end"
    if found and symptom:
        said = f"{found.sentence.rstrip('.')} ({'; '.join(found.evidence)})"
    if reached is not None:
        said += f", accuracy {reached:.1%}"
    return _candidates(names, said)


def from_accuracy(accuracy: float, classes: int = 10) -> list[Candidate]:
    """Return what may be wrong where one accuracy, in [0, 1], is all there is; nothing above 90 %.

    Raises FormatError for what is no share.
    """
    if not 0 <= accuracy <= 1:
        raise FormatError(f"an accuracy of {accuracy:g}: a share from 0 to 1 is one")
    chance = 1 / classes
    if accuracy > T["learns_well"].value:
        return []
    if accuracy < 0.6 * chance:  # less than guessing: it has learnt, and the wrong way round
        names = ["labels_shifted", "single_class", "step_uphill"]
    elif accuracy < chance + T["knows"].value:
        names = _with_own(doctor.causes("flat_loss"), "gradient_wrong", "not_updated")
    else:
        behind = [*doctor.causes("too_few_steps"), "too_few_steps"]
        behind = [name for name in behind if name not in _AT_CHANCE | {"loss_exploding"}]
        names = _with_own(behind, "gradient_wrong")
    return _candidates(names, f"accuracy {accuracy:.1%}; guessing reaches {chance:.0%}")


def _candidates(names: Sequence[str], evidence: str) -> list[Candidate]:
    known = [name for name in names if name in _EXPERIMENTS]
    return [Candidate(name=n, evidence=evidence, experiment=_EXPERIMENTS[n]) for n in known]


def _with_own(names: Sequence[str], *own: str) -> list[str]:
    """Return causes with those of a program: behind the data's, before those of its settings."""
    data = [name for name in names if name in _DATA]
    return [*data, *own, *(name for name in names if name not in data)]


def _reached(accuracies: Sequence[float] | None) -> float | None:
    if accuracies is None or not len(accuracies):
        return None
    last = float(np.nanmean(np.asarray(accuracies, np.float64)[-3:]))
    return last / 100 if np.nanmax(accuracies) > 1 else last


def _of_shape(
    values: np.ndarray, classes: int, found: str, reached: float | None
) -> tuple[str, list[str]]:
    """Return what the doctor found, where it is what the curve shows most, and causes allowed."""
    finite, chance = values[np.isfinite(values)], math.log(classes)
    large = not len(finite) or finite[0] >= T["exploding"].value * chance
    behind = [name for name in doctor.causes(found) if large or name != "pixels_scaled"]
    if len(finite) < len(values):
        own = ["softmax_overflow", *(["weights_too_large"] if large else [])]
        return found, [*behind, found, *own]
    if (values < 0).any():
        return "", ["loss_sign", "gradient_wrong"]
    if not np.ptp(values):
        return "", ["not_updated", "dead_units"]
    if found == "loss_exploding":
        return found, [*behind, found, "step_uphill"]
    ended, moved = float(values[-3:].mean()), float(np.abs(np.diff(values)).sum())
    if ended > 1.1 * values[0]:
        return "", ["step_uphill", "rate_too_high"]
    if moved > 4 * abs(ended - values[0]) + 0.2 * chance and ended > 0.3 * chance:
        return "", ["rate_too_high", "pixels_scaled"]
    if found == "flat_loss":
        return found, _with_own([n for n in behind if n not in _NOT_FLAT], "gradient_wrong")
    if reached is not None and reached < 1 / classes + T["knows"].value:
        return "", ["labels_shuffled", "gradient_wrong", "single_class"]
    if found == "too_few_steps":
        return found, [name for name in (*behind, found) if name in _SLOW]
    if finite.min() > (1 - T["underfit"].value) * chance:  # it has stopped half way
        stuck = [
            name for name in doctor.causes("too_few_steps") if large or name != "pixels_scaled"
        ]
        apart = _NOT_FLAT | _SLOW | _AT_CHANCE
        return "", _with_own([name for name in stuck if name not in apart], "gradient_wrong")
    return "", []


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
