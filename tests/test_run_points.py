"""Run points: a run of an earlier server is replayed from near, within the store's bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard.runs import waypoints
from dashboard.runs.fork import fork
from dashboard.runs.waypoints import Waypoint, to_store
from dashboard.state import session, set_again, sets, training
from nnengine.core.network import Network
from nnengine.storage.runpoints import NotHeld, Point
from nnengine.storage.runs import Store
from nnengine.training.state import TrainingState
from tests.test_run_keeper import QUICK, Server

ADAM = replace(QUICK, optimizer="adam", learning_rate=0.01, batch_size=8, epochs=12)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty store, in which exact moments may stand as near as may be."""
    monkeypatch.setenv("NNENGINE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(session, "_made", [])
    monkeypatch.setattr(waypoints, "EVERY_S", 0.0)
    monkeypatch.setattr(waypoints, "STORED_S", 0.0)


@pytest.fixture
def files(stripes):
    return dict(zip(("x", "y"), stripes, strict=True))


@pytest.fixture
def killed(files):
    """A run whose server was killed when 150 steps and more were done, kept to its last one."""
    server = Server()
    visit = server.visitor(**files)
    run = server.start(visit, ADAM)
    server.train(run, until=150)
    server.scheduler.pause(run)
    server.look()
    server.is_killed()
    return run


def come_back(run):
    """Return another server, and the run as it finds it."""
    server = Server()
    session._made[:] = [server.registry]
    visit = server.keeper.come_back(run.id)
    set_again.take_in_hand(visit, run.id, server.keeper)
    return server, visit.runs[0]


def forked(server, run, step: int, **changes):
    """Return a fork of a run, trained to its end."""
    plan = fork(run, step, changes)
    data = sets.sets_of(server.registry.find(run.id), "files")[:2]
    child = server.scheduler.start(plan.recipe, *training.split(plan.recipe, *data), plan=plan)
    while not child.ended:
        server.scheduler.advance(1.0)
    return plan, child


def test_a_fork_from_an_early_step_of_a_run_that_came_back_is_replayed_from_near(killed):
    server, run = come_back(killed)
    assert () == run.waypoints.kept
    plan, child = forked(server, run, 100)
    assert 0 < plan.waypoint.step <= 100
    assert plan.replayed < 40
    whole = server.train(run)
    assert (whole.step, "finished") == (child.step, child.state)
    np.testing.assert_array_equal(whole.snapshot.theta, child.snapshot.theta)
    assert whole.history == child.history


def test_a_fork_with_another_rate_is_the_same_from_near_and_from_the_first_step(killed):
    server, run = come_back(killed)
    near, one = forked(server, run, 100, learning_rate=0.001)
    run.waypoints.stored = waypoints.Stored()
    far, other = forked(server, run, 100, learning_rate=0.001)
    assert near.waypoint is not None
    assert far.waypoint is None
    np.testing.assert_array_equal(one.snapshot.theta, other.snapshot.theta)


def test_a_damaged_moment_is_passed_over(killed, caplog):
    with Store() as store:
        store._base.execute("UPDATE points SET packed = x'00' WHERE step > 64")
    _, run = come_back(killed)
    assert 64 == fork(run, 100, {}).waypoint.step
    assert "cannot be read" in caplog.text


def test_moments_behind_the_step_that_a_run_goes_on_from_are_let_go(killed):
    with Store() as store:
        (last, *_), *_ = reversed(store.points(killed.id))
        store._base.execute("UPDATE points SET step = 1000 WHERE step = ?", (last,))
    server, run = come_back(killed)
    server.scheduler.step(run)
    assert 1000 not in run.waypoints.stored.steps
    with Store() as store:
        assert max(step for step, _, _ in store.points(run.id)) <= run.step


def test_moments_go_with_their_run(killed):
    server, run = come_back(killed)
    with Store() as store:
        assert store.points(run.id)
        server.keeper.forget(server.registry.find(run.id), run)
        assert [] == store.points(run.id)
        assert (0,) == store._rows("SELECT COUNT(*) FROM points")[0]


# What is kept ----------------------------------------------------------------------------


def way(step: int) -> Waypoint:
    network = Network.build("4-3-2")
    return Waypoint(step, network.snapshot(), {}, float(step), 0.0)


def test_as_many_are_stored_as_there_is_room_for_and_spread_over_the_run(monkeypatch):
    monkeypatch.setattr(waypoints, "STORED_S", 3.0)
    monkeypatch.setattr(waypoints, "STORED_BYTES", 4 * way(0).bytes)
    kept = [way(step) for step in range(2, 13, 2)]
    more, gone = to_store([], kept)
    assert ([4, 8, 12], []) == ([one.step for one in more], gone)
    stored = [(step, float(step), way(0).bytes) for step in (4, 8, 12, 16)]
    more, gone = to_store(stored, [*kept, way(20)])
    assert ([6, 20], [4, 8, 16]) == ([one.step for one in more], gone)


def test_moments_are_the_first_to_go_where_a_store_is_full_and_no_run_goes_for_them(tmp_path):
    network = Network.build("16-12-3")
    big = Network.build("16-400-3")
    with Store(tmp_path / "runs.sqlite") as store:
        one, other = store.begin({}), store.begin({})
        store.keep(one, network, TrainingState(5))
        assert store.keep_points(one, [Point(network, TrainingState(3), 1.0, 1.0)])
        store.keep(other, big, TrainingState(5))
        store.most_bytes = store._taken() + 1_000
        assert not store.keep_points(one, [Point(network, TrainingState(4), 1.0, 1.0)])
        assert [3] == [step for step, _, _ in store.points(one)]
        third = store.begin({})
        assert [] == store.keep(third, Network.build("16-12-3"), TrainingState(5))
        assert [] == store.points(one)
        with pytest.raises(NotHeld, match="deleted"):
            store.keep_points("nobody's", [])


def test_a_run_under_way_takes_the_room_of_moments_of_runs_that_nobody_is_at_the_oldest_first(
    tmp_path,
):
    network = Network.build("16-12-3")

    def moment(step: int) -> Point:
        return Point(network, TrainingState(step), float(step), float(step))

    clock = iter(range(1, 100))
    with Store(tmp_path / "runs.sqlite", clock=lambda: float(next(clock))) as store:
        old, older, live = store.begin({}), store.begin({}), store.begin({})
        for run in (older, old):  # the order in which they were kept last
            store.keep(run, network, TrainingState(5))
            store.keep_points(run, [moment(3)])
            store.end(run, "stopped")
        store.keep(live, network, TrainingState(5))
        (size,) = (size for _, _, size in store.points(old))
        store.most_bytes = store._taken() + size
        kept = []
        for step in range(1, 5):
            assert (step < 4) == store.keep_points(live, [moment(step)])
            kept.append(tuple(len(store.points(run)) for run in (older, old, live)))
        assert [(1, 1, 1), (0, 1, 2), (0, 0, 3), (0, 0, 3)] == kept
        assert {old, older, live} == {run.id for run in store.runs()}
