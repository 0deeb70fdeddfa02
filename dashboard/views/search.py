"""Search: settings drawn from ranges, trained side by side, and the best of them for a run."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.sections import live, no_data, search_form, search_table

TICK_S = 1.0


def what_happens() -> None:
    """Say what a search will show, while there is none."""
    with st.container(border=True):
        st.markdown("## What you will see")
        st.write(
            "Choose which settings may vary and begin. Each candidate trains in its turn; a table "
            "ranks them by images held out, and you take the one you like to the Train page."
        )


def found() -> None:
    """Show the search in hand; it ticks while it goes on."""
    race = state.search()
    if race is None:
        what_happens()
        return
    drawn = race.state, race.message

    def inside() -> None:
        search_table.head(race)
        search_table.tried(race)
        if (race.state, race.message) != drawn:
            st.rerun()  # the clock starts or stops

    live.part(inside, TICK_S if race.state == "running" else None)()
    search_table.hand_on(race)


def page() -> None:
    """Draw the page."""
    st.title("Search", anchor=False)
    data = state.training_set()
    if data is None:
        if state.search() is None:
            no_data.no_data(
                "A search trains networks on images with their labels, and there are none yet.",
                "search.digits",
            )
        else:
            found()
        return
    left, right = st.columns([5, 3], gap="medium")
    with left:
        found()
    with right:
        search_form.search_form(data)


page()
