"""Search words: a search and its candidates in sentences and as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.runs.race import Candidate, Race
from nnengine.searching import LAYERS
from nnengine.training.settings import SETTINGS

HEAD = ("Candidate", "Epochs", "Accuracy", "Loss")


def settings(drawn: Mapping[str, Any]) -> str:
    """Return what was drawn, in one line."""
    return ", ".join(f"{_name(name)} {_value(name, value)}" for name, value in drawn.items())


def _name(name: str) -> str:
    if name == LAYERS:
        return "layers"
    label = SETTINGS[name].label
    return label if label[1:2].isdigit() else label.lower()  # L2 stays L2


def _value(name: str, value: Any) -> str:
    if name == LAYERS:
        return str(value)
    return f"{value:g}" if isinstance(value, float) else SETTINGS[name].say(value)


def plan(rounds: Sequence[tuple[int, int]]) -> str:
    """Return how many candidates go how far, as a sentence."""
    first, *later = (
        f"{count} {'candidate trains' if count == 1 else 'candidates train'} to epoch {until}"
        if n == 0
        else f"the best {'one' if count == 1 else count} to epoch {until}"
        for n, (count, until) in enumerate(rounds)
    )
    return f"{', then '.join([first, *later])}."


def epochs(rounds: Sequence[tuple[int, int]]) -> int:
    """Return how many epochs all candidates train together."""
    ends = [0, *(until for _, until in rounds)]
    return sum(count * (ends[n + 1] - ends[n]) for n, (count, _) in enumerate(rounds))


def row(one: Candidate) -> tuple[str, ...]:
    """Return a candidate as a row under `HEAD`."""
    name, run = f"{one.number}: {settings(one.settings)}", one.run
    if run is None:
        return name, "0", "waits", ""
    epochs = f"{run.epoch:.1f}".removesuffix(".0")
    if run.state in ("diverged", "failed"):
        return name, epochs, run.state, ""
    if math.isnan(one.loss):
        return name, epochs, "begins", ""
    return name, epochs, f"{100 * one.accuracy:.2f}\u00a0%", f"{one.loss:.4f}"


def standing(race: Race) -> str:
    """Return where a search stands, as a sentence."""
    best = race.ranked[0]
    found = "" if math.isnan(best.loss) else (
        f" The best so far: candidate {best.number}, {100 * best.accuracy:.2f} %."
    )  # fmt: skip
    if race.state == "finished":
        if not found:
            return "All candidates diverged: let the learning rate be smaller."
        return f"Finished. Candidate {best.number} is the best: {100 * best.accuracy:.2f} %."
    begun = {"running": "Searching", "paused": "Paused", "stopped": "Stopped"}[race.state]
    rounds = f" in round {race.round + 1} of {len(race.plan)}" if len(race.plan) > 1 else ""
    return f"{begun}{rounds}.{found}"
