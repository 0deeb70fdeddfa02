"""Compare: runs on one chart, what differs in them, and one more with one thing changed."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.sections import compare_change, compare_runs, live

# On a phone the names of runs stand above the ways to draw them.
NARROW = "<style>div:has(> .st-key-compare-chosen) { min-width: min(100%, 20rem) }</style>"


def empty() -> None:
    """Say what is compared here, and lead to where runs begin."""
    with st.container(border=True):
        st.markdown("## No runs yet")
        st.write(
            "Runs are laid side by side here: their curves, what differs in their recipes, what "
            "they reached. Any of them can be run again from any of its steps with one thing "
            "changed."
        )
        st.page_link("views/train.py", label="Start a run", icon=":material/model_training:")


def situation() -> tuple:
    """Return what, when it changes, means that the whole page has to be drawn anew."""
    return tuple((run.id, run.state) for run in state.runs())


def page() -> None:
    """Draw the page; its curves tick while a run in them is live."""
    st.title("Compare", anchor=False)
    runs = state.runs()
    if not runs:
        empty()
        return
    drawn = situation()
    st.html(NARROW)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width="stretch", key="compare-chosen"):
            chosen = compare_runs.choose(runs)
        with st.container(width="content"):
            x = compare_runs.across()
    learning = any(run.live for run in chosen)

    def race() -> None:
        if situation() != drawn:
            st.rerun()
        compare_runs.race(chosen, x)

    live.part(race, live.every_s() if learning else None)()
    if chosen:
        found = compare_runs.compared(chosen)
        compare_runs.differences(found)
        compare_runs.many(found)
    compare_change.again(runs)


page()
