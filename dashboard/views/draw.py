"""Draw: a digit by hand, what networks see of it, what they answer, and how to teach them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.drawing_pad import clear_pad, drawing_pad
from dashboard.components.tiles import tiles
from dashboard.present import figures, units
from dashboard.sections import answers, lesson, sharing, tempo
from dashboard.store.picturefile import read_picture
from nnengine.data import framing, readers
from nnengine.errors import EngineError, FormatError

TICK_S = 1.0
PAD = "drawing-pad"
PEN_PX = 18  # on a pad of 280: digits that fill most of it are about as bold as MNIST's
BY_HAND, FROM_FILE = "Draw", "Picture file"
MOST_BUTTONS = 12  # of more classes one is chosen from a list
SIDE_BY_SIDE = 4
PER_PAGE = 60  # of my digits
OPENING = ("shipped:drawing", "shipped:original")  # side by side until something else is chosen


# What is drawn ---------------------------------------------------------------------------


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


def frame(pixels: np.ndarray | None) -> np.ndarray | None:
    """Return what is drawn as an image, uint8 (28, 28), or None for a blank sheet."""
    if pixels is None or framing.is_empty(pixels):
        return None
    return framing.to_image(pixels)


# What is answered ------------------------------------------------------------------------


def seen(image: np.ndarray, empty: bool, *, key: str = "draw.seen", tile_px: int = 168) -> None:
    """Show what a network sees, each of its pixels as a square."""
    size = f"{image.shape[0]} × {image.shape[1]}"
    what = "nothing yet" if empty else f"the drawing as light on dark, {size} pixels"
    tiles(
        figures.png(image), columns=1, shape=image.shape, captions=[f"{size} pixels"],
        labels=[f"What the network sees: {what}"], label="What the network sees",
        key=key, tile_px=tile_px,
    )  # fmt: skip


def no_network() -> None:
    """Say where a network comes from, in an installation that ships none."""
    with st.container(border=True):
        st.markdown("## No network to ask yet")
        st.write("Start a run or restore a saved network: it is then asked here.")
        with st.container(horizontal=True):
            st.page_link("views/train.py", label="Start a run", icon=":material/play_arrow:")
            st.page_link("views/models.py", label="Restore a model", icon=":material/folder_open:")


def invitation(blank: bool) -> str:
    """Say what to do for an answer; `blank` when there is a picture without anything on it."""
    if state.widget_value("draw.source") == FROM_FILE:
        if blank:
            return "Nothing stands out in this picture: choose one with more contrast."
        return "Choose a picture of a digit, and the answer appears here at once."
    return "**The sheet is blank.** Draw a digit, and the answer appears here as you lift the pen."


def cannot_read(network) -> None:
    """Say which networks can read drawings, and that this one cannot."""
    h, w = network.image_shape
    st.warning(
        f"This network takes {network.inputs:,} numbers in images of {h} × {w}: a drawing cannot "
        "be put into that shape. Networks trained on images between 8 and 64 pixels a side read "
        "drawings; those of 28 × 28, such as MNIST's, read them best."
    )
    st.page_link("views/models.py", label="Choose another network", icon=":material/folder_open:")


def reading(held, framed: np.ndarray | None, blank: bool) -> None:
    """Show what is seen, what is answered, and every probability."""
    network = held.network
    found = None if framed is None else answers.ask(held, framed)
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
    notes = [answers.right(held)] if found else []
    if network.image_shape != (28, 28):
        notes.append("Drawings are framed as MNIST's makers did, in 28 × 28, and brought to size.")
    if any(notes):
        st.caption(" ".join(notes))


def choose(held) -> None:
    """Offer every network there is to be asked."""
    names = {key: answers.named(one) for key, one in state.networks().items()}
    turn = f"draw.network.{held.key}"  # another key for another choice: Streamlit keeps its own
    picked = st.selectbox(
        "Network", list(names), index=list(names).index(held.key), key=turn, width=320,
        format_func=names.get, label_visibility="collapsed",
    )  # fmt: skip
    if picked != held.key:
        state.choose_network(picked)
        st.rerun()


# Teaching --------------------------------------------------------------------------------


def say(name: str) -> None:
    """Take down what the drawing is: kept, and taught if the network in hand is wrong about it."""
    held, framed = state.network(), state.get("draw.framed")
    if held is None or framed is None:
        return
    try:
        one = state.keep(framed, name)
    except state.Refused as fault:
        state.put("draw.fault", str(fault))
        return
    wrong = answers.ask(held, framed).name != name
    state.put("draw.pending", one.id if wrong else None)
    text = "" if wrong else f"Kept among my digits as {units.plain(name)}: it is read rightly."
    state.put("draw.said", (text, framed))


def again() -> None:
    """Ask for a lesson with all kept drawings."""
    state.put("draw.pending", 0)


def tell(held, framed: np.ndarray) -> None:
    """Offer to say what the drawing is: by a button, by a key, or from a list."""
    names, found = held.network.class_names, answers.ask(held, framed)
    state.put("draw.framed", framed)
    with st.container(border=True):
        st.markdown("**Is it right? Say what you drew, and the network learns it**")
        if len(names) <= MOST_BUTTONS:
            with st.container(horizontal=True, gap="xsmall", key="draw-tell"):
                for i, name in enumerate(names):
                    st.button(
                        units.plain(name), key=f"draw.tell.{i}", on_click=say, args=(name,),
                        type="primary" if i == found.first else "secondary",
                        shortcut=name if name in state.DIGITS else None,
                    )  # fmt: skip
                keep_button(found.name)
        else:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                name = st.selectbox("It is", names, index=found.first, key="draw.tell", width=240)
                st.button("Say so", on_click=say, args=(name,), key="draw.tell.list")
                keep_button(found.name)
        keys = " or its key" * (set(names) <= set(state.DIGITS))
        st.caption(
            said(framed)
            or f"Press the button{keys}. A wrong answer is put right in a second or two; a right "
            "one is kept among my digits."
        )


def keep_button(name: str) -> None:
    """Offer to keep the drawing as what it was answered to be."""
    st.button(
        f"Keep this {units.plain(name)}", on_click=say, args=(name,), key="draw.keep",
        type="tertiary", icon=":material/bookmark_add:",
    )  # fmt: skip


def said(framed: np.ndarray) -> str:
    """Return what became of this drawing when it was named, while it is the one on the sheet."""
    text, image = state.get("draw.said") or ("", None)
    return text if image is not None and np.array_equal(image, framed) else ""


def learn(held) -> None:
    """Give the lesson that was asked for; a click meanwhile begins it anew."""
    reason = state.get("draw.pending")
    if reason is None:
        return
    bar = st.progress(0.0, "Learning")
    try:
        lesson.give(held, lambda share, text: bar.progress(min(share, 1.0), text), reason or None)
    except EngineError as fault:
        state.put("draw.fault", str(fault))
    state.put("draw.pending", None)
    compare(state.network().key)
    st.rerun()


def outcome(held) -> None:
    """Show what the last lesson of the network in hand brought, and what it cost."""
    if fault := state.get("draw.fault"):
        st.error(units.plain(fault))
        state.put("draw.fault", None)
    if held.tuning is None:
        return
    taught = held.tuning.lesson
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown(
                f"**Taught in {taught.seconds:.1f} s** · a network of its own now; "
                f"the one it came from stays as it was"
            )
            if held.tuning.origin is not None:
                undo = state.undo_finetuning
                st.button("Undo this lesson", on_click=undo, icon=":material/undo:")
        count = len(taught.labels)
        left, right = st.columns(2)
        left.metric(
            "My digits read rightly", f"{taught.right_after} of {count}",
            f"{taught.right_before} of {count} before", delta_arrow="off", delta_color="off",
        )  # fmt: skip
        if taught.remembered_after is not None:
            right.metric(
                held.tuning.tested, f"{100 * taught.remembered_after:.2f} %",
                f"{100 * taught.remembered_before:.2f} % before, {lesson.forgotten(taught)}",
                delta_arrow="off", delta_color="off",
            )  # fmt: skip


# My digits -------------------------------------------------------------------------------


def my_digits(held) -> None:
    """Show the kept drawings with what the network says to them, and what can be done with them."""
    st.header("My digits")
    found = lesson.marks(held)
    if not found:
        st.caption(
            "None yet. Say what a drawing is, and it is kept here: to teach networks your hand, "
            "to download, and to train on."
        )
        return
    st.caption(f"{lesson.score(found).capitalize()} by {units.plain(held.name)}, newest first.")
    slices = units.pages(len(found), PER_PAGE)
    place = 0
    if len(slices) > 1:
        place = st.selectbox(
            "Drawings", range(len(slices)), width=200, key=f"draw.page.{len(slices)}",
            format_func=lambda i: f"{slices[i][0] + 1}–{slices[i][-1] + 1} of {len(found)}",
        )  # fmt: skip
    shown = [found[i] for i in slices[place]]
    chosen = state.get("draw.chosen")
    columns = min(12, len(shown))
    clicked = tiles(
        figures.png(figures.sheet(np.stack([m.kept.image for m in shown]), columns=columns)),
        columns=columns, shape=(28, 28), captions=[m.caption for m in shown],
        labels=[m.sentence for m in shown], ids=[m.kept.id for m in shown], selected=chosen,
        label="My digits; choose one to delete it", key="draw.mine", tile_px=56,
    )  # fmt: skip
    if clicked is not None and clicked != chosen:
        state.put("draw.chosen", clicked)
        st.rerun()
    actions(held, found, next((m for m in shown if m.kept.id == chosen), None))


def actions(held, found: list[lesson.Mark], chosen: lesson.Mark | None) -> None:
    """Offer to delete, download and teach the kept drawings."""
    with st.container(horizontal=True, gap="small"):
        if lesson.mine(held.network) is not None:
            st.button("Teach all of them", on_click=again, icon=":material/school:")
        st.button(
            f"Delete this {units.plain(chosen.kept.name)}" if chosen else "Delete one",
            on_click=state.delete_kept, args=(chosen.kept.id,) if chosen else (),
            disabled=chosen is None, icon=":material/delete:", key="draw.delete",
            help=None if chosen else "Choose one above first.",
        )  # fmt: skip
        with st.popover("Delete all", icon=":material/delete_sweep:"):
            st.write(f"All {len(found)} drawings of yours? Taught networks keep what they learnt.")
            st.button(
                "Delete all of them", key="draw.delete.all", type="primary",
                on_click=state.delete_kept, args=tuple(m.kept.id for m in found),
            )  # fmt: skip
        data = state.my_digits() or state.my_digits(held.network.class_names)
        if data is not None:
            st.download_button(
                "Download as IDX", lambda: readers.idx_files({"my-digits": data}),
                file_name="my-digits.zip", mime="application/zip", on_click="ignore",
                key="draw.download", icon=":material/download:",
                help="A zip of two gzipped IDX files, images and labels. As a data set of its "
                "own they stand on the Data page too.",
            )  # fmt: skip


# Side by side ----------------------------------------------------------------------------


def side_by_side(framed: np.ndarray | None) -> None:
    """Show what several networks answer to the same drawing."""
    st.header("Side by side")
    options = {k: v for k, v in state.networks().items() if answers.readable(v.network)}
    names = {key: answers.named(one) for key, one in options.items()}
    opening = [key for key in OPENING if key in options]
    state.set_widget("draw.models", opening, over=False)
    known = [key for key in state.widget_value("draw.models") or [] if key in options]
    state.set_widget("draw.models", known)
    picked = st.multiselect(
        "Networks to ask", list(options), key=state.widget("draw.models"),
        max_selections=SIDE_BY_SIDE, format_func=names.get,
        placeholder="Choose up to four networks",
    )  # fmt: skip
    if not picked:
        return
    for i, (column, key) in enumerate(zip(st.columns(len(picked)), picked, strict=True)):
        with column, st.container(border=True, height="stretch"):
            card(options[key], framed, i)


def compare(key: str) -> None:
    """Put one more network side by side, where there is room."""
    asked = state.widget_value("draw.models") or list(OPENING)
    if key not in asked and len(asked) < SIDE_BY_SIDE:
        state.set_widget("draw.models", [*asked, key])


def card(held, framed: np.ndarray | None, place: int) -> None:
    """Show one network's answer, small."""
    st.markdown(f"**{units.plain(held.name)}**")
    st.caption(units.summary(held.network))
    found = None if framed is None else answers.ask(held, framed)
    with st.container(horizontal=True, gap="small"):
        if found:
            with st.container(width=120):
                st.html(answers.headline(found, above="answers", small=True))
                if held.network.image_shape != (28, 28):
                    image = answers.seen(held.network, framed)
                    seen(image, False, key=f"draw.seen.{place}", tile_px=84)
        with st.container(width="stretch", key=f"draw-small-{place}"):
            st.html(answers.bars(held.network.class_names, found, small=True))


