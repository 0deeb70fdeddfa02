"""Budget: what visitors may have kept, how it is counted, and what is said where it is full."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pytest

from dashboard.runs.bounds import Bounds
from dashboard.runs.recipe import Recipe
from dashboard.runs.recording import room_for
from dashboard.runs.scheduler import Scheduler
from dashboard.store import arrivals as arrivals_module
from dashboard.store import budget as budget_module
from dashboard.store import files as files_module
from dashboard.store.budget import MB, holdings, new_run_bytes
from dashboard.store.networks import Entry
from dashboard.store.turns import AT_A_TIME, BURST, FULL_S, LINE_PER_S, LONG_S, Pages, Turns
from dashboard.store.visits import Registry
from nnengine.core.network import Network
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data import readers
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training import training
from nnengine.training.state import TrainingState
from tests.pages import idx


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(clock):
    bounds = Bounds(visit_mb=10, server_mb=25)
    return Registry(Scheduler(bounds, threaded=False, clock=clock, warm_up=lambda: None), clock)


def noise(count: int, seed: int = 0, side: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side)).astype(np.uint8)


def visit_with(registry, megabytes: int, seed: int, name: str = "images"):
    """Return a visit that holds a file of so many million bytes."""
    visit = registry.create()
    visit.files.append(registry.shelf.load(name, idx(noise(100 * megabytes, seed))))
    return visit


# What is counted -------------------------------------------------------------------------


def test_a_file_counts_with_all_its_arrays_and_what_was_rescued_of_it(registry):
    visit = registry.create()
    visit.files = [registry.shelf.load("cut", gzip.compress(idx(noise(200)))[:-5000])]
    assert visit.files[0].rescued is not None
    (held,) = holdings(visit)
    assert 1.9 * MB < held.bytes <= 2.1 * MB


def test_what_two_things_share_is_counted_once(registry):
    visit = visit_with(registry, 1, 0)
    visit.files *= 2
    assert [True, False] == [one.bytes > 0 for one in holdings(visit)]


def test_a_part_of_an_array_counts_as_the_whole_that_it_keeps():
    assert [1 * MB] == list(budget_module.arrays([noise(100)[:3]]).values())


def test_a_run_counts_weights_optimizer_data_and_lists_until_it_ends(registry):
    visit = registry.create()
    few = np.where(noise(40) < 25, 255, 0).astype(np.uint8)  # one pixel in ten
    data = Dataset(few, np.arange(40) % 2)
    recipe = Recipe(hidden=(20,), epochs=200, batch_size=1, validation="none")
    run = registry.scheduler.start(recipe, data, run_id=visit.reserved, owner=visit.owner)
    estimate = new_run_bytes(recipe, (data,), visit)
    registry.add_run(visit, run)
    weights = run.snapshot.theta.nbytes
    under_way = sum(one.bytes for one in holdings(visit))
    room = room_for(weights // 4)
    lasting = under_way - room
    assert 7 * weights + 1.6 * few.nbytes < lasting < 7.1 * weights + 1.8 * few.nbytes
    assert estimate == pytest.approx(under_way, rel=0.02)
    registry.scheduler.stop(run)
    registry.scheduler.advance()
    kept = run.recording.nbytes
    assert weights == pytest.approx(sum(one.bytes for one in holdings(visit)) - kept, rel=0.05)


def with_moments(registry, visit, count: int, kilobytes: int = 1000):
    """Give a visit a run of which so many exact moments are kept, each so large."""
    data = Dataset(noise(40), np.arange(40) % 2)
    recipe = Recipe(hidden=(2,), epochs=200, batch_size=1, validation="none")
    run = registry.scheduler.start(recipe, data, run_id=visit.reserved, owner=visit.owner)
    registry.add_run(visit, run)
    for step in range(1, count + 1):
        array = np.zeros(250 * kilobytes, np.float32)
        run.waypoints.add(run.snapshot, TrainingState(step, {"mean": array}), 0.0, 0.0)
    return run


def test_exact_moments_of_runs_count_and_keep_to_a_quarter_of_a_visitors_room(registry):
    visit = registry.create()
    before = registry.budget.held(visit)
    run = with_moments(registry, visit, 5)
    assert registry.budget.held(visit) - before > 5e6
    registry.budget.trim(0.0)
    assert 0 < run.waypoints.bytes <= 2.5e6


def test_exact_moments_go_before_anybody_is_refused(registry):
    visit = visit_with(registry, 5, seed=1)
    run = with_moments(registry, visit, 2)
    registry.budget.room(visit, 1_500_000, "it")
    assert run.waypoints.bytes < 2e6
    with pytest.raises(ConfigError, match="let go of some of it"):
        registry.budget.room(visit, 5_000_000, "it")
    assert () == run.waypoints.kept


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("patience", [0, 3])
def test_a_run_is_held_to_count_what_its_optimizer_and_early_stopping_carry(optimizer, patience):
    network, state = Network.build([16, 4, 3]), TrainingState()
    data = Dataset(noise(9, side=4), np.arange(9, dtype=np.uint8) % 3)
    recipe = Recipe(hidden=(4,), optimizer=optimizer, early_stopping=patience)
    list(training(network, data, recipe.config(9), state=state))
    assert len(state.arrays) == budget_module._carried(recipe)


def test_every_state_that_can_be_gone_back_to_counts(registry):
    visit, network = registry.create(), Network.build([784, 100, 10], rng=0)
    entry = Entry(network.snapshot(), "mine", "file", "mine")
    visit.networks.keep(entry)
    alone = registry.budget.held(visit)
    lesson = type("Lesson", (), {"network": network.copy().snapshot()})()
    visit.networks.keep(entry.tuned(lesson).tuned(lesson))
    assert 2 * alone == registry.budget.held(visit)


def test_what_two_visitors_have_alike_counts_for_each_unless_it_is_published(registry):
    for _ in range(2):
        visit_with(registry, 2, seed=0)
    held = registry.budget.held_by_all()
    assert 4 * MB < held < 4.1 * MB
    for visit in registry.visits():
        registry.shelf._publish(visit.files[0].array)
    assert 2 * MB < registry.budget.held_by_all() < 2.1 * MB


def test_two_visitors_of_published_files_train_on_one_and_the_same_lists(registry, monkeypatch):
    files = [idx(noise(40)), idx(np.arange(40, dtype=np.uint8) % 2)]
    digests = frozenset(hashlib.sha256(raw).hexdigest() for raw in files)
    monkeypatch.setattr(files_module, "_PUBLISHED", digests)
    one, other = (
        registry.shelf.dataset(*(registry.shelf.load(name, raw) for raw in files))
        for name in ("mine", "yours")
    )
    assert one is not other
    assert one.images is other.images
    assert one.labels is other.labels


# Where there is no room ------------------------------------------------------------------


def test_a_visit_that_is_full_is_told_what_takes_how_much_and_what_to_do(registry):
    visit = visit_with(registry, 8, 0, "large.idx")
    with pytest.raises(ConfigError) as told:
        registry.budget.room(visit, 3 * MB, "this run")
    for part in ("this run takes 3.0 MB", "of the 10.0 MB", "large.idx 8.0 MB", "let go of some"):
        assert part in str(told.value)


def test_a_server_that_is_full_says_when_to_come_again_and_nothing_of_others(registry):
    for seed in range(3):
        visit_with(registry, 8, seed, "secret")
    with pytest.raises(ConfigError) as told:
        registry.budget.room(registry.create(), 3 * MB, "x.gz")
    assert "try again in about 15 min" in str(told.value)
    assert "secret" not in str(told.value)


def test_a_refusal_does_not_depend_on_whether_others_have_the_same(registry):
    for seed in range(2):
        visit_with(registry, 8, seed)
    told = []
    for seed in (0, 7):  # known here, and new
        visit = registry.create()
        with pytest.raises(ConfigError) as fault:  # noqa: PT012
            visit.files.append(registry.shelf.load("x", idx(noise(800, seed))))
            registry.budget.room(visit, 2 * MB, "more")
        told.append(str(fault.value))
        visit.files.clear()
    assert told[0] == told[1]


def test_whoever_left_longest_ago_makes_room_and_nobody_who_is_here(registry, clock):
    gone, longer, here = (visit_with(registry, 8, seed) for seed in range(3))
    longer.seen, gone.seen, here.seen = 10.0, 50.0, clock.now
    registry.budget.room(registry.create(), 4 * MB, "x")
    assert registry.find(longer.reserved) is None
    assert registry.find(gone.reserved) is gone
    gone.seen = here.seen
    with pytest.raises(ConfigError, match="try again"):
        registry.budget.room(registry.create(), 10 * MB, "x")


def test_room_that_is_being_taken_is_not_given_twice(registry):
    visit = registry.create()
    with registry.budget.taking(visit, 6 * MB, "a run"), pytest.raises(ConfigError):
        registry.budget.room(visit, 6 * MB, "another")
    with registry.budget.taking(visit, 6 * MB, "another"):
        pass


def test_a_file_may_unpack_to_what_is_left_and_no_more(registry):
    visit = visit_with(registry, 6, 0)
    with registry.budget.reading(visit, 10, lambda: b"x" * 10, arrived=False) as (raw, most):
        assert (10, 4) == (len(raw), round(most / MB))
        assert not registry.shelf.load("x", gzip.compress(idx(noise(600, 5))), most).good


# Uploads ---------------------------------------------------------------------------------


class Rec(NamedTuple):
    file_id: str
    name: str
    type: str
    data: bytes


class Manager:
    """Streamlit's manager of uploads, as far as it is relied on."""

    def __init__(self):
        self.file_storage = defaultdict(dict)

    def add_file(self, session_id, file):
        self.file_storage[session_id][file.file_id] = file

    def remove_file(self, session_id, file_id):
        self.file_storage[session_id].pop(file_id, None)


