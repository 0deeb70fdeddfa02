"""Searches: begin one, find it again, let it go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dashboard.runs.race import Race, candidates
from dashboard.runs.recipe import Recipe
from dashboard.store.budget import new_search_bytes
from nnengine.searching import Range

from .session import bounds, registry, scheduler, this_visit, visit_or_new
from .training import split_for

HELD_OUT = 0.1  # where a recipe holds out no share: the test set is not chosen by


def search() -> Race | None:
    """Return the search that this visitor began last."""
    visit = this_visit()
    return visit.race if visit else None


def held_out_share(recipe: Recipe) -> float:
    """Return the share of the training images by which candidates are compared."""
    return recipe.validation if isinstance(recipe.validation, float) else HELD_OUT


def start_search(base: Recipe, ranges: Sequence[Range], count: int, factor: int) -> Race:
    """Begin a search on the visitor's data in place of an earlier one; raises ConfigError.

    base: as `candidates` takes it. Everything is checked before anything is trained.
    """
    visit, base = visit_or_new(), replace(base, validation=held_out_share(base))
    sets = training, validation = split_for(base)
    found = candidates(base, ranges, count, bounds())
    for one in found:
        one.recipe.check(training, bounds())
    end_search()
    recipes = [one.recipe for one in found]
    data = (training,) if validation is None else (training, validation)
    wanted = new_search_bytes(recipes, data, visit)
    with registry().budget.taking(visit, wanted, "this search"):
        visit.race = Race(scheduler(), visit.owner, found, sets, factor)
        visit.race.go_on()
    return visit.race


def end_search() -> None:
    """Stop the search in hand, if any, and forget it."""
    visit = this_visit()
    if visit and visit.race:
        visit.race.stop()
        visit.race = None
