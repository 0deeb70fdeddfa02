"""Metrics worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import Dataset, FormatError, Network
from nnengine.core import metrics

LABELS = np.array([0, 0, 0, 1, 1, 2], np.uint8)
ANSWERS = np.array([0, 1, 0, 1, 1, 0])
CONFUSION = np.array([[2, 1, 0], [0, 2, 0], [1, 0, 0]])


def test_accuracy_is_the_share_of_equal_labels():
    assert pytest.approx(4 / 6) == metrics.accuracy(ANSWERS, LABELS)


def test_confusion_counts_truth_by_row_and_answer_by_column():
    np.testing.assert_array_equal(CONFUSION, metrics.confusion_matrix(ANSWERS, LABELS, 3))


def test_precision_is_unknown_for_a_class_never_answered():
    np.testing.assert_allclose(metrics.precision(CONFUSION), [2 / 3, 2 / 3, np.nan])


def test_recall_is_the_share_of_a_class_that_was_found():
    np.testing.assert_allclose(metrics.recall(CONFUSION), [2 / 3, 1, 0])


def test_an_evaluation_agrees_with_the_network_itself(stripes):
    data, network = Dataset(*stripes), Network.build([64, 5, 3], rng=4)
    found = metrics.evaluate(network, data)
    assert pytest.approx(network.accuracy(data)) == found.accuracy
    assert pytest.approx(network.loss(data.images, data.labels)[0] / 300) == found.loss
    assert len(data) == found.confusion.sum()
    np.testing.assert_array_equal(network.predict(data), found.predictions)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)


def test_labels_the_network_cannot_answer_are_refused(stripes):
    with pytest.raises(FormatError, match="label 2 at index 2"):
        metrics.evaluate(Network.build([64, 2]), Dataset(*stripes))
