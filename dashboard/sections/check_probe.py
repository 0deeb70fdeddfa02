"""Check, the probe: the batch and the weights to begin with, to download, and the formulas."""

from __future__ import annotations

import io
import zipfile

import streamlit as st

from dashboard import state
from dashboard.present import anatomy, checking
from dashboard.runs.fields import SOLUTIONS
from nnengine.homework import handing
from nnengine.homework.probe import Probe, probe

# Images and (pixels, hidden units, classes). A list, not fields: every probe that was asked for
# stays in memory, and the files of one of 784-128-10 are 12 MB before they are packed.
SIZES = {
    "784-10-10, 20 images": (20, (784, 10, 10)),
    "784-10-10, 5 images": (5, (784, 10, 10)),
    "784-32-10, 20 images": (20, (784, 32, 10)),
    "784-64-10, 20 images": (20, (784, 64, 10)),
    "784-128-10, 20 images": (20, (784, 128, 10)),
    "9-4-3, 4 images: to work out on paper": (4, (9, 4, 3)),
}
ROWS, COLUMNS = "rows", "columns"


def chosen() -> str:
    """Return which of SIZES is chosen: what arrays are held to."""
    return state.widget_value("check.sizes", next(iter(SIZES)))


def start(sizes: str) -> Probe | None:
    """Return the probe of these sizes; None for the usual, where the arrays themselves may say."""
    return None if sizes == next(iter(SIZES)) else probe(*SIZES[sizes])


def packed(sizes: str, solved: bool = True) -> bytes:
    """Return a zip of a probe's files: both conventions, for NumPy, MATLAB, tables and JSON.

    solved: with the sheet of formulas.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in handing.files(probe(*SIZES[sizes])).items():
            if solved or name != "formulas.md":
                archive.writestr(name, data)
    return stream.getvalue()


def begin() -> None:
    """Say how it goes, while nothing was given yet."""
    with st.container(border=True):
        st.markdown("## How it goes")
        st.markdown(
            "1. **Take the probe**: a few digits, their labels, and weights to start from.\n"
            "2. **Let your network take one step on it** and save what each line makes: Z1, A1, "
            "Z2, A2, dZ2, dW2 and so on, under your own names. Some of them are enough.\n"
            "3. **Give them here.** Each line is judged by your own inputs to it, so that one "
            "mistake does not accuse the lines behind it. Your code is never run."
        )
        sizes = _offer()
        if not state.hides(SOLUTIONS):
            with st.expander("The formulas of one step"):
                _formulas(sizes)


def again() -> None:
    """Offer the probe and its formulas once arrays are there."""
    hidden = state.hides(SOLUTIONS)
    with st.expander(f"The probe{'' if hidden else ' and its formulas'}",
                     icon=":material/download:"):  # fmt: skip
        sizes = _offer()
        if not hidden:
            _formulas(sizes)


def _offer() -> str:
    """Let sizes be chosen, and offer the probe of these; return which were chosen."""
    solved = not state.hides(SOLUTIONS)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sizes = st.selectbox(
            "Size of the probe", list(SIZES), key=state.widget("check.sizes", SIZES), width=320,
            help="Pixels, hidden units, classes. What you give is held to the probe chosen here. "
            "Other sizes: nnengine check --probe DIR --sizes D-H-C.",
        )  # fmt: skip
        st.download_button(
            "Download the probe", lambda: packed(sizes, solved), _file(sizes), "application/zip",
            on_click="ignore", key="check.probe", icon=":material/download:", type="primary",
        )  # fmt: skip
    st.caption(
        "A zip of .npz, .mat, JSON and CSV, with images as columns and as rows, "
        + ("a program in NumPy to begin with, and the sheet of formulas." if solved
           else "and a program in NumPy to begin with.")
    )  # fmt: skip
    return sizes


def _formulas(sizes: str) -> None:
    """Show the sheet of formulas, with images as columns or as rows."""
    state.set_widget("check.lies", COLUMNS, over=False)
    lies = st.segmented_control(
        "Formulas, with images as", (COLUMNS, ROWS), key=state.widget("check.lies", (COLUMNS, ROWS))
    )
    rows = checking.sheet(probe(*SIZES[sizes]), columns=lies != ROWS)
    st.html(anatomy.table(("Array", "Formula", "Shape"), rows, label="Formulas of one step"))


def _file(sizes: str) -> str:
    images, layers = SIZES[sizes]
    return f"probe-{'-'.join(map(str, layers))}-{images}-images.zip"
