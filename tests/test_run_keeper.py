"""The run keeper: a server's runs outlast its process, belong to their visitors, hold up nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from dashboard.runs.bounds import Bounds
from dashboard.runs.fork import fork
from dashboard.runs.recipe import Recipe
from dashboard.runs.scheduler import Scheduler
from dashboard.state import kept_runs, session, sets, training
from dashboard.store import keptruns, library, runwriter
from dashboard.store.runwriter import EVERY_S, MOMENTS_EVERY_S
from dashboard.store.visits import Registry
from nnengine.data.augment import GENTLE
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.storage.runs import Store
from tests.conftest import ROOT
from tests.pages import idx

QUICK = Recipe(hidden=(12,), epochs=4, batch_size=32, validation="none")
LONG = replace(QUICK, hidden=(30, 30), epochs=200)
DRAWN = Recipe(
    hidden=(8, 5), optimizer="momentum", learning_rate=0.05, epochs=3, batch_size=64,
    validation=0.1, augmentation=GENTLE,
)  # fmt: skip


class Clock:
    """A clock that a test turns; it goes on a little at each look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.02
        return self.now


class Server:
    """What a server has of visitors and runs, in this process, without pages and threads."""

    def __init__(self, **bounds: int):
        self.clock = Clock()
        self.scheduler = Scheduler(
            Bounds(**bounds), threaded=False, clock=self.clock, warm_up=lambda: None
        )
        self.registry = Registry(self.scheduler)
        self.keeper = self.registry.run_keeper = kept_runs.new_keeper(self.registry)
        session._made[:] = [self.registry]

    def visitor(self, **arrays):
        """Return a visit with these arrays as files."""
        visit = self.registry.create()
        visit.files = [self.registry.shelf.load(name, idx(a)) for name, a in arrays.items()]
        return visit

    def start(self, visit, recipe, steps=7, name="Mine", source="files"):
        """Start a run on a visitor's data and take some steps of it."""
        session._made[:] = [self.registry]
        data = sets.sets_of(visit, source)[:2]
        visit.run_sources[visit.reserved] = source
        run = self.scheduler.start(
            recipe,
            *training.split(recipe, *data),
            owner=visit.owner,
            name=name,
            run_id=visit.reserved,
        )
        self.registry.add_run(visit, run)
        while run.step < steps:
            self.scheduler.step(run)
        return run

    def train(self, run, until=None):
        """Resume a run and train it to its end, or until so many steps are done."""
        session._made[:] = [self.registry]
        self.scheduler.resume(run)
        while not run.ended and (until is None or run.step < until):
            self.scheduler.advance(0.0 if until else 1.0)
        return run

    def look(self, seconds=0.0):
        """Let so much time pass, and have the keeper look at the runs."""
        self.clock.now += seconds
        self.keeper.sweep(self.clock())

    def is_killed(self):
        """Leave the store as a process that is killed does: nothing is freed, its locks are."""
        store = self.keeper._opened()
        store._base.close()
        if store._sign is not None:
            os.close(store._sign)
        self.keeper._closed, self.keeper._store = True, None


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty store."""
    monkeypatch.setenv("NNENGINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(session, "_made", [])
    return tmp_path / "home"


@pytest.fixture
def files(stripes):
    return dict(zip(("x", "y"), stripes, strict=True))


def back(server, run):
    """Return a run as another server finds it by its id."""
    visit = server.keeper.come_back(run.id)
    return next(one for one in visit.runs if one.id == run.id)


# Going on --------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [QUICK, DRAWN], ids=["dense", "augmented"])
def test_a_run_goes_on_after_its_server_was_killed_to_the_bits_it_would_have_had(files, recipe):
    first = Server()
    visit = first.visitor(**files)
    expected = first.train(first.start(visit, recipe))
    run = first.start(visit, recipe)
    first.train(run, until=9)
    first.look(EVERY_S)
    first.train(run, until=run.step + 1)
    kept = first.keeper._opened().visitors_run(run.id).step
    assert kept >= 9
    first.is_killed()

    second = Server()
    again = back(second, run)
    assert ("paused", True, kept) == (again.state, again.interrupted, again.step)
    assert f"Interrupted: the server ended. At step {kept}." == again.message
    second.train(again)
    assert ("finished", expected.step, False) == (again.state, again.step, again.interrupted)
    np.testing.assert_array_equal(expected.snapshot.theta, again.snapshot.theta)
    assert expected.history == again.history


def test_a_fork_and_a_changed_rate_outlast_the_server_that_was_killed(files):
    first = Server()
    visit = first.visitor(**files)
    parent = first.train(first.start(visit, QUICK))
    plan = fork(parent, 20, {"momentum": 0.5})
    data = sets.sets_of(visit, "files")[0]
    visit.run_sources[visit.reserved] = "files"
    run = first.scheduler.start(
        plan.recipe, data, owner=visit.owner, name="Fork", run_id=visit.reserved, plan=plan
    )
    first.registry.add_run(visit, run)
    first.train(run, until=24)
    first.scheduler.pause(run)
    first.scheduler.change_rate(run, 0.0001)
    at = run.step
    first.look(EVERY_S)
    first.is_killed()
    expected = first.train(run)  # as it would have gone on: nothing of that is kept

    second = Server()
    again = back(second, run)
    assert at <= again.step < expected.step
    assert (run.recipe, run.course) == (again.recipe, again.course)
    assert (run.origin, run.spent[: len(again.spent)]) == (again.origin, again.spent)
    second.train(again)
    np.testing.assert_array_equal(expected.snapshot.theta, again.snapshot.theta)
    assert expected.history == again.history
    assert expected.snapshot.training[-1]["changes"] == again.snapshot.training[-1]["changes"]


def test_a_run_that_took_no_step_before_the_kill_is_there_and_begins_anew(files):
    first = Server()
    run = first.start(first.visitor(**files), QUICK, steps=0)
    first.keeper.flush()
    first.is_killed()
    again = back(Server(), run)
    assert (0, "Mine", "x", True) == (again.step, again.name, again.data_name, again.interrupted)


def test_paused_and_ended_runs_come_back_as_they_were(files):
    first = Server()
    visit = first.visitor(**files)
    ended = first.train(first.start(visit, QUICK, name="done"))
    paused = first.start(visit, LONG, name="paused")
    stopped = first.start(visit, LONG, name="stopped")
    first.scheduler.stop(stopped)
    first.look()
    first.registry.scheduler.pause(paused)
    first.is_killed()

    visit = Server().keeper.come_back(paused.id)
    assert ["done", "paused", "stopped"] == [run.name for run in visit.runs]
    assert ["finished", "paused", "stopped"] == [run.shown_state for run in visit.runs]
    assert ended.history == visit.runs[0].history
    np.testing.assert_array_equal(ended.snapshot.theta, visit.runs[0].snapshot.theta)


def test_a_run_that_rests_or_has_ended_comes_back_with_its_moments(files):
    first = Server()
    visit = first.visitor(**files)
    done = first.train(first.start(visit, QUICK))
    paused = first.start(visit, QUICK)
    first.look()
    first.is_killed()

    second = Server()
    for run in (done, paused):
        told = back(second, run).recording.moments
        assert run.recording.moments.to_bytes() == told.to_bytes()
    again = second.train(back(second, paused))
    again.recording.pack()
    assert done.recording.moments.steps == again.recording.moments.steps
    last = len(again.recording.moments) - 1
    np.testing.assert_allclose(again.recording.moments.theta(last), again.snapshot.theta, atol=0.02)


def test_a_store_without_room_for_moments_keeps_the_run_without_them(files, monkeypatch):
    first = Server()
    monkeypatch.setattr(runwriter, "_moments", lambda made: bytes(10_000_000))
    first.keeper._opened().most_bytes = 5_000_000
    run = first.train(first.start(first.visitor(**files), QUICK))
    first.look()
    first.is_killed()
    again = back(Server(), run)
    assert ("finished", None) == (again.state, again.recording)


def test_damaged_moments_do_not_keep_a_run_from_coming_back(files):
    first = Server()
    run = first.train(first.start(first.visitor(**files), QUICK))
    first.look()
    with first.keeper._opened()._writing():
        first.keeper._opened()._base.execute("UPDATE moments SET packed = ?", (b"none",))
    first.is_killed()
    again = back(Server(), run)
    assert ("finished", None) == (again.state, again.recording)


def test_moments_go_with_their_run_and_count_for_the_store(files):
    server = Server()
    visit = server.visitor(**files)
    run = server.train(server.start(visit, QUICK))
    server.look()
    store = server.keeper._opened()
    taken = len(store.moments(run.id))
    assert store.run(run.id).bytes > taken > 1_000
    server.keeper.forget(visit, run)
    assert b"" == store.moments(run.id)
    assert 0 == store._taken()


def test_a_visit_that_memory_had_no_room_for_any_more_comes_back(files):
    server = Server()
    visit = server.visitor(**files)
    run = server.start(visit, LONG)
    server.look()
    visit.seen -= 10_000
    server.registry.reap(server.registry._clock())
    assert server.registry.find(run.id) is None
    again = back(server, run)
    assert again is not run
    assert ("paused", run.step) == (again.shown_state, again.step)
    server.train(again, until=run.step + 1)


def test_what_is_kept_of_a_run_under_way_is_eight_seconds_old_at_most(files):
    server = Server()
    run = server.start(server.visitor(**files), replace(LONG, epochs=None, iterations=15_000))
    server.keeper.flush()
    seen = []
    while len(seen) < 5:
        server.train(run, until=run.step + 1)
        step = server.keeper._opened().visitors_run(run.id).step
        if not seen or step != seen[-1][1]:
            seen.append((server.clock.now, step))
    ages = [later[0] - earlier[0] for earlier, later in zip(seen[1:], seen[2:], strict=False)]
    assert all(EVERY_S <= age <= EVERY_S + 2.5 for age in ages)


def test_a_server_that_is_stopped_keeps_every_run_to_its_last_step_with_its_moments(files):
    first = Server()
    run = first.train(first.start(first.visitor(**files), LONG), until=40)
    first.look()
    first.train(run, until=90)  # of which nothing has been kept yet
    step, theta = run.step, run.work.network.theta.copy()
    first.keeper.close()

    second = Server()
    again = back(second, run)
    assert again.interrupted and step == again.step
    np.testing.assert_array_equal(theta, again.snapshot.theta)
    due = [one for one in run.recording.due if one <= step]
    assert due == again.recording.moments.steps
    assert second.train(again, until=step + 5).step >= step + 5


def test_moments_of_a_run_under_way_are_half_a_minute_old_at_most(files):
    first = Server()
    run = first.train(first.start(first.visitor(**files), LONG), until=60)
    first.look()
    run.recording.pack()
    first.train(run, until=run.step + 1)
    first.look(MOMENTS_EVERY_S)
    first.is_killed()
    assert run.recording.moments.steps == back(Server(), run).recording.moments.steps


# Data ------------------------------------------------------------------------------------


def test_built_in_data_are_not_kept_and_have_to_be_the_same_ones(stripes):
    def server(data):
        made = Server()
        made.registry.library._built_in = library.Sets(data, data)
        return made

    data = Dataset(*stripes, name="Built-in digits")
    first = server(data)
    visit = first.registry.create()
    run = first.start(visit, QUICK, source="digits")
    first.look()
    assert [(0,)] == first.keeper._opened()._rows("SELECT COUNT(*) FROM sets")
    first.is_killed()
    other = server(data.take(slice(0, 250)))
    with pytest.raises(ConfigError, match="is not on this server as it was when Mine began"):
        other.scheduler.resume(back(other, run))
    same = server(data)
    assert "finished" == same.train(back(same, run)).state


def test_data_without_room_are_asked_for_again_by_digest(files, stripes):
    first = Server()
    first.keeper._opened().most_bytes = 20_000  # enough for a run, and not for its images
    run = first.start(first.visitor(**files), QUICK)
    first.look()
    first.is_killed()

    second = Server()
    again = back(second, run)
    digest = Dataset(*stripes).digest[:12]
    said = f"not the images it learns from: drop the files of x .digest {digest}. on the Data page"
    with pytest.raises(ConfigError, match=said):
        second.scheduler.resume(again)
    assert "paused" == again.state
    others = second.visitor(x=stripes[0][::-1].copy(), y=stripes[1]).files
    second.registry.find(run.id).files = others
    with pytest.raises(ConfigError, match=said):
        second.scheduler.resume(again)
    second.registry.find(run.id).files = second.visitor(**files).files
    second.train(again, until=run.step + 1)


def test_equal_data_are_kept_once_and_go_when_no_run_needs_them(files):
    server = Server()
    runs = [server.start(server.visitor(**files), LONG) for _ in range(2)]
    server.look()
    store = server.keeper._opened()
    assert [(1,)] == store._rows("SELECT COUNT(*) FROM sets")
    for left, run in zip((1, 0), runs, strict=True):
        server.scheduler.stop(run)
        server.look()
        assert [(left,)] == store._rows("SELECT COUNT(*) FROM sets")


# Whose they are --------------------------------------------------------------------------


def test_a_run_is_found_by_the_whole_of_its_id_alone_and_with_its_owners_others(files):
    first = Server()
    run = first.start(first.visitor(**files), LONG)
    first.start(first.visitor(**files), LONG, name="another visitor's")
    mine = first.keeper._opened().begin({}, name="of the command line")
    first.look()
    second = Server()
    for token in (run.id[:-1], run.id[:3], "", "%", mine):
        assert second.keeper.come_back(token) is None
    assert ["Mine"] == [one.name for one in second.keeper.come_back(run.id).runs]


def test_deleting_a_run_deletes_it_in_the_store_and_forgetting_deletes_all(files):
    server = Server()
    visit = server.visitor(**files)
    runs = [server.start(visit, LONG, name=name) for name in ("a", "b", "c")]
    other = server.start(server.visitor(**files), LONG)
    server.look()
    server.registry.drop_run(visit, runs[0])
    server.look(EVERY_S)
    store = server.keeper._opened()
    assert {"b", "c", "Mine"} == {kept.name for kept in store.runs()}
    server.keeper.forget(visit)
    server.registry.drop(visit)
    server.look(EVERY_S)
    assert [other.id] == [kept.id for kept in store.runs()]
    assert all(server.keeper.come_back(run.id) is None for run in runs)


def test_a_new_name_is_kept_and_a_stop_of_a_run_that_did_not_go_on_too(files):
    first = Server()
    visit = first.visitor(**files)
    run = first.start(visit, LONG)
    first.look()
    visit.networks.rename(f"run:{run.id}", "renamed")
    first.look()
    first.is_killed()
    second = Server()
    again = back(second, run)
    assert "renamed" == again.name
    second.registry.find(run.id).networks.rename(f"run:{run.id}", "again")
    second.scheduler.stop(again)
    second.look()
    kept = second.keeper._opened().visitors_run(run.id)
    assert ("again", "stopped", run.step) == (kept.name, kept.state, kept.step)


def test_two_servers_on_one_store_do_not_both_go_on_with_a_run(files):
    one, other = Server(), Server()
    run = one.start(one.visitor(**files), LONG)
    one.look()
    there = back(other, run)
    assert keptruns.ELSEWHERE == there.message
    with pytest.raises(ConfigError, match="under way in another program"):
        other.scheduler.resume(there)
    one.train(run, until=run.step + 20)
    one.keeper._opened()._clock = other.keeper._opened()._clock = lambda: 2e9  # it was silent
    other.scheduler.resume(there)
    assert run.step >= there.step > 7  # where it was kept last, not where it was shown
    while run.live:
        one.scheduler.advance(0.0)
        one.look(EVERY_S)
    assert ("paused", runwriter.ELSEWHERE) == (run.state, run.message)
    other.train(there, until=there.step + 1)


def test_runs_are_kept_for_so_many_days(files):
    server = Server(kept_days=2)
    run = server.start(server.visitor(**files), LONG)
    server.look()
    server.is_killed()
    second = Server(kept_days=2)
    second.keeper._opened()._clock = lambda: 2e9
    second.keeper.flush()
    assert second.keeper.come_back(run.id) is None


# Faults ----------------------------------------------------------------------------------


def test_on_a_full_disk_a_run_goes_on_and_is_kept_again_when_there_is_room(files, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "runs.sqlite")

    server = Server()
    visit = server.visitor(**files)
    with monkeypatch.context() as disk:
        disk.setattr(Store, "keep", full)
        run = server.train(server.start(visit, LONG), until=50)
        assert "No space left on device" == server.keeper.why_not(visit)
        assert run.live
    server.keeper._rest_until_s = 0.0
    server.look()
    assert server.keeper.why_not(visit) is None
    assert run.step == server.keeper._opened().visitors_run(run.id).step


def test_on_a_small_disk_a_run_outgrows_it_is_told_and_ends_as_any_other(
    files, small_disk, monkeypatch
):
    monkeypatch.setenv("NNENGINE_HOME", str(small_disk))
    server = Server()
    visit = server.visitor(**files)
    run = server.train(server.start(visit, replace(LONG, epochs=20)))
    assert ("finished", 200) == (run.state, run.step)
    assert "full" in server.keeper.why_not(visit)


def test_what_was_deleted_while_the_disk_was_at_fault_is_deleted_later(files, monkeypatch):
    def broken(*_):
        raise OSError(5, "Input/output error", "runs.sqlite")

    server = Server()
    visit = server.visitor(**files)
    run = server.start(visit, LONG)
    server.look()
    with monkeypatch.context() as disk:
        disk.setattr(Store, "forget", broken)
        server.registry.drop_run(visit, run)
    assert [run.id] == [kept.id for kept in server.keeper._opened().runs()]
    server.keeper._rest_until_s = 0.0
    assert server.keeper.come_back(run.id) is None
    assert [] == server.keeper._opened().runs()


def test_without_a_place_for_a_store_a_run_goes_on_and_it_is_told(files, home):
    home.write_text("no folder")
    server = Server()
    visit = server.visitor(**files)
    run = server.train(server.start(visit, QUICK))
    assert "finished" == run.state
    assert "exists" in server.keeper.why_not(visit)
    assert server.keeper.come_back("x" * 22) is None


def test_where_runs_under_way_fill_the_store_the_others_are_told_and_go_on(files):
    server = Server()
    server.keeper._opened().most_bytes = 20_000
    visits = [server.visitor(**files) for _ in range(2)]
    runs = [server.start(visit, QUICK) for visit in visits]
    server.look()
    told = [server.keeper.why_not(visit) for visit in visits]
    assert 1 == sum(said is not None and "goes on without being kept" in said for said in told)
    assert all(run.step == 7 for run in runs)


def test_copies_that_wait_for_a_slow_disk_are_bounded_and_nothing_is_left_out(files, monkeypatch):
    server = Server()
    server.keeper._threaded = True  # its thread is busy
    server.keeper._serving = True
    monkeypatch.setattr(runwriter, "MOST_WAITING", 1)
    visit = server.visitor(**files)
    runs = [server.start(visit, LONG, name=name) for name in ("a", "b", "c")]
    for _ in range(3):
        server.look(EVERY_S)
        assert 1 == len(server.keeper._waiting)
        server.keeper.flush()
    kept = server.keeper._opened().runs()
    assert {run.id: run.step for run in runs} == {one.id: one.step for one in kept}


@pytest.mark.parametrize("place", ["request", "about", "checkpoint"])
def test_a_damaged_run_is_left_out_and_the_others_come_back(files, place):
    first = Server()
    visit = first.visitor(**files)
    bad, good = (first.start(visit, LONG, name=name) for name in ("bad", "good"))
    first.look()
    first.keeper._opened()._base.execute(
        f"UPDATE runs SET {place} = '{{\"recipe\": 5}}' WHERE id = ?", (bad.id,)
    )
    assert [good.name] == [run.name for run in Server().keeper.come_back(good.id).runs]


def test_a_setting_that_nobody_understands_is_refused():
    assert kept_runs.wanted({})
    assert not kept_runs.wanted({"NNENGINE_KEEP_RUNS": "0"})
    with pytest.raises(ConfigError, match="NNENGINE_KEEP_RUNS='no': give 1, or 0"):
        kept_runs.wanted({"NNENGINE_KEEP_RUNS": "no"})


# Killed ----------------------------------------------------------------------------------

# A server without pages: it begins a run, or goes on with one, and tells what is kept of it. Given
# a number of steps it goes on for so many, stops, and tells whether these are the weights of a run
# that was never broken off.
SERVER = """
import sys, time
import numpy as np
from dashboard.runs import scheduler
from dashboard.runs.recipe import Recipe
from dashboard.store import runkeeper, runwriter
from dashboard.store.visits import Registry
from nnengine.data.dataset import Dataset
from nnengine.storage.runs import Store
from nnengine.training import StepFinished, TrainingState, training

