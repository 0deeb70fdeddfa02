"""What a browser keeps: a visit comes back as it was, and damage costs only what it hit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import nnengine
from dashboard.host import browser
from dashboard.runs.bounds import Bounds
from dashboard.runs.recipe import Recipe
from dashboard.runs.scheduler import Scheduler
from dashboard.state import session
from dashboard.state.keeping import Keeper
from dashboard.store import keepsake
from dashboard.store.keepsake import Damaged, Reader, Writer, pack, unpack
from dashboard.store.networks import Entry
from dashboard.store.visits import Kept, Registry
from nnengine.analysis.finetuning import FineTuning
from nnengine.data.augment import GENTLE
from nnengine.data.dataset import Dataset
from tests.pages import idx

QUICK = Recipe(hidden=(12,), epochs=4, batch_size=32, validation="none")
LONG = replace(QUICK, hidden=(300, 300), epochs=200)  # not over before anybody has looked


class Shelf:
    """A browser's storage that outlives the pages; a page that is opened reads all of it."""

    fault = None

    def __init__(self):
        self.records, self.writes = {}, 0

    def load(self):
        return dict(self.records)

    def save(self, records, gone=(), *, clear=False):
        self.writes += len(records)
        if clear:
            self.records.clear()
        for key in gone:
            self.records.pop(key, None)
        self.records |= records


@pytest.fixture
def easy(stripes):
    return Dataset(*stripes, name="stripes")


@pytest.fixture
def shelf():
    return Shelf()


def page() -> Registry:
    """A page of a tab: nothing trains unless it is asked to."""
    return Registry(Scheduler(Bounds(), threaded=False, warm_up=lambda: None))


def begun(registry, data, recipe=QUICK, steps=7):
    """Start a run and take some steps of it."""
    visit = registry.create()
    run = registry.scheduler.start(recipe, data, owner=visit.owner, name="Mine")
    run.id = visit.reserved
    registry.add_run(visit, run)
    while run.step < steps:
        registry.scheduler.step(run)
    return visit, run


def reopened(shelf, data=None):
    """Close the page and open it anew; the built-in data are `data`."""
    registry = page()
    keeper = Keeper(registry, shelf)
    for run in keeper.visit.runs if keeper.visit else ():
        run.data = lambda: (data, None)
    return registry, keeper


def test_a_run_goes_on_with_the_files_it_began_with_when_no_page_is_being_drawn(
    shelf, easy, monkeypatch
):
    first = page()
    visit, run = begun(first, easy)
    for name, array in (("x", easy.images), ("y", easy.labels)):
        file = first.shelf.load(name, idx(array))
        visit.files.append(file)
        visit.fresh[file.digest] = idx(array)
    visit.run_sources[run.id] = "files"
    visit.source = "digits"  # other data are in hand by now
    Keeper(first, shelf).keep(visit, run.id)

    second = page()
    (back,) = Keeper(second, shelf).visit.runs
    monkeypatch.setattr(session, "registry", lambda: second)
    monkeypatch.setattr("dashboard.state.sets.registry", lambda: second)
    second.scheduler.resume(back)
    trained(second, back)
    assert ("finished", "") == (back.state, back.message)


def trained(registry, run):
    while not run.ended:
        registry.scheduler.advance(1.0)
    return run


@pytest.mark.parametrize(
    "recipe", [QUICK, Recipe(hidden=(8, 5), optimizer="momentum", learning_rate=0.05,
                             epochs=3, batch_size=64, validation="none", augmentation=GENTLE)],
)  # fmt: skip
def test_a_run_goes_on_after_the_page_was_closed_to_the_bits_it_would_have_had(shelf, easy, recipe):
    whole = page()
    _, expected = begun(whole, easy, recipe, steps=1)
    whole.scheduler.resume(expected)
    trained(whole, expected)

    first = page()
    visit, run = begun(first, easy, recipe)
    Keeper(first, shelf).keep(visit, run.id)
    second, keeper = reopened(shelf, easy)
    (back,) = keeper.visit.runs
    assert ("Mine", "paused", 7, recipe) == (back.name, back.state, back.step, back.recipe)
    assert run.history == back.history
    second.scheduler.resume(back)
    trained(second, back)
    assert ("finished", expected.step) == (back.state, back.step)
    np.testing.assert_array_equal(expected.snapshot.theta, back.snapshot.theta)
    assert expected.history == back.history


