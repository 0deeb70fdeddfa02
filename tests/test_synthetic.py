"""Synthetic digits: the same bytes everywhere, framed as MNIST's, and legible in all their ways."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingConfig, read_idx, training
from nnengine.core.metrics import accuracy, evaluate
from nnengine.data import framing, synthetic
from nnengine.data.synthetic import hands, ink, models
from nnengine.errors import ConfigError


@pytest.fixture(scope="module")
def sample() -> Dataset:
    """Images by hands that no other test here trains on."""
    return synthetic.digits(6000, seed=31)


@pytest.fixture(scope="module")
def reader() -> Network:
    """A network that was trained quickly on the default set: 784-128-10, Adam, 5 epochs."""
    network = Network.build([784, 128, 10], rng=0)
    config = TrainingConfig(epochs=5, optimizer="adam", learning_rate=0.001)
    for _ in training(network, synthetic.digits(), config):
        pass
    return network


def ways_of(n: int, seed: int, *, every_way: bool = False) -> np.ndarray:
    """Return which of all the ways each image is written in."""
    return np.concatenate([found.ways for _, found in hands.pieces(n, seed, every_way)])


# --- the same everywhere ----------------------------------------------------------------------


def test_the_bytes_are_these_on_every_machine():
    """The same with NumPy 1.26 and 2 on x86, and in WebAssembly, where whole numbers have 32 bits.

    A change of the models changes it, and with it every figure measured on these digits.
    """
    expected = "f9d04731c8153014228dfffec8928cdd824e55f73a890e36ca9c1abd2fe6bcb4"
    assert expected == synthetic.digits(1000, seed=3).digest


def test_the_paths_are_these_on_every_machine():
    expected = "1c8d8189049387e1f287c44375de33fe07c777341aacbcb60049e4a8cc77853b"
    parts = (part.tobytes() for part in synthetic.strokes(1000, seed=3))
    assert expected == hashlib.sha256(b"".join(parts)).hexdigest()


def test_another_seed_writes_other_digits():
    here, there = synthetic.digits(200, seed=0), synthetic.digits(200, seed=1)
    assert not (here.images == there.images).all(axis=(1, 2)).any()


@pytest.mark.parametrize("count", [1, 7, 499, 500, 501])
def test_fewer_are_the_first_of_more(count):
    more, fewer = synthetic.digits(600, seed=5), synthetic.digits(count, seed=5)
    np.testing.assert_array_equal(more.images[:count], fewer.images)
    np.testing.assert_array_equal(more.labels[:count], fewer.labels)


def test_no_two_images_are_alike(sample):
    assert sample.count == len({image.tobytes() for image in sample.images})


# --- what it holds ----------------------------------------------------------------------------


def test_it_is_a_data_set_of_ten_classes_even_where_few_are_drawn():
    data = synthetic.digits(3)
    assert ("digits", 3, 10, (28, 28)) == (data.name, data.count, data.classes, data.image_shape)
    assert tuple("0123456789") == data.class_names


def test_twelve_thousand_is_the_default():
    assert 12_000 == len(synthetic.strokes()[2])


@pytest.mark.parametrize("count", [10, 95, 1234])
def test_the_classes_are_balanced_up_to_one(count):
    counts = synthetic.digits(count, seed=2).class_counts()
    assert counts.max() - counts.min() <= 1


def test_every_ten_hold_each_digit_in_an_order_of_their_own(sample):
    tens = sample.labels.reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(tens, axis=1), np.tile(np.arange(10), (len(tens), 1)))
    assert len(np.unique(tens, axis=0)) > 0.99 * len(tens)


def test_every_way_of_writing_occurs_as_often_as_its_weight_says():
    n = 20_000
    found = np.bincount(ways_of(n, seed=8), minlength=sum(map(len, synthetic.WAYS)))
    weights = [np.array([way[0] for way in group]) for group in synthetic.WAYS]
    expected = np.concatenate([n / 10 * weight / weight.sum() for weight in weights])
    np.testing.assert_array_less(np.abs(found - expected), 4.5 * np.sqrt(expected) + 1e-9)


def test_asked_for_every_way_all_occur_as_often():
    n = 20_000
    found = np.bincount(ways_of(n, seed=8, every_way=True))
    expected = np.concatenate([[n / 10 / len(group)] * len(group) for group in synthetic.WAYS])
    np.testing.assert_array_less(np.abs(found - expected), 4.5 * np.sqrt(expected))


def test_asked_for_every_way_each_image_still_shows_its_usual_digit():
    usual, every = synthetic.digits(200, seed=9), synthetic.digits(200, seed=9, every_way=True)
    np.testing.assert_array_equal(usual.labels, every.labels)
    assert 0.1 < (usual.images == every.images).all(axis=(1, 2)).mean() < 0.9


# --- framing ----------------------------------------------------------------------------------


def test_the_ink_is_twenty_pixels_on_its_longer_side(sample):
    lengths = []
    for axis in (1, 2):
        inked = sample.images.any(axis=axis)
        lengths.append(28 - inked[:, ::-1].argmax(axis=1) - inked.argmax(axis=1))
    assert {20} == set(np.maximum(*lengths).tolist())


def test_the_strongest_pixel_is_full_and_the_ground_is_empty(sample):
    assert {255} == set(sample.images.max(axis=(1, 2)).tolist())
    assert np.median(sample.images) == 0


def test_the_centre_of_mass_lies_within_the_middle_pixel(sample):
    """Save where the shift would cut ink: 32 in 60,000, and then the pixel beside it."""
    mass = sample.images.sum(axis=(1, 2), dtype=np.int64)
    for axis in (1, 2):
        lines = sample.images.sum(axis=3 - axis, dtype=np.int64)
        centre = (lines * (2 * np.arange(28) + 1)).sum(axis=1) // (2 * mass)
        assert np.mean(centre == 14) > 0.999
        assert np.abs(centre - 14).max() <= 1


def test_framing_a_digit_again_leaves_it_as_it_is(sample):
    same = [np.array_equal(image, framing.to_image(image)) for image in sample.images[:1000]]
    assert np.mean(same) > 0.98


# --- strokes ----------------------------------------------------------------------------------


def test_paths_fill_a_box_of_one():
    points, down, labels = synthetic.strokes(500, seed=4)
    assert (np.float32, bool, np.uint8) == (points.dtype, down.dtype, labels.dtype)
    assert (500, synthetic.STEPS, 2) == points.shape
    assert (500, synthetic.STEPS) == down.shape
    np.testing.assert_array_equal(0, points.min(axis=1))
    np.testing.assert_array_equal(1, points.max(axis=(1, 2)))


def test_the_pen_is_lifted_once_a_stroke_and_moves_on_evenly_while_down():
    points, down, _ = synthetic.strokes(2000, seed=4)
    assert not down[:, 0].any()
    strokes = (~down).sum(axis=1)
    table = [way[1].count("/") + 1 for group in synthetic.WAYS for way in group]
    np.testing.assert_array_equal(np.array(table)[ways_of(2000, seed=4)], strokes)
    moves = np.sqrt((np.diff(points, axis=1) ** 2).sum(axis=2))
    assert moves[down[:, 1:]].max() < 0.2
    assert np.median(moves[down[:, 1:]]) < 0.03


def test_paths_are_those_the_digits_are_inked_along():
    """Where the path of the same number passes, there is ink."""
    data = synthetic.digits(300, seed=6)
    points, _, labels = synthetic.strokes(300, seed=6)
    np.testing.assert_array_equal(labels, data.labels)
    covered = []
    for image, path in zip(data.images, points, strict=True):
        inked = [np.flatnonzero(image.any(axis=axis)) for axis in (0, 1)]
        low = np.array([line[0] for line in inked]) + 1
        room = np.array([line[-1] - line[0] - 1 for line in inked])
        x, y = (low + path / np.maximum(path.max(axis=0), 1e-6) * room).T.astype(int)
        covered.append((image[y, x] > 0).mean())
    assert np.mean(covered) > 0.95


def test_the_curve_goes_through_its_points_and_straight_lines_stay_straight():
    rows = models.curve([0, 1, 2], places=4)
    np.testing.assert_array_equal(np.eye(3), rows[::4, :3])
    np.testing.assert_array_equal(np.arange(9) / 4, rows[:, :3] @ [0, 1, 2])


def test_a_path_is_read_as_points_corners_and_strokes():
    points, strokes = models.parsed("0,10 20,30* 40,50 / 60,-70 80,90")
    np.testing.assert_array_equal(
        [[0, 0.1], [0.2, 0.3], [0.4, 0.5], [0.6, -0.7], [0.8, 0.9]], points
    )
    assert [[[0, 1], [1, 2]], [[3, 4]]] == strokes


def test_both_ends_of_a_way_have_the_same_structure():
    for group in synthetic.WAYS:
        for _, here, there in group:
            assert models.parsed(here)[1] == models.parsed(there)[1]


# --- ink --------------------------------------------------------------------------------------


def test_a_round_dot_is_inked_as_worked_by_hand():
    """A pen of half width 2 at a pixel's middle: full up to 1.5 away, half at 2, none at 2.5."""
    points, pens = np.full((1, 1, 2), 10.5, np.float32), np.full((1, 1), 2, np.float32)
    image = ink.drawn(points, pens)[0]
    np.testing.assert_allclose([1, 1, 0.5, 0], image[10, 10:14])
    np.testing.assert_allclose([1, 1, 0.5, 0], image[10:6:-1, 10])
    assert image[11, 11] == pytest.approx(1)
    assert image[12, 11] == pytest.approx(2.5 - np.sqrt(5), abs=1e-6)
    assert image[12, 12] == 0


