"""Draw: a digit by hand, what the network sees of it, and what it answers."""

from __future__ import annotations

from html import escape

import numpy as np
import streamlit as st

from dashboard import figures, state, units, words
from dashboard.components.drawing_pad import clear_pad, drawing_pad
from dashboard.components.live_plot import live_plot
from dashboard.components.tiles import tiles
from dashboard.picturefile import read_picture
from nnengine import drawing
from nnengine.errors import FormatError

TICK_S = 1.0
PAD = "drawing-pad"
PEN_PX = 22  # on a pad of 280: digits that fill half of it get strokes as bold as MNIST's
BY_HAND, FROM_FILE = "Draw", "Picture file"

ANSWER = """<div role="status" style="line-height:1.1">
<div style="font-size:0.875rem;opacity:0.75">The network answers</div>
<div style="font-size:{size}rem;font-weight:650;overflow-wrap:anywhere">{name}</div>
<div style="font-size:0.875rem;margin-top:0.4rem;line-height:1.4">{words}</div></div>"""


def source() -> np.ndarray | None:
    """Offer pad and picture file; return the pixels of the one chosen, or None."""
    state.set_widget("draw.source", BY_HAND, over=False)
    way = st.segmented_control(
        "Source", [BY_HAND, FROM_FILE], key=state.widget("draw.source"),
        label_visibility="collapsed",
    )  # fmt: skip
    return from_file() if way == FROM_FILE else by_hand()


