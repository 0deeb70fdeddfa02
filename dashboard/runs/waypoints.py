"""Waypoints: exact moments of a run, so that it can be replayed from near any step, to the bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dashboard.host.tab import IN_TAB
from nnengine.core.network import Network
from nnengine.training.loop import KEEP_EVERY
from nnengine.training.state import TrainingState

EVERY_S = 2.0  # of the engine's work on a run, so that a replay takes no more
LATE_S = 4.0  # steps so slow that the next good weights are far: then at any step
MOST_BYTES = (48 if not IN_TAB else 24) << 20  # of one run; where it is longer they stand wider
STORED_S = 3.0  # as above, of those that are kept on a disk
# Of one run there: of 784-512-256-10 with Adam a hundred, of 6 minutes of work, more than the 200
# epochs of MNIST that a page allows; beyond they stand wider. A disk has room for what memory has
# not, and moments go first where it is full.
STORED_BYTES = 640_000_000
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


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Waypoints on a disk: after which steps, ascending, and what reads one; None where it went."""

    steps: tuple[int, ...] = ()
    read: Callable[[int], Waypoint | None] = lambda step: None


class Waypoints:
    """The waypoints of one run, oldest first: the engine adds them, any thread may read.

    stored: those that are kept on a disk as well, or there alone.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.kept: tuple[Waypoint, ...] = ()  # replaced whole
        self.every_s = EVERY_S
        self.stored = Stored()
        self._most = most_bytes
        self._read: Waypoint | None = None  # from the disk, last

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
        self.every_s, self.stored = other.every_s, other.stored

    def thin(self) -> bool:
        """Let those go that are on a disk as well; return whether any was there.

        The last stays, by which the next is due. Where no other is on a disk every second one
        goes, and fewer are kept from now on.
        """
        kept, stored = self.kept, set(self.stored.steps)
        self.kept = (*(one for one in kept[:-1] if one.step not in stored), *kept[-1:])
        if len(self.kept) == len(kept):
            self.kept, self.every_s = kept[1::2], 2 * self.every_s
        return bool(kept)

    def nearest(self, step: int) -> Waypoint | None:
        """Return the last one that is not behind `step`; None where none is."""
        here = next((one for one in reversed(self.kept) if one.step <= step), None)
        for known in reversed(self.stored.steps):
            if known <= step and (here is None or known > here.step):
                if self._read is None or self._read.step != known:
                    self._read = self.stored.read(known)
                if self._read is not None:
                    return self._read
        return here


def to_store(
    stored: Sequence[tuple[int, float, int]], kept: Sequence[Waypoint]
) -> tuple[list[Waypoint], list[int]]:
    """Return which waypoints are to be stored now, and the steps of those that are to go.

    stored: (step, busy_s, bytes) of those that are there, as near to one another as there is room.
    """
    known = {one.step: (one.busy_s, one.bytes) for one in kept}
    known |= {step: (busy_s, size) for step, busy_s, size in stored}
    every_s, there = STORED_S, {step for step, _, _ in stored}
    chosen = _spaced(known, every_s)
    while sum(known[step][1] for step in chosen) > STORED_BYTES:
        every_s = max(2 * every_s, 0.1)
        chosen = _spaced(known, every_s)
    more = [one for one in kept if one.step in chosen and one.step not in there]
    return more, sorted(there - set(chosen))


def _spaced(known: Mapping[int, tuple[float, int]], every_s: float) -> list[int]:
    """Return steps between which there are so many seconds of work at least."""
    chosen, last_s = [], 0.0
    for step in sorted(known):
        if known[step][0] - last_s >= every_s:
            chosen.append(step)
            last_s = known[step][0]
    return chosen
