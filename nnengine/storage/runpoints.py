"""Run points: exact moments of kept runs, so that one is replayed from near any of its steps.

Each is a checkpoint of its own. They are the first to go where the store is full: without them a
run is replayed from its first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.network import Network
from ..data.limits import MAX_MODEL_BYTES
from ..errors import ConfigError
from ..training.state import TrainingState
from . import checkpoint
from .runsets import RunSets


class NotHeld(ConfigError):
    """A run is not this program's any more: somebody deleted it, or took it up elsewhere."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A run between two events.

    busy_s: seconds of work so far; seconds: by the run's own clock.
    """

    network: Network
    state: TrainingState
    busy_s: float
    seconds: float


class RunPoints(RunSets):
    """The exact moments in a store's file, each for as long as its run is kept."""

    def points(self, run: str) -> list[tuple[int, float, int]]:
        """Return (step, busy_s, bytes) of what is kept of a run, ascending by step."""
        return self._rows(
            "SELECT step, busy, LENGTH(packed) FROM points WHERE run = ? ORDER BY step", run
        )

    def point(self, run: str, step: int) -> Point | None:
        """Return a run as it stood after a step; None where that is not kept.

        Raises FormatError where it is damaged.
        """
        rows = self._rows(
            "SELECT packed, busy, seconds FROM points WHERE run = ? AND step = ?", run, step
        )
        if not rows:
            return None
        packed, busy_s, seconds = rows[0]
        return Point(*checkpoint.from_bytes(packed, max_bytes=MAX_MODEL_BYTES), busy_s, seconds)

    def keep_points(self, run: str, more: Sequence[Point], gone: Sequence[int] = ()) -> bool:
        """Keep more moments of a run, and let those after the steps `gone` go.

        Return whether there was room: moments of runs that nobody is at make it, nothing else.
        Raises NotHeld where the run is not this program's any more, ConfigError where weights are
        not finite.
        """
        packed = [(run, one.state.step, one.busy_s, one.seconds, _packed(one)) for one in more]
        with self._writing():
            self._held(run)
            self._base.executemany(
                "DELETE FROM points WHERE run = ? AND step = ?", [(run, step) for step in gone]
            )
            size = sum(len(row[-1]) for row in packed)
            self._let_go_of_points(size, "holder = ''")
            there_is_room = self._has_room(size)
            if there_is_room:
                self._base.executemany(
                    "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", packed
                )
        return there_is_room

    def _let_go_of_points(self, size: int, of: str = "TRUE") -> None:
        """Let moments go, inside a transaction, until there is room for so many bytes.

        They go run by run: first of those that nobody is at, and first of those kept longest ago.
        of: of which runs, as SQL has it.
        """
        runs = self._base.execute(
            f"SELECT id FROM runs WHERE {of} AND id IN (SELECT run FROM points) "
            "ORDER BY holder != '', kept"
        ).fetchall()
        while runs and not self._has_room(size):
            self._base.execute("DELETE FROM points WHERE run = ?", runs.pop(0))

    def _held(self, run: str) -> str:
        """Return whose run it is; raises NotHeld where another program has it by now."""
        row = self._base.execute("SELECT holder, owner FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise NotHeld(f"run {run} is kept no more: it was deleted")
        if row[0] != self._holder:
            raise NotHeld(f"run {run} is another program's: it was taken up elsewhere")
        return row[1]


def _packed(point: Point) -> bytes:
    return checkpoint.to_bytes(point.network, point.state)
