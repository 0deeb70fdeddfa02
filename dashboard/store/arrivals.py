"""Arrivals: uploads that Streamlit holds until a page reads them, counted, bounded and let go of.

Streamlit keeps whatever is sent to its upload address until the session ends, whether or not a
page is ever told of it. Here every such file is asked for room first; one without keeps its name
and its reason, and the page it was meant for says so.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashboard.store.budget import Budget
    from dashboard.store.visits import Visit

WAIT_S = 600  # of a file of which no page was told: a slow line may be bringing its companions
MOST_REFUSED = 1_000  # reasons that are remembered


@dataclass(frozen=True, slots=True)
class Refused:
    """An upload for which there was no room."""

    size: int
    why: str


class Arrivals:
    """The uploads of one server, by session; nothing at all where nobody gave it a manager."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._manager: Any = None
        self._budget: Budget | None = None
        self._came_s: dict[str, float] = {}  # by the id of the file
        self._refused: dict[str, Refused] = {}
        self._visits: dict[str, weakref.ref[Visit]] = {}  # by the id of the session

    def watch(self, manager: Any, budget: Budget) -> None:
        """Ask for room before Streamlit's manager of uploads keeps a file."""
        keep = manager.add_file
        self._manager, self._budget = manager, budget

        def add_file(session_id: str, file: Any) -> None:
            refused = file.file_id in self._refused  # while it came: a part may be lacking
            if refused or not self.admits(session_id, file.file_id, len(file.data)):
                file = file._replace(data=b"")
            self._came_s[file.file_id] = self._clock()
            keep(session_id, file)

        manager.add_file = add_file

    def admits(self, session_id: str, file_id: str, size: int, under_way: int = 0) -> bool:
        """Return whether there is room for an upload; where there is none, keep the reason.

        under_way: bytes that have come of others and are not kept yet.
        """
        if self._budget is None:
            return True
        why = self._why_not(session_id, size, under_way, self._budget)
        if why is None:
            self._refused.pop(file_id, None)
            return True
        while len(self._refused) >= MOST_REFUSED:
            self._refused.pop(next(iter(self._refused)), None)
        self._refused[file_id] = Refused(size, why)
        return False

    def _why_not(self, session_id: str, size: int, under_way: int, budget: Budget) -> str | None:
        known = self._visits.get(session_id)
        before = sum(len(one.data) for _, one in self._of(session_id))
        return budget.arriving(known() if known else None, before, size, under_way)

    def belongs(self, session_id: str, visit: Visit | None) -> None:
        """Remember whose a session is."""
        if visit is not None:
            self._visits[session_id] = weakref.ref(visit)

    def refused(self, file_id: str) -> Refused | None:
        """Return why an upload was not kept, None where it was."""
        return self._refused.get(file_id)

    def holds(self, file_id: str) -> bool:
        """Return whether an upload is counted among those that wait."""
        return any(file.file_id == file_id for _, file in self._all())

    def waiting(self, visit: Visit) -> int:
        """Return how many bytes of a visit wait to be read."""
        mine = [name for name, known in list(self._visits.items()) if known() is visit]
        return sum(len(file.data) for name in mine for _, file in self._of(name))

    def promised(self) -> int:
        """Return the bytes that wait to be read, twice: what is made of them needs room too."""
        return 2 * sum(len(file.data) for _, file in self._all())

    def let_go(self, session_id: str, file_id: str) -> None:
        """Free Streamlit's own copy of an upload."""
        if self._manager is not None:
            self._manager.remove_file(session_id, file_id)
        self._refused.pop(file_id, None)
        self._came_s.pop(file_id, None)

    def prune(self) -> None:
        """Let go of what no page was told of for too long, and of what is known of the gone."""
        now = self._clock()
        here = {file.file_id for _, file in self._all()}
        for session_id, file in list(self._all()):
            if now - self._came_s.get(file.file_id, now) > WAIT_S:
                self.let_go(session_id, file.file_id)
        for file_id in [one for one in list(self._came_s) if one not in here]:
            self._came_s.pop(file_id, None)
            self._refused.pop(file_id, None)
        for session_id in [name for name, known in list(self._visits.items()) if known() is None]:
            self._visits.pop(session_id, None)

    def _storage(self) -> Mapping[str, Mapping[str, Any]]:
        return getattr(self._manager, "file_storage", {})

    def _of(self, session_id: str) -> Iterator[tuple[str, Any]]:
        yield from ((session_id, one) for one in list(self._storage().get(session_id, {}).values()))

    def _all(self) -> Iterator[tuple[str, Any]]:
        for session_id in list(self._storage()):
            yield from self._of(session_id)
