"""Answers of networks that look at images a window at a time: every back end, any number."""

from __future__ import annotations

import contextlib
import importlib
import sys
import tracemalloc

import numpy as np
import pytest

from nnengine import Dataset, Evaluated, Network, TrainingConfig, kernels, training
from nnengine.core import layers
from nnengine.core.layers import Pass
from nnengine.kernels.taken import described
from tests.test_windows import TEXTS, data_for, made, quick, same  # noqa: F401  (a fixture)


def by_formula(network, images):
    """Return logits as the textbook has them, whoever does the sums otherwise."""
    return layers.forward(network.layers, network.as_inputs(images), Pass(network.input_scale))[-1]


def compiled(name):
    """Return a module of the back end in use."""
    package = importlib.import_module(kernels._MODULES[kernels.name], kernels.__name__)
    return sys.modules[f"{package.__name__}.{name}"]


def test_an_answer_by_hand(back_end):
    # Pixels 1 2 3, a window of two, one map: z = 2 x + 3 x' + 1 = 9, 14; logits 9 - 14 = -5 and 0.
    network = Network.build("conv 1 1x2", image_shape=(1, 3), classes=2, input_scale=1)
    values = {"weights_1": [2, 3], "biases_1": [1], "weights_2": [1, 0, -1, 0], "biases_2": [0, 0]}
    for name, value in values.items():
        network.parameters()[name].ravel()[:] = value
    image = np.array([[1, 2, 3]], np.uint8)
    assert [[-5, 0]] == network.logits(image).tolist()
    odds = np.exp(-5) / (1 + np.exp(-5))
    np.testing.assert_allclose(network.predict_proba(image), [[odds, 1 - odds]], rtol=1e-5)
    assert [1] == network.predict(image).tolist() and 1 == network.accuracy(image, [1])


@pytest.mark.parametrize("text", TEXTS)
def test_answers_are_those_of_the_formulas(back_end, text):
    for geometry in ((9, 8, 1), (10, 9, 3)):
        network = made(text, geometry)
        images, labels = data_for(network, 300)
        exact = by_formula(network, images)
        same(exact, network.logits(images))
        odds = np.exp(exact.astype(float))
        same(odds / odds.sum(axis=1, keepdims=True), network.predict_proba(images))
        loss, right = network.loss(images, labels)
        assert pytest.approx(right / 300) == network.accuracy(images, labels)
        assert pytest.approx(-np.log(odds[range(300), labels] / odds.sum(axis=1)).sum()) == loss


@pytest.mark.parametrize("text", [TEXTS[1], TEXTS[-1]])
def test_an_answer_depends_on_its_image_alone(quick, text):  # noqa: F811
    network = made(text)
    images, _ = data_for(network, 300)
    whole = network.logits(images)
    for rows in (slice(1), slice(7, 23), slice(40, 105), slice(299, 300)):
        np.testing.assert_array_equal(whole[rows], network.logits(images[rows]))
    np.testing.assert_array_equal(whole[::-1], network.logits(images[::-1]))


@pytest.mark.skipif(sys.platform == "emscripten", reason="a tab has one thread")
def test_any_number_of_threads_gives_the_same_bits(quick, monkeypatch):  # noqa: F811
    found = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NNENGINE_THREADS", count)
        network = made(TEXTS[1])
        images, _ = data_for(network, 1_000)
        found.append((network.logits(images), network.predict_proba(images)))
    for other in found[1:]:
        for one, another in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, another)


def test_a_run_and_the_network_it_leaves_say_the_same(quick):  # noqa: F811
    """The last point of the curve, and what the network answers to whoever asks: the same bits."""
    network = made(TEXTS[1], classes=3)
    images, labels = data_for(network, 300)
    data = Dataset(images.reshape(-1, 9, 8), labels)
    config = TrainingConfig(iterations=6, batch_size=40, optimizer="adam", learning_rate=0.01)
    points = [e for e in training(network, data, config, data) if isinstance(e, Evaluated)]
    assert points[-1].val_accuracy == network.accuracy(data)
    measured = np.empty((300, 3), np.float32)
    scale, theta = np.float32(network.input_scale), network.theta
    kernels.window_loss(images, labels, scale, described(network), theta, measured)
    np.testing.assert_array_equal(measured, network.logits(data))


