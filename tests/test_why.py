"""Why: parts that add up to the margin, the least change that turns an answer, its neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import ConfigError, FormatError, Network, read_idx, shipped
from nnengine.analysis import likeness, why
from nnengine.analysis.counterfactual import least_change
from nnengine.data.synthetic import digits

IMAGES = 100
STRAIGHT = {
    "dense": ("dense 40, dense 20", "relu"),
    "leaky": ("dense 40, dense 20", "leaky_relu"),
    "none hidden": ([784, 10], "relu"),
    "windows": ("conv 4 5x5 stride 2 pad 2, norm, pool 2, conv 6 3x3, average 2, norm", "relu"),
    "steadied": ("dropout 0.2, conv 3 3x3, norm, pool 3 stride 2, norm, dense 16, norm", "relu"),
}


def made(layers, activation: str) -> Network:
    """A network of random numbers, biases and running statistics among them."""
    network = Network.build(layers, activation=activation, rng=5, image_shape=(28, 28), classes=10)
    rng = np.random.default_rng(6)
    for name, array in network.parameters().items():
        if not name.startswith("weights"):
            array += rng.uniform(0, 0.5, array.shape).astype(array.dtype)
    return network.snapshot()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return digits(IMAGES, seed=11).images


@pytest.fixture(scope="module")
def told(images):
    """By name: a network, and the shares of every image."""
    networks = {name: made(*description) for name, description in STRAIGHT.items()}
    return {name: (n, [why.shares(n, image) for image in images]) for name, n in networks.items()}


def by_hand() -> Network:
    return Network.from_parameters(
        {
            "weights_1": np.array([[1, -1], [2, 1]], np.float32),
            "biases_1": np.array([0.5, -3], np.float32),
            "weights_2": np.array([[1, 2], [3, -1]], np.float32),
            "biases_2": np.array([0.25, 0], np.float32),
        },
        activations=("relu", "identity"),
        input_scale=1,
    )


def test_two_pixels_through_two_units_are_worked_by_hand():
    """Hidden sums 1 + 4 + 0.5 and -1 + 2 - 3; answers 5.5 and 0; logits 5.75 and 11."""
    found = why.shares(by_hand(), np.array([1, 2], np.uint8))
    assert (1, 0) == (found.first, found.second)
    assert 5.25 == found.margin
    assert [1, 4] == found.pixels.ravel().tolist()
    assert {0: 0.5, 1: -0.25} == found.biases and 0.25 == found.start
    assert [5.5, 0] == found.units[0].ravel().tolist()
    assert [-5.75, 11] == found.units[1].ravel().tolist()
    assert (5, 0) == (found.speaks_for, found.speaks_against)
    assert 0 == found.error


def test_the_other_way_round_every_part_has_the_other_sign():
    found = why.shares(by_hand(), np.array([1, 2], np.uint8), 0, 1)
    assert -5.25 == found.margin and [-1, -4] == found.pixels.ravel().tolist()


def test_parts_add_up_to_the_margin_that_each_back_end_answers(back_end, told, images):
    """As exactly as a float32 of the engine can be, of the largest part."""
    for network, found in told.values():
        # Few at a time: of convolutions many would have kernels compiled that no other test wants.
        few = [network.logits(images[start : start + 10]) for start in range(0, IMAGES, 10)]
        logits = np.concatenate(few)
        for row, one in zip(logits, found, strict=True):
            assert one.exact
            margin = float(row[one.first] - row[one.second])
            parts = [*one.pixels.ravel(), *one.biases.values()]
            least = max(np.abs(parts).max(), np.abs(row).max())
            assert abs(sum(parts) - margin) <= 1e-5 * least


@pytest.mark.parametrize("name", STRAIGHT)
def test_units_of_each_layer_and_the_biases_behind_it_add_up_to_the_margin(name, told):
    for one in told[name][1][:20]:
        for n, units in enumerate(one.units):
            behind = sum(part for layer, part in one.biases.items() if layer > n)
            assert one.margin == pytest.approx(units.sum() + behind, abs=1e-9)


@pytest.mark.parametrize("name", ["windows", "steadied"])
def test_a_pixels_part_is_its_value_times_the_slope_found_by_central_differences(name, told):
    network, found = told[name]
    exact = network._with(network.theta.astype(np.float64))
    image, one = digits(IMAGES, seed=11).images[3], found[3]
    step = 1e-4  # of a level of 255
    for place in np.flatnonzero(image)[::17]:
        moved = np.repeat(image.astype(np.float64).reshape(1, -1), 2, axis=0)
        moved[:, place] += (step, -step)
        logits = exact.logits(moved)
        slope = np.diff(logits[:, one.first] - logits[:, one.second])[0] / (-2 * step)
        assert one.pixels.ravel()[place] == pytest.approx(slope * image.ravel()[place], abs=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_where_activations_bend_the_error_is_told_and_is_small(activation, images):
    network = made("dense 40, dense 20", activation)
    for image in images[:5]:
        found = why.shares(network, image)
        row, blank = network.logits(image)[0], network.logits(np.zeros_like(image))[0]
        assert not found.exact and not found.biases
        assert found.margin == pytest.approx(row[found.first] - row[found.second], abs=1e-4)
        assert found.start == pytest.approx(blank[found.first] - blank[found.second], abs=1e-4)
        assert 0 < abs(found.error) < 1e-3
        assert abs(found.error) == abs(found.margin - found.start - found.pixels.sum())
        assert abs(why.shares(network, image, steps=4).error) > 20 * abs(found.error)
        for units in found.units:
            assert units.sum() == pytest.approx(found.margin - found.start, abs=1e-3)


def test_without_ink_nothing_speaks_but_the_biases():
    network = made(*STRAIGHT["dense"])
    found = why.shares(network, np.zeros((28, 28), np.uint8))
    assert not found.pixels.any() and found.margin == pytest.approx(found.start)


def test_a_class_that_is_not_there_and_one_against_itself_are_refused():
    image = np.array([1, 2], np.uint8)
    with pytest.raises(ConfigError, match="class 2 of a network with 2: choose from 0 to 1"):
        why.shares(by_hand(), image, 2)
    with pytest.raises(ConfigError, match="class 1 against itself"):
        why.shares(by_hand(), image, 1, 1)
    with pytest.raises(FormatError, match="give one"):
        why.shares(by_hand(), np.zeros((2, 2), np.uint8))


# The least change --------------------------------------------------------------------------


def linear(weights, biases) -> Network:
    arrays = {"weights_1": np.array(weights, np.float32), "biases_1": np.array(biases, np.float32)}
    return Network.from_parameters(arrays, activations=("identity",), input_scale=1)


def test_the_least_change_of_two_pixels_is_worked_by_hand():
    """Logits 300 and 100: a byte of the first is worth 3, of the second 2; 67 * 3 is above 200."""
    found = least_change(linear([[3, 0], [0, 2]], [0, 0]), np.array([100, 50], np.uint8))
    assert [33, 50] == found.image.ravel().tolist() and [0] == found.places.tolist()
    assert (0, 1) == (found.before, found.after) and 67 / 255 == pytest.approx(found.ink)


def needs_every_pixel(network: Network, image: np.ndarray, found) -> bool:
    """Whether giving back any one of the changed pixels turns the answer back."""
    for place in found.places:
        without = found.image.copy()
        without.flat[place] = image.flat[place]
        if network.predict(without)[0] != found.before:
            return False
    return True


def turned(network: Network, images: np.ndarray) -> tuple[int, int]:
    """How many images are turned, and of how many of these every change is needed."""
    found = [least_change(network, image) for image in images]
    right = [
        one is not None and network.predict(one.image)[0] == one.after != network.predict(image)[0]
        for one, image in zip(found, images, strict=True)
    ]
    needed = [
        ok and needs_every_pixel(network, image, one)
        for one, image, ok in zip(found, images, right, strict=True)
    ]
    return sum(right), sum(needed)


def test_of_25_built_in_digits_all_are_turned_by_what_is_needed(images):
    all_, needed = turned(shipped("drawing"), images[:25])
    assert 25 == all_ and needed >= 23


def test_of_a_hundred_of_mnists_test_images_all_are_turned_by_what_is_needed(mnist_files):
    all_, needed = turned(
        shipped("original"), np.asarray(read_idx(mnist_files["test_images"]))[:100]
    )
    assert 100 == all_ and needed >= 90


def test_an_answer_is_turned_into_the_one_that_is_asked_for(images):
    network = shipped("drawing")
    for image in images[:5]:
        before = int(network.predict(image)[0])
        for to in ((before + 1) % 10, (before + 5) % 10):
            found = least_change(network, image, to)
            assert to == found.after == network.predict(found.image)[0]
            changed = np.flatnonzero(found.image != image)
            assert changed.tolist() == found.places.tolist()
            assert found.ink == np.abs(found.image.astype(int) - image).sum() / 255


def test_networks_of_windows_and_of_bends_are_turned_too(images):
    for network in (made(*STRAIGHT["windows"]), made("dense 40", "sigmoid")):
        found = least_change(network, images[0])
        assert found.after == network.predict(found.image)[0] != network.predict(images[0])[0]
        assert needs_every_pixel(network, images[0], found)


def test_an_answer_that_no_ink_can_turn_is_left():
    assert least_change(linear([[0, 0], [0, 0]], [1, 0]), np.array([9, 9], np.uint8)) is None


def test_what_cannot_be_turned_is_refused_with_words():
    network, image = linear([[3, 0], [0, 2]], [0, 0]), np.array([100, 50], np.uint8)
    with pytest.raises(ConfigError, match="class 0 is the answer already"):
        least_change(network, image, 0)
    with pytest.raises(ConfigError, match="class 7 is none of its classes"):
        least_change(network, image, 7)
    with pytest.raises(FormatError, match="of bytes"):
        least_change(network, image / 255)


# What is alike -----------------------------------------------------------------------------


def test_an_image_is_most_like_itself(back_end, images):
    for network in (shipped("drawing"), made(*STRAIGHT["none hidden"])):
        among = likeness.insides(network, images)
        rows, cosines = likeness.most_alike(network, images[7], among, 3)
        assert 7 == rows[0] and cosines[0] == pytest.approx(1, abs=1e-5)
        assert (np.diff(cosines) <= 0).all() and 3 == len(rows)


def test_of_too_many_images_evenly_spread_ones_are_kept(images):
    among = likeness.insides(by_hand_of(images), images, most_bytes=4 * 10 * 12)
    assert 12 == len(among.rows) == len(among.numbers)
    assert (0, IMAGES - 1) == (among.rows[0], among.rows[-1])
    with pytest.raises(ConfigError, match="insides of 10 numbers"):
        likeness.most_alike(shipped("drawing"), images[0], among)


def by_hand_of(images: np.ndarray) -> Network:
    return Network.build([images[0].size, 10, 10], rng=1)
