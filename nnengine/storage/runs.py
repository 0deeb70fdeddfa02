"""Runs: what lasts of training runs when their program has ended, all of them in one SQLite file.

A run is kept from its first moment on: what was asked for, and its record and what it takes to go
on to the same bits, a checkpoint, both renewed as often as its program likes. Whoever keeps
a run under way gives a sign of life with every checkpoint; one without for `LEASE_S` counts as
interrupted and may be taken up, by one program alone.

Every write is one transaction (https://sqlite.org/atomiccommit.html) that is on the disk when it
returns: a kill or a power cut loses what came after the last one, and several programs may keep
runs in one file. The store is bounded. Where `most_bytes` do not suffice, exact moments of runs
make room, then the runs that ended longest ago, after them those that were interrupted, and whoever
keeps one is told.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ..core.network import Network
from ..data.limits import MAX_MODEL_BYTES
from ..errors import ConfigError, FormatError
from ..training.state import TrainingState
from . import checkpoint
from .runfile import FILE, INTERRUPTED, UNDER_WAY, home
from .runpoints import NotHeld, RunPoints
from .runsets import SIZE

__all__ = [
    "ENDS",
    "FILE",
    "INTERRUPTED",
    "LEASE_S",
    "UNDER_WAY",
    "Kept",
    "NotHeld",
    "Store",
    "home",
]
LEASE_S = 30.0  # three checkpoints; a machine under load may be late with one
MOST_BYTES = 2 << 30
ENDS = ("finished", "stopped", "diverged", "failed")
_ID_BYTES, _MOST_TEXT = 6, 4_000  # characters of a name or note
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_ABOUT = f"id, owner, name, notes, state, begun, kept, step, {SIZE}, request, record, about"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a kept run without opening it.

    state: "under way", "interrupted", or one of `ENDS`. begun, kept: seconds since 1970, of its
    first and its last sign of life. bytes: what it takes in the store. request: what was asked for,
    as whoever began it said. record: the network's record of the run as it was kept last, with its
    settings, digests and curves; empty before that. about: what else its program says of it now.
    """

    id: str
    owner: str
    name: str
    notes: str
    state: str
    begun: float
    kept: float
    step: int
    bytes: int
    request: dict[str, Any]
    record: dict[str, Any]
    about: dict[str, Any]


