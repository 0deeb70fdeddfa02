"""Why, on Draw: the parts of an answer, what would turn it, and what it is like."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dashboard import state
from dashboard.present import reasons, strokes
from dashboard.store.networks import Entry
from nnengine import Network, shipped
from nnengine.analysis import why
from nnengine.analysis.counterfactual import least_change
from nnengine.data import pen
from nnengine.data.synthetic import digits
from tests.pages import click, component, new_visit, open_page, words

PAD = "drawing-pad"


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return digits(3, seed=5).images[0]


def on_the_pad(image: np.ndarray, network: Network | None = None):
    """Open Draw with an image put on the pad, as this network sees it."""
    visit = new_visit({})
    if network is not None:
        visit.networks.keep(Entry(network.snapshot(), "mine.npz", "file", "mine.npz"))
    at = open_page("draw", visit)
    at.session_state["nn.memory"][PAD].place(image)
    return at.run()


def bars(at, key: str) -> dict[str, float]:
    (trace,) = json.loads(component(at, key)["figure"])["data"]
    values = [float(text.replace("\u2212", "-")) for text in trace["text"]]
    return dict(zip(trace["y"], values, strict=True))


def test_the_answer_is_taken_apart_and_every_part_is_the_engines(image):
    network = shipped("drawing")
    found = why.shares(network, image)
    at = on_the_pad(image)
    assert not at.exception
    assert f"Why {found.first}, not {found.second}?" in [one.value for one in at.header]
    drawn = bars(at, "draw.why.sum")
    assert round(found.margin, 2) == drawn["Together"]
    assert sum(drawn.values()) - drawn["Together"] == pytest.approx(found.margin, abs=0.04)
    assert "These parts are exact" in words(at)
    layer = list(reasons.hidden_layers(network).values())[-1]
    units = bars(at, "draw.why.units")
    assert sum(units.values()) == pytest.approx(found.units[layer].sum(), abs=0.1)


def test_any_other_pair_is_taken_apart(image):
    found = why.shares(shipped("drawing"), image, 3, 8)
    at = on_the_pad(image)
    next(box for box in at.selectbox if box.label == "Why").set_value(3).run()
    next(box for box in at.selectbox if box.label == "and not").set_value(8).run()
    assert "Why 3, not 8?" in [one.value for one in at.header]
    assert round(found.margin, 2) == bars(at, "draw.why.sum")["Together"]


def test_what_would_turn_the_answer_is_tried_on_the_pad(image):
    network = shipped("drawing")
    pair = why.shares(network, image)
    turned = least_change(network, image, pair.second)
    at = on_the_pad(image)
    assert f"**{len(turned.places)} pixel" in words(at)
    click(at, "Try it on the pad")
    assert not at.exception
    assert f">{pair.second}</div>" in words(at)
    placed = at.session_state["nn.memory"][PAD].placed
    assert np.array_equal(turned.image, placed)


def test_the_images_most_like_it_are_shown_with_their_labels(image):
    at = on_the_pad(image)
    count = len(state.built_in().train)
    click(at, f"Look through {count:,} images")
    assert not at.exception
    assert 8 == len(component(at, "draw.why.alike.tiles")["captions"])
    assert "of these 8 are labelled" in words(at)


def test_a_network_that_bends_says_how_far_its_parts_are_off(image):
    network = Network.build([784, 12, 10], activation="tanh", rng=4)
    at = on_the_pad(image, network)
    assert not at.exception
    assert "bend on the way" in words(at)
    assert "A blank sheet" in bars(at, "draw.why.sum")


def test_a_blank_sheet_says_what_comes_when_something_is_drawn():
    at = open_page("draw")
    assert not at.exception
    assert "Why this answer?" in [one.value for one in at.header]


def test_an_image_on_the_pad_counts_as_it_is_until_a_pen_adds_to_it(image):
    sheet = open_page("draw").session_state["nn.memory"][PAD]
    sheet.place(image)
    whole = strokes.blown_up(image)
    sheet.take_down(whole, sheet.strokes)
    assert sheet.placed is image
    path = {"path": [["M", 40, 60], ["L", 200, 60]], "strokeWidth": 18}
    told = {"objects": [*sheet.strokes["objects"], path]}
    line = pen.draw([np.array([(40, 60), (200, 60)])], side_px=280, pen_px=18)
    added = np.maximum(whole, np.dstack([line, line, line, line]))
    sheet.take_down(added, told)
    assert sheet.placed is None
    assert sheet.pixels is added  # as told: it is no browser that falsifies
    falsified = np.full_like(added, 120)
    assert np.array_equal(added[..., :3], strokes.as_drawn(falsified, told)[..., :3])


def test_pixels_without_ink_are_another_colour_than_ink_that_does_not_matter(image):
    found = why.shares(shipped("drawing"), image)
    for dark in (False, True):
        blank, _ = reasons._GROUND[dark], reasons.share_picture(found, image, dark=dark)
        assert tuple(reasons.palette(dark=dark)[127]) != blank
