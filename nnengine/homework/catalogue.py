"""The catalogue: every mistake that is known by its numbers, in the order of the lines."""

from __future__ import annotations

from . import (
    wrong_backward,
    wrong_biases,
    wrong_data,
    wrong_forward,
    wrong_slopes,
    wrong_steps,
)
from .formulas import NODES
from .mistake import Mistake

CATALOGUE: tuple[Mistake, ...] = tuple(
    sorted(
        (
            *wrong_data.MISTAKES,
            *wrong_forward.MISTAKES,
            *wrong_backward.MISTAKES,
            *wrong_slopes.MISTAKES,
            *wrong_biases.MISTAKES,
            *wrong_steps.MISTAKES,
        ),
        key=lambda mistake: NODES.index(mistake.node),
    )
)
BY_NODE: dict[str, tuple[Mistake, ...]] = {
    node: tuple(mistake for mistake in CATALOGUE if mistake.node == node) for node in NODES
}
NAMES: tuple[str, ...] = tuple(dict.fromkeys(mistake.name for mistake in CATALOGUE))
