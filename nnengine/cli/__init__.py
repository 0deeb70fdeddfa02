"""The command line: `nnengine train | runs | search | doctor | check | evaluate | predict | info |
convert | export | demo | fetch | app | site`.

Results go to standard output: a short summary, or with --json one JSON object and nothing else.
Progress and faults go to standard error, a fault as one line. Exit status: 0 done, 2 a fault,
130 interrupted, 129 and 143 ended by SIGHUP or SIGTERM, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

from .._version import __version__
from ..renamed import SETTINGS
from . import (
    app,
    check,
    convert,
    demo,
    doctor,
    ends,
    evaluate,
    export,
    fetch,
    info,
    predict,
    runs,
    search,
    site,
    train,
)
from .ends import NO_READER
from .options import Parser

__all__ = ["NO_READER", "main"]

_OLD = {f"--{name}" for name in SETTINGS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; ``argv`` defaults to the process's own."""

    def command() -> int | None:
        arguments = _arguments(argv)
        with warnings.catch_warnings():  # a picture that is damaged is told in one line
            warnings.filterwarnings("ignore", module=r"PIL\b")
            return arguments.run(arguments)

    return ends.run(command)


def _by_its_new_name(word: str) -> str:
    """Return an option as it is called today, its value untouched; other words as they are."""
    name, sign, value = word.partition("=")
    option = name.removeprefix("--")
    return f"--{SETTINGS[option]}{sign}{value}" if name == f"--{option}" in _OLD else word


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse; words of data may stand before and after options, which argparse would not have.

    What a command passes on to another program is left to that one.
    """
    parser = _parser()
    given = sys.argv[1:] if argv is None else argv
    arguments, rest = parser.parse_known_args(list(map(_by_its_new_name, given)))
    if hasattr(arguments, "passed_on"):
        arguments.passed_on = rest
        return arguments
    words = [word for word in rest if not word.startswith("-")]
    if rest and (words != rest or not hasattr(arguments, "data")):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if hasattr(arguments, "data"):
        arguments.data = [*arguments.data, *rest]
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="nnengine", description="Train, try and convert neural networks.")
    parser.add_argument("--version", action="version", version=f"nnengine {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    first = (train, runs, search, doctor, check)
    for command in (*first, evaluate, predict, info, convert, export, demo, fetch, app, site):
        command.add(commands)
    return parser
