"""Lesson: faults made on purpose, one run each, the doctor's word on them, and the way upwards."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.sections import lesson_data, lesson_step, live

WIDE_ENOUGH = "<style>.st-key-lesson-steps { min-width: min(100%, 18rem) }</style>"


def intro() -> None:
    """Say what the lesson is about, and that its faults are made."""
    st.write(
        "The program that this one grew from reports 26.4 % for its network on Fashion-MNIST. Why, "
        "nobody wrote down. Here are faults by which such a network can end near there, **made on "
        "purpose**: each is trained here and now, the training doctor says what it finds, and what "
        "helps is tried. From there it goes on to better networks, up to one that has more than "
        "90 % of Fashion-MNIST's test images right."
    )


def situation(at: int) -> tuple:
    """Return what, when it changes, has the whole page drawn anew."""
    run = state.lesson_run(lesson_step.STEPS[at])
    return run and run.id, run and run.state


def step(at: int) -> None:
    """Show one step: what it is, what came of it, the way on, and its run as it goes."""
    one, drawn = lesson_step.STEPS[at], situation(at)
    run = state.lesson_run(one)
    lesson_step.intro(one, run)
    if refused := state.get(lesson_step.REFUSED):
        lesson_step.refused(refused)
    if run is not None and run.ended:
        lesson_step.outcome(run, one)
    lesson_step.ways_on(at, run)
    if run is None:
        return

    def inside() -> None:
        if situation(at) != drawn:
            st.rerun()
        lesson_step.going(run, one)

    live.part(inside, live.every_s() if run.live else None)()


def page() -> None:
    """Draw the page."""
    st.title("Lesson", anchor=False)
    intro()
    if not lesson_data.choose():
        return
    at = lesson_step.at()
    st.html(WIDE_ENOUGH)
    left, right = st.columns([5, 3], gap="medium")
    with left, st.container(border=True):
        step(at)
    with right, st.container(key="lesson-steps"):
        lesson_step.so_far(at)


page()
