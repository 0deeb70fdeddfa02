"""Live: the parts of a page that change by themselves, on a server and in a browser tab.

On a server a timer draws a fragment anew, beside the engine's own thread. A tab has one thread for
training and for pages: slices are trained one after another, each so short that a click need not
wait long, and a fragment is drawn again some time after its last drawing is on the screen.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.components.ticker import ticker
from dashboard.host.tab import IN_TAB
from dashboard.runs.scheduler import SLICE_S, Scheduler
from dashboard.sections import ready
from dashboard.sections.guard import guarded

# On a server, from one drawing to the next, while up to so many visitors train: among more of them
# a run has fewer turns, and a page that asks more often shows nothing new. A tick takes 5 ms of the
# interpreter, nearly all of them Streamlit's: at two a second 50 pages had the engine stand still.
PACES = ((12, 0.5), (24, 1.0), (10**9, 1.5))
STEADY = 0.75  # of a bound, that others leaving does not draw every page anew
# Between two slices, so that all of what a click sets in motion can have its turn.
REST_S = 0.008
# After a page is drawn, so that the browser has it before training goes on: its parts are sent one
# by one, and a slice between any two of them would put the next off.
GIVE_WAY_S = 0.25
# From one drawing to asking for the next: a drawing costs training 0.1 s.
UNHURRIED_MS = 250
log = logging.getLogger(__name__)
_BEAT, _TICKS, _PACE = "live.beat", "live.ticks", "live.pace"
_driver: asyncio.Task | None = None
_readying: asyncio.Task | None = None
_given_way_until_s = 0.0


def part(draw: Callable[..., Any], every_s: float | None) -> Callable[..., Any]:
    """Return `draw` as a part of the page that is drawn anew every so many seconds.

    None: only when something inside is used. In a tab, as often as it can be beside training.
    """
    draw = guarded(draw, f"{draw.__module__}.{draw.__name__}")
    if not IN_TAB:
        return st.fragment(lambda *given: _draw_in_turn(draw, *given), run_every=every_s)
    if every_s is None:
        return st.fragment(lambda *given: _draw_and_keep(draw, *given))
    state.put(_TICKS, True)
    return st.fragment(lambda *given: _draw_and_go_on(draw, *given))


def every_s() -> float:
    """Return how often the parts that tick are drawn on a server, with this many at work."""
    visitors, _ = state.scheduler().sharers("")  # whoever trains is another than nobody
    pace = pace_for(visitors, state.get(_PACE, 0.0))
    state.put(_PACE, pace)
    return pace


def pace_for(visitors: int, before_s: float) -> float:
    """Return a pace for so many visitors; a slower one before is left some way below its bound."""
    for most, pace in PACES:
        if visitors <= (most if pace >= before_s else STEADY * most):
            return pace
    raise AssertionError("the last pace is for any number")


def _draw_in_turn(draw: Callable[..., Any], *given: Any) -> None:
    state.take_turn(part=True)
    draw(*given)


def _draw_and_keep(draw: Callable[..., Any], *given: Any) -> None:
    draw(*given)
    state.keep_up()  # a step on its own draws no more of the page than this


def keep_training() -> None:
    """Go on training in a tab, on a page without a part that ticks; the frame calls this last."""
    global _given_way_until_s, _readying
    if not IN_TAB:
        return
    _given_way_until_s = time.monotonic() + GIVE_WAY_S
    if _readying is None:
        pieces = chain(ready.pieces(), measuring(state.scheduler()))
        _readying = asyncio.get_running_loop().create_task(make_ready(pieces))
    ticks = state.get(_TICKS, False)
    state.put(_TICKS, False)
    if not ticks and state.scheduler().busy():
        st.fragment(lambda: _draw_and_go_on(_stop_when_done))()


def _stop_when_done() -> None:
    if not state.scheduler().busy():
        st.rerun()


def _draw_and_go_on(draw: Callable[..., Any], *given: Any) -> None:
    global _driver
    engine = state.scheduler()
    state.beat()  # who asks for a drawing is looking
    draw(*given)
    state.keep_up()  # also when nothing trains any more: a run may have ended since the last time
    if engine.busy() and (_driver is None or _driver.done()):
        _driver = asyncio.get_running_loop().create_task(drive(engine))
    beat = state.get(_BEAT, 0) + 1
    state.put(_BEAT, beat)
    pause_ms = UNHURRIED_MS if engine.busy() else 0
    ticker(key=f"live.{draw.__name__}", beat=beat, pause_ms=pause_ms)


async def drive(engine: Scheduler) -> None:
    """Train as long as there is a run, and let everything else have its turn between slices.

    First of all what pages need is there: who comes back to a run wants to see it.
    """
    if _readying is not None:
        await _readying
    while engine.busy():
        if not _gives_way():
            engine.advance(SLICE_S)
        await asyncio.sleep(REST_S)


def measuring(engine: Scheduler) -> Iterator[Callable[[], Any]]:
    """Yield what measures the kernels, before anybody asks how long a run will take."""
    while not engine.warm:
        yield engine.advance


def meanwhile(pieces: Iterable[Callable[[], Any]]) -> None:
    """In a tab, have pieces of work done while nobody waits, one after another."""
    global _readying
    if _readying is None or _readying.done():
        _readying = asyncio.get_running_loop().create_task(make_ready(pieces))


async def make_ready(pieces: Iterable[Callable[[], Any]]) -> None:
    """Do one piece of work after another, and let everything else have its turn between them."""
    for piece in pieces:
        while _gives_way():
            await asyncio.sleep(REST_S)
        try:
            piece()
        except Exception:  # whoever needs it will meet the fault, and say so
            log.exception("something could not be made ready")
        await asyncio.sleep(REST_S)


def _gives_way() -> bool:
    """Return whether a page just drawn is still on its way to the browser."""
    return time.monotonic() < _given_way_until_s
