"""Rewinding: what the answers of a run's moments tell, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Mark:
    """Where in a run something happened: its step, and the few words that stand at it."""

    run: str
    step: int
    words: str


def right_for_good(answers: Sequence[int] | np.ndarray, wanted: int) -> int | None:
    """Return from which place on every answer is `wanted`; None where the last one is not."""
    wrong = np.flatnonzero(np.asarray(answers) != wanted)
    first = int(wrong[-1]) + 1 if len(wrong) else 0
    return first if first < len(answers) else None


def lapses(answers: Sequence[int] | np.ndarray, wanted: int) -> int:
    """Return how often the answers left `wanted` again, once they had come to it."""
    right = np.asarray(answers) == wanted
    return int(np.count_nonzero(right[:-1] & ~right[1:]))


def learnt(
    steps: Sequence[int], answers: Sequence[int] | np.ndarray, wanted: int, name: str
) -> str:
    """Return as a sentence when answers became `name`, class `wanted`, for good.

    steps: of the moments that were asked. What lies between two of them nobody has seen.
    """
    at = right_for_good(answers, wanted)
    if at is None:
        return f"It has not learnt it: the last answer is not {name}."
    if at == 0:
        return f"It answered {name} from the first moment on, before it had learnt anything."
    again = lapses(answers, wanted)
    before = ""
    if again:
        before = f" Before that it had come to {name} and left it {_times(again)}."
    since = f"between step {steps[at - 1]:,} and step {steps[at]:,}"
    if steps[at] - steps[at - 1] == 1:
        since = f"at step {steps[at]:,}"
    return f"It has answered {name} for good since {since}.{before}".replace("since at", "since")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def about(step: int, total: int, epoch: float, size: str, all_: str, count: int) -> str:
    """Return which moment is seen, and what it takes."""
    return (
        f"Step {step:,} of {total:,} · epoch {epoch:.2f} · this moment takes {size}, "
        f"all {count} of them {all_}"
    )
