"""Scenes: their numbers are the engine's, their sums agree, and what turns an answer turns it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import nnengine
from dashboard.present import scenes
from dashboard.present.answers import Answer
from dashboard.present.scenes import Look
from nnengine import Network, TrainingConfig, training
from nnengine.analysis.explain import trace
from nnengine.data.synthetic import digits


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


def test_the_three_parts_of_a_sum_are_written_as_they_add_up(reader):
    image = digits(3).images[2]
    html = scenes.scenes(reader, image, answer(reader, image), Look(yours=True))[1].html
    line = re.search('<p class="sum">(.*?)</p>', html)[1].replace("\u2212", "-")
    plus, minus, bias, total = map(float, re.findall(r"[-+]\d+\.\d+", line))
    assert total == pytest.approx(plus + minus + bias, abs=0.0021)


def test_units_of_a_relu_network_are_ranked_by_parts_that_add_up_to_the_lead(reader):
    image = digits(1).images[0]
    said = answer(reader, image)
    one, two, three = reader.layers
    made = reader.forward(image)
    # Piecewise linear: a unit's part is its answer, times the weights of the ways that are open.
    ends = three.weights[:, said.first] - three.weights[:, said.second]
    kept = (made[1][0] > 0) * ends
    parts = made[0][0] * (two.weights @ kept)
    ranked = scenes.by_part(trace(reader, image), said.first, said.second)
    assert ranked[0] == parts.argmax()
    assert (np.diff(parts[ranked]) <= 1e-5).all()
    of_biases = two.biases @ kept + three.biases[said.first] - three.biases[said.second]
    lead = made[2][0, said.first] - made[2][0, said.second]
    assert lead == pytest.approx(parts.sum() + of_biases, rel=1e-4)


def test_the_last_scene_says_how_many_pixels_turn_the_answer_and_frames_them():
    reader, image = nnengine.shipped("drawing"), digits(20, seed=5).images[4]
    said = answer(reader, image)
    last = scenes.scenes(reader, image, said, Look(yours=True))[3]
    count = int(re.search(r"and (\d+) pixels? would have changed it", last.title)[1])
    assert count == len(re.findall('<i class="(?:more|less)"', last.html)) > 0
    assert f"read as {said.names[said.second]}" in last.html


def test_an_answer_that_no_ink_turns_is_left_and_said():
    image, network = digits(1).images[0], Network.build([784, 5, 10], rng=0)
    network.theta[:] = 0  # every slope is flat
    html = scenes.scenes(network, image, answer(network, image), Look(yours=True))[3].html
    assert "No change of ink was found that turns it into 1" in html


def test_of_a_network_with_a_convolution_there_are_no_scenes():
    network = Network.build("conv 2 3x3, dense 5", image_shape=(28, 28), classes=10, rng=0)
    assert not scenes.shows(network)


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
