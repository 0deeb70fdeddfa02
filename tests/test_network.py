"""Network: building, predicting, and gradients proved by central differences."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from nnengine import ConfigError, Dataset, FormatError, Network, kernels
from nnengine.core.activations import ACTIVATIONS
from nnengine.fast.csr import pack
from nnengine.fast.sparse import add_gradient


def small_batch(inputs=12, classes=3, count=7):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (count, inputs)).astype(np.uint8)
    images[rng.random(images.shape) < 0.5] = 0
    return images, rng.integers(0, classes, count).astype(np.uint8)


def numeric_gradient(network, images, labels, step=1e-6):
    """Return d(mean loss)/d(theta) by central differences, one parameter at a time."""
    gradient = np.empty_like(network.theta)
    for i, value in enumerate(network.theta.copy()):
        losses = []
        for nudged in (value + step, value - step):
            network.theta[i] = nudged
            losses.append(network.loss(images, labels)[0] / len(labels))
        network.theta[i] = value
        gradient[i] = (losses[0] - losses[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(12, 3), (12, 5, 3), (12, 6, 4, 3)])
def test_gradients_agree_with_central_differences(back_end, sizes, activation):
    network = Network.build(
        sizes, activation=activation, rng=3, initializer="glorot", dtype=np.float64
    )
    images, labels = small_batch()
    gradient = np.zeros_like(network.theta)
    network.gradient(images, labels, gradient)
    np.testing.assert_allclose(gradient, numeric_gradient(network, images, labels), atol=2e-8)


def test_float_images_have_the_same_gradient_as_their_bytes(back_end):
    network = Network.build([12, 5, 3], rng=1, dtype=np.float64)
    images, labels = small_batch()
    found = []
    for given in (images, images.astype(float)):
        found.append(np.zeros_like(network.theta))
        network.gradient(given, labels, found[-1])
    np.testing.assert_allclose(found[0], found[1], atol=1e-14)


def test_packed_images_have_the_same_gradient_as_their_bytes(back_end):
    network = Network.build([12, 20, 3], rng=1)
    images, labels = small_batch()
    found = []
    for add, given in ((Network.gradient, images), (add_gradient, pack(images))):
        found.append(np.zeros_like(network.theta))
        add(network, given, labels, found[-1], count=len(labels))
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_runs_on_the_same_images_share_their_lists_while_they_live():
    images, _ = small_batch()
    first = pack(images)
    assert first is pack(images)
    assert first is not pack(images.copy())
    address = weakref.ref(first)
    del first
    assert address() is None


def test_images_without_zeros_are_not_packed():
    assert pack(np.full((3, 4), 9, np.uint8)) is None


def test_back_ends_agree_on_probabilities_to_a_millionth():
    network = Network.build([784, 32, 10], rng=2)
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28)).astype(np.uint8)
    before, found = kernels.name, []
    for name, reason in kernels.available().items():
        if reason is None:
            kernels.use(name)
            found.append(network.predict_proba(images))
    kernels.use(before)
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, atol=1e-6)


def test_a_network_worked_by_hand(back_end):
    network = Network.build([2, 2, 2], dtype=np.float64)
    parameters = network.parameters()
    parameters["weights_1"][:] = [[1, -1], [2, 0.5]]
    parameters["biases_1"][:] = [0, 1]
    parameters["weights_2"][:] = [[1, 0], [0, 2]]
    parameters["biases_2"][:] = [0.5, 0]
    hidden, logits = network.forward(np.array([[255, 51]], np.uint8))  # inputs 1 and 0.2
    np.testing.assert_allclose(hidden, [[1.4, 0.1]])
    np.testing.assert_allclose(logits, [[1.9, 0.2]])
    odds = np.exp(1.9 - 0.2)
    expected = [[odds / (1 + odds), 1 / (1 + odds)]]
    np.testing.assert_allclose(network.predict_proba(np.array([255, 51], np.uint8)), expected)


def test_the_same_seed_builds_the_same_network():
    assert (Network.build([9, 4, 3], rng=7).theta == Network.build([9, 4, 3], rng=7).theta).all()
    assert (Network.build([9, 4, 3], rng=7).theta != Network.build([9, 4, 3], rng=8).theta).any()


def test_he_weights_spread_as_the_paper_says_and_biases_are_zero():
    layer = Network.build([400, 300, 2], initializer="he", rng=0).layers[0]
    assert pytest.approx((2 / 400) ** 0.5, rel=0.01) == layer.weights.std()
    assert not layer.biases.any()


def test_glorot_weights_fill_their_interval():
    weights = Network.build([400, 200], initializer="glorot", rng=0).layers[0].weights
    limit = (6 / 600) ** 0.5
    assert pytest.approx(limit, rel=1e-3) == np.abs(weights).max()
    assert pytest.approx(limit / 3**0.5, rel=0.01) == weights.std()


def test_uniform_weights_and_biases_lie_within_a_half():
    network = Network.build([100, 50, 10], initializer="uniform", rng=0)
    assert 0.5 >= np.abs(network.theta).max() > 0.49
    assert network.layers[0].biases.std() > 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [5]}, "layer sizes"),
        ({"sizes": [5, 0, 2]}, "layer sizes"),
        ({"sizes": [5, 2.5, 2]}, "layer sizes"),
        ({"sizes": [5, 3, 2], "activation": "relux"}, "activation 'relux' is not known"),
        ({"sizes": [5, 3, 2], "activation": ["relu", "tanh"]}, "2 activations for 1 hidden"),
        ({"sizes": [5, 3, 2], "initializer": "magic"}, "initializer 'magic'"),
        ({"sizes": [5, 3, 2], "dtype": np.int32}, "dtype"),
        ({"sizes": [5, 3, 2], "class_names": ["a"]}, "1 class names for 2 outputs"),
        ({"sizes": [5, 3, 2], "image_shape": (2, 2)}, "image shape 2x2"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Network.build(**arguments)


@pytest.mark.parametrize("shape", [(5, 3, 4), (5, 12), (3, 4), (12,)])
def test_images_may_come_in_any_fitting_shape(shape):
    network = Network.build([12, 3])
    assert (5 if shape[0] == 5 else 1, 3) == network.predict_proba(np.zeros(shape, "u1")).shape


@pytest.mark.parametrize("shape", [(5, 3, 5), (5, 11), (), (0, 12), (13,)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(FormatError, match="do not fit a network with 12 inputs"):
        Network.build([12, 3]).predict(np.zeros(shape, np.uint8))


def test_floats_are_scaled_as_bytes_are():
    network = Network.build([12, 3], rng=1)
    images, _ = small_batch()
    np.testing.assert_allclose(
        network.predict_proba(images), network.predict_proba(images.astype(float)), atol=1e-6
    )


def test_many_images_are_answered_as_each_alone(back_end):
    network = Network.build([12, 2000, 3], rng=1)  # pieces of 256 images
    images, _ = small_batch(count=600)
    together = network.predict_proba(images)
    np.testing.assert_allclose(together[555], network.predict_proba(images[555])[0], atol=1e-6)


@pytest.mark.parametrize("sizes", [[64, 10, 5], [64, 40, 5]])
def test_answers_have_the_same_bits_for_any_number_of_threads(sizes, back_end, monkeypatch):
    network, rng = Network.build(sizes, rng=1), np.random.default_rng(5)
    images = rng.integers(0, 256, (3000, 64)).astype(np.uint8) * (rng.random((3000, 64)) < 0.3)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NNENGINE_THREADS", threads)
        found.append(network.predict_proba(images.astype(np.uint8)).tobytes())
    assert 1 == len(set(found))


def test_an_image_is_answered_the_same_however_it_lies_in_memory(back_end):
    network, rng = Network.build([64, 10, 5], rng=1), np.random.default_rng(5)
    image = rng.integers(0, 256, (8, 8)).astype(np.uint8)
    expected = network.predict_proba(image)
    apart = np.zeros((8, 8, 3), np.uint8)
    apart[..., 1] = image
    for same in (np.asfortranarray(image), apart[..., 1], apart.reshape(1, 64, 3)[..., 1]):
        np.testing.assert_array_equal(expected, network.predict_proba(same))


def test_answers_follow_the_weights_as_they_change(back_end):
    """What a thread keeps from one call to the next is not the weights."""
    network, (images, _) = Network.build([12, 3], rng=1), small_batch()
    network.predict_proba(images[0])
    network.theta[:] = 0
    np.testing.assert_allclose(network.predict_proba(images[0]), 1 / 3)


def test_a_gradient_has_the_same_bits_for_any_number_of_threads(monkeypatch):
    network = Network.build([60, 16, 3], rng=1)
    images, labels = small_batch(inputs=60, count=10_000)  # five pieces
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NNENGINE_THREADS", threads)
        gradient = np.zeros_like(network.theta)
        add_gradient(network, pack(images), labels, gradient, len(labels))
        found.append(gradient.tobytes() + network.logits(images).tobytes())
    assert 1 == len(set(found))


def test_the_gradient_of_many_images_is_the_mean_over_all(back_end):
    network = Network.build([12, 5, 3], rng=1, dtype=np.float64)
    images, labels = small_batch(count=5000)
    whole, parts = np.zeros_like(network.theta), np.zeros_like(network.theta)
    loss, correct = network.gradient(images, labels, whole)
    for start in range(0, 5000, 100):
        rows = slice(start, start + 100)
        network.gradient(images[rows], labels[rows], parts, count=5000)
    np.testing.assert_allclose(whole, parts, atol=1e-12)
    assert (pytest.approx(loss), correct) == network.loss(images, labels)


def test_accuracy_counts_right_answers():
    network = Network.build([4, 2], rng=1)
    images = np.random.default_rng(1).integers(0, 256, (10, 2, 2)).astype(np.uint8)
    answers = network.predict(images).astype(np.uint8)
    labels = np.where(np.arange(10) < 3, 1 - answers, answers).astype(np.uint8)
    assert 0.7 == network.accuracy(images, labels)
    assert 0.7 == network.accuracy(Dataset(images, labels, classes=2))


def test_accuracy_refuses_labels_of_another_count():
    with pytest.raises(FormatError, match="2 images and labels of shape"):
        Network.build([4, 2]).accuracy(np.zeros((2, 4), np.uint8), [1, 0, 1])


def test_a_snapshot_is_frozen_and_does_not_follow():
    network = Network.build([4, 2], rng=1)
    snapshot = network.snapshot()
    network.theta += 1
    assert (snapshot.theta + 1 == network.theta).all()
    with pytest.raises(ValueError, match="read-only"):
        snapshot.layers[0].weights[0, 0] = 0


def test_parameters_are_live_views_in_the_vectors_order():
    network = Network.build([4, 3, 2], rng=1)
    parameters = network.parameters()
    assert ["weights_1", "biases_1", "weights_2", "biases_2"] == list(parameters)
    flat = np.concatenate([array.ravel() for array in parameters.values()])
    np.testing.assert_array_equal(network.theta, flat)
    parameters["biases_2"][1] = 42
    assert 42 == network.theta[-1]


def test_a_network_from_parameters_answers_the_same():
    network = Network.build([12, 4, 3], activation="tanh", rng=1, image_shape=(3, 4))
    twin = Network.from_parameters(
        network.parameters(), activations=network.activations, image_shape=(3, 4)
    )
    images, _ = small_batch()
    np.testing.assert_array_equal(network.predict_proba(images), twin.predict_proba(images))


def test_parameters_that_do_not_fit_are_named_with_both_shapes():
    parameters = dict(Network.build([4, 3, 2]).parameters())
    parameters["biases_1"] = np.zeros(5, np.float32)
    with pytest.raises(FormatError, match=r"biases_1: expected shape \(3,\), found \(5,\)"):
        Network.from_parameters(parameters, activations=["relu", "identity"])


def test_the_repr_tells_sizes_and_training():
    expected = "<Network 784-10-10 (relu), 7,960 parameters, untrained>"
    assert expected == repr(Network.build([784, 10, 10]))


def test_where_an_image_makes_very_much_few_are_taken_at_once():
    made = 1_028 * 1_028
    network = Network.build("conv 1 1x1 pad 500, pool 512", image_shape=(28, 28), classes=3, rng=0)
    assert (1 << 26) // (made + 4 + 3) == network.piece_images
