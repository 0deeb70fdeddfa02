"""Layers: worked by hand, by central differences, and beside PyTorch's numbers.

The table was computed by PyTorch 2.13.0 (CPU) in float64 with torch.nn.functional.conv2d,
max_pool2d and avg_pool2d, and torch.nn.BatchNorm2d, on the numbers of `numbers` below.
"""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import ConfigError, Dataset, Network, TrainingConfig, kernels, training
from nnengine.core import arithmetic
from nnengine.core.arithmetic import now
from nnengine.core.description import write
from nnengine.core.layers import Pass
from nnengine.core.losses import softmax_cross_entropy
from nnengine.core.network import bound
from nnengine.errors import TextError
from nnengine.training import StepFinished, TrainingState
from nnengine.training.layertext import read


def numbers(*shape, seed):
    return np.random.default_rng(seed).integers(-8, 9, shape) / 8


def layer(text, shape, *arrays, activation="identity"):
    """Return one layer and its gradients, both bound to vectors; the first holds the arrays."""
    ((spec,), vector) = (
        read(text)[1],
        np.concatenate([np.ravel(a) for a in arrays] or [np.empty(0)]),
    )
    made = [bound(one, [spec], shape, [activation])[0] for one in (vector, np.zeros_like(vector))]
    return made


# A layer's outputs summed; weighted by 1/8, 2/8, ... and summed; then for that weighted sum the
# squares of the gradients of inputs, weights and biases (or scales and shifts), each summed.
X = numbers(2, 5, 6, 2, seed=1)
W, B = numbers(3, 2, 2, 3, seed=2), numbers(3, seed=3)
PYTORCH = {
    "conv 3 3x2 stride 2 pad 1": (
        (W, B), -24.078125, -126.44921875, 6754.53955078, 3062.43359375, 35988.75,
    ),
    "conv 3 3x2": ((W, B), -20.703125, -106.48828125, 14393.96655273, 11201.62719727, 87366.796875),
    "pool 2x3 stride 2": ((), 11.5, 11.84375, 33.46875),
    "average 2 stride 1": ((), 0.03125, 19.5, 2102.6328125),
    "norm": (
        ([0.5, 2.0], [-1.0, 0.25], [0.0, 0.0], [1.0, 1.0]),
        -45.0, -283.7904816992, 13196.05302815, 784.31692431, 411806.25,
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", PYTORCH)
def test_layers_and_their_gradients_are_those_of_pytorch(text, back_end):
    arrays, summed, weighted, *squares = PYTORCH[text]
    made, gradient = layer(text, (5, 6, 2), *arrays)
    way, x = Pass(rng=np.random.default_rng(0)), X.reshape(2, -1)
    a = made.forward(x, way)
    weights = np.arange(1, a.size + 1).reshape(a.shape) / 8
    assert pytest.approx((summed, weighted)) == (a.sum(), (a * weights).sum())
    dx = made.backward(x, a, weights, gradient, way)
    names = {"conv": ("weights", "biases"), "norm": ("scales", "shifts")}.get(made.spec.kind, ())
    found = [dx, *(getattr(gradient, name) for name in names)]
    assert pytest.approx(squares) == [np.square(one).sum() for one in found]


def test_running_statistics_follow_as_those_of_pytorch():
    network = Network.build("norm", image_shape=(5, 6), channels=2, classes=2, dtype=np.float64)
    gradient, way = np.zeros_like(network.theta), network.practice(0, 0, 2)(0, 2)
    x = X.reshape(2, -1) * 255
    outputs = network.forward(x, way)
    network.backward(x, outputs, np.zeros_like(outputs[-1]), gradient, way)
    network.settle(gradient)
    parameters = network.parameters()
    assert pytest.approx([-0.0004166666666667, 0.00625]) == parameters["means_1"].tolist()
    assert pytest.approx([0.9360151836158, 0.9366260593220]) == parameters["variances_1"].tolist()
    assert not gradient.any()


# Central differences ----------------------------------------------------------------------

TEXTS = [
    "conv 3 3x3",
    "conv 2 3x2 stride 2 pad 1, conv 3 2x2",
    "conv 3 3x3, norm, pool 2, dense 5",
    "average 2x3 stride 1, conv 2 2x2, dropout 0.5, flatten, dense 4, norm",
    "norm, dense 5, dropout 0.3, dense 4",
    "pool 2, norm, conv 2 1x1 stride 2",
    "dropout 0.2",
    "flatten, dense 4",
]


def batch(inputs, count=6):
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (count, inputs)).astype(np.uint8), np.arange(count, dtype="u1") % 3


def in_training(network, images, labels):
    """Return the mean loss in training, always of the same draws, and its gradient."""
    gradient, way = np.zeros_like(network.theta), network.practice(1, 2, len(labels))
    loss, _ = network.gradient(images, labels, gradient, practice=way)
    return loss / len(labels), gradient


def slope(network, i, images, labels, step=1e-6):
    """Return how the loss in training grows with one parameter, by a central difference."""
    value, losses = network.theta[i], []
    for nudged in (value + step, value - step):
        network.theta[i] = nudged
        losses.append(in_training(network, images, labels)[0])
    network.theta[i] = value
    return (losses[0] - losses[1]) / (2 * step)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("text", TEXTS)
def test_gradients_agree_with_central_differences(text, channels, back_end):
    network = Network.build(
        text, image_shape=(6, 7), channels=channels, classes=3, activation="tanh", rng=3,
        initializer="glorot", dtype=np.float64,
    )  # fmt: skip
    images, labels = batch(42 * channels)
    gradient = in_training(network, images, labels)[1]
    for name, where, *_ in network._places:
        if name.startswith(("means", "variances")):  # no gradient: what the batch had
            continue
        for i in range(where.start, where.stop):
            assert pytest.approx(slope(network, i, images, labels), abs=2e-8) == gradient[i]


@pytest.mark.parametrize("text", TEXTS)
def test_the_gradient_of_a_layers_inputs_agrees_with_central_differences(text):
    """For layers in the middle: whatever follows sees it through what they hand back."""
    network = Network.build(
        f"dense 12, {text}" if "conv" not in text and "pool" not in text else f"conv 2 1x1, {text}",
        image_shape=(6, 7), classes=3, activation="sigmoid", rng=3, dtype=np.float64,
    )  # fmt: skip
    images, labels = batch(42)
    gradient = in_training(network, images, labels)[1]
    for i in range(3):  # weights of the layer before
        assert pytest.approx(slope(network, i, images, labels), abs=2e-8) == gradient[i]


@pytest.mark.parametrize("text", TEXTS)
def test_float_images_have_the_same_gradient_as_their_bytes(text, back_end):
    network = Network.build(text, image_shape=(6, 7), classes=3, rng=1, dtype=np.float64)
    images, labels = batch(42)
    found = [in_training(network, given, labels)[1] for given in (images, images.astype(float))]
    np.testing.assert_allclose(*found, atol=1e-13)


@pytest.mark.parametrize("text", TEXTS)
def test_back_ends_agree_on_a_gradient(text):
    network = Network.build(text, image_shape=(6, 7), classes=3, rng=1)
    images, labels = batch(42)
    before, found = kernels.name, []
    for name, reason in kernels.available().items():
        if reason is None:
            kernels.use(name)
            found.append(in_training(network, images, labels)[1])
    kernels.use(before)
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, atol=2e-6)