def send(manager, session: str, number: int, megabytes: int) -> None:
    manager.add_file(session, Rec(f"{session}{number}", f"f{number}", "", b"x" * megabytes * MB))


@pytest.fixture
def manager(registry):
    manager = Manager()
    registry.arrivals.watch(manager, registry.budget)
    return manager


def kept(manager) -> int:
    return sum(len(f.data) for files in manager.file_storage.values() for f in files.values())


def test_uploads_of_which_no_page_is_told_are_bounded_for_a_session_and_for_all(registry, manager):
    for number in range(5):
        send(manager, "a", number, 4)
    assert 8 * MB == kept(manager)
    assert "let go of some" in registry.arrivals.refused("a2").why
    for session in "bcdef":
        send(manager, session, 0, 4)
    assert 2 * kept(manager) <= 25 * MB
    assert "try again in half a minute" in registry.arrivals.refused("f0").why


def test_an_upload_counts_for_the_visit_of_its_session(registry, manager):
    visit = visit_with(registry, 5, 0)
    registry.arrivals.belongs("a", visit)
    send(manager, "a", 0, 3)
    assert 8 * MB < registry.budget.held(visit) < 8.1 * MB
    send(manager, "a", 1, 3)
    assert registry.arrivals.refused("a1").size == 3 * MB


