"""First steps: the pad, the answer and the scenes of the start page, and how to go on from them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components import scenes as screens
from dashboard.host.tab import IN_TAB
from dashboard.present import hosting, scenes
from dashboard.present.answers import bars, headline, readable, seen
from dashboard.sections import answers, chooser, drawing, temperature
from dashboard.store.networks import Entry

PROJECTOR, QUESTION = "projector", "question"  # what `?view=` may say; the latter hides the answer
BUILT_IN = "shipped:drawing"
_RANK, _MADE = "start.rank", "start.made"


def reader() -> Entry | None:
    """Return the built-in network for drawings, or the one in hand where the scenes fit it."""
    held = state.networks().get(BUILT_IN) or state.network()
    fits = held is not None and readable(held.network) and scenes.shows(held.network)
    return held if fits else None


def on_projector() -> bool:
    """Return whether the page is shown in large type."""
    return state.view() in (PROJECTOR, QUESTION)


def pad_and_answer(held: Entry) -> np.ndarray | None:
    """Show the pad with the answer beside it; return the framed drawing, None for a blank sheet."""
    sides = st.container(horizontal=True, gap="medium")
    with sides.container(width=300):
        framed = drawing.frame(drawing.by_hand(pen=False))
    with sides.container(width="stretch", key="start-answer"):
        found = None if framed is None else answers.ask(held, framed)
        if state.view() == QUESTION:
            st.write("**The answer is hidden.** What will it be?")
        elif found is None:
            st.write(answers.invitation(False))
            st.html(bars(held.network.class_names, None))
        else:
            with st.container(horizontal=True, gap="medium"):
                with st.container(width=160):
                    st.html(headline(found))
                with st.container(width="stretch", key="draw-bars"):
                    st.html(bars(held.network.class_names, found))
            if found.none:
                st.caption(temperature.price(held))
            asked = "Is it a digit all the same" if found.none else "Is it wrong"
            st.page_link("views/draw.py", icon=":material/draw:",
                         label=f"{asked}? Teach it on Draw")  # fmt: skip
    return framed


def heading(framed: np.ndarray | None) -> None:
    """Say whose digit the scenes show, and how they are turned."""
    whose = "your digit" if framed is not None else "a digit of ours, until you draw one"
    st.markdown(f"**On its way through the network:** {whose}. Press Next, or the right arrow key.")


def show(held: Entry, framed: np.ndarray | None) -> None:
    """Show the four scenes of the drawing, or of a built-in digit before there is one."""
    dark = st.context.theme.type == "dark"
    look = scenes.Look(
        yours=framed is not None, rank=state.get(_RANK, 0), hide=state.view() == QUESTION, dark=dark
    )
    image = seen(held.network, scenes.example() if framed is None else framed)
    asked = screens.scenes(
        _made(held, image, look), label="A digit on its way through the network",
        key="start.scenes", projector=on_projector(), dark=dark,
    )  # fmt: skip
    if asked == "unit":
        state.put(_RANK, look.rank + 1)
        st.rerun()


def _made(held: Entry, image: np.ndarray, look: scenes.Look) -> list[scenes.Scene]:
    """Return the scenes, made once for each image and way of showing them."""
    key = (image.tobytes(), look, held.network)
    before, made = state.get(_MADE, (None, None))
    if before != key:
        made = scenes.scenes(held.network, image, answers.ask(held, image), look)
        state.put(_MADE, (key, made))
    return made


def views() -> None:
    """Offer the scenes in large type, and there to hide the answer until it is asked for."""
    shown = state.view()
    with st.container(horizontal=True, vertical_alignment="center"):
        if not on_projector():
            st.button("Projector view", key="start.projector", icon=":material/present_to_all:",
                      on_click=state.view_as, args=(PROJECTOR,), type="tertiary")  # fmt: skip
            return
        st.button("Leave the projector view", key="start.ordinary", on_click=state.view_as,
                  args=(None,), icon=":material/close_fullscreen:")  # fmt: skip
        hidden = shown == QUESTION
        st.button("Show the answer" if hidden else "Hide the answer", key="start.question",
                  on_click=state.view_as, args=(PROJECTOR if hidden else QUESTION,),
                  icon=":material/visibility:" if hidden else ":material/visibility_off:",
                  help="The address says so too: it stays as it is when the page is opened "
                  "again.")  # fmt: skip


def train_your_own() -> None:
    """Lead to a network of one's own, of the built-in digits or of files."""
    st.header("Train your own")
    with st.container(horizontal=True, gap="medium"):
        with st.container(border=True, width=360, height="stretch"):
            st.markdown("**With the built-in digits**")
            st.write("12,000 of them come along: nothing to fetch, nothing to choose.")
            if st.button("Train on the built-in digits", type="primary", key="start.train",
                         icon=":material/play_arrow:"):  # fmt: skip
                state.use_source(state.BUILT_IN)
                st.switch_page("views/train.py")
        if not state.hides("data"):
            with st.container(border=True, width=360, height="stretch"):
                st.markdown("**With files of your own**")
                st.write("IDX as MNIST is published, CSV, .npz, .mat, Parquet, or a zip of "
                         "pictures.")  # fmt: skip
                if st.button("Bring your files", key="start.files",
                             icon=":material/upload_file:"):  # fmt: skip
                    chooser.take(state.FILES)
                    st.switch_page("views/data.py")
    st.caption(hosting.PROMISE_IN_TAB if IN_TAB else hosting.PROMISE)
