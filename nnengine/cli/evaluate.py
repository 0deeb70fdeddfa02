"""`nnengine evaluate`: a model measured on labelled images."""

from __future__ import annotations

import argparse
import math
from typing import Any

from .. import kernels
from ..core.metrics import evaluate
from ..data.readers.numbering import numbered_as
from . import files, report
from .data import Righting, dataset, fitting
from .ends import columns
from .files import emptied
from .options import add_command, add_data, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "evaluate", _evaluate, "measure a model on labelled images")
    command.add_argument("model", help="model file, of any library; - is standard input")
    add_data(command, "its test images are used")


def _evaluate(arguments: argparse.Namespace) -> None:
    model, *data = emptied([arguments.model, *arguments.data])
    network = files.network(model)
    righting = Righting.asked(arguments)
    colours = network.channels > 1
    images = dataset(
        data, which=righting.which, colours=colours and not righting.grey,
        keep_whole=righting.keep_whole,
    )  # fmt: skip
    measured = fitting(numbered_as(images, network.class_names), colours, data[0])
    found = evaluate(network, righting.righted(measured, data))
    result = {
        "accuracy": found.accuracy,
        "count": len(found.predictions),
        "loss": found.loss,
        "confusion": found.confusion.tolist(),
        "precision": [_number(share) for share in found.precision],
        "recall": [_number(share) for share in found.recall],
        "class_names": list(network.class_names),
        "kernels": kernels.name,
        "kernels_remark": kernels.remark() or None,
    }
    answer(result, report.evaluation_lines(result, columns()), arguments)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