def test_weights_that_were_changed_are_answered_by(quick):  # noqa: F811
    """One of them, in place: whoever has the weights in tiles still must see it."""
    network, other = made(TEXTS[1]), made(TEXTS[0])
    images, _ = data_for(network, 5)
    for n in (0, network.theta.size // 2, network.theta.size - 1):
        before = network.logits(images)
        np.testing.assert_array_equal(before, network.logits(images))
        other.logits(images)  # in between
        np.testing.assert_array_equal(before, network.logits(images))
        network.theta[n] += 1
        same(by_formula(network, images), network.logits(images))
    network.parameters()["biases_5"][3] = np.nan
    assert [3] == np.flatnonzero(np.isnan(network.logits(images)[0])).tolist()
    network.parameters()["biases_5"][3] = 0
    same(by_formula(network, images), network.logits(images))


def test_networks_that_are_too_large_for_kernels_are_answered_by_formulas(quick, monkeypatch):  # noqa: F811
    from nnengine.kernels import taken

    network = made(TEXTS[0])
    images, _ = data_for(network, 70)
    monkeypatch.setattr(taken, "LARGEST", 50)
    assert "layers as large as these" == taken.too_much(network)
    np.testing.assert_array_equal(by_formula(network, images), network.logits(images))


def test_floats_and_doubles_are_answered_by_formulas(back_end):
    single, double = made(TEXTS[0]), made(TEXTS[0], dtype=np.float64)
    images, _ = data_for(single, 70)
    for network, asked in ((single, images / 2), (double, images), (double, images / 2)):
        answers = network.logits(asked)
        assert network.dtype == answers.dtype
        np.testing.assert_array_equal(by_formula(network, asked), answers)


def test_many_images_are_answered_in_pieces(quick, monkeypatch):  # noqa: F811
    """Whatever a network makes of an image, 640 kB here, never lies about for all of them."""
    monkeypatch.setenv("NNENGINE_THREADS", "1")  # each has room of its own for sixteen
    network = made("conv 64 3x3 pad 1, pool 2, conv 64 3x3 pad 1, pool 2", (40, 40, 1))
    images, _ = data_for(network, 600)
    network.logits(images[:64])
    tracemalloc.start()
    network.logits(images)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 4 * sum(network.sizes[1:])


# Compiling ----------------------------------------------------------------------------------


@pytest.fixture
def uncompiled(quick, monkeypatch):  # noqa: F811
    """Have kernels of windows look as if nobody had compiled them; return what is asked for."""
    if kernels.name != "numba":
        pytest.skip("numba is not here")
    answers, asked = compiled("window_answers"), []
    missing = [True]

    @contextlib.contextmanager
    def compiling(name, shares):
        asked.append((name, shares))
        missing[:] = [False]
        yield iter(["windows"])

    monkeypatch.setattr(answers, "_at_hand", False)
    monkeypatch.setattr(answers, "is_missing", lambda kernel: missing[0])
    monkeypatch.setattr(answers.helpers, "compiling", compiling)
    return asked


def test_a_drawing_does_not_wait_for_the_compiler(uncompiled):
    network = made(TEXTS[1])
    images, _ = data_for(network, 9)
    np.testing.assert_array_equal(by_formula(network, images), network.logits(images))
    assert [] == uncompiled


def test_many_images_have_kernels_compiled_by_another_process_once(uncompiled):
    network = made(TEXTS[1])
    images, _ = data_for(network, 600)
    same(by_formula(network, images), network.logits(images))
    network.logits(images[:1])
    assert [("nnengine.kernels.compiled", [["windows"]])] == uncompiled
