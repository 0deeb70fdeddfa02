"""Files: what was dropped, recognised by content, parsed once for everybody, and paired.

An IDX file holds images or labels; a file of another form (`nnengine.data.readers`) mostly both.
"""

from __future__ import annotations

import hashlib
import io
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from dashboard.host.tab import IN_TAB
from nnengine.data import readers
from nnengine.data.dataset import Dataset
from nnengine.data.idx import IdxHeader, describe, read_idx
from nnengine.data.readers import Contents
from nnengine.errors import ConfigError, EngineError

MAX_FILE_BYTES = 2**28  # one file, unpacked: five times MNIST's largest
MAX_VISIT_BYTES = 2**28  # all files of one visitor
MAX_SERVER_BYTES = 2**29  # all arrays this server holds, each counted once


TURNED = ":turned"  # what a digest ends in where rows and columns were exchanged


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """One dropped file: what it holds where it could be read, or what is wrong with it.

    `kind` is "images", "labels", "set" (both, in `contents`) or "other". `whole_items` is set for
    a truncated file: so many whole images or labels survive, and `rescued` holds them until the
    visitor decides.
    """

    name: str
    size: int
    digest: str
    kind: str = "other"
    header: IdxHeader | None = None
    array: np.ndarray | None = field(default=None, repr=False)
    contents: Contents | None = field(default=None, repr=False)
    error: str | None = None
    whole_items: int | None = None
    rescued: np.ndarray | Contents | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()  # what was changed or left out while it was read, in sentences

    @property
    def good(self) -> bool:
        """Whether the file takes part in pairing."""
        return self.kind != "other" and (self.array is not None or self.contents is not None)

    @property
    def turned(self) -> bool:
        """Whether rows and columns of its images were exchanged."""
        return self.digest.endswith(TURNED)

    @property
    def nbytes(self) -> int:
        """How much array memory it stands for."""
        return sum(a.nbytes for a in (self.array, self.contents, self.rescued) if a is not None)

    def kept_whole(self) -> LoadedFile:
        """Return the file with what is whole of it accepted."""
        digest = f"{self.digest}:{self.whole_items}"
        base = replace(self, rescued=None, error=None, digest=digest)
        if isinstance(self.rescued, Contents):
            return replace(base, contents=self.rescued, notes=self.rescued.notes)
        return replace(base, array=self.rescued)


class Couple(NamedTuple):
    """The files of one set; a file that brings both comes twice, with the set it brings."""

    images: LoadedFile
    labels: LoadedFile
    dataset: Dataset | None = None

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.dataset if self.dataset is not None else self.images.array)

    @property
    def names(self) -> str:
        """The names of its files in words."""
        one, other = self.images.name, self.labels.name
        return one if self.dataset is not None else f"{one} with {other}"


@dataclass(frozen=True)
class Pairing:
    """The sets found among the files, and plain sentences about them."""

    training: Couple | None
    test: Couple | None
    sentences: tuple[str, ...]


