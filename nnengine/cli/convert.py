"""`nnengine convert`: a model in the other format."""

from __future__ import annotations

import argparse
from typing import Any

from ..storage import modelfile
from . import report
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "convert", _convert, "turn .nnm into .npz or back")
    command.add_argument("source", help="model file to read")
    command.add_argument("target", help="model file to write; its ending says the format")


def _convert(arguments: argparse.Namespace) -> None:
    network = modelfile.load(arguments.source)
    network.save(arguments.target)
    kept = modelfile.load(arguments.target)
    result = {
        "from": arguments.source,
        "to": arguments.target,
        "layers": list(network.sizes),
        "left_behind": [
            words
            for words, name in (
                ("class names", "class_names"),
                ("image shape", "image_shape"),
                ("training records", "training"),
            )
            if getattr(kept, name) != getattr(network, name)
        ],
    }
    answer(result, report.convert_lines(result), arguments)
