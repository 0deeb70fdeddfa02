"""`nnengine info`: what is in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from ..data import readers
from ..data.dataset import Dataset
from ..data.idx import LABELS_MAGIC, describe, read_idx
from ..data.readers import Contents
from ..errors import FormatError
from ..storage import modelfile
from . import report
from .options import add_command, answer


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "info", _info, "say what a file of data or a model holds")
    command.add_argument("file")


def _info(arguments: argparse.Namespace) -> None:
    kind = readers.recognise(arguments.file)
    if kind in (None, "idx"):
        _idx_info(arguments)
        return
    found = None
    if kind in ("npy", "zip"):  # so are models; what is neither is told as a model's fault
        try:
            facts = modelfile.describe_model(arguments.file)
            answer(facts, report.model_lines(facts), arguments)
            return
        except FormatError:
            found = readers.inspect(arguments.file)
            if found.fault:
                raise
    found = found or readers.read(arguments.file)
    facts = _facts(arguments.file, found)
    answer(facts, report.data_lines(facts), arguments)


def _facts(file: str, found: Contents) -> dict[str, Any]:
    """Return what a file of data holds, for JSON."""
    parts = [(part, data) for part, data in (("train", found.train), ("test", found.test)) if data]
    alone = found.labels if found.images is None else found.images
    if alone is not None:
        held = {found.kind: {"count": len(alone), "shape": list(alone.shape[1:])}}
    else:
        held = {part: _part(data) for part, data in parts}
    return {"kind": found.form, "name": Path(file).name, "parts": held, "notes": found.notes}


def _part(data: Dataset) -> dict[str, Any]:
    return {
        "count": len(data),
        "shape": list(data.image_shape),
        "class_names": list(data.class_names),
        "class_counts": data.class_counts().tolist(),
    }


def _idx_info(arguments: argparse.Namespace) -> None:
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
