"""Fragility: distortions of exactly so much, what they cost, and what the remedy mends."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import (
    Augmentation,
    ConfigError,
    Dataset,
    FormatError,
    Network,
    TrainingConfig,
    training,
)
from nnengine.analysis.robustness import DISTORTIONS, distort, remedy, robustness


def crosses_and_bars(n=600, seed=1):
    """Images of 14x14 with a dash, a bar or a cross in the middle, in some noise."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 30, (n, 14, 14)).astype(np.uint8)
    labels = np.arange(n, dtype=np.uint8) % 3
    images[labels != 1, 6:8, 4:10] = 200
    images[labels != 0, 4:10, 6:8] = 200
    return Dataset(images, labels)


@pytest.fixture(scope="module")
def digits():
    return crosses_and_bars()


def trained(data, augmentation=None):
    """Return a network that has learnt the images."""
    network = Network.build([data.inputs, 32, data.classes], rng=3)
    config = TrainingConfig(
        epochs=60,
        batch_size=50,
        optimizer="adam",
        learning_rate=0.005,
        schedule="cosine",
        augmentation=augmentation,
    )
    for _ in training(network, data, config):
        pass
    return network


@pytest.fixture(scope="module")
def plain(digits):
    return trained(digits)


# distortions


@pytest.mark.parametrize("name", DISTORTIONS)
def test_the_undistorted_level_leaves_every_byte(digits, name, back_end):
    found = distort(digits.images, name, DISTORTIONS[name].undistorted)
    np.testing.assert_array_equal(digits.images, found)
    assert found.flags.writeable


@pytest.mark.parametrize("name", DISTORTIONS)
def test_levels_ascend_within_their_bounds_and_hold_the_undistorted_one(name):
    kind = DISTORTIONS[name]
    assert sorted(set(kind.levels)) == list(kind.levels)
    assert kind.least <= kind.levels[0] <= kind.undistorted < kind.levels[-1] <= kind.most
    assert kind.undistorted in kind.levels


@pytest.mark.parametrize("name", DISTORTIONS)
def test_every_level_worth_a_look_changes_images(digits, name):
    for level in DISTORTIONS[name].levels:
        changed = (distort(digits.images, name, level) != digits.images).any()
        assert changed == (level != DISTORTIONS[name].undistorted)


def test_images_are_moved_right_down_left_and_up_in_turn(back_end):
    images = np.zeros((5, 7, 7), np.uint8)
    images[:, 3, 3] = 9
    found = distort(images, "shift", 2)
    assert [[3, 5], [5, 3], [3, 1], [1, 3], [3, 5]] == np.argwhere(found)[:, 1:].tolist()
    assert {9} == set(found[found > 0])


def test_images_are_turned_one_way_and_the_other(back_end):
    images = np.random.default_rng(1).integers(0, 256, (3, 6, 6)).astype(np.uint8)
    found = distort(images, "rotation", 90)
    for image, turned, quarters in zip(images, found, (-1, 1, -1), strict=True):
        np.testing.assert_array_equal(np.rot90(image, quarters), turned)


def test_strokes_become_as_much_thicker_or_thinner_as_asked(back_end):
    images = np.zeros((1, 9, 15), np.uint8)
    images[:, :, 6:10] = 200  # four wide
    for level, expected in ((-2, 2), (-1, 3), (0, 4), (1, 5), (2, 6), (4, 8)):
        row = distort(images, "thickness", level)[0, 4]
        assert expected == row.sum() / 200


def test_noise_is_uniform_of_the_strength_asked_for():
    images = np.full((200, 8, 8), 100, np.uint8)
    change = distort(images, "noise", 0.2, 1).astype(int) - 100
    assert (-51, 51) == (change.min(), change.max())
    assert pytest.approx(51**2 / 3, rel=0.05) == (change**2).mean()
    np.testing.assert_array_equal(distort(images, "noise", 0.2, 1), change + 100)
    assert (distort(images, "noise", 0.2, 2) != change + 100).any()


