"""Recording: a command's run in the store of runs, for as long as the store can hold it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..core.network import Network
from ..data import catalogue
from ..errors import ConfigError, EngineError
from ..storage.runs import INTERRUPTED, Store
from ..training import TrainingState
from .ends import note
from .files import Word

EVERY_S = 10.0  # what is lost at most


def request(words: Sequence[Word], test: Sequence[Word], **more: Any) -> dict[str, Any]:
    """Return what was asked for, such that it can be asked for again from any folder."""
    return {"data": list(map(_lasting, words)), "test": list(map(_lasting, test)), **more}


def _lasting(word: Word) -> str | None:
    """Return a word for data as it is understood anywhere; None for a pipe, which comes once."""
    if not isinstance(word, str):
        return None
    return word if catalogue.knows(word) else os.path.abspath(word)


class Recorded:
    """A run of this program in the store. No fault of the store's ends the run: it is told once."""

    def __init__(self, store: Store, run: str) -> None:
        self._store: Store | None = store
        self.run = run
        self._next = time.monotonic() + EVERY_S

    @classmethod
    def begin(cls, asked: dict[str, Any], name: str) -> Recorded:
        """Keep a new run; raises OSError and FormatError where there can be no store."""
        store = Store()
        return cls(store, store.begin(asked, name=name))

    def keep_if_due(self, network: Network, state: TrainingState) -> None:
        """Keep where the run is, if the last time is some time ago."""
        if time.monotonic() >= self._next:
            self._tried(lambda store: self._keep(store, network, state))
            self._next = time.monotonic() + EVERY_S

    def end(self, how: str, network: Network, state: TrainingState) -> None:
        """Keep how and where the run ended."""

        def ended(store: Store) -> None:
            self._keep(store, network, state)
            store.end(self.run, how)

        self._tried(ended)
        if self._store is not None:
            self._store.close()

    def _keep(self, store: Store, network: Network, state: TrainingState) -> None:
        if state.step:
            for name in store.keep(self.run, network, state):
                note(f"{store.path} is full: the run {name!r} had to go")

    def _tried(self, act: Callable[[Store], None]) -> None:
        if self._store is None:
            return
        try:
            act(self._store)
        except (OSError, EngineError) as fault:
            said = f"{fault.filename}: {fault.strerror}" if isinstance(fault, OSError) else fault
            note(f"{said}; training goes on, and the run is kept no more")
            self._store = None


def taken_up(
    name: str, fits: Callable[[Network, str], None]
) -> tuple[Recorded, Network, TrainingState] | None:
    """Go on with the newest interrupted run of this name, None where there is none.

    Raises what `fits` raises where it is another run than the one asked for.
    """
    store = Store()
    for kept in store.runs(""):
        if kept.name == name and kept.state == INTERRUPTED and kept.step:
            fits(store.open(kept.id)[0], f"run {kept.id}")
            network, state = store.take_up(kept.id)
            return Recorded(store, kept.id), network, state
    store.close()
    return None


def named(name: str) -> str:
    """Return the name that a run is to be kept under; ConfigError for none."""
    if not name.strip():
        raise ConfigError("--keep takes a name, which `nnengine runs list` shows")
    return name
