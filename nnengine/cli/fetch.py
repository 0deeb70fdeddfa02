"""`nnengine fetch`: data sets by name, brought here and listed."""

from __future__ import annotations

import argparse
from typing import Any

from ..data import catalogue
from ..errors import ConfigError
from . import report
from .data import NAMES
from .options import add_command, answer
from .progress import FetchProgress


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "fetch", _fetch, "fetch data sets by name, or list them")
    command.add_argument("names", nargs="*", metavar="NAME", help=f"{NAMES} (list them all)")
    command.add_argument(
        "--force", action="store_true", help="into the cache, even if it lies elsewhere already"
    )


def _fetch(arguments: argparse.Namespace) -> None:
    if arguments.force and not arguments.names:
        raise ConfigError(f"--force needs a name: {NAMES}")
    entries = [catalogue.describe(name) for name in arguments.names or catalogue.NAMES]
    rows = [_row(entry, arguments) for entry in entries]
    lines = report.fetched_lines if arguments.names else report.catalogue_lines
    answer({"sets": rows}, lines(rows), arguments)


def _row(entry: catalogue.Entry, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the facts of a data set, after fetching and checking it where it was asked for."""
    where, progress = None, FetchProgress()
    with progress:
        if entry.built_in:
            pass
        elif arguments.force:
            where = catalogue.fetch(entry.name, progress=progress.show, force=True)
        else:
            if arguments.names:
                catalogue.load(entry.name, progress=progress.show)
            where = catalogue.find(entry.name)
    return {
        "name": entry.name,
        "title": entry.title,
        "summary": entry.summary,
        "makers": entry.makers,
        "source": entry.source,
        "licence": entry.licence,
        "images": list(entry.images),
        "size_bytes": entry.size_bytes,
        "built_in": entry.built_in,
        "where": None if where is None else str(where),
        "fetched": progress.shown,
    }