class Shelf:
    """Arrays and data sets that all sessions share by digest, held only while somebody uses them.

    References are weak: the last visitor to let go frees the memory, and nothing else does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrays: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._contents: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._sets: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._turned: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

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
            contents, array = self._contents.get(digest), self._arrays.get(digest)
            if contents is None and array is None:
                return self._keep(_parse(name, raw, digest))
        base = LoadedFile(name=name, size=len(raw), digest=digest)
        if contents is not None:
            return _with_contents(base, contents)
        kind, error = _recognise(name, array)
        header = replace(describe(raw), name=name) if readers.recognise(raw) == "idx" else None
        return replace(base, kind=kind, error=error, array=array, header=header)

    def _keep(self, file: LoadedFile) -> LoadedFile:
        """Remember what a file holds, or say that there is no room for it."""
        if not file.good or file.rescued is not None:
            if file.array is not None:
                self._arrays[file.digest] = file.array
            return file
        try:
            self.check_room(file.nbytes)
        except ConfigError as fault:
            base = LoadedFile(name=file.name, size=file.size, digest=file.digest)
            return replace(base, header=file.header, error=f"{file.name}: {fault}")
        if file.contents is None:
            self._arrays[file.digest] = file.array
        else:
            self._contents[file.digest] = file.contents
            for place, array in enumerate(_arrays_of(file.contents)):
                self._arrays[f"{file.digest}:{place}"] = array
        return file

    def check_room(self, wanted: int) -> None:
        """Raise ConfigError where the server has no room for so many bytes more."""
        if self.bytes + wanted > MAX_SERVER_BYTES:
            raise ConfigError(_FULL)

    def adopt(self, key: str, *datasets: Dataset) -> None:
        """Count the images of data sets that came another way; under `key`, while they live."""
        for place, dataset in enumerate(datasets):
            self._arrays[f"{key}:{place}"] = dataset.images

    def dataset(
        self,
        images: LoadedFile,
        labels: LoadedFile,
        made: Dataset | None = None,
        *,
        classes: int | None = None,
    ) -> Dataset:
        """Return the one Dataset of a couple; raises FormatError when its files do not fit."""
        if made is not None and classes in (None, made.classes):
            return made
        x, y = (images.array, labels.array) if made is None else (made.images, made.labels)
        key = (images.digest, labels.digest, x.shape, made and made.digest, classes)
        with self._lock:
            found = self._sets.get(key)
            if found is None:
                found = self._sets[key] = Dataset(x, y, classes=classes, name=images.name)
            return found

    def split(self, dataset: Dataset, share: float) -> tuple[Dataset, Dataset]:
        """Return (rest, held out), the same for everybody who asks for this share.

        The seed is fixed: runs with different seeds are then judged on the same images, and
        the 42 MB that 90 % of MNIST costs are paid once.
        """
        base = dataset.digest, dataset.classes, dataset.name, share
        keys = [(*base, part) for part in ("rest", "held out")]
        with self._lock:
            found = [self._sets.get(key) for key in keys]
            if None in found:
                found = list(dataset.split(share, rng=0))
                self._sets.update(zip(keys, found, strict=True))
            return found[0], found[1]

    def looks_turned(self, dataset: Dataset, name: str) -> bool:
        """Return whether rows and columns of these images seem exchanged; worked out once."""
        found = self._turned.get(dataset)
        if found is None:
            found = self._turned[dataset] = readers.looks_turned(dataset, name=name)
        return found

    def turn(self, file: LoadedFile) -> LoadedFile:
        """Return a file of images with rows and columns exchanged; twice gives the first again.

        Raises ConfigError where there is no room for a copy.
        """
        digest = file.digest.removesuffix(TURNED) if file.turned else file.digest + TURNED
        with self._lock:
            if file.contents is not None:
                known = self._contents.get(digest)
                if known is None:
                    self.check_room(file.nbytes)
                    known = _turned_contents(file.contents)
                return self._keep(replace(file, digest=digest, contents=known))
            array = self._arrays.get(digest)
            if array is None:
                self.check_room(file.nbytes)
                array = readers.turned(file.array)
            return self._keep(replace(file, digest=digest, array=array))


def _arrays_of(contents: Contents) -> list[np.ndarray]:
    return [data.images for data in (contents.train, contents.test) if data is not None]


def _turned_contents(contents: Contents) -> Contents:
    def turned(data: Dataset | None) -> Dataset | None:
        return data and Dataset(
            readers.turned(data.images), data.labels, class_names=data.class_names, name=data.name
        )

    return replace(contents, train=turned(contents.train), test=turned(contents.test))


_FULL = (
    "this tab already holds as much data as it has room for: remove some files first"
    if IN_TAB
    else "this server already holds as much data as it has room for: "
    "try again later, or run the dashboard on your own machine"
)


def _parse(name: str, raw: bytes, digest: str) -> LoadedFile:
    base = LoadedFile(name=name, size=len(raw), digest=digest)
    if readers.recognise(raw) not in (None, "idx"):
        return _parse_other(base, raw)
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


def _parse_other(base: LoadedFile, raw: bytes) -> LoadedFile:
    """Parse a table, arrays or an archive."""
    try:
        found = readers.read(raw, name=base.name, max_bytes=MAX_FILE_BYTES)
        return _with_contents(base, found)
    except EngineError as fault:
        base, whole = replace(base, error=str(fault)), getattr(fault, "whole_items", None)
    if not whole:
        return base
    try:
        found = readers.read(raw, name=base.name, max_bytes=MAX_FILE_BYTES, keep_whole=True)
    except EngineError:
        return base
    return replace(base, kind="set", whole_items=whole, rescued=found)


def _with_contents(base: LoadedFile, found: Contents) -> LoadedFile:
    if found.train is not None:
        return replace(base, kind="set", contents=found, notes=found.notes)
    alone = "images" if found.images is not None else "labels"
    return replace(base, kind=alone, array=getattr(found, alone), notes=found.notes)


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
    good = [file for file in files if file.good]
    pairs, lonely = _match(good)
    parts: dict[str, Couple] = {}
    left = []
    for found in pairs:
        part = _part_of(found)
        if part:
            if part in parts:
                left.append(parts[part])
            parts[part] = found
        else:
            left.append(found)
    for found in sorted(left, key=lambda couple: -couple.count):
        for part in ("training", "test"):
            if part not in parts:
                parts[part] = found
                break
    if "training" not in parts and "test" in parts:
        parts["training"] = parts.pop("test")
    unused = [p for p in pairs if not any(p is used for used in parts.values())]
    return Pairing(
        parts.get("training"), parts.get("test"), tuple(_sentences(parts, unused, lonely))
    )


def _match(files: list[LoadedFile]) -> tuple[list[Couple], list[LoadedFile]]:
    """Return couples in the order of their images, and the files that found no partner."""
    free = [file for file in files if file.kind == "labels"]
    pairs, lonely = [], []
    for images in files:
        if images.kind == "set":
            found = images.contents
            sets = [data for data in (found.train, found.test) if data is not None]
            pairs += [Couple(images, images, data) for data in sets]
        if images.kind != "images":
            continue
        fitting = [labels for labels in free if _fit(images, labels)]
        if fitting:
            # max() keeps the first of equals: files dropped in order stay together.
            labels = max(fitting, key=lambda file: _likeness(images, file))
            free = [file for file in free if file is not labels]
            whole = min(len(images.array), len(labels.array))
            pairs.append(Couple(_first(images, whole), _first(labels, whole)))
        else:
            lonely.append(images)
    return pairs, lonely + free


def _part_of(found: Couple) -> str | None:
    """Return the part a couple plays: as its one file says, or else a name."""
    brought = found.images.contents if found.dataset is not None else None
    if brought and brought.test is not None:
        return "training" if found.dataset is brought.train else "test"
    return _part(found.images.name) or _part(found.labels.name)


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


def _sentences(
    parts: dict[str, Couple], unused: list[Couple], lonely: list[LoadedFile]
) -> list[str]:
    lines = [
        f"{part.capitalize()} set: {parts[part].names}, {parts[part].count:,} images"
        f"{_shortfall(parts[part])}."
        for part in ("training", "test")
        if part in parts
    ]
    lines += [
        f"{found.names} is not used: another {'set' if found.dataset else 'pair'} took its part."
        for found in unused
    ]
    for file in lonely:
        other = "labels" if file.kind == "images" else "images"
        lines.append(
            f"{file.name} holds {len(file.array):,} {file.kind}, and no file holds as many "
            f"{other}: drop the {other} file that belongs to it."
        )
    return lines


def _shortfall(found: Couple) -> str:
    if found.dataset is not None:
        return ""
    promised = min(_promised(found.images), _promised(found.labels))
    return f" (the first of {promised:,}: the rest was cut off)" if promised > found.count else ""


class _Named(io.BytesIO):
    """Bytes as a binary file that knows its name, so that errors can begin with it."""

    def __init__(self, raw: bytes, name: str) -> None:
        super().__init__(raw)
        self.name = name
