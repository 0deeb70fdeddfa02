"""Race: a search as runs of the scheduler; one at a time trains, and the best go on."""

from __future__ import annotations

import math

import pytest

from dashboard.runs.bounds import Bounds
from dashboard.runs.race import Race, candidates
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import LIVE
from dashboard.runs.scheduler import Scheduler
from nnengine import Dataset
from nnengine.errors import ConfigError
from nnengine.searching import Range

BASE = Recipe(hidden=(8,), epochs=4, batch_size=32, validation=0.1)
RATES = Range("learning_rate", (0.0001, 0.001, 0.01, 0.03))
BOUNDS = Bounds()


class Clock:
    """A clock that goes on by a millisecond at each look."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(threaded=False, clock=Clock(), warm_up=lambda: None)


@pytest.fixture
def sets(stripes) -> tuple[Dataset, Dataset]:
    return Dataset(*stripes).split(0.2, rng=1)


def race(scheduler, sets, *, factor=2, count=4, ranges=(RATES,), base=BASE) -> Race:
    found = candidates(base, ranges, count, BOUNDS)
    made = Race(scheduler, "me", found, sets, factor)
    made.go_on()
    return made


def to_its_end(scheduler, made, look=lambda: None):
    for _ in range(5000):
        if made.ended:
            return made
        scheduler.advance()
        look()
    raise AssertionError("the search never ended")


def test_each_round_has_the_best_of_the_last_train_on(scheduler, sets):
    made = race(scheduler, sets)
    assert [(4, 1), (2, 2), (1, 4)] == made.plan
    to_its_end(scheduler, made)
    assert "finished" == made.state and 1.0 == made.share
    ranked = made.ranked
    assert [3, 2, 1, 1] == [one.rounds for one in ranked]
    assert ("finished", 4.0) == (ranked[0].run.state, ranked[0].run.epoch)
    assert {"stopped"} == {one.run.state for one in ranked[1:]}
    assert {1.0} == {one.run.epoch for one in ranked[2:]} and 2.0 == ranked[1].run.epoch
    at_one = {one.number: one.run.history for one in ranked}
    first = {n: h.val_accuracy[list(h.epoch).index(1.0)] for n, h in at_one.items()}
    worst = max(first[one.number] for one in ranked[2:])
    assert min(first[one.number] for one in ranked[:2]) >= worst


def test_who_goes_on_ends_with_the_weights_of_a_run_that_nothing_held_up(scheduler, sets):
    best = to_its_end(scheduler, race(scheduler, sets)).ranked[0]
    alone = scheduler.start(best.recipe, *sets, owner="other")
    while not alone.ended:
        scheduler.advance()
    assert alone.snapshot.theta.tobytes() == best.run.snapshot.theta.tobytes()


def test_a_search_takes_one_of_its_visitor_s_places(scheduler, sets):
    made, most = race(scheduler, sets), []
    to_its_end(scheduler, made, lambda: most.append(sum(r.state in LIVE for r in made.runs)))
    assert 1 == max(most)


def test_a_factor_of_one_trains_everybody_to_the_end(scheduler, sets):
    made = to_its_end(scheduler, race(scheduler, sets, factor=1))
    assert [4.0] * 4 == [run.epoch for run in made.runs]
    accuracies = [one.accuracy for one in made.ranked]
    assert sorted(accuracies, reverse=True) == accuracies


def test_a_search_that_is_paused_trains_nothing_and_goes_on_where_it_was(scheduler, sets):
    made = race(scheduler, sets)
    for _ in range(3):
        scheduler.advance(0.01)
    made.pause()
    scheduler.advance()
    steps = [run.step for run in made.runs]
    for _ in range(5):
        scheduler.advance()
        made.look()  # a page that looks does not wake what a visitor has paused
    assert steps == [run.step for run in made.runs] and "paused" == made.state
    made.go_on()
    assert "finished" == to_its_end(scheduler, made).state


def test_a_search_that_is_stopped_lets_go_of_its_runs_and_keeps_what_it_found(scheduler, sets):
    made = race(scheduler, sets)
    while len(made.runs) < 2:
        scheduler.advance()
    made.stop()
    scheduler.advance()
    assert not scheduler.active("me") and all(run.work is None for run in made.runs)
    assert not math.isnan(made.ranked[0].accuracy) and made.share < 1


def test_one_that_diverges_is_last_and_holds_up_nobody(scheduler, sets, monkeypatch):
    monkeypatch.setattr(Recipe, "check", lambda *_: None)  # of pages such a rate is refused
    wild = Range("learning_rate", (0.01, 1e30, 0.001))
    base = Recipe(hidden=(8,), epochs=4, batch_size=32, optimizer="sgd")
    made = to_its_end(scheduler, race(scheduler, sets, ranges=(wild,), count=3, base=base))
    assert "finished" == made.state and "diverged" == made.ranked[-1].run.state
    assert 4.0 == made.ranked[0].run.epoch


def test_where_there_is_no_room_it_says_so_and_goes_on_when_there_is(sets):
    bounds = Bounds(active_per_visit=1, waiting_per_visit=1)
    scheduler = Scheduler(bounds, threaded=False, clock=Clock(), warm_up=lambda: None)
    others = [scheduler.start(BASE, *sets, owner="me") for _ in range(2)]
    made = race(scheduler, sets)
    assert "paused" == made.state and "pause or stop one first" in made.message
    for run in others:
        scheduler.stop(run)
    made.go_on()
    assert "" == made.message and "finished" == to_its_end(scheduler, made).state


@pytest.mark.parametrize(
    ("ranges", "count", "said"),
    [
        ((), 9, "nothing varies"),
        ((Range("learning_rate", (0.1,)),), 9, "one value alone"),
        ((RATES,), 28, "from 2 to 27"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_trains(ranges, count, said):
    with pytest.raises(ConfigError, match=said):
        candidates(BASE, ranges, count, BOUNDS)


def test_layers_that_are_drawn_are_the_recipe_s(scheduler):
    found = candidates(BASE, [Range("layers", ("16", "conv 4 3x3, pool 2"))], 9, BOUNDS)
    assert {1, 2} == {len(one.recipe.hidden) for one in found}
