"""Fragility: how far images can be changed before a network misreads them, and how to mend it."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import glossary
from dashboard.sections import live, robustness

TICK_S = 0.35


def empty(title: str, text: str) -> None:
    """Say why nothing can be measured, and lead to where that is mended."""
    with st.container(border=True):
        st.markdown(f"## {title}")
        st.write(text)
        with st.container(horizontal=True):
            st.page_link("views/data.py", label="Choose data", icon=":material/database:")
            st.page_link("views/models.py", label="Choose another network",
                         icon=":material/folder_open:")  # fmt: skip


def page() -> None:
    """Draw the page; it ticks while something is left to measure or a run in it is live."""
    st.title("Fragility", help=glossary.explained("Robustness"))
    st.write("How far can images be changed before a network misreads them?")
    held = state.network()
    if held is None:
        empty("No network yet", "Train a network or restore one: it is then examined here.")
        return
    everyone = robustness.choose(held)
    found = robustness.examination(held.network)
    if found is None:
        empty("No images for this network", "Those in hand are of another size, or of other "
              "classes than it knows.")  # fmt: skip
        return
    watch = robustness.watch()
    ticking = robustness.learning(everyone) or bool(watch.follow(everyone, found[0]))

    def inside() -> None:
        left = robustness.measured(everyone, *found, watch)
        if ticking and not (left or robustness.learning(everyone)):
            st.rerun()  # all is drawn: stop the clock

    live.part(inside, TICK_S if ticking else None)()


page()
