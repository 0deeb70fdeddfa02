"""Visits: what every visitor has on the server, found again by the id of any of his runs."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dashboard.runs.scheduler import Run, Scheduler, new_id
from dashboard.store.files import LoadedFile, Shelf
from dashboard.store.library import Library, Sets
from dashboard.store.networks import Networks
from nnengine import kernels

_MMAP_THRESHOLD, _APART = -3, 4 << 20  # of glibc's allocator: a setting's number, and bytes


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
    files: list[LoadedFile] = field(default_factory=list)
    fresh: dict[str, bytes] = field(default_factory=dict)  # files to be kept in a browser yet
    upright: set[str] = field(default_factory=set)  # files not to be asked about again
    networks: Networks = field(default_factory=Networks)
    run_sources: dict[str, str] = field(default_factory=dict)  # of their data, by the run's id
    mine: list[Kept] = field(default_factory=list)
    kept: int = 0  # drawings ever kept: the number of the next

    @property
    def runs(self) -> list[Run]:
        """The visitor's runs, oldest first."""
        return self.networks.runs

    @property
    def bytes(self) -> int:
        """How much array memory the visitor's files stand for."""
        return sum(file.nbytes for file in self.files)


class Registry:
    """Every visit of one server, found by the id of any of its runs."""

    def __init__(self, scheduler: Scheduler, clock: Callable[[], float] = time.monotonic) -> None:
        self.scheduler = scheduler
        self.shelf = Shelf()
        self.library = Library(self.shelf)
        self.finetuning = threading.Lock()  # one visitor's at a time
        self._clock = clock
        self._lock = threading.Lock()
        self._by_token: dict[str, Visit] = {}
        self._gone = 0
        self.keeper: Any = None  # in a browser tab, see state.keeping
        scheduler.chores.append(self.reap)

    def create(self) -> Visit:
        """Return a new, empty visit."""
        visit = Visit(new_id(), new_id(), self._clock())
        with self._lock:
            self._by_token[visit.reserved] = visit
        return visit

    def adopt(self, visit: Visit) -> None:
        """Enter a visit of an earlier time; the runs that have not ended wait for the engine."""
        with self._lock:
            for token in (visit.reserved, *(run.id for run in visit.runs)):
                self._by_token[token] = visit
        for run in visit.runs:
            if not run.ended:
                self.scheduler.restore(run)

    def drop(self, visit: Visit) -> None:
        """Forget a visit and all that belongs to it."""
        for run in visit.runs:
            self.scheduler.stop(run)
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

    def reap(self, now: float) -> None:
        """Forget visits that nobody has come back to; the engine thread calls this."""
        patience = self.scheduler.bounds.unseen_forget_s
        with self._lock:
            visits = {id(v): v for v in self._by_token.values()}.values()
            gone = [visit for visit in visits if now - visit.seen > patience]
            for visit in gone:
                for token in (visit.reserved, *(run.id for run in visit.runs)):
                    self._by_token.pop(token, None)
        for visit in gone:
            for run in visit.runs:
                self.scheduler.abandon(run)
        if self._gone:  # those of the last time: their runs have let go by now
            give_memory_back()
        self._gone = len(gone)

    def __len__(self) -> int:
        return len({id(visit) for visit in list(self._by_token.values())})


def keep_big_blocks_apart() -> None:
    """Have blocks of 4 MB and more go back to the system as soon as they are freed.

    By itself glibc keeps more and larger ones for later, which leaves gaps: ten visitors, 490 MB
    resident without this, 450 MB with it. NumPy's kernels want such blocks at every step, and
    were a third slower: compiled ones want none.
    """
    if kernels.name == "numba":
        _ask_allocator("mallopt", _MMAP_THRESHOLD, _APART)


def give_memory_back() -> None:
    """Return freed memory to the system; glibc would keep blocks below 32 MB for itself.

    Six visitors had left: 392 MB resident without this, 337 MB with it.
    """
    gc.collect()
    _ask_allocator("malloc_trim", 0)


def _ask_allocator(function: str, *numbers: int) -> None:
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        getattr(ctypes.CDLL(None), function)(*numbers)
