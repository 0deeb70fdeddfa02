"""Options: what the commands share: their parser, the words for data, and --json."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from ..errors import ConfigError
from ..training.kinds import Choice, either
from ..training.settings import SETTINGS, Row
from .data import NAMES
from .ends import FAULT, is_stdout, note, shown, speaking


class Parser(argparse.ArgumentParser):
    """An argument parser whose faults are one line, like all others, and are told."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAULT, f"nnengine: {shown(message)} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Say it; raises OSError where help cannot be printed, which argparse passes over."""
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        with speaking():
            file.write(message)


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
    add_righting(command)


def add_righting(command: argparse.ArgumentParser) -> None:
    """Add the options for images that are not as MNIST's are."""
    command.add_argument(
        "--invert", action="store_true", help="make dark images on light light on dark"
    )
    command.add_argument(
        "--turn", action="store_true", help="exchange rows and columns, as EMNIST's need it"
    )
    command.add_argument(
        "--grey", action="store_true", help="make images in colour grey, as bright as eyes see them"
    )
    add_reading(command)


def add_reading(command: argparse.ArgumentParser) -> None:
    """Add the options that say what is read: of a file cut short, and of several sets."""
    command.add_argument(
        "--keep-whole",
        action="store_true",
        help="of a file that was cut short keep the images, labels or rows that are whole",
    )
    command.add_argument(
        "--set",
        metavar="NAME",
        dest="which",
        help="the one that is wanted of several sets in an archive, as EMNIST's: letters",
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


def settings_said(
    arguments: argparse.Namespace, *, of_network: bool | None = None
) -> dict[str, Any]:
    """Return the settings by name: those that make the network, those that make the run, or all."""
    rows = (row for row in SETTINGS.values() if row.options)
    chosen = (row for row in rows if of_network in (None, row.of_network))
    return {row.name: getattr(arguments, row.name) for row in chosen}


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
        name, values = row.when
        words += f", for {SETTINGS[name].options[0]} {either(values)}"
    default = row.usual or row.write(usual)
    return f"{words} ({default})" if default else words


def answer(
    result: dict[str, Any],
    lines: Iterator[str],
    arguments: argparse.Namespace,
    *,
    beside: str | None = None,
) -> None:
    """Print the result as one JSON object, or as lines for people.

    beside: what was written by name, and may have been standard output itself; the result then
    goes to standard error. Raises OSError, which names it, where nothing can be printed.
    """
    if beside is not None and is_stdout(beside):
        lines = iter([json.dumps(result)]) if arguments.json else lines
        for line in lines:
            note(line)
        return
    with speaking():
        if arguments.json:
            print(json.dumps(result, allow_nan=False))
            return
        for line in lines:
            print(shown(line))
