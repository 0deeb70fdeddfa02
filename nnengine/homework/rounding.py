"""Rounding: how fine a learner's numbers are, so that they are held to that and to no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HALF, SINGLE, DOUBLE = (float(np.finfo(kind).eps) for kind in (np.float16, np.float32, np.float64))
DIGITS = range(2, 10)
LOOKED_AT = 500  # numbers of an array by which its grain is told


@dataclass(frozen=True, slots=True)
class Grain:
    """How fine an array is: `relative` to each number, and `absolute`, where it was printed so."""

    relative: float
    absolute: float = 0.0


def grain(array: np.ndarray) -> Grain:
    """Return how fine the numbers of an array are, by its type and by what digits they have.

    Numbers of single precision stay so when they are saved as doubles, and printed ones show
    how many digits were printed. Whole numbers, and fewer than eight others, tell nothing.
    """
    if array.dtype == np.float16:
        return Grain(HALF)
    if array.dtype == np.float32:
        return Grain(SINGLE)
    values = np.asarray(array, np.float64).ravel()
    values = values[np.isfinite(values) & (values != np.round(values))]
    values = values[:: 1 + values.size // LOOKED_AT]
    if values.size < 8:
        return Grain(DOUBLE)
    for kind, eps in ((np.float16, HALF), (np.float32, SINGLE)):
        with np.errstate(over="ignore"):
            if (values.astype(kind) == values).all():
                return Grain(eps)
    for digits in DIGITS:  # behind the point
        if (np.abs(np.round(values, digits) - values) < 1e-13 * np.abs(values)).all():
            return Grain(DOUBLE, 0.5 * 10.0**-digits)
    for digits in DIGITS:  # in all, as %.4e prints them
        unit = 10.0 ** (np.floor(np.log10(np.abs(values))) - digits + 1)
        with np.errstate(all="ignore"):
            same = np.abs(np.round(values / unit) * unit - values) < 1e-12 * np.abs(values)
        if same.all():
            return Grain(0.5 * 10.0 ** (1 - digits))
    return Grain(DOUBLE)


def shaken(array: np.ndarray, by: Grain, rng: np.random.Generator) -> np.ndarray:
    """Return the array with each number off by as much as its grain allows."""
    noise = rng.uniform(-1, 1, np.shape(array))
    with np.errstate(invalid="ignore"):
        return array + noise * (by.relative * np.abs(array) + by.absolute)


def spread(right: np.ndarray, others: list[np.ndarray], terms: int) -> np.ndarray:
    """Return by how much each number may be off: what shaking its inputs does to it, and room.

    others: the same computed from shaken inputs. terms: how many were summed; the order of a sum
    adds what grows with the root of their number (Higham 2002, section 4.2).
    """
    with np.errstate(invalid="ignore"):
        off = np.max([np.abs(other - right) for other in others], axis=0)
    moved = off[np.isfinite(off) & (off > 0)]
    moved = np.sort(moved[:: 1 + moved.size // LOOKED_AT])
    usual = float(moved[int(0.9 * (moved.size - 1))]) if moved.size else 0.0
    room = 8 + 2 * np.sqrt(terms)
    with np.errstate(invalid="ignore"):
        return room * usual + 4 * np.where(np.isfinite(off), off, 0.0)


def agree(found: np.ndarray, right: np.ndarray, off: np.ndarray | float) -> bool:
    """Tell whether two arrays are one to within `off`; what is not finite must be at one place."""
    if found.shape != np.shape(right):
        return False
    finite = np.isfinite(right)
    if not np.array_equal(np.isfinite(found), finite):
        return False
    if not np.array_equal(np.isnan(found), np.isnan(right)):
        return False
    with np.errstate(invalid="ignore"):
        return bool(
            (np.abs(found - right)[finite] <= np.broadcast_to(off, found.shape)[finite]).all()
        )
