"""Weights page: every unit's image, its key, and the layers behind."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nnengine
from dashboard.store.networks import Entry
from nnengine import Network
from tests.pages import component, new_visit, open_page, words


@pytest.fixture
def visit():
    """A visitor with a restored network of two hidden layers on images that are not square."""
    network = Network.build([120, 12, 5, 3], rng=1, image_shape=(12, 10))
    visit = new_visit({})
    visit.networks.keep(Entry(network.snapshot(), "mine.npz", "file", "mine.npz"))
    return visit


def test_a_shipped_network_is_shown_to_a_fresh_visitor(monkeypatch):
    network = Network.build([120, 7, 3], rng=1, image_shape=(12, 10)).snapshot()
    monkeypatch.setattr(nnengine, "shipped", lambda name: network)
    at = open_page("weights")
    assert not at.exception
    assert "Drawing network" in words(at)
    assert 7 == len(component(at, "weights.tiles")["captions"])


def test_without_a_network_the_page_leads_to_one(nothing_ships):
    at = open_page("weights")
    assert not at.exception
    assert {"Start a run", "Restore a model"} <= {link.proto.label for link in at.get("page_link")}


def test_every_unit_of_the_first_layer_has_an_image_of_the_right_shape(visit):
    at = open_page("weights", visit)
    assert not at.exception
    shown = component(at, "weights.tiles")
    assert [f"Unit {i}" for i in range(1, 13)] == shown["captions"]
    assert [12, 10] == shown["shape"]
    assert "120-12-5-3" in words(at)


def test_a_later_layer_is_shown_as_a_heatmap_of_its_weights(visit):
    at = open_page("weights", visit)
    next(one for one in at.selectbox if one.label == "Layer").select_index(1).run()
    assert not at.exception
    labels = " ".join(e.proto.json for e in at.get("bidi_component"))
    assert "Weights of layer 2: 12 by 5" in labels
    assert "Biases of layer 2: 5" in labels


def test_the_distribution_covers_every_layer(visit):
    at = open_page("weights", visit)
    assert any("Distribution of weights" in e.proto.json for e in at.get("bidi_component"))


def test_units_can_be_ordered_by_strength(visit):
    weights = visit.networks.in_hand(None).network.layers[0].weights
    at = open_page("weights", visit)
    order = next(g for g in at.get("button_group") if "Strength" in str(g.proto))
    order.set_value("Strength").run()
    expected = np.argsort(-np.linalg.norm(weights, axis=0)).tolist()
    assert expected == component(at, "weights.tiles")["ids"]


def test_a_common_scale_and_an_own_one_paint_differently(visit):
    at = open_page("weights", visit)
    common = component(at, "weights.tiles")["sheet"]
    next(g for g in at.get("button_group") if "Own" in str(g.proto)).set_value("Own").run()
    assert common != component(at, "weights.tiles")["sheet"]


def test_a_wide_layer_is_shown_in_pages(visit):
    visit.networks.keep(
        Entry(Network.build([16, 100, 2]).snapshot(), "wide.npz", "file", "wide.npz")
    )
    at = open_page("weights", visit)
    assert 48 == len(component(at, "weights.tiles")["ids"])
    place = next(box for box in at.selectbox if box.label == "Units")
    place.select_index(2).run()
    assert list(range(96, 100)) == component(at, "weights.tiles")["ids"]


def test_a_network_without_hidden_layers_names_its_units_by_class(visit):
    network = Network.build([16, 3], class_names=["cat", "dog", "*owl*"])
    visit.networks.keep(Entry(network.snapshot(), "flat.npz", "file", "flat.npz"))
    at = open_page("weights", visit)
    assert not at.exception
    assert ["cat", "dog", "*owl*"] == component(at, "weights.tiles")["captions"]


def test_inputs_that_are_no_image_are_shown_as_a_heatmap(visit):
    visit.networks.keep(Entry(Network.build([7, 4, 2]).snapshot(), "flat.npz", "file", "flat.npz"))
    at = open_page("weights", visit)
    assert not at.exception
    assert "Weights of layer 1: 7 by 4" in component(at, "weights.matrix.0")["label"]


def test_the_large_unit_is_described_in_words(visit):
    at = open_page("weights", visit)
    (sentence,) = component(at, "weights.large")["labels"]
    assert sentence.startswith("Unit 1: strength ")
    assert "Strength" in words(at)


@pytest.fixture
def looking():
    """A visitor with a network of maps for the built-in digits, with one layer of many maps."""
    net = Network.build(
        "conv 6 5x5 pad 2, pool 2, conv 50 3x3, pool 2, dense 8", rng=1, image_shape=(28, 28),
        classes=10,
    )  # fmt: skip
    visit = new_visit({})
    visit.networks.keep(Entry(net.snapshot(), "maps.npz", "file", "maps.npz"))
    return visit


def choice(at, label):
    return next(box for box in at.selectbox if box.label == label)


def test_every_map_of_a_convolution_has_its_window_as_an_image(looking):
    at = open_page("weights", looking)
    assert not at.exception
    shown = component(at, "weights.tiles")
    assert ([f"Map {i}" for i in range(1, 7)], [5, 5]) == (shown["captions"], shown["shape"])
    assert "Biases of layer 1: 6" in component(at, "weights.biases.0")["label"]


def test_a_map_is_shown_channel_by_channel(looking):
    at = open_page("weights", looking)
    choice(at, "Layer").select_index(1).run()
    assert not at.exception
    assert [f"Channel {i}" for i in range(1, 7)] == component(at, "weights.large")["captions"]
    assert 48 == len(component(at, "weights.tiles")["captions"])


def test_a_dense_layer_behind_maps_is_a_heatmap_of_its_numbers(looking):
    at = open_page("weights", looking)
    choice(at, "Layer").select_index(2).run()
    assert not at.exception
    assert "Weights of layer 3: 1800 by 8" in component(at, "weights.matrix.4")["label"]


def test_what_the_layers_make_of_a_digit_is_shown_layer_by_layer(looking):
    at = open_page("weights", looking)
    for key, count in (("maps.0", 6), ("maps.1", 6), ("maps.2", 16), ("maps.3", 16)):
        assert count == len(component(at, key)["labels"])
    assert "16 of 50 maps" in words(at)
    before = component(at, "maps.seen")["sheet"]
    next(b for b in at.button if b.label == "Another").click().run()
    assert before != component(at, "maps.seen")["sheet"]


def test_all_maps_of_one_layer_are_shown_in_pages(looking):
    at = open_page("weights", looking)
    choice(at, "Show").select_index(3).run()
    assert not at.exception
    assert 48 == len(component(at, "maps.2")["labels"])
    choice(at, "Maps").select_index(1).run()
    assert ["Map 49 behind conv 50 3x3", "Map 50 behind conv 50 3x3"] == component(at, "maps.2")[
        "labels"
    ]


def test_filters_on_colours_are_colour_pictures_and_no_grey_image_passes(visit):
    net = Network.build("conv 4 3x3", rng=1, image_shape=(8, 8), channels=3, classes=10)
    visit.networks.keep(Entry(net.snapshot(), "colour.npz", "file", "colour.npz"))
    at = open_page("weights", visit)
    assert not at.exception
    assert "Red, green and blue" in words(at)
    assert "No images in hand are of this network's size" in words(at)


def test_every_class_has_its_name_on_the_axis_though_the_units_before_it_are_many():
    """The classes of digits are 0 to 9; numbers in their place would be those of other digits."""
    at = open_page("weights")
    next(one for one in at.selectbox if one.label == "Layer").select_index(2).run()
    figure = json.loads(component(at, "weights.matrix.2")["figure"])
    axis = figure["layout"]["xaxis"]
    assert [str(i) for i in range(10)] == [name.strip("\u200b") for name in figure["data"][0]["x"]]
    assert ("category", 1) == (axis["type"], axis["dtick"])
    assert 0.5 == figure["layout"]["yaxis"]["range"][1]  # units are counted from 1


def test_the_page_has_a_chooser_of_its_own_and_shows_what_is_chosen(visit):
    at = open_page("weights", visit)
    chooser = next(one for one in at.selectbox if one.label == "Network")
    chooser.select_index(len(chooser.options) - 1).run()
    assert not at.exception
    assert chooser.options[-1].partition(" (")[0] in words(at)
