"""`nnengine info`: what is in a file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import exchange
from ..data import readers
from ..data.dataset import Dataset
from ..data.idx import LABELS_MAGIC, describe, read_idx
from ..data.readers import Contents, hints
from ..errors import FormatError
from ..storage import modelfile
from . import report
from .data import check_known, inspected
from .files import Piped, Word, emptied, in_checkpoint, source
from .options import add_command, add_reading, answer

_OF_MODELS = (b"header.npy", b"data.pkl", b"config.json", b"course.json")


def add(commands: Any) -> None:
    """Add the command, with its options."""
    command = add_command(commands, "info", _info, "say what a file of data or a model holds")
    command.add_argument("file", help="file or folder; - is standard input")
    add_reading(command)


def _info(arguments: argparse.Namespace) -> None:
    (word,) = emptied([arguments.file])
    if _is_foreign(word):
        facts = exchange.describe(source(word))
        answer(facts, report.model_lines(facts), arguments)
        return
    kind = readers.recognise(source(word))
    if kind is None:
        check_known(word)
    if kind == "idx":
        _idx_info(word, arguments)
        return
    found = None
    if kind in ("npy", "zip"):  # so are models
        try:
            facts = _model_facts(word)
            answer(facts, report.model_lines(facts), arguments)
            return
        except FormatError:
            found = inspected(word)
            if found.fault and not found.choices:
                if _is_meant_as_model(word):
                    raise
                raise FormatError(found.fault) from None
    if found is None or found.choices:
        found = readers.read(source(word), which=arguments.which, keep_whole=arguments.keep_whole)
    facts = _facts(str(word), found)
    answer(facts, report.data_lines(facts), arguments)


def _is_foreign(word: Word) -> bool:
    """Tell whether it is a model of another library; zips may be data, and are looked into."""
    if isinstance(word, Piped):
        head, size = word.data[: exchange.HEAD], len(word.data)
    elif not os.path.isfile(word):
        return False
    else:
        with open(word, "rb") as file:
            head, size = file.read(exchange.HEAD), os.path.getsize(word)
    return not head.startswith(b"PK") and exchange.foreign(head, size) is not None


def _model_facts(word: Word) -> dict[str, Any]:
    """Return what a model file holds; of a checkpoint also how far its run had come."""
    try:
        return exchange.describe(source(word))
    except FormatError:
        found = in_checkpoint(word)
        if found is None:
            raise
        network, step = found
        model = Piped(modelfile.to_bytes(network), Path(str(word)).name)
        return modelfile.describe_model(model.file()) | {"checkpoint": step}


def _is_meant_as_model(word: Word) -> bool:
    """Tell whether a file that is neither has a member that models alone have."""
    data = word.data if isinstance(word, Piped) else Path(word).read_bytes()
    return not data.startswith(b"PK") or any(member in data for member in _OF_MODELS)


def _facts(file: str, found: Contents) -> dict[str, Any]:
    """Return what a file of data holds, for JSON."""
    parts = [(part, data) for part, data in (("train", found.train), ("test", found.test)) if data]
    alone = found.labels if found.images is None else found.images
    if alone is not None:
        held = {found.kind: {"count": len(alone), "shape": list(alone.shape[1:])}}
    else:
        held = {part: _part(data) for part, data in parts}
    notes = [*found.notes, *(hints.remarks(found.train) if found.train else ())]
    return {"kind": found.form, "name": Path(file).name, "parts": held, "notes": notes}


def _part(data: Dataset) -> dict[str, Any]:
    return {
        "count": len(data),
        "shape": [*data.image_shape, *([data.channels] if data.channels > 1 else [])],
        "class_names": list(data.class_names),
        "class_counts": data.class_counts().tolist(),
    }


def _idx_info(word: Word, arguments: argparse.Namespace) -> None:
    try:
        header = describe(source(word))
        data = read_idx(source(word), keep_whole=arguments.keep_whole)  # all of it: is it whole?
    except FormatError:
        check_known(word)
        raise
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
        "whole": len(data) if data.ndim else None,
        "class_counts": np.bincount(data).tolist() if is_labels else None,
    }
    answer(facts, report.idx_lines(facts), arguments)
