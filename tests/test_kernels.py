"""Every kernel on every back end: worked by hand, and against the formula in float64."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from nnengine import kernels
from nnengine.errors import ConfigError
from nnengine.kernels import numpy_

WIDTHS = [1, 10, 16, 17, 64, 128]  # below, at and above the vectors' sixteen lanes


@pytest.fixture(params=kernels.BACK_ENDS)
def k(request):
    """One back end's kernels, or a skip that says why it cannot be had."""
    reason = kernels.available()[request.param]
    if reason:
        pytest.skip(f"{request.param} kernels: {reason}")
    return __import__(f"nnengine.kernels.{request.param}_", fromlist=["_"])


@pytest.fixture(params=[np.float32, np.float64])
def real(request):
    """Both types a network can have."""
    return request.param


def sparse_bytes(rng, n, fan_in):
    """Images of bytes, four in five of them zero, one image all dark."""
    x = rng.integers(0, 256, (n, fan_in)).astype(np.uint8)
    x[rng.random((n, fan_in)) < 0.8] = 0
    x[0] = 0
    return x


def close(expected, actual, real):
    """Compare at about the precision that sums of a few hundred terms leave."""
    tolerance = 2e-5 if real is np.float32 else 1e-12
    scale = np.abs(expected).max() + 1
    np.testing.assert_allclose(actual, expected, atol=tolerance * scale, rtol=0)


def test_every_back_end_has_every_name_of_the_contract(k):
    assert [name for name in kernels.NAMES if not callable(getattr(k, name, None))] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_bytes_go_forward_as_their_scaled_product(k, real, width):
    rng = np.random.default_rng(1)
    x = sparse_bytes(rng, 9, 50)
    w, b = rng.normal(size=(50, width)).astype(real), rng.normal(size=width).astype(real)
    z = np.full((9, width), np.nan, real)
    k.bytes_forward(x, real(1 / 255), w, b, z)
    close(x / 255 @ w.astype(float) + b, z, real)


@pytest.mark.parametrize("width", WIDTHS)
def test_bytes_gradients_add_to_what_is_there(k, real, width):
    rng = np.random.default_rng(2)
    x = sparse_bytes(rng, 9, 50)
    dz = rng.normal(size=(9, width)).astype(real)
    dw, db = np.ones((50, width), real), np.full(width, 2, real)
    k.bytes_backward(x, real(1 / 255), dz, dw, db)
    close(1 + (x / 255).T @ dz, dw, real)
    close(2 + dz.sum(axis=0, dtype=float), db, real)


def packed(k, x):
    """Return starts, places and values as the back end packs x."""
    starts = np.zeros(len(x) + 1, np.int64)
    k.count_pixels(x, starts)
    places, values = np.empty(starts[-1], np.uint16), np.empty(starts[-1], np.uint8)
    k.pack_pixels(x, starts, places, values)
    return starts, places, values


def test_packing_lists_the_pixels_that_are_not_zero(k):
    x = np.array([[0, 7, 0, 9], [0, 0, 0, 0], [5, 0, 0, 0]], np.uint8)
    starts, places, values = packed(k, x)
    assert [0, 2, 2, 3] == starts.tolist()
    assert [1, 3, 0] == places.tolist()
    assert [7, 9, 5] == values.tolist()


def test_unpacking_gives_the_chosen_images_back_in_any_order():
    x = sparse_bytes(np.random.default_rng(3), 20, 30)
    rows = np.array([4, 0, 19, 4])
    np.testing.assert_array_equal(x[rows], numpy_.unpack(*packed(numpy_, x), rows, 30))


@pytest.mark.parametrize("width", WIDTHS)
def test_packed_images_go_forward_and_back_as_their_bytes_would(k, width):
    rng = np.random.default_rng(4)
    x = sparse_bytes(rng, 300, 40)
    rows = rng.integers(0, 300, 50)
    lists = (*packed(k, x), rows)
    w, b = rng.normal(size=(40, width)).astype("f4"), rng.normal(size=width).astype("f4")
    z = np.empty((50, width), np.float32)
    k.packed_forward(*lists, np.float32(1 / 255), w, b, z)
    close(x[rows] / 255 @ w.astype(float) + b, z, np.float32)

    dz = rng.normal(size=(50, width)).astype("f4")
    dw, db = np.ones_like(w), np.ones_like(b)
    k.packed_backward(*lists, np.float32(1 / 255), dz, dw, db)
    close(1 + (x[rows] / 255).T @ dz, dw, np.float32)
    close(1 + dz.sum(axis=0, dtype=float), db, np.float32)


@pytest.mark.parametrize(("fan_in", "width"), [(10, 10), (16, 3), (33, 16), (128, 10), (64, 64)])
def test_dense_layers_go_forward_and_back_by_the_formulas(k, real, fan_in, width):
    rng = np.random.default_rng(6)
    x = np.maximum(rng.normal(size=(7, fan_in)), 0).astype(real)
    w, b = rng.normal(size=(fan_in, width)).astype(real), rng.normal(size=width).astype(real)
    z, dz = np.empty((7, width), real), rng.normal(size=(7, width)).astype(real)
    k.dense_forward(x, w, b, z)
    close(x.astype(float) @ w + b, z, real)
    dw, db, dx = np.ones_like(w), np.ones_like(b), np.empty_like(x)
    k.dense_backward(x, w, dz, dw, db, dx)
    close(1 + x.T.astype(float) @ dz, dw, real)
    close(1 + dz.sum(axis=0, dtype=float), db, real)
    close(dz.astype(float) @ w.T, dx, real)


