"""Networks that look at images a window at a time: every back end, and the runs that use it."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingConfig, kernels, training
from nnengine.core.losses import softmax_cross_entropy
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.errors import KernelError
from nnengine.kernels import numpy_
from nnengine.kernels.workers import threads
from nnengine.training import TrainingState
from nnengine.training.config import wanted

SCALE, NOBODY = np.float32(1 / 255), np.empty((0, 0), np.uint8)
# What a sum is moved by before a norm changes nothing, and Adam takes whole steps of its rounding:
# optimizers like it are held to the formulas where norms stand behind the activation.
NORMED = (
    "norm, conv 6 5x5 pad 2, norm, pool 2, conv 17 3x3 stride 2 pad 2, dropout 0.2, norm, "
    "average 2, dense 30, norm, dense 20"
)
BEHIND = "conv 6 5x5 pad 2, pool 2, norm, conv 9 3x3 pad 1, dropout 0.2, norm, dense 30"
PLAIN = ("sgd", "momentum", "nesterov")
TEXTS = (
    "conv 2 3x3",
    "conv 6 5x5 pad 2, pool 2, conv 16 5x5 pad 1, pool 2, dense 30, dense 84",
    "conv 7 2x4 stride 2 pad 3, average 2 stride 1, flatten, dense 70",
    "pool 3x2 stride 2, conv 25 3x1 stride 3 pad 4",
    "conv 8 1x1, pool 3 stride 2, conv 3 3x3 stride 2 pad 1, average 2x1, dense 5",
    "dense 17, conv 3 1x1 pad 1, conv 9 3x3",
    "flatten, dense 100, dense 24",
    "pool 2, norm, flatten, norm, dense 5",
    NORMED,
    "dropout 0.5, conv 4 3x3, dropout 0.1, dense 20, dropout 0.3",
)


@pytest.fixture
def quick():
    """Have compiled kernels for a test, or skip it."""
    before = kernels.name
    if kernels.available()[kernels.BACK_ENDS[0]]:
        pytest.skip("there are no compiled kernels")
    kernels.use(kernels.BACK_ENDS[0])
    yield
    kernels.use(before)


def made(text, geometry=(9, 8, 1), activation="relu", classes=10, dtype=np.float32):
    height, width, channels = geometry
    network = Network.build(
        text, image_shape=(height, width), channels=channels, classes=classes, rng=3,
        activation=activation, dtype=dtype,
    )  # fmt: skip
    network.theta += np.random.default_rng(4).normal(0, 0.1, network.theta.shape).astype(dtype)
    return network


def described(network):
    return network.specs, network.shape, network.kinds


def heard_by(network, count):
    layers = zip(network.specs, network.sizes, strict=False)
    width = sum(size for spec, size in layers if spec.kind == "dropout")
    return np.random.default_rng(5).integers(0, 2, (count, width)).astype(np.uint8)


def data_for(network, count=50):
    rng = np.random.default_rng(6)
    images = rng.integers(0, 256, (count, network.inputs)).astype(np.uint8)
    return images, rng.integers(0, network.classes, count).astype(np.uint8)


def gradient_of(k, network, images, rows, labels, heard=NOBODY, targets=None):
    """Return (gradient, loss, right answers) of the mean over some images."""
    gradient, count = np.zeros_like(network.theta), len(rows)
    targets = wanted(network.classes) if targets is None else targets
    made_of = SCALE, described(network), network.theta, gradient
    steps = k.window_steps(images, *made_of, numpy_.SGD, (), count, targets)
    batch = rows, labels, np.array([count]), np.array([[-1.0]]), np.array([1 / count]), heard
    losses, right = steps(*batch)
    return gradient, losses.item(), right.item()


def same(expected, actual, atol=2e-5):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol * (1 + np.abs(expected).max()))


# Kernels ------------------------------------------------------------------------------------


def test_a_convolution_and_its_gradient_by_hand(k):
    # Pixels 1 2 3 of 1/255 each, a window of two, one map: z = 2 x + 3 x' + 1 = 9, 14; ReLU.
    # Logits 9 - 14 = -5 and 0, so that odds are e^-5 / (1 + e^-5) and the rest.
    network = Network.build("conv 1 1x2", image_shape=(1, 3), classes=2)
    values = {"weights_1": [2, 3], "biases_1": [1], "weights_2": [1, 0, -1, 0], "biases_2": [0, 0]}
    for name, value in values.items():
        network.parameters()[name].ravel()[:] = value
    gradient = np.zeros_like(network.theta)
    images, labels = np.array([[1, 2, 3]], np.uint8), np.array([1], np.uint8)
    made_of = np.float32(1), described(network), network.theta, gradient
    steps = k.window_steps(images, *made_of, numpy_.SGD, (), 1, wanted(2))
    one = np.array([0]), labels, np.array([1]), np.array([[-1.0]]), np.ones(1), NOBODY
    losses, right = steps(*one)
    p = np.exp(-5) / (1 + np.exp(-5))
    assert (pytest.approx(-np.log(1 - p), rel=1e-4), 1) == (losses.item(), right.item())
    # Blame for the logits p and -p; for the sums p and -p; for weights p (1 - 2), p (2 - 3).
    by_hand = [-p, -p, 0, 9 * p, -9 * p, 14 * p, -14 * p, p, -p]
    np.testing.assert_allclose(gradient, by_hand, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("count", [1, 16, 37])
@pytest.mark.parametrize("text", TEXTS)
def test_gradients_losses_and_logits_are_those_of_the_formulas(k, text, count):
    for geometry in ((9, 8, 1), (10, 9, 3)):
        network = made(text, geometry)
        images, labels = data_for(network)
        rows, heard = np.arange(count)[::-1], heard_by(network, count)
        batch = network, images, rows, labels[rows]
        expected = gradient_of(numpy_, *batch, heard)
        for was, now in zip(expected, gradient_of(k, *batch, heard), strict=True):
            same(was, now)
        asked = images[rows], labels[rows], SCALE, described(network), network.theta
        ends = []
        for each in (numpy_, k):
            logits = np.empty((count, 10), np.float32)
            ends.append((logits, each.window_loss(*asked, logits)[0]))
        same(ends[0][0], ends[1][0])
        assert pytest.approx(ends[0][1], rel=1e-4) == ends[1][1]


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh", "sigmoid", "identity"])
def test_every_activation_is_known(k, activation):
    network = made(TEXTS[1], activation=activation)
    images, labels = data_for(network)
    batch = network, images, np.arange(17), labels[:17]
    for was, now in zip(gradient_of(numpy_, *batch), gradient_of(k, *batch), strict=True):
        same(was, now)


def test_gradients_are_the_slopes_of_the_loss(k):
    network = made("conv 3 3x3 pad 1, pool 2, conv 4 2x2 stride 2, dense 6", activation="tanh")
    images, labels = data_for(network, 5)
    gradient, _, _ = gradient_of(k, network, images, np.arange(5), labels)
    exact = made("conv 3 3x3 pad 1, pool 2, conv 4 2x2 stride 2, dense 6", activation="tanh",
                 dtype=np.float64)  # fmt: skip
    exact.theta[:] = network.theta
    for n in np.random.default_rng(1).choice(exact.theta.size, 40, replace=False):
        losses = []
        for step in (1e-6, -2e-6):
            exact.theta[n] += step
            losses.append(exact.loss(images, labels)[0] / 5)
        exact.theta[n] += 1e-6
        assert pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-5) == gradient[n]


def test_smoothed_labels_and_weights_of_classes_are_descended(k):
    network = made(TEXTS[0], classes=4)
    images, labels = data_for(network)
    batch = network, images, np.arange(20), labels[:20]
    targets = wanted(4, 0.2, np.array([1.0, 0.5, 3, 2]))
    one, two = (gradient_of(each, *batch, targets=targets) for each in (numpy_, k))
    for was, now in zip(one, two, strict=True):
        same(was, now)
    assert pytest.approx(gradient_of(k, *batch)[1]) != two[1]


@pytest.mark.parametrize(
    ("text", "name"),
    [*((t, n) for t in (TEXTS[1], BEHIND) for n in ("sgd", "momentum", "adam")), (NORMED, "sgd")],
)
def test_steps_are_those_of_the_optimizers(k, name, text):
    """With norms, whose running statistics follow."""
    ends = []
    for each in (numpy_, k):
        network = made(text, activation="tanh")
        images, labels = data_for(network)
        take, moves = stepping(each, network, images, name, 20)
        losses, _ = take(np.arange(50), labels, np.array([20, 40, 50]), moves)
        ends.append((network.theta, losses))
    for was, now in zip(*ends, strict=True):
        same(was, now)


def stepping(k, network, images, name, count):
    """Return what takes steps on batches, and the numbers of the first three."""
    optimizer = OPTIMIZERS[name](network.theta, rate=0.003)
    memory = tuple(optimizer.carried().values())
    made_of = SCALE, described(network), network.theta, network.theta
    steps = k.window_steps(images, *made_of, optimizer.rule, memory, count, wanted(network.classes))

    def take(rows, labels, ends, numbers):
        sizes = np.diff(ends, prepend=0)
        heard = heard_by(network, len(rows))
        return steps(rows, labels, ends, numbers, 1 / sizes, heard)

    return take, np.array([optimizer.numbers() for _ in range(3)])


@pytest.mark.skipif(sys.platform == "emscripten", reason="a tab has one thread")
@pytest.mark.parametrize("text", [TEXTS[1], TEXTS[-1], NORMED])
def test_bits_depend_neither_on_threads_nor_on_calls(quick, monkeypatch, text):
    ends, k = [], importlib.import_module(kernels._MODULES[kernels.name], kernels.__name__)
    for count in ("1", "2", "3"):
        monkeypatch.setenv("NNENGINE_THREADS", count)
        assert int(count) == threads()
        network = made(text)
        images, labels = data_for(network)
        take, moves = stepping(k, network, images, "adam", 40)
        take(np.arange(50), labels, np.array([10, 40, 50]), moves)
        ends.append(network.theta)
    network = made(text)
    take, moves = stepping(k, network, images, "adam", 40)
    heard = heard_by(network, 50)
    for n, (begin, end) in enumerate([(0, 10), (10, 40), (40, 50)]):
        rows = np.arange(begin, end)
        steps, last = take.__closure__[1].cell_contents, np.array([end - begin])
        steps(rows, labels[rows], last, moves[n : n + 1], 1 / last, heard[begin:end])
    for other in (*ends[1:], network.theta):
        np.testing.assert_array_equal(ends[0], other)


def test_a_loss_that_is_not_finite_is_the_last(k):
    network = made(TEXTS[1])
    network.parameters()["weights_2"][0, 0, 0, 3] = np.nan
    images, labels = data_for(network)
    take, moves = stepping(k, network, images, "adam", 20)
    losses, right = take(np.arange(50), labels, np.array([20, 40, 50]), moves)
    assert (1, 1) == (len(losses), len(right)) and np.isnan(losses[0])


# Runs ---------------------------------------------------------------------------------------


def trained(text, config, activation="relu", state=None, network=None, **settings):
    network = network or made(text, (9, 8, 1), activation, 3)
    images, labels = data_for(network, 150)
    data = Dataset(images.reshape(-1, 9, 8), labels)
    settings = {"iterations": 12, "batch_size": 40, "learning_rate": 0.01, **settings}
    events = training(network, data, TrainingConfig(**settings, **config), data, state)
    return network, events


@pytest.mark.parametrize("batch_size", [40, None])
@pytest.mark.parametrize(
    ("text", "optimizer"),
    [*((t, n) for t in (TEXTS[-1], BEHIND) for n in OPTIMIZERS), *((NORMED, n) for n in PLAIN)],
)
def test_runs_end_as_those_of_the_formulas_do(quick, optimizer, batch_size, text):
    """With dropout, which draws the same numbers; RMSprop begins with whole steps of rounding."""
    ends, settings = [], {"batch_size": batch_size, "iterations": 6, "learning_rate": 1e-3}
    for name in kernels.BACK_ENDS:
        kernels.use(name)
        network, events = trained(text, {"optimizer": optimizer}, "tanh", **settings)
        *_, end = events
        ends.append((network.theta, end.val_loss))
    for was, now in zip(*ends, strict=True):
        same(was, now, 3e-3 if optimizer == "rmsprop" else 5e-5)


@pytest.mark.parametrize(
    "config",
    [{"l2": 0.01, "clip_norm": 0.5}, {"label_smoothing": 0.1}, {"class_weights": "balanced"}],
)
@pytest.mark.parametrize(("text", "optimizer"), [(TEXTS[1], "adam"), (NORMED, "momentum")])
def test_penalties_and_other_losses_are_heeded(quick, config, text, optimizer):
    ends = []
    for name in kernels.BACK_ENDS:
        kernels.use(name)
        network, events = trained(text, {"optimizer": optimizer, **config})
        list(events)
        ends.append(network.theta)
    same(*ends, 2e-4)


def test_the_record_says_how_a_run_was_done(quick):
    network, events = trained("conv 4 3x3, pool 2", {})
    list(events)
    record = network.training[-1]["data"]
    assert ("sixteen side by side", "windows move over sixteen images at once") == (
        record["path"], record["why"],
    )  # fmt: skip


def test_norms_over_more_images_than_formulas_take_at_once_are_left_to_these(quick, monkeypatch):
    from nnengine.kernels import taken

    text, why = "conv 4 3x3, norm", []
    for most in (1 << 23, 1 << 13):
        monkeypatch.setattr(taken, "MOST_AT_NORMS", most)
        network, events = trained(text, {})
        list(events)
        why.append(network.training[-1]["data"]["why"])
    assert why == [
        "windows move over sixteen images at once",
        "compiled steps know no norms over batches as large as these",
    ]
    piece = network.piece_images
    monkeypatch.undo()
    assert (True, False) == tuple(bool(taken.too_many(network, n)) for n in (piece + 1, piece))


def test_batches_larger_than_a_call_takes_are_gathered(quick, monkeypatch):
    from nnengine.fast import windowed

    ends = []
    for most in (1024, 64):
        monkeypatch.setattr(windowed, "MOST", most)
        network, events = trained(TEXTS[-1], {"optimizer": "adam"}, batch_size=None)
        list(events)
        ends.append(network.theta)
    same(*ends, 1e-4)


@pytest.mark.parametrize("text", [TEXTS[-1], NORMED])
def test_a_run_that_stopped_goes_on_to_the_same_bits(quick, text):
    whole, events = trained(text, {"optimizer": "adam"})
    list(events)
    state = TrainingState(steps_per_call=2)
    network, events = trained(text, {"optimizer": "adam"}, state=state)
    for event in events:
        if getattr(event, "step", 0) == 6:
            break
    events.close()
    _, events = trained(text, {"optimizer": "adam"}, state=state, network=network)
    list(events)
    np.testing.assert_array_equal(whole.theta, network.theta)


def test_a_run_whose_loss_is_not_finite_ends_with_good_weights(quick):
    network, events = trained(TEXTS[1], {"optimizer": "sgd"}, learning_rate=1e30)
    *_, end = events
    assert "TrainingDiverged" == type(end).__name__ and np.isfinite(network.theta).all()


@pytest.mark.parametrize("text", [TEXTS[1], NORMED])
def test_distorted_images_are_learnt_from(quick, text):
    from nnengine.data.augment import Augmentation

    ends = []
    for name in kernels.BACK_ENDS:
        kernels.use(name)
        network, events = trained(text, {"augmentation": Augmentation(shift=2)})
        list(events)
        ends.append(network.theta)
    same(*ends, 1e-4)


# Compiling ----------------------------------------------------------------------------------


@pytest.fixture
def numba(quick):
    if kernels.name != "numba":
        pytest.skip("numba is not here")
    return importlib.import_module(kernels._MODULES["numba"], kernels.__name__)


def test_a_run_gives_signs_of_life_while_its_kernels_are_compiled(numba, monkeypatch):
    compiled, glances, made_of = numba, [], []

    def names():
        while len(glances) < 3:
            time.sleep(0.001)
        yield "windows"

    @contextlib.contextmanager
    def compiling_slowly(name, shares):
        made_of.append((name, shares))
        yield names()

    monkeypatch.setattr(compiled, "is_missing", lambda kernel: True)
    monkeypatch.setattr(compiled.helpers, "compiling", compiling_slowly)
    monkeypatch.setattr(compiled, "_GLANCE_S", 0.001)
    for glance in compiled.made_ready("windows"):
        glances.append(glance)
    assert [(compiled.__name__, [["windows"]])] == made_of and len(glances) >= 3


def test_kernels_that_few_need_are_not_compiled_for_everybody(numba):
    assert "windows" in numba.LATER and "windows" not in numba.PREPARE


def test_a_run_whose_kernels_cannot_be_compiled_goes_on_in_numpy(numba, monkeypatch):
    expected, events = trained(TEXTS[-1], {"optimizer": "adam"})
    list(events)

    def failing(*arguments):
        raise KernelError("numba cannot compile the kernel _window_steps (for a test)")

    kernels.use("auto")
    monkeypatch.setattr(sys.modules[numba.window_steps.__module__], "_window_steps", failing)
    network, events = trained(TEXTS[-1], {"optimizer": "adam"})
    list(events)
    assert "numpy" == kernels.name and "for a test" in kernels.remark()
    same(expected.theta, network.theta, 1e-4)


def test_the_textbook_loss_is_what_is_wanted_without_settings():
    logits, labels = np.array([[1.0, -2, 0.5]]), np.array([2], np.uint8)
    loss, _, gradient = softmax_cross_entropy(logits, labels)
    odds = np.exp(logits) / np.exp(logits).sum()
    every, own = wanted(3)
    target = every + own * (np.arange(3) == 2)
    np.testing.assert_allclose([gradient, [[loss]]][0], odds - target)
    assert pytest.approx(loss) == -(target * np.log(odds)).sum()