# By hand ----------------------------------------------------------------------------------


def test_a_convolution_worked_by_hand(back_end):
    made, _ = layer("conv 1 2x2", (3, 3, 1), [1.0, 0, 0, -1], [10.0])
    image = np.array([[1.0, 2, 3, 4, 5, 6, 7, 8, 10]])
    assert [[6.0, 6, 6, 5]] == made.forward(image, Pass()).tolist()  # 10 + x[i,j] - x[i+1,j+1]


def test_each_map_sums_over_all_channels():
    made, _ = layer("conv 2 1x1", (1, 2, 2), [[1.0, 0], [100, 1]], [0.0, 0.5])
    assert [[201.0, 2.5, 403, 4.5]] == made.forward(np.array([[1.0, 2, 3, 4]]), Pass()).tolist()


def test_the_blame_of_a_pool_goes_to_the_first_of_its_largest(back_end):
    made, gradient = layer("pool 2", (2, 3, 1))
    x = np.array([[1.0, 5, 9, 5, 5, 9]])  # the third column is reached by no window
    a = made.forward(x, Pass())
    assert [[5.0]] == a.tolist()
    dx = made.backward(x, a, np.array([[3.0]]), gradient, Pass())
    assert [[0.0, 3, 0, 0, 0, 0]] == dx.tolist()


