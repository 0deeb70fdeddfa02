"""Networks: a visitor's collection as pages use it: look one up, choose, name, keep, let go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import nnengine
from dashboard.runs.scheduler import Run
from dashboard.store import networks as store
from dashboard.store.networks import Entry, Networks
from nnengine.errors import ConfigError, EngineError

from .drawings import delete_kept
from .session import registry, select, selected, this_visit, visit_or_new
from .training import delete_run

TURN_WAIT_S = 30


def network() -> Entry | None:
    """Return the network in hand: the one chosen, else the current run's, else a shipped one.

    A run's weights are the latest. None only where no network could be shipped.
    """
    return _collection().in_hand(selected())


def networks() -> dict[str, Entry]:
    """Return every network to choose from, by its key."""
    return _collection().all()


def _collection() -> Networks:
    visit = this_visit()
    return visit.networks if visit else Networks()


def card(name: str) -> dict[str, Any]:
    """Return what was measured on a shipped network when it was made; empty where unknown."""
    try:
        return nnengine.models.card(name)
    except (EngineError, OSError, ValueError):
        return {}


def run_of(entry: Entry) -> Run | None:
    """Return the run that a network belongs to, None where it is not a run's."""
    runs = _collection().runs if entry.kind == "run" else []
    return next((run for run in runs if run.id == entry.id), None)


def key_of(run: Run) -> str:
    """Return what the collection knows a run's network by."""
    return store.key_for("run", run.id)


def choose_network(key: str) -> None:
    """Take one of `networks` in hand; an unknown key changes nothing."""
    collection = visit_or_new().networks
    collection.choose(key)
    found = collection.find(key)
    if found and found.kind == "run":
        select(found.id)


def rename_network(key: str, name: str) -> None:
    """Give one of `networks` another name; an empty one changes nothing."""
    _collection().rename(key, name)


def keep_network(entry: Entry) -> list[Entry]:
    """Enter a network in the collection and take it in hand; return those that made room.

    Raises ConfigError, with the way out, where there is no room for its weights.
    """
    visit, wanted = visit_or_new(), entry.network.theta.nbytes
    with registry().budget.taking(visit, wanted, entry.name):
        return visit.networks.keep(entry)


def let_go(key: str) -> None:
    """Forget a network; a run is stopped first. One that comes with the engine stays."""
    found = _collection().find(key)
    if found and found.kind == "run":
        delete_run(found.id)
    else:
        _collection().let_go(key)


@contextlib.contextmanager
def finetuning_turn() -> Iterator[None]:
    """Wait for this server's one place to fine-tune; raises ConfigError when it takes too long."""
    if not registry().finetuning.acquire(timeout=TURN_WAIT_S):
        raise ConfigError("others are teaching just now: try again in a moment")
    try:
        yield
    finally:
        registry().finetuning.release()


def undo_finetuning() -> None:
    """Take back the last fine-tuning of the network in hand, and the drawing it was for."""
    held = network()
    tuning = _collection().undo(held.key) if held else None
    if tuning and tuning.reason is not None:
        delete_kept(tuning.reason)
