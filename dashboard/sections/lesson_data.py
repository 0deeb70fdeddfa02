"""Lesson data: which images it is about, and how to have Fashion-MNIST where it is not here."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present.outside import plain
from dashboard.sections import chooser, lesson_step
from nnengine.data import catalogue

FASHION = "fashion-mnist"
_WANTED, _HELD = "lesson.wanted", "lesson.held"


def choose() -> bool:
    """Offer the sets of the lesson; return whether the one shown is in hand, with a test set."""
    _forget_wish()
    offered = list(dict.fromkeys((FASHION, state.BUILT_IN, state.source())))
    shown = chooser.offer(offered, "lesson", "Images", then=_from_the_start)
    if shown != state.source():
        chooser.not_here(shown)
        st.page_link("views/data.py", label="Bring its files", icon=":material/database:")
        st.caption(
            "Its files are dropped on the Data page, and the lesson then goes on with them here. "
            "With the built-in digits, which need no file, it goes on at once."
        )
        return False
    if state.training_set() is None or state.test_set() is None:
        st.info("The lesson needs images to learn from and a test set. The Data page says more.")
        st.page_link("views/data.py", label="Choose data", icon=":material/database:")
        return False
    if shown != FASHION:
        _not_fashion()
    return True


def _forget_wish() -> None:
    """Ask no more for a set that is not here once other images were brought: those are meant."""
    data = state.training_set()
    held = data and (data.name, data.digest)
    if state.get(_WANTED) and state.get(_HELD, held) != held:
        state.put(_WANTED, None)
    state.put(_HELD, held)


def _not_fashion() -> None:
    """Say that figures are those of the set in hand."""
    data = state.training_set()
    if data is None or data.class_names == catalogue.describe(FASHION).class_names:
        return  # its files were dropped
    st.caption(
        f"All figures below are of these images ({plain(data.name)}). What ends near 26 % on "
        "Fashion-MNIST may end elsewhere here: a rate too high for those may suit these better."
    )


def _from_the_start() -> None:
    """Look at the first step, or the last one begun, of the set that was chosen."""
    state.put(lesson_step.AT, None)