def test_normalised_numbers_have_mean_zero_and_spread_one_in_training_alone():
    made, _ = layer("norm", (1, 1, 2), np.ones(2), np.zeros(2), [1.0, 2], [4.0, 1])
    x = np.array([[3.0, 2], [7, 8]])
    np.testing.assert_allclose(
        made.forward(x, Pass(rng=np.random.default_rng())), [[-1, -1], [1, 1]], atol=1e-5
    )
    np.testing.assert_allclose(made.forward(x, Pass()), [[1, 0], [3, 6]], atol=1e-4)


def test_dropout_silences_its_share_and_keeps_the_mean():
    made, gradient = layer("dropout 0.25", (1, 1, 40_000))
    x, way = np.ones((1, 40_000)), Pass(rng=np.random.default_rng(1))
    a = made.forward(x, way)
    assert {0.0, 4 / 3} == set(a.ravel().tolist())
    assert pytest.approx(1, abs=0.02) == a.mean()
    np.testing.assert_array_equal(a, made.backward(x, a, np.ones_like(a), gradient, way))
    assert made.forward(x, Pass()).all()


def test_what_is_silenced_depends_on_seed_step_and_piece_alone():
    network = Network.build("dropout 0.5", image_shape=(6, 7), classes=3)
    images, _ = batch(42)

    def drawn(seed, step, first):
        return network.forward(images, network.practice(seed, step, 6)(first, 6))[0]

    same = drawn(1, 2, 0)
    np.testing.assert_array_equal(same, drawn(1, 2, 0))
    for other in ((2, 2, 0), (1, 3, 0), (1, 2, 6)):
        assert (same != drawn(*other)).any()


def test_an_activation_comes_behind_a_norm_that_follows_its_layer():
    network = Network.build("conv 2 3x3, norm, pool 2, dense 5", image_shape=(6, 7), classes=3)
    assert ("identity", "relu", "identity", "relu", "identity") == network.activations


# Descriptions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "conv 8 5x5, pool 2, conv 16 5x5, pool 2, dense 64",
        "conv 3 5x4 stride 2 pad 1, norm, average 2x1 stride 1, dropout 0.25, flatten, dense 5",
        "pool 3 stride 2, dense 7",
        "",
    ],
)
def test_a_text_comes_back_from_its_layers(text):
    assert text == write(read(text)[1])
    if text:
        assert text == Network.build(text, image_shape=(28, 28), classes=10).description


def test_words_may_be_short_and_spaced():
    assert read("64, conv 8 5,pool  2x2") == read("dense 64,conv 8 5x5 stride 1 pad 0, pool 2")


@pytest.mark.parametrize("text", ["784-128-10", "784,128,10", " 784, 128 ,10"])
def test_numbers_alone_have_both_ends(text):
    network = Network.build(text)
    assert ((784, 128, 10), "784-128-10") == (network.sizes, network.description)
    np.testing.assert_array_equal(Network.build([784, 128, 10]).theta, network.theta)


def test_dense_layers_in_words_make_the_same_network_as_their_widths():
    network = Network.build("dense 32, 16", image_shape=(28, 28), classes=10, rng=4)
    assert network.is_dense and network.sizes == (784, 32, 16, 10)
    np.testing.assert_array_equal(Network.build([784, 32, 16, 10], rng=4).theta, network.theta)


@pytest.mark.parametrize(
    ("text", "pointed", "words"),
    [
        ("conv 8 5y5, pool 2", "       ^^^", "'5y5' where there should be a window, such as 3x3"),
        ("conv", "    ^", "nothing where there should be how many units"),
        ("pool 2, cnov 8 3x3", "        ^^^^", "'cnov' where there should be one of dense, conv"),
        ("dense 5 6", "        ^", "'6' where there should be a comma"),
        ("dense 5,, pool 2", "        ^", "nothing where there should be one of"),
        ("dense 5,", "        ^", "nothing"),
        ("pool 2 pad 1", "       ^^^", "'pad' where there should be stride or a comma"),
        ("dropout 1.5", "        ^^^", "a share below 1"),
        ("conv 0 3x3", "     ^", "how many units"),
        ("conv 8 3x3 stride 0", "                  ^", "stride 2"),
        ("784-0-10", "    ^", "a width of 0"),
        ("dense ٣", "      ^", "how many units"),
    ],
)
def test_a_fault_points_at_its_word(text, pointed, words):
    with pytest.raises(TextError) as fault:
        read(text)
    assert words in str(fault.value)
    assert f"{text}\n{pointed}" == fault.value.pointed


