"""Run file: the SQLite file of the store of runs: where it lies, how it is written, who lives.

A program that holds runs has a file beside it, locked for as long as the program lives: whoever
opens the store next sees at once that one has ended, however it ended. Where there are no such
locks (Windows), what it held is free when its lease is over.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError

try:
    import fcntl
except ImportError:  # Windows, and Python in a browser
    fcntl = None

if TYPE_CHECKING:
    import sqlite3

FILE = "runs.sqlite"
UNDER_WAY, INTERRUPTED = "under way", "interrupted"
_VERSION = 4
_WAIT_S = 10.0  # for another program's transaction
_SIGN = ".alive"
# sets: images and labels once for all runs that need them; needs: which run needs which, as what,
# and what its owner calls it. moments: a run's weights at some of its steps, as `Moments` packs
# them. points: a run as it stood after some of its steps, to go on from there to the same bits.
_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, notes TEXT NOT NULL,
    state TEXT NOT NULL, holder TEXT NOT NULL, begun REAL NOT NULL, kept REAL NOT NULL,
    step INTEGER NOT NULL, request TEXT NOT NULL, record TEXT NOT NULL, checkpoint BLOB,
    about TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS by_owner ON runs (owner);
CREATE TABLE IF NOT EXISTS sets (
    digest TEXT PRIMARY KEY, images BLOB NOT NULL, labels BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS needs (
    run TEXT NOT NULL, part TEXT NOT NULL, digest TEXT NOT NULL, about TEXT NOT NULL,
    PRIMARY KEY (run, part)
);
CREATE TABLE IF NOT EXISTS moments (run TEXT PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS points (
    run TEXT NOT NULL, step INTEGER NOT NULL, busy REAL NOT NULL, seconds REAL NOT NULL,
    packed BLOB NOT NULL, PRIMARY KEY (run, step)
)
"""


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


class RunFile:
    """One store's file, open; every thread and any number of programs may use it at once.

    Raises OSError where it cannot be opened, read or written, as on a full disk, and FormatError
    where it is no store of runs or a later version's; so does everything that is done with it.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path) if path is not None else home() / FILE
        self._holder = secrets.token_hex(8)  # this program, as other programs see it
        self._sign: int | None = None
        self._lock = threading.RLock()
        # What visitors have on a server is found by the ids in there: nobody else is to read them.
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._named():
            self._base = self._opened()
            self._free_runs_of_the_dead()

    def _opened(self) -> sqlite3.Connection:
        import sqlite3  # in a browser's Python it is a package that may not be there

        with contextlib.suppress(OSError):  # then SQLite says what is wrong
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
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
            if version < _VERSION:
                self._renew(base)
        except BaseException:
            base.close()
            raise
        return base

    @staticmethod
    def _renew(base: sqlite3.Connection) -> None:
        """Make the tables, or those of an earlier version what they are now."""
        base.execute("BEGIN IMMEDIATE")
        for table in _TABLES.split(";"):
            base.execute(table)
        columns = [row[1] for row in base.execute("PRAGMA table_info(runs)")]
        if "about" not in columns:
            base.execute("ALTER TABLE runs ADD COLUMN about TEXT NOT NULL DEFAULT '{}'")
        base.execute(f"PRAGMA user_version={_VERSION}")
        base.execute("COMMIT")

    def rest(self) -> None:
        """Give back what SQLite remembers of the file, which otherwise stays until it is closed.

        By itself SQLite keeps up to 2,000 kB of its pages, and Python word of some 200 cursors.
        """
        with self._lock, self._named():
            fresh = self._opened()
            self._base.close()
            self._base = fresh

    def close(self) -> None:
        """Let go of the file, and of the runs that this program holds yet."""
        with self._lock:
            with contextlib.suppress(OSError, FormatError):  # then others see that it has ended
                self._free(self._holder)
                if self._sign is not None:
                    self._sign_of(self._holder).unlink(missing_ok=True)
            self._base.close()
            if self._sign is not None:
                os.close(self._sign)
                self._sign = None

    # Who lives -----------------------------------------------------------------------------

    def _sign_of(self, holder: str) -> Path:
        return self.path.with_name(f"{self.path.name}-{holder}{_SIGN}")

    def _alive(self) -> str:
        """Return what this program is known by to others, who can see from now on that it lives."""
        if self._sign is None and fcntl is not None:
            self._sign = _locked(self._sign_of(self._holder), os.O_CREAT)
        return self._holder

    def _free_runs_of_the_dead(self) -> None:
        """Have what a program held that lives no more count as interrupted."""
        if fcntl is None:
            return
        for sign in self.path.parent.glob(f"{self.path.name}-*{_SIGN}"):
            if (found := _locked(sign)) is None:
                continue
            holder = sign.name.removesuffix(_SIGN).rpartition("-")[2]
            self._free(holder)
            sign.unlink(missing_ok=True)
            os.close(found)

    def _free(self, holder: str) -> None:
        with self._writing():
            self._base.execute(
                "UPDATE runs SET state = ?, holder = '' WHERE holder = ?", (INTERRUPTED, holder)
            )

    # Reading and writing -------------------------------------------------------------------

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._named():
            return self._base.execute(sql, values).fetchall()

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


def _locked(sign: Path, flags: int = 0) -> int | None:
    """Return a program's sign, opened and locked; None where it is another's, or cannot be had."""
    assert fcntl is not None
    while True:
        try:
            found = os.open(sign, flags | os.O_RDWR, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(sign).st_ino == os.fstat(found).st_ino:
                return found
        except FileNotFoundError:  # somebody took it away between the two
            pass
        except OSError:
            os.close(found)
            return None
        os.close(found)
