"""`nnengine convert`: a model, or a data set, in another format."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import ConfigError
from ..storage import modelfile
from . import files, report
from .convertdata import FORMS, convert_data, is_data
from .options import add_command, add_righting, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(
        commands, "convert", _convert, "turn .nnm into .npz or back, or data into another format"
    )
    command.add_argument(
        "source",
        nargs="+",
        help="model file to read; or data, as train takes them, or images alone; - is standard "
        "input",
    )
    command.add_argument(
        "target",
        help="file to write; its ending says the format: .nnm or .npz of a model; .npz, .csv, "
        ".csv.gz, .parquet or .zip (of IDX files) of data. Without an ending a new folder, of PNG "
        "pictures of 8 bits in folders named by class, or as --to says",
    )
    command.add_argument(
        "--to", choices=FORMS, help="the format of data written into a folder or a pipe"
    )
    command.add_argument(
        "--part", choices=("train", "test", "images"), help="the part of the data that is written"
    )
    add_righting(command)


def _convert(arguments: argparse.Namespace) -> None:
    words = files.emptied(arguments.source)
    if is_data(words):
        result = convert_data(arguments, words)
        answer(result, report.converted_lines(result), arguments, beside=arguments.target)
        return
    _check_unused(arguments)
    (source,) = words
    network = files.network(source)
    files.keep_apart(arguments.target, [source], "target")
    modelfile.save(network, arguments.target, kind=(kind := modelfile.kind_for(arguments.target)))
    kept = modelfile.load(modelfile.to_bytes(network, kind))
    result = {
        "from": str(source),
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
    answer(result, report.convert_lines(result), arguments, beside=arguments.target)


def _check_unused(arguments: argparse.Namespace) -> None:
    """Raise ConfigError for options that speak of data where a model is converted."""
    for option in ("to", "part", "invert", "turn", "which", "keep_whole"):
        if getattr(arguments, option):
            said = "set" if option == "which" else option.replace("_", "-")
            raise ConfigError(f"--{said} is for data, and {arguments.source[0]} is a model")
