"""Run writer: every run of a server's visitors into the store of runs, without holding up any.

The engine's thread copies what is due between two events, a thread of its own writes it. Of a run
the latest copy alone waits, and all that wait are bounded: a slow disk costs runs nothing but how
old what is kept of them may be.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dashboard.runs.run import LIVE, Run
from dashboard.runs.scheduler import in_background
from dashboard.store import keptruns
from dashboard.store.keptruns import Entry
from dashboard.store.visits import Registry, Visit
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError, FormatError
from nnengine.storage.runs import INTERRUPTED, NotHeld, Store

EVERY_S = 6.0  # a run under way is kept so often; it is looked at every two seconds
# Its moments are some 5 MB, which are written whole: so often while it is under way.
MOMENTS_EVERY_S = 30.0
RETRY_S = 60.0  # after a fault of the disk
PRUNE_S = 3600.0
MOST_WAITING = 128 << 20  # bytes of copies that are not written yet
DAY_S = 86_400.0
# Where a run is: not in the store, held by this server, there for whoever takes it up, over, gone.
NEW, HELD, ASLEEP, OVER, GONE = "new", "held", "asleep", "over", "gone"
ELSEWHERE = "Paused here: it was taken up by another server."
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Seen:
    """What was handed over of a run last, and when by the engine's clock; moments: with those."""

    stamp: tuple
    step: int
    given_s: float
    moments_s: float


def stamp_of(run: Run) -> tuple:
    """Return what, when it changes, is to be written of a run before its turn."""
    same = (run.name, len(run.course))
    return (*same, "live") if run.state in LIVE else (*same, run.state, run.message, run.step)


