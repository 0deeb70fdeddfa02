"""Scenes: their numbers are the engine's, their sums agree, and what turns an answer turns it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import nnengine
from dashboard.present import scenes
from dashboard.present.answers import Answer
from dashboard.present.scenes import Look
from nnengine import ConfigError, Network, TrainingConfig, training
from nnengine.analysis.turning import slopes, turned
from nnengine.data.synthetic import digits

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid")


@pytest.fixture(scope="module")
def reader() -> Network:
    network = Network.build([784, 24, 16, 10], rng=2)
    for _ in training(network, digits(2_000), TrainingConfig(epochs=3, optimizer="adam")):
        pass
    return network.snapshot()


def answer(network: Network, image: np.ndarray) -> Answer:
    p = network.predict_proba(image)[0]
    first, second = np.argsort(-p)[:2].tolist()
    return Answer(p, first, second, network.class_names)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_products_shown_and_the_bias_add_up_to_the_engines_sum(activation):
    network = Network.build([784, 30, 10], activation=activation, rng=5)
    network.layers[0].biases[:] = np.linspace(-1, 1, 30)
    for image in digits(40, seed=3).images:
        one = scenes.unit_sum(network, image, 7)
        shown = one.terms.sum(dtype=np.float64) + one.bias
        assert abs(shown - one.total) <= 1e-5 * np.abs(one.terms).max()
        acted = {
            "relu": max(0, one.total),
            "leaky_relu": max(one.total, 0.01 * one.total),
            "tanh": np.tanh(one.total),
            "sigmoid": 1 / (1 + np.exp(-one.total)),
        }[activation]
        assert one.answer == pytest.approx(acted, abs=1e-6)  # fmt: skip
        assert one.answer == network.forward(image)[0][0, 7]


def test_the_three_parts_of_a_sum_are_written_as_they_add_up(reader):
    image = digits(3).images[2]
    html = scenes.scenes(reader, image, answer(reader, image), Look(yours=True))[1].html
    line = re.search('<p class="sum">(.*?)</p>', html)[1].replace("\u2212", "-")
    plus, minus, bias, total = map(float, re.findall(r"[-+]\d+\.\d+", line))
    assert total == pytest.approx(plus + minus + bias, abs=0.0021)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes_are_those_of_central_differences(activation):
    network = Network.build([36, 7, 5, 4], activation=activation, rng=1, dtype=np.float64)
    image = np.random.default_rng(0).uniform(20, 230, 36)
    found = slopes(network, image, 2, 0)
    assert [36, 7, 5] == [len(one) for one in found]
    for pixel in (0, 17, 35):
        step = np.zeros(36)
        step[pixel] = 0.01
        high, low = network.logits(image + step)[0], network.logits(image - step)[0]
        rise = ((high[2] - high[0]) - (low[2] - low[0])) / (0.02 * network.input_scale)
        assert found[0][pixel] == pytest.approx(rise, rel=1e-4, abs=1e-7)


def test_units_of_a_relu_network_are_ranked_by_parts_that_add_up_to_the_lead(reader):
    image = digits(1).images[0]
    said = answer(reader, image)
    made = reader.forward(image)
    parts = made[0][0] * slopes(reader, image, said.first, said.second)[1]
    ranked = scenes.by_part(reader, image, said.first, said.second)
    assert ranked[0] == parts.argmax()
    assert (np.diff(parts[ranked]) <= 0).all()
    # Piecewise linear: without the biases behind it, the lead is the sum of the parts.
    second = reader.layers[1]
    kept = (made[1][0] > 0) * (reader.layers[2].weights @ np.eye(10)[said.first]
                               - reader.layers[2].weights @ np.eye(10)[said.second])  # fmt: skip
    of_biases = second.biases @ kept + reader.layers[2].biases[said.first]
    of_biases -= reader.layers[2].biases[said.second]
    lead = made[2][0, said.first] - made[2][0, said.second]
    assert lead == pytest.approx(parts.sum() + of_biases, rel=1e-4)


def test_the_changed_digit_is_answered_otherwise_and_needs_each_of_its_bytes():
    reader, turns = nnengine.shipped("drawing"), 0
    for image in digits(20, seed=5).images:
        to = answer(reader, image).second
        other = turned(reader, image, to)
        assert other.dtype == np.uint8 and other.shape == image.shape
        assert to == reader.predict(other)[0]
        for place in np.flatnonzero(other != image):
            back = other.copy()
            back.flat[place] = image.flat[place]
            assert to != reader.predict(back)[0]
            turns += 1
    assert turns >= 20


def test_an_answer_that_so_few_bytes_do_not_turn_is_left_and_said(reader):
    image = digits(1).images[0]
    assert turned(reader, image, answer(reader, image).second, most=0) is None
    network = Network.build([784, 5, 10], rng=0)
    network.theta[:] = 0
    assert turned(network, image, 3) is None  # every slope is flat
    html = scenes.scenes(network, image, answer(network, image), Look(yours=True))[3].html
    assert "No 120 pixels were found that turn it" in html


def test_a_network_with_a_convolution_is_refused_in_words():
    network = Network.build("conv 2 3x3, dense 5", image_shape=(28, 28), classes=10, rng=0)
    assert not scenes.shows(network)
    with pytest.raises(ConfigError, match="layers that are not fully connected"):
        slopes(network, np.zeros((28, 28), np.uint8), 0, 1)


def test_the_four_scenes_hold_the_bytes_and_no_text_from_outside_unescaped(reader):
    network = reader.copy()
    network.class_names = tuple(f"<u>{i}" for i in range(10))
    image = digits(4).images[3]
    made = scenes.scenes(network, image, answer(network, image), Look(yours=True))
    assert scenes.NAMES == tuple(one.name for one in made)
    assert "<u>" not in "".join(one.html for one in made)
    shown = re.findall(r">(\d+)</td>", made[0].html)
    top, left = scenes._window(image)
    assert image[top : top + 7, left : left + 7].ravel().tolist() == list(map(int, shown))


def test_what_is_hidden_stands_in_no_scene(reader):
    image = digits(4).images[1]
    said = answer(reader, image)
    made = scenes.scenes(reader, image, said, Look(yours=True, hide=True))
    text = " ".join(re.sub("<[^>]*>", " ", f"{one.title} {one.html}") for one in made[1:])
    assert "stays hidden" in made[2].html and "stays hidden" in made[3].html
    assert "lead of" not in text and "read as" not in text
    assert f"answers {said.name}" not in text


def test_the_built_in_digit_is_a_four_to_the_network_that_comes_along():
    assert [4] == nnengine.shipped("drawing").predict(scenes.example()).tolist()
