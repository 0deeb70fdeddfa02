"""Record: what a network remembers of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import kernels
from ..core.network import Network
from ..data.dataset import Dataset
from ..renamed import by_new_names
from .config import TrainingConfig
from .events import Evaluated, Event, History, TrainingFinished
from .timings import Cost


class Record:
    """What a network remembers of this run: kept up to date on it at every measurement."""

    def __init__(
        self,
        network: Network,
        dataset: Dataset,
        config: TrainingConfig,
        validation: Dataset | None,
        cost: Cost,
    ) -> None:
        self.network = network
        self.earlier = network.training
        self.sets = (dataset, validation)
        self.data: dict[str, Any] = {}
        self.cost = cost
        self.config = config
        self.history = History()
        self.steps = 0

    def go_on(self, step: int) -> None:
        """Take up what the network remembers of this very run, which is at `step`."""
        self.steps = step
        self.cost.images = self.config.images_after(step, len(self.sets[0]))
        run = self.earlier[-1] if self.earlier else {}
        if self._knows(run):
            self.earlier = self.earlier[:-1]
            self.history = History.from_dict(run["history"])
            self.cost.go_on(run.get("cost", {}))

    def _knows(self, run: Mapping[str, Any]) -> bool:
        """Tell whether a record is that of this run, as far as it had come."""
        settings = run.get("config")
        if isinstance(settings, Mapping):  # earlier versions had fewer of them
            settings = {**TrainingConfig().as_dict(), **by_new_names(settings)}
        known = (run.get("data_digest"), settings)
        begun = run.get("outcome") in ("unfinished", "stopped")
        return begun and known == (self.sets[0].digest, self.config.as_dict())

    def note(self, event: Evaluated, outcome: str = "unfinished") -> Evaluated:
        """Put the measurement on record and return it."""
        self.history.record(event)
        dataset, validation = self.sets
        run = {
            "data_digest": dataset.digest,
            "validation_digest": validation.digest if validation is not None else None,
            "seed": int(self.config.seed),
            "config": self.config.as_dict(),
            "steps": self.steps,
            "outcome": outcome,
            "kernels": kernels.name,
            "data": self.data,
            "cost": self.cost.as_dict(),
            "history": self.history.as_dict(),
        }
        self.network.training = (*self.earlier, run)
        return event

    def stop(self) -> None:
        """Put on record that the run was stopped, and after how many steps; unless it had ended.

        Whoever leaves the loop at the last event closes a run that is over.
        """
        run = self.network.training[-1] if len(self.network.training) > len(self.earlier) else {}
        if run.get("outcome") == "unfinished":
            run = {**run, "steps": self.steps, "outcome": "stopped"}
            self.network.training = (*self.earlier, run)

    def end(self, event: Event) -> Event:
        """Put the run's end on record and return it."""
        finished = isinstance(event, TrainingFinished)
        return self.note(event, "finished" if finished else "diverged")
