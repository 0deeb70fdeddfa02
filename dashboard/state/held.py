"""Networks: the one in hand, those on offer, and lessons that make new ones."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import nnengine
from dashboard.runs.scheduler import Run
from dashboard.store.visits import HeldNetwork
from nnengine.analysis.finetuning import Lesson
from nnengine.core.network import Network
from nnengine.errors import ConfigError, EngineError

from .drawings import delete_kept
from .session import get, put, registry, this_visit, visit_or_new
from .training import current_run, runs, select_run

_RESTORED = "models.restored"  # networks restored in this session, by file name
_LINKED = "models.linked"  # those that came in links, by key
log = logging.getLogger(__name__)


SHIPPED = {"drawing": "Drawing network", "original": "The original"}


def network() -> HeldNetwork | None:
    """Return the network in hand: the one chosen, else the current run's, else a shipped one.

    A run's weights are the latest. None only where no network could be shipped.
    """
    visit = this_visit()
    if visit and visit.held:
        return visit.held
    run = current_run()
    return _of_run(run) if run else shipped("drawing")


def _of_run(run: Run) -> HeldNetwork:
    return HeldNetwork(run.snapshot, run.name, "run", run.id)


def shipped(name: str) -> HeldNetwork | None:
    """Return a network that comes with the engine, or None where its file cannot be read."""
    try:
        return HeldNetwork(nnengine.shipped(name), SHIPPED[name], "shipped", name)
    except (EngineError, OSError):
        log.exception("the shipped network %r cannot be read", name)
        return None


def card(name: str) -> dict[str, Any]:
    """Return what was measured on a shipped network when it was made; empty where unknown."""
    try:
        return nnengine.models.card(name)
    except (EngineError, OSError, ValueError):
        return {}


def networks() -> dict[str, HeldNetwork]:
    """Return every network to choose from, by key: shipped, taught, restored, sent, runs."""
    visit = this_visit()
    taught = visit.taught if visit else []
    restored = [HeldNetwork(net, name, "file") for name, net in get(_RESTORED, {}).items()]
    linked = get(_LINKED, {}).values()
    others = [*taught, *restored, *linked, *map(_of_run, runs())]
    found = [*filter(None, map(shipped, SHIPPED)), *others]
    held = network()
    named = {one.key: one for one in found}
    if held:  # a reload forgets the restored files, but not the one in hand
        named[held.key] = held
    return named


def choose_network(key: str) -> None:
    """Take one of `networks` in hand; an unknown key changes nothing."""
    chosen = networks().get(key)
    if chosen is None:
        return
    if chosen.source == "run":
        select_run(chosen.id)
    else:
        visit_or_new().held = chosen


def hold_network(network: Network, name: str) -> None:
    """Make a restored network the one in hand."""
    kept = network.snapshot()
    put(_RESTORED, {**get(_RESTORED, {}), name: kept})
    visit_or_new().held = HeldNetwork(kept, name, "file")


def hold_linked(network: Network, name: str, id: str, said: str) -> HeldNetwork:
    """Make a network that came in a link the one in hand; `said` is what came with it."""
    held = HeldNetwork(network.snapshot(), name, "link", id, said=said)
    put(_LINKED, {**get(_LINKED, {}), held.key: held})
    visit_or_new().held = held
    return held


def release_network() -> None:
    """Let go of the restored, sent or taught network in hand; the current run's is back."""
    visit = this_visit()
    if visit and visit.held:
        restored = {k: v for k, v in get(_RESTORED, {}).items() if k != visit.held.name}
        if visit.held.source == "file":
            put(_RESTORED, restored)
        put(_LINKED, {k: v for k, v in get(_LINKED, {}).items() if k != visit.held.key})
        visit.taught = [one for one in visit.taught if one.key != visit.held.key]
        visit.held = None


TAUGHT = 4  # networks a visitor may have taught; the oldest makes room
LESSON_WAIT_S = 30


@contextlib.contextmanager
def lesson_turn() -> Iterator[None]:
    """Wait for this server's one place for a lesson; raises ConfigError when it takes too long."""
    if not registry().lessons.acquire(timeout=LESSON_WAIT_S):
        raise ConfigError("others are teaching just now: try again in a moment")
    try:
        yield
    finally:
        registry().lessons.release()


def hold_taught(
    lesson: Lesson, origin: HeldNetwork, reason: int | None = None, tested: str = ""
) -> HeldNetwork:
    """Make a taught network the one in hand, as a network of its own; the original stays.

    `reason` is the number of the drawing it was taught for: undoing the lesson takes it back.
    `tested` names the images on which forgetting was measured.
    """
    again = origin.source == "taught"
    name = origin.name if again else f"{origin.name}, taught"
    label = origin.id if again else origin.key
    parts = (lesson, origin, reason, tested)
    held = HeldNetwork(lesson.network, name, "taught", label, *parts).trimmed()
    visit = visit_or_new()
    visit.taught = [*(one for one in visit.taught if one.key != held.key), held][-TAUGHT:]
    visit.held = held
    return held


def undo_lesson() -> None:
    """Take back the last lesson of the network in hand, and the drawing it was for."""
    visit = this_visit()
    if not visit or not visit.held or visit.held.origin is None:
        return
    held, origin = visit.held, visit.held.origin
    visit.taught = [one for one in visit.taught if one.key != held.key]
    if origin.source == "taught":
        visit.taught.append(origin)
    # A run goes on meanwhile: its latest weights, not those the lesson began with.
    visit.held = None if origin.source == "run" else origin
    if held.reason is not None:
        delete_kept(held.reason)
