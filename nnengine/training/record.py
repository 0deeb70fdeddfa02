"""Record: what a network remembers of a run, and where the run's time went."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..core.arithmetic import now
from ..core.network import Network
from ..data.dataset import Dataset
from .config import TrainingConfig
from .events import Evaluated, Event, History, TrainingDiverged, TrainingFinished
from .state import TrainingState

T = TypeVar("T")
PARTS = ("preparing", "steps", "gradient", "optimizer", "measuring")
PREPARING, STEPS, GRADIENT, OPTIMIZER, MEASURING = PARTS  # STEPS: both of the next, in one call


@dataclass(slots=True)
class Timings:
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
        clock = time.perf_counter
        with closing(events):
            while True:
                self._since = asked = clock()
                try:
                    event = next(events)
                except StopIteration:
                    return
                finally:
                    self._before += clock() - asked
                    self._since = None
                yield event

    def go_on(self, earlier: dict[str, Any]) -> None:
        """Add what a record keeps of the same run's time before it was interrupted."""
        self._before += earlier.get("seconds", 0.0)
        for part, spent in earlier.get("parts", {}).items():
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
            "kernels": now.back_end(),
            "threads": now.threads(),
        }


class Record:
    """What a network remembers of this run: kept up to date on it at every measurement."""

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        config: TrainingConfig,
        validation: Dataset | None,
        state: TrainingState,
    ) -> None:
        self.network = network
        self.earlier = network.training
        self.sets = (dataset, validation)
        self.config = config
        self.state = state
        self.data: dict[str, Any] = {}  # how they are read
        self.timings, self.history = Timings(), History()
        self.changes: list[Any] = []  # of settings, on the way: see `course`
        run = self.earlier[-1] if state.step and self.earlier else {}
        if self._knows(run):  # it was interrupted, and goes on
            self.earlier = self.earlier[:-1]
            self.history = History.from_dict(run["history"])
            self.timings.go_on(run.get("cost", {}))
            self.changes = run.get("changes", [])

    def _knows(self, run: Mapping[str, Any]) -> bool:
        """Tell whether a record is that of this run, as far as it had come."""
        settings = run.get("config")
        if isinstance(settings, Mapping):  # earlier versions had fewer of them
            settings = {**TrainingConfig().as_dict(), **settings}
        known = (run.get("data_digest"), settings)
        begun = run.get("outcome") in ("unfinished", "stopped") and "history" in run
        return begun and known == (self.sets[0].digest, self.config.as_dict())

    def kept(self, events: Generator[Event, None, None]) -> Generator[Event, None, None]:
        """Yield the same events; what they measure, and how the run ends, goes on record."""
        with closing(events):
            try:
                for event in events:
                    if isinstance(event, TrainingDiverged):
                        self._note(event, "diverged")
                    elif isinstance(event, Evaluated):
                        finished = isinstance(event, TrainingFinished)
                        self._note(event, "finished" if finished else "unfinished")
                    yield event
            except GeneratorExit:
                self._stop()
                raise

    def _note(self, event: Event, outcome: str) -> None:
        self.history.record(event)
        dataset, validation = self.sets
        self.timings.images = self.config.images_after(self.state.step, len(dataset))
        run = {
            "data_digest": dataset.digest,
            "validation_digest": validation.digest if validation is not None else None,
            "seed": int(self.config.seed),
            "config": self.config.as_dict(),
            "steps": self.state.step,
            "outcome": outcome,
            "kernels": now.back_end(),
            "data": self.data,
            "cost": self.timings.as_dict(),
            "history": self.history.as_dict(),
            **({"changes": self.changes} if self.changes else {}),
        }
        self.network.training = (*self.earlier, run)

    def _stop(self) -> None:
        """Put on record that the run was stopped, and after how many steps; unless it had ended.

        Whoever leaves the loop at the last event closes a run that is over.
        """
        run = self.network.training[-1] if len(self.network.training) > len(self.earlier) else {}
        if run.get("outcome") == "unfinished":
            run = {**run, "steps": self.state.step, "outcome": "stopped"}
            self.network.training = (*self.earlier, run)
