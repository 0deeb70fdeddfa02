"""The command line: `nnengine train | evaluate | predict | info | convert | demo | fetch | app |
site`.

Results go to standard output: a short summary, or with --json one JSON object and nothing else.
Progress and faults go to standard error, a fault as one line. Exit status: 0 done, 2 a fault,
130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import EngineError
from ..renamed import SETTINGS
from . import app, convert, demo, evaluate, fetch, info, predict, site, train
from .options import FAULT, Parser

INTERRUPTED, NO_READER = 130, 141
_OLD = {f"--{name}" for name in SETTINGS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; ``argv`` defaults to the process's own."""
    try:
        arguments = _arguments(argv)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()
        return status or 0
    except BrokenPipeError:
        # Python flushes once more as it ends: give it something that can be written to.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except (KeyboardInterrupt, train.Interrupted) as stop:
        return _complain(str(stop) or "interrupted", INTERRUPTED)
    except EngineError as error:
        return _complain(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    except MemoryError:
        return _complain("out of memory: use smaller layers, a smaller batch or less data")


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
    for command in (train, evaluate, predict, info, convert, demo, fetch, app, site):
        command.add(commands)
    return parser


def _complain(message: str, status: int = FAULT) -> int:
    print("nnengine:", " ".join(message.split()), file=sys.stderr)
    return status
