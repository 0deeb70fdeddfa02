"""Catalogue: data sets by name, built in, on this disk, or fetched; each proved by its digest."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import NamedTuple

from ...errors import ConfigError, FetchError, FormatError
from ..dataset import Dataset
from . import drawn
from .mirrors import OTHERWISE, Progress, fetch_file, mirrors_of
from .proof import is_genuine, lies_at, read
from .published import ENTRIES, NAMES, Entry, Published

__all__ = [
    "ENTRIES",
    "NAMES",
    "Entry",
    "Progress",
    "Published",
    "Sets",
    "cache_folder",
    "describe",
    "fetch",
    "find",
    "knows",
    "load",
]
SYSTEM = Path("/usr/share/datasets")  # where Debian's dataset-fashion-mnist puts its files


class Sets(NamedTuple):
    """The two parts of a data set: one to train on, one to measure with."""

    train: Dataset
    test: Dataset


def describe(name: str) -> Entry:
    """Return what is known of the data set called ``name``, in capitals or not.

    Raises ConfigError for any other name; it says which there are.
    """
    plain = _plain(name)
    if plain in ENTRIES:
        return ENTRIES[plain]
    near = difflib.get_close_matches(plain, ENTRIES, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"no data set is called {name!r}: there are {', '.join(ENTRIES)}{meant}")


def knows(name: str) -> bool:
    """Tell whether there is a data set called ``name``, in capitals or not."""
    return _plain(name) in ENTRIES


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


def find(name: str) -> Path | None:
    """Return the folder that holds all files of a set, or None; never asks the network.

    Looked at in turn: the folders of NNENGINE_DATA (several are separated as in PATH), the
    system's, the cache. For what is built in it is the file of the module that makes it. Whether
    the files are the published ones is not known before `load` has read them.
    Raises ConfigError for an unknown name.
    """
    entry = describe(name)
    if entry.built_in:
        return Path(__file__).parents[1] / "synthetic" / "__init__.py"
    for folder in _places(entry):
        if all(lies_at(folder, file) for file in entry.files):
            return folder
    return None


def load(name: str, *, progress: Progress | None = None, offline: bool = False) -> Sets:
    """Return both parts of the set called ``name``; fetch it where this machine does not have it.

    With ``offline`` nothing is ever fetched. ``progress``: see `fetch`. Every file is hashed as it
    is read, each time: that takes less time than unpacking it, and nothing has to be remembered
    that could be wrong later. A file of the cache that has become damaged is fetched again.

    Raises ConfigError for an unknown name, FetchError where the set is not here and cannot be had,
    FormatError where a file of that name is not the one that was published.
    """
    entry = describe(name)
    if entry.built_in:
        return Sets(*(drawn.from_file() or drawn.draw()))
    folder = find(entry.name)
    if folder is None:
        if offline:
            raise FetchError(
                f"{entry.name} is not on this machine ({_looked_in(entry)}); {OTHERWISE}"
            )
        return Sets(*read(entry, fetch(entry.name, progress=progress)))
    try:
        return Sets(*read(entry, folder))
    except FormatError:
        if offline or folder != cache_folder() / entry.name:
            raise
        return Sets(*read(entry, fetch(entry.name, progress=progress, force=True)))


def fetch(name: str, *, progress: Progress | None = None, force: bool = False) -> Path:
    """Return the folder that holds the set, after fetching it into the cache unless it is here.

    ``force`` fetches whatever is missing from the cache or damaged there, no matter what lies
    elsewhere. ``progress(done, total, file)`` is called with the bytes of all files that have
    come, of how many, and the name of the file under way; it may go back where a mirror fails,
    and what it raises ends the fetching. What has come by then is kept and resumed the next time.

    The mirror in NNENGINE_MIRROR is asked first (below it: mnist/train-images-idx3-ubyte.gz and so
    on), then the public ones in turn. Two processes at once do no harm: a file appears in one
    piece and only when its digest is right. Raises ConfigError and FetchError.
    """
    entry = describe(name)
    here = find(entry.name)
    if entry.built_in or (here is not None and not force):
        return here  # type: ignore[return-value]
    folder = cache_folder() / entry.name
    mirrors = mirrors_of(entry)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(entry.files):
            if not is_genuine(folder, file):
                fetch_file(entry, number, folder, mirrors, progress)
    except OSError as error:
        raise FetchError(
            f"{entry.name} cannot be kept: {error.filename or folder}: {error.strerror or error}; "
            f"make room there, or put the files into a folder and name it in NNENGINE_DATA; "
            f"{OTHERWISE}"
        ) from error
    return folder


def cache_folder() -> Path:
    """Return the folder fetched sets are kept in, below the user's own cache."""
    try:
        from platformdirs import user_cache_path
    except ImportError:
        return _user_cache() / "data"
    return user_cache_path("nnengine", appauthor=False) / "data"


def _user_cache() -> Path:
    """Return what platformdirs would, so that installing it loses nothing."""
    home = Path.home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local or home / "AppData" / "Local") / "nnengine" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "nnengine"
    return Path(os.environ.get("XDG_CACHE_HOME", "").strip() or home / ".cache") / "nnengine"


def _places(entry: Entry) -> list[Path]:
    """Return the folders in which a set may lie, the first to be looked at first."""
    given = os.environ.get("NNENGINE_DATA", "").split(os.pathsep)
    roots = [Path(root).expanduser() for root in given if root.strip()]
    return [root / folder for root in roots for folder in entry.folders] + [
        SYSTEM / entry.name,
        cache_folder() / entry.name,
    ]


def _looked_in(entry: Entry) -> str:
    places = ", ".join(str(place) for place in _places(entry))
    hint = "" if os.environ.get("NNENGINE_DATA") else "; NNENGINE_DATA can name more"
    return f"looked in {places}{hint}"
