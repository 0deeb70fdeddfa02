"""Runs: start one, find the current one, let one go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.host.tab import HERE, IN_TAB
from dashboard.runs.fork import Plan, fork
from dashboard.runs.recipe import Recipe
from dashboard.runs.scheduler import Run
from dashboard.runs.work import Sets
from dashboard.store.budget import new_run_bytes
from dashboard.store.networks import MOST_LETTERS
from dashboard.store.visits import Visit
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError

from .session import bounds, registry, scheduler, select, selected, this_visit, visit_or_new
from .sets import sets_of, source, test_set, training_set


def runs() -> list[Run]:
    """Return this visit's runs, oldest first."""
    visit = this_visit()
    return list(visit.runs) if visit else []


def way_back() -> str | None:
    """Return what leads back to this visitor's runs or files; None without, and in a tab.

    A tab of the static site keeps them itself.
    """
    visit = None if IN_TAB else this_visit()
    return selected() if visit and (visit.runs or visit.files) else None


def current_run() -> Run | None:
    """Return the selected run."""
    return next((run for run in runs() if run.id == selected()), None)


def start_run(recipe: Recipe, *, name: str = "") -> Run:
    """Start a run on the visitor's data and select it; raises ConfigError with the way out."""
    visit = visit_or_new()
    _check_number(visit)
    return _start(visit, recipe, split_for(recipe), source(), name)


def begin_on(place: str, recipe: Recipe, *, name: str) -> Run:
    """Start a run on what a place holds, as `sets_of` reads it, and select it.

    Raises ConfigError with the way out.
    """
    visit = visit_or_new()
    _check_number(visit)
    return _start(visit, recipe, split(recipe, *sets_of(visit, place)[:2]), place, name)


def fork_run(run: Run, step: int, changes: Mapping[str, Any], *, name: str = "") -> Run:
    """Start a run again from a moment of it, with one thing changed, and select the new one.

    See `dashboard.runs.fork.fork`, which takes the same arguments; step 0: from the same start.
    Raises ConfigError with the way out, also where the data it learnt from are not here any more.
    """
    visit = visit_or_new()
    plan = fork(run, step, changes)
    _check_number(visit)
    place = visit.run_sources.get(run.id)
    sets = _sets_again(visit, run, plan.recipe, place)
    return _start(visit, plan.recipe, sets, place, name or plan.name, plan)


def _check_number(visit: Visit) -> None:
    if len(visit.runs) >= bounds().runs_per_visit:
        raise ConfigError(
            f"{len(visit.runs)} runs are kept already, as many as {HERE} holds for one "
            "visitor: delete one first"
        )


def _start(
    visit: Visit, recipe: Recipe, sets: Sets, place: str | None, name: str, plan: Plan | None = None
) -> Run:
    """Start a run on data from a place, and select it."""
    dataset, validation = sets
    data = (dataset,) if validation is None else (dataset, validation)
    with registry().budget.taking(visit, new_run_bytes(recipe, data, visit), "this run"):
        if place is not None:
            visit.run_sources[visit.reserved] = place  # before it begins: it is kept from then on
        run = scheduler().start(
            recipe,
            dataset,
            validation,
            owner=visit.owner,
            name=name.strip()[:MOST_LETTERS] or f"Run {len(visit.runs) + 1}",
            run_id=visit.reserved,
            plan=plan,
        )
        registry().add_run(visit, run)
    visit.networks.chosen = None
    select(run.id)
    return run


def source_of(run: Run) -> str | None:
    """Return where a run's data came from, as `source` says it; None where nobody knows."""
    visit = this_visit()
    return visit.run_sources.get(run.id) if visit else None


def _sets_again(visit: Visit, run: Run, recipe: Recipe, place: str | None) -> Sets:
    """Return what a run learns from and is judged by, for another one by this recipe.

    Raises ConfigError where its source holds other images by now, or none.
    """
    work = run.work  # read once: the engine may let go of it meanwhile
    if work is not None and recipe.validation == run.recipe.validation:
        return work.sets
    known = run.snapshot.training[-1].get("data_digest") if run.snapshot.training else None
    try:
        held = (training_set(), test_set()) if place is None else sets_of(visit, place)[:2]
        found = split(recipe, *held)
    except EngineError:
        found = None
    if found is None or known not in (None, found[0].digest):
        raise ConfigError(
            f"{run.name} learnt from {run.data_name}, which is not here any more as it was then: "
            "choose it again on the Data page"
        )
    return found


def split_for(recipe: Recipe) -> tuple[Dataset, Dataset | None]:
    """Return what a recipe trains on and is judged by; raises ConfigError without data."""
    return split(recipe, training_set(), test_set())


def split(
    recipe: Recipe, training: Dataset | None, test: Dataset | None
) -> tuple[Dataset, Dataset | None]:
    """Return what a recipe trains on and is judged by of these; raises ConfigError without."""
    if training is None:
        raise ConfigError("there is no training data: choose a set on the Data page")
    if recipe.validation == "none":
        return training, None
    if recipe.validation == "test":
        if test is None:
            raise ConfigError("there is no test set: hold out a share of the training data")
        return training, test
    return registry().shelf.split(training, float(recipe.validation))


def delete_run(run_id: str) -> None:
    """Stop a run and forget it; the latest other run becomes the current one."""
    visit = this_visit()
    run = next((run for run in visit.runs if run.id == run_id), None) if visit else None
    if visit and run:
        registry().drop_run(visit, run)
        visit.run_sources.pop(run_id, None)
        if selected() == run_id:
            select(visit.runs[-1].id if visit.runs else visit.reserved)
