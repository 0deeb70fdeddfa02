"""Fork: a run's beginning up to some step, and from there on one thing changed.

Between a run and its fork nothing else differs: the same weights after that step, the same memory
of the optimizer, the same shuffles, distortions and dropout from there on. It is replayed from the
nearest exact moment that is kept (`waypoints`), or from the first step. A fork with nothing changed
ends with its parent's bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.runs.fields import rows
from dashboard.runs.lineage import Course, Leg, Origin, joined, recipe_at
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from dashboard.runs.waypoints import Waypoint, Waypoints
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.errors import ConfigError

# What acts from the first step alone: another network, other images, steps of another length.
AT_START = ("hidden", "activation", "initializer", "batch_size", "validation")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fork is to be: its course, where its replay begins, and what it comes from.

    waypoint: None where the replay begins with the first step.
    """

    course: Course
    waypoint: Waypoint | None
    origin: Origin
    parent: Run

    @property
    def recipe(self) -> Recipe:
        """What the fork goes by in the end."""
        return self.course[-1].recipe

    @property
    def replayed(self) -> int:
        """How many steps are taken again before anything is other."""
        return self.origin.step - (self.waypoint.step if self.waypoint else 0)

    @property
    def name(self) -> str:
        """What to call it: its parent's name, what is other, and from where on."""
        table, others = rows(), self.origin.changes.items()
        parts = [f"{table[n].label.lower()} {after or 'none'}" for n, (_, after) in others]
        if self.origin.step:
            parts.append(f"from step {self.origin.step:,}")
        return ", ".join([self.origin.name.split(", ")[0], *(parts or ["again"])])

    def inherited(self) -> Waypoints:
        """Return the waypoints that the fork shares with its parent."""
        found = Waypoints()
        found.inherit(self.parent.waypoints, self.origin.step)
        return found


def fork(run: Run, step: int, changes: Mapping[str, Any]) -> Plan:
    """Return the plan of `run` once more, with `changes` after its first `step` steps.

    Pages call `state.fork_run(run, step, changes)`, which takes the same arguments, finds the data
    and starts the run. step 0: from the same start, seed and shuffles, so that anything may be
    other; later the settings of `AT_START` may not. changes: values by the names of a `Recipe`'s
    fields, such as {"learning_rate": 0.001}; none: the same run again. Settings that were changed
    after `step` in the parent are changed in the fork too, unless `changes` says otherwise. Raises
    ConfigError, with the way out, for what cannot be.
    """
    if not 0 <= step <= run.step:
        raise ConfigError(
            f"{run.name} has come to step {run.step:,}: fork it after a step from 0 to that"
        )
    before, asked = recipe_at(run.course, step), _asked(changes)
    after = replace(before, **asked)
    if step:
        _check(run, step, before, after)
    earlier = [leg for leg in run.course if leg.step < step]
    later = [leg for leg in run.course if leg.step > step]
    course = joined(
        [
            *earlier,
            Leg(step, after),
            *(Leg(one.step, replace(one.recipe, **asked)) for one in later),
        ]
    )
    origin = Origin(
        run=run.id, name=run.name, step=step,
        changes=_words([before, *(leg.recipe for leg in later)], after, asked),
    )  # fmt: skip
    return Plan(course, run.waypoints.nearest(step), origin, run)


def _words(
    parents: Sequence[Recipe], after: Recipe, names: Iterable[str]
) -> dict[str, tuple[str, str]]:
    """Return what of these is another setting than the parent's from there on, in words."""
    table, before = rows(), parents[0]
    return {
        name: (table[name].say(getattr(before, name)), table[name].say(getattr(after, name)))
        for name in names
        if any(getattr(one, name) != getattr(after, name) for one in parents)
    }


def _asked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes; of epochs and iterations the one given takes over from the other."""
    table = rows()
    if unknown := [name for name in changes if name not in table]:
        raise ConfigError(f"{unknown[0][:40]} is no setting: there are {', '.join(table)}")
    asked = dict(changes)
    for one, other in (("epochs", "iterations"), ("iterations", "epochs")):
        if asked.get(one) is not None:
            asked.setdefault(other, None)
    if "hidden" in asked:
        asked["hidden"] = Recipe(hidden=asked["hidden"]).hidden  # widths are layers, too
    return asked


def _check(run: Run, step: int, before: Recipe, after: Recipe) -> None:
    """Raise ConfigError for what cannot change on the way."""
    other = [name for name in AT_START if getattr(before, name) != getattr(after, name)]
    if stuck := [rows()[name].label for name in other]:
        raise ConfigError(f"{', '.join(stuck)}: acts from the first step on; fork after step 0")
    had, wanted = OPTIMIZERS[before.optimizer].remembers, OPTIMIZERS[after.optimizer].remembers
    if missing := [name for name in wanted if name not in had]:
        raise ConfigError(
            f"{after.optimizer} goes on from its {' and '.join(missing)}, which {before.optimizer} "
            "has not gathered: fork after step 0"
        )
    if after.early_stopping and not before.early_stopping:
        raise ConfigError(
            "early stopping ends with the best weights of a run, and none were kept so far: fork "
            "after step 0"
        )
    total = after.config(run.data_count).total_steps(run.data_count)
    if total < step:
        raise ConfigError(
            f"the run would end at step {total:,}, before step {step:,}: make it longer"
        )