def test_a_dot_at_a_corner_between_pixels_inks_all_four_alike():
    points, pens = np.full((1, 1, 2), 10, np.float32), np.full((1, 1), 1, np.float32)
    image = ink.drawn(points, pens)[0]
    np.testing.assert_allclose(np.full((2, 2), 1.5 - np.sqrt(0.5)), image[9:11, 9:11], atol=1e-6)
    assert 4 == np.count_nonzero(image[8:12, 8:12] > 0.3)


def test_chance_is_even_where_it_should_be_and_near_the_middle_where_it_should_be():
    bits = np.random.PCG64(1).random_raw(200_000)
    even, near = hands.even_chances(bits), hands.near_chances(bits)
    for values, variance in ((even, 1 / 3), (near, 1 / 6)):  # of one, of a mean of two
        assert -1 <= values.min() < -0.99 and 0.99 < values.max() < 1
        assert 0 == pytest.approx(values.mean(), abs=0.01)
        assert variance == pytest.approx(values.var(), rel=0.02)
    assert -1 == hands.even_chances(np.uint64(0)) == hands.near_chances(np.uint64(0))
    middle = np.uint64(2**63 + 2**31)
    assert 0 == pytest.approx(hands.even_chances(middle), abs=1e-9)
    assert 0 == hands.near_chances(middle)