ACTIVATIONS = {
    numpy_.RELU: lambda z: np.maximum(z, 0),
    numpy_.LEAKY_RELU: lambda z: np.where(z < 0, 0.01 * z, z),
    numpy_.TANH: np.tanh,
    numpy_.SIGMOID: lambda z: 1 / (1 + np.exp(-z)),
    numpy_.IDENTITY: lambda z: z,
}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_follow_their_formulas_and_stay_finite(k, real, kind):
    z = np.array([[-1e4, -3.0, -0.5, 0.0], [0.5, 3.0, 80.0, 1e4]], real)
    expected = ACTIVATIONS[kind](np.clip(z.astype(float), -700, 1e4))
    expected = z.astype(float) * 0.01 if kind == numpy_.LEAKY_RELU else expected
    if kind == numpy_.LEAKY_RELU:
        expected = np.where(z < 0, expected, z)
    if kind == numpy_.IDENTITY:
        expected = z.astype(float)
    a = z.copy()
    k.activate(a, kind)
    np.testing.assert_allclose(a, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_slopes_agree_with_central_differences(k, kind):
    z, step = np.array([[-2.0, -0.3, 0.4, 1.7]]), 1e-6
    a = z.copy()
    k.activate(a, kind)
    slope = np.ones_like(z)
    k.activation_backward(a, slope, kind)
    function = ACTIVATIONS[kind]
    expected = (function(z + step) - function(z - step)) / (2 * step)
    np.testing.assert_allclose(slope, expected, atol=1e-8)


def test_a_dead_relu_passes_no_blame(k, real):
    a, da = np.array([[0.0, 2.0]], real), np.array([[5.0, 5.0]], real)
    k.activation_backward(a, da, numpy_.RELU)
    assert da.tolist() == [[0.0, 5.0]]


def test_softmax_of_huge_logits_does_not_overflow(k, real):
    logits = np.array([[1e30, 1e30, -1e30], [3.0, 3.0, 3.0]], real)
    k.softmax(logits, logits)
    np.testing.assert_allclose(logits, [[0.5, 0.5, 0], [1 / 3] * 3], rtol=1e-6)


def test_uniform_logits_cost_log_of_class_count(k, real):
    logits, gradient = np.zeros((2, 4), real), np.empty((2, 4), real)
    labels = np.array([0, 3], np.uint8)
    loss, correct = k.softmax_cross_entropy(logits, labels, real(0.5), gradient)
    assert pytest.approx(2 * np.log(4), rel=1e-6) == loss
    assert 1 == correct  # of equals the first is the answer
    np.testing.assert_allclose(gradient[0], [-0.375, 0.125, 0.125, 0.125], rtol=1e-6)


def test_a_loss_of_nan_logits_is_not_finite(k, real):
    logits, gradient = np.full((1, 3), np.nan, real), np.empty((1, 3), real)
    loss, _ = k.softmax_cross_entropy(logits, np.zeros(1, np.uint8), real(1), gradient)
    assert not np.isfinite(loss)


def test_gradient_descent_steps_against_the_gradient(k, real):
    theta = np.array([1.0, -2.0], real)
    k.sgd(theta, np.array([0.5, 1.0], real), real(0.5))
    assert [0.75, -2.5] == theta.tolist()


def test_momentum_remembers_half_of_its_speed(k, real):
    theta, velocity = np.zeros(1, real), np.zeros(1, real)
    for expected in (-1.0, -2.5):  # speeds -1, then -0.5 - 1
        k.momentum(theta, np.ones(1, real), velocity, real(1), real(0.5))
        assert expected == theta[0]


def test_adam_takes_the_step_worked_by_hand(k, real):
    theta, mean, square = np.array([1.0], real), np.zeros(1, real), np.zeros(1, real)
    numbers = [real(n) for n in (0.1, 0.9, 0.99, 1e-8)]
    k.adam(theta, np.array([2.0], real), mean, square, *numbers)
    assert pytest.approx(0.2, rel=1e-6) == mean[0]
    assert pytest.approx(0.04, rel=1e-6) == square[0]
    assert pytest.approx(1 - 0.1 * 0.2 / 0.2, abs=1e-6) == theta[0]


def test_an_unknown_back_end_is_refused_with_the_choice():
    with pytest.raises(ConfigError, match="choose auto, numba or numpy"):
        kernels.use("cuda")


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


WITHOUT_NUMBA = "import sys; sys.modules['numba'] = None\n"


def test_without_numba_auto_takes_numpy_and_says_why():
    code = WITHOUT_NUMBA + "from nnengine import kernels; print(kernels.name, kernels.reason)"
    found = run(code, NNENGINE_KERNELS="auto").stdout
    assert found.startswith("numpy numba cannot be had here")


def test_without_numba_asking_for_it_fails_loudly():
    found = run(WITHOUT_NUMBA + "import nnengine", NNENGINE_KERNELS="numba")
    assert "kernels 'numba' cannot be had here" in found.stderr


def test_asking_for_numpy_takes_numpy():
    code = "from nnengine import kernels; print(kernels.name)"
    assert "numpy\n" == run(code, NNENGINE_KERNELS="numpy").stdout
