"""Signs: of life, given while something takes long."""

from __future__ import annotations

import time

from .events import Event

PACE_S = 0.03  # between two of them


class Signs:
    """When the last event was handed over, and whether the next is due."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def due(self) -> bool:
        """Tell whether the last event is long ago."""
        return time.perf_counter() - self.last > PACE_S

    def give(self, event: Event) -> Event:
        """Return the event, and remember when: the clock starts as it is handed over."""
        self.last = time.perf_counter()
        return event