def test_a_window_that_is_larger_than_what_is_left_is_pointed_at():
    with pytest.raises(TextError, match="3x3 pixels before 'conv 8 5x5'") as fault:
        Network.build("pool 8, conv 8 5x5", image_shape=(28, 28), classes=10)
    assert "        ^^^^^^^^^^" == fault.value.pointed.splitlines()[1]


def test_layers_as_text_want_a_geometry():
    with pytest.raises(ConfigError, match="image_shape"):
        Network.build("conv 8 3x3", classes=10)


# Runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["conv 4 3x3, norm, pool 2, dropout 0.2, dense 8", "conv 6 3x3 stride 2 pad 1, flatten"]
)
@pytest.mark.parametrize("batch_size", [None, 32])
def test_networks_of_all_layers_learn_easy_images(stripes, text, batch_size, back_end):
    data = Dataset(*stripes)
    network = Network.build(text, image_shape=(8, 8), classes=3, rng=1)
    config = TrainingConfig(
        iterations=60, batch_size=batch_size, optimizer="adam", learning_rate=0.01
    )
    *_, end = training(network, data, config, data)
    assert end.train_accuracy > 0.99 and end.val_accuracy > 0.99
    many = "norm" in text and batch_size is None  # for norms, whose formula takes 256 at once
    how = "compiled steps know no norms over" if many else "windows move over"
    assert network.training[-1]["data"]["why"].startswith((how, "numpy"))


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_a_run_has_the_same_bits_for_any_number_of_threads(stripes, threads, monkeypatch):
    ends = []
    for count in ("1", threads):
        monkeypatch.setenv("NNENGINE_THREADS", count)
        data = Dataset(*(np.concatenate([one] * 3) for one in stripes))
        network = Network.build("conv 4 3x3, norm, dropout 0.5, dense 99", image_shape=(8, 8),
                                classes=3, rng=1)  # fmt: skip
        for _ in training(network, data, TrainingConfig(iterations=3, batch_size=None)):
            pass
        ends.append(network.theta)
    np.testing.assert_array_equal(*ends)


def test_textbook_and_executor_draw_the_same(stripes):
    """The reference goes piece by piece where `Gathered` goes block by block."""
    data, ends, before = Dataset(*stripes), [], kernels.name
    for name, reason in kernels.available().items():
        if reason is None:
            kernels.use(name)
            network = Network.build("dropout 0.5, conv 4 3x3, norm", image_shape=(8, 8), classes=3)
            for _ in training(network, data, TrainingConfig(iterations=6, batch_size=280)):
                pass
            ends.append(network.theta)
    kernels.use(before)
    for other in ends[1:]:
        np.testing.assert_allclose(ends[0], other, atol=1e-5)


def test_a_run_that_is_interrupted_draws_on_from_where_it_was(stripes):
    data, config = Dataset(*stripes), TrainingConfig(epochs=2, batch_size=32, optimizer="adam")
    networks = [
        Network.build("conv 4 3x3, norm, dropout 0.5", image_shape=(8, 8), classes=3, rng=1)
        for _ in range(2)
    ]
    for _ in training(networks[0], data, config):
        pass
    state = TrainingState()
    for event in training(networks[1], data, config, state=state):
        if isinstance(event, StepFinished) and event.step == 7:
            break
    for _ in training(networks[1], data, config, state=state):
        pass
    np.testing.assert_array_equal(networks[0].theta, networks[1].theta)


def test_a_formula_that_comes_late_pushes_nothing_quicker_aside(monkeypatch):
    """Windows are imported by the first network that has any, long after kernels were chosen."""
    monkeypatch.setattr(now, "late", "quicker", raising=False)
    monkeypatch.setattr(arithmetic.FORMULAS, "late", None, raising=False)

    @arithmetic.formula
    def late() -> None: ...

    assert (late, "quicker") == (arithmetic.FORMULAS.late, now.late)


def test_penalties_act_on_windows_and_leave_norms_and_statistics_alone():
    network = Network.build("conv 2 3x3, norm", image_shape=(6, 7), classes=3)
    named = [at.name for at in network._places if at.where in network.weight_places]
    assert ["weights_1", "weights_3"] == named


def test_losses_are_those_of_answers():
    network = Network.build("dropout 0.5", image_shape=(6, 7), classes=3, rng=1)
    images, labels = batch(42)
    loss = softmax_cross_entropy(network.logits(images), labels)[0]
    assert pytest.approx(loss) == network.loss(images, labels)[0]
    assert now.back_end() == kernels.name
