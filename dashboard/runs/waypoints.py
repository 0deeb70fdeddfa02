"""Waypoints: exact moments of a run, so that it can be replayed from near any step, to the bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dashboard.host.tab import IN_TAB
from nnengine.core.network import Network
from nnengine.training.loop import KEEP_EVERY
from nnengine.training.state import TrainingState

EVERY_S = 2.0  # of the engine's work on a run, so that a replay takes no more
LATE_S = 4.0  # steps so slow that the next good weights are far: then at any step
MOST_BYTES = (48 if not IN_TAB else 24) << 20  # of one run; where it is longer they stand wider
_POINT_BYTES = 100  # of the record's curves: their lists; the numbers are the run's own


@dataclass(frozen=True, slots=True, eq=False)
class Waypoint:
    """A run between two events: weights and record, what the optimizer carries, and its clocks.

    busy_s: seconds the engine had been at work on it. seconds: by the run's own clock.
    """

    step: int
    network: Network
    arrays: Mapping[str, np.ndarray]
    busy_s: float
    seconds: float

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        record = self.network.training[-1] if self.network.training else {}
        points = len(record.get("history", {}).get("step", ()))
        arrays = sum(array.nbytes for array in self.arrays.values())
        return self.network.theta.nbytes + arrays + points * _POINT_BYTES

    def state(self) -> TrainingState:
        """Return a state that a run can go on with, its own."""
        return TrainingState(self.step, {name: one.copy() for name, one in self.arrays.items()})


class Waypoints:
    """The waypoints of one run, oldest first: the engine adds them, any thread may read."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.kept: tuple[Waypoint, ...] = ()  # replaced whole
        self.every_s = EVERY_S
        self._most = most_bytes

    @property
    def bytes(self) -> int:
        """How much memory all of them take."""
        return sum(one.bytes for one in self.kept)

    def due(self, step: int, busy_s: float) -> bool:
        """Return whether the moment is to be kept; after no step there is nothing to keep.

        Mostly where the loop, too, looks at weights that it may put back if the loss goes bad:
        a replay from there puts back the same.
        """
        last = self.kept[-1] if self.kept else None
        if not step or (last and step <= last.step):
            return False
        waited = busy_s - (last.busy_s if last else 0.0)
        late = step % KEEP_EVERY == 0 or waited >= self.every_s + LATE_S
        return waited >= self.every_s and late

    def add(self, network: Network, state: TrainingState, busy_s: float, seconds: float) -> None:
        """Keep a run as it stands between two events."""
        arrays = {name: one.copy() for name, one in state.arrays.items()}
        made = Waypoint(state.step, network.snapshot(), arrays, busy_s, seconds)
        self.kept = (*(one for one in self.kept if one.step < made.step), made)
        while self.bytes > self._most and self.thin():
            pass

    def inherit(self, other: Waypoints, step: int) -> None:
        """Take over what another run keeps of its first `step` steps."""
        self.kept = tuple(one for one in other.kept if one.step <= step)
        self.every_s = other.every_s

    def thin(self) -> bool:
        """Let every second one go, and keep fewer from now on; return whether any was there."""
        kept = self.kept
        self.kept, self.every_s = kept[1::2], 2 * self.every_s
        return bool(kept)

    def nearest(self, step: int) -> Waypoint | None:
        """Return the last one that is not behind `step`; None where none is."""
        return next((one for one in reversed(self.kept) if one.step <= step), None)
