"""`nnengine info`: what is in a file."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..data.idx import LABELS_MAGIC, describe, read_idx
from ..storage import modelfile
from . import report
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "info", _info, "say what an IDX or model file holds")
    command.add_argument("file")


def _info(arguments: argparse.Namespace) -> None:
    with open(arguments.file, "rb") as file:
        is_model = file.read(4) in (b"\x93NUM", b"PK\x03\x04", b"PK\x05\x06")
    if is_model:
        facts = modelfile.describe_model(arguments.file)
        answer(facts, report.model_lines(facts), arguments)
        return
    header, data = describe(arguments.file), read_idx(arguments.file)  # all of it: is it whole?
    is_labels = header.magic == LABELS_MAGIC
    facts = {
        "kind": "IDX",
        "name": header.name,
        "items": header.items(header.count),
        "magic": header.magic,
        "dtype": header.dtype.name,
        "shape": list(header.shape),
        "header": header.header_bytes.hex(" "),
        "gzip": header.gzipped,
        "data_bytes": header.data_bytes,
        "class_counts": np.bincount(data).tolist() if is_labels else None,
    }
    answer(facts, report.idx_lines(facts), arguments)
