"""Dealing: turns go to visitors, a visitor's runs share his, and whoever waits knows his place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from dashboard.runs.dealing import TURNS, UNSEEN_S, Dealer

_ids = count()


@dataclass(eq=False)
class Claim:
    """As much of a run as a dealer reads."""

    owner: str
    state: str = "running"
    beat: float = 0.0
    id: str = field(default_factory=lambda: str(next(_ids)))


def deal(dealer, runs, turns, *, turn_s=0.05, start_s=0.0):
    """Return (time, run) for so many turns; all runs are looked at all the time."""
    dealt = []
    for n in range(turns):
        now = start_s + n * turn_s
        for run in runs:
            run.beat = now
        dealt.append((now, dealer.next(runs, now)))
    return dealt


def longest_wait_s(dealt, run, end_s):
    times = [0.0, *(now for now, got in dealt if got is run), end_s]
    return max(b - a for a, b in zip(times, times[1:], strict=False))


def test_turns_are_dealt_to_visitors_and_then_among_their_runs():
    greedy = [Claim("greedy") for _ in range(4)]
    modest = Claim("modest")
    got = Counter(run for _, run in deal(Dealer(24, 4), [*greedy, modest], 80))
    assert 40 == got[modest]
    assert [10] * 4 == [got[run] for run in greedy]


def test_fifty_visitors_get_turns_alike_and_nobody_waits_longer_than_twenty_seconds():
    runs = [Claim(str(n)) for n in range(50)]
    dealt = deal(Dealer(24, 4), runs, 1200)
    got = Counter(run for _, run in dealt)
    assert min(got.values()) >= 0.8 * 1200 / 50
    assert max(longest_wait_s(dealt, run, 60.0) for run in runs) < 20


def test_six_visitors_with_four_runs_each_leave_a_place_to_the_next():
    runs = [Claim(str(n // 4)) for n in range(24)]
    late = Claim("late")
    dealer = Dealer(24, 4)
    deal(dealer, runs, 100)
    (_, first), *_ = deal(dealer, [*runs, late], 1, start_s=5.0)
    assert late is first
    assert not dealer.waits


def test_a_line_so_long_that_places_must_be_kept_for_less_is_still_over_in_twenty_seconds():
    runs = [Claim(str(n)) for n in range(300)]
    dealt = deal(Dealer(24, 4), runs, 1200)
    assert max(longest_wait_s(dealt, run, 60.0) for run in runs) < 20


def test_who_waits_is_told_his_place_and_about_how_long():
    runs = [Claim(str(n)) for n in range(5)]
    dealer = Dealer(2, 4)
    dealt = deal(dealer, runs, 1)
    told = {run: dealer.waits[run.id] for run in runs if run.id in dealer.waits}
    assert [1, 2, 3] == [wait.place for wait in told.values()]
    dealt += deal(dealer, runs, 60, start_s=0.05)
    for run, wait in told.items():
        began = next(now for now, got in dealt if got is run)
        assert abs(began - wait.until_s) < 0.25


def test_the_place_of_who_pauses_goes_to_the_next_in_line():
    runs = [Claim(str(n)) for n in range(3)]
    dealer = Dealer(2, 4)
    deal(dealer, runs, 1)
    assert [runs[2].id] == list(dealer.waits)
    runs[0].state = "paused"
    got = {run for _, run in deal(dealer, runs, 4)}
    assert {runs[1], runs[2]} == got
    assert not dealer.waits


def test_whom_nobody_looks_at_hands_the_place_on_while_others_wait():
    runs = [Claim(str(n)) for n in range(3)]
    dealer = Dealer(2, 4)
    deal(dealer, runs, 4)
    now = UNSEEN_S + 1
    for run in runs[1:]:
        run.beat = now
    got = [dealer.next(runs, now) for _ in range(12)]
    assert runs[0] not in got
    runs[0].beat = now
    assert runs[0] in [dealer.next(runs, now) for _ in range(12)]


def test_alone_or_among_unseen_others_an_unseen_run_has_its_turns():
    run = Claim("away")
    assert run is Dealer(1, 4).next([run], 10 * UNSEEN_S)


def test_a_visitors_runs_beyond_his_share_wait_for_one_of_them_to_end():
    runs = [Claim("me") for _ in range(4)]
    dealer = Dealer(24, 2)
    got = {run for _, run in deal(dealer, runs, 10)}
    assert {runs[0], runs[1]} == got
    assert [(1, None), (2, None)] == [
        (dealer.waits[run.id].place, dealer.waits[run.id].until_s) for run in runs[2:]
    ]
    runs[0].state = "finished"
    assert {runs[1], runs[2]} == {run for _, run in deal(dealer, runs, 10)}
    assert [runs[3].id] == list(dealer.waits)


def test_a_new_visitor_with_a_place_goes_first():
    runs = [Claim(str(n)) for n in range(10)]
    dealer = Dealer(24, 4)
    deal(dealer, runs, 15)
    new = Claim("new")
    assert new is dealer.next([*runs, new], 1.0)


def test_a_place_is_kept_for_a_few_turns_however_long_steps_are():
    runs = [Claim(str(n)) for n in range(3)]
    dealt = deal(Dealer(2, 4), runs, 60, turn_s=30.0)
    got = Counter(run for _, run in dealt)
    assert max(got.values()) - min(got.values()) <= TURNS


def test_without_anything_to_train_nobody_has_a_turn():
    assert Dealer(2, 4).next([Claim("me", state="paused")], 0.0) is None
