"""Files: what was dropped, each visitor's own reading of it, equal arrays held once, and pairs.

What a file holds is for `nnengine.data.readers` to say, and which files belong together for
`nnengine.data.pairing`.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from dashboard.store.memory import arrays
from nnengine.data import catalogue, pairing, readers
from nnengine.data.dataset import Dataset
from nnengine.data.idxheader import IdxHeader, encode_header
from nnengine.data.readers import Contents, hints
from nnengine.data.readers.numbering import numbered_as

MAX_FILE_BYTES = 2**28  # one file, unpacked: five times MNIST's largest
MOST_LETTERS = 255  # of a file's name: what file systems allow
# Until a file is read. A zip of 70,000 pictures of 28 x 28 takes 17 s of a processor, one of
# 131,600, EMNIST's largest even part, 27: three times that, as the server has more to do.
MAX_SECONDS = 80
READERS = 2  # files that are read at a time: pages have what is left of the processor

# What stands in a digest where rows and columns were exchanged, or light and dark, or where colours
# were taken away.
TURNED, INVERTED, GREY = ":turned", ":inverted", ":grey"
_PARTS = ("Training", "Test")
KEPT = "kept for a run"


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """One dropped file: what it holds where it could be read, or what is wrong with it.

    Visitors who drop the same bytes share the memory of arrays, and nothing else: names, notes and
    classes are of their own reading, which `reading` numbers.
    """

    name: str
    size: int
    digest: str
    contents: Contents = field(repr=False)
    reading: int = 0

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
        return TURNED in self.digest

    @property
    def inverted(self) -> bool:
        """Whether light and dark of its images were exchanged."""
        return INVERTED in self.digest

    @property
    def grey(self) -> bool:
        """Whether its colours were taken away."""
        return GREY in self.digest

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


def refused_file(name: str, size: int, why: str) -> LoadedFile:
    """Return a file for which there was no room: its name, its size and the reason."""
    nothing = Contents(form="", fault=why)
    return LoadedFile(name=name, size=size, digest=f"refused:{name}", contents=nothing)


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
    """What files hold, equal arrays held once, and only while somebody uses them.

    References are weak: the last visitor to let go frees the memory, and nothing else does. A file
    is read for everybody who drops it, though it may be here: the time that takes tells nobody
    what others have. For the same reason the lists that training makes of images are shared by
    runs of one visit alone, unless the images are published ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for moments, never while a file is read
        self._readers = threading.BoundedSemaphore(READERS)
        self._numbers = itertools.count(1)
        self._arrays: weakref.WeakValueDictionary[str, np.ndarray]
        self._arrays = weakref.WeakValueDictionary()
        self._published: weakref.WeakValueDictionary[Hashable, np.ndarray]
        self._published = weakref.WeakValueDictionary()
        self._views: weakref.WeakValueDictionary[tuple, np.ndarray]
        self._views = weakref.WeakValueDictionary()
        self._sets: weakref.WeakValueDictionary[tuple[object, ...], Dataset]
        self._sets = weakref.WeakValueDictionary()
        self._splits: weakref.WeakValueDictionary[tuple[object, ...], Dataset]
        self._splits = weakref.WeakValueDictionary()
        # Which arrays of ours a data set is made of, and of which readings.
        self._held: weakref.WeakKeyDictionary[Dataset, np.ndarray] = weakref.WeakKeyDictionary()
        self._whose: weakref.WeakKeyDictionary[Dataset, Hashable] = weakref.WeakKeyDictionary()
        self._turned: weakref.WeakKeyDictionary[Dataset, bool] = weakref.WeakKeyDictionary()
        self._remarks: weakref.WeakKeyDictionary[Dataset, list[str]] = weakref.WeakKeyDictionary()
        self._light: weakref.WeakKeyDictionary[Dataset, bool] = weakref.WeakKeyDictionary()

    @property
    def bytes(self) -> int:
        """How much array memory is held, each array counted once."""
        return sum(array.nbytes for array in list(self._arrays.values()))

    def load(
        self, name: str, raw: bytes, max_bytes: int = MAX_FILE_BYTES, which: str | None = None
    ) -> LoadedFile:
        """Read `raw`, beside the pages and a few at a time; never raises for a bad file.

        Where several sets lie in it and `which` chooses none, its bytes are kept until one does.
        """
        name = name[-MOST_LETTERS:]
        digest = hashlib.blake2b(raw, digest_size=20).hexdigest()
        with self._readers:
            found = readers.inspect(
                raw, name=name, max_bytes=min(max_bytes, MAX_FILE_BYTES), seconds=MAX_SECONDS,
                which=which,
            )  # fmt: skip
            if found.choices:
                found = replace(found, unread=np.frombuffer(raw, np.uint8))
            digest += f":{which}" if which else ""
            return LoadedFile(
                name=name, size=len(raw), digest=digest, contents=self._kept(found),
                reading=next(self._numbers),
            )  # fmt: skip

    def _kept(self, found: Contents) -> Contents:
        """Return contents whose arrays are those that are here already, where any are equal."""
        if found.kind == "nothing":
            return found
        alone = {
            name: self._one(array)
            for name, array in (("images", found.images), ("labels", found.labels))
            if array is not None
        }
        parts = {
            name: self._with_one(data)
            for name, data in (("train", found.train), ("test", found.test))
            if data is not None
        }
        return replace(found, **alone, **parts)

    def _one(self, array: np.ndarray) -> np.ndarray:
        """Return the one array with these values."""
        digest = hashlib.sha256()
        if array.dtype == np.uint8:  # as the digests of published files are
            digest.update(encode_header(array))
        else:
            digest.update(repr((array.dtype, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
        key = digest.hexdigest()
        with self._lock:
            one = self._arrays.setdefault(key, array)
        if key in _PUBLISHED:
            self._publish(one)
        return one

    def _with_one(self, data: Dataset) -> Dataset:
        """Return a data set of the one array with its images."""
        one = self._one(data.images)
        return self._holding(
            one,
            Dataset(
                one, data.labels, classes=data.classes, class_names=data.class_names, name=data.name
            ),
        )

    def _holding(self, one: np.ndarray, data: Dataset) -> Dataset:
        """Return a data set made of an array of ours, which stays known as long as it lives.

        Published arrays are one view for everybody, too: by these the lists for training are known,
        27 to 67 MB for MNIST and its like, and those for curves, 9 MB a run.
        """
        if self.is_published(next(iter(arrays([one])))):
            data.images = self._view(data.images)
            if self.is_published(next(iter(arrays([data.labels])))):
                data.labels = self._view(data.labels)
        self._held[data] = one
        return data

    def _view(self, array: np.ndarray) -> np.ndarray:
        """Return the one view of what lies at this place."""
        where = array.__array_interface__["data"][0], array.shape, array.dtype.str
        with self._lock:
            return self._views.setdefault(where, array)

    def _publish(self, array: np.ndarray) -> None:
        with self._lock:
            self._published[next(iter(arrays([array])))] = array

    def is_published(self, where: Any) -> bool:
        """Return whether what lies at a place (`memory.arrays`) is known to everybody."""
        lists = isinstance(where, tuple) and where[0] == "lists"
        return (where[1] if lists else where) in self._published

    def published(self, data: Dataset) -> Dataset:
        """Return a published data set as it is held: once, whoever else drops its files."""
        self._publish(self._one(data.images))
        self._publish(data.labels)
        return self._with_one(data)

    def kept(self, data: Dataset) -> Dataset:
        """Return a data set that was kept on the disk, of arrays that are here once."""
        return self._with_one(data)

    def file_of(self, train: Dataset, test: Dataset | None = None) -> LoadedFile:
        """Return sets that were kept on the disk as a file of them, named as the training set."""
        found = Contents(form=KEPT, train=train, test=test)
        size = sum(data.images.nbytes + data.labels.nbytes for data in found.sets)
        return LoadedFile(
            name=train.name, size=size, digest=f"kept:{train.digest}", contents=self._kept(found),
            reading=next(self._numbers),
        )  # fmt: skip

    def dataset(
        self,
        images: LoadedFile,
        labels: LoadedFile,
        made: Dataset | None = None,
        *,
        like: Dataset | None = None,
    ) -> Dataset:
        """Return the one Dataset of a couple; raises FormatError when its files do not fit.

        `like`: what is learnt from, where this is to measure by: its classes have its numbers.
        """
        x, y, names = images.array, labels.array, None
        classes = None if like is None else like.classes
        as_read = made
        if made is not None and like is not None:
            made = numbered_as(made, like.class_names)
        whose = images.reading, labels.reading
        if made is not None:
            fits = made is as_read and classes in (None, made.classes)
            if fits and (made.name == images.name or images.contents.form == KEPT):
                self._whose[made] = whose
                return made
            x, y = made.images, made.labels
            names = made.class_names if classes in (None, made.classes) else None
        which = None if made is None else made.digest
        key = (images.name, *whose, images.digest, labels.digest, which, names, classes)
        found = self._sets.get(key)
        if found is None:
            found = Dataset(x, y, classes=classes, class_names=names, name=images.name)
            found = self._holding(found.images if x is None else x, found)
            with self._lock:
                found = self._sets.setdefault(key, found)
            self._whose[found] = whose
        return found

    def split(self, dataset: Dataset, share: float) -> tuple[Dataset, Dataset]:
        """Return (rest, held out), the same whenever this share of these data is asked for.

        The seed is fixed: runs with different seeds are then judged on the same images, and
        the 42 MB that 90 % of MNIST costs are paid once.
        """
        whose = self._whose.get(dataset)
        key = whose, dataset.digest, dataset.classes, dataset.name, share
        rest, held_out = self._splits.get((*key, "rest")), self._splits.get((*key, "held out"))
        if rest is None or held_out is None:
            made = dataset.split(share, rng=0)
            if self.is_published(next(iter(arrays([dataset.images])))):
                made = self.published(made[0]), self.published(made[1])
            rest, held_out = made
            with self._lock:
                rest = self._splits.setdefault((*key, "rest"), rest)
                held_out = self._splits.setdefault((*key, "held out"), held_out)
        return rest, held_out

    def looks_turned(self, dataset: Dataset, name: str) -> bool:
        """Return whether rows and columns of these images seem exchanged; worked out once."""
        found = self._turned.get(dataset)
        if found is None:
            found = self._turned[dataset] = readers.looks_turned(dataset, name=name)
        return found

    def looks_light(self, dataset: Dataset) -> bool:
        """Return whether these images seem dark on light; worked out once."""
        found = self._light.get(dataset)
        if found is None:
            found = self._light[dataset] = readers.looks_light(dataset.images)
        return found

    def remarks(self, dataset: Dataset) -> list[str]:
        """Return what is odd about these images and their labels; worked out once."""
        found = self._remarks.get(dataset)
        if found is None:
            found = self._remarks[dataset] = hints.remarks(dataset)
        return found

    def turn(self, file: LoadedFile) -> LoadedFile:
        """Return a file of images with rows and columns exchanged; twice gives the first again."""
        return self._changed(file, TURNED, readers.turned_contents)

    def invert(self, file: LoadedFile) -> LoadedFile:
        """Return a file of images, light where they were dark; twice gives the first again."""
        return self._changed(file, INVERTED, readers.inverted_contents)

    def grey(self, file: LoadedFile) -> LoadedFile:
        """Return a file of images in colour as grey; twice gives the colours back.

        One that has no colours comes back as it is.
        """
        has_some = file.contents.coloured or any(x.ndim == 4 for x in file.contents.arrays)
        return self._changed(file, GREY, readers.grey_contents) if has_some else file

    def _changed(
        self, file: LoadedFile, mark: str, change: Callable[[Contents], Contents]
    ) -> LoadedFile:
        digest = file.digest.replace(mark, "") if mark in file.digest else file.digest + mark
        with self._readers:
            changed = self._kept(change(file.contents))
        return replace(file, digest=digest, contents=changed)


_PUBLISHED = frozenset(
    file.sha256
    for name in catalogue.NAMES
    for file in catalogue.describe(name).files
    if file.sha256
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
    is_array = file.kind == pairing.IMAGES and file.contents.form == "NumPy array"
    return (
        f"{file.name} holds {file.count:,} {file.kind}, and no file holds as many "
        f"{other}: drop the {other} file that belongs to it."
        + " Files that are a class each, as Quick, Draw!'s, go into one zip."
        * is_array
    )


def _shortfall(found: Couple) -> str:
    if found.dataset is not None:
        return ""
    promised = min(found.images.promised, found.labels.promised)
    return f" (the first of {promised:,}: the rest was cut off)" if promised > found.size else ""
