"""`nnengine demo`: a model as a page that answers drawings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import demo
from ..errors import ConfigError
from ..storage import modelfile
from . import report
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(
        commands, "demo", _demo, "turn a model into one HTML page that answers drawings"
    )
    command.add_argument("model", help=".nnm or .npz file")
    command.add_argument("page", metavar="PAGE", help=".html file to write")
    command.add_argument("--name", help="title of the page (the model's file name)")
    command.add_argument("--note", default="", help="a sentence about it, under the title")


def _demo(arguments: argparse.Namespace) -> None:
    network = modelfile.load(arguments.model)
    name = arguments.name if arguments.name is not None else Path(arguments.model).stem
    text = demo.page(network, name, note=arguments.note).encode()
    target = Path(arguments.page)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{target.name}: a page's name ends in .html")
    target.write_bytes(text)
    result = {
        "model": arguments.model,
        "page": arguments.page,
        "bytes": len(text),
        "layers": list(network.sizes),
    }
    answer(result, report.demo_lines(result), arguments)
