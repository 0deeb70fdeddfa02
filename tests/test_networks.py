"""A visitor's networks: one collection, in which every kind is named, chosen and kept alike."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import nnengine
from dashboard import state
from dashboard.store.keepsake import NETWORK, VISIT, Reader, Writer, pack
from dashboard.store.networks import MOST, UNDOS, Entry, Networks
from nnengine import Network
from nnengine.analysis.finetuning import FineTuning
from nnengine.storage import modelfile
from tests.pages import click, new_visit, open_page


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    network = Network.build([784, 10], rng=0).snapshot()
    monkeypatch.setattr(nnengine, "shipped", lambda name: network)


def entry(name="mine.npz", kind="file", id=None, seed=1) -> Entry:
    network = Network.build([784, 6, 10], rng=seed).snapshot()
    return Entry(network, name, kind, name if id is None else id)


def a_run(id="abc", name="Run 1"):
    return SimpleNamespace(id=id, name=name, snapshot=Network.build([784, 10], rng=5).snapshot())


def lesson() -> FineTuning:
    labels = np.array([3])
    return FineTuning(
        network=Network.build([784, 6, 10], rng=9).snapshot(), labels=labels, before=labels - 1,
        after=labels, remembered_before=0.9, remembered_after=0.9, steps=1, seconds=0.1,
    )  # fmt: skip


def test_what_ships_is_in_hand_until_something_else_is():
    mine = Networks()
    assert "shipped:drawing" == mine.in_hand(None).key
    mine.runs = [a_run()]
    assert "run:abc" == mine.in_hand("abc").key
    mine.keep(entry())
    assert "file:mine.npz" == mine.in_hand("abc").key


def test_every_kind_stands_in_one_list_in_the_same_order():
    mine = Networks(runs=[a_run()])
    mine.keep(entry("sent", "link", "1f"))
    mine.keep(entry())
    mine.keep(entry().tuned(lesson()))
    expected = [
        "shipped:drawing", "shipped:original", "finetuned:file:mine.npz", "file:mine.npz",
        "link:1f", "run:abc",
    ]  # fmt: skip
    assert expected == list(mine.all())


def test_a_run_is_an_entry_whose_weights_are_its_latest():
    run = a_run()
    mine = Networks(runs=[run])
    before = mine.find("run:abc")
    run.snapshot = Network.build([784, 10], rng=6).snapshot()
    assert before.network is not run.snapshot
    assert mine.find("run:abc").network is run.snapshot


def test_choosing_a_run_leaves_it_to_the_address_which():
    mine = Networks(runs=[a_run("a"), a_run("b")])
    mine.keep(entry())
    mine.choose("run:a")
    assert ("run:b", "run:a") == (mine.in_hand("b").key, mine.in_hand("a").key)


@pytest.mark.parametrize("key", ["file:other.npz", "run:xyz", "shipped:none", "nonsense", ""])
def test_choosing_what_is_not_there_changes_nothing(key):
    mine = Networks()
    mine.keep(entry())
    mine.choose(key)
    assert "file:mine.npz" == mine.in_hand(None).key


def test_the_same_file_restored_again_takes_its_own_place():
    mine = Networks()
    mine.keep(entry(seed=1))
    again = entry(seed=2)
    assert [] == mine.keep(again)
    assert [again] == mine.kept


@pytest.mark.parametrize("kind", MOST)
def test_the_oldest_of_a_kind_makes_room_and_is_named(kind):
    mine = Networks()
    mine.keep(entry("other", "file" if kind != "file" else "link"))
    first = entry("first", kind)
    assert [] == mine.keep(first)
    for i in range(MOST[kind] - 1):
        assert [] == mine.keep(entry(f"{i}", kind))
    assert [first] == mine.keep(entry("last", kind))
    assert f"{kind}:last" == mine.in_hand(None).key
    assert 1 + MOST[kind] == len(mine.kept)


def test_a_network_that_is_let_go_leaves_the_run_in_hand():
    mine = Networks(runs=[a_run()])
    mine.keep(entry())
    mine.let_go("file:mine.npz")
    assert ("run:abc", []) == (mine.in_hand("abc").key, mine.kept)


def test_what_ships_is_not_let_go():
    mine = Networks()
    mine.choose("shipped:original")
    mine.let_go("shipped:original")
    assert "shipped:original" in mine.all()


@pytest.mark.parametrize("key", ["file:mine.npz", "run:abc"])
def test_a_new_name_is_shown_and_the_key_stays(key):
    mine = Networks(runs=[a_run()])
    mine.keep(entry())
    mine.rename(key, f"  {'long' * 50} ")
    assert ("long" * 15, key) == (mine.find(key).name, mine.find(key).key)
    mine.rename(key, "   ")
    assert "long" * 15 == mine.find(key).name


def test_finetuning_a_finetuned_network_makes_no_second_one():
    mine, origin = Networks(), entry()
    mine.keep(origin)
    mine.keep(origin.tuned(lesson()))
    mine.keep(mine.in_hand(None).tuned(lesson()))
    assert ["mine.npz", "mine.npz, taught"] == [one.name for one in mine.kept]


def test_undo_goes_back_step_by_step_and_says_which_drawing_it_was_for():
    mine, origin = Networks(), entry()
    mine.keep(origin.tuned(lesson(), 4).tuned(lesson(), 7))
    key = mine.in_hand(None).key
    assert 7 == mine.undo(key).reason
    assert 4 == mine.undo(key).reason
    assert origin is mine.in_hand(None)
    assert mine.undo(origin.key) is None


def test_undo_leads_back_to_a_run_as_it_is_now():
    run = a_run()
    mine = Networks(runs=[run])
    mine.keep(mine.in_hand("abc").tuned(lesson()))
    run.snapshot = Network.build([784, 10], rng=6).snapshot()
    mine.undo(mine.in_hand("abc").key)
    assert mine.in_hand("abc").network is run.snapshot


def test_so_many_finetunings_can_be_taken_back_and_no_more():
    one = entry()
    for _ in range(UNDOS + 3):
        one = one.tuned(lesson())
    mine = Networks()
    mine.keep(one)
    taken = 0
    while mine.undo(one.key):
        taken += 1
    assert UNDOS == taken


def test_without_shipped_networks_the_collection_is_empty(nothing_ships):
    assert ({}, None) == (Networks().all(), Networks().in_hand(None))


def test_a_restored_network_outlives_a_reload_and_another_in_hand():
    visit = new_visit({})
    visit.networks.keep(entry("one.npz"))
    visit.networks.keep(entry("two.npz"))
    at = open_page("models", visit)
    assert "two.npz (file)" in at.selectbox[0].options
    at.selectbox[0].select("file:one.npz").run()
    again = open_page("models", visit)  # a new session of the same visitor
    assert "file:one.npz" == again.selectbox[0].value
    click(again, "Let go of this file")
    assert ["two.npz"] == [one.name for one in visit.networks.kept]


def older_records(held_apart: bool) -> dict[str, bytes]:
    """Records as they were when what was taught and what was in hand stood apart."""
    raw = modelfile.to_bytes(entry().network)
    said = {"network": "n", "reason": 4, "tested": "digits", "said": ""}
    origin = {"name": "The original", "source": "shipped", "id": "original"}
    about = lesson()
    numbers = {
        "labels": about.labels.tolist(), "before": about.before.tolist(),
        "after": about.after.tolist(), "remembered_before": 0.9, "remembered_after": 0.9,
        "steps": 1, "seconds": 0.1,
    }  # fmt: skip
    taught = {"name": "Mine, taught", "source": "taught", "id": "shipped:original", **said}
    taught |= {"lesson": numbers, "origin": origin}
    file = {"name": "mine.npz", "source": "file", "id": "", **said, "reason": None}
    visit = {
        "owner": "me", "reserved": "r", "selected": None, "source": None, "upright": [],
        "runs": [], "held": file if held_apart else taught, "taught": [taught], "kept": 4,
        "linked": None, "files": [],
    }  # fmt: skip
    return {VISIT: pack(visit), NETWORK + "n": pack({}, raw), "mine": pack([])}


@pytest.mark.parametrize("held_apart", [False, True])
def test_what_a_browser_kept_before_there_was_one_collection_still_opens(held_apart):
    reader = Reader(older_records(held_apart), Writer(), state.registry().shelf)
    mine = reader.visit(0.0).networks
    assert 0 == reader.lost
    keys = ["finetuned:shipped:original", *(["file:mine.npz"] if held_apart else [])]
    assert keys == [one.key for one in mine.kept]
    assert keys[-1] == mine.in_hand(None).key
    tuning = mine.kept[0].tuning
    assert (4, "digits", "shipped:original") == (tuning.reason, tuning.tested, tuning.origin.key)


def test_a_browser_keeps_a_restored_file_only_while_it_is_in_hand():
    visit = new_visit({})
    for one in (entry("a.npz", seed=1), entry("sent", "link", seed=2), entry("b.npz", seed=3)):
        visit.networks.keep(one)
    records, _ = Writer().changes(visit, None)
    back = Reader(records, Writer(), state.registry().shelf).visit(0.0).networks
    assert ["link:sent", "file:b.npz"] == [one.key for one in back.kept]
    assert "file:b.npz" == back.in_hand(None).key
