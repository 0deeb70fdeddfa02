"""Keeping: in a browser tab, what a visitor has lasts in the browser's storage until it is cleared.

On a server runs alone last: see `kept_runs`. There what is of a tab does nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dashboard.host.browser import Store, told
from dashboard.host.tab import IN_TAB
from dashboard.runs.scheduler import Run
from dashboard.store.keepsake import Reader, Writer, lasting
from dashboard.store.visits import Registry, Visit
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

from . import kept_runs, session, sets, training

LIVE_EVERY_S = 2.0  # a run under way is kept so often,
TOLD_S = 20.0  # a visitor who comes back is told so for so long
LIVE_SHARE = 0.04  # and at most for this share of the time
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What is in storage: counts, bytes, and what is wrong if anything is."""

    runs: int
    finetuned: int
    restored: int
    drawings: int
    files: int
    bytes: int
    left_out: int
    fault: str | None

    @property
    def nothing(self) -> bool:
        """Whether nothing is kept."""
        return not (self.runs or self.finetuned or self.restored or self.drawings or self.files)


class Keeper:
    """Brings back what was kept when the app begins, and keeps what changes."""

    def __init__(
        self, registry: Registry, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store, self._clock = store, clock
        self._writer = Writer()
        self._kept_s, self._cost_s = -1e9, 0.0
        reader = Reader(store.load(), self._writer, registry.shelf)
        self.visit: Visit | None = reader.visit(time.monotonic())
        self.selected, self.lost = reader.selected, reader.lost
        self._told_until: float | None = None
        if self.visit:
            for run in self.visit.runs:
                run.data = partial(data_of, run)
            registry.adopt(self.visit)

    def keep(self, visit: Visit | None, selected: str | None) -> None:
        """Put what has changed into storage, a run under way not more often than it is worth."""
        if visit is None or self.store.fault is not None:
            return
        now = self._clock()
        due = now - self._kept_s >= max(LIVE_EVERY_S, self._cost_s / LIVE_SHARE)
        try:
            records, gone = self._writer.changes(visit, selected, live=due)
        except EngineError:  # a run that diverged has weights that no file holds
            log.exception("this visit could not be kept")
            return
        self.store.save(records, gone)
        if due:
            self._kept_s, self._cost_s = self._clock(), self._clock() - now

    def came_back(self) -> tuple[Kept, int] | None:
        """Return what came back and how many records were lost, for a while after the opening.

        A page that begins with a run under way is drawn twice at once: told in the first drawing
        alone, nobody would read it.
        """
        now = self._clock()
        if self._told_until is None:
            self._told_until = now + TOLD_S
        found = self.held(self.visit)
        anything = self.lost or (self.visit is not None and not found.nothing)
        return (found, self.lost) if anything and now < self._told_until else None

    def forget(self) -> None:
        """Delete everything from storage."""
        self._writer = Writer()
        self.store.save({}, clear=True)

    def held(self, visit: Visit | None) -> Kept:
        """Return what is in storage of a visit."""
        if visit is None:
            return Kept(0, 0, 0, 0, 0, 0, 0, self.store.fault)
        left_out = self._writer.left_out
        networks = lasting(visit.networks)
        finetuned = sum(one.kind == "finetuned" for one in networks)
        return Kept(
            len(visit.runs) - left_out, finetuned, len(networks) - finetuned, len(visit.mine),
            len(visit.files), self._writer.bytes, left_out, self.store.fault,
        )  # fmt: skip


def data_of(run: Run) -> tuple[Dataset, Dataset | None]:
    """Return what a run of an earlier time learns from, from the source it had then.

    The engine asks for it, between two pages, when there is no session to look into. Raises
    EngineError where that source holds other images now, or none.
    """
    visit = session.registry().find(run.id)
    source = visit.run_sources.get(run.id) if visit else None
    if source is None or not sets.is_here(source):
        source = sets.source_of(visit)
    return training.split(run.recipe, *sets.sets_of(visit, source)[:2])


def keeper() -> Keeper:
    """Return the one keeper of a tab; it brings back what was kept."""
    registry = session.registry()
    if registry.keeper is None:
        registry.keeper = Keeper(registry, Store(told()))
    return registry.keeper


def come_back() -> None:
    """Take up the visit that was kept, where the address names no other; once for a page."""
    if not IN_TAB:
        kept_runs.come_back()
        return
    kept = keeper()
    known = session.registry().find(session.selected() or session.asked())
    if kept.visit and known is None:
        tokens = [kept.visit.reserved, *(run.id for run in kept.visit.runs)]
        session.select(kept.selected if kept.selected in tokens else tokens[-1])


def keep_up() -> None:
    """Keep what has changed since the last time."""
    if IN_TAB:
        keeper().keep(session.this_visit(), session.selected())


def what_is_kept() -> Kept | None:
    """Return what this browser keeps; None on a server."""
    return keeper().held(session.this_visit()) if IN_TAB else None


def came_back() -> tuple[Kept, int] | None:
    """Return, for a while, what came back when the page was opened, and how much was lost."""
    return keeper().came_back() if IN_TAB else None


def forget_everything() -> None:
    """Delete what is kept, and begin as somebody who has never been here."""
    if not IN_TAB:
        kept_runs.forget()
        return
    if visit := session.this_visit():
        session.registry().drop(visit)
    keeper().forget()
    keeper().visit, keeper().lost = None, 0
    session.leave()
