"""A page that fails says so and offers a way out; the rest of the app goes on."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest

from dashboard import state
from dashboard.store.networks import Entry
from nnengine import Network
from tests.pages import click, idx, new_visit, open_page, words

SECRET = "what only the log may say"
SECTIONS = "dashboard.sections"


@pytest.fixture(scope="module", autouse=True)
def imported():
    """All sections: the canvas can be imported by a page alone."""
    open_page("draw")


def broken(*given, **more):
    raise ValueError(SECRET)


@pytest.fixture
def visit():
    """A visitor with a file, and with a network restored from another."""
    found = new_visit({"images": idx(np.zeros((3, 8, 8), np.uint8))})
    network = Network.build([64, 3], rng=1, image_shape=(8, 8))
    found.networks.keep(Entry(network.snapshot(), "<b>*mine*", "file", "mine.npz"))
    return found


def labels(at) -> list[str]:
    return [button.label for button in at.button]


def test_a_page_that_fails_says_so_and_the_log_says_why(monkeypatch, caplog, visit):
    monkeypatch.setattr(f"{SECTIONS}.evaluation.judge", broken)
    at = open_page("models", visit)
    assert not at.exception
    assert "could not be drawn" in at.error[-1].value
    assert "Network in hand" in [header.value for header in at.header]  # what came before stays
    assert "the network **<b>*mine***, restored from a file or 1 file of yours" in words(at)
    assert SECRET not in words(at)
    (record,) = [r for r in caplog.records if r.name == f"{SECTIONS}.guard"]
    assert (logging.ERROR, SECRET) == (record.levelno, str(record.exc_info[1]))


def test_what_broke_a_page_can_be_let_go_of(monkeypatch, visit):
    real = sys.modules[f"{SECTIONS}.evaluation"].judge
    mine = visit.networks.kept[0].key
    monkeypatch.setattr(
        f"{SECTIONS}.evaluation.judge", lambda held: broken() if held.key == mine else real(held)
    )
    at = click(open_page("models", visit), "Let go of this network")
    assert [] == list(at.error)
    assert [] == visit.networks.kept


def test_files_that_broke_a_page_can_be_let_go_of(monkeypatch, visit):
    monkeypatch.setattr(f"{SECTIONS}.file_cards.files_and_pairs", broken)
    at = open_page("data", visit)
    assert "Let go of the files" in labels(at)
    click(at, "Let go of the files")
    assert [] == visit.files


def test_the_other_pages_go_on(monkeypatch, visit):
    monkeypatch.setattr(f"{SECTIONS}.evaluation.judge", broken)
    at = open_page("models", visit)
    assert at.error
    at.switch_page("views/weights.py").run()
    assert not at.exception and not at.error


def test_a_part_that_is_drawn_again_and_again_is_guarded_too_and_logged_once(
    monkeypatch, caplog, visit
):
    monkeypatch.setattr(f"{SECTIONS}.answers.reading", broken)
    at = open_page("draw", visit)
    assert "could not be drawn" in at.error[0].value
    assert "My digits" in [header.value for header in at.header]  # what comes after it as well
    at.run()
    assert 1 == len([r for r in caplog.records if r.name == f"{SECTIONS}.guard"])
    click(at, "Try again")
    assert 2 == len([r for r in caplog.records if r.name == f"{SECTIONS}.guard"])


def test_trying_again_forgets_what_pages_have_worked_out(monkeypatch, visit):
    monkeypatch.setattr(f"{SECTIONS}.evaluation.judge", broken)
    at = open_page("models", visit)
    memory = at.session_state["nn.memory"]
    memory["models.judged"] = object()
    click(at, "Try again")
    assert at.session_state["nn.memory"]["models.judged"] is None


def test_nothing_is_offered_that_a_visitor_does_not_have(monkeypatch):
    monkeypatch.setattr(f"{SECTIONS}.evaluation.judge", broken)
    at = open_page("models")
    assert "built in" in words(at)
    assert "Let go of this network" not in labels(at)
    assert "Let go of the files" not in labels(at)


def test_where_even_the_network_in_hand_cannot_be_told_the_page_still_says_so(monkeypatch, visit):
    monkeypatch.setattr(state, "network", broken)
    at = open_page("models", visit)
    assert not at.exception
    assert "could not be drawn" in at.error[0].value
