"""Tell: a visitor says what a drawing is; it is kept, and the network taught that misread it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.present.answers import Answer
from dashboard.present.marks import forgotten
from dashboard.present.outside import SHORT, plain, shown
from dashboard.sections import answers, finetuning, side_by_side
from dashboard.store.networks import Entry
from nnengine.errors import EngineError

MOST_BUTTONS = 12  # of more classes one is chosen from a list
_ASKED = "Is it right? Say what you drew, and the network learns it"
_NONE = "Is it a digit all the same? Say which, and the network learns it"
_BOTH = "A wrong answer is put right in a second or two; a right one is kept among my digits."


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
    found = answers.ask(held, framed)
    wrong = found.name != name
    state.put("draw.pending", one.id if wrong else None)
    how = "it would be read so" if found.none else "it is read rightly"
    text = "" if wrong else f"Kept among my digits as {plain(name)}: {how}."
    state.put("draw.said", (text, framed))


def again() -> None:
    """Ask for a lesson with all kept drawings."""
    state.put("draw.pending", 0)


def tell(held: Entry, framed: np.ndarray) -> None:
    """Offer to say what the drawing is: by a button, by a key, or from a list."""
    names, found = held.network.class_names, answers.ask(held, framed)
    state.put("draw.framed", framed)
    with st.container(border=True):
        st.markdown(f"**{_NONE if found.none else _ASKED}**")
        if len(names) <= MOST_BUTTONS:
            with st.container(horizontal=True, gap="xsmall", key="draw-tell"):
                for i, name in enumerate(names):
                    st.button(
                        plain(name, SHORT), key=f"draw.tell.{i}", on_click=say, args=(name,),
                        type="primary" if i == found.first and not found.none else "secondary",
                        shortcut=name if name in state.DIGITS else None,
                    )  # fmt: skip
                _keep_button(found)
        else:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                name = st.selectbox("It is", names, index=found.first, key="draw.tell", width=240,
                                    format_func=shown)  # fmt: skip
                st.button("Say so", on_click=say, args=(name,), key="draw.tell.list")
                _keep_button(found)
        keys = " or its key" * (set(names) <= set(state.DIGITS))
        st.caption(
            _said(framed)
            or f"Press the button{keys}. "
            + ("Anything else needs no name." if found.none else _BOTH)
        )


def _keep_button(found: Answer) -> None:
    """Offer to keep the drawing as what it was answered to be, unless it was taken for none."""
    if found.none:
        return
    st.button(
        f"Keep this {plain(found.name, SHORT)}", on_click=say, args=(found.name,), key="draw.keep",
        type="tertiary", icon=":material/bookmark_add:",
    )  # fmt: skip


def _said(framed: np.ndarray) -> str:
    """Return what became of this drawing when it was named, while it is the one on the sheet."""
    text, image = state.get("draw.said") or ("", None)
    return text if image is not None and np.array_equal(image, framed) else ""


def learn(held: Entry) -> None:
    """Give the lesson that was asked for; a click meanwhile begins it anew."""
    reason = state.get("draw.pending")
    if reason is None:
        return
    bar = st.progress(0.0, "Learning")
    try:
        finetuning.finetune(
            held, lambda share, text: bar.progress(min(share, 1.0), text), reason or None
        )
    except EngineError as fault:
        state.put("draw.fault", str(fault))
    state.put("draw.pending", None)
    side_by_side.add(state.network().key)
    st.rerun()


def outcome(held: Entry) -> None:
    """Show what the last lesson of the network in hand brought, and what it cost."""
    if fault := state.get("draw.fault"):
        st.error(plain(fault))
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
                plain(held.tuning.tested), f"{100 * taught.remembered_after:.2f} %",
                f"{100 * taught.remembered_before:.2f} % before, {forgotten(taught)}",
                delta_arrow="off", delta_color="off",
            )  # fmt: skip
