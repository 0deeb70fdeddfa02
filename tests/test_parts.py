"""Parts: what each layer costs and makes of an image, by hand and beside the network itself."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import FormatError, Network
from nnengine.analysis.parts import cost, cost_of, parts, passage
from nnengine.core.description import Spec
from nnengine.training.layertext import read

LENET = "conv 6 5x5 pad 2, pool 2, conv 16 5x5, pool 2, dense 120, dense 84"


def test_the_parts_of_lenet_by_hand():
    """6 maps of 28x28, each number of 26 products with the bias; and so on: 61,706 parameters."""
    found = parts([*read(LENET)[1], Spec("dense", 10)], (28, 28, 1))
    assert [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16)] == [p.after for p in found[:4]]
    assert [156, 0, 2416, 0, 48120, 10164, 850] == [p.parameters for p in found]
    assert [28 * 28 * 156, 0, 100 * 2416, 0, 48120, 10164, 850] == [
        p.multiplications for p in found
    ]
    assert [4704, 1176, 1600, 400, 120, 84, 10] == [p.numbers for p in found]


@pytest.mark.parametrize("text", [LENET, "norm, conv 3 3x2 stride 2, norm, dropout 0.5, flatten"])
def test_a_network_costs_as_many_parameters_as_it_has(text):
    network = Network.build(text, image_shape=(28, 28), classes=10)
    assert network.parameter_count == cost_of(network).parameters
    assert not cost_of(network).dense


def test_dense_networks_multiply_each_parameter_once():
    found = cost([Spec("dense", 128), Spec("dense", 10)], (28, 28, 1))
    assert (784, 101770, 101770, 138, True) == (
        found.pixels, found.parameters, found.multiplications, found.numbers, found.dense,
    )  # fmt: skip


def test_an_image_passes_in_the_shapes_of_its_parts_and_ends_as_the_logits():
    network = Network.build("conv 3 3x3, norm, pool 2, dense 5", image_shape=(8, 6), classes=4)
    image = np.random.default_rng(1).integers(0, 256, (8, 6), np.uint8)
    made = passage(network, image)
    assert [(6, 4, 3), (6, 4, 3), (3, 2, 3), (1, 1, 5), (1, 1, 4)] == [one.shape for one in made]
    np.testing.assert_allclose(network.logits(image)[0], made[-1].ravel(), rtol=1e-6)


def test_a_convolution_s_maps_are_its_window_s_sums():
    network = Network.build("conv 1 1x2", image_shape=(2, 3), classes=2, input_scale=1.0)
    network.parameters()["weights_1"][:] = np.array([1, 10]).reshape(1, 2, 1, 1)
    first = passage(network, np.arange(6, dtype=np.uint8).reshape(2, 3))[0]
    assert [[10, 21], [43, 54]] == first[:, :, 0].tolist()


def test_several_images_have_no_passage():
    network = Network.build([4, 2])
    with pytest.raises(FormatError, match="2 images: give one"):
        passage(network, np.zeros((2, 4), np.uint8))
