"""Visits: what every visitor has on the server, found again by the id of any of his runs."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.runs.race import Race
from dashboard.runs.scheduler import Run, Scheduler, new_id
from dashboard.store.arrivals import Arrivals
from dashboard.store.budget import Budget
from dashboard.store.files import LoadedFile, Shelf
from dashboard.store.library import Library, Sets
from dashboard.store.memory import Parts
from dashboard.store.networks import Networks
from dashboard.store.turns import Pages, Turns
from nnengine import kernels
from nnengine.data.dataset import Dataset

if TYPE_CHECKING:
    from dashboard.store.runkeeper import RunKeeper

HERE_S = 70.0  # a page beats every 30 seconds, one in a hidden tab every 60
# Settings of glibc's allocator, by number: from which size on a block is apart, how many arenas.
_MMAP_THRESHOLD, _APART = -3, 1 << 20
_ARENA_MAX, _ARENAS = -8, 2


@dataclass(frozen=True, eq=False)
class Kept:
    """A drawing that a visitor keeps: its framed image, uint8 (28, 28), and its class by name."""

    id: int
    image: np.ndarray
    name: str


@dataclass(eq=False)
class Visit:
    """What one visitor has on the server."""

    owner: str
    reserved: str  # the id his next run will have
    seen: float
    linked: str | None = None  # the link that was followed last
    source: str | None = None  # of the data, as chosen; see `state.source`
    named: Sets | None = None  # held, so that the shelf keeps it, while it is the source
    lacks: str | None = None  # of its runs' data, after the server has started anew: a sentence
    files: list[LoadedFile] = field(default_factory=list)
    # Made of these files, and held as long: what was worked out about them is known by them.
    paired: tuple[Dataset | None, Dataset | None] = (None, None)
    fresh: dict[str, bytes] = field(default_factory=dict)  # files to be kept in a browser yet
    upright: set[str] = field(default_factory=set)  # files not to be asked about again
    networks: Networks = field(default_factory=Networks)
    run_sources: dict[str, str] = field(default_factory=dict)  # of their data, by the run's id
    mine: list[Kept] = field(default_factory=list)
    kept: int = 0  # drawings ever kept: the number of the next
    # Results that pages look back on, with what they keep in memory, by name.
    pinned: dict[str, tuple[Parts, Any]] = field(default_factory=dict)
    race: Race | None = None  # the search that was begun last

    @property
    def runs(self) -> list[Run]:
        """The visitor's runs, oldest first."""
        return self.networks.runs


