"""Networks go to other processes, and are copied deep, as the numbers and settings they are."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingConfig, training
from nnengine.data import synthetic

TEXTS = ["", "dense 8", "conv 3 5x5, norm, pool 2, dropout 0.2, dense 8"]


@pytest.fixture
def digits() -> Dataset:
    return synthetic.digits(60, seed=2)


def trained(text: str, digits: Dataset) -> Network:
    names = [f"the {name}" for name in digits.class_names]
    made = Network.build(text, image_shape=(28, 28), class_names=names, input_scale=0.01, rng=4)
    list(training(made, digits, TrainingConfig(epochs=1)))
    return made


def by_pickle(network: Network) -> Network:
    return pickle.loads(pickle.dumps(network))


@pytest.mark.parametrize("copied", [by_pickle, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("text", TEXTS)
def test_a_copy_is_the_same_network_and_learns_on_its_own(text, copied, digits):
    made = trained(text, digits)
    other = copied(made)
    assert repr(made) == repr(other) and made.class_names == other.class_names
    assert made.training == other.training and made.input_scale == other.input_scale
    np.testing.assert_array_equal(made.predict_proba(digits), other.predict_proba(digits))
    before = made.theta.copy()
    list(training(other, digits, TrainingConfig(epochs=1, seed=3)))
    assert not np.array_equal(before, other.theta)
    np.testing.assert_array_equal(before, made.theta)
    for name, view in other.parameters().items():
        assert np.shares_memory(view, other.theta), name
    expected = made.copy()
    list(training(expected, digits, TrainingConfig(epochs=1, seed=3)))
    np.testing.assert_array_equal(expected.theta, other.theta)


@pytest.mark.parametrize("copied", [by_pickle, copy.deepcopy])
def test_a_copy_of_a_snapshot_is_frozen_too(copied, digits):
    other = copied(trained("dense 8", digits).snapshot())
    with pytest.raises(ValueError, match="read-only"):
        other.theta[0] = 1
