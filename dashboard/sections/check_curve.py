"""Check, from a run alone: what a curve or an accuracy allows, and what tells the causes apart."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import glossary
from dashboard.present.outside import plain
from nnengine.errors import EngineError
from nnengine.homework import curvetext, fromcurve

MOST_LETTERS = 200_000
_SAID = "check.said"


def curve() -> None:
    """Ask for a curve or an accuracy, and rank what may be behind it."""
    with st.container(border=True):
        st.markdown("## Only a curve, or an accuracy?", help=glossary.explained("Accuracy"))
        left, right = st.columns([2, 3], gap="medium")
        with left, st.form("check.curve", border=False):
            text = st.text_area(
                "Losses, in order", key="check.losses", max_chars=MOST_LETTERS,
                placeholder="2.31\n2.30\n2.30",
                help="One a line, accuracies behind a comma if you have them, or the lines that "
                "your program prints: epoch 3, loss 2.30, acc 0.11.",
            )  # fmt: skip
            reached = st.number_input(
                "Accuracy reached, %", 0.0, 100.0, None, key="check.accuracy", format="%.1f",
                placeholder="9.8", help=glossary.explained("Accuracy"),
            )  # fmt: skip
            if st.form_submit_button("What may be wrong?"):
                state.put(_SAID, ranked(text, reached))
        with right:
            _told()


def ranked(text: str, percent: float | None) -> str | list[fromcurve.Candidate]:
    """Return causes, the likeliest first, or why there is nothing to rank."""
    share = None if percent is None else percent / 100
    try:
        if not text.strip():
            if share is None:
                return "Give losses, or an accuracy: one of the two is enough."
            return fromcurve.from_accuracy(share)
        losses, shares = curvetext.read(text)
        if share is not None:
            shares = [share]
        return fromcurve.from_curve(losses, shares)
    except EngineError as fault:
        return str(fault).removeprefix("run: ")


def _told() -> None:
    """Show what was ranked last."""
    said = state.get(_SAID)
    if isinstance(said, str):
        st.error(plain(said))
    elif said:
        st.markdown(plain(f"{said[0].evidence[:1].upper()}{said[0].evidence[1:]}."))
        st.markdown("\n".join(map(_line, said)))
        st.caption("A curve says no more. Save one step on the probe and check that.")
    elif said is not None:
        st.write("It learns as it should: nothing speaks for a mistake.")
    else:
        st.write(
            "A curve says far less than the arrays of a step do: several causes make the same one. "
            "They are ranked here, each with the experiment that tells it from the others."
        )


def _line(one: fromcurve.Candidate) -> str:
    return f"1. **{plain(one.name.replace('_', ' '))}**: {plain(one.experiment)}"
