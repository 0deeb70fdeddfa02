"""Kept runs: a visitor's run as the store of runs has it, and the run that pages make of that."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

from dashboard.runs import lineage
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import ENDED, LIVE, Progress, Run
from dashboard.runs.waypoints import Stored, Waypoint, to_store
from dashboard.runs.work import Sets
from dashboard.store.networks import for_pages
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.storage.runpoints import Point
from nnengine.storage.runs import ENDS, UNDER_WAY, Kept, NotHeld, Store
from nnengine.training import History
from nnengine.training.state import TrainingState

TRAIN, VALIDATION = "train", "validation"
# What those are taken from, where that is what a visitor had in hand when the run began.
WHOLE, TEST = "whole", "test"
log = logging.getLogger(__name__)
ELSEWHERE = "Under way on another server: what is shown here was kept a moment ago."


@dataclass(frozen=True, eq=False)
class Entry:
    """What is to be written of a run: a copy that nobody changes any more.

    network and state are None where only its name is new. sets: what it learns from and is judged
    by, until it has ended. needs: of its owner's own data what is kept for it, by the part it
    plays. moments: how many of its moments are written with it: "all", "packed" for those that are
    packed already, "" for none.
    """

    run: Run
    name: str
    source: str | None
    about: dict[str, Any]
    network: Network | None
    state: TrainingState | None
    end: str
    sets: dict[str, Dataset]
    needs: dict[str, Dataset]
    moments: str = ""

    @property
    def bytes(self) -> int:
        """How much memory it takes beside the run."""
        arrays = self.state.arrays.values() if self.state else ()
        own = 0 if self.network is None else self.network.theta.nbytes
        return own + sum(array.nbytes for array in arrays)

    def request(self) -> dict[str, Any]:
        """Return what was asked for, enough to begin the same run anew."""
        return {
            "recipe": self.run.recipe.as_dict(),
            "source": self.source,
            "data_name": self.run.data_name,
            "data_count": self.run.data_count,
            "sizes": list(self.run.sizes),
            "digests": {part: data.digest for part, data in self.sets.items()},
        }


def entry(
    run: Run,
    source: str | None,
    *,
    needs: dict[str, Dataset],
    asleep: bool = False,
    moments: str = "",
) -> Entry:
    """Return what is to be written of a run now; the engine calls this between two events.

    asleep: it is of an earlier time and has not gone on, so that all but its name is in the store.
    needs, moments: as `Entry` has it; of a run that rests or has ended all are written in any case.
    """
    network, state, sets = None, None, {}
    if run.work is not None:
        sets = by_part(run.work.sets)
        network, state = run.work.network.snapshot(), _copied(run.work.reached)
    elif not asleep:  # it has ended, or is set aside: nothing changes these
        network, state = run.snapshot, run.reached or TrainingState(run.step)
    about = {"state": run.state, "message": run.message, "progress": asdict(run.progress)}
    about |= lineage.as_plain(run.course, run.origin, run.spent)
    end = run.state if run.ended else ""
    if end or run.state == "paused":
        moments = "all"
    return Entry(run, run.name, source, about, network, state, end, sets, needs, moments)


def waypoints_of(run: Run, store: Store) -> Stored:
    """Return the exact moments that are kept of a run, each read when it is asked for."""

    def read(step: int) -> Waypoint | None:
        try:
            found = store.point(run.id, step)
        except (OSError, EngineError) as fault:
            log.warning("an exact moment that was kept cannot be read: %s", fault)
            return None
        if found is None:
            return None
        arrays = found.state.arrays
        return Waypoint(step, found.network.snapshot(), arrays, found.busy_s, found.seconds)

    return Stored(tuple(step for step, _, _ in store.points(run.id)), read)


def keep_waypoints(run: Run, store: Store, step: int) -> None:
    """Keep exact moments of a run that this server holds, spread over its first `step` steps.

    Raises NotHeld where it is not its run any more, OSError where the disk is at fault.
    """
    kept = [one for one in run.waypoints.kept if one.step <= step]
    more, gone = to_store(store.points(run.id), kept)
    if not (more or gone):
        return
    points = [Point(one.network, one.state(), one.busy_s, one.seconds) for one in more]
    try:
        store.keep_points(run.id, points, gone)
    except NotHeld:
        raise
    except ConfigError as fault:  # forks of it are replayed from further away
        log.info("an exact moment of a run is not kept: %s", fault)
    run.waypoints.stored = waypoints_of(run, store)


def drop_later_waypoints(run: Run, store: Store, step: int) -> None:
    """Let go of what is kept of a run behind the step that it goes on from: it may go otherwise.

    There is some where its server was killed after they were written and before its checkpoint was.
    """
    if later := [known for known, _, _ in store.points(run.id) if known > step]:
        store.keep_points(run.id, [], later)
    run.waypoints.stored = waypoints_of(run, store)


def by_part(sets: Sets) -> dict[str, Dataset]:
    """Return what a run learns from and is judged by, as the store has them."""
    parts = zip((TRAIN, VALIDATION), sets, strict=True)
    return {part: data for part, data in parts if data is not None}


def _copied(state: TrainingState) -> TrainingState:
    return TrainingState(state.step, {name: one.copy() for name, one in state.arrays.items()})


def restored(kept: Kept, network: Network, now: float) -> Run:
    """Return a run of an earlier time; one that can go on is paused, and says why.

    Raises EngineError, KeyError, TypeError or ValueError where the store holds something else.
    """
    asked = kept.request
    run = Run(
        id=kept.id,
        owner=kept.owner,
        name=kept.name,
        recipe=Recipe.from_dict(asked["recipe"]),
        sizes=tuple(asked["sizes"]),
        data_name=asked["data_name"],
        data_count=asked["data_count"],
        snapshot=network,
        progress=Progress(),
        beat=now,
    )
    set_to(run, kept, network)
    state, message = kept.about["state"], kept.about["message"]
    if kept.state in ENDS or state in ENDED:
        run.state, run.message = (kept.state if kept.state in ENDS else state), message
        return run
    run.state, run.reached = "paused", TrainingState(kept.step)  # the rest when it goes on
    run.interrupted = state in LIVE
    if kept.state == UNDER_WAY:
        run.interrupted, message = False, ELSEWHERE
    elif run.interrupted:
        message = f"Interrupted: the server ended. At step {kept.step:,}."
    run.message = message
    return run


def set_to(run: Run, kept: Kept, network: Network) -> None:
    """Have a run show what was kept of it last."""
    known = network.training[-1] if network.training else {}
    run.snapshot = for_pages(network).snapshot()
    run.progress = Progress(**kept.about["progress"])
    run.history = History.from_dict(known["history"]) if "history" in known else History()
    for name, value in lineage.from_plain(kept.about).items():
        setattr(run, name, value)