# The page --------------------------------------------------------------------------------


def page() -> None:
    """Draw the page; while the run in hand is live, ask it again every second."""
    held = state.network()
    st.html(answers.STYLE)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.title("Draw", width="content")
        if held is not None:
            choose(held)
    if held is not None:
        sharing.network_card(held)
    run = state.current_run()
    live = bool(run and run.live and held and held.kind == "run")
    sides = st.container(horizontal=True, gap="large")
    left, right = sides.container(width=300), sides.container(width="stretch")
    with left:
        pixels = source()
    framed = frame(pixels)

    def inside() -> None:
        now = state.network()
        steps = run.step if run and now.kind == "run" else None
        st.caption(units.plain(units.summary(now.network, steps)) + " · live" * live)
        if answers.readable(now.network):
            reading(now, framed, pixels is not None)
        else:
            cannot_read(now.network)
        if live and not run.live:
            st.rerun()  # the last weights have answered: stop the clock

    with right:
        if held is None:
            no_network()
            return
        tempo.part(inside, TICK_S if live else None)()
        learn(held)
        if framed is not None and answers.readable(held.network):
            tell(held, framed)
        outcome(held)
    my_digits(held)
    side_by_side(framed)
    if held is not None:
        st.page_link(
            "views/fragility.py", icon=":material/monitoring:",
            label="How far can a drawing be pushed?",
        )  # fmt: skip


page()
