"""Follow: one byte of a file on its way through every layer to the answer, and back again."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import glossary, units, words
from dashboard.present.outside import plain
from dashboard.sections import follow_back, follow_choice, follow_forward, network_choice, why


def page() -> None:
    """Draw the page."""
    held = state.network()
    st.title("Follow")
    if held is None:
        network_choice.none_yet("No network yet", "Start a run, or restore a saved model. Then a"
                                " byte of an image can be followed through it here.")  # fmt: skip
        return
    st.write("One byte of a file, on its way through every layer to the answer, and back.")
    network = held.network
    network_choice.choose(held, "Network", width=320)
    st.caption(plain(units.summary(network)))
    chosen = follow_choice.choose(held, follow_choice.place())
    if chosen is None:
        return
    way, at = follow_choice.followed(network, chosen)
    dark = st.context.theme.type == "dark"
    found = way.softmax(at.label).probabilities
    best = int(found.argmax())
    is_ = "" if chosen.label is None else f"It is {network.class_names[chosen.label]}. "
    said = f"The network answers {network.class_names[best]}, {words.share(float(found[best]))}."
    st.markdown(f"**{plain(is_ + said)}**")
    st.header("Forwards", anchor=False, help=glossary.explained("Unit", "Activation", "Softmax"))
    st.caption("Any number opens: to its formula with these numbers in it, and to the line of the "
               "engine that computes it.")  # fmt: skip
    sides = st.container(horizontal=True)
    with sides.container(width=340):
        follow_forward.pixel(chosen, way, at)
    with sides.container(width="stretch", key="follow-byte"):
        follow_forward.byte(chosen, way, at)
    follow_forward.unit(way, at, dark)
    follow_forward.layers(way, at)
    follow_forward.answer(way, at)
    why.show(network, chosen.image, key="follow.why", on_draw=False)
    st.header("Backwards", anchor=False, help=glossary.explained("Gradient", "Step"))
    follow_back.backwards(way, at, dark)


page()
