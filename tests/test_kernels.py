"""Every kernel on every back end: worked by hand, and against the formula in float64."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from nnengine import kernels
from nnengine.core import layers
from nnengine.data.augment import affine_numbers, stroke_number
from nnengine.errors import ConfigError
from nnengine.fast.groups import BLOCK
from nnengine.fast.groups import slice_images as group
from nnengine.kernels import numpy_

WIDTHS = [1, 10, 16, 17, 64, 128]  # below, at and above the vectors' sixteen lanes


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


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 784, 10), (33, 17, 128)])
def test_products_along_rows_are_the_same_products(monkeypatch, real, shape):
    """What NumPy computes by in a browser, where it has no BLAS; transposed views come too."""
    monkeypatch.setattr(layers, "ALONG_ROWS", True)
    n, k, m = shape
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((n, k)).astype(real), rng.standard_normal((k, m)).astype(real)
    out = np.full((n, m), np.nan, real)
    assert numpy_.product(a, b, out=out) is out
    close(a.astype(float) @ b.astype(float), out, real)
    close(b.T.astype(float) @ a.T.astype(float), numpy_.product(b.T, a.T), real)


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


@pytest.mark.parametrize("pixels", [1, 63, 64, 65, 784])
def test_packing_finds_every_pixel_of_images_of_any_size(k, pixels):
    x = np.random.default_rng(5).integers(0, 2, (30, pixels)).astype(np.uint8) * 200
    x[3], x[4] = 0, 255  # one image all dark, one all light
    starts, places, values = packed(k, x)
    expected_image, expected_place = np.nonzero(x)
    np.testing.assert_array_equal(np.bincount(expected_image, minlength=30), np.diff(starts))
    np.testing.assert_array_equal(expected_place, places)
    np.testing.assert_array_equal(x[x != 0], values)


def test_unpacking_gives_the_chosen_images_back_in_any_order():
    x = sparse_bytes(np.random.default_rng(3), 20, 30)
    rows = np.array([4, 0, 19, 4])
    np.testing.assert_array_equal(x[rows], numpy_.unpack(*packed(numpy_, x), rows, 30))


def whole_network(rng, sizes, kind):
    """Return sizes, kinds, random weights and a gradient of ones, as kernels take them."""
    theta = rng.normal(
        0, 0.3, size=sum((n + 1) * m for n, m in zip(sizes, sizes[1:], strict=False))
    )
    kinds = (kind,) * (len(sizes) - 2) + (numpy_.IDENTITY,)
    return sizes, kinds, theta.astype("f4"), np.ones(len(theta), "f4")


def by_hand(x, labels, sizes, kinds, theta):
    """Return loss, right answers and the gradient by the formulas, in float64, summed over x."""
    layers, outputs = numpy_.layers_of(theta.astype(float), sizes), [x]
    for (w, b), kind in zip(layers, kinds, strict=True):
        outputs.append(ACTIVATIONS[kind](outputs[-1] @ w + b))
    logits = outputs.pop()
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    loss = -np.log(odds[np.arange(len(x)), labels]).sum()
    dz, parts = odds - np.eye(sizes[-1])[labels], []
    for (w, _), a in zip(reversed(layers), reversed(outputs), strict=True):
        parts[:0] = (a.T @ dz).ravel(), dz.sum(axis=0)
        dz = (dz @ w.T) * ((a > 0) if kinds[0] == numpy_.RELU else 1 - a * a)
    return loss, (logits.argmax(axis=1) == labels).sum(), np.concatenate(parts)


NETWORKS = [
    (30, 3),
    (30, 10, 10),
    (30, 17, 3),
    (30, 64, 5),
    (30, 100, 25, 12),
    (30, 128, 10),
    (30, 64, 81, 64, 3),
]


@pytest.mark.parametrize("kind", [numpy_.RELU, numpy_.TANH])
@pytest.mark.parametrize("sizes", NETWORKS)
@pytest.mark.parametrize("count", [1, 127, 300])
def test_packed_images_have_the_gradient_of_the_formulas(k, sizes, kind, count):
    rng = np.random.default_rng(12)
    x = sparse_bytes(rng, 400, 30)
    rows = rng.integers(0, 400, count)
    labels = rng.integers(0, sizes[-1], count).astype(np.uint8)
    network = whole_network(rng, sizes, kind)
    one, scale = np.float32(1), np.float32(1 / 255)
    found = k.sparse_gradient(packed(k, x), rows, labels, scale, one, *network)
    loss, right, expected = by_hand(x[rows] / 255, labels, *network[:3])
    assert (pytest.approx(loss, rel=1e-5), right) == found
    close(1 + expected, network[-1], np.float32)
    nothing = np.empty(0, np.float32)  # the loss alone
    assert found == k.sparse_gradient(packed(k, x), rows, labels, scale, one, *network[:3], nothing)


def whole_bytes(x):
    """Return lists of x whose zeros are not skipped."""
    starts = np.arange(len(x) + 1, dtype=np.int64) * x.shape[1]
    return starts, np.empty(0, np.uint16), x.reshape(-1)


RULES = {  # an optimizer: how many arrays it remembers, and its numbers
    numpy_.SGD: (0, (0.1,)),
    numpy_.MOMENTUM: (1, (0.1, 0.9)),
    numpy_.ADAM: (2, (0.01, 0.9, 0.99, 1e-8)),
}


def by_formula(rule, theta, memory, gradient, rate, *rest):
    """Take an optimizer's step in float64, in place."""
    if rule == numpy_.SGD:
        theta -= rate * gradient
    elif rule == numpy_.MOMENTUM:
        memory[0][:] = rest[0] * memory[0] - rate * gradient
        theta += memory[0]
    else:
        for array, beta, new in zip(memory, rest, (gradient, gradient**2), strict=False):
            array[:] = beta * array + (1 - beta) * new
        theta -= rate * memory[0] / (np.sqrt(memory[1]) + rest[2])


