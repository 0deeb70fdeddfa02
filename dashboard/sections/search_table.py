"""Search table: the candidates of a search, their curves, and one of them for the Train page."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.table import table
from dashboard.present import run_words
from dashboard.present.curves import curves as drawn
from dashboard.present.outside import plain
from dashboard.runs.race import Race
from dashboard.sections import recipe_form, search_words
from dashboard.sections.curves import classes_of

MOST_CURVES = 6  # at once; more could not be told apart


def head(race: Race) -> None:
    """Say where the search stands, with what can be done about it."""
    st.markdown(f"**{plain(search_words.standing(race))}**")
    if race.message:
        st.warning(plain(race.message))
    if race.ended:
        return
    st.progress(race.share, text=f"{100 * race.share:.0f} %")
    with st.container(horizontal=True):
        if race.state == "paused":
            st.button("Go on", key="search.on", type="primary", on_click=race.go_on)
        else:
            st.button("Pause", key="search.pause", on_click=race.pause)
        st.button("Stop", key="search.stop", on_click=race.stop)


def tried(race: Race) -> None:
    """Draw the table, the best first, and the curves of the best."""
    rows, label = map(search_words.row, race.ranked), "Candidates, the best first"
    table(search_words.HEAD, rows, label, numbers=True)
    shown = [one for one in race.ranked if one.run is not None and one.run.history.step]
    if not shown:
        return
    best = shown[:MOST_CURVES]
    curves = [(f"Candidate {one.number}", one.run.history) for one in best if one.run]
    classes = classes_of([one.run for one in best if one.run])
    st.markdown(f"## Accuracy of the best {len(best)}" if len(best) < len(shown) else "## Accuracy")
    live_plot(
        drawn(curves, "accuracy", x="epoch", classes=classes), key="search.curves",
        label=run_words.curve(curves, "accuracy", "epoch", classes),
    )  # fmt: skip


def hand_on(race: Race) -> None:
    """Offer to put the recipe of a candidate into the Train page's form."""
    by_number = {one.number: one for one in race.candidates}
    best = race.ranked[0].number if race.ended else 1
    key = state.choice("search.candidate", best)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            "Train a candidate on your own", list(by_number), index=best - 1, key=key,
            format_func=lambda n: f"{n}: {search_words.settings(by_number[n].settings)}",
        )  # fmt: skip
        if st.button("Train this one", key="search.take"):
            recipe_form.fill(by_number[number].recipe)
            st.switch_page("views/train.py")