# --- legible ----------------------------------------------------------------------------------


def test_a_quick_training_reads_the_digits_of_other_hands(reader):
    assert evaluate(reader, synthetic.digits(10_000, seed=999)).accuracy > 0.95


def test_every_way_of_writing_is_read_by_a_network_trained_on_other_hands():
    network = Network.build([784, 128, 10], rng=0)
    config = TrainingConfig(epochs=5, optimizer="adam", learning_rate=0.001)
    for _ in training(network, synthetic.digits(every_way=True), config):
        pass
    data = synthetic.digits(20_000, seed=77, every_way=True)
    ways = ways_of(20_000, seed=77, every_way=True)
    right = evaluate(network, data).predictions == data.labels
    share = np.bincount(ways, right) / np.bincount(ways)
    assert share.min() > 0.7, (
        f"way {share.argmin()} of digit {data.labels[ways == share.argmin()][0]}"
    )


def test_a_network_that_never_saw_mnist_reads_it(reader, mnist_files):
    """MNIST's training images, for these digits were written with an eye on them; 89 % measured."""
    images, labels = read_idx(mnist_files["train_images"]), read_idx(mnist_files["train_labels"])
    assert accuracy(reader.predict(np.asarray(images)), np.asarray(labels)) > 0.85


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, -1, 1_000_001, 2.5, "ten", None, True])
def test_a_number_that_cannot_be_is_refused(n):
    with pytest.raises(ConfigError, match="n is .* whole number from 1 to 1,000,000"):
        synthetic.digits(n)
    with pytest.raises(ConfigError, match="n is"):
        synthetic.strokes(n)


@pytest.mark.parametrize("seed", [-1, 0.5, "seed", None, False])
def test_a_seed_that_cannot_be_is_refused(seed):
    with pytest.raises(ConfigError, match="seed is .* whole number from 0"):
        synthetic.digits(10, seed)


def test_numpy_numbers_will_do():
    expected = synthetic.digits(10, seed=2**40)
    assert expected.digest == synthetic.digits(np.int32(10), seed=np.int64(2**40)).digest


def test_twelve_thousand_take_seconds():
    """About one second of one core; five leave room for a slow machine."""
    synthetic.digits(10)
    start = time.process_time()
    synthetic.digits()
    assert time.process_time() - start < 5
