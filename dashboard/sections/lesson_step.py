"""Lesson step: what one run of the lesson is, how it goes, and what the doctor says of it."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components.ladder import Rung, ladder
from dashboard.present import glossary, run_words
from dashboard.present.outside import plain
from dashboard.runs.fields import rows
from dashboard.runs.lesson import BY_KEY, ORIGINAL, STEPS, Step
from dashboard.runs.run import Run
from dashboard.sections import doctor, run_panel
from nnengine.errors import EngineError

AT, REFUSED = "lesson.at", "lesson.refused"


def at() -> int:
    """Return which step is looked at: the one gone to, else the last one that was begun."""
    chosen = state.get(AT)
    if chosen is not None:
        return chosen
    begun = [i for i, step in enumerate(STEPS) if state.lesson_run(step)]
    return begun[-1] if begun else 0


def go(to: int) -> None:
    """Look at a step, and start its run where there is none; what is refused is shown there."""
    step = STEPS[to]
    if state.lesson_run(step) is None:
        try:
            state.begin_step(step, _offered(step))
        except EngineError as fault:
            state.put(REFUSED, str(fault))
            return
    state.put(REFUSED, None)
    state.put(AT, to)


def look(to: int) -> None:
    """Look at a step without starting anything."""
    state.put(AT, to)


def _offered(step: Step) -> dict:
    """Return what the doctor's first change of the step that this one mends is; else none."""
    parent = state.lesson_run(BY_KEY[step.mends]) if step.mends else None
    found = doctor.findings(parent) if parent else None
    recipe = doctor.changed(parent, found[0]) if parent and found else None
    if parent is None or recipe is None:
        return {"learning_rate": ORIGINAL.learning_rate} if step.mends else {}
    return doctor.differing(parent.recipe, recipe)


def reached(run: Run | None) -> float | None:
    """Return the share of the test images that a run has right by its last measurement."""
    return run_words.last(run.history.val_accuracy) if run else None


def so_far(now: int) -> None:
    """List the steps with what each has come to here."""
    rungs = []
    for step in STEPS:
        run = state.lesson_run(step)
        share = reached(run)
        said = "" if run is None else ("training" if not run.ended else _percent(share))
        rungs.append(Rung(step.title, said, share))
    st.markdown("## What each run reached")
    ladder(rungs, now, "Steps of the lesson")
    st.caption("Of the test images, answered rightly. Each figure is that of a run trained here.")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}".replace("%", " %")


def intro(step: Step, run: Run | None) -> None:
    """Say which step this is, what was done, and by what it goes."""
    kind = "made wrong on purpose" if step.faulty else "mended" if step.mends else ""
    number = f"Step {STEPS.index(step) + 1} of {len(STEPS)}"
    st.caption(f"{number}, {kind}" if kind else number)
    st.markdown(f"## {step.title}", help=glossary.of_label(step.title))
    st.markdown(step.about)
    recipe = run.recipe if run else None if step.mends else step.recipe
    if run is not None and step.mends:
        _change(run, step)
    if recipe is not None:
        hidden = rows()["hidden"].say(recipe.hidden)
        st.caption(plain(f"Hidden layers {hidden}; {recipe.in_words()}, seed {recipe.seed}."))


def _change(run: Run, step: Step) -> None:
    """Say what is other than in the run that this one mends, and who proposed it."""
    parent = state.lesson_run(BY_KEY[step.mends])
    if parent is None:
        return
    found = doctor.findings(parent)
    offered = doctor.changed(parent, found[0]) if found else None
    who = "The doctor offered" if offered == run.recipe else "The doctor offers no change. Instead"
    st.markdown(f"{who}: **{plain(doctor.in_words(parent.recipe, run.recipe))}**")


def going(run: Run, step: Step) -> None:
    """Show the numbers and curves of a run, over those of the run that it mends."""
    other = state.lesson_run(BY_KEY[step.mends]) if step.mends else None
    if run.message and not run.ended:
        st.info(plain(run.message))
    run_panel.numbers(run, [other] if other else [])


def outcome(run: Run, step: Step) -> None:
    """Say what a run has come to, and what the doctor found."""
    if run.message:
        (st.error if run.state in ("diverged", "failed") else st.info)(plain(run.message))
    right, learnt = reached(run), run_words.last(run.history.train_accuracy)
    st.markdown(
        f"**{plain(_percent(right))}** of the test images are answered rightly, "
        f"{plain(_percent(learnt))} of the images it learnt from."
    )
    found = doctor.findings(run)
    if found:
        with st.container(border=True, key="lesson.doctor"):
            st.markdown("## Training doctor")
            doctor.said(found[0])
    elif step.faulty:
        st.caption("The training doctor finds no fault in this run.")
    else:
        st.caption("The training doctor finds nothing wrong.")


def ways_on(now: int, run: Run | None) -> None:
    """Offer what can be done next: begin, stop or go on with a run, step back and forth."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if now:
            st.button("Back", key="lesson.back", on_click=look, args=(now - 1,))
        if run is None:
            label = "Train it" if now else "Begin"
            st.button(label, key="lesson.next", type="primary", on_click=go, args=(now,))
        elif not run.ended:
            _commands(run)
        elif now + 1 < len(STEPS):
            st.button("Next", key="lesson.next", type="primary", on_click=go, args=(now + 1,))
            st.caption(f"{STEPS[now + 1].title}", width="content")
    if run is not None and run.ended and now + 1 == len(STEPS):
        _end()


def _commands(run: Run) -> None:
    engine = state.scheduler()
    if run.state == "paused":
        st.button(
            "Resume", key="lesson.resume", type="primary", on_click=run_panel.act,
            args=(engine.resume, run),
        )  # fmt: skip
    st.button(
        "Stop", key="lesson.stop", on_click=run_panel.act, args=(engine.stop, run),
        help="End this run for good. The lesson goes on with what it has come to.",
    )  # fmt: skip


def _end() -> None:
    """Say that this was the last step, and lead to where its runs can be looked into."""
    st.markdown(
        "That was the last step. Its runs are runs like any other: lay them on one chart, rewind "
        "them, look at their weights."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link("views/compare.py", label="Compare them", icon=":material/stacked_line_chart:")
        _anew()


def refused(why: str) -> None:
    """Say why a step could not begin, and offer the room that the lesson's own runs take."""
    st.warning(plain(why))
    if state.lesson_runs():
        _anew()


def _anew() -> None:
    st.button("Delete the lesson's runs and begin anew", key="lesson.anew", on_click=_begin_anew)


def _begin_anew() -> None:
    state.let_lesson_go()
    state.put(AT, 0)
    state.put(REFUSED, None)
