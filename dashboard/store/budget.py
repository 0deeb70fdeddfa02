"""Budget: how much memory visitors may have us keep, who holds how much of what, and what is left.

One for a visit and one for the server, in `Bounds`. Nothing is entered or struck off: what is held
is counted where it lies, whenever somebody asks for more, so that no sum can drift.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from dashboard.host.tab import HERE, IN_TAB
from dashboard.present import words
from dashboard.runs.estimate import in_words
from dashboard.runs.recipe import Recipe
from dashboard.runs.recording import room_for
from dashboard.runs.run import Run
from dashboard.store.memory import Parts, arrays
from nnengine.core.network import Network
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training.batches import SAMPLE

if TYPE_CHECKING:
    from dashboard.store.networks import Entry
    from dashboard.store.visits import Registry, Visit

MB = 10**6
TOLD = 5  # things that are named where there is no room for more
# Of a run under way: the network that learns, its gradient, twice the last weights known to be
# good, and what pages see. What the optimizer carries comes on top, and the best weights.
COPIES = 5
_POINT_BYTES = 400  # of a history: six numbers, held by the engine and by pages
_MOMENTS = 4  # exact moments of runs may take one part in so many of a visitor's room
_PER_LETTER = 4  # of a training record as Python writes it: its lists are objects
_ANSWER_BYTES = 24  # of an image that was judged: its answer, how sure, and its place

_lists: WeakKeyDictionary[Dataset, int] = WeakKeyDictionary()
_records: WeakKeyDictionary[Network, int] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Holding:
    """One thing a visitor has: what it is, its name, and its bytes by where they lie."""

    kind: str
    name: str
    parts: Parts

    @property
    def bytes(self) -> int:
        """How much memory it takes, beside what was counted before it."""
        return sum(self.parts.values())


def holdings(visit: Visit) -> list[Holding]:
    """Return what a visit holds; memory that two things share is counted with the first."""
    seen: set[Hashable] = set()
    found = []
    for kind, name, parts in _things(visit):
        found.append(Holding(kind, name, {k: n for k, n in parts.items() if k not in seen}))
        seen |= parts.keys()
    return found


def _things(visit: Visit) -> Iterator[tuple[str, str, Parts]]:
    for file in list(visit.files):
        yield "File", file.name, arrays(file.contents.arrays)
    if visit.named is not None:
        yield "Data", visit.named.train.name, _of_sets((visit.named.train, visit.named.test))
    for run in list(visit.runs):
        yield "Run", run.name, of_run(run)
    if visit.race is not None:
        every = [of_run(run) for run in visit.race.runs]
        yield "Search", f"{len(every)} candidates", {k: n for one in every for k, n in one.items()}
    for entry in list(visit.networks.kept):
        yield "Network", entry.name, _of_entry(entry)
    if visit.mine:
        yield "Drawings", f"{len(visit.mine)} drawings", arrays([one.image for one in visit.mine])
    for name, (parts, _) in list(visit.pinned.items()):
        yield "Result", name, parts


def of_moments(visit: Visit) -> int:
    """Return how much the exact moments of a visitor's runs take."""
    kept = {id(one): one.bytes for run in list(visit.runs) for one in run.waypoints.kept}
    return sum(kept.values())


def spare(visits: Sequence[Visit]) -> bool:
    """Let every second exact moment of a run go: of those that have ended first, the largest.

    Return whether there was any. Forks of it are replayed from further away then.
    """
    runs = [run for visit in visits for run in list(visit.runs) if run.waypoints.kept]
    first = max(runs, key=lambda run: (run.ended, run.waypoints.bytes), default=None)
    return first is not None and first.waypoints.thin()


def _of_sets(sets: Sequence[Dataset]) -> Parts:
    return arrays([array for data in sets for array in (data.images, data.labels)])


def of_network(network: Network) -> Parts:
    """Return what a network keeps in memory, the records of its training included."""
    if network not in _records:
        _records[network] = sum(len(repr(record)) for record in network.training) * _PER_LETTER
    return arrays([network.theta]) | {("records", id(network.training)): _records[network]}


def of_result(network: Network, data: Dataset) -> Parts:
    """Return what is kept of a network that was judged by these data."""
    answers = {("answers", id(network), id(data)): _ANSWER_BYTES * data.count}
    return of_network(network) | _of_sets((data,)) | answers


