"""Draw: a digit by hand, what networks see of it, what they answer, and how to teach them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.present import maps, units
from dashboard.present.answers import STYLE, readable, seen
from dashboard.present.follow import SHEET, At
from dashboard.present.outside import plain
from dashboard.sections import (
    answers,
    drawing,
    follow_choice,
    live,
    my_digits,
    network_choice,
    next_steps,
    sharing,
    side_by_side,
    tell,
    way,
    why,
)
from nnengine.core.network import Network

TICK_S = 1.0


def answer(held: state.Entry, framed: np.ndarray | None, blank: bool) -> None:
    """Show what the network in hand says; while its run is live, ask it again every second."""
    run = state.run_of(held)
    learning = bool(run and run.live)

    def inside() -> None:
        now = state.network()
        steps = run.step if run and now.key == held.key else None
        st.caption(plain(units.summary(now.network, steps)) + " · live" * learning)
        if readable(now.network):
            answers.reading(now, framed, blank)
            layers_of(now.network, framed)
            if framed is not None:
                follow_choice.link("Follow it from its bytes to the answer", At(source=SHEET))
        else:
            answers.cannot_read(now.network)
        if learning and not run.live:
            st.rerun()  # the last weights have answered: stop the clock

    live.part(inside, TICK_S if learning else None)()


def layers_of(network: Network, framed: np.ndarray | None) -> None:
    """Offer what the layers make of the drawing, where they have maps to show."""
    if framed is None or not maps.stages(network):
        return
    with st.expander("What each layer makes of it"):
        way.of_drawing(network, seen(network, framed), "draw.maps")


def page() -> None:
    """Draw the page."""
    held = state.network()
    st.html(STYLE)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.title("Draw", width="content")
        if held is not None:
            network_choice.choose(held, "Network", width=320, hide_label=True)
    if held is not None:
        sharing.network_card(held)
    sides = st.container(horizontal=True, gap="large")
    left, right = sides.container(width=300), sides.container(width="stretch")
    with left:
        pixels = drawing.source()
    framed = drawing.frame(pixels)
    with right:
        if held is None:
            network_choice.none_yet("No network to ask yet", "Start a run or restore a saved"
                                    " network: it is then asked here.")  # fmt: skip
            return
        answer(held, framed, pixels is not None)
        tell.learn(held)
        if framed is not None and readable(held.network):
            tell.tell(held, framed)
            next_steps.after_answer()
        tell.outcome(held)
    why.of_drawing(held, framed)
    my_digits.my_digits(held)
    side_by_side.side_by_side(framed)
    st.page_link(
        "views/fragility.py", icon=":material/monitoring:", label="How far can a drawing be pushed?"
    )


page()