def test_a_rate_changed_before_the_page_was_closed_is_that_of_the_run_that_goes_on(shelf, easy):
    first = page()
    visit, run = begun(first, easy, QUICK)
    first.scheduler.change_rate(run, 0.01)
    Keeper(first, shelf).keep(visit, run.id)
    first.scheduler.resume(run)
    expected = trained(first, run)
    second, keeper = reopened(shelf, easy)
    (again,) = keeper.visit.runs
    assert (run.recipe, run.course) == (again.recipe, again.course)
    assert [0, 7] == [leg.step for leg in again.course]
    second.scheduler.resume(again)
    trained(second, again)
    np.testing.assert_array_equal(expected.snapshot.theta, again.snapshot.theta)


def test_a_run_that_was_training_goes_on_by_itself(shelf, easy):
    first = page()
    visit, run = begun(first, easy, LONG)
    first.scheduler.resume(run)
    first.scheduler.advance(0.0)
    Keeper(first, shelf).keep(visit, run.id)
    second, keeper = reopened(shelf, easy)
    (back,) = keeper.visit.runs
    assert (1, "waiting", run.step) == (second.scheduler.busy(), back.state, back.step)
    assert "finished" == trained(second, back).state


def test_a_run_whose_data_are_gone_waits_and_says_so(shelf, easy):
    first = page()
    visit, run = begun(first, easy, LONG)
    first.scheduler.resume(run)
    Keeper(first, shelf).keep(visit, run.id)
    others = Dataset(easy.images[::-1], easy.labels, name="others")
    second, keeper = reopened(shelf, others)
    second.scheduler.advance(0.1)
    (back,) = keeper.visit.runs
    assert "paused" == back.state
    assert "other images than others holds now" in back.message
    second.scheduler.stop(back)
    assert ("stopped", []) == (back.state, second.scheduler.active())


def test_a_run_that_waits_is_paused_stepped_and_stopped_like_any_other(shelf, easy):
    first = page()
    visit, run = begun(first, easy, LONG)
    first.scheduler.resume(run)
    Keeper(first, shelf).keep(visit, run.id)
    step = run.step
    second, keeper = reopened(shelf, easy)
    (back,) = keeper.visit.runs
    second.scheduler.pause(back)
    assert ("paused", 0) == (back.state, second.scheduler.busy())
    second.scheduler.step(back)
    assert (step + 1, "paused") == (back.step, back.state)


def test_ended_runs_come_back_with_curves_and_weights_and_need_no_data(shelf, easy):
    first = page()
    visit, run = begun(first, easy)
    first.scheduler.resume(run)
    trained(first, run)
    Keeper(first, shelf).keep(visit, run.id)
    second, keeper = reopened(shelf)
    (back,) = keeper.visit.runs
    assert ("finished", run.history, []) == (back.state, back.history, second.scheduler.active())
    np.testing.assert_array_equal(run.snapshot.theta, back.snapshot.theta)
    assert second.find(run.id) is second.find(visit.reserved) is keeper.visit


def test_drawings_taught_networks_and_their_lessons_come_back(shelf):
    first = page()
    visit = first.create()
    images = np.random.default_rng(1).integers(0, 256, (2, 28, 28)).astype(np.uint8)
    visit.mine = [Kept(3, images[0], "7"), Kept(9, images[1], "2")]
    visit.kept = 9
    origin = Entry(nnengine.shipped("original"), "The original", "shipped", "original")
    network = nnengine.Network.build([784, 6, 10], rng=3).snapshot()
    labels = np.array([7, 2])
    lesson = FineTuning(
        network=network, labels=labels, before=labels[::-1], after=labels,
        remembered_before=0.9, remembered_after=None, steps=5, seconds=1.5,
    )  # fmt: skip
    once = origin.tuned(lesson, 3, "digits")
    twice = once.tuned(replace(lesson, network=network.copy().snapshot()), 9, "digits")
    visit.networks.keep(twice)
    visit.linked = "?data=digits"
    Keeper(first, shelf).keep(visit, None)

    _, keeper = reopened(shelf)
    back = keeper.visit
    assert [(3, "7"), (9, "2")] == [(one.id, one.name) for one in back.mine]
    np.testing.assert_array_equal(images, [one.image for one in back.mine])
    (held,) = back.networks.kept
    assert held is back.networks.in_hand(None)
    assert (2, 0, 0.9, None) == (
        held.tuning.lesson.right_after, held.tuning.lesson.right_before,
        held.tuning.lesson.remembered_before, held.tuning.lesson.remembered_after,
    )  # fmt: skip
    np.testing.assert_array_equal(network.theta, held.network.theta)
    before = held.tuning.origin.tuning
    assert (9, 3, "shipped:original") == (held.tuning.reason, before.reason, before.origin.key)
    assert (9, "?data=digits") == (back.kept, back.linked)
    assert 1 == sum(key.startswith("network:") for key in shelf.records)  # equal weights are one


