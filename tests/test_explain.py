"""Explain: the terms that are shown are what the engine adds up, forwards, backwards, in a step."""

from __future__ import annotations

import os

import numpy as np
import pytest

from nnengine import ConfigError, FormatError, Network
from nnengine.analysis import corelines
from nnengine.analysis.explain import place, trace
from nnengine.analysis.explainback import back, number_of, step, whose
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data.idxheader import encode_header

MANY = 1000 if "NNENGINE_LONG" in os.environ else 60  # images of each network on each back end
# Each with one activation a layer with weights; all for images of 12 x 12.
NETWORKS = {
    "dense relu": ("dense 32", "relu"),
    "dense sigmoid": ("dense 24, dense 16", ("sigmoid", "tanh")),
    "deep dense": ("dense 40, dense 30, dense 20, dense 10", "leaky_relu"),
    "conv and pool": ("conv 4 5x5 stride 2 pad 2, pool 2, conv 5 2x2, average 2, dense 12", "relu"),
    "conv and norm": ("conv 3 3x3, norm, pool 3 stride 2, dropout 0.2, flatten, norm, dense 9",
                      "tanh"),
}  # fmt: skip


def built(name, dtype=np.float32):
    """Return a network with nothing left at its beginning: biases and norms of their own."""
    text, activation = NETWORKS[name]
    rng = np.random.default_rng(4)
    network = Network.build(
        text, activation=activation, rng=rng, image_shape=(12, 12), classes=7, dtype=dtype,
        initializer="glorot",
    )  # fmt: skip
    for at, array in network.parameters().items():
        if not at.startswith("weights"):
            array[:] = rng.uniform(0.5, 1.5, array.shape) * (-1) ** ("biases" in at)
            array[:] = array * 0.1 if at.startswith(("biases", "means")) else array
    return network


