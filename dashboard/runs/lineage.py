"""Lineage: which recipe a run went by after which step, and what it was forked from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dashboard.runs.fields import rows
from dashboard.runs.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Leg:
    """After `step` steps a run goes by `recipe`, until the next leg."""

    step: int
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a run was forked from: another's id and name, after which step, and what is other.

    changes: what the setting was and what it became, in words, by its name in a recipe.
    """

    run: str
    name: str
    step: int
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict)


Course = tuple[Leg, ...]  # the first leg begins at step 0


def recipe_at(course: Course, step: int) -> Recipe:
    """Return what the step after `step` steps goes by."""
    return next(leg.recipe for leg in reversed(course) if leg.step <= step)


def to_come(course: Course, step: int) -> Course:
    """Return the legs that begin later than after `step` steps."""
    return tuple(leg for leg in course if leg.step > step)


def joined(legs: Iterable[Leg]) -> Course:
    """Return the legs without those that change nothing; of one step the last counts."""
    found: list[Leg] = []
    for leg in legs:
        if found and found[-1].step == leg.step:
            found.pop()
        if not found or found[-1].recipe != leg.recipe:
            found.append(leg)
    return tuple(found)


def turns(course: Course) -> list[tuple[int, str]]:
    """Return after which step what became what, in words: (300, "learning rate 0.001")."""
    table, found = rows(), []
    for before, leg in pairwise(course):
        names = [n for n in table if getattr(before.recipe, n) != getattr(leg.recipe, n)]
        said = (f"{table[n].label.lower()} {table[n].say(getattr(leg.recipe, n))}" for n in names)
        found.append((leg.step, ", ".join(said)))
    return found


def as_plain(course: Course, origin: Origin | None, spent: Sequence[Any]) -> dict[str, Any]:
    """Return all of it as JSON holds it."""
    about: dict[str, Any] = {"course": [[leg.step, leg.recipe.as_dict()] for leg in course]}
    about["spent"] = [list(pair) for pair in spent]
    if origin is not None:
        about["origin"] = {
            "run": origin.run, "name": origin.name, "step": origin.step,
            "changes": {name: list(pair) for name, pair in origin.changes.items()},
        }  # fmt: skip
    return about


def from_plain(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `as_plain` was given, as fields of a run; none of what it does not say.

    Raises EngineError, KeyError, TypeError or ValueError for anything else.
    """
    found: dict[str, Any] = {}
    if legs := about.get("course"):
        course = tuple(Leg(int(step), Recipe.from_dict(recipe)) for step, recipe in legs)
        if course[0].step != 0:
            raise ValueError("a course that does not begin at step 0")
        found |= {"course": course, "recipe": course[-1].recipe}
    if "spent" in about:
        found["spent"] = tuple((int(step), float(s)) for step, s in about["spent"])
    if told := about.get("origin"):
        changes = {str(n): (str(a), str(b)) for n, (a, b) in told["changes"].items()}
        step, name = int(told["step"]), str(told["name"])
        found["origin"] = Origin(run=str(told["run"]), name=name, step=step, changes=changes)
    return found