def test_files_come_back_turned_inverted_and_cut_as_they_were(shelf):
    first = page()
    visit = first.create()
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6)).astype(np.uint8)
    cut = idx(images)[:-40]
    loaded = first.shelf.load("cut", cut)
    visit.fresh[loaded.digest] = cut
    visit.files = [first.shelf.invert(first.shelf.turn(loaded.kept_whole()))]
    Keeper(first, shelf).keep(visit, None)
    assert {} == visit.fresh  # not held a second time
    visit.fresh[loaded.digest] = cut
    keeper = Keeper(first, shelf)
    keeper.keep(visit, None)

    _, keeper = reopened(shelf)
    (back,) = keeper.visit.files
    assert ("cut", True, True, True) == (back.name, back.good, back.turned, back.inverted)
    np.testing.assert_array_equal(255 - images[:2].transpose(0, 2, 1), back.array)


def test_only_what_changed_is_written_again(shelf, easy):
    first = page()
    visit, run = begun(first, easy, LONG)
    now = [0.0]
    keeper = Keeper(first, shelf, clock=lambda: now[0])
    keeper.keep(visit, run.id)
    wrote = shelf.writes
    keeper.keep(visit, run.id)
    assert wrote == shelf.writes
    first.scheduler.step(run)
    keeper.keep(visit, run.id)
    assert wrote + 1 == shelf.writes
    first.scheduler.resume(run)
    first.scheduler.advance(0.0)
    keeper.keep(visit, run.id)
    assert wrote + 1 == shelf.writes  # a run under way: not before its time
    now[0] = 60.0
    keeper.keep(visit, run.id)
    assert wrote + 2 == shelf.writes
    visit.runs.clear()
    keeper.keep(visit, None)
    assert [] == [key for key in shelf.records if key.startswith("run:")]


def test_what_does_not_fit_is_left_out_oldest_first_and_counted(shelf, easy, monkeypatch):
    first = page()
    visit, run = begun(first, easy)
    second = first.scheduler.start(QUICK, easy, owner=visit.owner)
    second.id = visit.reserved
    first.add_run(visit, second)
    monkeypatch.setattr(keepsake, "MOST_BYTES", 14_000)
    keeper = Keeper(first, shelf)
    keeper.keep(visit, None)
    assert (1, 1) == (keeper.held(visit).runs, keeper.held(visit).left_out)
    assert [f"run:{second.id}"] == [key for key in shelf.records if key.startswith("run:")]
    assert sum(map(len, shelf.records.values())) <= 14_000


@pytest.mark.parametrize("place", [0, 5, 10, 30, 200, -1])
def test_a_damaged_run_is_left_out_and_the_rest_comes_back(shelf, easy, place):
    first = page()
    visit, run = begun(first, easy)
    visit.mine = [Kept(1, np.zeros((28, 28), np.uint8), "0")]
    Keeper(first, shelf).keep(visit, run.id)
    raw = bytearray(shelf.records[f"run:{run.id}"])
    raw[place] ^= 1
    shelf.records[f"run:{run.id}"] = bytes(raw)
    _, keeper = reopened(shelf)
    assert ([], 1, 1) == (keeper.visit.runs, len(keeper.visit.mine), keeper.lost)


@pytest.mark.parametrize("bad", [b"", b"nonsense", pack([]), pack({"owner": 1}), pack({})[:-1]])
def test_a_damaged_visit_is_no_visit_and_no_fault(shelf, bad):
    shelf.records["visit"] = bad
    _, keeper = reopened(shelf)
    assert keeper.visit is None
    assert keeper.lost


