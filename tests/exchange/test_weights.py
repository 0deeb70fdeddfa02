"""Weights in a plain .npz: any usual names, either orientation, one network."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nnengine import ConfigError, FormatError, exchange
from nnengine.exchange import Told
from tests.exchange.nets import NETS, answers, images_for

NET = NETS["double"]
TOLD = Told(activation="sigmoid")
USUAL = [
    "w1 b1 w2 b2", "W1 b1 W2 b2", "weights_1 biases_1 weights_2 biases_2", "IHW HB HOW OB",
    "fc1.weight fc1.bias fc2.weight fc2.bias", "coefs_0 intercepts_0 coefs_1 intercepts_1",
    "layers.0.weight layers.0.bias layers.2.weight layers.2.bias", "arr_0 arr_1 arr_2 arr_3",
    "dense/kernel dense/bias dense_1/kernel dense_1/bias", "hidden_w hidden_b out_w out_b",
    "Wh bh Wo bo", "w_input b_input w_hidden b_hidden", "W_out0 b_out0 W_a1 b_a1",
    "layer9_weights layer9_bias layer10_weights layer10_bias",
]  # fmt: skip


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def arrays_of(net, outputs_first: bool, column: bool):
    for name, array in net.parameters().items():
        if name.startswith("weights"):
            yield array.T if outputs_first else array
        else:
            yield array[:, np.newaxis] if column else array


@pytest.mark.parametrize("names", USUAL)
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("outputs_first", [False, True])
def test_usual_names_in_either_orientation_are_one_network(names, outputs_first, column):
    arrays = arrays_of(NET, outputs_first, column)
    back = exchange.load(npz(**dict(zip(names.split(), arrays, strict=True))), TOLD)
    np.testing.assert_array_equal(NET.theta, back.theta)
    assert (NET.sizes, NET.activations) == (back.sizes, back.activations)


def test_the_answers_are_those_of_the_arrays():
    images = images_for(NET, 100)
    back = exchange.load(npz(**NET.parameters()), TOLD)
    np.testing.assert_array_equal(answers(NET, images), answers(back, images))


def test_one_layer_needs_nothing_said():
    net = NETS["one layer"]
    w, b = net.parameters().values()
    np.testing.assert_array_equal(net.theta, exchange.load(npz(w=w, b=b)).theta)


def test_no_biases_are_biases_of_zero():
    w1, _, w2, _ = NET.parameters().values()
    found = exchange.load(npz(w1=w1, w2=w2), TOLD).parameters()
    assert not found["biases_1"].any()
    np.testing.assert_array_equal(w2, found["weights_2"])


def test_names_out_of_order_are_put_in_order_by_widths():
    w1, b1, w2, b2 = NET.parameters().values()
    back = exchange.load(npz(output_w=w2, output_b=b2, start_w=w1, start_b=b1), TOLD)
    np.testing.assert_array_equal(NET.theta, back.theta)


def test_convolutions_as_keras_lays_them_are_read():
    net = NETS["lenet"]
    parts = list(net.parameters().values())
    names = ("conv1_w", "conv1_b", "conv2_w", "conv2_b", "dense1_w", "dense1_b", "dense2_w",
             "dense2_b")  # fmt: skip
    told = Told(activation="tanh", layers=net.description)
    back = exchange.load(npz(**dict(zip(names, parts, strict=True))), told)
    np.testing.assert_array_equal(net.theta, back.theta)


def test_a_count_beside_the_weights_is_passed_over():
    w, b = NETS["one layer"].parameters().values()
    assert 10 == exchange.load(npz(w=w, b=b, epochs=np.int64(5))).classes


@pytest.mark.parametrize(("arrays", "error", "fault"), [
    ({"w1": np.ones((4, 5)), "b1": np.ones(3)}, FormatError, "do not belong together"),
    ({"w1": np.ones((4, 4)), "w2": np.ones((4, 4))}, FormatError, "which side is the inputs'"),
    ({"w1": np.ones((4, 5)), "b1": np.ones(5), "w2": np.ones((6, 3)), "b2": np.ones(3)},
     FormatError, "in no way"),
    ({"x_train": np.zeros((3, 5, 5), np.uint8)}, FormatError, "data"),
    ({"w1": np.ones((4, 5)), "b1": np.ones(5), "extra": np.ones(9)}, FormatError, "extra"),
    ({"b1": np.ones(5)}, FormatError, "alone make no layer"),
    ({"w1": np.ones((4, 5)), "b1": np.ones(5), "w2": np.ones((5, 3)), "b2": np.ones(3)},
     ConfigError, "w1, b1, w2, b2.*--activation"),
])  # fmt: skip
def test_what_makes_no_network_is_refused(arrays, error, fault):
    told = None if error is ConfigError else Told(activation="relu")
    with pytest.raises(error, match=fault):
        exchange.load(npz(**arrays), told)


def test_zeros_that_unpack_a_thousandfold_are_not_unpacked():
    stream = io.BytesIO()
    np.savez_compressed(stream, w=np.zeros((40_000, 2_000), np.float32), b=np.zeros(2_000))
    with pytest.raises(FormatError, match="cannot hold"):
        exchange.load(stream.getvalue())
