"""Scheduler: fair slices, obeyed commands, faults that stay with their run. No Streamlit here."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from dashboard.present.units import record_rows
from dashboard.runs import estimate
from dashboard.runs.bounds import Bounds
from dashboard.runs.estimate import Pace
from dashboard.runs.fields import dense, rows
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import LIVE
from dashboard.runs.scheduler import Scheduler
from nnengine import fast
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data.augment import GENTLE, STRONG, Augmentation
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, TextError
from nnengine.training import training
from nnengine.training.events import Evaluated, Progressed, StepFinished

SMALL = Recipe(hidden=(8,), epochs=3, batch_size=32, learning_rate=0.01, validation="none")
LONG = Recipe(
    hidden=(8,),
    epochs=None,
    iterations=37_000,
    batch_size=16,
    learning_rate=1e-4,
    validation="none",
)


class Clock:
    """A clock that a test turns, and that may tick at each look."""

    def __init__(self, tick_s: float = 0.0):
        self.now, self.tick_s = 0.0, tick_s

    def __call__(self) -> float:
        self.now += self.tick_s
        return self.now


@pytest.fixture
def digits(stripes) -> Dataset:
    return Dataset(*stripes)


@pytest.fixture
def scheduler() -> Scheduler:
    """One without a thread; every look at its clock takes a millisecond."""
    return Scheduler(threaded=False, clock=Clock(0.001), warm_up=lambda: None)


def advance_until(scheduler, done, turns=5000):
    for _ in range(turns):
        if done():
            return
        scheduler.advance()
    raise AssertionError("it never came to that")


def test_a_run_goes_from_waiting_to_finished_and_keeps_only_what_pages_show(scheduler, digits):
    run = scheduler.start(SMALL, digits)
    assert "waiting" == run.state
    advance_until(scheduler, lambda: run.ended)
    assert ("finished", 30, 30) == (run.state, run.step, run.total_steps)
    assert run.work is None
    assert not scheduler.active()
    assert not run.snapshot.theta.flags.writeable
    assert run.history.step[-1] == 30


def test_the_last_word_of_a_finished_run_is_in_its_published_history(scheduler, digits):
    run = scheduler.start(SMALL, digits, digits)
    advance_until(scheduler, lambda: run.ended)
    assert run.snapshot.training[-1]["history"] == run.history.as_dict()
    assert run.snapshot.accuracy(digits) == pytest.approx(run.history.val_accuracy[-1], abs=1e-6)


def test_whoever_sees_that_a_run_has_ended_finds_its_last_weights(scheduler, digits, monkeypatch):
    seen, end = [], scheduler._end
    monkeypatch.setattr(
        scheduler,
        "_end",
        lambda run, *how: (seen.append((run.snapshot, len(run.history))), end(run, *how)),
    )
    run = scheduler.start(SMALL, digits, digits)
    advance_until(scheduler, lambda: run.ended and run.work is None)
    ((snapshot, points),) = seen
    assert (run.snapshot.theta == snapshot.theta).all()
    assert len(run.history) == points


def test_scheduling_changes_no_bit_of_the_result(scheduler, digits):
    alone = scheduler.start(SMALL, digits)
    advance_until(scheduler, lambda: alone.ended)
    pair = [scheduler.start(SMALL, digits, owner=str(i)) for i in range(2)]
    scheduler.step(pair[0])
    scheduler.resume(pair[0])
    advance_until(scheduler, lambda: all(run.ended for run in pair))
    for run in pair:
        np.testing.assert_array_equal(alone.snapshot.theta, run.snapshot.theta)


def test_active_runs_get_turns_alike(scheduler, digits):
    runs = [scheduler.start(LONG, digits, owner=str(i)) for i in range(5)]
    for _ in range(50):
        scheduler.advance(0)
    steps = [run.step for run in runs]
    assert min(steps) > 0.9 * np.mean(steps)


def test_a_run_with_slow_steps_does_not_take_more_than_its_turn(scheduler, digits):
    order = []
    runs = [scheduler.start(LONG, digits, owner=str(i)) for i in range(3)]
    for run in runs:
        run.work.events = recorded(run, run.work.events, order)
    for _ in range(9):
        scheduler.advance(0)
    turns = [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name]
    assert [run.id for run in runs] * 3 == turns


def recorded(run, events, order):
    for event in events:
        order.append(run.id)
        yield event


def test_a_paused_run_is_not_asked_for_its_next_event(scheduler, digits):
    run = scheduler.start(LONG, digits)
    scheduler.advance()
    scheduler.pause(run)
    step = run.step
    for _ in range(20):
        scheduler.advance()
    assert ("paused", step, False) == (run.state, run.step, run.live)
    scheduler.resume(run)
    scheduler.advance()
    assert "running" == run.state
    assert run.step > step


def test_pausing_publishes_the_weights_of_that_moment(scheduler, digits):
    run = scheduler.start(LONG, digits)
    for _ in range(3):
        scheduler.advance()
    scheduler.pause(run)
    np.testing.assert_array_equal(run.work.network.theta, run.snapshot.theta)


def test_step_takes_exactly_one_step_and_shows_it(scheduler, digits):
    run = scheduler.start(LONG, digits)
    scheduler.advance()
    scheduler.pause(run)
    before, step = run.snapshot.theta.copy(), run.step
    scheduler.step(run)
    assert ("paused", step + 1) == (run.state, run.step)
    assert not np.array_equal(before, run.snapshot.theta)


def test_stepping_over_the_last_step_finishes_the_run(scheduler, digits):
    run = scheduler.start(
        Recipe(hidden=(4,), batch_size=None, epochs=None, iterations=2, validation="none"), digits
    )
    scheduler.pause(run)
    scheduler.step(run)
    assert ("paused", 1) == (run.state, run.step)
    scheduler.step(run)
    advance_until(scheduler, lambda: run.ended, 10)
    assert ("finished", 2) == (run.state, run.step)


def test_stop_keeps_the_last_weights_and_is_final(scheduler, digits):
    run = scheduler.start(LONG, digits)
    scheduler.advance()
    network = run.work.network
    scheduler.stop(run)
    assert "stopped" == run.state
    assert run.work is None
    np.testing.assert_array_equal(network.theta, run.snapshot.theta)
    scheduler.resume(run)
    scheduler.step(run)
    assert "stopped" == run.state


def broken(events, fault):
    yield next(events)
    raise fault


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ConfigError("the rate is too high: halve it"), "the rate is too high: halve it"),
        (MemoryError(), "This server ran out of memory"),
        (ZeroDivisionError("division by zero"), "A fault of ours ended this run"),
    ],
)
def test_a_failing_run_says_why_and_the_others_go_on(scheduler, digits, fault, words):
    bad = scheduler.start(SMALL, digits, owner="a")
    good = scheduler.start(SMALL, digits, owner="b")
    bad.work.events = broken(bad.work.events, fault)
    advance_until(scheduler, lambda: good.ended)
    assert "failed" == bad.state
    assert words in bad.message
    assert "finished" == good.state


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_diverged_run_carries_the_advice_and_good_weights(scheduler, digits):
    recipe = Recipe(
        hidden=(8,), optimizer="sgd", learning_rate=100.0, epochs=50, batch_size=32,
        activation="identity", validation="none",
    )  # fmt: skip
    run = scheduler.start(recipe, digits)
    run.work.network.theta[:] *= 1e18
    advance_until(scheduler, lambda: run.ended)
    assert "diverged" == run.state
    assert "rate" in run.message
    assert np.isfinite(run.snapshot.theta).all()


def test_a_run_nobody_watches_pauses_itself_and_says_so(digits):
    clock = Clock()
    scheduler = Scheduler(threaded=False, clock=clock, warm_up=lambda: None)
    runs = [scheduler.start(LONG, digits, owner=str(i)) for i in range(2)]
    for run in runs:
        run.work.events = idle(run.work.events, clock)
    while clock.now < 100:
        scheduler.advance(0)
    scheduler.touch(runs[0])
    while clock.now < 190:
        scheduler.advance(0)
    assert ["running", "paused"] == [run.state for run in runs]
    assert "nobody had looked" in runs[1].message
    scheduler.resume(runs[1])
    runs[1].work.events = idle(runs[1].work.events, clock)
    scheduler.advance(0)
    assert ("running", "") == (runs[1].state, runs[1].message)


def idle(events, clock):
    for event in events:
        clock.now += 1
        yield event


def test_publishing_is_bounded_however_short_the_slices(digits):
    clock = Clock(0.001)
    scheduler = Scheduler(threaded=False, clock=clock, warm_up=lambda: None)
    run = scheduler.start(LONG, digits)
    published = set()
    while clock.now < 2 and not run.ended:
        scheduler.advance(0)
        published.add(id(run.snapshot))
    assert 3 <= len(published) <= 10


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": (8,) * 7}, "7 hidden layers: this server allows 6"),
        ({"hidden": (2000,)}, "between 1 and 1,024"),
        ({"hidden": (1024, 1024, 1024)}, "parameters: this server allows 2,000,000"),
        ({"batch_size": 100_000}, "or full batch"),
        ({"epochs": 1_000}, "choose between 1 and 200"),
        ({"epochs": None, "iterations": 10**9}, "choose between 1 and 100,000"),
        ({"epochs": None, "iterations": 100_000, "batch_size": 300}, "passes over these 300"),
        ({"activation": "magic"}, "'magic' is not known"),
        ({"validation": 0.123}, "validation 0.123 is not known"),
        ({"learning_rate": -1.0}, "learning_rate"),
    ],
)
def test_the_server_refuses_what_its_bounds_forbid(scheduler, digits, changes, words):
    fields = {name: getattr(SMALL, name) for name in SMALL.__slots__}
    with pytest.raises(ConfigError) as refusal:
        scheduler.start(Recipe(**(fields | changes)), digits)
    assert words in str(refusal.value)
    assert not scheduler.active()


def test_nobody_is_refused_while_waiting_will_do_and_who_is_hears_why(digits):
    bounds = Bounds(active_per_visit=1, waiting_per_visit=1, active_runs=1, waiting_visits=1)
    scheduler = Scheduler(bounds, threaded=False, warm_up=lambda: None)
    mine = [scheduler.start(LONG, digits, owner="me") for _ in range(2)]
    with pytest.raises(ConfigError, match="2 of your runs are training or waiting"):
        scheduler.start(LONG, digits, owner="me")
    scheduler.start(LONG, digits, owner="you")
    with pytest.raises(ConfigError, match="2 visitors train here or wait in line"):
        scheduler.start(LONG, digits, owner="them")
    scheduler.pause(mine[0])
    assert (1, 1) == scheduler.sharers("me")
    scheduler.pause(mine[1])
    scheduler.start(LONG, digits, owner="them")
    with pytest.raises(ConfigError, match="wait in line"):
        scheduler.resume(mine[0])


def test_a_run_in_line_says_so_until_its_turn_comes_and_begins_by_itself(digits):
    scheduler = Scheduler(
        Bounds(active_runs=1), threaded=False, clock=Clock(0.001), warm_up=lambda: None
    )
    first, second = (scheduler.start(LONG, digits, owner=name) for name in "ab")
    scheduler.advance(0)
    assert ("running", None) == (first.state, scheduler.waits(first))
    place, seconds = scheduler.waits(second)
    assert ("waiting", 1) == (second.state, place)
    assert 0 < seconds < 20
    advance_until(scheduler, lambda: second.step, 10)
    assert ("running", None) == (second.state, scheduler.waits(second))
    assert 1 == scheduler.waits(first)[0]


def test_a_command_to_a_run_in_line_is_obeyed_at_once_and_trains_out_of_turn_by_no_step(digits):
    scheduler = Scheduler(
        Bounds(active_runs=1), threaded=False, clock=Clock(0.001), warm_up=lambda: None
    )
    first, second = (scheduler.start(LONG, digits, owner=name) for name in "ab")
    scheduler.advance(0)
    scheduler.pause(second)
    scheduler.resume(second)
    assert ("running", 0) == (second.state, second.step)
    scheduler.pause(second)
    scheduler.step(second)
    assert ("paused", 1) == (second.state, second.step)
    assert "running" == first.state


def test_a_resumed_run_queues_behind_the_others_of_its_visitor(digits):
    bounds = Bounds(active_per_visit=1)
    scheduler = Scheduler(bounds, threaded=False, warm_up=lambda: None)
    first, second = (scheduler.start(LONG, digits) for _ in range(2))
    scheduler.advance(0)
    assert (1, None) == scheduler.waits(second)
    scheduler.pause(first)
    scheduler.resume(first)
    scheduler.advance(0)
    assert ("running", None) == (second.state, scheduler.waits(second))
    assert (1, None) == scheduler.waits(first)


def test_a_paused_run_nobody_returns_to_is_set_aside_and_goes_on_to_the_same_bits(digits):
    clock = Clock()
    scheduler = Scheduler(threaded=False, clock=clock, warm_up=lambda: None)
    recipe = replace(SMALL, epochs=6)
    whole, run = (scheduler.start(recipe, digits, digits, owner=name) for name in "ab")
    advance_until(scheduler, lambda: whole.ended)
    again = scheduler.start(recipe, digits, digits, owner="c")
    again.work.events = idle(again.work.events, clock)
    advance_until(scheduler, lambda: again.step >= 20)
    scheduler.pause(again)
    assert again.work is not None
    clock.now += 200
    scheduler.advance(0)
    assert (None, "paused") == (again.work, again.state)
    assert again.reached.step == again.step
    scheduler.resume(again)
    advance_until(scheduler, lambda: again.ended)
    assert "finished" == again.state
    np.testing.assert_array_equal(whole.snapshot.theta, again.snapshot.theta)
    assert whole.history == again.history


def test_an_operator_sets_bounds_through_the_environment(monkeypatch):
    monkeypatch.setenv("NNENGINE_ACTIVE_RUNS", "3")
    assert 3 == Bounds.from_environment().active_runs
    monkeypatch.setenv("NNENGINE_ACTIVE_RUNS", "many")
    with pytest.raises(ConfigError, match="NNENGINE_ACTIVE_RUNS='many'"):
        Bounds.from_environment()


def test_the_engine_thread_trains_obeys_and_outlives_a_failing_warm_up(digits):
    def cold():
        raise OSError("no compiler")

    scheduler = Scheduler(warm_up=cold)
    try:
        run = scheduler.start(LONG, digits)
        deadline = time.monotonic() + 120
        while run.step < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        scheduler.pause(run)
        step = run.step
        assert step >= 5
        scheduler.step(run)
        assert ("paused", step + 1) == (run.state, run.step)
        scheduler.stop(run)
        assert ("stopped", None) == (run.state, run.work)
    finally:
        scheduler.close()


def test_the_kernels_are_measured_in_slices_and_then_the_runs_have_their_turns(digits):
    pieces = iter(range(100))
    scheduler = Scheduler(threaded=False, clock=Clock(0.01), warm_up=lambda: pieces)
    run = scheduler.start(LONG, digits)
    assert scheduler.advance()
    assert ("waiting", False) == (run.state, scheduler.warm)
    assert next(pieces) < 20
    advance_until(scheduler, lambda: run.step)
    assert ([], True) == (list(pieces), scheduler.warm)


def test_a_command_does_not_wait_until_the_kernels_are_measured(digits):
    scheduler = Scheduler(threaded=False, clock=Clock(0.01), warm_up=lambda: iter(range(100)))
    run = scheduler.start(LONG, digits)
    scheduler.advance()
    scheduler.pause(run)
    scheduler.step(run)
    assert ("paused", 1, False) == (run.state, run.step, scheduler.warm)


def test_parameters_are_counted_as_the_network_has_them(digits):
    assert SMALL.build(digits).parameter_count == SMALL.cost(digits).parameters


def read_layers(text, ends=None):
    return rows(ends=ends)["hidden"].read(text)


@pytest.mark.parametrize(
    ("text", "widths"),
    [("128, 64", (128, 64)), ("10", (10,)), ("", ()), ("64-32", (64, 32)), ("9 8;7", (9, 8, 7))],
)
def test_hidden_layers_are_read_as_people_write_them(text, widths):
    assert dense(widths) == read_layers(text)


def test_numbers_that_begin_and_end_as_the_data_do_have_both_ends():
    for text in ("784,128,10", "784-128-10", "784 - 128 - 10"):
        assert dense((128,)) == read_layers(text, ends=(784, 10))
        assert dense((784, 128, 10)) == read_layers(text)  # a link knows no data


def test_hidden_layers_that_are_as_wide_as_both_ends_are_shown_so_that_they_are_read_again():
    row, layers = rows(ends=(784, 10))["hidden"], dense((784, 10))
    assert "dense 784, dense 10" == row.say(layers)
    assert layers == row.read(row.say(layers))


@pytest.mark.parametrize(
    ("text", "word"),
    [("a", "a"), ("12, b", "b"), ("-5", "-"), ("0", "0"), ("1.5", "1.5"), ("1e3", "1e3"),
     ("12, -5", "-"), ("conv 8 5y5, pool 2", "5y5")],
)  # fmt: skip
def test_hidden_layers_that_cannot_be_read_are_pointed_at(text, word):
    with pytest.raises(TextError, match="where there should be") as fault:
        read_layers(text)
    found = fault.value
    assert word == found.text[found.at : found.at + found.length]


def test_a_network_that_makes_too_much_of_an_image_is_refused(digits):
    for layers, what in (
        ("conv 4 3x3 pad 9999, pool 999, dense 4", "numbers in its layers"),
        ("conv 300 3x3 pad 1, conv 300 3x3 pad 1", "multiplications"),
    ):
        recipe = replace(SMALL, hidden=read_layers(layers))
        with pytest.raises(ConfigError, match=what):
            recipe.check(digits, Bounds())


def test_a_window_that_does_not_fit_is_pointed_at_before_the_start(digits):
    recipe = replace(SMALL, hidden=read_layers("conv 2 31x31, dense 4"))
    with pytest.raises(TextError, match="make it smaller"):
        recipe.check(digits, Bounds())


def test_layers_in_words_train_and_are_kept_with_the_recipe(digits, scheduler):
    layers = read_layers("conv 2 3x3, norm, pool 2, dropout 0.25, 8")
    recipe = replace(SMALL, hidden=layers)
    assert recipe == Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())))
    run = scheduler.start(recipe, digits)
    advance_until(scheduler, lambda: run.ended)
    assert "finished" == run.state
    assert "conv 2 3x3, norm, pool 2, dropout 0.25, dense 8" == run.snapshot.description
    assert recipe.cost(digits).parameters == run.snapshot.parameter_count


def test_what_earlier_versions_kept_of_hidden_layers_is_read():
    assert dense((8, 5)) == Recipe.from_dict({"hidden": [8, 5]}).hidden


def test_an_estimate_follows_what_was_measured(scheduler, digits):
    assert scheduler.pace.estimate_s(SMALL, digits) is None
    scheduler.pace.note(SMALL, SMALL.cost(digits), 900, 30, 6.0)
    assert scheduler.pace.estimate_s(SMALL, digits) == pytest.approx(6.4, rel=0.1)


def test_live_means_that_numbers_change_by_themselves(scheduler, digits):
    run = scheduler.start(LONG, digits)
    assert run.state in LIVE
    assert run.live
    scheduler.stop(run)
    assert not run.live


def test_an_estimate_for_changed_images_is_learnt_apart(scheduler, digits):
    changed = replace(SMALL, augmentation=GENTLE)
    scheduler.pace.note(SMALL, SMALL.cost(digits), 900, 30, 6.0)
    assert scheduler.pace.estimate_s(changed, digits) is None
    scheduler.pace.note(changed, SMALL.cost(digits), 900, 30, 9.0)
    assert scheduler.pace.estimate_s(changed, digits) == pytest.approx(9.6, rel=0.1)
    assert scheduler.pace.estimate_s(SMALL, digits) == pytest.approx(6.4, rel=0.1)


@pytest.mark.parametrize(
    "other", [{"activation": "tanh"}, {"optimizer": "rmsprop"}, {"l2": 0.001}, {"clip_norm": 1.0}]
)
def test_a_run_of_another_kind_leaves_an_estimate_as_it_was(scheduler, digits, other):
    pace, odd = scheduler.pace, replace(SMALL, **other)
    pace.note(SMALL, SMALL.cost(digits), 900, 30, 6.0)
    guessed = pace.estimate_s(odd, digits)
    assert guessed > 1.5 * pace.estimate_s(SMALL, digits)  # known before the first of them ran
    pace.note(odd, odd.cost(digits), 900, 30, 360.0)
    assert pace.estimate_s(SMALL, digits) == pytest.approx(6.4, rel=0.1)
    assert pace.estimate_s(odd, digits) == pytest.approx(60 * 6.4, rel=0.1)


def test_one_odd_run_moves_what_all_visitors_are_told_by_a_factor_of_two_at_most(scheduler, digits):
    for seconds in (6.0, 600.0):
        scheduler.pace.note(SMALL, SMALL.cost(digits), 900, 30, seconds)
    assert scheduler.pace.estimate_s(SMALL, digits) <= 2 * 6.4 * 1.01
    scheduler.pace.note(SMALL, SMALL.cost(digits), 900, 30, 0.07)
    assert scheduler.pace.estimate_s(SMALL, digits) >= 6.4 * 0.9


def test_the_pace_knows_which_steps_are_compiled_whole(digits, monkeypatch):
    """What an estimate takes to be slow is what the engine takes in pieces, no more and no less."""
    tasks, choose = [], fast.choose
    monkeypatch.setattr(fast, "choose", lambda task: tasks.append(task) or choose(task))
    for changes in (
        *({"optimizer": name} for name in OPTIMIZERS),
        *({name: 0.1} for name in ("l1", "l2", "clip_norm", "label_smoothing")),
        {"class_weights": "balanced"},
    ):
        recipe = replace(SMALL, **changes)
        next(training(recipe.build(digits), digits, recipe.config(digits.count)))
        assert bool(fast.strange_to_kernels(tasks[-1])) == estimate.in_pieces(recipe), changes


def test_every_kind_of_run_has_an_estimate_once_the_machine_is_measured(digits):
    measured = Pace()
    for _ in measured.calibrate(Clock(0.05)):
        pass
    full = replace(SMALL, batch_size=None)
    for recipe in (
        SMALL,
        full,
        replace(SMALL, augmentation=GENTLE),
        replace(full, schedule="cosine", augmentation=STRONG),
        replace(SMALL, hidden=read_layers("conv 2 3x3, pool 2")),
    ):
        assert measured.estimate_s(recipe, digits) > 0


def test_what_is_prepared_before_the_first_step_is_no_part_of_the_measured_speed(
    monkeypatch, digits
):
    clock, measured, expected = Clock(), Pace(), Pace()

    def slow_to_begin(*_):
        yield Progressed(step=0, done=1, total=2)
        clock.now += 100
        yield Evaluated(step=0, epoch=0.0, train_loss=1.0, train_accuracy=0.1)
        clock.now += 1
        yield StepFinished(step=1, epoch=1.0, loss=1.0, accuracy=0.1, images=4096)

    monkeypatch.setattr(estimate, "training", slow_to_begin)
    for _ in measured.calibrate(clock):
        clock.now += 1000  # of others, between two pieces
    full = Recipe(hidden=(10,), optimizer="sgd", batch_size=None, epochs=None, iterations=10)
    data = Dataset(np.zeros((10, 28, 28), np.uint8), np.arange(10))
    expected.note(full, full.cost(data), 4096, 1, 1.0)
    assert expected.estimate_s(full, digits) == measured.estimate_s(full, digits)


# Images and rates


def test_a_recipe_says_how_images_are_changed_and_how_the_rate_falls():
    assert "5 epochs" == Recipe().in_words().split(", ")[-1]
    strong = replace(Recipe(), augmentation=STRONG, schedule="cosine").in_words()
    assert strong.startswith("ReLU, Adam at rate 0.001 falling to zero, batches of 64")
    assert strong.endswith("5 epochs, images strongly changed")
    own = replace(Recipe(), augmentation=Augmentation(shift=2, rotation=10)).in_words()
    assert own.endswith("images moved by up to 2 px, turned by up to 10°")


def test_a_recipe_says_what_else_acts_on_the_weights():
    said = replace(Recipe(), optimizer="adamw", schedule="step", l2=1e-4, early_stopping=3)
    assert (
        "ReLU, AdamW at rate 0.001 that falls in stages, batches of 64, 5 epochs, "
        "L2 penalty 0.0001, early stopping 3"
    ) == said.in_words()


def test_the_engine_is_given_the_images_and_the_rate_of_the_recipe():
    config = replace(Recipe(), augmentation=GENTLE, schedule="cosine").config(1000)
    assert (GENTLE, "cosine") == (config.augmentation, config.schedule)
    assert Recipe().config(1000).augmentation is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"augmentation": Augmentation(shift=5)}, "8x8 pixels moved by up to 5.*at most 4"),
        ({"schedule": "linear"}, "schedule 'linear' is not known"),
    ],
)
def test_what_would_leave_nothing_to_learn_from_is_refused(digits, change, words):
    with pytest.raises(ConfigError, match=words):
        replace(SMALL, **change).check(digits, Bounds())


def test_images_too_wide_to_be_changed_are_refused_before_the_start():
    wide = Dataset(np.zeros((3, 1, 3000), np.uint8), np.arange(3))
    SMALL.check(wide, Bounds())
    with pytest.raises(ConfigError, match="1x3000 pixels cannot be augmented"):
        replace(SMALL, augmentation=GENTLE).check(wide, Bounds())


def test_a_run_on_changed_images_puts_them_on_its_record(scheduler, digits):
    run = scheduler.start(replace(SMALL, augmentation=GENTLE, schedule="cosine"), digits)
    advance_until(scheduler, lambda: run.ended)
    rows = dict(record_rows(run.snapshot.training[-1]))
    assert ("finished", "cosine") == (rows["Outcome"], rows["Schedule"])
    assert rows["Augmentation"].startswith("images moved by up to 1.5 px, turned by up to 8°")
    plain = scheduler.start(SMALL, digits)
    advance_until(scheduler, lambda: plain.ended)
    assert "Augmentation" not in dict(record_rows(plain.snapshot.training[-1]))
    assert not np.array_equal(plain.snapshot.theta, run.snapshot.theta)
