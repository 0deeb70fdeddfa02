"""Set again: who comes back after the server has ended has the data in hand that his run had."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard import state
from dashboard.runs import lesson
from dashboard.state import kept_runs, session, set_again, sets
from dashboard.store import library
from dashboard.store.visits import Kept
from nnengine.data.dataset import Dataset
from nnengine.storage.runs import Store
from tests.pages import click, open_page, words
from tests.test_run_keeper import QUICK, Server

HELD_OUT, JUDGED = replace(QUICK, validation=0.1), replace(QUICK, validation="test")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty store, and named sets of a few images."""
    monkeypatch.setenv("NNENGINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(session, "_made", [])
    few = Dataset(np.zeros((20, 28, 28), np.uint8), np.arange(20, dtype=np.uint8) % 10, name="few")
    monkeypatch.setattr(library, "_parts", lambda name: (few, few))


@pytest.fixture
def files(stripes):
    """Four files, of a training and of a test set."""
    images, labels = stripes
    return {
        "train-images": images[:240], "train-labels": labels[:240],
        "t10k-images": images[240:], "t10k-labels": labels[240:],
    }  # fmt: skip


def come_back(server, run):
    """Return a visit as whoever opens the address of its run on another server has it."""
    session._made[:] = [server.registry]
    visit = server.keeper.come_back(run.id)
    set_again.take_in_hand(visit, run.id, server.keeper)
    return visit


def in_hand(visit) -> list[tuple[str, str]]:
    """Return name and digest of what a visit has in hand."""
    found = sets.sets_of(visit, sets.source_of(visit))[:2]
    return [(data.name, data.digest) for data in found if data is not None]


@pytest.mark.parametrize("recipe", [QUICK, HELD_OUT, JUDGED], ids=["alone", "held out", "judged"])
def test_files_are_in_hand_again_as_they_were_while_a_run_on_them_can_go_on(files, recipe):
    first = Server()
    visit = first.visitor(**files)
    expected = first.train(first.start(visit, recipe))
    run = first.start(visit, recipe)
    first.look()
    before = in_hand(visit)
    first.is_killed()

    second = Server()
    again = come_back(second, run)
    assert before == in_hand(again)
    assert 2 == len(before)
    assert ["train-images"] == [file.name for file in again.files]
    resumed = next(one for one in again.runs if one.id == run.id)
    second.train(resumed)
    np.testing.assert_array_equal(expected.snapshot.theta, resumed.snapshot.theta)


def test_whole_sets_are_kept_once_whatever_share_runs_hold_out(files):
    first = Server()
    visit = first.visitor(**files)
    for recipe in (QUICK, HELD_OUT, replace(QUICK, validation=0.2), JUDGED):
        first.start(visit, recipe)
    first.look()
    ((count,),) = Store()._rows("SELECT COUNT(*) FROM sets")
    assert 2 == count


def test_a_fork_of_a_run_whose_files_went_keeps_what_it_learns_from(files):
    first = Server()
    visit = first.visitor(**files)
    parent = first.start(visit, HELD_OUT)
    place = visit.run_sources[visit.reserved] = "files"
    visit.files = []
    run = first.scheduler.start(
        HELD_OUT, *parent.work.sets, owner=visit.owner, run_id=visit.reserved
    )
    first.registry.add_run(visit, run)
    first.look()
    with Store() as store:
        assert {"train", "validation"} == store.sets(run.id).keys()
        assert {"whole", "test"} == store.sets(parent.id).keys()
    first.is_killed()
    again = come_back(Server(), run)
    assert place == again.source  # its parent is of the same files, and can go on


def test_named_sets_are_in_hand_again_and_those_that_a_lesson_made_wrong_too(files):
    for place, source in (("mnist", "mnist"), (lesson.place("bright", "mnist"), "mnist")):
        first = Server()
        run = first.start(first.visitor(), replace(JUDGED, batch_size=2), source=place)
        first.look()
        first.is_killed()
        again = come_back(Server(), run)
        assert (source, None) == (again.source, again.lacks)
        assert again.named is not None


def test_drawings_come_back_with_a_run_on_them(files):
    first = Server()
    visit = first.visitor()
    rng = np.random.default_rng(1)
    drawn = [rng.integers(0, 256, (28, 28)).astype(np.uint8) for _ in range(6)]
    visit.mine = [Kept(n, image, "7012"[n % 4]) for n, image in enumerate(drawn, 1)]
    run = first.start(visit, replace(QUICK, batch_size=2), source="mine")
    first.look()
    first.is_killed()
    again = come_back(Server(), run)
    assert "mine" == again.source
    assert ["0", "1", "2", "7", "0", "1"] == [one.name for one in again.mine]
    for image, one in zip(drawn, again.mine, strict=True):
        np.testing.assert_array_equal(image, one.image)


def test_what_somebody_has_in_hand_by_then_stays(files):
    first = Server()
    run = first.start(first.visitor(**files), QUICK)
    first.look()
    first.is_killed()
    second = Server()
    session._made[:] = [second.registry]
    visit = second.keeper.come_back(run.id)
    visit.source = "mnist"
    set_again.take_in_hand(visit, run.id, second.keeper)
    assert ("mnist", []) == (visit.source, visit.files)


def test_a_page_asks_by_name_for_data_that_are_not_there_until_others_are_chosen(files):
    first = Server()
    run = first.train(first.start(first.visitor(**files), QUICK))
    first.look()
    first.is_killed()
    Server()
    at = open_page("train", run_id=run.id)
    assert not at.exception
    assert "Mine learnt from train-images, which is not here any more" in words(at)
    click(at, "Go on without it")
    assert "not here any more" not in words(at)
    state.registry().find(run.id).lacks = "said again"
    assert "said again" in words(at.run())
    state.registry().find(run.id).source = "digits"
    assert "said again" not in words(at.run())
    kept_runs.close()
