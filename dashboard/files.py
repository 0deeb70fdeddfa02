"""Files: what was dropped, recognised by content, parsed once for everybody, and paired."""

from __future__ import annotations

import hashlib
import io
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nnengine.dataset import Dataset
from nnengine.errors import EngineError
from nnengine.idx import IdxHeader, describe, read_idx

MAX_FILE_BYTES = 2**28  # one file, unpacked: five times MNIST's largest
MAX_VISIT_BYTES = 2**28  # all files of one visitor
MAX_SERVER_BYTES = 2**29  # all arrays this server holds, each counted once


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """One dropped file: its array where it could be read, or what is wrong with it.

    `whole_items` is set for a truncated file: so many whole images or labels survive, and
    `rescued` holds them until the visitor decides.
    """

    name: str
    size: int
    digest: str
    kind: str = "other"
    header: IdxHeader | None = None
    array: np.ndarray | None = field(default=None, repr=False)
    error: str | None = None
    whole_items: int | None = None
    rescued: np.ndarray | None = field(default=None, repr=False)

    @property
    def good(self) -> bool:
        """Whether the file takes part in pairing."""
        return self.array is not None and self.kind != "other"


@dataclass(frozen=True)
class Pairing:
    """The sets found among the files, as (images, labels), and plain sentences about them."""

    training: tuple[LoadedFile, LoadedFile] | None
    test: tuple[LoadedFile, LoadedFile] | None
    sentences: tuple[str, ...]


