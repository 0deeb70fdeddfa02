"""Losses: how wrong the logits are, and in which direction."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..fast.sparse import read_only


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
    labels = read_only(labels)
    loss, correct = kernels.softmax_cross_entropy(logits, labels, weight, gradient)
    return loss, correct, gradient
