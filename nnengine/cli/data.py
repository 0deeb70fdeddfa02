"""Data: what the words for it on a command line stand for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data import catalogue, pairing, readers
from ..data.dataset import Dataset
from ..data.idx import Idx1, Idx3
from ..data.readers import hints
from ..data.readers.arrays import Named, assemble, is_class_each
from ..data.readers.numbering import numbered_as
from ..errors import ConfigError, FormatError
from .ends import note
from .files import Piped, Word, exists, source
from .progress import FetchProgress

NAMES = ", ".join(catalogue.NAMES[:-1]) + " or " + catalogue.NAMES[-1]


def untangled(data: list[Word], test: list[Word]) -> tuple[list[Word], list[Word]]:
    """Return the words of the data and those behind --test, which may have swallowed the former."""
    if not data and test:
        both_files = len(test) == 4 or (len(test) == 3 and not is_whole(test[0]))
        cut = 2 if both_files else 1
        test, data = test[:cut], test[cut:]
    if len(test) > 2:
        raise ConfigError(
            f"--test takes IMAGES LABELS, one file that holds both, or one of {NAMES}, got "
            + " ".join(map(str, test))
        )
    return data, test


def train_data(
    data: list[Word], test: list[Word], righting: Righting
) -> tuple[Dataset, Dataset | None]:
    """Return what to train on and, where it is known or asked for, what to measure with."""
    if len(data) == 1:
        found = by_name(
            data[0], righting.which, colours=not righting.grey, keep_whole=righting.keep_whole
        )
        if not test or test == data:
            measured = None if found.test is None else righting.righted(found.test, data, "test")
            return righting.righted(found.train, data), measured
        train = righting.righted(found.train, data)
    else:
        found = dataset(
            data, which=righting.which, colours=not righting.grey, keep_whole=righting.keep_whole
        )
        train = righting.righted(found, data)
    if not test:
        return train, None
    colours = train.channels > 1
    measured = dataset(
        test, like=train.class_names, which=righting.which, colours=colours,
        keep_whole=righting.keep_whole,
    )  # fmt: skip
    return train, righting.righted(fitting(measured, colours, test[0]), test)


@dataclass(frozen=True)
class Righting:
    """What is to be done with the images of files: as asked for, or else hinted at."""

    invert: bool = False
    turn: bool = False
    which: str | None = None  # of several sets in an archive
    grey: bool = False
    keep_whole: bool = False  # of a file that was cut short

    @classmethod
    def asked(cls, arguments: argparse.Namespace) -> Righting:
        """Return what the options say."""
        asked = arguments
        return cls(asked.invert, asked.turn, asked.which, asked.grey, asked.keep_whole)

    def righted(self, data: Dataset, words: Sequence[Word], part: str = "") -> Dataset:
        """Return data put right as asked for; says on standard error what else looks wrong."""
        if is_name(words[0]) and not (self.invert or self.turn):
            return data  # published, and known
        images = self._changed(data.images)
        if images is not data.images:
            classes, names = data.classes, data.class_names
            data = Dataset(images, data.labels, classes=classes, class_names=names, name=data.name)
        self._hint(data, words[0], part)
        return data

    def images(self, found: np.ndarray, word: Word) -> np.ndarray:
        """Return images without labels put right; says what else looks wrong."""
        found = self._changed(found)
        if not is_name(word) and readers.looks_light(found):
            note(f"{word}: {hints.LIGHT}: --invert puts it right")
        return found

    def _changed(self, images: np.ndarray) -> np.ndarray:
        images = readers.inverted(images) if self.invert else images
        return readers.turned(images) if self.turn else images

    def _hint(self, data: Dataset, word: Word, part: str) -> None:
        for option, text in hints.seems(data, str(word)).items():
            if not getattr(self, option):
                note(f"{word}: {text}: --{option} puts it right")
        for text in () if part else hints.remarks(data):
            note(f"{word}: {text}")


def fitting(data: Dataset, colours: bool, word: Word) -> Dataset:
    """Return data as somebody sees them who looks at colours, or at grey alone; says what it did.

    Grey images get three equal channels, coloured ones become as bright as eyes see them.
    """
    images = fitting_images(data.images, colours, word)
    if images is data.images:
        return data
    names, classes = data.class_names, data.classes
    return Dataset(images, data.labels, classes=classes, class_names=names, name=data.name)


def fitting_images(images: np.ndarray, colours: bool, word: Word) -> np.ndarray:
    """Do the same for images alone."""
    if colours == (images.ndim == 4):
        return images
    if colours:
        note(f"{word}: grey images, and the network looks at colours: three equal channels")
        return readers.in_colour(images)
    note(f"{word}: images in colour, and the network looks at grey ones: they became grey")
    return readers.to_grey(images)


def dataset(
    words: list[Word],
    *,
    like: Sequence[str] = (),
    which: str | None = None,
    colours: bool = True,
    keep_whole: bool = False,
) -> Dataset:
    """Return the data in the files IMAGES LABELS, or the test part of one set, if it has one.

    like: what the classes are called that they are to be measured by, where there are such.
    """
    classes = len(like) or None
    if len(words) == 2:
        _check_alone(which)
        if parts := _class_each(words, colours):
            return parts
        images = _half(words[0], pairing.IMAGES, colours, keep_whole)
        labels = _half(words[1], pairing.LABELS, colours, keep_whole)
        return Dataset(*_together(images, labels), classes=classes)
    if len(words) > 2 and (parts := _class_each(words, colours)):
        _check_alone(which)
        return parts
    if len(words) != 1:
        got = f", got {' '.join(map(str, words))}" if words else ""
        raise ConfigError(f"give IMAGES LABELS or one of {NAMES}{got}; --help says more")
    found = by_name(words[0], which, colours=colours, keep_whole=keep_whole)
    data = found.train if found.test is None else found.test
    data = numbered_as(data, like) if like else data
    if classes is None or classes == data.classes:
        return data
    if data.classes > classes:
        raise ConfigError(
            f"{data.name} has {data.classes} classes, the data to train on {classes}: measure "
            "with data of the same classes"
        )
    return Dataset(data.images, data.labels, classes=classes, name=data.name)


def images(
    word: Word, which: str | None = None, *, colours: bool = False,
    shape: tuple[int, int] | None = None, keep_whole: bool = False,
) -> np.ndarray:  # fmt: skip
    """Return uint8 (n, h, w) to be answered: the images in a file, without labels before others.

    For who looks at colours (n, h, w, 3) where there are any: see `readers.read_images`. Of a
    set that is called by its name the test images, if it has some.
    """
    if is_name(word):
        return dataset([word], which=which).images
    if readers.recognise(source(word)) is None and not readers.is_picture(source(word)):
        check_known(word)
    found = readers.read_images(
        source(word), which=which, colours=colours, shape=shape, keep_whole=keep_whole
    )
    tell(word, found.notes)
    return found.images


def _class_each(words: Sequence[Word], colours: bool) -> Dataset | None:
    """Return one set of files that are a class each, as Quick, Draw! comes; None of any others."""
    found = []
    for word in words:
        if is_name(word) or not exists(word) or readers.recognise(source(word)) != "npy":
            return None
        array = readers.read(source(word)).images
        if array is None:
            return None
        found.append(Named(Path(str(word)).stem, array))
    if not is_class_each(found):
        return None
    sets = assemble(found, form="NumPy arrays", name=str(words[0]), colours=colours)
    tell(words[0], sets.notes)
    return sets.train


def check_known(word: Word) -> None:
    """Raise FormatError, which says what it is, for a file that no reader knows."""
    if readers.recognise(source(word)) in (None, "idx") and (fault := inspected(word).fault):
        raise FormatError(fault)


def inspected(word: Word) -> readers.Contents:
    """Return what a file holds, or what is wrong with it, whatever it is."""
    if isinstance(word, Piped):
        return readers.inspect(word.data, name=word.name)
    return readers.inspect(word)


class _Half:
    """Images or labels with the name of their file, which messages begin with.

    cut: they are what is whole of a file that was cut short.
    """

    def __init__(self, name: Word, array: np.ndarray, cut: bool = False) -> None:
        self.name, self._array, self.cut = str(name), array, cut

    def __len__(self) -> int:
        return len(self._array)

    def first(self, count: int) -> _Half:
        """Return the first of them alone."""
        return _Half(self.name, self._array[:count], self.cut)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._array.astype(dtype or self._array.dtype, copy=bool(copy))


def _together(images: Any, labels: Any) -> tuple[Any, Any]:
    """Return images and labels, as many of one as of the other where a file was cut short."""
    if not any(isinstance(half, _Half) and half.cut for half in (images, labels)):
        return images, labels
    count = min(len(images), len(labels))
    first = [half.first(count) if isinstance(half, _Half) else half[:count]
             for half in (images, labels)]  # fmt: skip
    return first[0], first[1]


def _half(word: Word, kind: str, colours: bool, keep_whole: bool) -> Idx1 | Idx3 | _Half:
    """Return the images or labels that a file of any format holds alone.

    What is no known format is told by the reader of IDX files, which has a sentence for every
    damage.
    """
    if readers.recognise(source(word)) in (None, "folder"):
        return Idx3(source(word)) if kind == pairing.IMAGES else Idx1(source(word))
    found = readers.read(source(word), colours=colours, keep_whole=keep_whole)
    array = found.images if kind == pairing.IMAGES else found.labels
    if array is None:
        holds = "images with their labels" if found.sets else f"{found.kind} and no {kind}"
        swapped = f"give the {kind}; or are images and labels swapped?"
        remedy = "give it alone" if found.sets else swapped
        raise FormatError(f"{word}: holds {holds}: {remedy}")
    tell(word, found.notes)
    return _Half(word, array, found.whole_items is not None)


def tell(name: Word, notes: Sequence[str]) -> None:
    """Say on standard error what was changed while data were read."""
    for text in notes:
        note(f"{name}: {text}")


def by_name(
    name: Word, which: str | None = None, *, colours: bool = True, keep_whole: bool = False
) -> catalogue.Sets | readers.Sets:
    """Return the set called ``name``, or the one in the file or folder of that name."""
    if not is_name(name) and exists(name):
        if not is_whole(name):
            check_known(name)
            raise ConfigError(
                f"{name} is a file by itself: images need their labels, IMAGES LABELS"
            )
        found = readers.read_sets(source(name), which=which, colours=colours, keep_whole=keep_whole)
        tell(name, found.notes)
        return found
    _check_alone(which)
    with FetchProgress() as progress:
        return catalogue.load(str(name), progress=progress.show)


def _check_alone(which: str | None) -> None:
    """Raise ConfigError where a set is to be chosen of data that are one."""
    if which is not None:
        raise ConfigError("--set chooses one of the sets in an archive: here is none, leave it out")


def is_name(word: Word) -> bool:
    """Return whether a word is the name of a set in the catalogue."""
    return not isinstance(word, Piped) and catalogue.knows(word)


def is_whole(word: Word) -> bool:
    """Return whether one word stands for images with their labels: a name, a table, a zip, ..."""
    if is_name(word):
        return True
    return exists(word) and readers.recognise(source(word)) not in (None, "idx")
