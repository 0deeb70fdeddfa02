"""Search page: ranges and a budget in, a table of what was tried out, and one of it to Train."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from dashboard import state
from dashboard.store.budget import holdings
from tests.pages import click, component, idx, new_visit, open_page, words


@pytest.fixture
def visitor(stripes):
    images, labels = stripes
    return new_visit({"train-images": idx(images), "train-labels": idx(labels.astype(np.uint8))})


def labels_of(at) -> set[str]:
    return {button.label for button in at.button}


def wait_for(visit) -> None:
    deadline = time.monotonic() + 60
    while not visit.race.ended:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def begin(at):
    """Set a small budget, and begin."""
    at.number_input(key="keep.search.count").set_value(3)
    at.number_input(key="keep.search.epochs").set_value(3)
    at.text_input(key="keep.search.layers").set_value("4 | 8")
    return click(at.run(), "Begin the search")


def test_without_data_the_page_leads_to_some():
    visit = new_visit({})
    visit.source = state.FILES
    at = open_page("search", visit)
    assert not at.exception
    assert "No training data yet" in words(at) and "Use the built-in digits" in labels_of(at)


def test_what_a_search_would_train_is_said_before_it_begins(visitor):
    at = open_page("search", visitor)
    assert not at.exception
    plan = (
        "9 candidates train to epoch 1, then the best 3 to epoch 3, then the best one to epoch 9."
    )
    assert f"{plan} 21 epochs in all" in words(at)
    at.radio(key="keep.search.way").set_value("Random search").run()
    assert "9 candidates train to epoch 9. 81 epochs in all" in words(at)
    assert "10 % of the training images" in words(at)


def test_a_search_ranks_its_candidates_and_hands_one_to_the_train_page(visitor):
    at = begin(open_page("search", visitor))
    assert not at.exception
    wait_for(visitor)
    at.run()
    assert "Finished. Candidate" in words(at)
    best = visitor.race.ranked[0]
    table = next(e.proto.body for e in at.get("html") if "nn-table" in e.proto.body)
    assert table.index(f'row">{best.number}: ') < min(
        table.index(f'row">{one.number}: ') for one in visitor.race.ranked[1:]
    )
    assert f"{100 * best.accuracy:.2f}\u00a0%" in table
    figure = json.loads(component(at, "search.curves")["figure"])
    assert f"Candidate {best.number}" in {trace["name"] for trace in figure["data"]}
    click(at, "Train this one")
    assert "Train" == at.title[0].value
    assert best.recipe.learning_rate == at.number_input(key="keep.train.rate").value
    assert best.settings["layers"] == at.text_input(key="keep.train.hidden").value


def test_a_range_the_wrong_way_round_is_marked_and_nothing_can_begin(visitor):
    at = open_page("search", visitor)
    at.number_input(key="keep.search.rate.from").set_value(0.5).run()
    assert "the first number has to be the smaller one" in words(at)
    start = next(button for button in at.button if button.label == "Begin the search")
    assert start.disabled


def test_layers_that_cannot_be_are_marked(visitor):
    at = open_page("search", visitor)
    at.text_input(key="keep.search.layers").set_value("32 | many").run()
    assert "Hidden layers: " in words(at) and "many" in words(at)


def test_every_setting_that_may_vary_can_be_chosen(visitor):
    at = open_page("search", visitor)
    box = at.multiselect(key="keep.search.vary")
    box.set_value(box.options).run()
    assert not at.exception and not at.error


def test_a_search_is_found_again_by_its_visitor_counted_and_let_go(visitor):
    at = begin(open_page("search", visitor))
    wait_for(visitor)
    held = {one.kind: one.bytes for one in holdings(visitor)}
    assert held["Search"] > 0
    again = open_page("search", visitor)
    assert "Finished. Candidate" in words(again)
    race = visitor.race
    state.registry().drop(visitor)
    assert race.ended and not state.scheduler().active(visitor.owner)
    assert at is not again


def test_a_search_that_was_paused_says_so_and_goes_on(visitor):
    at = open_page("search", visitor)
    at.number_input(key="keep.search.epochs").set_value(200)
    at = click(at.run(), "Begin the search")
    at = click(at, "Pause")
    assert "Paused in round 1 of 3." in words(at) and "Go on" in labels_of(at)
    at = click(at, "Stop")
    assert "stopped" == visitor.race.state
