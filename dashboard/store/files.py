"""Files: what was dropped, read once for everybody, held while somebody uses it, and paired.

What a file holds is for `nnengine.data.readers` to say, and which files belong together for
`nnengine.data.pairing`.
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from dashboard.host.tab import IN_TAB
from nnengine.data import pairing, readers
from nnengine.data.dataset import Dataset
from nnengine.data.idxheader import IdxHeader
from nnengine.data.readers import Contents
from nnengine.errors import ConfigError

MAX_FILE_BYTES = 2**28  # one file, unpacked: five times MNIST's largest
MAX_VISIT_BYTES = 2**28  # all files of one visitor
MAX_SERVER_BYTES = 2**29  # all arrays this server holds, each counted once

TURNED = ":turned"  # what a digest ends in where rows and columns were exchanged
_PARTS = ("Training", "Test")


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """One dropped file: what it holds where it could be read, or what is wrong with it.

    Visitors who drop the same bytes share `contents`; the name is each one's own.
    """

    name: str
    size: int
    digest: str
    contents: Contents = field(repr=False)

    @property
    def kind(self) -> str:
        """What it holds or, cut short, could: "images", "labels", "set" (both) or "other"."""
        kind = (self.contents if self.rescued is None else self.rescued).kind
        return "other" if kind == "nothing" else kind

    @property
    def good(self) -> bool:
        """Whether the file takes part in pairing."""
        return self.contents.kind != "nothing"

    @property
    def array(self) -> np.ndarray | None:
        """The images or labels of a file that holds nothing else."""
        found = self.contents
        return found.labels if found.images is None else found.images

    @property
    def header(self) -> IdxHeader | None:
        """What an IDX file says of itself."""
        header = self.contents.header
        return header and replace(header, name=self.name)

    @property
    def error(self) -> str | None:
        """What is wrong with the file, or None."""
        return self.contents.fault

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed or left out while it was read, in sentences."""
        return self.contents.notes

    @property
    def rescued(self) -> Contents | None:
        """What is whole of a file that was cut short, until the visitor decides."""
        return self.contents.rescued

    @property
    def whole_items(self) -> int | None:
        """How many whole images or labels survive of a file that was cut short."""
        return (self.contents if self.rescued is None else self.rescued).whole_items

    @property
    def turned(self) -> bool:
        """Whether rows and columns of its images were exchanged."""
        return self.digest.endswith(TURNED)

    @property
    def count(self) -> int:
        """How many images or labels it holds."""
        return len(self.contents)

    @property
    def promised(self) -> int:
        """How many there were before it was cut short."""
        return self.count if self.contents.header is None else self.contents.header.count

    @property
    def nbytes(self) -> int:
        """How much array memory it stands for."""
        return self.contents.nbytes

    def kept_whole(self) -> LoadedFile:
        """Return the file with what is whole of it accepted."""
        if self.rescued is None:
            return self
        digest = f"{self.digest}:{self.whole_items}"
        return replace(self, contents=self.rescued, digest=digest)

    def refused(self, why: str) -> LoadedFile:
        """Return the file without its data, and with the reason for it."""
        header = self.contents.header
        return replace(self, contents=Contents(form="", header=header, fault=why))