class Registry:
    """Every visit of one server, found by the id of any of its runs."""

    def __init__(self, scheduler: Scheduler, clock: Callable[[], float] = time.monotonic) -> None:
        self.scheduler = scheduler
        self.shelf = Shelf()
        self.arrivals = Arrivals(clock)
        self.budget = Budget(self)
        self.turns = Turns()
        self.pages = Pages()
        self.library = Library(self.shelf, partial(self.budget.room, None, what="this set"))
        self.finetuning = threading.Lock()  # one visitor's at a time
        self._clock = clock
        self._lock = threading.Lock()
        self._by_token: dict[str, Visit] = {}
        self._gone = 0
        self.keeper: Any = None  # in a browser tab, see state.keeping
        self.run_keeper: RunKeeper | None = None  # on a server that keeps runs, see state.kept_runs
        scheduler.chores += [self.reap, self.budget.trim]

    def create(self) -> Visit:
        """Return a new, empty visit."""
        visit = self.new_visit(new_id())
        with self._lock:
            self._by_token[visit.reserved] = visit
        return visit

    def new_visit(self, owner: str) -> Visit:
        """Return an empty visit of somebody, which nobody can find yet."""
        return Visit(owner, new_id(), self._clock())

    def adopt(self, visit: Visit, more: Sequence[Run] = ()) -> None:
        """Enter a visit of an earlier time, or more runs of one that is here.

        Runs that have not ended wait for the engine.
        """
        came = more or visit.runs
        visit.networks.runs = [*visit.runs, *more]
        with self._lock:
            for token in (visit.reserved, *(run.id for run in visit.runs)):
                self._by_token[token] = visit
        for run in came:
            if not run.ended:
                self.scheduler.restore(run)

    def drop(self, visit: Visit) -> None:
        """Forget a visit and all that belongs to it."""
        for run in visit.runs:
            self.scheduler.stop(run)
        if visit.race is not None:
            visit.race.stop()
        with self._lock:
            for token in (visit.reserved, *(run.id for run in visit.runs)):
                self._by_token.pop(token, None)

    def find(self, token: str | None) -> Visit | None:
        """Return the visit that this run id belongs to, and note that it was seen."""
        visit = self._by_token.get(token) if token else None
        if visit:
            visit.seen = self._clock()
        return visit

    def add_run(self, visit: Visit, run: Run) -> None:
        """Enter a run that took the reserved id, and reserve the next."""
        visit.runs.append(run)
        visit.reserved = new_id()
        with self._lock:
            self._by_token[visit.reserved] = visit

    def drop_run(self, visit: Visit, run: Run) -> None:
        """Stop a run and forget it."""
        self.scheduler.stop(run)
        visit.networks.runs = [other for other in visit.runs if other is not run]
        with self._lock:
            self._by_token.pop(run.id, None)
        if self.run_keeper is not None:
            self.run_keeper.forget(visit, run)

    def reap(self, now: float) -> None:
        """Forget visits that nobody has come back to; the engine thread calls this."""
        patience = self.scheduler.bounds.unseen_forget_s
        gone = [visit for visit in self.visits() if now - visit.seen > patience]
        for visit in gone:
            self._forget(visit)
        if self._gone:  # those of the last time: their runs have let go by now
            give_memory_back(nobody=not self._by_token)
        self._gone = len(gone)
        self.arrivals.prune()
        self.turns.prune()

    def _forget(self, visit: Visit) -> None:
        with self._lock:
            for token in (visit.reserved, *(run.id for run in visit.runs)):
                self._by_token.pop(token, None)
        if self.run_keeper is not None:
            self.run_keeper.release(visit)
        for run in visit.runs:
            self.scheduler.abandon(run)
        if visit.race is not None:
            visit.race.stop()

    def visits(self) -> list[Visit]:
        """Return every visit."""
        with self._lock:
            return list({id(visit): visit for visit in self._by_token.values()}.values())

    def forget_one(self, but: Visit | None) -> bool:
        """Forget who was not seen for longest, where that is long enough to make room."""
        others = [visit for visit in self.visits() if visit is not but and not _is_empty(visit)]
        first = min(others, key=lambda visit: visit.seen, default=None)
        patience = self.scheduler.bounds.unseen_yield_s
        if first is None or self._clock() - first.seen <= patience:
            return False
        self._forget(first)
        self._gone += 1
        return True

    def room_in_s(self) -> float:
        """Return after how many seconds somebody who has left will make room, at the soonest.

        Whoever was seen a minute ago is here: then it is the time from his leaving on.
        """
        patience, now = self.scheduler.bounds.unseen_yield_s, self._clock()
        unseen = [now - visit.seen for visit in self.visits() if not _is_empty(visit)]
        left = [seconds for seconds in unseen if seconds > HERE_S]
        return max(patience - max(left, default=0.0), 1.0)

    def __len__(self) -> int:
        return len({id(visit) for visit in list(self._by_token.values())})


def _is_empty(visit: Visit) -> bool:
    held = visit.files or visit.runs or visit.networks.kept or visit.named
    return not (held or visit.race)


def keep_big_blocks_apart() -> None:
    """Have blocks of 1 MB and more go back to the system as soon as they are freed.

    By itself glibc keeps more and larger ones for later, and in an arena for nearly every thread
    that draws a page, which leaves gaps: when twenty visitors had left, 24 MB more were resident
    than before they came with blocks of 4 MB apart, 7 MB so (tests/load/visitors.py --visitors 20
    --images 2000). NumPy's kernels want such blocks at every step, and were a third slower:
    compiled ones want none.
    """
    if kernels.name == "numba":
        _ask_allocator("mallopt", _MMAP_THRESHOLD, _APART)
        _ask_allocator("mallopt", _ARENA_MAX, _ARENAS)


def spare_what_stays() -> None:
    """Take what lives now out of what Python searches for garbage: modules, 226,000 objects.

    A search of them stops every thread, for 0.07 s on a quiet Xeon, and is put off until a quarter
    as many have come.
    """
    gc.freeze()


def give_memory_back(*, nobody: bool = False) -> None:
    """Return freed memory to the system; glibc would keep blocks below 32 MB for itself.

    Six visitors had left: 392 MB resident without this, 337 MB with it. nobody: no visit is left,
    so that all that lives stays.
    """
    if nobody:
        gc.unfreeze()
    gc.collect()
    if nobody:
        spare_what_stays()
    _ask_allocator("malloc_trim", 0)


def _ask_allocator(function: str, *numbers: int) -> None:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        getattr(ctypes.CDLL(None), function)(*numbers)
