"""Batch normalisation among windows: every back end, by hand, by differences, and folded."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import Network
from nnengine.core import layers
from nnengine.core.layers import Pass
from nnengine.core.losses import softmax_cross_entropy
from nnengine.kernels import numpy_
from nnengine.kernels.taken import described
from nnengine.storage.folding import folded
from nnengine.training.config import wanted
from tests.test_windows import NOBODY, NORMED, data_for, gradient_of, made, quick, same  # noqa: F401


def plain():
    """Return a network that sees one pixel: a norm, scale 2 and shift 0.5, and two classes."""
    network = Network.build("norm", image_shape=(1, 1), classes=2, input_scale=1)
    values = {"scales_1": [2], "shifts_1": [0.5], "means_1": [10], "variances_1": [4],
              "weights_2": [1, -1], "biases_2": [0, 0]}  # fmt: skip
    for name, value in values.items():
        network.parameters()[name].ravel()[:] = value
    return network


def step_of(k, network, images, labels, rate, target=None):
    target = network.theta if target is None else target
    made_of = np.float32(1), described(network), network.theta, target
    steps = k.window_steps(images, *made_of, numpy_.SGD, (), len(labels), wanted(2))
    count = np.array([len(labels)])
    batch = np.arange(len(labels)), labels, count, np.array([[rate]]), 1 / count, NOBODY
    return steps(*batch)[0].item()


def test_a_step_by_hand(k):
    # Pixels 1, 3, 8: mean 4, variance (9 + 1 + 16) / 3 = 26 / 3; among 2 instead of 3: 13.
    network = plain()
    images, labels = np.array([[1], [3], [8]], np.uint8), np.array([0, 1, 0], np.uint8)
    slope = 1 / np.sqrt(26 / 3 + 1e-5)
    even = np.array([-3, -1, 4]) * slope
    a = 2 * even + 0.5
    p = 1 / (1 + np.exp(-2 * a))  # of class 0: its logit is a, the other -a
    blame = (p - [1, 0, 1]) / 3  # for the first logit, and against the second
    da = 2 * blame
    loss = step_of(k, network, images, labels, 0.1)
    assert pytest.approx(-np.log([p[0], 1 - p[1], p[2]]).sum(), rel=1e-5) == loss
    by_hand = {
        "scales_1": 2 - 0.1 * (da * even).sum(),
        "shifts_1": 0.5 - 0.1 * da.sum(),
        "means_1": 10 + 0.1 * (4 - 10),
        "variances_1": 4 + 0.1 * (13 - 4),
        "weights_2": [1 - 0.1 * (a * blame).sum(), -1 + 0.1 * (a * blame).sum()],
        "biases_2": [-0.1 * blame.sum(), 0.1 * blame.sum()],
    }
    for name, value in by_hand.items():
        np.testing.assert_allclose(network.parameters()[name].ravel(), value, rtol=2e-6, atol=1e-7)


def test_answers_are_by_running_statistics_by_hand(back_end):
    logits = plain().logits(np.array([[16]], np.uint8))
    a = 2 * (16 - 10) / np.sqrt(4 + 1e-5) + 0.5
    np.testing.assert_allclose(logits, [[a, -a]], rtol=1e-6)


def test_a_gradient_holds_what_running_statistics_will_follow(k):
    network = plain()
    images, labels = np.array([[1], [3], [8]], np.uint8), np.array([0, 1, 0], np.uint8)
    before, gradient = network.theta.copy(), np.zeros_like(network.theta)
    step_of(k, network, images, labels, -1, gradient)
    np.testing.assert_array_equal(before, network.theta)
    np.testing.assert_allclose(gradient[2:4], [4, 13], rtol=1e-6)  # means, variances
    network.settle(gradient)
    np.testing.assert_allclose(network.theta[2:4], [10 - 0.6, 4 + 0.9], rtol=1e-6)
    assert [0, 0] == gradient[2:4].tolist()


def test_gradients_are_the_slopes_of_the_loss_of_a_batch(k):
    """Of weights, scales and shifts: a change of one moves the statistics of all images."""
    text = "conv 3 3x3 pad 1, norm, pool 2, norm, conv 4 2x2 stride 2, dense 6, norm"
    network, exact = (made(text, activation="tanh", dtype=kind) for kind in ("f4", "f8"))
    exact.theta[:] = network.theta
    images, labels = data_for(network, 19)
    gradient, _, _ = gradient_of(k, network, images, np.arange(19), labels)
    running = np.zeros(exact.theta.size, bool)
    for name, array in exact.parameters().items():
        begin = (array.ctypes.data - exact.theta.ctypes.data) // 8
        running[begin : begin + array.size] = name.startswith(("means", "variances"))

    def loss():
        way = Pass(exact.input_scale, rng=np.random.default_rng(0))
        logits = layers.forward(exact.layers, exact.as_inputs(images), way)[-1]
        return softmax_cross_entropy(logits, labels)[0] / 19

    for n in np.random.default_rng(1).choice(np.flatnonzero(~running), 60, replace=False):
        exact.theta[n] += 1e-6
        above = loss()
        exact.theta[n] -= 2e-6
        slope = (above - loss()) / 2e-6
        exact.theta[n] += 1e-6
        assert pytest.approx(slope, abs=1e-5) == gradient[n]


@pytest.mark.parametrize("count", [2, 17, 64, 100])
def test_dark_lanes_of_the_last_group_count_nowhere(k, count):
    """Images are those of a batch alone: zeros that fill the last sixteen have no part in means."""
    network = made("conv 5 3x3, norm, pool 2, norm", activation="relu")
    network.parameters()["biases_1"][:] = 3  # what a lane without an image would bring
    images, labels = data_for(network, count)
    batch = network, images, np.arange(count), labels
    for was, now in zip(gradient_of(numpy_, *batch), gradient_of(k, *batch), strict=True):
        same(was, now)


def test_a_folded_network_answers_the_same(back_end):
    network = made(NORMED)
    images, _ = data_for(network, 90)
    same(network.logits(images), folded(network).logits(images))
