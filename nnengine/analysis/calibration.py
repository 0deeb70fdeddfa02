"""Calibration: of all answers given with 90 % certainty, nine in ten should be right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..core.arithmetic import calmly
from ..core.losses import check_labels
from ..core.network import Network
from ..errors import ConfigError, FormatError

COOLEST, HOTTEST = 0.05, 20.0  # temperatures outside are a sign of data that decide nothing
_HALVINGS = 40  # of a range of ln 400: the temperature is exact to eleven digits


@calmly
def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature, 0.05 to 20, at which softmax(logits / t) is the least surprised.

    logits: float (n, c), finite, of images the network was not trained on; labels: integers
    (n,) below c. Minimises the mean cross-entropy (Guo et al. 2017, "On calibration of modern
    neural networks"). Above 1 the network claims too much, below too little. The loss is convex
    in 1 / t, so halving the range by the sign of its slope finds the one minimum. Labels are
    smoothed as though one more image had been answered wrong (Platt 1999): without that, images
    that are all read rightly would ask for endless certainty. Logits that tell no classes apart
    give 1. Raises FormatError where the two do not fit together.
    """
    z, labels = _checked(logits, labels)
    count, classes = z.shape
    if classes < 2 or not np.ptp(z, axis=1).any():
        return 1.0
    z = z - z.max(axis=1, keepdims=True)  # the loss does not change, and nothing overflows
    true, wrong = z[np.arange(count), labels], 1 / (count + 2)
    others = (z.sum(axis=1) - true) / (classes - 1)
    wanted = float(((1 - wrong) * true + wrong * others).mean())
    low, high = math.log(1 / HOTTEST), math.log(1 / COOLEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        odds = np.exp(z * math.exp(middle))
        slope = float(((odds * z).sum(axis=1) / odds.sum(axis=1)).mean()) - wanted
        low, high = (low, middle) if slope > 0 else (middle, high)
    return math.exp(-(low + high) / 2)


@calmly
def tempered(network: Network, t: float) -> Network:
    """Return a network with the same answers whose probabilities are softmax(logits / t).

    The last layer's weights and biases are divided by `t`, so every format can save it. It can
    be trained on its own. Raises ConfigError unless `t` is a number above zero.
    """
    if not (isinstance(t, int | float | np.floating) and 0 < t < math.inf):
        raise ConfigError(f"temperature is {t!r}: give a number above zero; 1 changes nothing")
    other = network.copy()
    last = other.layers[-1]
    last.weights[:] /= other.dtype.type(t)
    last.biases[:] /= other.dtype.type(t)
    return other


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How sure a network was and how often it was right, in bins of certainty.

    edges: float64 (bins + 1,), 0 to 1; an answer falls into the bin whose upper edge it does
    not exceed. counts: int64 (bins,). certainty, accuracy: float64 (bins,) in [0, 1], means
    over the bin's answers, NaN where it has none.
    """

    edges: np.ndarray
    counts: np.ndarray
    certainty: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap, each bin weighed by its answers."""
        filled = self.counts > 0
        gaps = np.abs(self.accuracy - self.certainty)[filled]
        return float(gaps @ self.counts[filled] / self.counts.sum())


@calmly
def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> Reliability:
    """Return the certainties of the answers beside their accuracies, in `bins` equal bins.

    probabilities: float (n, c), rows sum to 1; labels: integers (n,) below c. Raises
    FormatError where they do not fit together, ConfigError for less than one bin.
    """
    p, labels = _checked(probabilities, labels)
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ConfigError(f"bins is {bins!r}: give a whole number above zero")
    if p.min() < 0 or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise FormatError("probabilities: every row must sum to 1; logits need softmax first")
    sure, right = p.max(axis=1), p.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    at = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    certainty, accuracy = (
        np.divide(
            np.bincount(at, weights=values, minlength=bins),
            counts,
            out=np.full(bins, np.nan),
            where=counts > 0,
        )
        for values in (sure, right)
    )
    return Reliability(edges=edges, counts=counts, certainty=certainty, accuracy=accuracy)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error, in [0, 1]: how far certainty is from accuracy.

    The mean over `bins` equal bins of certainty, weighed by their answers, of |accuracy -
    certainty| (Naeini et al. 2015; Guo et al. 2017 with 15 bins). Takes and raises what
    `reliability` does.
    """
    return reliability(probabilities, labels, bins).error


def _checked(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (float64 (n, c), integers (n,)), or raise FormatError."""
    rows, labels = np.asarray(rows, np.float64), np.asarray(labels)
    if rows.ndim != 2 or not rows.size or labels.shape != rows.shape[:1]:
        raise FormatError(
            f"scores of shape {rows.shape} and labels of shape {labels.shape} do not fit: give "
            "(n, classes) and (n,), n at least 1"
        )
    if not np.isfinite(rows).all():
        raise FormatError("scores hold values that are not finite: the network has diverged")
    if labels.dtype.kind not in "iu":
        raise FormatError(f"labels are {labels.dtype}: give whole numbers")
    check_labels(labels, rows.shape[1])
    return rows, labels