scheduler.REAP_EVERY_S, runwriter.EVERY_S = 0.05, 0.0
images = np.random.default_rng(1).integers(0, 256, (256, 8, 8)).astype(np.uint8)
data = Dataset(images, (np.arange(256) % 3).astype(np.uint8), name="noise")
recipe = Recipe(
    hidden=(64,), epochs=None, iterations=30_000, batch_size=16, validation="none"
)
registry = Registry(scheduler.Scheduler(warm_up=lambda: None))
keeper = registry.run_keeper = runkeeper.RunKeeper(
    registry, Store, lambda run, asked: (data, None), lambda visit, run: {}
)
token, more = sys.argv[1], int(sys.argv[2])
if token:
    (run,) = keeper.come_back(token).runs
    assert run.interrupted, run
    print(run.step, flush=True)
    begun = run.step
    registry.scheduler.resume(run)
else:
    visit = registry.create()
    run = registry.scheduler.start(recipe, data, owner=visit.owner, run_id=visit.reserved)
    registry.add_run(visit, run)
    print(run.id, flush=True)
while not more or run.step < begun + more:
    time.sleep(0.02)
    with keeper._writing:
        kept = keeper._opened().visitors_run(run.id)
    print(kept.step if kept else 0, flush=True)
registry.scheduler.stop(run)
network, state = recipe.build(data), TrainingState(steps_per_call=1)
for event in training(network, data, recipe.config(256), state=state):
    if type(event) is StepFinished and event.step == run.step:
        break
print(np.array_equal(network.theta, run.snapshot.theta), flush=True)
"""


def server_process(token: str = "", more: int = 0) -> subprocess.Popen:
    command = [sys.executable, "-c", SERVER, token, str(more)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NNENGINE_KERNELS": "numpy"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def killed_after(server: subprocess.Popen, step: int) -> int:
    """Kill a server as soon as more than so many steps of its run are kept; return how many."""
    kept = 0
    while kept <= step:
        line = server.stdout.readline()
        assert line, server.stderr.read()
        kept = int(line)
    server.send_signal(signal.SIGKILL)
    server.communicate(timeout=120)
    return kept


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_a_run_whose_server_is_killed_three_times_ends_with_the_bits_of_one_that_was_not():
    server, kept = server_process(), 0
    token = server.stdout.readline().strip()
    for kill in range(3):
        kept = killed_after(server, kept)
        server = server_process(token, more=100 if kill == 2 else 0)
        assert int(server.stdout.readline() or -1) >= kept, server.stderr.read()
    said, faults = server.communicate(timeout=120)
    assert "True" == said.splitlines()[-1], faults