class RunWriter:
    """Keeps what visitors train.

    store: opens the store; raises OSError or EngineError where there can be none. needs: of the
    visitor's own data what is kept for a run, by the part it plays. days: after which runs that
    give no sign of life go.
    """

    def __init__(
        self,
        registry: Registry,
        store: Callable[[], Store],
        needs: Callable[[Visit, Run], dict[str, Dataset]],
        *,
        days: float = 30,
    ) -> None:
        self.fault: str | None = None  # why nothing is kept just now
        self.refused: dict[str, str] = {}  # why a run is not, by its id
        self.days = days
        self._registry, self._open = registry, store
        self._needs = needs
        self._store: Store | None = None
        self._threaded = registry.scheduler.threaded
        self._changed = threading.Condition()
        self._writing = threading.RLock()  # around the store, and what is known of it
        self._waiting: dict[str, Entry] = {}
        self._released: list[str] = []
        self._doomed: list[tuple[str, str | None]] = []  # owners and runs, None: all of theirs
        self._seen: dict[str, Seen] = {}
        self._where: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._asked: dict[str, dict[str, Any]] = {}
        self._serving = self._closed = self._again = False
        self._rest_until_s = self._beaten_s = self._pruned_s = -1e9
        registry.scheduler.starting.append(self._begin)
        registry.scheduler.chores.append(self.sweep)

    # On the engine's thread ----------------------------------------------------------------

    def _begin(self, run: Run) -> None:
        visit = self._registry.find(run.id)
        if visit is not None and not self._resting():
            self._look(visit, run, self._registry.scheduler.now())

    def sweep(self, now: float) -> None:
        """Hand over what has changed, and of runs under way what is due."""
        if self._registry.scheduler.closed or self._closed or self._resting():
            return
        if self._again:  # there was a fault: nobody knows what was written
            self._again, self._seen = False, {}
        there = set()
        for visit in self._registry.visits():
            for run in visit.runs:
                there.add(run.id)
                if not (run.ended and run.work):  # it is let go of next
                    self._look(visit, run, now)
        self._seen = {id: seen for id, seen in self._seen.items() if id in there}
        if not self._threaded:
            self.flush()

    def _look(self, visit: Visit, run: Run, now: float, *, last: bool = False) -> None:
        live, step, seen = run.state in LIVE, run.step, self._seen.get(run.id)
        stamp = stamp_of(run)
        due = seen is None or stamp != seen.stamp
        if seen and live and step != seen.step and (last or now - seen.given_s >= EVERY_S):
            due = True
        if not due or self._is_full(run):
            return
        before_s = seen.moments_s if seen else now
        moments = "all" if last else "packed" if now - before_s >= MOMENTS_EVERY_S else ""
        self._seen[run.id] = Seen(stamp, step, now, now if moments else before_s)
        where = self._where.get(run.id, NEW)
        made = keptruns.entry(
            run, visit.run_sources.get(run.id), moments=moments, asleep=where == ASLEEP,
            needs=self._needed(visit, run) if where == NEW else {},
        )  # fmt: skip
        with self._changed:
            self._waiting[run.id] = made
            self._changed.notify_all()
        if not last:  # then whoever stops the server writes it himself
            self._serve_from_now_on()

    def _needed(self, visit: Visit, run: Run) -> dict[str, Dataset]:
        """Return what is kept for a run that is not in the store yet, as it was when it began."""
        with self._changed:
            waits = self._waiting.get(run.id)
        return waits.needs if waits else self._needs(visit, run)

    def _is_full(self, run: Run) -> bool:
        """Return whether so much waits that this run's copy has to wait to be made."""
        with self._changed:
            return sum(e.bytes for id, e in self._waiting.items() if id != run.id) > MOST_WAITING

    def release(self, visit: Visit) -> None:
        """Let whoever comes back take up the runs of a visit that is forgotten here."""
        with self._changed:
            self._released += [run.id for run in visit.runs]
            self._changed.notify_all()

    # On the writer's thread ----------------------------------------------------------------

    def _serve_from_now_on(self) -> None:
        if self._threaded and not self._serving:
            self._serving = True
            in_background(self._serve, "keeper")

    def _serve(self) -> None:
        while not self._closed:
            with self._changed:
                if not self._waiting and not self._released:
                    self._changed.wait(EVERY_S)
            self.flush()

    def flush(self) -> None:
        """Write all that waits, in whatever thread this is called."""
        with self._writing:
            self._delete()
            while not self._closed and not self._resting():
                made, released = self._next()
                if made is not None:
                    self._tried(partial(self._put, made), made.run)
                elif released:
                    self._tried(partial(self._free, released))
                else:
                    break
            self._tried(self._beat)

    def _delete(self) -> None:
        """Delete what is to be deleted; where that fails it is done later."""
        while self._doomed and self._tried(lambda store: store.forget(*self._doomed[0])):
            self._doomed.pop(0)

    def _next(self) -> tuple[Entry | None, list[str]]:
        """Return what is to be written next: a run, or else the ids of those to be let go of."""
        with self._changed:
            for id in self._waiting:
                return self._waiting.pop(id), []
            released, self._released = self._released, []
            return None, released

    def _tried(self, act: Callable[[Store], None], run: Run | None = None) -> bool:
        """Do something with the store and return whether that went well.

        No fault of it reaches a run, and its visitor is told.
        """
        if self._closed or self._resting():
            return False
        try:
            act(self._opened())
            self.fault = None
            return True
        except NotHeld:
            self._tried(partial(self._lose, run))
        except (OSError, FormatError) as fault:
            said = fault.strerror if isinstance(fault, OSError) else str(fault)
            if self.fault is None:
                log.warning("runs are not kept: %s", fault)
            self.fault, self._again = said or str(fault), True
            self._rest_until_s = time.monotonic() + RETRY_S
        except EngineError as fault:
            if run is not None:
                self.refused[run.id] = str(fault)
        except Exception:
            log.exception("something could not be kept")
        return False

    def _opened(self) -> Store:
        with self._writing:
            if self._store is None:
                self._store = self._open()
            return self._store

    def _resting(self) -> bool:
        return time.monotonic() < self._rest_until_s

    def _put(self, made: Entry, store: Store) -> None:
        run, where = made.run, self._where.get(made.run.id, NEW)
        new = where == NEW
        if new:
            store.begin(made.request(), owner=run.owner, name=made.name, run=run.id)
            where = self._where[run.id] = HELD
            self._names[run.id] = made.name
        elif where == ASLEEP and made.end:  # stopped without having gone on
            store.take_up(run.id)
            store.end(run.id, made.end)
            self._where[run.id] = OVER
        if self._names.get(run.id) != made.name and where != GONE:
            store.rename(run.id, made.name)
            self._names[run.id] = made.name
        if where == HELD and made.network is not None and made.state is not None:
            self._keep(store, made, made.network, made.state)
        if new and made.needs and not made.end:
            store.need(run.id, made.needs)

    def _keep(self, store: Store, made: Entry, network: Any, state: Any) -> None:
        id = made.run.id
        keptruns.keep_waypoints(made.run, store, state.step)
        moments = _moments(made)
        try:
            try:
                gone = store.keep(id, network, state, made.about, made.end, moments)
            except NotHeld:
                raise
            except ConfigError:
                if not moments:
                    raise
                gone = store.keep(id, network, state, made.about, made.end)
            for name in gone:
                log.info("the store of runs is full: %s had to go", name)
            self.refused.pop(id, None)
        except NotHeld:
            raise
        except ConfigError:
            if not made.end:
                raise
            store.end(id, made.end)  # its weights are what nothing can hold
        if made.end:
            self._where[id] = OVER

    def _free(self, released: list[str], store: Store) -> None:
        for id in released:
            self._asked.pop(id, None)
            self._names.pop(id, None)
            if self._where.pop(id, NEW) == HELD:
                store.end(id, INTERRUPTED)
        if not self._where:  # the last of a crowd has left
            store.rest()

    def _beat(self, store: Store) -> None:
        now = time.monotonic()
        if now - self._beaten_s >= EVERY_S and HELD in self._where.values():
            self._beaten_s = now
            store.live_on()
        if now - self._pruned_s >= PRUNE_S:
            self._pruned_s = now
            store.prune(self.days * DAY_S)
            if self._doomed:
                return
            self._where = {id: where for id, where in self._where.items() if where != GONE}

    def _lose(self, run: Run | None, store: Store) -> None:
        """Stop keeping a run that is somebody else's by now; where it was deleted it goes on."""
        if run is None or self._where.get(run.id) == GONE:
            return
        self._where[run.id] = GONE
        if store.visitors_run(run.id) is None:
            self.refused[run.id] = "whoever runs this server deleted it from its store"
        else:
            self._registry.scheduler.pause(run, ELSEWHERE, wait=False)

    def close(self) -> None:
        """Keep every run under way as it is now and let go of the store: the server is stopped.

        Where the engine does not rest in time, what was kept of them some seconds ago stays.
        """
        rests = self._closed or self._registry.scheduler.halt()
        with self._writing:
            if rests and not self._closed:
                now = self._registry.scheduler.now()
                for visit in self._registry.visits():
                    for run in visit.runs:
                        if run.state in LIVE and run.work:
                            self._look(visit, run, now, last=True)
            self.flush()
            self._closed = True
            if self._store is not None:
                self._store.close()
                self._store = None


def _moments(made: Entry) -> bytes:
    """Return the moments that are to be written of a run."""
    told = made.run.recording
    if told is None or not made.moments:
        return b""
    if made.moments == "all":
        told.pack(wait=True)
    return told.moments.to_bytes() if len(told.moments) else b""
