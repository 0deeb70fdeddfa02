"""Turns: how often one session may have its pages drawn, and how many are drawn at a time.

So that others have theirs meanwhile, and the parts that tick theirs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A page that ticks asks twice a second, and whoever clicks fast five times for a moment.
BURST = 12.0
PER_S = 3.0
# All who ask for more than that stand in one line, however many sockets they ask through.
LINE_PER_S = 6.0
FULL_S = BURST / PER_S  # after which whoever asked for nothing has all that a newcomer has

# Whole pages, each 50 ms of the interpreter's and more: fifty that were drawn at once, when as many
# visitors came together, had every part that ticks wait for 1.7 s.
AT_A_TIME = 2
# What takes longer computes or reads, most of it outside the interpreter: it is counted no more.
LONG_S = 0.5


class Turns:
    """The drawings that each session has left. Any thread may call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # session -> drawings left, and when
        self._due: dict[str, float] = {}  # session -> its place in the line
        self._line_s = 0.0  # when the last in the line has its turn

    def wait_s(self, session: str) -> float:
        """Take a drawing of a session's; return how many seconds it has to wait for it.

        Whoever asks again while he waits keeps his place, and takes no second one.
        """
        with self._lock:
            now = self._clock()
            due = self._due.get(session, 0.0)
            if due > now:
                return due - now
            left, since = self._left.get(session, (BURST, now))
            left = min(BURST, left + (now - since) * PER_S) - 1
            if left >= 0:
                self._left[session] = left, now
                return 0.0
            self._line_s = max(self._line_s, now) + 1 / LINE_PER_S
            self._due[session] = self._line_s
            self._left[session] = 0.0, self._line_s  # while he stands there he gains none
            return self._line_s - now

    def prune(self) -> None:
        """Forget sessions that have all their drawings again."""
        with self._lock:
            now = self._clock()
            for session, (_, since) in list(self._left.items()):
                if now - since > FULL_S:
                    self._left.pop(session)
                    self._due.pop(session, None)


class Pages:
    """The whole pages that are drawn just now. Any thread may call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fewer = threading.Condition()
        self._since: dict[object, float] = {}

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a page drawn inside, once there are fewer than so many others."""
        ticket = object()
        with self._fewer:
            while (wait_s := self.wait_s()) > 0:
                self._fewer.wait(wait_s)
            self._since[ticket] = self._clock()
        try:
            yield
        finally:
            with self._fewer:
                del self._since[ticket]
                self._fewer.notify()

    def wait_s(self) -> float:
        """Return after how many seconds a page may be drawn, even where none has ended by then."""
        now = self._clock()
        counted = sorted(since for since in self._since.values() if now - since < LONG_S)
        return 0.0 if len(counted) < AT_A_TIME else counted[-AT_A_TIME] + LONG_S - now
