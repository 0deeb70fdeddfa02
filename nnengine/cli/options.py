"""Options: what the commands share: their parser, the words for data, and --json."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from ..errors import ConfigError
from ..training.kinds import Choice
from ..training.settings import SETTINGS, Row
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


def add_settings(command: argparse.ArgumentParser, usual: Mapping[str, Any]) -> None:
    """Add the option of every setting that has one; usual: what each is where nobody says it."""
    alternatives: dict[str, Any] = {}
    for row in SETTINGS.values():
        if row.either and row.either not in alternatives:
            alternatives[row.either] = command.add_mutually_exclusive_group()
        if row.options:
            _add_setting(alternatives.get(row.either, command), row, usual.get(row.name))


def _add_setting(group: Any, row: Row, usual: Any) -> None:
    more: dict[str, Any] = {"metavar": row.metavar or row.kind.metavar}
    if isinstance(row.kind, Choice):
        more = {"choices": tuple(row.kind.labels)}
    more |= {"dest": row.name, "type": _reader(row), "default": usual}
    group.add_argument(*row.options, help=_help(row, usual), **more)


def _reader(row: Row) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return row.read(text)
        except ConfigError as fault:
            raise argparse.ArgumentTypeError(
                f"invalid {row.words} value: {text!r}; {fault}"
            ) from None

    return read


def _help(row: Row, usual: Any) -> str:
    words = row.help[0].lower() + row.help[1:].rstrip(".")
    if row.when:
        name, value = row.when
        words += f", for {SETTINGS[name].options[0]} {value}"
    default = row.usual or row.write(usual)
    return f"{words} ({default})" if default else words


def answer(result: dict[str, Any], lines: Iterator[str], arguments: argparse.Namespace) -> None:
    """Print the result as one JSON object, or as lines for people."""
    if arguments.json:
        print(json.dumps(result, allow_nan=False))
        return
    for line in lines:
        print(line)