@pytest.mark.parametrize("lists", [packed, lambda k, x: whole_bytes(x)], ids=["sparse", "dense"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sizes", NETWORKS)
def test_steps_in_one_call_are_those_of_the_formulas(k, sizes, rule, lists):
    rng = np.random.default_rng(13)
    x = sparse_bytes(rng, 90, 30)
    sizes, kinds, theta, _ = whole_network(rng, sizes, numpy_.TANH)
    count, numbers = RULES[rule]
    memory = tuple(np.full_like(theta, 0.01) for _ in range(count))
    expected, remembered = theta.astype(float), [array.astype(float) for array in memory]
    scale = np.float32(1 / 255)
    take = k.sparse_steps(lists(k, x), scale, sizes, kinds, theta, rule, memory, 70)
    for n in (70, 70, 1, 33):  # the last of an epoch are fewer
        rows = rng.integers(0, 90, n)
        labels = rng.integers(0, sizes[-1], n).astype(np.uint8)
        found = take(rows, labels, np.array([n]), np.array([numbers]))
        loss, right, gradient = by_hand(x[rows] / 255, labels, sizes, kinds, expected)
        assert ([pytest.approx(loss, rel=1e-4)], [right]) == tuple(map(list, found))
        by_formula(rule, expected, remembered, gradient / n, *numbers)
        np.testing.assert_allclose(theta, expected, atol=2e-5)
    for array, value in zip(memory, remembered, strict=True):
        np.testing.assert_allclose(array, value, atol=2e-5)


@pytest.mark.parametrize("rule", [numpy_.MOMENTUM, numpy_.ADAM])
def test_what_compiled_steps_remember_of_an_unused_pixel_fades_to_nothing(rule):
    """Numbers below float32's ordinary ones would stay for ever, and slow every step down."""
    k = pytest.importorskip("nnengine.kernels.compiled", reason="numba is not installed")
    x = np.full((4, 3), 255, np.uint8)
    x[:, 1] = 0
    sizes, kinds, theta, _ = whole_network(np.random.default_rng(3), (3, 17, 2), numpy_.TANH)
    count, numbers = RULES[rule]
    memory = tuple(np.full_like(theta, 1e-20) for _ in range(count))
    take = k.sparse_steps(packed(k, x), np.float32(1 / 255), sizes, kinds, theta, rule, memory, 4)
    unused = slice(17, 34)
    before = theta[unused].copy()
    steps = 300  # 0.9 ** 300 * 1e-20 is 2e-34
    rows, labels, ends = (
        np.tile(np.arange(4), steps),
        np.zeros(4 * steps, np.uint8),
        np.arange(steps),
    )
    take(rows, labels, 4 * ends + 4, np.tile(numbers, (steps, 1)))
    assert np.zeros(17).tolist() == memory[0][unused].tolist()
    assert memory[0][:17].all()
    np.testing.assert_allclose(theta[unused], before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mean", [0.0, 0.01])
def test_an_unused_pixel_is_moved_by_what_adam_remembers_of_it_alone(k, mean):
    """Two pixels that no image uses, of 128 weights each; of the second nothing is remembered."""
    x = np.full((4, 3), 255, np.uint8)
    x[:, 1:] = 0
    sizes, kinds, theta, _ = whole_network(np.random.default_rng(3), (3, 128, 2), numpy_.TANH)
    unused, untouched = slice(128, 256), slice(256, 384)
    memory = np.zeros_like(theta), np.zeros_like(theta)
    memory[0][unused], memory[1][unused] = mean, 0.01
    before, (rate, beta1, beta2, epsilon) = theta.copy(), RULES[numpy_.ADAM][1]
    take = k.sparse_steps(packed(k, x), np.float32(1), sizes, kinds, theta, 2, memory, 4)
    take(np.arange(4), np.zeros(4, np.uint8), np.array([4]), np.array([RULES[numpy_.ADAM][1]]))
    step = rate * beta1 * mean / (np.sqrt(beta2 * 0.01) + epsilon)
    np.testing.assert_allclose(before[unused] - theta[unused], step, atol=1e-6)
    np.testing.assert_allclose(memory[0][unused], beta1 * mean, rtol=1e-6)
    np.testing.assert_allclose(memory[1][unused], beta2 * 0.01, rtol=1e-6)
    assert before[untouched].tobytes() == theta[untouched].tobytes()
    assert not memory[0][untouched].any() and not memory[1][untouched].any()


@pytest.mark.parametrize("sizes", [(784, 128, 10), (784, 100, 30, 10)])
@pytest.mark.parametrize("lists", [packed, lambda k, x: whole_bytes(x)], ids=["sparse", "dense"])
def test_steps_have_the_same_bits_on_any_number_of_threads(monkeypatch, k, sizes, lists):
    rng = np.random.default_rng(15)
    x = sparse_bytes(rng, 256, 784)
    sizes, kinds, start, _ = whole_network(rng, sizes, numpy_.RELU)
    labels = rng.integers(0, 10, 256).astype(np.uint8)
    bits = set()
    for threads in (1, 2, 3):
        monkeypatch.setenv("NNENGINE_THREADS", str(threads))
        theta = start.copy()
        memory = np.zeros_like(theta), np.zeros_like(theta)
        network = np.float32(1 / 255), sizes, kinds, theta
        take = k.sparse_steps(lists(k, x), *network, numpy_.ADAM, memory, 64)
        numbers = np.tile((1e-3, 0.9, 0.999, 1e-8), (4, 1))
        found = [take(np.arange(256), labels, np.arange(64, 257, 64), numbers) for _ in range(8)]
        bits.add(
            (theta.tobytes(), memory[1].tobytes(), *(a.tobytes() for pair in found for a in pair))
        )
    assert 1 == len(bits)


def in_calls(k, images, sizes, rule, calls):
    """Take five steps in calls of so many; return bits of the losses, right answers, weights and
    what the optimizer remembers."""
    rng = np.random.default_rng(21)
    sizes, kinds, theta, _ = whole_network(rng, sizes, numpy_.RELU)
    rows, labels = rng.integers(0, 90, 150), rng.integers(0, sizes[-1], 150).astype(np.uint8)
    ends = np.array([40, 80, 120, 121, 150])
    count, numbers = RULES[rule]
    numbers = np.array([[numbers[0] / n, *numbers[1:]] for n in range(1, 6)])
    memory = tuple(np.zeros_like(theta) for _ in range(count))
    network = np.float32(1 / 255), sizes, kinds, theta
    take, found, first, begin = k.sparse_steps(images, *network, rule, memory, 40), [], 0, 0
    for steps in calls:
        here = slice(first, first + steps)
        batch = slice(begin, ends[here][-1])
        found.append(take(rows[batch], labels[batch], ends[here] - begin, numbers[here]))
        first, begin = here.stop, batch.stop
    found = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    assert [(5,), (5,)] == [array.shape for array in found]
    return [array.tobytes() for array in (*found, theta, *memory)]


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("lists", [packed, lambda k, x: whole_bytes(x)], ids=["sparse", "dense"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sizes", NETWORKS)
def test_steps_have_the_same_bits_however_many_are_taken_in_one_call(
    monkeypatch, k, sizes, rule, lists, threads
):
    monkeypatch.setenv("NNENGINE_THREADS", threads)
    images = lists(k, sparse_bytes(np.random.default_rng(20), 90, sizes[0]))
    expected = in_calls(k, images, sizes, rule, [1] * 5)
    assert expected == in_calls(k, images, sizes, rule, [5])
    assert expected == in_calls(k, images, sizes, rule, [2, 3])


@pytest.mark.parametrize("lists", [packed, lambda k, x: whole_bytes(x)], ids=["sparse", "dense"])
@pytest.mark.parametrize("worst", [np.inf, np.nan])
def test_a_loss_that_is_not_finite_is_the_last_of_its_call(k, lists, worst):
    """Its step was taken; those behind it are not, and the caller may ask for them."""
    rng = np.random.default_rng(22)
    x, rows = sparse_bytes(rng, 90, 30), np.arange(80)
    sizes, kinds, start, _ = whole_network(rng, (30, 17, 3), numpy_.RELU)
    labels, ends = rng.integers(0, 3, 80).astype(np.uint8), np.array([20, 40, 60, 80])
    rates = np.array([[0.1], [worst], [0.1], [0.1]])
    weights = []
    for steps in (4, 3):
        theta = start.copy()
        network = np.float32(1 / 255), sizes, kinds, theta
        take = k.sparse_steps(lists(k, x), *network, numpy_.SGD, (), 20)
        with np.errstate(all="ignore"):
            losses, right = take(
                rows[: 20 * steps], labels[: 20 * steps], ends[:steps], rates[:steps]
            )
        assert [True, True, False] == np.isfinite(losses).tolist()
        assert 3 == len(right)
        weights.append(theta.tobytes())
    assert weights[0] == weights[1]
    with np.errstate(all="ignore"):
        losses, _ = take(rows[:20], labels[:20], ends[:1], rates[:1])  # goes on when asked to
    assert [False] == np.isfinite(losses).tolist()


def test_the_gradient_of_many_images_is_summed_whatever_their_losses(k):
    rng = np.random.default_rng(23)
    x = sparse_bytes(rng, 600, 30)
    network = whole_network(rng, (30, 17, 3), numpy_.RELU)
    network[2][-3:] = np.nan
    one, labels = np.float32(1), rng.integers(0, 3, 600).astype(np.uint8)
    with np.errstate(all="ignore"):
        loss, _ = k.sparse_gradient(packed(k, x), np.arange(600), labels, one, one, *network)
    assert np.isnan(loss)
    assert np.isnan(network[-1][-3:]).all()


@pytest.mark.parametrize("kind", [numpy_.RELU, numpy_.TANH])
@pytest.mark.parametrize("sizes", NETWORKS)
@pytest.mark.parametrize("pixels", [30, 31])
def test_grouped_images_have_the_gradient_of_the_formulas(k, pixels, sizes, kind):
    rng = np.random.default_rng(12)
    x = sparse_bytes(rng, 1700, pixels)  # whole blocks, and one whose last group is not full
    images, sizes = group(x), (pixels, *sizes[1:])
    labels = rng.integers(0, sizes[-1], 1700).astype(np.uint8)[images.rows]
    network = whole_network(rng, sizes, kind)
    one, scale = np.float32(1), np.float32(1 / 255)
    found = k.sliced_gradient(images.lists, 0, labels, scale, one, *network)
    loss, right, expected = by_hand(x[images.rows] / 255, labels, *network[:3])
    assert (pytest.approx(loss, rel=1e-5), right) == found
    close(1 + expected, network[-1], np.float32)


@pytest.mark.parametrize("kind", [numpy_.RELU, numpy_.TANH])
@pytest.mark.parametrize("sizes", NETWORKS)
@pytest.mark.parametrize("count", [1, 63, 200])
def test_probabilities_of_whole_networks_follow_the_formulas(k, sizes, kind, count):
    rng = np.random.default_rng(14)
    check_probabilities(k, sparse_bytes(rng, count, 30), *whole_network(rng, sizes, kind)[:3])


@pytest.mark.parametrize("kind", [numpy_.RELU, numpy_.TANH])
@pytest.mark.parametrize("pixels", [16, 80, 128, 784])
@pytest.mark.parametrize("units", [1, 10])
@pytest.mark.parametrize("count", [31, 32, 99])
def test_probabilities_behind_a_narrow_layer_follow_the_formulas(k, pixels, units, kind, count):
    """Their pixels may be taken sixteen at a time."""
    rng = np.random.default_rng(15)
    network = whole_network(rng, (pixels, units, 3), kind)[:3]
    check_probabilities(k, sparse_bytes(rng, count, pixels), *network)


def check_probabilities(k, x, sizes, kinds, theta):
    x[-1] = 200  # no zeros at all
    out = np.empty((len(x), sizes[-1]), np.float32)
    k.probabilities(x, np.float32(1 / 255), sizes, kinds, theta, out)
    z = x / 255
    for (w, b), here in zip(numpy_.layers_of(theta.astype(float), sizes), kinds, strict=True):
        z = ACTIVATIONS[here](z @ w + b)
    odds = np.exp(z - z.max(axis=1, keepdims=True))
    np.testing.assert_allclose(out, odds / odds.sum(axis=1, keepdims=True), atol=1e-5)


def whole_gradients(k, x, labels, *network):
    """Yield what both kernels for whole networks find: (loss, right), and the gradient."""
    images, one = group(x), np.float32(1)
    for kernel, lists, rows in (
        (k.sparse_gradient, packed(k, x), np.arange(len(x))),
        (k.sliced_gradient, images.lists, 0),
    ):
        gradient = np.zeros_like(network[-1])
        given = labels if kernel is k.sparse_gradient else labels[images.rows]
        yield kernel(lists, rows, given, one, one, *network, gradient), gradient


def test_of_equal_logits_the_first_is_the_answer_for_whole_networks_too(k):
    labels = (np.arange(20) % 2).astype(np.uint8)
    network = (4, 3), (numpy_.IDENTITY,), np.zeros(15, np.float32)
    for found, gradient in whole_gradients(k, np.zeros((20, 4), np.uint8), labels, *network):
        assert (pytest.approx(20 * np.log(3), rel=1e-6), 10) == found
        np.testing.assert_allclose(gradient[12:], [20 / 3 - 10, 20 / 3 - 10, 20 / 3], rtol=1e-5)


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_logits_of_whole_networks_do_not_overflow(k, size):
    network = (1, 3), (numpy_.IDENTITY,), np.array([0, 0, 0, size, size, -size], np.float32)
    for found, gradient in whole_gradients(
        k, np.zeros((1, 1), np.uint8), np.zeros(1, "u1"), *network
    ):
        assert (pytest.approx(np.log(2), rel=1e-6), 1) == found
        np.testing.assert_allclose(gradient[3:], [-0.5, 0.5, 0], rtol=1e-6)


def test_a_loss_of_whole_networks_that_is_not_a_number_is_told(k):
    network = (4, 3), (numpy_.IDENTITY,), np.full(15, np.nan, np.float32)
    for found, _ in whole_gradients(k, np.ones((5, 4), np.uint8), np.zeros(5, "u1"), *network):
        assert not np.isfinite(found[0])


def test_groups_hold_every_image_once_and_alike_ones_together():
    rng = np.random.default_rng(3)
    kinds = rng.random((5, 50)) < 0.3  # five sets of pixels, and images that use one of them each
    x = (kinds[rng.integers(0, 5, 2000)] * rng.integers(1, 256, (2000, 50))).astype(np.uint8)
    grouped = group(x)
    assert list(range(2000)) == sorted(grouped.rows)
    blocks = -(-2000 // BLOCK)
    back = [numpy_.ungroup(grouped.lists, n, 50) for n in range(blocks)]
    np.testing.assert_array_equal(x[grouped.rows], np.concatenate(back)[:2000])
    assert len(grouped.places) < 1.2 * (x != 0).sum() / 16


def distort(k, image, *, bends=None, grains=None, **numbers):
    """Return one image distorted by one back end; numbers: columns by name, or affine amounts."""
    amounts = {n: numbers.pop(n) for n in ("shift", "rotation", "scale", "shear") if n in numbers}
    row = affine_numbers(image.shape, **amounts)
    for name, value in numbers.items():
        row[:, getattr(numpy_, name.upper())] = value
    out = np.empty((1, *image.shape), np.uint8)
    bends = np.zeros((1, image.size), np.int16) if bends is None else bends
    grains = np.zeros(1, np.int8) if grains is None else grains
    k.distort(image[None], np.zeros(1, np.int64), row, bends, grains, out)
    return out[0]


def picture(h, w, seed=7):
    """A picture of bytes from 1 to 255 with a black margin of a pixel."""
    image = np.zeros((h, w), np.uint8)
    image[1:-1, 1:-1] = np.random.default_rng(seed).integers(1, 256, (h - 2, w - 2))
    return image


def test_without_an_order_an_image_keeps_every_byte(k):
    image = picture(9, 7)
    np.testing.assert_array_equal(image, distort(k, image))


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, -3), (1, 1), (-6, 0), (0, 20), (-300, 0)])
def test_whole_pixels_move_without_loss_and_black_comes_in(k, right, down):
    image = picture(8, 6)
    expected = np.zeros((8, 6), np.uint8)
    for y in range(8):
        for x in range(6):
            if 0 <= y - down < 8 and 0 <= x - right < 6:
                expected[y, x] = image[y - down, x - right]
    np.testing.assert_array_equal(expected, distort(k, image, shift=(right, down)))


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("side", [6, 7])
def test_a_quarter_turn_of_a_square_image_is_exact(k, side, turns):
    image = picture(side, side)
    found = distort(k, image, rotation=90 * turns)
    np.testing.assert_array_equal(np.rot90(image, -turns), found)  # clockwise


def test_between_two_pixels_lies_their_mean(k):
    image = np.array([[0, 100, 201, 0]], np.uint8).repeat(3, axis=0)
    # Half a pixel to the right: (0 + 0) / 2, (0 + 100) / 2, (100 + 201) / 2 rounded up, ...
    assert [0, 50, 151, 101] == distort(k, image, shift=(0.5, 0))[1].tolist()


def test_a_trace_between_pixels_is_black_but_a_faint_pixel_itself_is_kept(k):
    image = np.zeros((3, 5), np.uint8)
    image[1, 1], image[1, 3] = 5, 80
    assert [0, 5, 0, 80, 0] == distort(k, image, shift=(0, 0))[1].tolist()
    # A quarter to the right leaves 3/4 of 80 and moves 1/4 of it, 20, which is below 24.
    assert [0, 0, 0, 60, 0] == distort(k, image, shift=(0.25, 0))[1].tolist()


def test_sizing_by_two_reads_half_as_far_from_the_middle(k):
    image = np.array([[0, 80, 200, 40, 0]], np.uint8).repeat(3, axis=0)
    assert [80, 140, 200, 120, 40] == distort(k, image, scale=(2, 1))[1].tolist()


def test_a_slant_of_one_moves_each_row_a_pixel_further(k):
    image = np.zeros((3, 5), np.uint8)
    image[:, 2] = 9, 99, 199
    expected = np.zeros((3, 5), np.uint8)
    expected[0, 1], expected[1, 2], expected[2, 3] = 9, 99, 199
    np.testing.assert_array_equal(expected, distort(k, image, shear=1))


def test_a_bend_fetches_every_pixel_from_where_its_table_says(k):
    image = picture(5, 6)
    bends = np.zeros((3, 5, 6), np.int16)
    bends[1] = numpy_.BEND  # a pixel
    bends[2, 2:] = -numpy_.BEND
    found = distort(
        k, image, bends=bends.reshape(3, 30), bend_x=256, field_x=1, bend_y=256, field_y=2
    )
    expected = np.zeros((5, 6), np.uint8)
    expected[:, :-1] = image[:, 1:]  # all from a pixel further right
    expected[2:] = expected[1:-1].copy()  # and the lower rows from a pixel further up
    np.testing.assert_array_equal(expected, found)


def test_a_single_pixel_two_wider_covers_its_neighbours_and_one_wider_half_of_them(k):
    image = np.zeros((5, 5), np.uint8)
    image[2, 2] = 200
    for pixels, edge in ((2, 200), (1, 100), (0.5, 50)):
        found = distort(k, image, width=stroke_number(pixels))
        cross = [found[1, 2], found[3, 2], found[2, 1], found[2, 3]]
        assert ([edge] * 4, 200, 200 + 4 * edge) == (cross, found[2, 2], found.sum())


def test_strokes_four_pixels_wider_take_two_steps(k):
    image = np.zeros((7, 7), np.uint8)
    image[3, 3] = 90
    distance = np.abs(np.arange(7)[:, None] - 3) + np.abs(np.arange(7) - 3)
    expected = np.where(distance <= 2, 90, 0)
    np.testing.assert_array_equal(expected, distort(k, image, width=stroke_number(4)))


def test_a_bar_two_thinner_loses_its_edges_and_one_thinner_half_of_them(k):
    image = np.zeros((7, 7), np.uint8)
    image[:, 2:5] = 101
    assert [0, 0, 0, 101, 0, 0, 0] == distort(k, image, width=stroke_number(-2))[3].tolist()
    # Half way from 101 to 0 is 50.5, and a half goes up.
    assert [0, 0, 51, 101, 51, 0, 0] == distort(k, image, width=stroke_number(-1))[3].tolist()


def test_a_stroke_at_the_border_widens_into_the_image_alone(k):
    image = np.zeros((4, 4), np.uint8)
    image[0, 0] = image[3, 3] = 80
    found = distort(k, image, width=stroke_number(2))
    np.testing.assert_array_equal(found, found[::-1, ::-1])
    # What is wider is not seen to come back in from the margin when the image is moved.
    assert 0 == distort(k, image, width=stroke_number(2), shift=(1, 0))[:, 0].max()


def test_noise_adds_its_stretch_of_grains_and_stays_a_byte(k):
    image = np.array([[0, 0, 100, 100], [250, 250, 8, 0]], np.uint8)
    grains = np.array([99, 127, 10, -127, 64, 127, -127, 0, 127], np.int8)
    found = distort(k, image, grains=grains, noise=100, grain=1)
    # 127 * 100 / 128 = 99.2; 10 * 100 / 128 = 7.8, a trace on black; 64 * 100 / 128 = 50.
    assert [[99, 0, 0, 150], [255, 151, 0, 99]] == found.tolist()


def test_inversion_turns_black_to_white_after_all_else(k):
    image = np.array([[0, 255, 30]], np.uint8)
    assert [[255, 255, 0]] == distort(k, image, invert=1, shift=(1, 0)).tolist()


def test_the_second_darkest_corner_says_what_comes_in(k):
    image = np.full((4, 4), 200, np.uint8)
    image[0, 0] = 0  # one corner is covered
    assert [200, 0, 200, 200] == distort(k, image, shift=(1, 0))[0].tolist()
    image[0, 3] = 50
    assert [50, 0, 200, 200] == distort(k, image, shift=(1, 0))[0].tolist()


def test_only_the_chosen_images_are_distorted_in_the_order_asked_for(k):
    x = np.random.default_rng(9).integers(0, 256, (5, 3, 4)).astype(np.uint8)
    rows, out = np.array([4, 0, 4]), np.empty((3, 3, 4), np.uint8)
    numbers = affine_numbers((3, 4), shift=([0, 0, 0], [0, 0, 0]))
    numbers[2, numpy_.INVERT] = 1
    k.distort(x, rows, numbers, np.zeros((1, 12), np.int16), np.zeros(1, np.int8), out)
    np.testing.assert_array_equal([x[4], x[0], 255 - x[4]], out)


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
    with pytest.raises(ConfigError, match=f"choose auto, {kernels.BACK_ENDS[0]} or numpy"):
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


@pytest.mark.parametrize(
    ("ours", "bound", "expected"),
    [("", "1", 1), ("", "1,4", 1), ("", "64", 3), ("", "", 3), ("", "0", 3), ("2", "1", 2)],
    ids=["one", "on two levels", "more than there are", "unsaid", "none", "ours said"],
)
def test_threads_keep_to_what_a_worker_of_others_was_told(monkeypatch, ours, bound, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    monkeypatch.setenv("NNENGINE_THREADS", ours)
    monkeypatch.setenv("OMP_NUM_THREADS", bound)
    assert expected == kernels.workers.threads()
