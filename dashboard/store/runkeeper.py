"""Run keeper: what a server has kept of a run comes back with its visitor, or is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from dashboard.runs.recording import Recording
from dashboard.runs.run import Run
from dashboard.runs.work import Sets
from dashboard.store import keptruns
from dashboard.store.runwriter import ASLEEP, GONE, HELD, OVER, RunWriter, Seen, stamp_of
from dashboard.store.visits import Registry, Visit
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError, FormatError
from nnengine.storage.runs import Store

log = logging.getLogger(__name__)


class RunKeeper(RunWriter):
    """Keeps what visitors train, and brings it back when their server has ended meanwhile.

    data_of: returns what a kept run learns from, given what was asked for; raises ConfigError
    without. The rest is as the writer has it. Pages call this.
    """

    def __init__(
        self,
        registry: Registry,
        store: Callable[[], Store],
        data_of: Callable[[Run, dict[str, Any]], Sets],
        needs: Callable[[Visit, Run], dict[str, Dataset]],
        *,
        days: float = 30,
    ) -> None:
        super().__init__(registry, store, needs, days=days)
        self._data_of = data_of

    def come_back(self, token: str) -> Visit | None:
        """Return the visit that a run of this id was of, with as many of its runs as find room.

        None where no such run is kept.
        """
        with self._writing:
            self.flush()
            if self._closed or self._where.get(token) == GONE:
                return None
            if found := self._registry.find(token):  # by somebody else's page, a moment ago
                return found
            try:
                return self._found(token, self._opened())
            except (OSError, EngineError) as fault:
                log.warning("runs that were kept cannot be read: %s", fault)
                return None

    def _found(self, token: str, store: Store) -> Visit | None:
        first = store.visitors_run(token)
        if first is None:
            return None
        same = (one for one in self._registry.visits() if one.owner == first.owner)
        visit = next(same, None) or self._registry.new_visit(first.owner)
        others = (one for one in store.runs(first.owner) if one.id != token)
        known, most = {run.id for run in visit.runs}, self._registry.scheduler.bounds.runs_per_visit
        begun: dict[str, float] = {}
        added: list[Run] = []
        for kept in (first, *others):
            if (
                kept.id in known
                or self._where.get(kept.id) == GONE
                or len(visit.runs) + len(added) >= most
            ):
                continue
            try:
                self._registry.budget.room(visit, kept.bytes, f"the run {kept.name}")
                run = keptruns.restored(
                    kept, store.open(kept.id)[0], self._registry.scheduler.now()
                )
            except ConfigError as fault:
                log.info("a run that was kept stays in the store: %s", fault)
                continue
            except Exception:
                log.exception("a run that was kept cannot be read")
                continue
            self._remember(run, store)
            self._enter(visit, run, kept.request)
            begun[run.id] = kept.begun
            added.append(run)
        if not added:
            return None
        added.sort(key=lambda run: begun[run.id])
        self._registry.adopt(visit, added)
        return visit

    def _remember(self, run: Run, store: Store) -> None:
        """Give a run of an earlier time its moments back; without them it is a run all the same."""
        try:
            run.waypoints.stored = keptruns.waypoints_of(run, store)
            if raw := store.moments(run.id):
                run.recording = Recording.again(raw, run.snapshot, run.total_steps)
        except (OSError, FormatError) as fault:
            log.warning("the moments of a run cannot be read: %s", fault)

    def _enter(self, visit: Visit, run: Run, asked: dict[str, Any]) -> None:
        self._where[run.id] = OVER if run.ended else ASLEEP
        self._names[run.id] = run.name
        self._seen[run.id] = Seen(stamp_of(run), run.step, 0.0, 0.0)
        visit.run_sources[run.id] = asked["source"]
        if not run.ended:
            self._asked[run.id] = asked
            run.data = partial(self.take_up, run)

    def take_up(self, run: Run) -> Sets:
        """Hold a run of an earlier time from now on, set it to what was kept last; return its data.

        Raises ConfigError where it is under way elsewhere, or its data are not here.
        """
        sets = self._data_of(run, self._asked[run.id])
        with self._writing:
            if self._where.get(run.id) == ASLEEP:
                try:
                    store = self._opened()
                    network, state = store.take_up(run.id)
                    kept = store.visitors_run(run.id)
                    keptruns.drop_later_waypoints(run, store, state.step)
                except (OSError, FormatError) as fault:
                    raise ConfigError(f"what was kept of it cannot be read ({fault})") from None
                assert kept is not None
                keptruns.set_to(run, kept, network)
                run.reached = state
                self._where[run.id] = HELD
        return sets

    def sets(self, run: Run) -> dict[str, Dataset]:
        """Return the data that are kept for a run, by their part.

        Raises ConfigError where memory has no room for them.
        """
        try:
            store = self._opened()
            visit = self._registry.find(run.id)
            self._registry.budget.room(visit, store.sets_bytes(run.id), "what it learns from")
            return store.sets(run.id)
        except (OSError, FormatError) as fault:
            log.warning("data that were kept cannot be read: %s", fault)
            return {}

    def forget(self, visit: Visit, run: Run | None = None) -> None:
        """Delete a run from the store for good, or all of a visit's."""
        with self._writing:
            for one in visit.runs if run is None else [run]:
                with self._changed:
                    self._waiting.pop(one.id, None)
                self._where[one.id] = GONE
                for known in (self._asked, self._names, self.refused):
                    known.pop(one.id, None)
            self._doomed.append((visit.owner, run.id if run else None))
            self._delete()

    def why_not(self, visit: Visit) -> str | None:
        """Return why runs of a visit are not kept, None where they are."""
        said = (self.refused.get(run.id) for run in visit.runs)
        return self.fault or next(filter(None, said), None)
