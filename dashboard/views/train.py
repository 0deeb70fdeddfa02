"""Train: a recipe, a run, and its curves while it learns."""

from __future__ import annotations

import time

import streamlit as st

from dashboard import state
from dashboard.host.tab import IN_TAB
from dashboard.sections import (
    doctor,
    live,
    next_steps,
    no_data,
    recipe_form,
    rewind,
    run_panel,
    sharing,
)
from dashboard.sections.run_list import run_list

# On a tablet a third of the page is too narrow for fields with buttons.
WIDE_ENOUGH = "<style>.stColumn:has(.st-key-start) { min-width: 17rem }</style>"
TICK_S = 0.5  # until the kernels are compiled
NEWS_S = 0.15  # from drawing what ticks until the browser shows it
_SEEN = "train.seen"  # the situation that was drawn last, and since when


def situation() -> tuple:
    """Return what, when it changes, means that the whole page has to be drawn anew."""
    run, runs = state.current_run(), state.runs()
    pace = None if IN_TAB else live.every_s()
    faults = None if IN_TAB else state.why_not()
    return (run and run.id, state.scheduler().warm, pace, tuple(r.state for r in runs), faults)


def live_panel(drawn: tuple, ticks: bool) -> None:
    """The part of the page that ticks.

    Where the situation has changed the whole page follows. In a tab that takes 0.2 s and more, in
    which nothing is seen: what ticks is drawn by itself first, and the rest a tick later.
    """
    now = situation()
    news = _is_news(now)
    if now != drawn and not (IN_TAB and ticks and news):
        st.rerun()
    run = state.current_run()
    others = [r for r in state.runs() if r is not run and state.get(f"train.over.{r.id}")]
    if IN_TAB or not ticks:
        run_panel.header(run)
    run_panel.messages(run)
    run_panel.numbers(run, others)
    doctor.doctor(run)


def header(drawn: tuple) -> None:
    """The part above what ticks: on a server its buttons are not drawn twice a second."""
    if situation() != drawn:
        st.rerun()
    run_panel.header(state.current_run())


def _is_news(now: tuple) -> bool:
    """Return whether the situation is one that the browser may not have been shown yet."""
    seen, since_s = state.get(_SEEN, (None, 0.0))
    if seen != now:
        since_s = time.monotonic()
        state.put(_SEEN, (now, since_s))
    return time.monotonic() - since_s < NEWS_S


def main() -> None:
    """Draw the page: the empty state, or run, recipe and earlier runs."""
    run, data = state.current_run(), state.training_set()
    if run is None and data is None:
        no_data.no_data(
            "A network learns from images with their labels, and your files hold none that can be "
            "used yet. The Data page says why; the built-in digits need no file.",
            "use.digits",
        )
        return
    drawn = situation()  # before anything is: what changes from here on draws the page anew
    st.html(WIDE_ENOUGH)
    left, right = st.columns([5, 2], gap="medium")
    with left:
        if run is None:
            if not IN_TAB and not state.scheduler().warm:  # a tab's are compiled when it is made
                st.fragment(run_panel.preparing, run_every=TICK_S)()
            what_happens()
        else:
            learning = any(r.live for r in state.runs())
            if learning and not IN_TAB:
                live.part(header, None)(drawn)
            live.part(live_panel, live.every_s() if learning else None)(drawn, learning)
            next_steps.after_run(run)
            rewind.rewind(run)
            run_list(run)
    with right:
        recipe_form.recipe_form(data)
        if data is not None:
            sharing.share_recipe(recipe_form.recipe_or_none())


def what_happens() -> None:
    """Say what Start will show, while there is no run to show."""
    with st.container(border=True):
        st.markdown("## What you will see")
        st.write(
            "Choose a recipe and start it. Accuracy and loss appear here while the network learns. "
            "You can pause, go step by step, look at the weights on another page, and come back: "
            "the run goes on."
        )


st.title("Train", anchor=False)
recipe_form.remedy()
main()
