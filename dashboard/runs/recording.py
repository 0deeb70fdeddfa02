"""Recording: the moments of a run, copied between two of its steps and packed beside them."""

from __future__ import annotations

import logging
import math
import threading
import time

import numpy as np

from nnengine.core.network import Network
from nnengine.errors import ConfigError
from nnengine.storage.moments import Moments, bytes_of, most_within, plan

MOST_BYTES = 12_000_000  # of a run's moments: 100 of 784-128-10 are about 5
FEWEST = 4  # of a network that has room for no more than so many, none are kept
PACKING_SHARE = 0.005  # of the engine's time while a run is under way: a core of two costs more
MOST_WAITING = 48_000_000  # bytes of copies that are not packed yet, of a run that is alone
MOST_SHARED = 16_000_000  # of several together: a server's memory matters more than their speed
log = logging.getLogger(__name__)
# Of this thread alone: others train meanwhile. A tab has one, and no clock of it (Pyodide 0.29).
_clock = getattr(time, "thread_time", time.process_time)


def most_for(parameters: int) -> int:
    """Return how many moments of a network are kept; 0 where they would be too few to see by."""
    most = most_within(parameters, MOST_BYTES)
    return most if most >= FEWEST else 0


def room_for(parameters: int) -> int:
    """Return about how many bytes the moments of a run will take."""
    return bytes_of(most_for(parameters), parameters)


class Recording:
    """What is kept of one run. The engine's thread notes, any one thread at a time packs.

    `moments` are those that are packed; the methods know of copies that wait as well, which are
    exact. network: the untrained one. total_steps: of the run.
    """

    def __init__(self, network: Network, total_steps: int, step: int = 0) -> None:
        most = most_for(network.parameter_count)
        self.due = plan(total_steps, most) if most else []
        self._wanted, self._at = frozenset(self.due), 0
        self.moments = Moments(network)
        self._waiting: list[tuple[int, np.ndarray]] = []
        self._packing = threading.Lock()
        self._noted = -1
        self.packing_s = 0.0
        self.note(step, network.theta)

    @classmethod
    def again(cls, raw: bytes, network: Network, total_steps: int) -> Recording:
        """Return what was kept of a run of an earlier time, as `Moments.to_bytes` gave it.

        Raises FormatError where that is damaged or of another network.
        """
        found = cls(network, total_steps, step=-1)
        found.moments = Moments.from_bytes(raw, network)
        found._noted = found.moments.steps[-1] if len(found.moments) else -1
        return found

    @property
    def steps(self) -> list[int]:
        """After which steps the run can be seen, ascending."""
        waiting = list(self._waiting)  # looked at first: what is packed meanwhile is in both
        packed = self.moments.steps
        last = packed[-1] if packed else -1
        return [*packed, *dict.fromkeys(step for step, _ in waiting if step > last)]

    def theta(self, step: int) -> np.ndarray:
        """Return the weights after one of `steps`, frozen: float (parameters,).

        Raises ConfigError where they are not kept any more, FormatError where they came from a
        file and are damaged.
        """
        if (copied := dict(list(self._waiting)).get(step)) is not None:
            frozen = copied.view()
            frozen.flags.writeable = False
            return frozen
        return self.moments.theta(self._number(step))

    def network(self, step: int, like: Network) -> Network:
        """Return the network after one of `steps`, frozen, with the names and settings of `like`.

        Raises as `theta` does.
        """
        found = like.copy()
        found.theta[:] = self.theta(step)
        found.training = ({"steps": step},)
        return found.snapshot()

    def size(self, step: int) -> int:
        """Return how many bytes one of them takes now; raises ConfigError where it is gone."""
        copied = dict(list(self._waiting)).get(step)
        return self.moments.size(self._number(step)) if copied is None else copied.nbytes

    def _number(self, step: int) -> int:
        try:
            return self.moments.steps.index(step)
        except ValueError:
            raise ConfigError(f"the moment after step {step:,} is not kept any more") from None

    @property
    def nbytes(self) -> int:
        """How many bytes are held: moments, and copies that are not packed yet."""
        return self.moments.nbytes + self.waiting_bytes

    @property
    def waiting_bytes(self) -> int:
        """How many bytes copies take that are not packed yet."""
        return sum(theta.nbytes for _, theta in list(self._waiting))

    @property
    def waiting(self) -> int:
        """How many copies are not packed yet."""
        return len(self._waiting)

    def until_next(self, step: int) -> int | None:
        """Return how many steps may be taken at once from here, None where as many as you like."""
        due = self.due
        while self._at < len(due) and due[self._at] <= step:  # asked at every event
            self._at += 1
        return due[self._at] - step if self._at < len(due) else None

    def note(self, step: int, theta: np.ndarray, *, last: bool = False) -> None:
        """Copy the weights after `step` if they are due, or `last` of the run."""
        due = last or (step in self._wanted and step > self._noted)
        if self.due and due and np.isfinite(theta).all():  # others are no moment to be seen
            self._waiting.append((step, theta.copy()))
            self._noted = step

    @property
    def packing(self) -> bool:
        """Whether somebody packs just now."""
        return self._packing.locked()

    def pack(self, most: float = math.inf, *, wait: bool = False) -> None:
        """Pack copies that wait, oldest first, at most so many.

        wait: for somebody else who is at it; otherwise it is left to him.
        """
        if not self._packing.acquire(blocking=wait):
            return
        started = _clock()
        try:
            while self._waiting and most > 0:
                self.moments.add(*self._waiting[0])
                del self._waiting[0]  # only now: nothing is missing meanwhile
                most -= 1
        except Exception:  # a run is worth more than what is seen of it later
            log.exception("a moment could not be kept")
            self.due, self._waiting = [], []
        finally:
            self.packing_s += _clock() - started
            self._packing.release()
