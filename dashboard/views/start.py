"""Start: a digit drawn and answered at once, its way through the network, and a way on."""

from __future__ import annotations

import streamlit as st

from dashboard.present.answers import STYLE
from dashboard.sections import first_steps, network_choice


def page() -> None:
    """Draw the page; on a projector the scenes come first."""
    held, large = first_steps.reader(), first_steps.on_projector()
    st.html(STYLE)
    st.title("Draw a digit, and see how a network reads it", anchor=False)
    if held is None:
        network_choice.none_yet("No network to ask yet", "Start a run or restore a saved"
                                " network: it is then asked here.")  # fmt: skip
        first_steps.train_your_own()
        return
    above = st.container() if large else None  # filled when it is known what is drawn
    framed = first_steps.pad_and_answer(held)
    with above or st.container():
        first_steps.heading(framed)
        first_steps.show(held, framed)
        first_steps.views()
    if not large:
        first_steps.train_your_own()


page()