class Shelf:
    """Arrays and data sets that all sessions share by digest, held only while somebody uses them.

    References are weak: the last visitor to let go frees the memory, and nothing else does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrays: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._sets: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    @property
    def bytes(self) -> int:
        """How much array memory is held, each array counted once."""
        return sum(array.nbytes for array in list(self._arrays.values()))

    def load(self, name: str, raw: bytes) -> LoadedFile:
        """Parse `raw`, or find it parsed; never raises for a bad file.

        One file at a time: ten visitors who drop MNIST at once unpack it once.
        """
        digest = hashlib.blake2b(raw, digest_size=20).hexdigest()
        with self._lock:
            array = self._arrays.get(digest)
            if array is None:
                found = _parse(name, raw, digest)
                if found.array is not None:
                    if self.bytes + found.array.nbytes > MAX_SERVER_BYTES:
                        return replace(found, array=None, error=f"{name}: {_FULL}")
                    self._arrays[digest] = found.array
                return found
        header = describe(raw)
        kind, error = _recognise(name, array)
        return LoadedFile(
            name=name,
            size=len(raw),
            digest=digest,
            kind=kind,
            error=error,
            array=array,
            header=replace(header, name=name),
        )

    def dataset(
        self, images: LoadedFile, labels: LoadedFile, *, classes: int | None = None
    ) -> Dataset:
        """Return the one Dataset of these two files; raises FormatError when they do not fit."""
        key = (images.digest, labels.digest, images.array.shape, classes)
        with self._lock:
            found = self._sets.get(key)
            if found is None:
                found = Dataset(images.array, labels.array, classes=classes, name=images.name)
                self._sets[key] = found
            return found

    def split(self, dataset: Dataset, share: float) -> tuple[Dataset, Dataset]:
        """Return (rest, held out), the same for everybody who asks for this share.

        The seed is fixed: runs with different seeds are then judged on the same images, and
        the 42 MB that 90 % of MNIST costs are paid once.
        """
        keys = [(dataset.digest, dataset.classes, share, part) for part in ("rest", "held out")]
        with self._lock:
            found = [self._sets.get(key) for key in keys]
            if None in found:
                found = list(dataset.split(share, rng=0))
                self._sets.update(zip(keys, found, strict=True))
            return found[0], found[1]


_FULL = (
    "this server already holds as much data as it has room for: "
    "try again later, or run the dashboard on your own machine"
)


def _parse(name: str, raw: bytes, digest: str) -> LoadedFile:
    base = LoadedFile(name=name, size=len(raw), digest=digest)
    source = _Named(raw, name)
    try:
        header = describe(source)
        base = replace(base, header=header)
        source.seek(0)
        array = read_idx(source, max_bytes=MAX_FILE_BYTES)
    except EngineError as fault:
        return _rescue(replace(base, error=str(fault)), source, fault)
    kind, error = _recognise(name, array)
    return replace(base, array=array, kind=kind, error=error)


def _rescue(file: LoadedFile, source: _Named, fault: EngineError) -> LoadedFile:
    whole = getattr(fault, "whole_items", None)
    if not whole:
        return file
    try:
        source.seek(0)
        array = read_idx(source, keep_whole=True, max_bytes=MAX_FILE_BYTES)
    except EngineError:
        return file
    kind, error = _recognise(file.name, array)
    return file if error else replace(file, kind=kind, whole_items=len(array), rescued=array)


def _recognise(name: str, array: np.ndarray) -> tuple[str, str | None]:
    """Return (kind, what is wrong or None) for an array read from an IDX file."""
    if array.ndim in (2, 3) and array.dtype == np.uint8:
        return "images", None
    if array.ndim == 1 and array.dtype.kind in "ui":
        return "labels", None
    shape = " x ".join(f"{n:,}" for n in array.shape)
    return "other", (
        f"{name}: holds {array.dtype} numbers of shape {shape}: images are unsigned bytes in "
        "three dimensions and labels whole numbers in one"
    )


def pair(files: Sequence[LoadedFile]) -> Pairing:
    """Pair images with labels by count and name, and choose training and test set.

    A name says which part a pair plays ("train", or "t10k", "test", "val"); otherwise the
    larger pair trains. Where two pairs claim one part, the one dropped last has it.
    """
    pairs, lonely = _match([file for file in files if file.good])
    parts: dict[str, tuple[LoadedFile, LoadedFile]] = {}
    left = []
    for found in pairs:
        part = _part(found[0].name) or _part(found[1].name)
        if part:
            if part in parts:
                left.append(parts[part])
            parts[part] = found
        else:
            left.append(found)
    for found in sorted(left, key=lambda p: -len(p[0].array)):
        for part in ("training", "test"):
            if part not in parts:
                parts[part] = found
                break
    if "training" not in parts and "test" in parts:
        parts["training"] = parts.pop("test")
    unused = [p for p in pairs if p not in list(parts.values())]
    return Pairing(
        parts.get("training"), parts.get("test"), tuple(_sentences(parts, unused, lonely))
    )


def _match(files: list[LoadedFile]) -> tuple[list[tuple[LoadedFile, LoadedFile]], list[LoadedFile]]:
    free = [file for file in files if file.kind == "labels"]
    pairs, lonely = [], []
    for images in (file for file in files if file.kind == "images"):
        fitting = [labels for labels in free if _fit(images, labels)]
        if fitting:
            # max() keeps the first of equals: files dropped in order stay together.
            labels = max(fitting, key=lambda file: _likeness(images, file))
            free = [file for file in free if file is not labels]
            whole = min(len(images.array), len(labels.array))
            pairs.append((_first(images, whole), _first(labels, whole)))
        else:
            lonely.append(images)
    return pairs, lonely + free


def _fit(images: LoadedFile, labels: LoadedFile) -> bool:
    """Return whether the two belong together by count.

    Of a file that was cut short the first items are left, in their order: it fits what it would
    fit were it whole.
    """
    return len(images.array) == len(labels.array) or _promised(images) == _promised(labels)


def _promised(file: LoadedFile) -> int:
    return file.header.count if file.header else len(file.array)


def _likeness(images: LoadedFile, labels: LoadedFile) -> tuple[bool, int]:
    equal = len(images.array) == len(labels.array)
    return equal, _alike(images.name, labels.name)


def _first(file: LoadedFile, count: int) -> LoadedFile:
    """Return the file with its first items alone; a view, under a digest of its own."""
    if len(file.array) == count:
        return file
    return replace(file, array=file.array[:count], digest=f"{file.digest}:{count}")


def _alike(one: str, other: str) -> int:
    """Return how many leading letters two names share."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


def _part(name: str) -> str | None:
    lower = name.lower()
    if "train" in lower:
        return "training"
    return "test" if any(word in lower for word in ("t10k", "test", "val")) else None


def _sentences(parts: dict, unused: list, lonely: list[LoadedFile]) -> list[str]:
    lines = [
        f"{part.capitalize()} set: {images.name} with {labels.name}, {len(images.array):,} images"
        f"{_shortfall(images, labels)}."
        for part in ("training", "test")
        if part in parts
        for images, labels in [parts[part]]
    ]
    lines += [
        f"{images.name} with {labels.name} is not used: another pair took its part."
        for images, labels in unused
    ]
    for file in lonely:
        other = "labels" if file.kind == "images" else "images"
        lines.append(
            f"{file.name} holds {len(file.array):,} {file.kind}, and no file holds as many "
            f"{other}: drop the {other} file that belongs to it."
        )
    return lines


def _shortfall(images: LoadedFile, labels: LoadedFile) -> str:
    promised = min(_promised(images), _promised(labels))
    whole = len(images.array)
    return f" (the first of {promised:,}: the rest was cut off)" if promised > whole else ""


class _Named(io.BytesIO):
    """Bytes as a binary file that knows its name, so that errors can begin with it."""

    def __init__(self, raw: bytes, name: str) -> None:
        super().__init__(raw)
        self.name = name
