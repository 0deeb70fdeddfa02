"""`nnengine export`: a model for other libraries, or one of theirs for this one."""

from __future__ import annotations

import argparse
import re
from typing import Any

from .. import exchange
from ..core.activations import ACTIVATIONS
from ..errors import ConfigError
from . import files, report
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(
        commands, "export", _export, "write a model as other libraries read it, or as code"
    )
    command.add_argument("source", help="model file, ours or of another library; - is standard "
                         "input")  # fmt: skip
    command.add_argument(
        "target", help="file to write; its ending says the format unless --to does"
    )
    command.add_argument(
        "--to", metavar="FORMAT",
        help=f"one of {', '.join(exchange.written())} (by the ending of the file)",
    )  # fmt: skip
    told = command.add_argument_group("what a file of weights alone does not say")
    told.add_argument("--activation", choices=ACTIVATIONS, help="behind its hidden layers")
    told.add_argument(
        "--layers", metavar="TEXT",
        help="its hidden layers, as in 'conv 8 5x5, pool 2, dense 64' (all fully connected)",
    )  # fmt: skip
    told.add_argument(
        "--image-shape", metavar="HxW", type=_sides, help="pixels of an image (28x28, or a square)"
    )
    told.add_argument(
        "--mean", type=float, default=0.0, metavar="M",
        help="what was taken from pixels of 0 to 1 in training (0)",
    )  # fmt: skip
    told.add_argument(
        "--std", type=float, default=1.0, metavar="S", help="what they were divided by then (1)"
    )
    told.add_argument(
        "--white", type=float, metavar="W",
        help="a white pixel in training, 1 or 255 (1, or 255 where the file divides it itself)",
    )  # fmt: skip


def _sides(text: str) -> tuple[int, int]:
    if not re.fullmatch("[1-9][0-9]{0,4}x[1-9][0-9]{0,4}", text):
        raise argparse.ArgumentTypeError(f"invalid size: {text!r}; write 28x28")
    height, _, width = text.partition("x")
    return int(height), int(width)


def _export(arguments: argparse.Namespace) -> None:
    kind = arguments.to or exchange.form_for(arguments.target)
    if kind not in exchange.written():
        raise ConfigError(f"--to {kind}: choose one of {', '.join(exchange.written())}")
    (source,) = files.emptied([arguments.source])
    told = exchange.Told(
        layers=arguments.layers, activation=arguments.activation, mean=arguments.mean,
        std=arguments.std, image_shape=arguments.image_shape, white=arguments.white,
    )  # fmt: skip
    network = files.network(source, told)
    files.keep_apart(arguments.target, [source], "target")
    exchange.export(network, arguments.target, kind)
    result = {
        "from": str(source),
        "to": arguments.target,
        "format": kind,
        "layers": network.description,
        "parameters": network.parameter_count,
        "read_by": exchange.FORMS[kind].read_by if kind in exchange.FORMS else "nnengine",
    }
    answer(result, report.export_lines(result), arguments, beside=arguments.target)