def of_run(run: Run) -> Parts:
    """Return what a run keeps: weights and curves, and under way what it learns with and from."""
    parts: Parts = {
        **arrays([run.snapshot.theta]),
        ("curves", run.id): len(run.history) * _POINT_BYTES,
        **{("moment", id(one)): one.bytes for one in run.waypoints.kept},
        ("moments", run.id): _of_moments(run),
    }
    work, reached = run.work, run.reached
    if work is not None:
        # What the optimizer carries is made at the first step, and has its place from the start.
        copies = COPIES - 1 + _carried(run.recipe)
        parts |= _of_sets(work.data) | dict(map(_lists_of, work.data))
        parts |= dict(_sampled_of(data, run.recipe) for data in work.data)
        parts |= {("learning", run.id): copies * run.snapshot.theta.nbytes}
    elif reached is not None:
        carried = sum(array.nbytes for array in reached.arrays.values())
        parts |= _of_sets(run.aside) | {("learning", run.id): carried}
    return parts


def _of_moments(run: Run) -> int:
    """Return what a run's moments take, or will: their place is theirs from the start."""
    if run.recording is None:
        return 0
    taken = run.recording.nbytes
    return taken if run.ended else max(taken, room_for(run.snapshot.parameter_count))


def _carried(recipe: Recipe) -> int:
    """Return how many vectors like the weights go from step to step of a run beside them."""
    return len(OPTIMIZERS[recipe.optimizer].remembers) + bool(recipe.early_stopping)


def _lists_of(data: Dataset) -> tuple[Hashable, int]:
    return ("lists", *arrays([data.images])), lists_bytes(data)


def _sampled_of(data: Dataset, recipe: Recipe) -> tuple[Hashable, int]:
    """Return about how much the lists take by which curves are measured on these data.

    Runs of one seed share those of a data set that is larger than a sample, all those of another.
    """
    chosen = recipe.seed if data.count > SAMPLE else None
    share = min(1.0, SAMPLE / data.count)
    where = ("lists", *arrays([data.images]), "sampled", chosen)
    return where, int(lists_bytes(data) * 3 / 4 * share)


def lists_bytes(data: Dataset) -> int:
    """Return about how much the lists take that training makes of a data set's images.

    Three bytes for a pixel that is not zero, four where images are read in groups; where most
    are not zero no lists are made.
    """
    if data not in _lists:
        lit = int(np.count_nonzero(data.images))
        _lists[data] = 0 if lit > 0.6 * data.images.size else 4 * lit
    return _lists[data]


def _of_entry(entry: Entry) -> Parts:
    parts = of_network(entry.network)
    tuning = entry.tuning
    while tuning is not None and tuning.origin is not None:
        parts |= of_network(tuning.origin.network)
        tuning = tuning.origin.tuning
    return parts


