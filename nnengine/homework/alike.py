"""Alike: mistakes that no numbers tell apart, and those that only a probe's sizes make alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from .formulas import Terms
from .making import broken
from .mistake import Mistake
from .probe import Probe, probe

# Arrays; names of mistakes in their lines that give the same numbers whatever they are given; why.
FAMILIES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("loss", ("one_hot_all_ones", "loss_of_all_classes"),
     "with targets of one everywhere the sum runs over all classes"),
    ("dZ2", ("one_hot_all_zero", "delta_without_targets"), "A2 - 0 is A2"),
    ("dZ2", ("delta_of_probability_times_slope", "delta_of_right_class_alone"),
     "a target y is 0 or 1, so that (a - y) * y = -(1 - a) * y"),
    ("dW1 dW2", ("gradient_transposed", "gradient_reshaped"),
     "a square array has its own shape when it is turned; of another the first cannot be run"),
    ("db2", ("bias_gradient_one_number", "bias_gradient_one_mean"),
     "deltas of softmax sum to 0 over the classes, so that both are 0 but for rounding"),
    ("db2", ("bias_gradient_divided_by_units", "divided_by_classes_too"),
     "the units of the last layer are the classes"),
    ("dZ1", ("slope_missing", "mask_not_strict"), "answers of ReLU are never below 0"),
    ("W1_new b1_new W2_new b2_new", ("updated_for_each_image", "not_divided"),
     "N steps of a mean are one step of a sum"),
    ("W2_new b2_new", ("not_updated", "gradient_summed_in_step"),
     "deltas of softmax sum to 0 over the classes, and so does the gradient: nothing changes"),
)  # fmt: skip
OTHER_IMAGES, OTHER_SIZES = 23, (49, 12, 7)  # in which no two numbers are equal, or a multiple


def why_alike(nodes: Collection[str], names: Collection[str]) -> str | None:
    """Return why these mistakes always give the same numbers in these arrays; None otherwise."""
    for where, family, why in FAMILIES:
        if set(nodes) <= set(where.split()) and set(names) <= set(family):
            return why
    return None


def same(some: dict[str, np.ndarray] | None, others: dict[str, np.ndarray] | None) -> bool:
    """Tell whether two programs save the same numbers, but for rounding of double precision.

    That is 1e-9 of each, and 1e-12 of the largest beside it, where sums come to nothing; None, of a
    program that cannot be run, is like nothing.
    """
    if some is None or others is None or some.keys() != others.keys():
        return False
    for name, one in some.items():
        other = others[name]
        finite = np.abs(one[np.isfinite(one)])
        small = 1e-12 * float(finite.max()) if finite.size else 0.0
        small += 1e-15 if name.startswith(("db", "loss")) else 0.0  # may be sums that are all 0
        if one.shape != other.shape or not np.allclose(one, other, 1e-9, small, equal_nan=True):
            return False
    return True


def told_by_sizes(mistakes: Sequence[Mistake], terms: Terms, nodes: Collection[str]) -> bool:
    """Tell whether each of these gives other numbers in these arrays on a probe of other sizes."""
    start: Probe = probe(OTHER_IMAGES, OTHER_SIZES)
    made = [broken([m], terms, start=start) for m in mistakes]
    if any(saved is None for saved in made):
        return False
    kept = [{node: saved[node] for node in nodes if node in saved} for saved in made if saved]
    return not any(same(a, b) for n, a in enumerate(kept) for b in kept[:n])
