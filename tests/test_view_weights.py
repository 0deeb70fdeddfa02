"""Weights page: every unit's image, its key, and the layers behind."""

from __future__ import annotations

import pytest

from nnengine import Network
from tests.pages import component, new_visit, open_page, words


@pytest.fixture
def visit():
    """A visitor with a restored network of two hidden layers on images that are not square."""
    from dashboard.visits import HeldNetwork

    network = Network.build([120, 12, 5, 3], rng=1, image_shape=(12, 10))
    visit = new_visit({})
    visit.held = HeldNetwork(network.snapshot(), "mine.npz", "file")
    return visit


def test_without_a_network_the_page_leads_to_one():
    at = open_page("weights")
    assert not at.exception
    assert {"Start a run", "Restore a model"} <= {link.proto.label for link in at.get("page_link")}


def test_every_hidden_unit_of_the_first_layer_has_an_image(visit):
    at = open_page("weights", visit)
    assert not at.exception
    tiles = next(
        e for e in at.get("bidi_component") if "Unit 12" in e.proto.json
    )
    assert "Unit 13" not in tiles.proto.json
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
    at = open_page("weights", visit)
    order = next(g for g in at.get("button_group") if "Strength" in str(g.proto))
    order.set_value("Strength").run()
    assert not at.exception


def test_the_large_unit_is_described_in_words(visit):
    at = open_page("weights", visit)
    assert component(at, "weights.large")
    assert "Strength" in words(at)
