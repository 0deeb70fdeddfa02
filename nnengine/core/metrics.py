"""Metrics: how often a network is right, and which classes it takes for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .arithmetic import now
from .losses import check_labels, softmax_cross_entropy
from .network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a network did with a data set of n images in c classes.

    loss: mean cross-entropy in nats. accuracy: share of right answers in [0, 1]. confusion:
    int64 (c, c), how many images of class [row] were taken for class [column].
    predictions: int64 (n,). probabilities: float (n, c). precision, recall: float64 (c,) in
    [0, 1], NaN for a class never answered, or not in the data.
    """

    loss: float
    accuracy: float
    confusion: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Of the images taken for each class, the share that is of it."""
        return precision(self.confusion)

    @property
    def recall(self) -> np.ndarray:
        """Of the images of each class, the share taken for it."""
        return recall(self.confusion)


def evaluate(network: Network, dataset: Any) -> Evaluation:
    """Return what `network` does with `dataset`, which has images and labels.

    Raises FormatError when they do not fit.
    """
    check_labels(dataset.labels, network.classes)
    logits = network.logits(dataset)
    loss, _, _ = softmax_cross_entropy(logits, dataset.labels)
    probabilities = logits
    now.softmax(logits, probabilities)
    predictions = probabilities.argmax(axis=1)
    return Evaluation(
        loss=loss / len(dataset.labels),
        accuracy=accuracy(predictions, dataset.labels),
        confusion=confusion_matrix(predictions, dataset.labels, network.classes),
        predictions=predictions,
        probabilities=probabilities,
    )


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of predictions (n,) that equal the labels (n,), in [0, 1]."""
    return float(np.mean(np.asarray(predictions) == np.asarray(labels)))


def confusion_matrix(predictions: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return int64 (classes, classes): images of class [row] taken for class [column]."""
    cells = np.asarray(labels, np.int64) * classes + np.asarray(predictions, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def precision(confusion: np.ndarray) -> np.ndarray:
    """Return float64 (classes,): right answers over all times the class was answered."""
    return _share(np.diag(confusion), confusion.sum(axis=0))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Return float64 (classes,): right answers over all images of the class."""
    return _share(np.diag(confusion), confusion.sum(axis=1))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where the whole is zero: there is nothing to be right about."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
