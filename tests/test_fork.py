"""Forks: the same bits up to a step, and from there on one thing changed. No Streamlit here."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dashboard.runs import lineage
from dashboard.runs.fork import fork
from dashboard.runs.lineage import Leg
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from dashboard.runs.scheduler import Scheduler
from dashboard.runs.waypoints import EVERY_S, Stored, Waypoints
from nnengine.core.description import Spec
from nnengine.data.augment import GENTLE
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training import layertext
from nnengine.training.state import TrainingState
from tests.test_runs import Clock, advance_until

DENSE = Recipe(hidden=(8,), epochs=4, batch_size=8, learning_rate=0.01, validation="test")
WINDOWS = replace(
    DENSE,
    hidden=layertext.read_hidden("conv 4 3x3, pool 2, norm, dropout 0.25, dense 8"),
    optimizer="momentum",
)
RECIPES = {
    "dense, Adam, cosine": replace(DENSE, schedule="cosine"),
    "dense, distorted": replace(DENSE, augmentation=GENTLE, optimizer="sgd"),
    "plateau, early stopping": replace(DENSE, schedule="plateau", patience=0, early_stopping=30),
    "full batch": replace(DENSE, batch_size=None, epochs=None, iterations=152, l2=0.001),
    "conv, norm, dropout": WINDOWS,
}


@pytest.fixture
def digits(stripes) -> Dataset:
    return Dataset(*stripes)


@pytest.fixture
def engine() -> Scheduler:
    return Scheduler(threaded=False, clock=Clock(0.001), warm_up=lambda: None)


def start(engine: Scheduler, recipe: Recipe, data: Dataset, *, often: bool = True) -> Run:
    """Begin a run; often: exact moments of it are kept wherever they may be."""
    run = engine.start(recipe, data, data)
    run.waypoints.every_s = 0.0 if often else 1e9
    return run


def take(engine: Scheduler, run: Run, steps: int) -> None:
    """Take so many steps and pause."""
    engine.pause(run)
    for _ in range(steps):
        engine.step(run)


def finished(engine: Scheduler, run: Run) -> Run:
    advance_until(engine, lambda: run.ended)
    assert "finished" == run.state, run.message
    return run


def forked(engine: Scheduler, run: Run, data: Dataset, step: int, **changes) -> Run:
    plan = fork(run, step, changes)
    return engine.start(plan.recipe, data, data, plan=plan)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_fork_with_nothing_changed_is_its_parent_to_the_bits(engine, digits, back_end, recipe):
    parent = finished(engine, start(engine, recipe, digits))
    for step in (0, 32, 101, parent.step):
        plan = fork(parent, step, {})
        assert plan.replayed <= step % 32 if step else plan.waypoint is None
        other = finished(engine, forked(engine, parent, digits, step))
        np.testing.assert_array_equal(parent.snapshot.theta, other.snapshot.theta)
        assert parent.history == other.history
        assert "changes" not in other.snapshot.training[-1]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_fork_without_a_moment_kept_is_replayed_from_the_first_step(engine, digits, recipe):
    parent = finished(engine, start(engine, recipe, digits, often=False))
    assert fork(parent, 101, {}).waypoint is None
    other = finished(engine, forked(engine, parent, digits, 101))
    np.testing.assert_array_equal(parent.snapshot.theta, other.snapshot.theta)


def test_another_rate_differs_from_its_moment_on_and_not_before(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits))
    other = finished(engine, forked(engine, parent, digits, 101, learning_rate=0.001))
    was, came = parent.history, other.history
    before = [i for i, step in enumerate(was.step) if step <= 101]
    assert [was.train_loss[i] for i in before] == [came.train_loss[i] for i in before]
    after = [i for i, step in enumerate(was.step) if step > 101]
    assert all(was.train_loss[i] != came.train_loss[i] for i in after)
    change = {"step": 101, "settings": {"learning_rate": [0.01, 0.001]}}
    assert [change] == other.snapshot.training[-1]["changes"]


def test_a_fork_is_the_same_whether_it_is_replayed_from_near_or_from_far(engine, digits):
    near = finished(engine, start(engine, DENSE, digits))
    far = finished(engine, start(engine, DENSE, digits, often=False))
    one, other = (
        finished(engine, forked(engine, run, digits, 101, momentum=0.5, learning_rate=0.001))
        for run in (near, far)
    )
    np.testing.assert_array_equal(one.snapshot.theta, other.snapshot.theta)
    assert one.history == other.history


def test_a_rate_changed_under_way_is_the_fork_with_that_rate(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits))
    changed = start(engine, DENSE, digits)
    take(engine, changed, 40)
    engine.change_rate(changed, 0.001)
    assert ("paused", 40) == (changed.state, changed.step)
    engine.resume(changed)
    finished(engine, changed)
    other = finished(engine, forked(engine, parent, digits, 40, learning_rate=0.001))
    np.testing.assert_array_equal(changed.snapshot.theta, other.snapshot.theta)
    assert changed.history == other.history
    assert other.course == changed.course == (Leg(0, DENSE), Leg(40, changed.recipe))
    assert changed.snapshot.training[-1]["changes"] == other.snapshot.training[-1]["changes"]


def test_the_rate_of_a_run_that_trains_changes_at_once(engine, digits):
    run = start(engine, replace(DENSE, epochs=30), digits)
    engine.advance()
    engine.change_rate(run, 0.001)
    at = run.course[-1].step
    assert 0 < at <= run.step
    assert 0.001 == run.recipe.learning_rate
    finished(engine, run)
    assert [at] == [change["step"] for change in run.snapshot.training[-1]["changes"]]
    assert sorted(set(run.history.step)) == run.history.step
    assert 1140 == run.step


def test_a_rate_changed_before_the_first_step_is_that_of_the_whole_run(engine, digits):
    run = engine.start(DENSE, digits, digits)
    engine.pause(run)
    engine.change_rate(run, 0.001)
    engine.resume(run)
    whole = finished(engine, start(engine, replace(DENSE, learning_rate=0.001), digits))
    finished(engine, run)
    np.testing.assert_array_equal(whole.snapshot.theta, run.snapshot.theta)
    assert 1 == len(run.snapshot.training) == len(run.course)


def test_a_fork_with_nothing_changed_repeats_what_was_changed_after_its_step(engine, digits):
    parent = start(engine, DENSE, digits)
    take(engine, parent, 60)
    engine.change_rate(parent, 0.001)
    engine.resume(parent)
    finished(engine, parent)
    for step in (0, 33, 60, 101):
        other = finished(engine, forked(engine, parent, digits, step))
        np.testing.assert_array_equal(parent.snapshot.theta, other.snapshot.theta)
    steady = finished(engine, forked(engine, parent, digits, 33, learning_rate=0.01, momentum=0.1))
    assert (Leg(0, DENSE), Leg(33, replace(DENSE, momentum=0.1))) == steady.course


def test_a_fork_of_a_fork_has_the_bits_of_both_turns(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits))
    child = finished(engine, forked(engine, parent, digits, 40, learning_rate=0.001))
    child.waypoints = Waypoints()  # replayed through the first turn
    again = finished(engine, forked(engine, child, digits, 101))
    np.testing.assert_array_equal(child.snapshot.theta, again.snapshot.theta)
    assert child.history == again.history


def test_a_run_goes_on_longer_than_it_was_begun_for(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits))
    longer = finished(engine, forked(engine, parent, digits, 152, epochs=6))
    whole = finished(engine, start(engine, replace(DENSE, epochs=6), digits))
    assert (228, 6) == (longer.step, longer.recipe.epochs)
    np.testing.assert_array_equal(whole.snapshot.theta, longer.snapshot.theta)


def test_a_fork_of_a_run_that_diverged_diverges_to_the_same_bits(engine, digits):
    wild = replace(DENSE, optimizer="sgd", learning_rate=90.0, activation="identity", epochs=40)
    parent = start(engine, wild, digits)
    advance_until(engine, lambda: parent.ended)
    assert "diverged" == parent.state
    other = forked(engine, parent, digits, parent.step)
    advance_until(engine, lambda: other.ended)
    assert "diverged" == other.state
    np.testing.assert_array_equal(parent.snapshot.theta, other.snapshot.theta)


def test_a_fork_set_aside_while_it_is_replayed_goes_on_to_the_same_bits(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits, often=False))
    whole = finished(engine, forked(engine, parent, digits, 101, learning_rate=0.001))
    other = forked(engine, parent, digits, 101, learning_rate=0.001)
    take(engine, other, 10)
    engine._set_aside(other, -1.0)
    assert other.work is None
    engine.resume(other)
    finished(engine, other)
    np.testing.assert_array_equal(whole.snapshot.theta, other.snapshot.theta)


def test_a_rate_is_not_changed_while_a_fork_is_replayed(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits, often=False))
    other = forked(engine, parent, digits, 101, learning_rate=0.001)
    take(engine, other, 1)
    with pytest.raises(ConfigError, match="replayed up to step 101"):
        engine.change_rate(other, 0.1)


@pytest.mark.parametrize(
    ("changes", "step", "said"),
    [
        ({"hidden": (9,)}, 5, "Hidden layers: acts from the first step on"),
        ({"batch_size": 16}, 5, "fork after step 0"),
        ({"optimizer": "momentum"}, 5, "velocity, which adam has not gathered"),
        ({"early_stopping": 3}, 5, "fork after step 0"),
        ({"epochs": 1}, 101, "would end at step 38, before step 101"),
        ({"rate": 0.1}, 5, "rate is no setting"),
        ({}, 153, "has come to step 152"),
        ({}, -1, "a step from 0"),
    ],
)
def test_what_cannot_change_on_the_way_is_refused_with_the_way_out(
    engine, digits, changes, step, said
):
    parent = finished(engine, start(engine, DENSE, digits))
    with pytest.raises(ConfigError, match=said):
        fork(parent, step, changes)


def test_from_the_first_step_anything_may_be_other(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits))
    changes = {"hidden": (Spec("dense", 9),), "batch_size": 16, "optimizer": "momentum"}
    other = finished(engine, forked(engine, parent, digits, 0, **changes))
    alone = finished(engine, start(engine, replace(DENSE, **changes), digits))
    np.testing.assert_array_equal(alone.snapshot.theta, other.snapshot.theta)
    assert {"hidden": ("8", "9"), "batch_size": ("8", "16"), "optimizer": ("Adam", "Momentum")} == (
        other.origin.changes
    )


def test_a_lineage_comes_back_from_json_as_it_was(engine, digits):
    parent = finished(engine, start(engine, DENSE, digits))
    other = finished(engine, forked(engine, parent, digits, 40, learning_rate=0.001))
    plain = json.loads(json.dumps(lineage.as_plain(other.course, other.origin, other.spent)))
    found = lineage.from_plain(plain)
    assert (other.course, other.origin, other.spent, other.recipe) == tuple(
        found[name] for name in ("course", "origin", "spent", "recipe")
    )
    assert {} == lineage.from_plain({})


def test_the_seconds_of_the_engine_stand_beside_every_point_of_the_curves(engine, digits):
    run = finished(engine, start(engine, DENSE, digits))
    assert run.history.step == [step for step, _ in run.spent]
    seconds = [s for _, s in run.spent]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] <= run.progress.busy_s + 0.01


# Waypoints -----------------------------------------------------------------------------------


def moment(step: int, network) -> tuple:
    return network, TrainingState(step, {"mean": np.ones_like(network.theta)}), float(step), 0.0


def test_where_waypoints_take_too_much_every_second_goes(digits):
    network = DENSE.build(digits)
    one = 2 * network.theta.nbytes
    kept = Waypoints(most_bytes=4 * one)
    for step in range(32, 32 * 6, 32):
        kept.add(*moment(step, network))
    assert [64, 128] == [way.step for way in kept.kept]
    assert 4.0 == kept.every_s
    assert kept.bytes <= 4 * one


def test_waypoints_that_are_on_a_disk_too_are_the_first_to_go_and_others_come_as_often(digits):
    network, disk = DENSE.build(digits), {}
    kept = Waypoints(most_bytes=4 * 2 * network.theta.nbytes)
    for step in range(32, 32 * 9, 32):
        kept.add(*moment(step, network))
        if step <= 128:
            disk[step] = kept.kept[-1]
            kept.stored = Stored(tuple(disk), disk.get)
    assert [160, 192, 224, 256] == [way.step for way in kept.kept]
    assert EVERY_S == kept.every_s
    assert [None, 96, 224] == [way and way.step for way in map(kept.nearest, (31, 100, 230))]


def test_the_nearest_waypoint_is_never_behind_the_step(digits):
    network, kept = DENSE.build(digits), Waypoints()
    for step in (32, 64):
        kept.add(*moment(step, network))
    assert [None, 32, 32, 64] == [way and way.step for way in map(kept.nearest, (31, 32, 63, 200))]


def test_a_waypoint_does_not_change_with_the_run(digits):
    network, kept = DENSE.build(digits), Waypoints()
    made = moment(32, network)
    kept.add(*made)
    network.theta += 1
    made[1].arrays["mean"] += 1
    assert (kept.kept[0].network.theta + 1 == network.theta).all()
    assert (kept.kept[0].arrays["mean"] == 1).all()
