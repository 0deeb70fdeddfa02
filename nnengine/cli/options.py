"""Options: what the commands share: their parser, the words for data, and --json."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from .data import NAMES

FAULT = 2  # an exit status


class Parser(argparse.ArgumentParser):
    """An argument parser whose faults are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAULT, f"nnengine: {message} (see {self.prog} --help)\n")


def add_command(
    commands: Any, name: str, run: Callable, purpose: str, *, answers: bool = True
) -> argparse.ArgumentParser:
    """Return a new command: `run` does it, on the arguments it gets; its options are still few.

    answers: whether it has something to tell, which --json puts into one object.
    """
    command = commands.add_parser(
        name, help=purpose, description=purpose.capitalize() + ".", allow_abbrev=False
    )
    if answers:
        command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)
    return command


def add_data(command: argparse.ArgumentParser, use: str) -> None:
    """Add the words for data; use: what becomes of them where one word stands for a whole set."""
    command.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help=f"either IMAGES LABELS, two IDX files, gzip or not; or one CSV, .npz, zip or folder "
        f"that holds both; or one name, {NAMES}: {use}. One word is a name before it is a file "
        "(./NAME), two are always files",
    )


def answer(result: dict[str, Any], lines: Iterator[str], arguments: argparse.Namespace) -> None:
    """Print the result as one JSON object, or as lines for people."""
    if arguments.json:
        print(json.dumps(result, allow_nan=False))
        return
    for line in lines:
        print(line)
