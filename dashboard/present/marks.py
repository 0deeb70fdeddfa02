"""Marks: how a network does on drawings that a visitor kept, and what a fine-tuning cost it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnengine.analysis.finetuning import FineTuning


@dataclass(frozen=True)
class Mark:
    """A kept drawing, uint8 (28, 28), beside what a network says to it; None: not of its kind."""

    id: int
    image: np.ndarray
    name: str
    answer: str | None

    @property
    def right(self) -> bool:
        """Whether the network is right."""
        return self.answer == self.name

    @property
    def caption(self) -> str:
        """What stands beneath it: "7 ✓", or "7 ✗ 1" when it is taken for a 1."""
        if self.answer is None:
            return self.name
        return f"{self.name} ✓" if self.right else f"{self.name} ✗ {self.answer}"

    @property
    def sentence(self) -> str:
        """What a screen reader says in its place."""
        if self.answer is None:
            return f"A drawn {self.name}"
        verdict = "read rightly" if self.right else f"taken for {self.answer}"
        return f"A drawn {self.name}, {verdict}"


def score(found: Sequence[Mark]) -> str:
    """Return how many of them the network in hand reads, in words."""
    judged = [mark for mark in found if mark.answer is not None]
    right = sum(mark.right for mark in judged)
    others = len(found) - len(judged)
    text = f"{right} of {len(judged)} read rightly" if judged else f"{len(found)} kept"
    return text + (f", {others} of other classes" if judged and others else "")


def forgotten(lesson: FineTuning) -> str:
    """Return in words what a lesson cost on the test images, in points of a hundred."""
    lost = 100 * ((lesson.remembered_before or 0) - (lesson.remembered_after or 0))
    if abs(lost) < 0.005:
        return "nothing forgotten"
    return f"{lost:.2f} points forgotten" if lost > 0 else f"{-lost:.2f} points gained"
