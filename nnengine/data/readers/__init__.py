"""Forms: data sets as people have them, each recognised by its content and brought to a Dataset.

A CSV table, .npy and .npz arrays, a zip or folder of pictures or of IDX files. Everything a file
says of its size is compared with its bytes before memory is set aside, and nothing is unpickled.
"""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ...errors import FormatError
from ..dataset import Dataset
from ..idx import read_idx, write_idx
from ..sources import Source, Stream, looks_like, opened
from .archive import Member, folder_members, zip_members
from .arrays import Named, read_npy, sort_out
from .contents import MAX_BYTES, Contents, part_of
from .pictures import is_picture, read_pictures
from .table import read_table
from .turned import looks_turned, turned

__all__ = [
    "MAX_BYTES",
    "Contents",
    "Sets",
    "idx_zip",
    "looks_turned",
    "read",
    "read_sets",
    "recognise",
    "turned",
]

_HEAD = 512
_NPY, _ZIP = b"\x93NUMPY", (b"PK\x03\x04", b"PK\x05\x06")
_IDX = b"\0\0"
_DAY_ONE = (1980, 1, 1, 0, 0, 0)  # the first date a zip can name
_PACK_LEVEL = 4  # MNIST's images in 0.7 s to 10.2 MB; level 6 takes 1.3 s for 9.8 MB


class Sets(NamedTuple):
    """A training set, a test set or None, and sentences about what was changed on the way."""

    train: Dataset
    test: Dataset | None
    notes: tuple[str, ...] = ()


def recognise(source: Source) -> str | None:
    """Return "csv", "npy", "zip", "folder" or "idx" by content, gzip looked through; else None.

    A seekable file is left where it stood. Raises OSError where a path cannot be opened.
    """
    if isinstance(source, (str, os.PathLike)) and Path(source).is_dir():
        return "folder"
    here = None
    if hasattr(source, "tell"):
        with suppress(OSError, ValueError):
            here = source.tell()
    try:
        with opened(source) as stream:
            return _kind(stream.peek(_HEAD))
    except FormatError:
        return None
    finally:
        if here is not None:
            with suppress(OSError, ValueError):
                source.seek(here)  # type: ignore[union-attr]


def _kind(head: bytes) -> str | None:
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_NPY):
        return "npy"
    if head.startswith(_IDX):
        return "idx"
    # A row of 784 numbers is longer than what is looked at: its delimiter is there all the same.
    look = looks_like(head)
    return "csv" if look and look[0] == "a CSV table" else None


def read_sets(source: Source, *, name: str | None = None, max_bytes: int = MAX_BYTES) -> Sets:
    """Return the training set, and the test set if there is one, of a file or folder.

    Takes what `read` takes; raises FormatError as it does, and where only images or only labels
    are found.
    """
    found = read(source, name=name, max_bytes=max_bytes)
    if found.train is None:
        have, lack = ("labels", "images") if found.images is None else ("images", "labels")
        raise FormatError(
            f"{_called(source, name)}: holds {have} and no {lack}: give the {lack} too, "
            "in one file or as two IDX files"
        )
    return Sets(found.train, found.test, found.notes)


def read(
    source: Source,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
    keep_whole: bool = False,
) -> Contents:
    """Return what a CSV, .npy, .npz, zip or folder holds.

    `source` is a path, the bytes or a binary file; `name` is what messages and data sets call it.
    CSV: a row an image, label first or named by a header; gzip is looked through. Arrays: names
    such as x_train, y_train, x_test, y_test, or images and labels. Zip or folder: PNG or JPEG
    named by class (see `pictures`), IDX files, arrays or tables. `max_bytes` bounds the values
    once unpacked; `keep_whole` keeps the whole rows of a CSV that was cut short.

    Raises FormatError for every fault of the file (its `whole_items` says how many rows of a cut
    CSV are whole), OSError where a path cannot be opened.
    """
    called = _called(source, name)
    try:
        if isinstance(source, (str, os.PathLike)) and Path(source).is_dir():
            return _read_members(folder_members(Path(source)), called, max_bytes)
        if not isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)):
            source = source.read(max_bytes + 1)
        with opened(source) as stream:
            stream.name = None  # the name is put before every message once, here
            kind = _kind(stream.peek(_HEAD))
            if kind == "zip" and not stream.gzipped:
                return _read_zip(source, called, max_bytes)
            return _read_stream(stream, kind, called, max_bytes, keep_whole)
    except FormatError as error:
        text = str(error)
        text = text if text.startswith(f"{called}: ") else f"{called}: {text}"
        raise FormatError(text, whole_items=error.whole_items) from None


def _called(source: Source, name: str | None) -> str:
    if name is None and isinstance(source, (str, os.PathLike)):
        return Path(source).name or str(source)
    known = getattr(source, "name", None)
    return name or (Path(known).name if isinstance(known, str) else "") or "the data"


def _read_stream(
    stream: Stream, kind: str | None, name: str, max_bytes: int, keep_whole: bool
) -> Contents:
    if kind == "csv":
        return read_table(stream, name=name, max_bytes=max_bytes, keep_whole=keep_whole)
    if kind == "npy":
        array = read_npy(stream.read, "the array", held=stream.most, max_bytes=max_bytes)
        return sort_out([Named(name, array)], form="NumPy array", name=name)
    if kind == "idx":
        raise FormatError("an IDX file, which holds images or labels alone: give the pair of them")
    look = looks_like(stream.peek(_HEAD))
    raise FormatError(
        f"{look[0] if look else 'nothing known'}, not a data set: give IDX, CSV, .npz or .npy "
        "files, or a zip or folder of pictures"
    )


