"""`nnengine demo`: a model as a page that answers drawings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import demo
from ..data import writing
from ..errors import ConfigError
from . import files, report
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(
        commands, "demo", _demo, "turn a model into one HTML page that answers drawings"
    )
    command.add_argument("model", help="model file, of any library; - is standard input")
    command.add_argument("page", metavar="PAGE", help=".html file to write")
    command.add_argument("--name", help="title of the page (the model's file name)")
    command.add_argument("--note", default="", help="a sentence about it, under the title")


def _demo(arguments: argparse.Namespace) -> None:
    (model,) = files.emptied([arguments.model])
    target = Path(arguments.page)
    files.keep_apart(arguments.page, [model], "page")
    if not writing.is_stream(target) and target.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{target.name}: a page's name ends in .html")
    network = files.network(model)
    name = arguments.name if arguments.name is not None else Path(str(model)).stem
    text = demo.page(network, _letters(name), note=_letters(arguments.note)).encode()
    writing.write(target, text)
    result = {
        "model": str(model),
        "page": arguments.page,
        "bytes": len(text),
        "layers": list(network.sizes),
    }
    answer(result, report.demo_lines(result), arguments, beside=arguments.page)


def _letters(text: str) -> str:
    """Return a text in which bytes of a name that were no UTF-8 can be read."""
    return text.encode(errors="backslashreplace").decode()
