"""Lessons: the visitor's runs that are steps of the lesson, on the data in hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.runs.lesson import BY_KEY, STEPS, Step, name_of, place
from dashboard.runs.run import Run
from nnengine.errors import ConfigError

from .sets import source, training_set
from .training import begin_on, delete_run, fork_run, runs, source_of


def lesson_run(step: Step) -> Run | None:
    """Return the run of a step on the data in hand, the latest of several; None without.

    Such a run is known by its name and by where its data came from: so it is found again after a
    reload, and after the server has ended meanwhile.
    """
    data = training_set()
    if data is None:
        return None
    wanted = name_of(step), place(wrong_of(step), source()), data.name
    for run in reversed(runs()):
        if (run.name, source_of(run), run.data_name) == wanted:
            return run
    return None


def wrong_of(step: Step) -> str:
    """Return what is wrong with the images of a step: one that mends another has that one's."""
    return BY_KEY[step.mends].wrong if step.mends else step.wrong


def lesson_runs() -> list[Run]:
    """Return all of this visit's runs that are steps of the lesson, on whatever data."""
    names = {name_of(step) for step in STEPS}
    return [run for run in runs() if run.name in names]


def begin_step(step: Step, changes: Mapping[str, Any] | None = None) -> Run:
    """Start the run of a step on the data in hand and select it.

    changes: of a step that mends another, what the doctor offers; such a run is a fork of the other
    at its first step. Raises ConfigError with the way out.
    """
    try:
        return _begun(step, changes)
    except ConfigError:
        if not _packed():
            raise
        return _begun(step, changes)


def _packed() -> bool:
    """Pack the moments of the lesson's runs that wait for it, which in a tab nobody did yet.

    Returns whether there were any: copies that wait take ten times the room.
    """
    waiting = [run.recording for run in lesson_runs() if run.recording and run.recording.waiting]
    for told in waiting:
        told.pack(wait=True)
    return bool(waiting)


def _begun(step: Step, changes: Mapping[str, Any] | None) -> Run:
    if not step.mends:
        return begin_on(place(step.wrong, source()), step.recipe, name=name_of(step))
    mended = lesson_run(BY_KEY[step.mends])
    if mended is None:
        raise ConfigError(f"train “{BY_KEY[step.mends].title}” first: this step mends it")
    return fork_run(mended, 0, changes or {}, name=name_of(step))


def let_lesson_go() -> None:
    """Delete the lesson's runs, so that it can begin anew."""
    for run in lesson_runs():
        delete_run(run.id)
