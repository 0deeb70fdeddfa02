"""Scratch: memory that a thread keeps from one call of a kernel to the next."""

from __future__ import annotations

import threading

import numpy as np

from ..numpy_ import aligned_zeros
from .simd import LANES

own = threading.local()  # of every thread


def kept(sizes: tuple[int, ...], role: str, count: int) -> np.ndarray:
    """Return float32 (count,) of this thread, with the values it had when last asked for.

    Zeros at first, which is all that `nothing`, the spare columns of theta and the rooms ever are.
    """
    known = own.__dict__.get(role)
    if known is None or known[0] != sizes or known[1].size < count:
        known = own.__dict__[role] = sizes, aligned_zeros(count, np.float32)
    return known[1][:count]


def _room(role: str, array: np.ndarray) -> np.ndarray:
    """Return an array of the same rows in whole vectors of sixteen: itself where they are.

    Else scratch of this thread, which begins at a cache line (vectors that straddle two cost a
    third more) and is used again: 3.6 of 34 ms an iteration went into fresh zeros. Its spare
    lanes stay zero, since whatever is stored there is a sum of zeros.
    """
    width = array.shape[-1]
    if width % LANES == 0:
        return array
    rows, wide = array.size // width, -(-width // LANES) * LANES
    known = own.__dict__.get((role, wide))
    if known is None or len(known) < rows:
        known = aligned_zeros((rows, wide), np.float32)
        own.__dict__[role, wide] = known
    return known[:rows].reshape(*array.shape[:-1], wide)


def filled(role: str, array: np.ndarray) -> np.ndarray:
    """Return `_room` that holds the array's values."""
    wide = _room(role, array)
    if wide is not array:
        wide[..., : array.shape[-1]] = array
    return wide


def bring_home(wide: np.ndarray, array: np.ndarray) -> None:
    """Copy what was computed in `_room` back to where it belongs."""
    if wide is not array:
        array[:] = wide[..., : array.shape[-1]]
