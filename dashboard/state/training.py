"""Runs: start one, find the current one, let one go."""

from __future__ import annotations

from dashboard.host.tab import HERE
from dashboard.runs.recipe import Recipe
from dashboard.runs.scheduler import Run
from dashboard.store.budget import new_run_bytes
from dashboard.store.networks import MOST_LETTERS
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError

from .session import bounds, registry, scheduler, select, selected, this_visit, visit_or_new
from .sets import source, test_set, training_set


def runs() -> list[Run]:
    """Return this visit's runs, oldest first."""
    visit = this_visit()
    return list(visit.runs) if visit else []


def current_run() -> Run | None:
    """Return the selected run."""
    return next((run for run in runs() if run.id == selected()), None)


def start_run(recipe: Recipe, *, name: str = "") -> Run:
    """Start a run on the visitor's data and select it; raises ConfigError with the way out."""
    visit = visit_or_new()
    if len(visit.runs) >= bounds().runs_per_visit:
        raise ConfigError(
            f"{len(visit.runs)} runs are kept already, as many as {HERE} holds for one "
            "visitor: delete one first"
        )
    dataset, validation = split_for(recipe)
    data = (dataset,) if validation is None else (dataset, validation)
    with registry().budget.taking(visit, new_run_bytes(recipe, data, visit), "this run"):
        visit.run_sources[visit.reserved] = source()  # before it begins: it is kept from then on
        run = scheduler().start(
            recipe,
            dataset,
            validation,
            owner=visit.owner,
            name=name.strip()[:MOST_LETTERS] or f"Run {len(visit.runs) + 1}",
            run_id=visit.reserved,
        )
        registry().add_run(visit, run)
    visit.networks.chosen = None
    select(run.id)
    return run


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
