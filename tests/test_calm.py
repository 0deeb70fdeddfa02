"""Whatever an import has told NumPy to do about errors, we compute as ever; and nothing crawls."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from nnengine import Augmentation, Dataset, Network, TrainingConfig, kernels, training
from nnengine.analysis.calibration import calibration_error, fit_temperature, tempered
from nnengine.analysis.finetuning import fine_tune
from nnengine.analysis.robustness import DISTORTIONS, robustness
from nnengine.core.layers import Pass
from nnengine.core.metrics import evaluate
from nnengine.core.optimizers import OPTIMIZERS, Adam, Momentum
from nnengine.data import framing
from nnengine.data.augment import STRONG, augmented, bend_tables
from nnengine.data.readers import read_sets
from nnengine.kernels import numpy_
from nnengine.storage.folding import folded
from nnengine.storage.modelfile import to_bytes
from tests import digests

KINDS = (
    "adam 64",
    "momentum 128",
    "batches of 700",
    "augmented",
    "full batch, sixteen alike",
    "full batch, momentum, sigmoid",
    "no zeros",
    "float64",
    "diverged",
)


@pytest.fixture
def raised() -> Iterator[None]:
    """What overflows, fades or is no number is raised, and so is every warning."""
    before = np.seterr(all="raise")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        np.seterr(**before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_ends_at_the_same_bits(kind, back_end, request):
    make = digests.kinds()[kind]
    expected = digests.digest(make)
    bend_tables.cache_clear()
    request.getfixturevalue("raised")
    assert expected == digests.digest(make)


LAYERS = "conv 4 3x3, norm, pool 2, dropout 0.2, average 2, dense 8"
PENALTIES = {"clip_norm": 0.1, "l1": 1e-4, "l2": 1e-300, "weight_decay": 0.1}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_layers_penalties_and_losses_of_every_kind_are_calm(stripes, back_end, real, optimizer):
    """The same bits, though weights, their penalties and images in floats reach below numbers."""
    images, labels = stripes
    settings = {
        "iterations": 30, "batch_size": 64, "optimizer": optimizer, "learning_rate": 0.01,
        "label_smoothing": 1e-3, "class_weights": "balanced", "schedule": "plateau", "patience": 0,
        "early_stopping": 3, "evaluate_every": 5, **PENALTIES,
    }  # fmt: skip

    def taught() -> Network:
        network = Network.build(LAYERS, rng=1, image_shape=(8, 8), classes=3, dtype=real)
        network.theta[::5] *= real(1e-30)
        data = Dataset(images, labels)
        list(training(network, data, TrainingConfig(**settings), data.take(np.arange(99))))
        assert 3 == folded(network).predict_proba(faint(images)).shape[1]
        return network

    expected = taught().theta.tobytes()
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert expected == taught().theta.tobytes()


def test_whoever_takes_events_keeps_what_they_told_numpy(stripes, back_end, raised):
    network, found = Network.build([64, 8, 3], rng=1), []
    for _ in training(network, Dataset(*stripes), TrainingConfig(iterations=3, batch_size=20)):
        found.append(set(np.geterr().values()))
    assert [{"raise"}] * len(found) == found
    assert {"raise"} == set(np.geterr().values())


def faint(images: np.ndarray) -> np.ndarray:
    """Return fractions in 0 to 1, in float64, of which some are nothing in float32."""
    found = images / 255.0
    found[found < 0.2] = 1e-300
    return found


def fainter(images: np.ndarray) -> np.ndarray:
    """Return float32 fractions that are all below the least ordinary number."""
    with np.errstate(all="ignore"):
        return images.astype(np.float32) * np.float32(1e-44)


def test_what_a_network_is_asked_is_answered(stripes, back_end, raised):
    images, labels = stripes
    for real in (np.float32, np.float64):
        network = Network.build([64, 12, 3], rng=1, activation="sigmoid", dtype=real)
        network.theta *= 300
        for asked in (images, images[0], faint(images), fainter(images)):
            p = network.predict_proba(asked)
            np.testing.assert_allclose(1, p.sum(axis=1), rtol=1e-5)
        gradient = np.zeros_like(network.theta)
        way = Pass(network.input_scale)
        outputs = network.forward(faint(images), way)
        blame = np.full_like(outputs[-1], 1e-30)
        network.backward(faint(images), outputs, blame, gradient, way)
        loss, _ = network.gradient(images, labels, gradient)
        assert np.isfinite(loss) and np.isfinite(network.loss(images, labels)[0])
        assert 300 == evaluate(network, Dataset(images, labels)).confusion.sum()


def test_what_is_asked_about_a_network_is_answered(stripes, back_end, raised):
    images, labels = stripes
    data = Dataset(images, labels)
    network = Network.build([64, 12, 3], rng=1)
    list(training(network, data, TrainingConfig(epochs=3)))
    logits = network.logits(images) * np.float32(1e4)
    t = fit_temperature(logits, labels)
    assert 0 <= calibration_error(tempered(network, t).predict_proba(images), labels) <= 1
    for name, distortion in DISTORTIONS.items():
        levels = distortion.levels[::3]
        assert len(levels) == len(robustness(network, data, name, levels=levels).accuracies)
    assert fine_tune(network, data.take(np.arange(2)), data, steps=9, test=data).steps


def test_images_are_distorted_framed_and_read(stripes, raised):
    images, labels = stripes
    bend_tables.cache_clear()
    assert images.shape == augmented(images, STRONG, 1).shape
    assert Augmentation(rotation=1e-310)
    assert (28, 28) == framing.to_image(faint(images[0]) * 255).shape
    stream = io.BytesIO()
    np.savez(stream, x_train=faint(images), y_train=labels.astype(float))
    assert 300 == len(read_sets(stream.getvalue()).train)


def test_half_a_model_file_is_written(raised):
    network = Network.build([64, 12, 3], rng=1)
    network.theta *= np.float32(1e-7)
    assert to_bytes(network, half=True)


# Subnormal numbers: near zero, with fewer digits; processors take far longer over them ---------


def subnormal(*arrays: np.ndarray) -> int:
    """Return how many numbers are none of the ordinary ones, nor zero."""
    return sum(int(((np.abs(a) < np.finfo(a.dtype).tiny) & (a != 0)).sum()) for a in arrays)


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_remembered_of_a_gradient_that_ceased_gets_to_zero(name, real, back_end):
    theta = np.ones(50, real)
    optimizer = OPTIMIZERS[name](theta, rate=0.001)
    optimizer.step(np.geomspace(1e-12, 1, 50).astype(real))
    for array in optimizer.carried().values():
        array *= real(np.sqrt(np.finfo(real).tiny))  # as after thousands of steps
    most = 0
    for _ in range(1200 if real == np.float32 else 4000):
        optimizer.step(np.zeros(50, real))
        most = max(most, subnormal(*optimizer.carried().values()))
    assert 0 == subnormal(*optimizer.carried().values())
    assert all(np.isfinite(array).all() for array in optimizer.carried().values())
    assert not np.any(optimizer.carried().get("velocity", 0))
    assert not np.any(optimizer.carried().get("mean", 0))


@pytest.mark.parametrize("kind", [Momentum, Adam])
def test_steps_taken_several_in_a_call_remember_nothing_below_ordinary_numbers(kind, back_end):
    sizes, rng = (20, 16, 3), np.random.default_rng(2)
    network = Network.build(sizes, rng=1)
    optimizer = kind(network.theta, rate=0.001)
    memory = tuple(optimizer.carried().values())
    for array in memory:
        array[:] = rng.uniform(0.5, 2, array.size) * 1e-36
    black = np.zeros((4, 20), np.uint8)  # the first layer's weights have no gradient
    lists = (np.arange(5) * 20, np.empty(0, np.uint16), black.reshape(-1))
    lists = tuple(map(numpy_.read_only, lists))
    made_of = np.float32(1 / 255), sizes, network.kinds, network.theta
    take = kernels.sparse_steps(lists, *made_of, kind.rule, memory, 4)
    rows, labels = np.arange(4), np.array([0, 1, 2, 0], np.uint8)
    for _ in range(64):
        numbers = np.array([optimizer.numbers() for _ in range(100)])
        take(np.tile(rows, 100), np.tile(labels, 100), np.arange(4, 404, 4), numbers)
    assert 0 == subnormal(*memory)
    assert not np.any(memory[0][: 20 * 16])
