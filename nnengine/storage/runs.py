"""Runs: what lasts of training runs when their program has ended, all of them in one SQLite file.

A run is kept from its first moment on: what was asked for, and its record and what it takes to go
on to the same bits, a checkpoint, both renewed as often as its program likes. Whoever keeps
a run under way gives a sign of life with every checkpoint; one without for `LEASE_S` counts as
interrupted and may be taken up, by one program alone.

Every write is one transaction (https://sqlite.org/atomiccommit.html) that is on the disk when it
returns: a kill or a power cut loses what came after the last one, and several programs may keep
runs in one file. The store is bounded. Where `most_bytes` do not suffice, the runs that ended
longest ago make room, after them those that were interrupted, and whoever keeps one is told.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.network import Network
from ..data.limits import MAX_MODEL_BYTES
from ..errors import ConfigError, FormatError
from ..training.state import TrainingState
from . import checkpoint

if TYPE_CHECKING:
    import sqlite3

FILE = "runs.sqlite"
LEASE_S = 30.0  # three checkpoints; a machine under load may be late with one
MOST_BYTES = 2 << 30
UNDER_WAY, INTERRUPTED = "under way", "interrupted"
ENDS = ("finished", "stopped", "diverged")
_VERSION = 1
_WAIT_S = 10.0  # for another program's transaction
_ID_BYTES, _MOST_TEXT = 6, 4_000  # characters of a name or note
_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, notes TEXT NOT NULL,
    state TEXT NOT NULL, holder TEXT NOT NULL, begun REAL NOT NULL, kept REAL NOT NULL,
    step INTEGER NOT NULL, request TEXT NOT NULL, record TEXT NOT NULL, checkpoint BLOB
)
"""
_SIZE = "LENGTH(request) + LENGTH(record) + IFNULL(LENGTH(checkpoint), 0)"
_ABOUT = f"id, owner, name, notes, state, begun, kept, step, {_SIZE}, request, record"


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where runs are kept: in NNENGINE_HOME, or where the system has a user's own data."""
    if given := environment.get("NNENGINE_HOME"):
        return Path(given)
    try:
        from platformdirs import user_data_path
    except ImportError:
        return _user_data(environment)
    return user_data_path("nnengine", appauthor=False)


def _user_data(environment: Mapping[str, str]) -> Path:
    """Return what platformdirs would, so that installing it loses nothing."""
    user = Path.home()
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or user / "AppData" / "Local") / "nnengine"
    if sys.platform == "darwin":
        return user / "Library" / "Application Support" / "nnengine"
    return Path(environment.get("XDG_DATA_HOME") or user / ".local" / "share") / "nnengine"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a kept run without opening it.

    state: "under way", "interrupted", or one of `ENDS`. begun, kept: seconds since 1970, of its
    first and its last sign of life. bytes: what it takes in the store. request: what was asked for,
    as whoever began it said. record: the network's record of the run as it was kept last, with its
    settings, digests and curves; empty before that.
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


