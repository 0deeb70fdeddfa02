"""Weights page: every unit's image, its key, and the layers behind."""

from __future__ import annotations

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
    at.selectbox[0].select_index(1).run()
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
