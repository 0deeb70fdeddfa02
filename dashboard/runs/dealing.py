"""Dealing: whose turn it is. Turns go to visitors, and each visitor's runs share those of his.

So many visitors have a place, and the engine goes round among them. Who comes later waits in line.
While anybody waits, a place is handed on after a few turns, so that everybody gets turns again and
again, and as many as the others: with a place a run is seen to move, without one it is told when.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dashboard.runs.run import LIVE, Run

TURNS = 3  # a place is kept for so many of them while others wait,
WAIT_S = 18.0  # or for fewer, that the last in line waits no longer than this, if one is few enough
UNSEEN_S = 75.0  # a hidden tab may be allowed one look a minute
_NEWEST = 0.1  # share of the newest turn in what turns are taken to last


@dataclass(frozen=True, slots=True)
class Wait:
    """A run's place in line, 1 for the next; until when, by the scheduler's clock, about.

    until_s: None where a run waits for others of the same visitor.
    """

    place: int
    until_s: float | None


@dataclass(slots=True, eq=False)
class _Visitor:
    """A visitor with runs to train."""

    number: int  # of his last turn or, in line, of the moment when he joined it
    runs: list[Run] = field(default_factory=list)  # in the order in which they came
    seated: bool = False
    turns: int = 0  # since he took his place
    unseen: bool = False


class Dealer:
    """Deals turns to runs: `places` visitors at a time, `per_visit` runs of each."""

    def __init__(self, places: int, per_visit: int) -> None:
        self.places, self.per_visit = places, per_visit
        self.waits: Mapping[str, Wait] = {}  # by the run's id; replaced whole, any thread may read
        self._visitors: dict[str, _Visitor] = {}
        self._turns: dict[str, int] = {}  # the number of each run's last turn
        self._number = 0
        self._turn_s, self._dealt_s = 0.05, math.inf

    def next(self, runs: Iterable[Run], now: float) -> Run | None:
        """Return the run whose turn it is, of all there are in the order in which they came."""
        self._look(runs, now)
        self._hand_on()
        line, seated = self._line(), self._seated()
        crowded = any(len(v.runs) > self.per_visit for v in seated)
        self.waits = self._told(line, seated, now) if line or crowded else {}
        if not seated:
            self._dealt_s = math.inf
            return None
        visitor = seated[0]
        run = min(visitor.runs[: self.per_visit], key=lambda r: self._turns.get(r.id, 0))
        visitor.number = self._turns[run.id] = self._count()
        visitor.turns += 1
        return run

    def _count(self) -> int:
        self._number += 1
        return self._number

    def _look(self, runs: Iterable[Run], now: float) -> None:
        """See who has something to train now, and how long turns last; who has not leaves."""
        if now > self._dealt_s:
            self._turn_s += _NEWEST * (min(now - self._dealt_s, 1.0) - self._turn_s)
        self._dealt_s = now
        here: dict[str, list[Run]] = {}
        for run in runs:
            if run.state in LIVE:
                here.setdefault(run.owner, []).append(run)
        for owner in self._visitors.keys() - here.keys():
            del self._visitors[owner]
        for owner, his in here.items():
            visitor = self._visitors.get(owner)
            if visitor is None:
                visitor = self._visitors[owner] = _Visitor(self._count())
            visitor.runs = his
            visitor.unseen = now - max(run.beat for run in his) > UNSEEN_S
        known = {run.id for his in here.values() for run in his}
        for gone in self._turns.keys() - known:
            del self._turns[gone]

    def _line(self) -> list[_Visitor]:
        """Return who waits, the next first; those whom nobody sees come last."""
        waiting = [v for v in self._visitors.values() if not v.seated]
        return sorted(waiting, key=lambda v: (v.unseen, v.number))

    def _seated(self) -> list[_Visitor]:
        """Return who has a place, in the order of their next turns: new ones first."""
        seated = [v for v in self._visitors.values() if v.seated]
        return sorted(seated, key=lambda v: (v.turns > 0, v.number))

    def _hand_on(self) -> None:
        """Give places that are free, and those that were kept long enough, to the first in line."""
        line, seated = self._line(), self._seated()
        for visitor in line:
            if len(seated) >= self.places:
                leaves = self._leaving(seated, visitor, self._kept(len(line)))
                if leaves is None:
                    return
                seated.remove(leaves)
                leaves.seated, leaves.turns, leaves.number = False, 0, self._count()
            visitor.seated = True
            seated.append(visitor)

    @staticmethod
    def _leaving(seated: list[_Visitor], for_whom: _Visitor, kept: int) -> _Visitor | None:
        """Return who gives his place away; to somebody whom nobody sees only his like do."""
        unseen = (v for v in seated if v.unseen)
        if for_whom.unseen:
            return next((v for v in unseen if v.turns >= kept), None)
        return next(unseen, None) or next((v for v in seated if v.turns >= kept), None)

    def _kept(self, waiting: int) -> int:
        """Return for how many turns a place is kept while so many wait."""
        rounds = math.ceil(waiting / self.places)
        if not rounds:
            return TURNS
        return max(1, min(TURNS, int(WAIT_S / (rounds * self.places * self._turn_s))))

    def _told(self, line: list[_Visitor], seated: list[_Visitor], now: float) -> dict[str, Wait]:
        """Return who waits, and about until when."""
        kept, waits = self._kept(len(line)), {}
        free = sorted(max(kept - v.turns, 0) * len(seated) + n for n, v in enumerate(seated))
        for n, visitor in enumerate(line):
            rounds, place = divmod(n, len(free))
            turns = free[place] + rounds * kept * len(free)
            for run in visitor.runs[: self.per_visit]:
                waits[run.id] = Wait(n + 1, now + turns * self._turn_s)
        for visitor in (*line, *seated):
            for n, run in enumerate(visitor.runs[self.per_visit :], 1):
                waits[run.id] = Wait(n, None)
        return waits