def _read_zip(source: Source, name: str, max_bytes: int) -> Contents:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file, zip_members(file) as members:
            return _read_members(members, name, max_bytes)
    with zip_members(io.BytesIO(source)) as members:
        return _read_members(members, name, max_bytes)


def _read_members(members: Sequence[Member], name: str, max_bytes: int) -> Contents:
    """Return what the members of a zip or folder make together."""
    if {"header.npy", "weights_1.npy"} <= {member.path for member in members}:
        raise FormatError("a trained network, not data: open it with nnengine.load, or on Models")
    pictures = [member for member in members if is_picture(member)]
    seen = {id(member) for member in pictures}
    others = {id(m): (m, _kind_of(m)) for m in members if id(m) not in seen}
    data = [(m, kind) for m, kind in others.values() if kind in ("idx", "npy", "csv")]
    strange = [m for m, kind in others.values() if kind not in ("idx", "npy", "csv")]
    if pictures and all(kind == "csv" for _, kind in data):
        found = read_pictures(pictures, name=name, max_bytes=max_bytes)
        strange += [m for m, _ in data]
    elif data:
        found = _read_data(data, name, max_bytes)
        strange += pictures
    else:
        raise FormatError(_nothing(members, [kind for _, kind in others.values()]))
    return _with_note(found, strange)


def _kind_of(member: Member) -> str | None:
    with member.open() as file, suppress(FormatError), opened(file) as stream:
        return _kind(stream.peek(_HEAD))
    return None


def _nothing(members: Sequence[Member], kinds: Sequence[str | None]) -> str:
    if "zip" in kinds:
        return "archives inside the archive: unpack it and give one of them"
    shown = ", ".join(member.name[:40] for member in members[:3]) or "no file at all"
    return (
        f"no data in it; it holds {shown}{', …' * (len(members) > 3)}: pictures are PNG or JPEG "
        "in folders named by class, data are IDX, CSV or .npy files"
    )


def _with_note(found: Contents, strange: Sequence[Member]) -> Contents:
    if not strange:
        return found
    number = f"{len(strange):,} other files were" if len(strange) > 1 else "One other file was"
    note = f"{number} left out, such as {strange[0].name[:60]}."
    return replace(found, notes=(*found.notes, note))


def _read_data(data: Sequence[tuple[Member, str]], name: str, max_bytes: int) -> Contents:
    """Return the sets in IDX files, arrays or tables that lie together."""
    kinds = {kind for _, kind in data}
    if kinds == {"csv"}:
        return _read_tables([member for member, _ in data], name, max_bytes)
    if "csv" in kinds:
        raise FormatError("tables and arrays together: give the one or the other")
    arrays = []
    for member, kind in data:
        with member.open() as file, opened(file) as stream:
            stream.name = member.name
            if kind == "idx":
                array = read_idx(_Rest(stream, member.name), max_bytes=max_bytes)
            else:
                held = None if stream.gzipped else member.size
                array = read_npy(stream.read, member.name, held=held, max_bytes=max_bytes)
        max_bytes -= array.nbytes
        arrays.append(Named(member.path.removesuffix(".npy"), array))
    form = "IDX files" if kinds == {"idx"} else "NumPy arrays"
    return sort_out(arrays, form=form, name=name)


class _Rest:
    """A stream as a binary file that knows its name."""

    def __init__(self, stream: Stream, name: str) -> None:
        self.read, self.name = stream.read, name


def _read_tables(members: Sequence[Member], name: str, max_bytes: int) -> Contents:
    parts: dict[str, Contents] = {}
    for member in members:
        part = part_of(member.name) or ""
        if part in parts:
            raise FormatError(
                f"{len(members)} tables, and nothing tells training from test: name them train.csv "
                "and test.csv, or give one"
            )
        with member.open() as file, opened(file) as stream:
            stream.name = member.name
            parts[part] = read_table(stream, name=name, max_bytes=max_bytes)
        max_bytes -= parts[part].nbytes
    sets = [parts[part].train for part in ("train", "", "test", "val") if part in parts]
    notes = tuple(dict.fromkeys(note for found in parts.values() for note in found.notes))
    return Contents(
        form="CSV tables" if len(parts) > 1 else "CSV table",
        train=sets[0],
        test=sets[1] if len(sets) > 1 else None,
        notes=notes,
    )


def idx_zip(train: Dataset | None, test: Dataset | None = None) -> bytes:
    """Return a zip of gzipped IDX files under MNIST's own names, two a set; either may be left out.

    `read_sets` reads it back, and so does whatever reads MNIST.
    """
    sets = {"train": train, "t10k": test}
    return idx_files({stem: data for stem, data in sets.items() if data is not None})


def idx_files(sets: Mapping[str, Dataset]) -> bytes:
    """Return a zip of two gzipped IDX files a set, STEM-images-idx3-ubyte.gz and its labels.

    Equal data give equal bytes.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for stem, data in sets.items():
            for kind, array in (("images-idx3", data.images), ("labels-idx1", data.labels)):
                packed = io.BytesIO()
                with gzip.GzipFile("", "wb", _PACK_LEVEL, packed, mtime=0) as file:
                    write_idx(file, array)
                info = zipfile.ZipInfo(f"{stem}-{kind}-ubyte.gz", _DAY_ONE)
                info.external_attr = 0o644 << 16
                archive.writestr(info, packed.getvalue())
    return target.getvalue()