class Couple(NamedTuple):
    """The files of one set; a file that brings both comes twice, with the set it brings."""

    images: LoadedFile
    labels: LoadedFile
    dataset: Dataset | None = None

    @property
    def size(self) -> int:
        """Number of images."""
        return self.images.count if self.dataset is None else len(self.dataset)

    @property
    def names(self) -> str:
        """The names of its files in words."""
        one, other = self.images.name, self.labels.name
        return one if self.dataset is not None else f"{one} with {other}"

    @property
    def part(self) -> str:
        """The part it plays: as its one file says, or else a name; nothing where none does."""
        brought = self.images.contents
        if self.dataset is not None and brought.test is not None:
            return pairing.TRAIN if self.dataset is brought.train else pairing.TEST
        return pairing.part_of(self.images.name) or pairing.part_of(self.labels.name)


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
        self._arrays: weakref.WeakValueDictionary[str, np.ndarray]
        self._arrays = weakref.WeakValueDictionary()
        self._contents: weakref.WeakValueDictionary[str, Contents]
        self._contents = weakref.WeakValueDictionary()
        self._sets: weakref.WeakValueDictionary[tuple[object, ...], Dataset]
        self._sets = weakref.WeakValueDictionary()
        self._turned: weakref.WeakKeyDictionary[Dataset, bool] = weakref.WeakKeyDictionary()

    @property
    def bytes(self) -> int:
        """How much array memory is held, each array counted once."""
        return sum(array.nbytes for array in list(self._arrays.values()))

    def load(self, name: str, raw: bytes) -> LoadedFile:
        """Read `raw`, or find it read; never raises for a bad file.

        One file at a time: ten visitors who drop MNIST at once unpack it once.
        """
        digest = hashlib.blake2b(raw, digest_size=20).hexdigest()
        with self._lock:
            known = self._contents.get(digest)
            if known is not None:
                return LoadedFile(name=name, size=len(raw), digest=digest, contents=known)
            found = readers.inspect(raw, name=name, max_bytes=MAX_FILE_BYTES)
            return self._keep(LoadedFile(name=name, size=len(raw), digest=digest, contents=found))

    def _keep(self, file: LoadedFile) -> LoadedFile:
        """Remember what a file holds, or say that there is no room for it."""
        if not file.good:
            return file
        try:
            self.check_room(file.nbytes)
        except ConfigError as fault:
            return file.refused(f"{file.name}: {fault}")
        self._contents[file.digest] = file.contents
        alone = [] if file.array is None else [file.array]
        for place, array in enumerate([data.images for data in file.contents.sets] + alone):
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
        """Return the one Dataset of a couple; raises FormatError when its files do not fit.

        Its name is part of what makes it one: what a stranger called the same bytes is not told.
        """
        x, y, names = images.array, labels.array, None
        if made is not None:
            if made.name == images.name and classes in (None, made.classes):
                return made
            x, y = made.images, made.labels
            names = made.class_names if classes in (None, made.classes) else None
        which = None if made is None else made.digest
        key = (images.name, images.digest, labels.digest, which, names, classes)
        with self._lock:
            found = self._sets.get(key)
            if found is None:
                found = Dataset(x, y, classes=classes, class_names=names, name=images.name)
                self._sets[key] = found
            return found

    def split(self, dataset: Dataset, share: float) -> tuple[Dataset, Dataset]:
        """Return (rest, held out), the same for everybody who asks for this share.

        The seed is fixed: runs with different seeds are then judged on the same images, and
        the 42 MB that 90 % of MNIST costs are paid once.
        """
        base = dataset.digest, dataset.classes, dataset.name, share
        with self._lock:
            rest, held_out = self._sets.get((*base, "rest")), self._sets.get((*base, "held out"))
            if rest is None or held_out is None:
                rest, held_out = dataset.split(share, rng=0)
                self._sets.update({(*base, "rest"): rest, (*base, "held out"): held_out})
            return rest, held_out

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
            known = self._contents.get(digest)
            if known is None:
                self.check_room(file.nbytes)
                known = readers.turned_contents(file.contents)
            return self._keep(replace(file, digest=digest, contents=known))


_FULL = (
    "this tab already holds as much data as it has room for: remove some files first"
    if IN_TAB
    else "this server already holds as much data as it has room for: "
    "try again later, or run the dashboard on your own machine"
)


def pair(files: Sequence[LoadedFile]) -> Pairing:
    """Pair images with labels by count and name, and choose training and test set.

    A name says which part a pair plays ("train", or "t10k", "test", "val"); otherwise the
    larger pair trains. Where two pairs claim one part, the one dropped last has it.
    """
    couples, unpaired = _couples([file for file in files if file.good])
    train, test = pairing.choose([(couple.part, couple.size) for couple in couples])
    training = None if train is None else couples[train]
    judging = None if test is None else couples[test]
    used = [
        f"{part} set: {couple.names}, {couple.size:,} images{_shortfall(couple)}."
        for part, couple in zip(_PARTS, (training, judging), strict=True)
        if couple is not None
    ]
    unused = [
        f"{couple.names} is not used: another {'set' if couple.dataset else 'pair'} took its part."
        for place, couple in enumerate(couples)
        if place not in (train, test)
    ]
    return Pairing(training, judging, (*used, *unused, *map(_without_partner, unpaired)))


def _couples(files: list[LoadedFile]) -> tuple[list[Couple], list[LoadedFile]]:
    """Return couples in the order of their images, and the files that found no partner."""
    matched, unpaired = pairing.match(files)
    partners = {id(images): labels for images, labels in matched}
    couples = []
    for file in files:
        couples += [Couple(file, file, data) for data in file.contents.sets]
        labels = partners.get(id(file))
        if labels is not None:
            whole = min(file.count, labels.count)
            couples.append(Couple(_first(file, whole), _first(labels, whole)))
    return couples, unpaired


def _first(file: LoadedFile, count: int) -> LoadedFile:
    """Return the file with its first items alone; a view, under a digest of its own."""
    if file.count == count:
        return file
    found = file.contents
    images = None if found.images is None else found.images[:count]
    labels = None if found.labels is None else found.labels[:count]
    first = replace(found, images=images, labels=labels)
    return replace(file, contents=first, digest=f"{file.digest}:{count}")


def _without_partner(file: LoadedFile) -> str:
    other = pairing.LABELS if file.kind == pairing.IMAGES else pairing.IMAGES
    return (
        f"{file.name} holds {file.count:,} {file.kind}, and no file holds as many "
        f"{other}: drop the {other} file that belongs to it."
    )


def _shortfall(found: Couple) -> str:
    if found.dataset is not None:
        return ""
    promised = min(found.images.promised, found.labels.promised)
    return f" (the first of {promised:,}: the rest was cut off)" if promised > found.size else ""
