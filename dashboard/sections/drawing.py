"""Drawing: a digit by hand or from a picture file, and the image that networks are given of it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.drawing_pad import Sheet, drawing_pad
from dashboard.present.outside import plain
from dashboard.store.picturefile import read_picture
from nnengine.data import framing
from nnengine.data.paper import writing
from nnengine.errors import EngineError

PAD = "drawing-pad"
PEN_PX = 18  # on a pad of 280: digits that fill most of it are about as bold as MNIST's
BY_HAND, FROM_FILE = "Draw", "Picture file"


def source() -> np.ndarray | None:
    """Offer pad and picture file; return the pixels of the one chosen, or None."""
    state.set_widget("draw.source", BY_HAND, over=False)
    way = st.segmented_control(
        "Source", [BY_HAND, FROM_FILE], key=state.widget("draw.source"),
        label_visibility="collapsed",
    )  # fmt: skip
    return from_file() if way == FROM_FILE else by_hand()


def by_hand(*, pen: bool = True) -> np.ndarray | None:
    """Show the pad with Clear, and its pen where that can be chosen; return what is drawn.

    What is drawn is the same on every page; the canvas is another, to which strokes are handed.
    """
    key = PAD if pen else f"{PAD}-alone"
    sheet = state.get(PAD) or Sheet()
    state.put(PAD, sheet)
    shown = st.container()  # the canvas goes above its tools, but reads their values
    state.set_widget("draw.pen", PEN_PX, over=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        width = state.widget_value("draw.pen")
        if pen:
            width = st.slider(
                "Pen thickness", 8, 40, step=2, key=state.widget("draw.pen"), format="%d px",
                width=196,
            )  # fmt: skip
        st.button("Clear", on_click=sheet.clear, key="draw.clear")
    with shown:
        # Undo and Redo appear above the canvas, to the right: this line leaves them room.
        st.caption("One digit, of any size.")
        drawing_pad(
            sheet,
            key=key,
            in_page=state.in_page(sheet.widget(key)),
            stroke_width=width,
            label="Drawing area for mouse, pen or finger. To answer by keyboard, choose "
            "Picture file.",
        )
    return sheet.pixels


def from_file() -> np.ndarray | None:
    """Take a picture file; return its pixels, or say beside it why there are none."""
    turn = state.get("draw.turn", 0)
    upload = st.file_uploader(
        "A picture of one digit, PNG or JPEG", key=f"draw.file.{turn}",
        help="Dark on light or light on dark, on plain paper. "
        "WebP, AVIF, BMP, GIF and TIFF are read too.",
    )  # fmt: skip
    if upload is not None:
        try:
            with state.taken_up(upload) as (raw, _):
                pixels = read_picture(upload.name, raw)
                state.put("draw.picture", (upload.name, pixels, None, writing(pixels)))
        except EngineError as fault:
            text = str(fault)
            text = text if text.startswith(upload.name) else f"{upload.name}: {text}"
            state.put("draw.picture", (upload.name, None, text, None))
        state.put("draw.turn", turn + 1)
        st.rerun()
    name, pixels, fault, written = state.get("draw.picture") or ("", None, None, None)
    if fault:
        st.error(plain(fault))
    if pixels is not None:
        # st.image has no alternative text, and its caption serves as one.
        st.image(pixels, caption=plain(name), width=280)
        if written is not pixels:
            st.caption("What lies around the paper or across it, as a desk or a line, is left out.")
        st.button("Remove picture", on_click=state.put, args=("draw.picture", None))
    return written


def frame(pixels: np.ndarray | None) -> np.ndarray | None:
    """Return what is drawn as an image, uint8 (28, 28), or None for a blank sheet.

    One that was put on the pad is framed already, and stays as it is.
    """
    sheet = state.get(PAD)
    if sheet is not None and sheet.placed is not None and pixels is sheet.pixels:
        return sheet.placed
    if pixels is None or framing.is_empty(pixels):
        return None
    return framing.to_image(pixels)
