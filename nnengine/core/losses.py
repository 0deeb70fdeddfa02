"""Losses: how wrong the logits are, and in which direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FormatError
from .arithmetic import calmly, formula, now, read_only


@formula
def softmax(logits: np.ndarray, probabilities: np.ndarray) -> None:
    """Put e^z / sum(e^z), row by row, into probabilities (may be the same array); rows sum to 1."""
    np.subtract(logits, logits.max(axis=1, keepdims=True), out=probabilities)
    np.exp(probabilities, out=probabilities)
    probabilities /= probabilities.sum(axis=1, keepdims=True)


def softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, *, count: int | None = None
) -> tuple[float, int, np.ndarray]:
    """Return (loss summed over the rows, right answers, gradient of the mean loss).

    logits: float (n, classes); labels: integers (n,) in 0..classes-1, trusted. `count` is the
    number of rows the mean is taken over, when these rows are a part of them (default: n).
    Gradient: float (n, classes), (softmax(logits) - onehot(labels)) / count. Computed from
    logits, with the row's maximum subtracted, so that no finite logit overflows
    (Goodfellow, Bengio & Courville, Deep Learning, 2016, section 4.1).
    """
    gradient = np.empty_like(logits)
    weight = logits.dtype.type(1 / (count or len(labels)))
    loss, correct = now.softmax_cross_entropy(logits, read_only(labels), weight, gradient)
    return loss, correct, gradient


# What is descended: `softmax_cross_entropy`, or what `targeted` returns.
Loss = Callable[..., tuple[float, int, np.ndarray]]


def targeted(smoothing: float = 0.0, class_weights: Any = None) -> Loss:
    """Return cross-entropy that is less sure of its labels, or counts some classes for more.

    smoothing: the share, in [0, 1), of each label that is spread over all classes (Szegedy et al.
    2016, section 7). class_weights: float (classes,), by which each class's part of a row's loss
    is multiplied. The mean is over the rows, whatever they weigh.
    """
    if not smoothing and class_weights is None:
        return softmax_cross_entropy

    def loss(logits: Any, labels: Any, *, count: int | None = None) -> tuple[float, int, Any]:
        rows, classes = logits.shape
        targets = np.full((rows, classes), smoothing / classes)
        targets[np.arange(rows), labels] += 1 - smoothing
        targets *= 1.0 if class_weights is None else class_weights
        return against(targets, logits, labels, 1 / (count or rows))

    return loss


@calmly
def against(targets: np.ndarray, logits: Any, labels: Any, weight: float) -> tuple:
    """Return (loss, right answers, gradient): -sum(t log p), and weight * (p sum(t) - t), a row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    gradient = (np.exp(logs) * targets.sum(axis=1, keepdims=True) - targets) * weight
    correct = int((logits.argmax(axis=1) == labels).sum())
    return -float((targets * logs).sum(dtype=np.float64)), correct, gradient.astype(logits.dtype)


@formula
def _softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, weight: float, gradient: np.ndarray
) -> tuple[float, int]:
    """Put (softmax(logits) - onehot(labels)) * weight into gradient; return (loss, right answers).

    The loss of a row is log(sum(e^(z - max))) - (z[label] - max). labels: uint8 (n,).
    """
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    true = shifted[rows, labels]
    exponentials = np.exp(shifted)
    totals = exponentials.sum(axis=1)
    np.divide(exponentials, totals[:, None], out=gradient)
    gradient[rows, labels] -= 1
    gradient *= gradient.dtype.type(weight)
    loss = float((np.log(totals) - true).sum(dtype=np.float64))
    # A NaN is never the largest of a row to anybody but argmax, which returns its place.
    correct = int((logits.argmax(axis=1) == labels).sum())
    return loss, correct


def check_labels(labels: np.ndarray, classes: int, *, what: str = "labels") -> None:
    """Raise FormatError unless whole numbers ``labels`` all lie in 0 to ``classes`` - 1.

    ``what`` is what the message calls them; it names the first offender by index and value.
    """
    labels = np.asarray(labels)
    outside = np.flatnonzero(~((labels >= 0) & (labels < classes)))  # NaN is outside as well
    if outside.size:
        first = int(outside[0])
        raise FormatError(
            f"{what}: label {labels.flat[first]} at index {first:,} is out of range: with "
            f"{classes} classes labels go from 0 to {classes - 1}"
            + (f" ({outside.size:,} such labels)" if outside.size > 1 else "")
            + "; check that the labels belong to this data or allow more classes"
        )