def test_an_upload_that_nobody_reads_is_let_go_of_in_time(registry, manager, clock):
    send(manager, "a", 0, 3)
    clock.now += arrivals_module.WAIT_S / 2
    registry.arrivals.prune()
    assert 3 * MB == kept(manager)
    clock.now += arrivals_module.WAIT_S
    registry.arrivals.prune()
    assert 0 == kept(manager)


def test_a_file_that_was_refused_while_it_came_is_not_kept_in_part(registry, manager):
    assert not registry.arrivals.admits("a", "a0", 30 * MB)
    send(manager, "a", 0, 1)  # what had come until then
    assert 0 == kept(manager)
    assert registry.arrivals.refused("a0").size == 30 * MB


def test_a_file_for_which_there_is_room_by_the_end_is_kept(registry, manager):
    visit = visit_with(registry, 9, 0)
    registry.arrivals.belongs("a", visit)
    assert not registry.arrivals.admits("a", "a0", 3 * MB)
    visit.files.clear()
    assert registry.arrivals.admits("a", "a0", 3 * MB)
    send(manager, "a", 0, 3)
    assert 3 * MB == kept(manager)
    assert registry.arrivals.refused("a0") is None


def test_what_is_on_its_way_takes_no_more_of_the_disk_than_there_is_room_in_memory(
    registry, manager
):
    assert registry.arrivals.admits("a", "a0", 5 * MB, 20 * MB)
    assert not registry.arrivals.admits("a", "a0", 5 * MB, 21 * MB)
    assert "try again in half a minute" in registry.arrivals.refused("a0").why


# Beside the pages ------------------------------------------------------------------------


def test_pages_of_others_do_not_wait_while_a_file_is_read(registry, monkeypatch):
    known = [registry.shelf.load(name, idx(a)) for name, a in
             (("x", noise(6)), ("y", np.arange(6, dtype=np.uint8) % 3))]  # fmt: skip
    go_on, begun, read = threading.Event(), threading.Event(), readers.inspect

    def slow(*given, **named):
        begun.set()
        go_on.wait(120)
        return read(*given, **named)

    monkeypatch.setattr(readers, "inspect", slow)
    thread = threading.Thread(target=registry.shelf.load, args=("slow", idx(noise(5))))
    thread.start()
    begun.wait(120)
    assert 6 == len(registry.shelf.dataset(*known))  # what every page asks for
    registry.budget.room(registry.create(), 1, "x")
    assert thread.is_alive()
    go_on.set()
    thread.join(120)


