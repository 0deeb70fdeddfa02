"""Race: a search as runs of the scheduler, of which one at a time trains and the best go on.

Candidates and rounds are those of `nnengine.searching`. A run comes to rest by itself at the end of
its round, and the engine, whose thread then calls here, has the next go on. So a search has one of
its visitor's places and takes turns as a single run does, and nothing has to look at it.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.runs.bounds import Bounds
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from dashboard.runs.scheduler import Scheduler
from dashboard.runs.work import Sets
from nnengine.errors import ConfigError
from nnengine.searching import LAYERS, Range, drawn, rounds
from nnengine.training import layertext

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Candidate:
    """Settings that were drawn, the recipe they make, and its run, once it has begun.

    rounds: how many it has come to the end of. out: whether it was left behind.
    """

    number: int
    settings: Mapping[str, Any]
    recipe: Recipe
    run: Run | None = None
    rounds: int = 0
    out: bool = False

    @property
    def accuracy(self) -> float:
        """On what was held out, as last measured; NaN before that, and of one that diverged."""
        return self._last("val_accuracy")

    @property
    def loss(self) -> float:
        """The same of the loss."""
        return self._last("val_loss")

    def _last(self, name: str) -> float:
        if self.run is None or self.run.state in ("diverged", "failed"):
            return math.nan
        found = [value for value in getattr(self.run.history, name)[-1:] if value is not None]
        return float(found[0]) if found else math.nan

    @property
    def rank(self) -> tuple[float, ...]:
        """By which candidates are sorted, the best first: rounds, accuracy, loss."""
        if math.isnan(self.loss):
            return math.inf, 0.0, 0.0, self.number
        return -self.rounds, -self.accuracy, self.loss, self.number


def candidates(
    base: Recipe, ranges: Sequence[Range], count: int, bounds: Bounds
) -> list[Candidate]:
    """Return candidates whose runs have not begun, all different; raises ConfigError.

    base: the recipe of all that is not drawn, with the epochs of the last round; its seed draws.
    """
    if not ranges:
        raise ConfigError("nothing varies: choose at least one setting that may")
    if not 2 <= count <= bounds.search_candidates:
        raise ConfigError(f"choose from 2 to {bounds.search_candidates} candidates")
    found = []
    for number, settings in enumerate(drawn(ranges, count, base.seed), 1):
        fields = dict(settings)
        if LAYERS in fields:
            fields["hidden"] = layertext.read_hidden(fields.pop(LAYERS))
        found.append(Candidate(number, settings, replace(base, **fields)))
    if len(found) < 2:
        raise ConfigError("these ranges hold one value alone: widen one of them")
    return found


class Race:
    """Candidates on their way through the rounds. Any thread may call; pages read it as it is.

    factor: one in so many goes on, and trains so many times as long; 1: all train to the end.
    """

    def __init__(
        self, scheduler: Scheduler, owner: str, found: Sequence[Candidate], sets: Sets, factor: int
    ) -> None:
        epochs = found[0].recipe.epochs or 1
        self.candidates = list(found)
        self.plan = rounds(len(found), epochs, factor)
        self.round = 0
        self.data = sets[0]
        self.message = ""  # why nothing goes on, where that is not by the visitor's own wish
        self.state = "running"  # or "paused", "stopped", "finished"
        self._scheduler, self._owner, self._sets = scheduler, owner, sets
        self._due = list(found)
        self._now: Candidate | None = None
        self._lock = threading.RLock()

    @property
    def ended(self) -> bool:
        """Whether nothing more will be trained."""
        return self.state in ("stopped", "finished")

    @property
    def runs(self) -> list[Run]:
        """The runs that have begun."""
        return [one.run for one in self.candidates if one.run is not None]

    @property
    def ranked(self) -> list[Candidate]:
        """The candidates, the best first."""
        return sorted(self.candidates, key=lambda one: one.rank)

    @property
    def share(self) -> float:
        """How much of the training is behind it, from 0 to 1."""
        ends = [0, *(until for _, until in self.plan)]
        epochs = [n * (ends[k + 1] - ends[k]) for k, (n, _) in enumerate(self.plan)]
        if self.state == "finished":
            return 1.0
        before, until = ends[self.round : self.round + 2]
        racing = [one for one in self.candidates if one.run is not None and not one.out]
        here = (until if one.rounds > self.round else one.run.epoch for one in racing if one.run)
        done = sum(epochs[: self.round]) + sum(min(max(e, before), until) - before for e in here)
        return min(done / sum(epochs), 1.0)

    def go_on(self) -> None:
        """Train on: at the beginning, after a pause, and where it had come to a standstill."""
        with self._lock:
            if self.ended:
                return
            self.state, self.message = "running", ""
            one = self._now
            if one is None or one.run is None or one.run.state != "paused":
                self._next()
            elif self._is_through(one):
                self._rested(one.run)
            else:
                self._let_train(one)

    def pause(self) -> None:
        """Let nothing train until it goes on."""
        with self._lock:
            run = self._now.run if self._now and not self.ended else None
            if not self.ended:
                self.state = "paused"
        if run is not None:
            self._scheduler.pause(run, wait=False)

    def stop(self) -> None:
        """End it; what was found stays."""
        with self._lock:
            if not self.ended:
                self.state = "stopped"
            for run in self.runs:
                run.told = None
                self._scheduler.abandon(run)

    def look(self) -> None:
        """Note that somebody is looking, and have it go on where nobody had for too long."""
        for run in self.runs:
            self._scheduler.touch(run)
        run = self._now.run if self._now else None
        if self.state == "running" and (run is None or run.state == "paused"):
            self.go_on()

    def _rested(self, run: Run) -> None:
        """Have the next train where one has come to the end of its round; the engine calls this."""
        try:
            with self._lock:
                one = self._now
                if one is None or one.run is not run or self.ended:
                    return
                if run.ended or self._is_through(one):
                    one.rounds += 1
                    self._now = None
                    if self.state == "running":
                        self._next()
        except Exception:  # the engine serves everybody
            log.exception("a search cannot go on")
            self.state, self.message = "paused", "A fault of ours keeps it from going on."

    def _is_through(self, one: Candidate) -> bool:
        reached = list(one.run.history.epoch[-1:]) if one.run else []
        return bool(reached) and reached[0] >= self.plan[self.round][1]

    def _next(self) -> None:
        while self._now is None:
            if not self._due and not self._new_round():
                self.state = "finished"
                return
            one = self._due[0]
            if one.run is not None and one.run.ended:  # it diverged
                self._due.pop(0)
                continue
            if not self._let_train(one):
                return
            self._due.pop(0)

    def _new_round(self) -> bool:
        """Leave behind who is not among the best; return whether there is a round for the rest."""
        if self.round + 1 >= len(self.plan):
            return False
        self.round += 1
        left = [one for one in self.ranked if not one.out and not math.isnan(one.loss)]
        best = left[: self.plan[self.round][0]]
        for one in self.candidates:
            if one not in best and one.run is not None:
                one.out, one.run.told = True, None
                self._scheduler.abandon(one.run)
        self._due = [one for one in self.candidates if one in best]
        return bool(self._due)

    def _let_train(self, one: Candidate) -> bool:
        """Have a candidate train to the end of this round; False where there is no room for it."""
        until = self.plan[self.round][1]
        rests_at = until if self.round + 1 < len(self.plan) else None  # the last go to their end
        try:
            if one.run is None:
                one.run = self._scheduler.start(
                    one.recipe, *self._sets, owner=self._owner, name=f"Candidate {one.number}",
                    rests_at=rests_at, told=self._rested,
                )  # fmt: skip
            else:
                one.run.rests_at = rests_at
                self._scheduler.resume(one.run, wait=False)
        except ConfigError as fault:  # no room among this visitor's runs, or the server's
            self.state, self.message = "paused", f"{fault}."
            return False
        self._now = one
        return True