def test_noise_stays_within_a_byte():
    found = distort(np.array([[[0, 255]]], np.uint8).repeat(500, axis=0), "noise", 1)
    assert 0.4 < (found[:, 0, 0] == 0).mean() < 0.6
    assert 0.4 < (found[:, 0, 1] == 255).mean() < 0.6


def test_inversion_is_dark_on_light():
    images = np.array([[[0, 255, 7]]], np.uint8)
    assert [[[255, 0, 248]]] == distort(images, "inversion", 1).tolist()


@pytest.mark.parametrize(
    ("name", "level", "message"),
    [
        ("wobble", 1, "distortion 'wobble' is not known: choose shift, rotation"),
        ("shift", -1, "shift of -1 cannot be shown: give 0 to 256 px"),
        ("thickness", -9, "thickness of -9 cannot be shown: give -8 to 8 px"),
        ("noise", float("nan"), "noise of nan cannot be shown"),
        ("inversion", 0.5, "inversion of 0.5 cannot be shown: give 0 or 1"),
    ],
)
def test_what_cannot_be_shown_is_refused(digits, name, level, message):
    with pytest.raises(ConfigError, match=message):
        distort(digits.images, name, level)


# what they cost


@pytest.mark.parametrize("name", DISTORTIONS)
def test_undistorted_images_are_read_as_ever(digits, plain, name):
    found = robustness(plain, digits, name)
    at = found.levels.index(DISTORTIONS[name].undistorted)
    assert (name, DISTORTIONS[name].levels, 600) == (found.name, found.levels, found.count)
    assert plain.accuracy(digits) == found.accuracies[at]


def test_accuracies_are_those_of_the_distorted_images(digits, plain):
    found = robustness(plain, digits, "inversion")
    expected = plain.accuracy(255 - digits.images, digits.labels)
    assert expected == found.accuracies[1]


def test_levels_and_sample_are_as_asked_and_the_seed_decides(digits, plain):
    found = robustness(plain, digits, "shift", levels=[3], sample=50, seed=4)
    assert ((3.0,), 1, 50) == (found.levels, len(found.accuracies), found.count)
    assert found == robustness(plain, digits, "shift", levels=[3], sample=50, seed=4)


@pytest.mark.parametrize("sample", [0, -1, 1.5, True])
def test_samples_that_cannot_be_are_refused(digits, plain, sample):
    with pytest.raises(ConfigError, match="give a whole number of images"):
        robustness(plain, digits, "shift", sample=sample)


def test_images_that_do_not_fit_the_network_are_refused(plain):
    with pytest.raises(FormatError, match="do not fit a network with 196 inputs"):
        robustness(plain, Dataset(np.ones((4, 3, 3), np.uint8), [0, 1, 2, 0]), "shift")


# the remedy


def test_remedies_turn_on_what_they_are_against():
    expected = {
        "shift": "shift",
        "rotation": "rotation",
        "thickness": "stroke_width",
        "noise": "noise",
        "inversion": "inversion",
    }
    for name in DISTORTIONS:
        amounts = remedy(name).as_dict()
        assert [expected[name]] == [field for field, amount in amounts.items() if amount]
    with pytest.raises(ConfigError, match="not known"):
        remedy("wobble")


@pytest.mark.parametrize(("name", "level"), [("shift", 3), ("inversion", 1)])
def test_a_network_trained_with_the_remedy_stands_where_the_plain_one_falls(
    digits, plain, name, level
):
    fresh = crosses_and_bars(seed=2)
    augmentation = Augmentation(shift=4) if name == "shift" else remedy(name)
    hardened = trained(digits, augmentation)
    fallen, standing = (
        robustness(network, fresh, name, levels=(0, level)).accuracies
        for network in (plain, hardened)
    )
    assert fallen[0] > 0.99 and fallen[1] < 0.7
    assert standing[0] > 0.95 and standing[1] > 0.95
