"""Recording: moments of a run are kept beside training, change no bit of it, and are counted."""

from __future__ import annotations

import importlib
import threading
import time

import numpy as np
import pytest

from dashboard.runs import recording
from dashboard.runs.bounds import Bounds
from dashboard.runs.recipe import Recipe
from dashboard.runs.recording import MOST_BYTES, PACKING_SHARE, Recording, most_for, room_for
from dashboard.runs.scheduler import Scheduler
from dashboard.store.budget import holdings, new_run_bytes
from dashboard.store.visits import Registry
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.storage.moments import plan
from nnengine.training import training

RECIPE = Recipe(hidden=(8,), epochs=30, batch_size=16, learning_rate=0.01, validation="none")


@pytest.fixture
def digits(stripes) -> Dataset:
    return Dataset(*stripes)


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(threaded=False, warm_up=lambda: None)


def finished(scheduler, digits, recipe=RECIPE):
    run = scheduler.start(recipe, digits)
    while not run.ended:
        scheduler.advance()
    run.recording.pack()
    return run


def test_a_run_is_kept_at_the_steps_of_its_plan(scheduler, digits):
    run = finished(scheduler, digits)
    assert run.total_steps > 300
    assert plan(run.total_steps) == run.recording.moments.steps
    assert 0 == run.recording.waiting


@pytest.fixture
def as_in_a_tab(monkeypatch):
    """The module as it is where Python has no clock of a single thread."""
    monkeypatch.delattr(time, "thread_time")
    yield importlib.reload(recording)
    monkeypatch.undo()
    importlib.reload(recording)


def test_moments_are_packed_where_there_is_no_clock_of_a_thread(as_in_a_tab, digits):
    network = RECIPE.build(digits)
    kept = as_in_a_tab.Recording(network, 100)
    kept.pack()
    assert not kept.packing and [0] == kept.moments.steps


def test_what_is_kept_are_the_weights_of_the_same_run_without_a_record(scheduler, digits):
    run = finished(scheduler, digits)
    network = RECIPE.build(digits)
    moments, wanted = run.recording.moments, dict.fromkeys(run.recording.moments.steps)
    for event in training(network, digits, RECIPE.config(digits.count)):
        if (step := getattr(event, "step", None)) in (1, run.total_steps):
            wanted[step] = network.theta.copy()
    np.testing.assert_array_equal(run.snapshot.theta, network.theta)
    np.testing.assert_allclose(moments.theta(len(moments) - 1), network.theta, atol=0.02)


def test_the_same_recipe_gives_the_same_moments_to_the_bit(scheduler, digits):
    first, second = (finished(scheduler, digits).recording.moments for _ in range(2))
    assert first.to_bytes() == second.to_bytes()


def test_a_run_that_is_stopped_ends_with_the_weights_it_had(scheduler, digits):
    run = scheduler.start(RECIPE, digits)
    scheduler.pause(run)
    scheduler.step(run)
    scheduler.stop(run)
    run.recording.pack()
    assert [0, 1] == run.recording.moments.steps
    np.testing.assert_allclose(run.recording.moments.theta(1), run.snapshot.theta, atol=0.01)


def test_the_best_weights_that_early_stopping_goes_back_to_are_the_last_moment(scheduler, digits):
    recipe = Recipe(hidden=(8,), epochs=40, batch_size=16, early_stopping=2, validation=0.1)
    run = scheduler.start(recipe, digits, digits)
    while not run.ended:
        scheduler.advance()
    run.recording.pack()
    moments = run.recording.moments
    np.testing.assert_allclose(moments.theta(len(moments) - 1), run.snapshot.theta, atol=0.02)


def test_a_thread_packs_all_there_is_when_a_run_has_ended(digits):
    scheduler = Scheduler(warm_up=lambda: None)
    run = scheduler.start(RECIPE, digits)
    for _ in range(2400):
        if run.ended and not run.recording.waiting and not run.recording.packing:
            break
        threading.Event().wait(0.05)
    scheduler.close()
    assert plan(run.total_steps) == run.recording.moments.steps


def test_packing_waits_where_it_would_take_its_time_from_training(scheduler, digits):
    run = scheduler.start(RECIPE, digits)
    while not run.ended:
        scheduler.advance()
    assert (
        run.recording.packing_s < PACKING_SHARE * run.progress.busy_s + 0.05
    )  # and one more moment
    assert run.recording.waiting


def test_moments_that_wait_are_seen_from_their_copies(scheduler, digits):
    run = scheduler.start(RECIPE, digits)
    exact = {0: run.snapshot.theta.copy()}
    told, run.recording.pack = run.recording, lambda *_, **__: None  # by the scheduler
    scheduler.pause(run)
    for step in range(1, 6):
        scheduler.step(run)
        exact[step] = run.work.network.theta.copy()
    assert (0, [0, 1, 2, 3, 4, 5]) == (len(told.moments), told.steps)
    for step, theta in exact.items():
        np.testing.assert_array_equal(theta, told.network(step, run.snapshot).theta)
        assert theta.nbytes == told.size(step)
    Recording.pack(told, 3)
    assert (3, [0, 1, 2, 3, 4, 5]) == (len(told.moments), told.steps)
    np.testing.assert_array_equal(told.moments.theta(2), told.theta(2))
    np.testing.assert_array_equal(exact[4], told.theta(4))
    assert told.size(2) < told.size(4)
    with pytest.raises(ConfigError, match="after step 6 is not kept"):
        told.theta(6)


def test_weights_that_are_not_finite_are_no_moment(digits):
    network = RECIPE.build(digits)
    told = Recording(network, 50)
    told.note(1, network.theta * np.nan)
    told.note(2, network.theta)
    assert [0, 2] == told.steps


def test_a_fault_of_a_moment_ends_what_is_kept_and_not_the_run(scheduler, digits, monkeypatch):
    run = scheduler.start(RECIPE, digits)
    monkeypatch.setattr(run.recording.moments, "add", lambda *_: 1 / 0)
    run.recording.pack()
    while not run.ended:
        scheduler.advance()
    assert "finished" == run.state
    assert (0, 0) == (len(run.recording.moments), run.recording.waiting)


def test_a_large_network_has_fewer_moments_and_one_larger_yet_none():
    assert (100, 9, 0) == (most_for(101_770), most_for(2_000_000), most_for(9_000_000))
    assert room_for(2_000_000) <= MOST_BYTES
    told = Recording(Network.build([3000, 3000, 10], rng=0), 50)
    assert (None, 0) == (told.until_next(0), told.waiting)


def test_moments_count_for_their_visitor_from_the_start(digits):
    registry = Registry(Scheduler(Bounds(), threaded=False, warm_up=lambda: None))
    visit = registry.create()
    wanted = new_run_bytes(RECIPE, (digits,), visit)
    run = registry.scheduler.start(RECIPE, digits, run_id=visit.reserved, owner=visit.owner)
    registry.add_run(visit, run)
    (held,) = holdings(visit)
    place = held.parts["moments", run.id]
    assert room_for(run.snapshot.parameter_count) == place
    assert wanted > place
    while not run.ended:
        registry.scheduler.advance()
    run.recording.pack()
    (held,) = holdings(visit)
    assert run.recording.nbytes == held.parts["moments", run.id] > 0
