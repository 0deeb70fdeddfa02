"""Readers: data sets as people have them, each recognised by its content and brought to Contents.

IDX files, CSV and Parquet tables, .npy, .npz, .mat and HDF5 arrays, a zip or folder of pictures or
of any of these; the rows of `formats`. Everything a file says of its size is compared with its
bytes before memory is set aside, and nothing is unpickled.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...core.arithmetic import calmly
from ...errors import EngineError, FormatError
from ..dataset import Dataset
from ..idxheader import IdxHeader
from ..limits import MAX_BYTES, Deadline
from ..sources import Source, Stream, left_in_place, looks_like, opened
from . import cifar, members, pictures
from .choosing import SeveralSetsError
from .colours import in_colour, to_grey
from .contents import Contents
from .contract import HEAD_BYTES, Format, Request, find
from .decoding import kind_of
from .export import idx_files, idx_zip
from .formats import CIFAR, FORMATS, IDX
from .greyed import grey_contents
from .inverted import inverted, inverted_contents, looks_light
from .turned import looks_turned, turned, turned_contents

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "Contents",
    "Format",
    "Request",
    "Images",
    "Sets",
    "grey_contents",
    "idx_files",
    "idx_zip",
    "in_colour",
    "inspect",
    "inverted",
    "inverted_contents",
    "is_picture",
    "looks_light",
    "looks_turned",
    "read",
    "read_images",
    "read_sets",
    "recognise",
    "to_grey",
    "turned",
    "turned_contents",
]

_ASKING = ("zip", "tar", "libsvm")  # formats of which `which` chooses


class Sets(NamedTuple):
    """A training set, a test set or None, and sentences about what was changed on the way."""

    train: Dataset
    test: Dataset | None
    notes: tuple[str, ...] = ()


class Images(NamedTuple):
    """Images to be answered, uint8 (n, h, w), in colour (n, h, w, 3), and what was changed."""

    images: np.ndarray
    notes: tuple[str, ...] = ()


def recognise(source: Source) -> str | None:
    """Return "csv", "npy", "zip", "folder", "idx", ... by content, gzip looked through; else None.

    A seekable file is left where it stood. Raises OSError where a path cannot be opened.
    """
    if _folder(source):
        return "folder"
    with left_in_place(source), suppress(FormatError), opened(source) as stream:
        known = find(stream.peek(HEAD_BYTES), FORMATS)
        if known in (None, IDX) and cifar.kind_of_stream(stream):
            known = CIFAR
        return known.kind if known else None
    return None


def is_picture(source: Source) -> bool:
    """Return whether a file is a single picture, by content; a seekable one stays where it stood.

    Raises OSError where a path cannot be opened.
    """
    if _folder(source):
        return False
    with left_in_place(source), suppress(FormatError), opened(source) as stream:
        return kind_of(stream.peek(HEAD_BYTES)) is not None
    return False


def read_sets(
    source: Source,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
    seconds: float | None = None,
    which: str | None = None,
    colours: bool = True,
    keep_whole: bool = False,
) -> Sets:
    """Return the training set, and the test set if there is one, of a file or folder.

    Takes what `read` takes; raises FormatError as it does, and where only images or only labels
    are found.
    """
    found = read(
        source, name=name, max_bytes=max_bytes, seconds=seconds, which=which, colours=colours,
        keep_whole=keep_whole,
    )  # fmt: skip
    if found.train is not None:
        return Sets(found.train, found.test, found.notes)
    called = _called(source, name)
    if found.header is not None:
        raise FormatError(
            f"{called}: an IDX file, which holds images or labels alone: give the pair of them"
        )
    have, lack = ("labels", "images") if found.images is None else ("images", "labels")
    raise FormatError(
        f"{called}: holds {have} and no {lack}: give the {lack} too, in one file or as two IDX "
        "files"
    )


def read_images(
    source: Source,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
    seconds: float | None = None,
    which: str | None = None,
    colours: bool = False,
    shape: tuple[int, int] | None = None,
    keep_whole: bool = False,
) -> Images:
    """Return the images in a file or folder that are to be answered, a single picture too.

    Those without labels where there are any, else the test images, else all. Grey, unless they are
    for a network that looks at `colours`; pictures that differ in size are then brought to its
    `shape`, (height, width). Takes what `read` takes; raises FormatError as it does, and where
    there are labels alone.
    """
    request = _request(source, name, max_bytes, seconds)
    asked = replace(
        request, unlabelled=True, which=which, colours=colours, shape=shape, keep_whole=keep_whole
    )
    found = _with_word(_read(source, asked, None))
    shown = found.sets[-1].images if found.sets else found.images
    if shown is None:
        raise FormatError(f"{request.name}: holds labels and no images: give the images")
    return Images(shown, found.notes)


def read(
    source: Source,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
    keep_whole: bool = False,
    seconds: float | None = None,
    which: str | None = None,
    colours: bool = True,
) -> Contents:
    """Return what an IDX file, CSV, .npy, .npz, zip or folder holds.

    `source` is a path, the bytes or a binary file; `name` is what messages and data sets call it.
    IDX: images or labels. CSV: a row an image, label first or named by a header; gzip is looked
    through. Arrays: names such as x_train, y_train, x_test, y_test, or images and labels. Zip or
    folder: PNG or JPEG named by class (see `pictures`), IDX files, arrays or tables. `max_bytes`
    bounds the values once unpacked, and reading takes four times as much at the most; `seconds`
    bounds the time; `keep_whole` keeps the whole images, labels or rows of an IDX file or CSV that
    was cut short; `which` is the set that is wanted where an archive holds several: "letters", or
    "emnist-letters", all that its files' names begin with. Images in colour stay so, or become grey
    without `colours`.

    Raises FormatError for every fault of the file (its `whole_items` says how many items of a cut
    file are whole), OSError where a path cannot be opened.
    """
    request = _request(source, name, max_bytes, seconds)
    asked = replace(request, keep_whole=keep_whole, which=which, colours=colours)
    return _with_word(_read(source, asked, None))


def _with_word(found: Contents) -> Contents:
    """Return contents that say so where they are what is whole of a file that is not."""
    if found.whole_items is None:
        return found
    what = found.kind if found.header is not None else "rows"
    note = f"It does not hold what it says: the {found.whole_items:,} whole {what} were kept."
    return replace(found, notes=(*found.notes, note))


def inspect(
    source: str | os.PathLike[str] | bytes,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
    seconds: float | None = None,
    which: str | None = None,
) -> Contents:
    """Return what `read` does; of a file that it refuses, why, and what is whole of it.

    `seconds` are for both together, and `nbytes` counts what is whole of a file too.

    Raises OSError where a path cannot be opened.
    """
    request = replace(_request(source, name, max_bytes, seconds), which=which)
    try:
        return _read(source, request, IDX)
    except EngineError as error:
        fault, whole = str(error), getattr(error, "whole_items", None)
        too_large = getattr(error, "too_large", False)
        several = isinstance(error, SeveralSetsError)
        choices, asked = (error.names, error.asked) if several else ((), "")
    rescued = None
    if whole:
        with suppress(EngineError):
            rescued = _read(source, replace(request, keep_whole=True), IDX)
    header = _header(source, request)
    return Contents(
        form="", header=header, fault=fault, too_large=too_large, choices=choices, asked=asked,
        rescued=rescued,
    )  # fmt: skip


def _request(
    source: Source, name: str | None, max_bytes: int, seconds: float | None = None
) -> Request:
    return Request(
        name=_called(source, name),
        max_bytes=max_bytes,
        formats=FORMATS,
        deadline=Deadline(seconds),
    )


def _called(source: Source, name: str | None) -> str:
    if name is None and isinstance(source, (str, os.PathLike)):
        return Path(source).name or str(source)
    known = getattr(source, "name", None)
    return name or (Path(known).name if isinstance(known, str) else "") or "the data"


def _folder(source: Source) -> Path | None:
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    return path if path and path.is_dir() else None


@calmly
def _read(source: Source, request: Request, otherwise: Format | None) -> Contents:
    """Return what a source holds; what no format knows is read by `otherwise`, or refused.

    Numbers in a file may be anything: what they are is said by checks, not by NumPy's warnings.
    """
    try:
        return _read_any(source, request, otherwise)
    except FormatError as error:
        text, called = str(error), request.name
        text = text if text.startswith(f"{called}: ") else f"{called}: {text}"
        if isinstance(error, SeveralSetsError):
            raise SeveralSetsError(text, error.names, error.asked) from None
        more = {"whole_items": error.whole_items, "too_large": error.too_large}
        raise FormatError(text, **more) from None


def _read_any(source: Source, request: Request, otherwise: Format | None) -> Contents:
    if folder := _folder(source):
        return members.read_folder(folder, request)
    with opened(source, deadline=request.deadline) as stream:
        stream.name = None  # the name is put before every message once, in `_read`
        head = stream.peek(HEAD_BYTES)
        if request.unlabelled and kind_of(head):
            return pictures.read_one(stream, request)
        known = find(head, request.formats)
        if known in (None, IDX) and cifar.kind_of_stream(stream):
            known = CIFAR
        known = known or otherwise
        if known is None:
            raise FormatError(_unknown(stream))
        if request.which is not None and known.kind not in _ASKING:
            raise FormatError("holds one set, and none is to be chosen: leave out which, or --set")
        return known.read(stream, request)


def _unknown(stream: Stream) -> str:
    look = looks_like(stream.peek(HEAD_BYTES))
    what, remedy = look or (
        "nothing known",
        "give IDX, CSV, .npz or .npy files, or a zip or folder of pictures",
    )
    return f"{what}, not a data set: {remedy}"


def _header(source: Source, request: Request) -> IdxHeader | None:
    """Return what a file says of itself, whether or not the rest of it is whole."""
    if _folder(source):
        return None
    with suppress(FormatError), opened(source) as stream:
        stream.name = request.name
        known = find(stream.peek(HEAD_BYTES), FORMATS)
        if known is not None and known.header is not None:
            return known.header(stream)
    return None
