"""Cost: where a run's time went, and how much of it was spent outside the kernels."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .. import kernels
from ..renamed import by_new_names

T = TypeVar("T")
PARTS = ("preparing", "steps", "gradient", "optimizer", "measuring")
PREPARING, STEPS, GRADIENT, OPTIMIZER, MEASURING = PARTS  # STEPS: both of the next, in one call


@dataclass(slots=True)
class Cost:
    """Seconds of a run: all that the engine was at work, and the parts spent in kernels.

    images: shown to the network in training. The first step may count what the compiler took.
    """

    images: int = 0
    parts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    _before: float = 0.0  # seconds of earlier events
    _since: float | None = None  # when the present one was asked for

    @property
    def seconds(self) -> float:
        """All the time while an event was asked for: a pause costs nothing."""
        now = 0.0 if self._since is None else time.perf_counter() - self._since
        return self._before + now

    def timed(self, events: Generator[T, None, None]) -> Generator[T, None, None]:
        """Yield the same events, and add up how long each took to come."""
        with closing(events):
            while True:
                self._since = time.perf_counter()
                try:
                    event = next(events)
                except StopIteration:
                    return
                finally:
                    self._before, self._since = self.seconds, None
                yield event

    def go_on(self, earlier: dict[str, Any]) -> None:
        """Add what a record keeps of the same run's time before it was interrupted."""
        self._before += earlier.get("seconds", 0.0)
        for part, spent in by_new_names(earlier.get("parts", {})).items():
            self.parts[part] += spent

    def add(self, part: str, started: float) -> None:
        """Add to a part the time since `started`, by time.perf_counter."""
        self.parts[part] += time.perf_counter() - started

    def as_dict(self) -> dict[str, Any]:
        """Return what a record keeps: numbers, the back end and how many threads it may use.

        outside_kernels: the share of the time, in [0, 1], that belongs to no part.
        """
        seconds = max(self.seconds, 1e-9)
        return {
            "images": self.images,
            "seconds": round(seconds, 6),
            "images_per_s": round(self.images / seconds),
            "parts": {part: round(spent, 6) for part, spent in self.parts.items()},
            "outside_kernels": round(max(0.0, 1 - sum(self.parts.values()) / seconds), 4),
            "kernels": kernels.name,
            "threads": kernels.threads(),
        }
