"""`nnengine predict`: what a model takes images for."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis import novelty
from ..core.network import Network
from ..data import writing
from ..errors import ConfigError
from . import files, report
from .data import NAMES, Righting, fitting_images, images
from .files import emptied
from .options import add_command, add_righting, answer

_PICTURES = 4  # predictions at most beside which the image is drawn


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "predict", _predict, "name what is on images")
    command.add_argument("model", help="model file, of any library; - is standard input")
    command.add_argument(
        "images",
        metavar="IMAGES",
        help="images as IDX or .npy; or one picture; or a CSV, .npz, zip, tar or folder, with "
        f"labels or without; or {NAMES}: its test images (./NAME for a file of that name)",
    )
    add_righting(command)
    command.add_argument(
        "--csv",
        metavar="FILE",
        help="write the answers as a table, ImageId,Label, counted from 1, as Kaggle takes them",
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
    model, word = emptied([arguments.model, arguments.images])
    network = files.network(model)
    righting, colours = Righting.asked(arguments), network.channels > 1
    found = images(
        word, righting.which, colours=colours and not righting.grey, shape=network.image_shape,
        keep_whole=righting.keep_whole,
    )  # fmt: skip
    found = righting.images(fitting_images(found, colours, word), word)
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
        **_strange(network, found[start:stop]),
    }
    if arguments.csv is not None:
        files.keep_apart(arguments.csv, [model, word], "--csv")
        writing.write(Path(arguments.csv), _table(result["names"], start))
    lines = report.prediction_lines(result, found[start:stop], _PICTURES)
    answer(result, lines, arguments, beside=arguments.csv)


def _strange(network: Network, found: np.ndarray) -> dict[str, Any]:
    """Return which images look like none of the network's digits, where that can be told."""
    line = novelty.line_of(network)
    if line is None:
        return {"none": None}
    none = novelty.strangeness(found) > line.value
    return {"none": none.tolist(), "none_price": line.price, "none_own": line.own}


def _table(names: Sequence[str], start: int) -> bytes:
    """Return answers as the table that competitions take: ImageId,Label, the first image is 1."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("ImageId", "Label"))
    rows.writerows(enumerate(names, start + 1))
    return text.getvalue().encode()
