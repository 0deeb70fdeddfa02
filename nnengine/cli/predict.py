"""`nnengine predict`: what a model takes images for."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..storage import modelfile
from . import report
from .data import NAMES, images
from .options import add_command, answer

_PICTURES = 4  # predictions at most beside which the image is drawn


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "predict", _predict, "name what is on images")
    command.add_argument("model", help=".nnm or .npz file")
    command.add_argument(
        "images",
        metavar="IMAGES",
        help=f"images as IDX or .npy; or a CSV, .npz, zip or folder as for train, or {NAMES}: its "
        "test images (./NAME for a file of that name)",
    )
    command.add_argument(
        "--index",
        metavar="A:B",
        type=_index,
        default=(None, None),
        help="images A up to but not B, or just A (all)",
    )


def _index(text: str) -> tuple[int | None, int | None]:
    """Return start and stop of "A:B", either of which may be missing, or of one number."""
    if ":" not in text:
        return int(text), int(text) + 1 or None  # -1 is the last image: up to the end
    start, stop = (int(part) if part else None for part in text.split(":"))
    return start, stop


_index.__name__ = "index"  # what argparse calls it in its messages


def _predict(arguments: argparse.Namespace) -> None:
    network = modelfile.load(arguments.model)
    found = images(arguments.images)
    start, stop, _ = slice(*arguments.index).indices(len(found))
    if start >= stop:
        raise ConfigError(
            f"--index chooses no image: there are {len(found):,}, numbered "
            f"from 0 to {len(found) - 1:,}"
        )
    probabilities = network.predict_proba(found[start:stop])
    answers = probabilities.argmax(axis=1)
    result = {
        "predictions": answers.tolist(),
        "probabilities": probabilities[np.arange(len(answers)), answers].astype(float).tolist(),
        "names": [network.class_names[label] for label in answers],
        "count": len(answers),
        "start": start,
    }
    answer(result, report.prediction_lines(result, found[start:stop], _PICTURES), arguments)
