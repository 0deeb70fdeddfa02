"""What layers make of an image as pictures, and a network as columns: shapes, bounds, words."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.present import maps, network_picture, pictures, units
from nnengine import Network
from nnengine.core.description import Spec
from nnengine.errors import TextError
from nnengine.training.layertext import read_hidden


def network(text, shape=(12, 10), channels=1):
    return Network.build(text, image_shape=shape, channels=channels, classes=3, rng=1)


def test_a_norm_belongs_to_the_layer_before_it_and_what_does_nothing_is_left_out():
    found = maps.stages(network("conv 2 3x3, norm, dropout 0.5, pool 2, flatten, dense 4"))
    assert [(1, "conv 2 3x3, norm", 2), (3, "pool 2", 2)] == [
        (one.layer, one.name, one.maps) for one in found
    ]


def test_dense_networks_have_no_maps():
    assert [] == maps.stages(network("dense 5"))


def test_the_maps_of_an_image_are_its_passage_and_zero_is_the_neutral_level():
    net = network("conv 2 3x3, pool 2")
    image = np.random.default_rng(0).integers(0, 256, (12, 10), np.uint8)
    first, second = maps.strips(net, image, maps.few_of_each(net))
    assert ((2, 10, 8), (2, 5, 4)) == (first.levels.shape, second.levels.shape)
    assert "2 maps" == first.count
    silent = pictures.map_levels(np.zeros((1, 2, 2)), 1.0)
    assert (silent == 127).all()


def test_of_many_maps_the_first_are_shown_and_the_rest_are_counted():
    net = network("conv 40 3x3")
    ((stage, places),) = maps.few_of_each(net)
    (strip,) = maps.strips(net, np.ones((12, 10), np.uint8), [(stage, places)])
    assert (16, "16 of 40 maps", "Map 16") == (len(strip.levels), strip.count, strip.names[-1])


@pytest.mark.parametrize("side", [40, 300])
def test_all_maps_together_stay_within_the_cells_of_a_drawing(side):
    net = network("conv 16 3x3 pad 1, conv 16 3x3 pad 1", (side, side))
    image = np.ones((side, side), np.uint8)
    strips = maps.strips(net, image, maps.few_of_each(net))
    assert sum(strip.levels.size for strip in strips) <= maps.MOST_CELLS


def test_a_shrunk_map_keeps_the_strongest_of_those_that_share_a_pixel():
    whole = np.array([[[1.0, -5.0, 2.0], [0.5, 3.0, -1.0], [0.0, 0.25, -4.0]]])
    assert [[[-5.0, 2.0], [0.25, -4.0]]] == pictures.shrunk(whole, 4).tolist()
    assert pictures.shrunk(whole, 9) is whole


def test_a_filter_s_levels_are_the_mean_of_its_channels():
    weights = np.zeros((2, 2, 2, 1), np.float32)
    weights[0, 0, :, 0], weights[1, 1, :, 0] = (1, 3), (-4, 0)
    assert [[[254, 127], [127, 0]]] == pictures.filter_levels(weights, limit=2.0).tolist()


def test_a_filter_of_three_channels_is_a_colour_picture_around_grey():
    weights = np.zeros((1, 2, 3, 1), np.float32)
    weights[0, 0, :, 0], weights[0, 1, 0, 0] = (1, -1, 0.5), 9
    found = pictures.filter_colours(weights, 1.0)
    assert [[[[255, 0, 191], [255, 128, 128]]]] == found.tolist()


def test_layers_are_named_and_counted_by_those_with_weights():
    net = network("conv 2 3x3, norm, pool 2, dense 5")
    assert [0, 3, 4] == units.weighing(net)
    assert [
        "Layer 1: 1 channel to 2 maps, 3 × 3",
        "Layer 2: 40 numbers to 5 units",
        "Layer 3: 5 units to 3 classes",
    ] == units.layer_names(net)
    assert ("Map 1", "Map 2") == units.unit_names(net, 0)
    assert ("Unit 5", "Number 40") == (units.unit_names(net, 3)[-1], units.source_names(net, 3)[-1])
    assert units.unit_names(net, 3) == units.source_names(net, 4)
    assert "conv 2 3x3, norm, pool 2, dense 5 → 3 · ReLU · " in units.summary(net)


def test_the_rows_of_a_network_say_what_each_layer_gives():
    rows = units.layer_rows(network("conv 2 3x3, norm, pool 2"))
    assert [
        ("1. conv 2 3x3", "2 × 10 × 8", "–", "20"),
        ("2. norm", "2 × 10 × 8", "ReLU", "8"),
        ("3. pool 2", "2 × 5 × 4", "–", "0"),
        ("4. dense 3, the classes", "3", "softmax", "123"),
    ] == rows


def test_a_network_s_columns_say_shapes_and_parameters():
    layers = (*read_hidden("norm, conv 1 3x3, dropout 0.5, dense 1"), Spec("dense", 1))
    found = network_picture.columns(layers, (5, 5, 3))
    assert [
        "image: 5 × 5 in colour, then norm, 12 parameters",
        "conv 1 3x3: 1 map 3 × 3, then dropout 0.5, 28 parameters",
        "dense 1: 1 unit, 10 parameters",
        "classes: 1 class, 2 parameters",
    ] == [column.sentence for column in found]
    drawn = network_picture.picture(layers, (5, 5, 3))
    assert 1 == drawn.count('role="img"')
    assert "; ".join(column.sentence for column in found) in drawn


def test_a_missing_word_is_marked_where_it_should_stand():
    for text, marked in (
        ("conv 8, pool 2", "conv 8<mark></mark>, pool 2"),
        ("conv 8 5y5, pool 2", "conv 8 <mark>5y5</mark>, pool 2"),
        ("<b>, pool 2", "<mark>&lt;b&gt;</mark>, pool 2"),
    ):
        with pytest.raises(TextError) as fault:
            read_hidden(text)
        assert f"<code>{marked}</code>" in network_picture.pointed(fault.value)