class Store(RunPoints):
    """The runs in one file; every thread and any number of programs may use it at once.

    path: the file, made where there is none, with its folder. most_bytes: of all runs together.
    Raises OSError where it cannot be opened, read or written, as on a full disk, and FormatError
    where it is no store of runs or a later version's; so do all methods.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.most_bytes, self._clock = most_bytes, clock
        super().__init__(path)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Keeping -------------------------------------------------------------------------------

    def begin(
        self, request: Mapping[str, Any], *, owner: str = "", name: str = "", run: str = ""
    ) -> str:
        """Keep a new run, held by this program; return its id.

        request: what JSON holds, enough to begin the same run anew. owner: whose it is, "" for who
        uses the command line. run: its id, where it has one already.
        """
        made, now = run or secrets.token_hex(_ID_BYTES), self._clock()
        with self._writing():
            self._base.execute(
                "INSERT INTO runs VALUES (?, ?, ?, '', ?, ?, ?, ?, 0, ?, '{}', NULL, '{}')",
                (made, owner, _text(name), UNDER_WAY, self._alive(), now, now, json.dumps(request)),
            )
        return made

    def keep(
        self,
        run: str,
        network: Network,
        state: TrainingState,
        about: Mapping[str, Any] = _NOTHING,
        end: str = "",
        moments: bytes = b"",
    ) -> list[str]:
        """Keep where a run is now, between two events; return the names of runs that went for it.

        about: what else is to be said of it, as JSON holds it. end: how it ended, where it did, as
        `end` would say it. moments: its earlier weights, as `Moments` packs them; without, those
        kept before stay. Raises NotHeld where the run is not this program's any more, ConfigError
        where weights are not finite, and where it finds no room beside runs that are under way.
        """
        if end:
            _check_end(end)
        packed = checkpoint.to_bytes(network, state)
        record = json.dumps(network.training[-1] if network.training else {})
        with self._writing():
            owner = self._held(run)
            gone = self._make_room(run, owner, len(packed) + len(record) + len(moments))
            if moments:
                self._base.execute("INSERT OR REPLACE INTO moments VALUES (?, ?)", (run, moments))
            self._base.execute(
                "UPDATE runs SET step = ?, kept = ?, record = ?, checkpoint = ?, about = ? "
                "WHERE id = ?",
                (state.step, self._clock(), record, packed, json.dumps(dict(about)), run),
            )
            if end:
                self._end(run, end)
        return gone

    def live_on(self) -> None:
        """Give a sign of life of all runs that this program holds, those that stand still too."""
        with self._writing():
            self._base.execute(
                "UPDATE runs SET kept = ? WHERE holder = ?", (self._clock(), self._holder)
            )

    def end(self, run: str, state: str) -> None:
        """Say how a run ended, one of `ENDS`; or INTERRUPTED, for somebody to take up."""
        _check_end(state)
        with self._writing():
            self._held(run)
            self._end(run, state)

    def _end(self, run: str, state: str) -> None:
        self._base.execute(
            "UPDATE runs SET state = ?, holder = '', kept = ? WHERE id = ?",
            (state, self._clock(), run),
        )
        if state in ENDS:  # it goes on no more
            self._base.execute("DELETE FROM needs WHERE run = ?", (run,))
            self._let_go_of_sets()

    def take_up(self, run: str) -> tuple[Network, TrainingState]:
        """Hold an interrupted run from now on; return what it takes to go on with it.

        Raises ConfigError where it is under way elsewhere, has ended, or left no checkpoint.
        """
        with self._writing():
            found = self._one(run)
            if found.state != INTERRUPTED:
                where = " in another program" if found.state == UNDER_WAY else ""
                raise ConfigError(
                    f"run {run} is {found.state}{where}: only an interrupted one can be resumed"
                )
            opened = self.open(run)
            self._base.execute(
                "UPDATE runs SET state = ?, holder = ?, kept = ? WHERE id = ?",
                (UNDER_WAY, self._alive(), self._clock(), run),
            )
        return opened

    # Looking -------------------------------------------------------------------------------

    def runs(self, owner: str | None = None) -> list[Kept]:
        """Return the kept runs, the newest first; of one owner, or of all."""
        where, values = ("WHERE owner = ?", (owner,)) if owner is not None else ("", ())
        rows = self._rows(f"SELECT {_ABOUT} FROM runs {where} ORDER BY begun DESC, id", *values)
        return [self._kept(row) for row in rows]

    def run(self, run: str, owner: str | None = None) -> Kept:
        """Return one run, by its id or the beginning of it that no other has; of one owner, or all.

        Raises ConfigError where none or several begin so.
        """
        rows = self._rows(
            f"SELECT {_ABOUT} FROM runs WHERE SUBSTR(id, 1, ?) = ? AND owner = IFNULL(?, owner)",
            len(run), run, owner,
        )  # fmt: skip
        if len(rows) != 1:
            fault = f"{len(rows)} runs begin with {run!r}" if run and rows else f"no run {run!r}"
            more = "" if owner is None else ", and those of a server's visitors with --all"
            raise ConfigError(f"{fault} in {self.path}: `nnengine runs list` shows them all{more}")
        return self._kept(rows[0])

    def visitors_run(self, run: str) -> Kept | None:
        """Return a run that a visitor of a server began, by its whole id; None where it is none."""
        rows = self._rows(f"SELECT {_ABOUT} FROM runs WHERE id = ? AND owner != ''", run)
        return self._kept(rows[0]) if rows else None

    def open(self, run: str) -> tuple[Network, TrainingState]:
        """Return a run's network and state as they were kept last.

        Raises ConfigError where it was interrupted before its first checkpoint, FormatError where
        that is damaged.
        """
        rows = self._rows("SELECT checkpoint FROM runs WHERE id = ?", run)
        if not rows or rows[0][0] is None:
            raise ConfigError(f"run {run} left no checkpoint: train it anew")
        return checkpoint.from_bytes(rows[0][0], max_bytes=MAX_MODEL_BYTES)

    def moments(self, run: str) -> bytes:
        """Return a run's earlier weights as `keep` was given them last, or nothing."""
        rows = self._rows("SELECT packed FROM moments WHERE run = ?", run)
        return rows[0][0] if rows else b""

    # Changing ------------------------------------------------------------------------------

    def rename(self, run: str, name: str) -> None:
        """Give a run a name; it may be empty, and longer ones are cut at 4,000 characters."""
        self._set("name", run, _text(name))

    def note(self, run: str, notes: str) -> None:
        """Keep what somebody has to say of a run, cut at 4,000 characters."""
        self._set("notes", run, _text(notes))

    def delete(self, run: str) -> None:
        """Forget a run for good; ConfigError where another program is at it."""
        with self._writing():
            if self._one(run).state == UNDER_WAY:
                self._held(run)
            self._base.execute("DELETE FROM runs WHERE id = ?", (run,))
            self._let_go_of_sets()

    def forget(self, owner: str, run: str | None = None) -> None:
        """Forget a run of a visitor for good, or all of his, wherever they are under way."""
        with self._writing():
            self._base.execute(
                "DELETE FROM runs WHERE owner = ? AND owner != '' AND id = IFNULL(?, id)",
                (owner, run),
            )
            self._let_go_of_sets()

    def prune(self, seconds: float) -> int:
        """Forget the runs of visitors that gave no sign of life for so long; return how many."""
        with self._writing():
            gone = self._base.execute(
                "DELETE FROM runs WHERE owner != '' AND kept < ?", (self._clock() - seconds,)
            ).rowcount
            self._let_go_of_sets()
        return gone

    def _set(self, column: str, run: str, value: str) -> None:
        with self._writing():
            self._one(run)
            self._base.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (value, run))

    def _kept(self, row: tuple[Any, ...]) -> Kept:
        *known, request, record, about = row
        try:
            found = Kept(
                *known,
                request=json.loads(request),
                record=json.loads(record),
                about=json.loads(about),
            )
        except ValueError:
            raise FormatError(f"{self.path}: what it says of run {row[0]} is damaged") from None
        silent = self._clock() - found.kept > LEASE_S
        return replace(found, state=INTERRUPTED) if found.state == UNDER_WAY and silent else found

    def _one(self, run: str) -> Kept:
        row = self._base.execute(f"SELECT {_ABOUT} FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise ConfigError(f"run {run} is kept no more: it was deleted")
        return self._kept(row)

    def _make_room(self, run: str, owner: str, needed: int) -> list[str]:
        """Let runs go that nobody is at until there is room; return their names.

        For a visitor's run none goes that somebody kept on the command line.
        """
        idle = self._base.execute(
            f"SELECT id, name FROM runs WHERE id != ? AND (holder = '' OR kept < ?) "
            f"AND (owner != '' OR ? = '') ORDER BY state = '{INTERRUPTED}' OR holder != '', kept",
            (run, self._clock() - LEASE_S, owner),
        ).fetchall()
        renewed = self._taken() - self._taken(run)  # this run's own copy, which is written over
        self._let_go_of_points(needed - renewed)
        gone = []
        while (taken := self._taken(run)) + needed > self.most_bytes and idle:
            old, name = idle.pop(0)
            self._base.execute("DELETE FROM runs WHERE id = ?", (old,))
            self._let_go_of_sets()
            gone.append(name or old)
        if taken + needed > self.most_bytes:  # whose data go is asked for them when he resumes
            self._base.execute("DELETE FROM needs")
            self._let_go_of_sets()
            taken = self._taken(run)
        if taken + needed > self.most_bytes:
            raise ConfigError(
                f"{self.path} may hold {self.most_bytes:,} bytes, and runs under way take "
                f"{taken:,}: this one, of {needed:,}, goes on without being kept"
            )
        return gone


def _check_end(state: str) -> None:
    if state not in (*ENDS, INTERRUPTED):
        raise ConfigError(f"a run ends {', '.join(ENDS)} or {INTERRUPTED}, not {state!r}")


def _text(words: str) -> str:
    return words[:_MOST_TEXT]
