"""Check, from a run alone: what a curve or an accuracy allows, and what tells the causes apart."""

from __future__ import annotations

import re

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.present.outside import plain
from nnengine.errors import EngineError, FormatError
from nnengine.homework import fromcurve, reading

MOST_LETTERS = 200_000
_SAID = "check.said"
_NUMBER = r"[^\d\n+\-nNiI]{0,12}?([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"
_LOSS = re.compile(rf"(?:loss|cost)\w*{_NUMBER}", re.IGNORECASE)
_RIGHT = re.compile(rf"acc\w*{_NUMBER}", re.IGNORECASE)


def curve() -> None:
    """Ask for a curve or an accuracy, and rank what may be behind it."""
    with st.container(border=True):
        st.markdown("## Only a curve, or an accuracy?")
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
                placeholder="9.8",
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
        losses, shares = losses_in(text)
        if share is not None:
            shares = [share]
        return fromcurve.from_curve(losses, shares)
    except EngineError as fault:
        return str(fault).removeprefix("run: ")


def losses_in(text: str) -> tuple[list[float], list[float] | None]:
    """Return losses and accuracies of a log, a list or a table. Raises FormatError for none."""
    logged = [(_LOSS.search(line), _RIGHT.search(line)) for line in text.splitlines()]
    losses = [float(loss[1]) for loss, _ in logged if loss]
    if len(losses) > 1:
        shares = [float(right[1]) for loss, right in logged if loss and right]
        return losses, shares if len(shares) == len(losses) else None
    if text.lstrip().startswith("["):
        text = f"run = {text}"
    found, right = fromcurve.curve_in(reading.read(text.encode(errors="replace"), "run"))
    if not np.isfinite(found).any():
        raise FormatError("no loss of it is a number: give those before it failed too")
    return found.tolist(), None if right is None else right.tolist()


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
