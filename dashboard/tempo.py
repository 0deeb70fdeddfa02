"""Tempo: the parts of a page that change by themselves, on a server and in a browser tab.

On a server a timer draws a fragment anew, beside the engine's own thread. A tab has no threads:
there a fragment trains for a slice, draws, and is asked for again when that is on the screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.components.ticker import ticker
from dashboard.tab import IN_TAB

# A click waits for the end of a slice and of the drawing after it: 0.6 s at most. A slice of
# twice what drawing costs leaves two thirds of the tab's time for training.
SHORTEST_S, LONGEST_S = 0.1, 0.3
_TRAINING_TO_DRAWING = 2.2
_BEAT, _LEFT, _TICKS = "tempo.beat", "tempo.left_s", "tempo.ticks"


def part(draw: Callable[..., Any], every_s: float | None) -> Callable[..., Any]:
    """Return `draw` as a part of the page that is drawn anew every so many seconds.

    None: only when something inside is used. In a tab, as often as it can be beside training.
    """
    if not IN_TAB:
        return st.fragment(draw, run_every=every_s)
    if every_s is None:
        return st.fragment(lambda *given: _draw_and_keep(draw, *given))
    state.put(_TICKS, True)
    return st.fragment(lambda *given: _train_and(draw, *given))


def _draw_and_keep(draw: Callable[..., Any], *given: Any) -> None:
    draw(*given)
    state.keep_up()  # a step on its own draws no more of the page than this


def keep_training() -> None:
    """Go on training in a tab, on a page without a part that ticks; the frame calls this last."""
    if not IN_TAB:
        return
    ticks = state.get(_TICKS, False)
    state.put(_TICKS, False)
    if not ticks and state.scheduler().busy():
        st.fragment(lambda: _train_and(_stop_when_done))()


def _stop_when_done() -> None:
    if not state.scheduler().busy():
        st.rerun()


def _train_and(draw: Callable[..., Any], *given: Any) -> None:
    train_a_slice()
    draw(*given)
    beat = state.get(_BEAT, 0) + 1
    state.put(_BEAT, beat)
    ticker(key=f"tempo.{draw.__name__}", beat=beat)


def train_a_slice(clock: Callable[[], float] = time.perf_counter) -> None:
    """Train for a time in proportion to what passed since the last slice; nothing without a run."""
    engine = state.scheduler()
    state.beat()  # who asks for a slice is looking
    if engine.busy():
        engine.advance(slice_s(state.get(_LEFT), clock()))
        state.keep_up()
        state.put(_LEFT, clock())
    else:
        state.put(_LEFT, None)


def slice_s(left: float | None, now: float) -> float:
    """Return how many seconds to train, where the last slice ended at `left` and drawing followed.

    The shortest slice where nothing was drawn yet.
    """
    if left is None:
        return SHORTEST_S
    return min(max(_TRAINING_TO_DRAWING * (now - left), SHORTEST_S), LONGEST_S)