class Budget:
    """Who may keep how much on this server. Any thread may call."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.RLock()
        self._taking: dict[object, tuple[Visit, int]] = {}  # what is being made just now

    @property
    def visit_bytes(self) -> int:
        """How much one visitor may have kept."""
        return self._registry.scheduler.bounds.visit_mb * MB

    @property
    def server_bytes(self) -> int:
        """How much all visitors together may have kept."""
        return self._registry.scheduler.bounds.server_mb * MB

    def held(self, visit: Visit) -> int:
        """Return how much a visit takes, uploads on their way and what is being made included."""
        made = sum(n for one, n in list(self._taking.values()) if one is visit)
        waiting = self._registry.arrivals.waiting(visit)
        return sum(one.bytes for one in holdings(visit)) + made + waiting

    def held_by_all(self) -> int:
        """Return how much the server takes for all of its visitors.

        Published data are counted once. Whatever else two visitors have alike counts for each of
        them, though it lies in memory once: room left over would tell that somebody has it.
        """
        published: Parts = {}
        total = sum(n for _, n in list(self._taking.values()))
        for visit in self._registry.visits():
            for one in holdings(visit):
                for where, count in one.parts.items():
                    if self._registry.shelf.is_published(where):
                        published[where] = count
                    else:
                        total += count
        return total + sum(published.values()) + self._registry.arrivals.promised()

    def room(self, visit: Visit | None, wanted: int, what: str) -> None:
        """Raise ConfigError, which says what is full and how that ends, where `wanted` is too much.

        what: the thing that takes so many bytes, as the sentence's subject: "this run".
        """
        with self._lock:
            while visit is not None and self.held(visit) + wanted > self.visit_bytes:
                if not spare([visit]):
                    break
            if visit is not None and (held := self.held(visit)) + wanted > self.visit_bytes:
                raise ConfigError(self._visit_is_full(visit, wanted, what, held))
            self._room_here(visit, wanted, wanted, what)

    def trim(self, now: float) -> None:
        """Keep exact moments of runs within their share, and let them go first where all is full.

        The engine's thread calls this every few seconds: they come while runs go on.
        """
        for visit in self._registry.visits():
            if any(run.waypoints.kept for run in visit.runs):
                while of_moments(visit) > self.visit_bytes // _MOMENTS and spare([visit]):
                    pass
                while self.held(visit) > self.visit_bytes and spare([visit]):
                    pass

    @contextmanager
    def taking(self, visit: Visit, wanted: int, what: str) -> Iterator[None]:
        """Keep room for what is made inside; raises ConfigError where there is none."""
        ticket = object()
        with self._lock:
            self.room(visit, wanted, what)
            self._taking[ticket] = visit, wanted
        try:
            yield
        finally:
            del self._taking[ticket]

    @contextmanager
    def reading(
        self, visit: Visit, size: int, take: Callable[[], bytes], *, arrived: bool
    ) -> Iterator[tuple[bytes, int]]:
        """Keep room while a file is read; gives its bytes, and how many may be made of them.

        take: gives the bytes, `size` of them, and has Streamlit let go of its copy. arrived:
        whether that is counted among the uploads. Raises ConfigError where nothing is left.
        """
        ticket, counted = object(), size * arrived
        with self._lock:
            self.room(visit, size - counted, "it")
            mine = self.visit_bytes - self.held(visit) + counted
            everybodys = self.server_bytes - self.held_by_all() + 2 * counted - size
            most = max(1, min(mine, everybodys))
            raw = take()
            self._taking[ticket] = visit, most + size
        try:
            yield raw, most
        finally:
            del self._taking[ticket]

    def arriving(
        self, visit: Visit | None, before: int, size: int, under_way: int = 0
    ) -> str | None:
        """Return why there is no room for an upload, None where there is.

        before: what the session has sent already, where nobody knows yet whose it is. under_way:
        what others are sending and is laid aside on the disk, in files as large as the room here.
        """
        try:
            with self._lock:
                if under_way + size > self.server_bytes:
                    raise ConfigError(self._is_being_read(size, "it"))
                if visit is None and before + size > self.visit_bytes:
                    raise ConfigError(self._visit_is_full(None, size, "it", before))
                if visit is not None and self.held(visit) + size > self.visit_bytes:
                    raise ConfigError(self._visit_is_full(visit, size, "it", self.held(visit)))
                self._room_here(visit, 2 * size, size, "it")
        except ConfigError as fault:
            return str(fault)
        return None

    def _room_here(self, visit: Visit | None, wanted: int, size: int, what: str) -> None:
        while self.held_by_all() + wanted > self.server_bytes:
            if not spare(self._registry.visits()) and not self._registry.forget_one(but=visit):
                raise ConfigError(self._server_is_full(size, what))

    def _visit_is_full(self, visit: Visit | None, wanted: int, what: str, held: int) -> str:
        things = holdings(visit) if visit else []
        largest = sorted(things, key=lambda one: -one.bytes)[:TOLD]
        taken = ", ".join(f"{one.name} {words.size(one.bytes)}" for one in largest if one.bytes)
        return (
            f"{what} takes {words.size(wanted)}, and of the {words.size(self.visit_bytes)} that "
            f"one visitor may have kept {words.size(held)} are taken"
            f"{f' ({taken})' if taken else ''}: let go of some of it first"
        )

    def _server_is_full(self, wanted: int, what: str) -> str:
        if IN_TAB:
            return (
                f"{what} takes {words.size(wanted)}, more than this tab has room for: remove some"
            )
        if self.held_by_all() - self._under_way() + wanted <= self.server_bytes:
            return self._is_being_read(wanted, what)
        soon = in_words(self._registry.room_in_s())
        return (
            f"{what} takes {words.size(wanted)}, and {HERE} already holds as much as it has room "
            f"for: try again in about {soon}, when those who have left make room, or run the "
            "dashboard on your own machine"
        )

    def _is_being_read(self, wanted: int, what: str) -> str:
        return (
            f"{what} takes {words.size(wanted)}, and the files of others are being read just now: "
            "try again in half a minute"
        )

    def _under_way(self) -> int:
        """Return how much of what is held will be settled in a moment."""
        made = sum(n for _, n in list(self._taking.values()))
        return made + self._registry.arrivals.promised()


def new_run_bytes(recipe: Recipe, data: Sequence[Dataset], visit: Visit) -> int:
    """Return about how much a run takes that begins with this recipe, beside what is held."""
    held = {where for one in holdings(visit) for where in one.parts}
    weights = 4 * recipe.cost(data[0]).parameters
    copies = COPIES + _carried(recipe)
    new = sum(n for where, n in _of_sets(data).items() if where not in held)
    lists = dict(map(_lists_of, data)) | dict(_sampled_of(one, recipe) for one in data)
    listed = sum(n for where, n in lists.items() if where not in held)
    return copies * weights + new + listed + room_for(weights // 4)


def new_search_bytes(recipes: Sequence[Recipe], data: Sequence[Dataset], visit: Visit) -> int:
    """Return about how much a search takes whose candidates have these recipes."""
    first, *others = sorted(recipes, key=lambda recipe: -recipe.cost(data[0]).parameters)
    weights = sum((COPIES + _carried(one)) * 4 * one.cost(data[0]).parameters for one in others)
    return new_run_bytes(first, data, visit) + weights