def drawings(count, seed=6):
    """Return uint8 (count, 12, 12), of which three pixels in five are zero."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 12, 12))
    return (images * (rng.random(images.shape) < 0.4)).astype(np.uint8)


def off(terms):
    """Return how far a sum is from the engine's, as a share of its largest term."""
    parts = np.append(terms.products.ravel(), terms.bias).astype(np.float64)
    return abs(parts.sum() - terms.total) / max(np.abs(parts).max(), 1e-30)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_terms_of_many_images_add_up_to_the_engines_sums(name, back_end):
    network, images = built(name), drawings(MANY)
    logits, probabilities = network.logits(images), network.predict_proba(images)
    worst = 0.0
    for n, image in enumerate(images):
        found = trace(network, image)
        for layer, sums in enumerate(found.sums):
            worst = max(worst, off(found.unit(layer, (7 * n + layer) % len(sums))))
        last = found.softmax(n % 7)
        # Kernels of a whole network add up in another order than its layers do.
        np.testing.assert_allclose(last.logits, logits[n], rtol=0, atol=2e-5 * np.abs(logits).max())
        np.testing.assert_allclose(last.probabilities, probabilities[n], atol=3e-6)
        np.testing.assert_allclose(last.exponentials / last.total, last.probabilities, atol=1e-6)
        assert abs(last.loss - (np.log(last.total) - last.shifted[n % 7])) < 1e-5
    assert worst <= 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_every_units_terms_and_answer_are_the_engines(name, back_end):
    found = trace(network := built(name), drawings(1)[0])
    for layer, of in enumerate(network.layers):
        assert len(found.answers[layer]) == np.prod(of.spec.after(of.shape))
        for unit in range(len(found.sums[layer])):
            terms = found.unit(layer, unit)
            assert off(terms) <= 1e-5, (layer, unit)
            if terms.activation == "identity":
                assert terms.total == terms.answer
            answered = np.array([terms.total], np.float32)
            getattr(corelines.activations, terms.activation)(answered)
            np.testing.assert_allclose(terms.answer, answered[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_terms_on_the_way_back_are_the_engines_deltas_and_gradients(name, back_end):
    network, images = built(name), drawings(5)
    rng = np.random.default_rng(1)
    for n, image in enumerate(images):
        gradient = np.zeros_like(network.theta)
        network.gradient(image[None], np.array([n], np.uint8), gradient)
        way = back(trace(network, image), n)
        np.testing.assert_allclose(way.gradient, gradient, rtol=1e-4, atol=1e-6)
        for layer, blames in enumerate(way.blames):
            for unit in rng.integers(len(blames), size=12):
                terms = way.unit(layer, int(unit))
                assert off(terms) <= 1e-5, (layer, unit)
                np.testing.assert_allclose(terms.delta, terms.total * terms.slope, rtol=1e-5)
        for number in rng.integers(len(gradient), size=60):
            try:
                assert off(way.parameter(int(number))) <= 1e-5, number
            except ConfigError:
                assert whose_name(network, number).startswith(("means", "variances"))


def whose_name(network, number):
    start = 0
    for name, array in network.parameters().items():
        start += array.size
        if number < start:
            return name


@pytest.mark.parametrize("name", ["dense sigmoid", "conv and norm", "conv and pool"])
def test_terms_of_gradients_agree_with_central_differences(name):
    network, image = built(name, np.float64), drawings(1)
    label, nudge, losses = np.array([3], np.uint8), 1e-6, [0.0, 0.0]
    way = back(trace(network, image[0]), 3)
    for number in np.random.default_rng(2).integers(len(network.theta), size=60):
        if not whose_name(network, number).startswith(("means", "variances")):
            value = network.theta[number]
            for n, nudged in enumerate((value + nudge, value - nudge)):
                network.theta[number] = nudged
                losses[n] = network.loss(image, label)[0]
            network.theta[number] = value
            slope = (losses[0] - losses[1]) / (2 * nudge)
            np.testing.assert_allclose(way.parameter(int(number)).products.sum(), slope, atol=2e-8)


def test_numbers_worked_by_hand():
    network = Network.build([4, 2, 2], dtype=np.float64, image_shape=(2, 2), input_scale=0.1)
    parameters = network.parameters()
    parameters["weights_1"][:] = [[1, -1], [2, 0.5], [0, 1], [-1, 3]]
    parameters["biases_1"][:] = [0.5, -9]
    parameters["weights_2"][:] = [[1, 0], [0, 2]]
    parameters["biases_2"][:] = [0, 1]
    found = trace(network, np.array([[10, 20], [0, 5]], np.uint8))  # x is 1, 2, 0 and 0.5
    unit = found.unit(0, 0)
    np.testing.assert_allclose(unit.products.ravel(), [1, 4, 0, -0.5])
    assert [1, 0, 3] == unit.strongest(9).tolist()
    assert (5.0, 5.0, 0.0) == (unit.total, unit.answer, found.unit(0, 1).answer)
    np.testing.assert_allclose(found.softmax(0).shifted, [0, -4])
    odds = 1 / (1 + np.exp(4))  # that it is the second, which it is said to be
    way = back(found, 1)
    np.testing.assert_allclose(way.deltas[1], [1 - odds, odds - 1])
    np.testing.assert_allclose(way.unit(0, 0).delta, 1 - odds)
    assert (0.0, 0.0) == (way.unit(0, 1).slope, way.unit(0, 1).delta)
    number = number_of(network, 0, "weights", 2)  # of the second pixel for the first unit
    np.testing.assert_allclose(way.gradient[number], 2 * (1 - odds))
    moved = step(way, "sgd", 0.5)
    np.testing.assert_allclose(moved.after[number], 2 - 0.5 * 2 * (1 - odds))
    assert 2 == moved.before[number] == network.theta[number]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_is_the_one_that_the_optimizer_takes(optimizer, back_end):
    network = built("conv and pool")
    way = back(trace(network, drawings(1)[0]), 2)
    theta = network.theta.copy()
    OPTIMIZERS[optimizer](theta, rate=0.01).step(way.gradient.copy())
    moved = step(way, optimizer, 0.01)
    assert (theta == moved.after).all() and (network.theta == moved.before).all()
    assert moved.optimizer == moved.line.function or optimizer == "adamw"
    if optimizer == "adam":  # the bias corrections are in its numbers: the step is one of its rate
        mean, square = moved.carried["mean"], moved.carried["square"]
        shown = moved.numbers["rate"] * mean / (np.sqrt(square) + moved.numbers["epsilon"])
        np.testing.assert_allclose(moved.before - moved.after, shown, atol=1e-6)


def test_floats_are_followed_as_their_bytes_are():
    network, image = built("dense relu"), drawings(1)[0]
    one, other = trace(network, image), trace(network, image.astype(np.float64))
    np.testing.assert_allclose(one.logits, other.logits, rtol=1e-5, atol=1e-6)
    assert one.unit(0, 3).pixel_bytes is not None and other.unit(0, 3).pixel_bytes is None
    np.testing.assert_allclose(back(one, 1).gradient, back(other, 1).gradient, atol=1e-5)


def test_an_offset_is_where_the_byte_lies_in_the_file():
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 4), np.uint8)
    raw = encode_header(images) + images.tobytes()
    for index, pixel in ((0, 0), (3, 17), (4, 23)):
        at = place(16, index, (6, 4, 1), pixel)
        assert images[index].flat[pixel] == raw[at.offset]
        assert at.offset == 16 + index * 24 + pixel
    with pytest.raises(ConfigError, match="0 to 23"):
        place(16, 0, (6, 4, 1), 24)


@pytest.mark.parametrize("name", corelines.NAMES)
def test_every_number_knows_the_line_that_computes_it(name):
    found = corelines.line(name)
    lines = (corelines._ROOT / found.path).read_text().splitlines()
    assert lines[found.number - 1].strip() == found.code
    assert found.path.startswith("nnengine/")
    assert any(f"def {under}{found.function}(" in text for text in lines for under in ("", "_"))


def test_what_cannot_be_followed_is_refused():
    network = built("conv and norm")
    with pytest.raises(FormatError, match="2 images: give one"):
        trace(network, drawings(2))
    found = trace(network, drawings(1)[0])
    with pytest.raises(ConfigError, match="no unit 3000 in layer 0"):
        found.unit(0, 3000)
    with pytest.raises(FormatError, match="label 7"):
        back(found, 7)
    with pytest.raises(ConfigError, match="choose one of sgd"):
        step(back(found, 1), "leap")
    with pytest.raises(ConfigError, match="above zero"):
        step(back(found, 1), "sgd", 0.0)
    with pytest.raises(ConfigError, match="no gradient moves it"):
        whose(network, number_of(network, 1, "means", 0))
