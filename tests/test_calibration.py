"""Calibration: temperatures worked by hand, a network that keeps its answers, gaps that add up."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest

from nnengine import ConfigError, FormatError, Network, load
from nnengine.analysis.calibration import (
    COOLEST,
    HOTTEST,
    calibration_error,
    fit_temperature,
    reliability,
    tempered,
)
from nnengine.core.losses import softmax_cross_entropy


def loss(logits, labels, t: float) -> float:
    """The mean cross-entropy at a temperature, by the engine's own loss."""
    summed, _, _ = softmax_cross_entropy(np.asarray(logits) / t, np.asarray(labels, np.uint8))
    return summed / len(labels)


def odds_of(share: float, count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Two classes; the first leads by one logit every time and is right in this share of cases."""
    labels = (np.arange(count) >= round(share * count)).astype(np.int64)
    return np.tile([1.0, 0.0], (count, 1)), labels


# The temperature -------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.55, 0.75, 0.9])
def test_two_classes_get_the_certainty_that_they_deserve(share):
    """A lead of one logit that is right in 75 % of cases means 75 % at t = 1 / ln(3)."""
    logits, labels = odds_of(share)
    smoothed = share + (1 - 2 * share) / 1002  # one more image was answered wrong
    expected = 1 / math.log(smoothed / (1 - smoothed))
    assert expected == pytest.approx(fit_temperature(logits, labels), rel=1e-9)


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_labels_drawn_from_the_network_at_a_temperature_give_it_back(truth):
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 3, (20_000, 10))
    labels = (logits / truth + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert truth == pytest.approx(fit_temperature(logits, labels), rel=0.03)


def test_no_temperature_nearby_is_better():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 4, (5_000, 10)).astype(np.float32)
    labels = np.where(rng.random(5_000) < 0.8, logits.argmax(1), rng.integers(0, 10, 5_000))
    t = fit_temperature(logits, labels)
    best = loss(logits, labels, t)
    assert best <= min(loss(logits, labels, t * f) for f in (0.98, 0.995, 1.005, 1.02)) + 1e-6


def test_images_that_are_all_read_rightly_do_not_ask_for_endless_certainty():
    logits = np.tile([4.0, 0.0], (50, 1))
    t = fit_temperature(logits, np.zeros(50, int))
    p = 1 / (1 + math.exp(-4 / t))
    assert 1 - 1 / 52 == pytest.approx(p, rel=1e-6)


def test_the_temperature_is_bounded_on_both_sides():
    blunt = np.tile([1e-3, 0.0], (1000, 1))
    assert COOLEST == pytest.approx(fit_temperature(blunt, np.zeros(1000, int)))
    lost = np.tile([1e6, 0.0], (1000, 1))
    assert HOTTEST == pytest.approx(fit_temperature(lost, np.ones(1000, int)))


@pytest.mark.parametrize("logits", [np.zeros((4, 3)), np.ones((4, 1))])
def test_logits_that_tell_nothing_apart_are_left_as_they_are(logits):
    assert 1.0 == fit_temperature(logits, np.zeros(4, int))


def test_logits_a_thousand_apart_overflow_nothing():
    logits, labels = odds_of(0.75)
    with np.errstate(all="raise"):
        t = fit_temperature(logits * 10 + 1000, labels)
    assert 10 * fit_temperature(logits, labels) == pytest.approx(t, rel=1e-6)


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (np.zeros((3, 2)), [0, 1], "do not fit"),
        (np.zeros(3), [0, 1, 0], "do not fit"),
        (np.zeros((0, 2)), [], "do not fit"),
        ([[0.0, np.nan]], [0], "not finite"),
        ([[0.0, 1.0]], [2], "out of range"),
        ([[0.0, 1.0]], [0.5], "whole numbers"),
    ],
)
def test_what_does_not_fit_is_said(logits, labels, words):
    with pytest.raises(FormatError, match=words):
        fit_temperature(np.asarray(logits), np.asarray(labels))


# The network -----------------------------------------------------------------------------


@pytest.fixture
def network() -> Network:
    return Network.build([12, 8, 4], rng=3, image_shape=(3, 4), class_names="abcd")


@pytest.mark.parametrize("t", [0.5, 1.7, 4])
def test_a_tempered_network_answers_the_same_with_logits_divided(network, t):
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 4)).astype(np.uint8)
    other = tempered(network, t)
    np.testing.assert_allclose(network.logits(images) / t, other.logits(images), atol=1e-6)
    np.testing.assert_array_equal(network.predict(images), other.predict(images))
    assert (network.class_names, network.image_shape) == (other.class_names, other.image_shape)


def test_tempering_leaves_the_network_it_was_given_alone(network):
    before = network.theta.copy()
    tempered(network.snapshot(), 2.0)
    tempered(network, 2.0)
    np.testing.assert_array_equal(before, network.theta)


@pytest.mark.parametrize("kind", ["npz", "nnm"])
def test_a_tempered_network_is_saved_by_either_format(kind, tmp_path):
    network = Network.build([784, 10, 10], rng=3)
    warm = tempered(network, 1.5)
    warm.save(tmp_path / f"warm.{kind}")
    np.testing.assert_array_equal(warm.theta, load(tmp_path / f"warm.{kind}").theta)


@pytest.mark.parametrize("t", [0, -1, math.inf, math.nan, "2", None])
def test_a_temperature_that_cannot_be_is_refused(network, t):
    with pytest.raises(ConfigError, match="give a number above zero"):
        tempered(network, t)


# The gap ---------------------------------------------------------------------------------


def test_the_error_worked_by_hand():
    """0.9 twice and right once is a gap of 0.4; 0.6 and 0.7 both right one of 0.35."""
    sure = np.array([0.9, 0.9, 0.6, 0.7])
    p = np.stack([sure, 1 - sure], axis=1)
    labels = np.array([0, 1, 0, 0])
    found = reliability(p, labels, bins=4)
    np.testing.assert_array_equal([0, 0, 2, 2], found.counts)
    np.testing.assert_allclose([0.65, 0.9], found.certainty[2:])
    np.testing.assert_allclose([1.0, 0.5], found.accuracy[2:])
    assert np.isnan(found.certainty[:2]).all()
    assert 0.375 == pytest.approx(calibration_error(p, labels, bins=4))


def test_an_edge_belongs_to_the_bin_below_it_and_certainty_to_the_last():
    p = np.array([[0.5, 0.5], [1.0, 0.0]])
    np.testing.assert_array_equal([1, 1], reliability(p, np.array([0, 0]), bins=2).counts)


def test_one_bin_compares_the_means():
    p = np.array([[0.8, 0.2], [0.6, 0.4]])
    assert 0.2 == pytest.approx(calibration_error(p, np.array([0, 1]), bins=1))


def test_a_network_that_claims_too_much_is_put_right_by_its_temperature():
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (20_000, 10))
    labels = (logits / 2.5 + rng.gumbel(size=logits.shape)).argmax(axis=1)

    def error(t: float) -> float:
        odds = np.exp(logits / t)
        return calibration_error(odds / odds.sum(axis=1, keepdims=True), labels)

    assert error(1.0) > 0.2
    assert error(fit_temperature(logits[:10_000], labels[:10_000])) < 0.02


@pytest.mark.parametrize("bins", [0, -1, 1.5, True])
def test_bins_are_a_whole_number(bins):
    with pytest.raises(ConfigError, match="bins is"):
        calibration_error(np.array([[0.5, 0.5]]), np.array([0]), bins)


def test_logits_in_place_of_probabilities_are_noticed():
    with pytest.raises(FormatError, match="softmax first"):
        calibration_error(np.array([[2.0, -1.0]]), np.array([0]))


def test_a_tempered_network_has_the_lower_loss_and_keeps_it_in_a_file(network):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 3, 4)).astype(np.uint8)
    labels = np.where(rng.random(400) < 0.5, network.predict(images), rng.integers(0, 4, 400))
    t = fit_temperature(network.logits(images), labels)
    stream = io.BytesIO()
    tempered(network, t).save(stream)
    warm = load(stream.getvalue())
    assert warm.loss(images, labels)[0] < network.loss(images, labels)[0]
