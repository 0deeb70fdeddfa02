"""Follow page: from a byte of the file to the answer and back, by what an address says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from dashboard.present import follow as present
from dashboard.state import session
from dashboard.store.networks import Entry
from nnengine import Network
from tests.pages import asked, component, idx, new_visit, open_page, words

IMAGES = np.random.default_rng(8).integers(0, 256, (20, 9, 9)).astype(np.uint8)
LABELS = np.arange(20, dtype=np.uint8) % 3
FILES = {"train-images.idx": idx(IMAGES), "train-labels.idx": idx(LABELS),
         "test-images.idx": idx(IMAGES[::-1]), "test-labels.idx": idx(LABELS[::-1])}  # fmt: skip


def visitor(layers="dense 5, dense 4"):
    """A visitor with files of 9 x 9 pixels and a network for them."""
    network = Network.build(layers, rng=1, image_shape=(9, 9), classes=3)
    visit = new_visit(FILES)
    visit.networks.keep(Entry(network.snapshot(), "mine.npz", "file", "mine.npz"))
    return visit, network


def follow(visit, **said):
    """Open the page at an address."""
    at = open_page("follow", visit)
    if said:
        for name, value in said.items():
            at.query_params[name] = str(value)
        at.run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def test_the_words_of_a_place_are_no_recipe_s_and_are_left_out_elsewhere():
    assert session.PLACE == present.NAMES


def test_an_address_leads_to_a_byte_a_unit_and_back():
    visit, network = visitor()
    at = follow(visit, image=3, pixel=40, layer=0, unit=2, label=1)
    text, image = words(at), IMAGES[::-1][3]
    byte = int(image.flat[40])
    assert "These are the bytes of test-images.idx." in text
    assert "header 16 + image 3 × 81 bytes + 40 = 299" in text
    assert FILES["test-images.idx"][299] == byte
    assert f"<mark>{byte:02x}</mark>" in text and f"byte {byte} ÷ 255" in text
    assert f"Row 4, column 4: byte {byte}" == component(at, "follow.pixel")["said"][40]
    assert 2 == component(at, "follow.unit.0")["selected"]
    assert "If 1 is right" in text
    assert "nnengine/core/layers.py:" in text and "gradient of the weight on row 4" in text


def test_pressing_on_changes_the_address_and_the_sum():
    visit, _ = visitor()
    at = follow(visit, image=3, pixel=40, unit=2)
    before = words(at)
    layer = next(box for box in at.selectbox if box.label == "Layer")
    layer.select(1).run()
    assert not at.exception
    assert "1" == asked(at, "layer") and before != words(at)
    at.number_input[0].set_value(7).run()
    assert not at.exception
    assert "7" == asked(at, "image") and "header 16 + image 7 × 81" in words(at)


def test_the_step_that_is_shown_is_the_optimizers():
    visit, network = visitor()
    at = follow(visit, image=0, pixel=4, layer=0, unit=1, label=0)
    gradient = np.zeros_like(network.theta)
    network.gradient(IMAGES[::-1][0], np.array([0], np.uint8), gradient)
    place = 4 * 5 + 1
    new = network.theta[place] - 0.1 * gradient[place]
    shown = re.search(r"weight behind the step = <b>(.*?)</b>", words(at))
    assert f"{new:.4g}".replace("-", "\u2212") == shown[1]


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_every_kind_of_layer_is_followed_both_ways(layer):
    visit, _ = visitor("conv 3 3x3 pad 1, norm, pool 2, dense 4")
    at = follow(visit, image=1, layer=layer)
    assert "A unit: its sum" in words(at) and "delta of the sum" in words(at)
    next(box for box in at.selectbox if box.label == "Map").select(2).run()
    assert not at.exception
    assert 2 == int(asked(at, "unit")) % 3


@pytest.mark.parametrize(
    "said", [{"image": 10**8, "pixel": 10**8, "layer": 99, "unit": 99, "label": 99},
             {"image": "x", "pixel": "-3", "source": "<b>"}, {"source": "drawing"}],
)  # fmt: skip
def test_an_address_that_says_nonsense_is_taken_as_far_as_it_goes(said):
    visit, _ = visitor()
    follow(visit, **said)


def test_misread_images_are_offered_with_what_they_are_taken_for():
    visit, network = visitor()
    wrong = np.flatnonzero(network.predict(IMAGES[::-1]) != LABELS[::-1])
    at = follow(visit, source="misread")
    box = next(box for box in at.selectbox if box.label == "Image")
    assert len(wrong) == len(box.options) and "answered" in box.options[0]
    assert str(wrong[0]) == asked(at, "image")


def test_a_blank_sheet_leads_to_draw(monkeypatch):
    at = follow(None, source="drawing")
    assert "The sheet on the Draw page is blank" in words(at)


def test_without_a_network_the_page_leads_to_one(nothing_ships):
    at = follow(None)
    assert {"Start a run", "Restore a model"} <= {link.proto.label for link in at.get("page_link")}
