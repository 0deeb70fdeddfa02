"""Checks: what a visitor gave of a network of their own, kept with the visit and counted there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from dashboard.store.memory import arrays

from .session import pin, pinned, registry, visit_or_new

_KEPT = "Check"


def checked() -> Any:
    """Return what `keep_check` kept, or None."""
    return pinned(_KEPT)


def keep_check(value: Any, held: Sequence[np.ndarray]) -> None:
    """Keep what a page made of a visitor's arrays, which are held by it; None lets go of them."""
    pin(_KEPT, value, arrays(held))


@contextmanager
def room_to_check(wanted: int) -> Iterator[None]:
    """Keep room while arrays are checked; raises ConfigError, which says what is full."""
    with registry().budget.taking(visit_or_new(), wanted, "this check"):
        yield