def test_equal_bytes_are_read_anew_for_everybody_who_drops_them(registry, monkeypatch):
    times, read = [], readers.inspect
    monkeypatch.setattr(
        readers, "inspect", lambda *a, **k: times.append(k["name"]) or read(*a, **k)
    )
    raw = idx(noise(5))
    one, other = registry.shelf.load("secret", raw), registry.shelf.load("mine", raw)
    assert ["secret", "mine"] == times
    assert one.array is other.array
    assert "secret" not in repr((other, other.header, other.contents))


def test_runs_of_two_visitors_share_no_lists_of_private_images(registry):
    sets = []
    for name in ("one", "other"):
        both = ("x", noise(6)), ("y", np.arange(6, dtype=np.uint8) % 3)
        files = [registry.shelf.load(name + part, idx(array)) for part, array in both]
        sets.append(registry.shelf.dataset(*files))
    assert np.shares_memory(sets[0].images, sets[1].images)
    assert sets[0].images is not sets[1].images  # by which the engine knows lists again


# Turns -----------------------------------------------------------------------------------


def test_a_session_that_draws_as_people_do_never_waits(clock):
    turns = Turns(clock)
    for _ in range(200):
        assert 0 == turns.wait_s("a")
        clock.now += 0.5


def test_who_asks_too_often_stands_in_one_line_whatever_his_sockets(clock):
    turns, drawn, began = Turns(clock), 0, clock.now
    due = dict.fromkeys("abcd", 0.0)
    while clock.now < began + 30:
        for session in due:
            if due[session] <= clock.now:  # a browser has one run at a time
                due[session] = clock.now + turns.wait_s(session)
                drawn += 1
        clock.now += 0.02
    assert drawn <= 4 * BURST + 30 * LINE_PER_S + 5
    assert 0 == turns.wait_s("somebody else")


def test_who_asks_again_while_he_waits_keeps_his_place(clock):
    turns = Turns(clock)
    for _ in range(int(BURST)):
        turns.wait_s("a")
    first = turns.wait_s("a")
    assert first > 0
    assert first == turns.wait_s("a") == turns.wait_s("a")


def test_a_session_that_rests_has_its_turns_again(clock):
    turns = Turns(clock)
    for _ in range(100):
        clock.now += turns.wait_s("a")
    clock.now += 15
    assert 0 == turns.wait_s("a")


def test_a_session_is_forgotten_once_it_has_all_its_turns_again_and_waits_no_less_for_that(clock):
    turns, forgetful = Turns(clock), Turns(clock)
    for rest_s in (0.0, FULL_S / 2, FULL_S, FULL_S + 0.5, 1.0, 60.0):
        clock.now += rest_s
        forgetful.prune()
        asked = [(turns.wait_s("a"), forgetful.wait_s("a")) for _ in range(int(BURST) + 2)]
        assert [one for one, _ in asked] == [other for _, other in asked]
    clock.now += asked[-1][0] + FULL_S + 0.1
    forgetful.prune()
    assert {} == forgetful._left == forgetful._due


def test_so_many_pages_are_drawn_at_a_time_and_what_takes_long_is_counted_no_more(clock):
    pages = Pages(clock)
    with contextlib.ExitStack() as drawn:
        for _ in range(AT_A_TIME):
            assert 0 == pages.wait_s()
            drawn.enter_context(pages.one())
        clock.now += LONG_S / 4
        assert LONG_S * 3 / 4 == pages.wait_s()
        clock.now += LONG_S
        assert 0 == pages.wait_s()
    with pages.one():
        assert 0 == pages.wait_s()


def test_who_waits_for_a_page_is_woken_by_the_end_of_another():
    pages, drawn = Pages(lambda: 0.0), []  # by this clock none ever takes long

    def draw() -> None:
        with pages.one():
            drawn.append(1)

    with contextlib.ExitStack() as others:
        for _ in range(AT_A_TIME):
            others.enter_context(pages.one())
        waiting = threading.Thread(target=draw, daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert not drawn
    waiting.join(60)
    assert drawn