class Store:
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
        self.path = Path(path) if path is not None else home() / FILE
        self.most_bytes, self._clock = most_bytes, clock
        self._holder = secrets.token_hex(8)  # this program, as other programs see it
        self._lock = threading.RLock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._named():
            self._base = self._opened()

    def _opened(self) -> sqlite3.Connection:
        import sqlite3  # in a browser's Python it is a package that may not be there

        base = sqlite3.connect(
            self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            version = base.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise FormatError(
                    f"{self.path} was written by a later version of nnengine (store {version}, "
                    f"known here {_VERSION}): update nnengine, or set NNENGINE_HOME to another "
                    "folder"
                )
            # A checkpoint that was told as kept has to outlast a power cut.
            base.execute("PRAGMA journal_mode=WAL")
            base.execute("PRAGMA synchronous=FULL")
            base.execute(_TABLE)
            base.execute(f"PRAGMA user_version={_VERSION}")
        except BaseException:
            base.close()
            raise
        return base

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._base.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Keeping -------------------------------------------------------------------------------

    def begin(self, request: Mapping[str, Any], *, owner: str = "", name: str = "") -> str:
        """Keep a new run, held by this program; return its id.

        request: what JSON holds, enough to begin the same run anew. owner: whose it is, "" for who
        uses the command line.
        """
        made, now = secrets.token_hex(_ID_BYTES), self._clock()
        with self._writing():
            self._base.execute(
                "INSERT INTO runs VALUES (?, ?, ?, '', ?, ?, ?, ?, 0, ?, '{}', NULL)",
                (made, owner, _text(name), UNDER_WAY, self._holder, now, now, json.dumps(request)),
            )
        return made

    def keep(self, run: str, network: Network, state: TrainingState) -> list[str]:
        """Keep where a run is now, between two events; return the names of runs that went for it.

        Raises ConfigError where the run is not this program's (any more), where weights are not
        finite, and where it finds no room beside runs that are under way.
        """
        packed = checkpoint.to_bytes(network, state)
        record = json.dumps(network.training[-1] if network.training else {})
        with self._writing():
            self._held(run)
            gone = self._make_room(run, len(packed) + len(record))
            self._base.execute(
                "UPDATE runs SET step = ?, kept = ?, record = ?, checkpoint = ? WHERE id = ?",
                (state.step, self._clock(), record, packed, run),
            )
        return gone

    def end(self, run: str, state: str) -> None:
        """Say how a run ended, one of `ENDS`; or INTERRUPTED, for somebody to take up."""
        if state not in (*ENDS, INTERRUPTED):
            raise ConfigError(f"a run ends {', '.join(ENDS)} or {INTERRUPTED}, not {state!r}")
        with self._writing():
            self._held(run)
            self._base.execute(
                "UPDATE runs SET state = ?, holder = '', kept = ? WHERE id = ?",
                (state, self._clock(), run),
            )

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
                (UNDER_WAY, self._holder, self._clock(), run),
            )
        return opened

    # Looking -------------------------------------------------------------------------------

    def runs(self, owner: str | None = None) -> list[Kept]:
        """Return the kept runs, the newest first; of one owner, or of all."""
        where, values = ("WHERE owner = ?", (owner,)) if owner is not None else ("", ())
        with self._lock, self._named():
            rows = self._base.execute(
                f"SELECT {_ABOUT} FROM runs {where} ORDER BY begun DESC, id", values
            ).fetchall()
        return [self._kept(row) for row in rows]

    def run(self, run: str) -> Kept:
        """Return one run, by its id or the beginning of it that no other has.

        Raises ConfigError where none or several begin so.
        """
        with self._lock, self._named():
            rows = self._base.execute(
                f"SELECT {_ABOUT} FROM runs WHERE SUBSTR(id, 1, ?) = ?", (len(run), run)
            ).fetchall()
        if len(rows) != 1:
            fault = f"{len(rows)} runs begin with {run!r}" if run and rows else f"no run {run!r}"
            raise ConfigError(f"{fault} in {self.path}: `nnengine runs list` shows them all")
        return self._kept(rows[0])

    def open(self, run: str) -> tuple[Network, TrainingState]:
        """Return a run's network and state as they were kept last.

        Raises ConfigError where it was interrupted before its first checkpoint, FormatError where
        that is damaged.
        """
        with self._lock, self._named():
            row = self._base.execute("SELECT checkpoint FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None or row[0] is None:
            raise ConfigError(f"run {run} left no checkpoint: train it anew")
        return checkpoint.from_bytes(row[0], max_bytes=MAX_MODEL_BYTES)

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

    def _set(self, column: str, run: str, value: str) -> None:
        with self._writing():
            self._one(run)
            self._base.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (value, run))

    def _kept(self, row: tuple[Any, ...]) -> Kept:
        *about, request, record = row
        try:
            found = Kept(*about, request=json.loads(request), record=json.loads(record))
        except ValueError:
            raise FormatError(f"{self.path}: what it says of run {row[0]} is damaged") from None
        silent = self._clock() - found.kept > LEASE_S
        return replace(found, state=INTERRUPTED) if found.state == UNDER_WAY and silent else found

    def _one(self, run: str) -> Kept:
        row = self._base.execute(f"SELECT {_ABOUT} FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise ConfigError(f"run {run} is kept no more: it was deleted")
        return self._kept(row)

    def _held(self, run: str) -> None:
        row = self._base.execute("SELECT holder FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise ConfigError(f"run {run} is kept no more: it was deleted")
        if row[0] != self._holder:
            raise ConfigError(f"run {run} is another program's: it was taken up elsewhere")

    def _make_room(self, run: str, needed: int) -> list[str]:
        """Let runs go that nobody is at until there is room; return their names."""
        taken = self._base.execute(
            f"SELECT IFNULL(SUM({_SIZE}), 0) FROM runs WHERE id != ?", (run,)
        ).fetchone()[0]
        idle = self._base.execute(
            f"SELECT id, name, {_SIZE} FROM runs WHERE id != ? AND (holder = '' OR kept < ?) "
            "ORDER BY holder != '', kept",
            (run, self._clock() - LEASE_S),
        ).fetchall()
        gone = []
        while taken + needed > self.most_bytes and idle:
            old, name, size = idle.pop(0)
            self._base.execute("DELETE FROM runs WHERE id = ?", (old,))
            gone.append(name or old)
            taken -= size
        if taken + needed > self.most_bytes:
            raise ConfigError(
                f"{self.path} may hold {self.most_bytes:,} bytes, and runs under way take "
                f"{taken:,}: this one, of {needed:,}, goes on without being kept"
            )
        return gone

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Have everything inside happen as one, or not at all."""
        with self._lock, self._named():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(Exception):  # SQLite may have done so, on a full disk
                    self._base.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Turn SQLite's errors into those that everything else here raises for files."""
        import sqlite3

        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without its finer half
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise FormatError(
                    f"{self.path} is no store of runs, or a damaged one ({error}): move it away, "
                    "or set NNENGINE_HOME to another folder"
                ) from None
            number = {
                sqlite3.SQLITE_FULL: errno.ENOSPC,
                sqlite3.SQLITE_READONLY: errno.EROFS,
                sqlite3.SQLITE_CANTOPEN: errno.EACCES,
                sqlite3.SQLITE_BUSY: errno.EBUSY,
            }.get(code, errno.EIO)
            raise OSError(number, f"{error}: the run is not kept", str(self.path)) from None


def _text(words: str) -> str:
    return words[:_MOST_TEXT]
