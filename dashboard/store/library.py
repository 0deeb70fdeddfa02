"""Library: the data sets a server knows by name, held once for everybody, fetched when asked."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dashboard.runs.scheduler import in_background
from dashboard.store.files import Shelf
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

BUILT_IN = "digits"
MAX_PIXELS = 28 * 28  # of an image of the named sets

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Sets:
    """The two parts of a named data set."""

    train: Dataset
    test: Dataset


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch is: bytes of all its files, and the file under way."""

    done: int = 0
    total: int = 0
    file: str = ""


@dataclass(eq=False)
class Fetch:
    """One fetch of a named set; pages read it, only the thread that fetches changes it."""

    name: str
    progress: Progress = field(default_factory=Progress)
    ended: bool = False
    error: str | None = None
    reached: bool = True  # whether any mirror answered at all
    followers: int = 1  # visitors who wait for it
    cancelled: bool = False


class _Cancelled(Exception):
    """Raised out of the fetch; what has come is kept and resumed the next time."""


class Library:
    """The named sets of one server. Any thread may call; each set is loaded and fetched once.

    The built-in digits stay once they are made (11 MB); others are held while a visitor uses them.
    `room` raises ConfigError where there is none for so many bytes more.
    """

    def __init__(self, shelf: Shelf, room: Callable[[int], None] = lambda wanted: None) -> None:
        self._shelf, self._room = shelf, room
        self._lock = threading.Lock()
        self._built_in: Sets | None = None
        self._sets: weakref.WeakValueDictionary[str, Sets] = weakref.WeakValueDictionary()
        self._fetches: dict[str, Fetch] = {}

    @property
    def ready(self) -> bool:
        """Whether the built-in digits are there already."""
        return self._built_in is not None

    def prepare(self) -> None:
        """Make the built-in digits before anybody asks, beside everything else."""
        in_background(self.built_in, "digits")

    def built_in(self) -> Sets:
        """Return the built-in digits; whoever asks first waits while they are written."""
        if self._built_in is None:
            self._built_in = self.load(BUILT_IN)
        return self._built_in

    def is_here(self, name: str) -> bool:
        """Return whether a set can be loaded without fetching anything."""
        return name in self._sets or catalogue.find(name) is not None

    def load(self, name: str) -> Sets:
        """Return a set that is here; raises EngineError where it is not, or there is no room."""
        with self._lock:
            found = self._sets.get(name)
            if found is None:
                entry = catalogue.describe(name)
                self._room(sum(entry.images) * MAX_PIXELS)
                parts = (_titled(data, entry.title) for data in _parts(name))
                found = Sets(*map(self._shelf.published, parts))
                self._sets[name] = found
            return found

    def fetch(self, name: str) -> Fetch:
        """Begin to fetch a set, or join whoever fetches it already."""
        with self._lock:
            under_way = self._fetches.get(name)
            if under_way and not under_way.ended and not under_way.cancelled:
                under_way.followers += 1
                return under_way
            started = self._fetches[name] = Fetch(name)
        in_background(lambda: _run(started), f"fetch {name}")
        return started

    def cancel(self, fetch: Fetch) -> None:
        """Wait for it no longer; without anybody who does it ends at its next piece."""
        with self._lock:
            fetch.followers -= 1
            fetch.cancelled = fetch.followers < 1


def _parts(name: str) -> tuple[Dataset, Dataset]:
    found = catalogue.load(name, offline=True)
    return found.train, found.test


def _titled(data: Dataset, title: str) -> Dataset:
    """Return the same images under the name that runs and pages call them by."""
    return Dataset(data.images, data.labels, class_names=data.class_names, name=title)


def _run(fetch: Fetch) -> None:
    def note(done: int, total: int, file: str) -> None:
        if fetch.cancelled:
            raise _Cancelled
        fetch.progress = replace(fetch.progress, done=done, total=total, file=file)

    try:
        catalogue.fetch(fetch.name, progress=note)
    except _Cancelled:
        pass
    except EngineError as fault:
        fetch.error, fetch.reached = str(fault), getattr(fault, "reached", True)
    except Exception:  # nobody above would tell the visitor
        log.exception("%s could not be fetched", fetch.name)
        fetch.error = "A fault of ours ended the fetching; the built-in digits need no network."
    finally:
        fetch.ended = True