def by_hand() -> np.ndarray | None:
    """Show the pad with its pen and Clear; return what is drawn."""
    shown = st.container()  # the canvas goes above its tools, but reads their values
    state.set_widget("draw.pen", PEN_PX, over=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        width = st.slider(
            "Pen thickness", 8, 40, step=2, key=state.widget("draw.pen"), format="%d px", width=196
        )
        st.button("Clear", on_click=clear_pad, args=(PAD,), key="draw.clear")
    with shown:
        # The canvas's own tools appear above it: this line leaves them room.
        st.caption("One digit, of any size, anywhere on the sheet.")
        return drawing_pad(
            key=PAD,
            stroke_width=width,
            label="Drawing area for mouse, pen or finger. To answer by keyboard, choose "
            "Picture file.",
        )


def from_file() -> np.ndarray | None:
    """Take a picture file; return its pixels, or say beside it why there are none."""
    turn = state.get("draw.turn", 0)
    upload = st.file_uploader(
        "A picture of one digit, PNG or JPEG", key=f"draw.file.{turn}",
        help="Dark on light or light on dark. Crop it to the digit and plain paper around it.",
    )  # fmt: skip
    if upload is not None:
        raw = upload.getvalue()
        state.release_upload(upload)
        try:
            state.put("draw.picture", (upload.name, read_picture(upload.name, raw), None))
        except FormatError as fault:
            state.put("draw.picture", (upload.name, None, str(fault)))
        state.put("draw.turn", turn + 1)
        st.rerun()
    name, pixels, fault = state.get("draw.picture") or ("", None, None)
    if fault:
        st.error(units.plain(fault))
    if pixels is not None:
        # st.image has no alternative text, and its caption serves as one.
        st.image(pixels, caption=units.plain(name), width=280)
        st.button("Remove picture", on_click=state.put, args=("draw.picture", None))
    return pixels


def seen(image: np.ndarray, shape: tuple[int, int], empty: bool) -> None:
    """Show what the network sees, each of its pixels as a square."""
    size = f"{shape[0]} × {shape[1]}"
    what = "nothing yet" if empty else f"the drawing as light on dark, {size} pixels"
    with st.container(width=168):
        st.markdown("**What the network sees**")
        tiles(
            figures.png(image), columns=1, shape=shape, captions=[f"{size} pixels"],
            labels=[f"What the network sees: {what}"], label="What the network sees",
            key="draw.seen", tile_px=168,
        )  # fmt: skip


def answer(network, image: np.ndarray) -> None:
    """Show the answer in large letters, with the runner-up."""
    p = network.predict_proba(image)[0]
    first, second = np.argsort(-p)[:2]
    names = network.class_names
    st.html(
        ANSWER.format(
            size=6 if len(names[first]) <= 2 else 2,
            name=escape(names[first]),
            words=f"{words.share(p[first])}<br>"
            f"next {escape(names[second])}, {words.share(p[second])}",
        )
    )


def bars(network, image: np.ndarray) -> None:
    """Show the probability of every class."""
    p = network.predict_proba(image)[0]
    order = np.argsort(-p)[:3]
    spoken = ", ".join(f"{network.class_names[i]} {words.share(p[i])}" for i in order)
    live_plot(
        figures.probability_bars(p, network.class_names), key="draw.bars",
        label=f"Probability of each answer; the highest: {spoken}",
    )  # fmt: skip


def no_network() -> None:
    """Say where a network comes from."""
    with st.container(border=True):
        st.markdown("#### No network to ask yet")
        st.write(
            "Draw all the same: this is the image a network would get. For an answer, train a "
            "network or restore one; it is asked here while it learns."
        )
        with st.container(horizontal=True):
            st.page_link("views/train.py", label="Start a run", icon=":material/play_arrow:")
            st.page_link("views/models.py", label="Restore a model", icon=":material/folder_open:")


def invitation(blank: bool) -> str:
    """Say what to do for an answer; `blank` when there is a picture without anything on it."""
    if state.widget_value("draw.source") != FROM_FILE:
        return "Draw a digit, and the answer appears here at once."
    if blank:
        return "Nothing stands out in this picture: choose one with more contrast."
    return "Choose a picture of a digit, and the answer appears here at once."


def cannot_read(network) -> None:
    """Say which networks can read drawings, and that this one cannot."""
    h, w = network.image_shape
    st.warning(
        f"This network takes {network.inputs:,} numbers in images of {h} × {w}: a drawing cannot "
        "be put into that shape. Networks trained on images between 8 and 64 pixels a side read "
        "drawings; those of 28 × 28, such as MNIST's, read them best."
    )
    st.page_link("views/models.py", label="Restore another model", icon=":material/folder_open:")


def reading(held, pixels: np.ndarray | None) -> None:
    """Show what is seen and what is answered."""
    blank = pixels is None or drawing.is_empty(pixels)
    framed = np.zeros((28, 28), np.uint8) if blank else drawing.to_image(pixels)
    shape = held.network.image_shape if held else framed.shape
    readable = min(shape) >= 8 and max(shape) <= 64
    image = drawing.fit(framed, shape) if readable else framed
    with st.container(horizontal=True, gap="small"):  # the two fit side by side in 358 pixels
        seen(image, image.shape, blank)
        with st.container(width=160):
            if held and readable and not blank:
                answer(held.network, image)
            elif held and readable:
                st.write(invitation(pixels is not None))
    if held is None:
        no_network()
    elif not readable:
        cannot_read(held.network)
    elif not blank:
        bars(held.network, image)
    if held and readable and shape != (28, 28):
        st.caption(
            f"This network reads images of {shape[0]} × {shape[1]}: the drawing is framed as "
            "MNIST's makers did, in 28 × 28, and then brought to that size."
        )


def page() -> None:
    """Draw the page; while the run in hand is live, ask it again every second."""
    st.title("Draw")
    run, held = state.current_run(), state.network()
    live = bool(run and run.live and held and held.source == "run")
    sides = st.container(horizontal=True, gap="large")
    left, right = sides.container(width=300), sides.container(width="stretch")
    with left:
        pixels = source()

    @st.fragment(run_every=TICK_S if live else None)
    def inside() -> None:
        now = state.network()
        if now:
            text = f"**{units.plain(now.name)}** · {units.summary(now.network)}"
            st.caption(f"{text}{' · live' * live}")
        try:
            reading(now, pixels)
        except FormatError as fault:
            st.error(units.plain(str(fault)))
        if live and not run.live:
            st.rerun()  # the last weights have answered: stop the clock

    with right:
        inside()


page()
