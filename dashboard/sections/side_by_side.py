"""Side by side: what several networks answer to the same drawing."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.present import glossary, units
from dashboard.present.answers import bars, headline, readable, seen
from dashboard.present.outside import plain
from dashboard.sections import answers, network_choice
from dashboard.store.networks import Entry

MOST = 4
OPENING = ("shipped:drawing", "shipped:original")  # side by side until something else is chosen


def side_by_side(framed: np.ndarray | None) -> None:
    """Show what several networks answer to the same drawing."""
    st.header("Side by side")
    options = {k: v for k, v in state.networks().items() if readable(v.network)}
    names = network_choice.names(options)
    opening = [key for key in OPENING if key in options]
    state.set_widget("draw.models", opening, over=False)
    known = [key for key in state.widget_value("draw.models") or [] if key in options]
    state.set_widget("draw.models", known)
    picked = st.multiselect(
        "Networks to ask", list(options), key=state.widget("draw.models", options),
        max_selections=MOST, format_func=names.get,
        placeholder="Choose up to four networks", help=glossary.explained("Network"),
    )  # fmt: skip
    if not picked:
        return
    for i, (column, key) in enumerate(zip(st.columns(len(picked)), picked, strict=True)):
        with column, st.container(border=True, height="stretch"):
            _card(options[key], framed, i)


def add(key: str) -> None:
    """Put one more network side by side, where there is room."""
    asked = state.widget_value("draw.models") or list(OPENING)
    if key not in asked and len(asked) < MOST:
        state.set_widget("draw.models", [*asked, key])


def _card(held: Entry, framed: np.ndarray | None, place: int) -> None:
    """Show one network's answer, small."""
    st.markdown(f"**{plain(held.name)}**")
    st.caption(plain(units.summary(held.network)))
    found = None if framed is None else answers.ask(held, framed)
    with st.container(horizontal=True, gap="small"):
        if found:
            with st.container(width=120):
                st.html(headline(found, above="answers", small=True))
                if held.network.image_shape != (28, 28):
                    image = seen(held.network, framed)
                    answers.seen(image, False, key=f"draw.seen.{place}", tile_px=84)
        with st.container(width="stretch", key=f"draw-small-{place}"):
            st.html(bars(held.network.class_names, found, small=True))
