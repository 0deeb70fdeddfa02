"""Set again: after its server has ended, a visit has the data in hand that its run learnt from.

Named sets are taken from where they are, a visitor's own from the store of runs, where they are
kept as long as a run on them has not ended; of what is not there any more the page asks for.
"""

from __future__ import annotations

from dashboard.runs import lesson
from dashboard.runs.run import Run
from dashboard.store.keptruns import TEST, TRAIN, VALIDATION, WHOLE
from dashboard.store.runkeeper import RunKeeper
from dashboard.store.visits import Kept, Visit
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError

from . import sets
from .drawings import DIGITS
from .session import registry, this_visit


def take_in_hand(visit: Visit, token: str, keeper: RunKeeper) -> None:
    """Give a visit that has come back the data of the run it came by, or else say what it lacks.

    A visit with something in hand keeps that.
    """
    runs = {run.id: run for run in visit.runs}
    if visit.source is not None or visit.files or token not in runs:
        return
    place = _place(visit, runs[token])
    first = [runs.pop(token)]
    try:
        if place in (sets.FILES, sets.MINE):
            same = [run for run in reversed(runs.values()) if _place(visit, run) == place]
            _take_own(visit, place, first + same, keeper)
        elif place is not None:
            visit.named = sets.named(place)
            visit.source = place
    except EngineError as fault:
        visit.lacks = (
            f"{first[0].name} learnt from {first[0].data_name}, which is not here any more "
            f"({fault}): choose it again on the Data page. The run itself is here as it was."
        )


def _place(visit: Visit, run: Run) -> str | None:
    """Return where a run's data came from, before a lesson made anything wrong of them."""
    place = visit.run_sources.get(run.id)
    made = lesson.parts(place) if place else None
    return made[1] if made else place


def _take_own(visit: Visit, place: str, runs: list[Run], keeper: RunKeeper) -> None:
    """Take in hand what is kept for the first of these runs; raises EngineError without."""
    for run in runs:
        if (found := _whole(run, keeper)) is None:
            continue
        if place == sets.MINE:
            visit.mine = visit.mine or drawings_of(found[0])
            visit.kept = max(visit.kept, len(visit.mine))
        else:
            _take_files(visit, *found)
        visit.source = place
        return
    raise ConfigError("what is uploaded is kept until no run is left that could go on with it")


def _whole(run: Run, keeper: RunKeeper) -> tuple[Dataset, Dataset | None] | None:
    """Return what a visitor had in hand when a run began; None where that is not kept."""
    kept = keeper.sets(run)
    if WHOLE in kept:
        return kept[WHOLE], kept.get(TEST)
    if TRAIN in kept and run.recipe.validation in ("none", "test"):  # then nothing was held out
        return kept[TRAIN], kept.get(VALIDATION)
    return None


def _take_files(visit: Visit, train: Dataset, test: Dataset | None) -> None:
    file = registry().shelf.file_of(train, test)
    visit.files = [file]
    # It was trained on as it is: nobody is asked again whether it lies, or shines, otherwise.
    visit.upright |= {file.digest + mark for mark in ("", sets.LEFT_LIGHT, sets.KEPT_COLOURS)}


def drawings_of(data: Dataset) -> list[Kept]:
    """Return the drawings that a data set of them was made of, oldest first."""
    names = [data.class_names[label] for label in data.labels]
    pairs = zip(data.images, names, strict=True)
    return [Kept(id, image, name) for id, (image, name) in enumerate(pairs, 1) if name in DIGITS]


def lacking() -> str | None:
    """Return what this visit lacks of its runs' data, until it has something in hand."""
    visit = this_visit()
    chosen = visit is None or visit.source is not None or visit.files
    return None if visit is None or chosen else visit.lacks


def do_without() -> None:
    """Say no more what this visit lacks."""
    if visit := this_visit():
        visit.lacks = None