def test_wrong_types_in_a_whole_record_stop_nothing(shelf, easy):
    """Digests protect against accidents; another version of the app may still mean other things."""
    first = page()
    visit, run = begun(first, easy)
    Keeper(first, shelf).keep(visit, run.id)
    about, raw = unpack(shelf.records[f"run:{run.id}"])
    for name in about:
        for value in (None, 5, "x", [1], {}):
            shelf.records[f"run:{run.id}"] = pack({**about, name: value}, raw)
            Keeper(page(), shelf)
    about, _ = unpack(shelf.records["visit"])
    for name in about:
        for value in (None, 5, "x", [1], {}):
            shelf.records["visit"] = pack({**about, name: value})
            Keeper(page(), shelf)


def test_everything_can_be_forgotten(shelf, easy):
    first = page()
    visit, run = begun(first, easy)
    keeper = Keeper(first, shelf)
    keeper.keep(visit, run.id)
    first.drop(visit)
    keeper.forget()
    assert {} == shelf.records
    assert (None, []) == (first.find(run.id), first.scheduler.active())


def test_records_are_what_they_were_and_nothing_else_is_one():
    assert ({"a": [1]}, b"xyz") == unpack(pack({"a": [1]}, b"xyz"))
    with pytest.raises(Damaged, match="version"):
        unpack(b"NNkeep2\n" + pack({})[8:])


def test_on_a_server_there_is_no_storage(tmp_path):
    assert {} == browser.told(tmp_path / "site.json")
    (tmp_path / "site.json").write_text("[")
    assert {} == browser.told(tmp_path / "site.json")
    store = browser.Store({})
    store.save({"a": b"b"})
    assert ({}, "there is no browser") == (store.load(), store.fault)


def test_what_the_page_hands_over_is_read_once(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "0").write_bytes(b"raw")
    page = {"kept": [["run:1", "kept/0"], ["run:2", "kept/1"]], "fault": "another tab"}
    (tmp_path / "site.json").write_text(json.dumps(page))
    store = browser.Store(browser.told(tmp_path / "site.json"), tmp_path)
    assert {"run:1": b"raw"} == store.load()
    assert ([], "another tab") == (list((tmp_path / "kept").iterdir()), store.fault)


def test_a_reader_without_records_finds_nobody():
    assert Reader({}, Writer(), page().shelf).visit(0.0) is None


def test_who_comes_back_is_told_for_a_while_and_what_is_there_now(shelf, easy):
    first = page()
    visit, run = begun(first, easy)
    Keeper(first, shelf).keep(visit, run.id)
    now = [5.0]
    keeper = Keeper(page(), shelf, clock=lambda: now[0])
    assert (1, 0) == (keeper.came_back()[0].runs, keeper.came_back()[1])
    now[0] = 60.0
    assert keeper.came_back() is None
    assert Keeper(page(), Shelf()).came_back() is None


def test_a_network_that_came_in_a_link_comes_back_with_what_came_with_it(shelf):
    first = page()
    visit = first.create()
    network = nnengine.Network.build([784, 6, 10], rng=3).snapshot()
    visit.networks.keep(Entry(network, "sent", "link", "abc", said="hello"))
    Keeper(first, shelf).keep(visit, None)
    back = reopened(shelf)[1].visit.networks.in_hand(None)
    assert ("link:abc", "sent", "hello") == (back.key, back.name, back.said)
    np.testing.assert_array_equal(network.theta, back.network.theta)


def test_a_network_with_maps_is_kept_and_one_that_takes_too_much_left_out(shelf):
    first = page()
    visit = first.create()
    small = nnengine.Network.build("conv 2 5x5, pool 2", image_shape=(28, 28), classes=10)
    visit.networks.keep(Entry(small.snapshot(), "small", "finetuned", "small"))
    layers = "conv 2 3x3 pad 999, pool 99"
    network = nnengine.Network.build(layers, image_shape=(28, 28), classes=10).snapshot()
    visit.networks.keep(Entry(network, layers, "file", layers))
    Keeper(first, shelf).keep(visit, None)
    _, keeper = reopened(shelf)
    kept = [one.network.description for one in keeper.visit.networks.kept]
    assert (["conv 2 5x5, pool 2"], 1) == (kept, keeper.lost)
