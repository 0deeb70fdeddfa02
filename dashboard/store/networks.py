"""Networks: all that one visitor has, named, chosen and kept in one way wherever they come from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import nnengine
from dashboard.runs.bounds import Bounds
from dashboard.runs.run import Run
from nnengine.analysis.finetuning import FineTuning
from nnengine.analysis.parts import cost_of
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

Kind = Literal["shipped", "finetuned", "file", "link", "run"]
ORDER: tuple[Kind, ...] = ("shipped", "finetuned", "file", "link", "run")  # of a list
SHIPPED = {"drawing": "Drawing network", "original": "The original"}
# The oldest of a kind makes room. How many runs there may be stands in the server's `Bounds`.
MOST: dict[Kind, int] = {"finetuned": 4, "file": 8, "link": 8}
UNDOS = 8  # fine-tunings that can be taken back: each keeps a copy of the weights
MOST_LETTERS = 60  # of a name that a visitor gives
log = logging.getLogger(__name__)


def for_pages(network: Network, bounds: Bounds | None = None) -> Network:
    """Return a network of a file or a link; raises ConfigError where an image takes too much."""
    (bounds or Bounds()).check_cost(cost_of(network))
    return network


def looks_at(network: Network, data: Dataset) -> bool:
    """Return whether a network can be asked about these images."""
    same = network.is_dense or network.shape == (*data.image_shape, data.channels)
    return same and network.inputs == data.inputs


@dataclass(frozen=True, eq=False)
class Tuning:
    """How a network was fine-tuned.

    origin: what it was before, None where that is too long ago to be kept. reason: the number of
    the drawing that it was for. tested: what forgetting was measured on.
    """

    lesson: FineTuning
    origin: Entry | None = None
    reason: int | None = None
    tested: str = ""


@dataclass(frozen=True, eq=False)
class Entry:
    """A network under its name, as pages look at it: the weights of an entry do not change.

    `id` tells networks of one kind apart; a new name leaves it as it is. `said` is what came with
    a network in a link.
    """

    network: Network
    name: str
    kind: Kind
    id: str
    tuning: Tuning | None = None
    said: str = ""

    @property
    def key(self) -> str:
        """What the collection knows it by."""
        return key_for(self.kind, self.id)

    def tuned(self, lesson: FineTuning, reason: int | None = None, tested: str = "") -> Entry:
        """Return what a fine-tuning made of it: an entry of its own, or the next state of one."""
        again = self.kind == "finetuned"
        return Entry(
            lesson.network,
            self.name if again else f"{self.name}, taught",
            "finetuned",
            self.id if again else self.key,
            Tuning(lesson, self, reason, tested),
        ).trimmed()

    def trimmed(self, undos: int = UNDOS) -> Entry:
        """Return it with at most so many fine-tunings that can be taken back."""
        if self.tuning is None or self.tuning.origin is None:
            return self
        before = self.tuning.origin.trimmed(undos - 1) if undos else None
        return replace(self, tuning=replace(self.tuning, origin=before))


def key_for(kind: Kind, id: str) -> str:
    """Return what the collection knows a network by."""
    return f"{kind}:{id}"


def of_run(run: Run) -> Entry:
    """Return a run's network as it is now; the next call may find newer weights."""
    return Entry(run.snapshot, run.name, "run", run.id)


def shipped(name: str) -> Entry | None:
    """Return a network that comes with the engine, or None where its file cannot be read."""
    try:
        return Entry(nnengine.shipped(name), SHIPPED[name], "shipped", name)
    except (EngineError, OSError):
        log.exception("the shipped network %r cannot be read", name)
        return None


@dataclass(eq=False)
class Networks:
    """Every network of one visitor, and which one is in hand.

    Lists are replaced whole: the engine's thread may be reading them.
    """

    runs: list[Run] = field(default_factory=list)  # oldest first, as the next
    kept: list[Entry] = field(default_factory=list)  # all but runs and what is shipped
    chosen: str | None = None  # a key, of no run; None: the run that the address names

    def all(self) -> dict[str, Entry]:
        """Return every network by its key, in the order of a list."""
        found = [*filter(None, map(shipped, SHIPPED)), *self.kept, *map(of_run, self.runs)]
        return {one.key: one for one in sorted(found, key=lambda one: ORDER.index(one.kind))}

    def in_hand(self, run_id: str | None) -> Entry | None:
        """Return the network chosen, else this run's, else a shipped one.

        None only where no network could be shipped.
        """
        chosen = self.find(self.chosen) if self.chosen else None
        run = self.find(key_for("run", run_id)) if run_id and not chosen else None
        return chosen or run or shipped("drawing")

    def choose(self, wanted: str) -> None:
        """Take a network in hand; one that is not here changes nothing.

        A run is taken in hand when the address names it, which is not for this to say.
        """
        if found := self.find(wanted):
            self.chosen = None if found.kind == "run" else wanted

    def keep(self, entry: Entry) -> list[Entry]:
        """Enter a network in place of an earlier one of its key, and take it in hand.

        Returns those that made room for it.
        """
        self.kept = [*(one for one in self.kept if one.key != entry.key), entry]
        self.chosen = entry.key
        gone = list(self._beyond_bounds(entry.kind))
        self.kept = [one for one in self.kept if one not in gone]
        return gone

    def let_go(self, wanted: str) -> None:
        """Forget a network that was kept; whoever held it has the run in hand again."""
        self.kept = [one for one in self.kept if one.key != wanted]
        if self.chosen == wanted:
            self.chosen = None

    def rename(self, wanted: str, name: str) -> None:
        """Give a run or a kept network another name; an empty one changes nothing."""
        name = name.strip()[:MOST_LETTERS]
        if not name:
            return
        self.kept = [replace(e, name=name) if e.key == wanted else e for e in self.kept]
        for run in self.runs:
            if key_for("run", run.id) == wanted:
                run.name = name

    def undo(self, wanted: str) -> Tuning | None:
        """Take back the last fine-tuning of a network, and take in hand what it was before.

        Returns what was taken back, None where that is not possible.
        """
        entry = next((one for one in self.kept if one.key == wanted), None)
        if entry is None or entry.tuning is None or entry.tuning.origin is None:
            return None
        self.let_go(wanted)
        before = entry.tuning.origin
        if before.kind in MOST:
            self.keep(before)
        else:  # a run has gone on meanwhile: its latest weights, not these
            self.choose(before.key)
        return entry.tuning

    def find(self, wanted: str) -> Entry | None:
        """Return the network of this key, if there is one."""
        kind, _, id = wanted.partition(":")
        if kind == "shipped":
            return shipped(id) if id in SHIPPED else None
        if kind == "run":
            return next((of_run(run) for run in self.runs if run.id == id), None)
        return next((one for one in self.kept if one.key == wanted), None)

    def _beyond_bounds(self, kind: Kind) -> Iterator[Entry]:
        """Yield the oldest networks of a kind, as many as are too many."""
        alike = [one for one in self.kept if one.kind == kind]
        yield from alike[: len(alike) - MOST[kind]] if len(alike) > MOST[kind] else ()
