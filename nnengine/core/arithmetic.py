"""Arithmetic: who does the sums: the formulas as they stand in this package, or something quicker.

A function marked `@formula` may have others of its name, arguments and meaning: loops compiled for
this machine, say. Layers, losses and optimizers call `now`, whoever that is. Arrays are
C-contiguous; what a formula adds up is added to what its output arrays hold already, so that one
gradient can be gathered from many pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

FORMULAS = SimpleNamespace()  # by name, in NumPy: the reference
now = SimpleNamespace()  # those in use


def calmly(function: F) -> F:
    """Have a function compute as ever, whatever an import has told NumPy to do about errors."""

    @wraps(function)
    def calm(*arguments: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):  # a run that diverges is told by its loss
            return function(*arguments, **options)

    return calm  # type: ignore[return-value]


def formula(function: F) -> F:
    """Make a function one that others may stand in for; an underscore before its name is not."""
    name, function = function.__name__.lstrip("_"), calmly(function)
    setattr(FORMULAS, name, function)
    vars(now).setdefault(name, function)  # what is quicker may have come first: layers come late
    return function


def use(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Have these functions called from now on, and the formulas where there is none."""
    vars(now).update({**vars(FORMULAS), **functions})


@formula
def fan_out(work: Callable[[int], None], pieces: int) -> None:
    """Call work(0), work(1), ... for all pieces: here one after the other."""
    for piece in range(pieces):
        work(piece)


@formula
def back_end() -> str:
    """Return the name of those in use."""
    return "numpy"


@formula
def threads() -> int:
    """Return on how many threads they work; NumPy's own products may bring more."""
    return 1


def aligned_zeros(shape: Any, dtype: Any) -> np.ndarray:
    """Return zeros that begin at a cache line (64 bytes), as vectors like it."""
    size = int(np.prod(shape))
    spare = 64 // np.dtype(dtype).itemsize
    zeros = np.zeros(size + spare, dtype)
    start = -zeros.__array_interface__["data"][0] % 64 // zeros.itemsize
    return zeros[start : start + size].reshape(shape)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a contiguous view that cannot be written; the array itself keeps its flags.

    Compilers make a function anew for arrays that may be written and for those that may not: what
    is only read always comes this way.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
