"""Proof: files of a data set in a folder, read and held to their published digests."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from ...errors import FormatError
from ..dataset import Dataset
from ..idx import Idx1, Idx3
from ..idxheader import encode_header
from .published import Entry, Published


def lies_at(folder: Path, file: Published) -> Path | None:
    """Return the path of a published file in a folder, packed or not, in either spelling."""
    for packed in (file.name, file.name.replace("-idx", ".idx")):
        for name in (packed, packed.removesuffix(".gz")):
            if (folder / name).is_file():
                return folder / name
    return None


def read(entry: Entry, folder: Path) -> list[Dataset]:
    """Return the training and the test part; raises FormatError for other files than published."""
    parts = []
    for images, labels in (entry.files[:2], entry.files[2:]):
        parts.append(
            Dataset(
                _open(folder, images, Idx3),
                _open(folder, labels, Idx1),
                class_names=entry.class_names,
                name=entry.name,
            )
        )
    return parts


def _open(folder: Path, file: Published, reader: type[Idx1] | type[Idx3]) -> Idx1 | Idx3:
    path = lies_at(folder, file) or folder / file.name
    try:
        found = reader(path, max_bytes=file.unpacked_bytes)
        _prove(path, file, found.data)
    except FormatError as error:  # several folders may hold a file of that name: say which
        raise FormatError(f"{folder}{os.sep}{error}") from error
    return found


def is_genuine(folder: Path, file: Published) -> bool:
    """Tell whether a folder holds a published file, whole and unchanged."""
    path = lies_at(folder, file)
    if path is None:
        return False
    try:
        check(path, file)
    except FormatError:
        return False
    return True


def check(path: Path, file: Published) -> None:
    """Raise FormatError unless the file at ``path`` is the published one."""
    reader = Idx3 if "-idx3-" in file.name else Idx1
    _prove(path, file, reader(path, max_bytes=file.unpacked_bytes).data)


def _prove(path: Path, file: Published, data: np.ndarray) -> None:
    if file.sha256:
        expected, found = file.sha256, _digest(data, "sha256")
        if expected == found:
            return
    else:
        expected, found = file.md5, _digest(data, "md5")
        if expected == found or file.packed_sha256 == _packed_digest(path):
            return
    raise FormatError(
        f"{path.name}: not the published file: its unpacked bytes have the digest {found[:12]}..., "
        f"those of the published one {expected[:12]}...; put the published file there, or give "
        "files of your own by their names, images and labels"
    )


def _digest(data: np.ndarray, method: str) -> str:
    digest = hashlib.new(method, usedforsecurity=method != "md5")
    digest.update(encode_header(data))
    digest.update(data.reshape(-1).data)
    return digest.hexdigest()


def _packed_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
