"""Data sets in another format: what `nnengine convert` does with what is no model."""

from __future__ import annotations

import argparse
import gzip
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data import readers, writing
from ..data.readers import writers
from ..data.readers.writers import Part
from ..errors import ConfigError, FormatError
from . import files
from .data import Righting, by_name, dataset, is_name, tell
from .files import Word

FORMS = ("idx", "npz", "csv", "parquet", "png")
_BY_ENDING = {".zip": "idx", ".npz": "npz", ".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet"}


def is_data(words: list[Word]) -> bool:
    """Return whether words stand for data; what may be a model as well is looked into."""
    if len(words) > 1 or is_name(words[0]):
        return True
    source = files.source(words[0])
    kind = readers.recognise(source)
    if kind not in (None, "npy", "zip"):
        return True
    if kind is None:
        return readers.is_picture(source)
    try:
        files.network(words[0])
    except FormatError:
        found = readers.inspect(
            words[0].data if isinstance(words[0], files.Piped) else words[0], name=str(words[0])
        )
        return found.fault is None or bool(found.choices)
    return False


def convert_data(arguments: argparse.Namespace, words: list[Word]) -> dict[str, Any]:
    """Write data in another format, and return what was written, for JSON.

    Raises ConfigError for a target that is read, or that cannot hold the data.
    """
    target = arguments.target
    form, in_folder = _form(target, arguments.to)
    _keep_apart(target, words, in_folder)
    righting = Righting.asked(arguments)
    parts = _one_part(_parts(words, righting), arguments.part)
    _write(target, form, in_folder, parts)
    named = any(part.is_named for part in parts.values() if part.labels is not None)
    return {
        "from": " ".join(map(str, words)),
        "to": target,
        "form": form,
        "parts": {name: len(part.images) for name, part in parts.items()},
        "renamed": _renamed(parts) if form == "png" else {},
        "left_behind": ["class names"] if named and form in ("idx", "npz", "csv") else [],
    }


def _renamed(parts: Mapping[str, Part]) -> dict[str, str]:
    """Return the classes whose folders are called otherwise than they are."""
    names = next(iter(parts.values())).class_names
    folders = writers.folder_names(names)
    return {name: other for name, other in zip(names, folders, strict=True) if name != other}


def _form(target: str, asked: str | None) -> tuple[str, bool]:
    """Return the format of a target, by its ending or as asked for, and whether it is a folder.

    A pipe gets .npz where nothing is asked for, as that of a model does.
    """
    if writing.is_stream(target):
        if asked == "png":
            raise ConfigError(f"{target}: pictures need a folder, and this is a stream: give one")
        return asked or "npz", False
    lower = target.lower()
    ending = next((e for e in (".csv.gz", *_BY_ENDING) if lower.endswith(e)), None)
    folder = target.endswith((os.sep, "/")) or not Path(target).suffix or os.path.isdir(target)
    if ending is not None and not folder:
        form = _BY_ENDING[ending]
        if asked not in (None, form):
            raise ConfigError(f"{target}: ends as {form} does, and --to says {asked}: which is it?")
        return form, False
    if not folder:
        raise ConfigError(
            f"{target}: the ending says how to save data; expected .npz, .csv, .csv.gz, .parquet, "
            ".zip (of IDX files), or no ending for a folder of PNG pictures (with --to of others)"
        )
    return asked or "png", True


def _keep_apart(target: str, words: list[Word], in_folder: bool) -> None:
    paths = [word for word in words if not is_name(word)]
    files.keep_apart(target, paths, "target")
    if not in_folder:
        return
    for word in paths:
        if isinstance(word, str) and os.path.isdir(word) and files.lies_in(target, word):
            raise ConfigError(f"target {target}: lies in {word}, which is read: give another name")


def _parts(words: list[Word], righting: Righting) -> dict[str, Part]:
    """Return what is to be written, put right as asked for: train and test, or one part."""
    if len(words) > 2:
        raise ConfigError("convert takes IMAGES LABELS or one word for data, and a target")
    if len(words) == 2:
        found = dataset(
            words, which=righting.which, colours=not righting.grey, keep_whole=righting.keep_whole
        )
        found = righting.righted(found, words)
        return {"train": Part.of(found)}
    if is_name(words[0]):
        sets = by_name(words[0], righting.which)
    else:
        sets = readers.read(
            files.source(words[0]), name=str(words[0]), which=righting.which,
            colours=not righting.grey, keep_whole=righting.keep_whole,
        )  # fmt: skip
        tell(words[0], sets.notes)
        if sets.train is None:
            if sets.images is None:
                raise FormatError(f"{words[0]}: holds labels and no images: give the images first")
            return {"images": Part(righting.images(sets.images, words[0]))}
    if sets.train is None:
        raise AssertionError("a set that is known has images to train on")
    parts = {"train": Part.of(righting.righted(sets.train, words))}
    if sets.test is not None:
        parts["test"] = Part.of(righting.righted(sets.test, words, "test"))
    return parts


def _one_part(parts: dict[str, Part], asked: str | None) -> dict[str, Part]:
    if asked is None:
        return parts
    if asked not in parts:
        raise ConfigError(f"--part {asked}: the data have no such part, only {', '.join(parts)}")
    return {asked: parts[asked]}


def _write(target: str, form: str, in_folder: bool, parts: Mapping[str, Part]) -> None:
    """Write it whole, or leave everything as it is."""
    if in_folder:
        with writing.whole_folder(target) as folder:
            if form in writers.FOLDERS:
                writers.FOLDERS[form](folder, parts)
                return
            for name, part in [("data", parts)] if form == "npz" else parts.items():
                with open(folder / f"{name}.{form}", "wb") as file:
                    _write_file(file, form, part if isinstance(part, Mapping) else {name: part})
        return
    if form in writers.TABLES and len(parts) > 1:
        raise ConfigError(
            f"{target}: a .{form} holds one set, and there are two: --part train or --part test, "
            f"or a folder for both, FOLDER --to {form}"
        )
    with writing.whole(target) as file:
        if target.lower().endswith(".gz"):
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                _write_file(packed, form, parts)
        else:
            _write_file(file, form, parts)


def _write_file(file: Any, form: str, parts: Mapping[str, Part]) -> None:
    if form == "npz":
        writers.to_npz(file, parts)
    elif form == "idx":
        writers.to_idx_zip(file, parts)
    else:
        (part,) = parts.values()
        writers.TABLES[form](file, part)
