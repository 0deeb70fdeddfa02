"""Answers: what a network sees of a drawing, and what it says to it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.tiles import tiles
from dashboard.present import answers, glossary, pictures
from dashboard.present.answers import Answer
from dashboard.sections import temperature
from dashboard.sections.drawing import FROM_FILE
from dashboard.store.networks import Entry
from nnengine.core.network import Network

IN_GREY = (
    "This network looks at colours, and a drawing has none: it sees light grey on black, red, "
    "green and blue alike."
)


def ask(held: Entry, framed: np.ndarray) -> Answer:
    """Return what a network says to a framed drawing, uint8 (28, 28)."""
    asked = temperature.temperature(held).tempered or held.network
    p = asked.predict_proba(answers.seen(held.network, framed))[0]
    order = np.argsort(-p, kind="stable")
    none = answers.strange(held.network, framed, temperature.line(held))
    names = held.network.class_names
    return Answer(p, int(order[0]), int(order[min(1, len(p) - 1)]), names, none)


def seen(image: np.ndarray, empty: bool, *, key: str = "draw.seen", tile_px: int = 168) -> None:
    """Show what a network sees, each of its pixels as a square."""
    size = f"{image.shape[0]} × {image.shape[1]}"
    what = "nothing yet" if empty else f"the drawing as light on dark, {size} pixels"
    tiles(
        pictures.png(image), columns=1, shape=image.shape[:2], captions=[f"{size} pixels"],
        labels=[f"What the network sees: {what}"], label="What the network sees",
        key=key, tile_px=tile_px,
    )  # fmt: skip


def invitation(blank: bool) -> str:
    """Say what to do for an answer; `blank` when there is a picture without anything on it."""
    if state.widget_value("draw.source") == FROM_FILE:
        if blank:
            return "Nothing stands out in this picture: choose one with more contrast."
        return "Choose a picture of a digit, and the answer appears here at once."
    return "**The sheet is blank.** Draw a digit, and the answer appears here as you lift the pen."


def cannot_read(network: Network) -> None:
    """Say which networks can read drawings, and that this one cannot."""
    h, w = network.image_shape
    st.warning(
        f"This network takes {network.inputs:,} numbers in images of {h} × {w}: a drawing cannot "
        "be put into that shape. Networks trained on images between 8 and 64 pixels a side read "
        "drawings; those of 28 × 28, such as MNIST's, read them best."
    )
    st.page_link("views/models.py", label="Choose another network", icon=":material/folder_open:")


def reading(held: Entry, framed: np.ndarray | None, blank: bool) -> None:
    """Show what is seen, what is answered, and every probability."""
    network = held.network
    found = None if framed is None else ask(held, framed)
    sheet = np.zeros(network.image_shape, np.uint8)
    with st.container(horizontal=True, gap="small"):  # 168 and 160 stand together on a phone
        with st.container(width=168):
            st.html('<div class="nn-above">The network sees</div>')
            seen(sheet if framed is None else answers.seen(network, framed), framed is None)
        with st.container(width=160):
            if found:
                st.html(answers.headline(found))
            else:
                st.write(invitation(blank))
        with st.container(width="stretch", key="draw-bars"):
            st.html(answers.bars(network.class_names, found))
    notes = [temperature.basis(held)] if found else []
    if found and found.none:
        notes.append(temperature.price(held))
    if network.image_shape != (28, 28):
        notes.append("Drawings are framed as MNIST's makers did, in 28 × 28, and brought to size.")
    if network.channels > 1:
        notes.append(IN_GREY)
    if any(notes):
        st.caption(" ".join(notes), help=glossary.explained("Softmax", "Temperature"))
