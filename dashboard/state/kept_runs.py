"""Kept runs: on a server, what a visitor trains outlives its process, in the store of runs.

NNENGINE_KEEP_RUNS=0 turns it off; in a browser tab see `keeping`.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from typing import Any

from dashboard.host.tab import IN_TAB
from dashboard.runs.scheduler import Run
from dashboard.runs.work import Sets
from dashboard.store.budget import MB
from dashboard.store.keptruns import TEST, TRAIN, VALIDATION, WHOLE, by_part
from dashboard.store.runkeeper import RunKeeper
from dashboard.store.visits import Registry, Visit
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.storage.runs import Store

from . import session, set_again, sets, training

SETTING = "NNENGINE_KEEP_RUNS"
_UPLOADED = (sets.FILES, sets.MINE)
_MOST_LETTERS = 64  # of an id that an address may bring
_DIGEST = 12  # of its letters: enough to tell a visitor's sets apart


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this server is to keep runs; raises ConfigError for a setting unreadable."""
    given = environment.get(SETTING, "1").strip()
    if given not in ("0", "1"):
        raise ConfigError(f"{SETTING}={given!r}: give 1, or 0 to keep no runs")
    return given == "1"


def keeper() -> RunKeeper | None:
    """Return who keeps this server's runs; None in a tab, and where none are to be kept."""
    registry = session.registry()
    if registry.run_keeper is None and not IN_TAB and wanted():
        registry.run_keeper = new_keeper(registry)
        atexit.register(registry.run_keeper.close)
    return registry.run_keeper


def new_keeper(registry: Registry) -> RunKeeper:
    """Return who keeps the runs of a registry, within its bounds, where NNENGINE_HOME says."""
    bounds = registry.scheduler.bounds
    return RunKeeper(
        registry,
        lambda: Store(most_bytes=bounds.kept_mb * MB),
        data_of,
        needs_of,
        days=bounds.kept_days,
    )


def close() -> None:
    """Keep what runs have come to, as their server is stopped."""
    for registry in session._made:
        if registry.run_keeper is not None:
            registry.run_keeper.close()


def come_back() -> None:
    """Take up the visit that the address names, where this process does not know it yet."""
    kept = keeper()
    for token in (session.asked(), session.selected()):
        # Ids are short: nothing else is looked for on a disk.
        if kept is None or not token or not token.isascii() or len(token) > _MOST_LETTERS:
            continue
        if session.registry().find(token) is None and (visit := kept.come_back(token)):
            set_again.take_in_hand(visit, token, kept)


def forget() -> None:
    """Delete everything that this visitor has here, in memory and on the disk."""
    visit, kept = session.this_visit(), keeper()
    if visit:
        session.registry().drop(visit)
        if kept:
            kept.forget(visit)
    session.leave()


def keeps_runs() -> bool:
    """Return whether runs outlast this server."""
    return keeper() is not None


def kept_days() -> int | None:
    """Return for how many days this visitor's runs are kept; None where none are."""
    kept, visit = keeper(), session.this_visit()
    return int(kept.days) if kept and visit and visit.runs and not why_not() else None


def why_not() -> str | None:
    """Return why runs of this visitor are not kept, though they should be."""
    kept, visit = keeper(), session.this_visit()
    return kept.why_not(visit) if kept and visit and visit.runs else None


def data_of(run: Run, asked: Mapping[str, Any]) -> Sets:
    """Return what a kept run learns from: what its source holds now, else what was kept for it.

    Raises ConfigError, with the way out, where that is other data than it began with, or none.
    """
    source, digests = asked["source"], asked["digests"]
    uploaded = source in _UPLOADED
    for place in _UPLOADED if uploaded else (source,):
        found = _split(run, place)
        if found and _digests(found) == digests:
            return found
    registry = session.registry()
    if uploaded and registry.run_keeper is not None:
        of_store = registry.run_keeper.sets(run)
        kept = {part: registry.shelf.kept(data) for part, data in of_store.items()}
        if WHOLE in kept:
            kept = by_part(training.split(run.recipe, kept[WHOLE], kept.get(TEST)))
        if kept.keys() == digests.keys():
            return kept[TRAIN], kept.get(VALIDATION)
        raise ConfigError(
            f"this server has kept {run.name}, and not the images it learns from: drop the files "
            f"of {run.data_name} (digest {digests[TRAIN][:_DIGEST]}) on the Data page, then resume"
        )
    raise ConfigError(
        f"{run.data_name} is not on this server as it was when {run.name} began (digest "
        f"{digests[TRAIN][:_DIGEST]}): fetch it on the Data page, then resume"
    )


def _split(run: Run, source: str) -> Sets | None:
    visit = session.registry().find(run.id)
    try:
        return training.split(run.recipe, *sets.sets_of(visit, source)[:2])
    except EngineError:
        return None


def needs_of(visit: Visit, run: Run) -> dict[str, Dataset]:
    """Return what of a visitor's own data is kept for a run that begins, by the part it plays.

    What he has in hand, where the run learns from that: whoever comes back has it in hand again.
    """
    place, work = visit.run_sources.get(run.id), run.work
    if place not in _UPLOADED or work is None:
        return {}
    whole, test = sets.sets_of(visit, place)[:2]
    found = _split(run, place)
    if whole is None or found is None or not _are_same(found, work.sets):
        return by_part(work.sets)  # of a fork, whose parent learnt from other files
    return {WHOLE: whole} | ({TEST: test} if test else {})


def _are_same(one: Sets, other: Sets) -> bool:
    """Return whether these are the same data: digests of large ones take a tenth of a second."""
    identical = all(a is b for a, b in zip(one, other, strict=True))
    return identical or _digests(one) == _digests(other)


def _digests(found: Sets) -> dict[str, str]:
    return {part: data.digest for part, data in by_part(found).items()}
