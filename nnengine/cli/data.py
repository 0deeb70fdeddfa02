"""Data: what the words for it on a command line stand for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import numpy as np

from ..data import catalogue, pairing, readers
from ..data.dataset import Dataset
from ..data.idx import Idx1, Idx3
from ..errors import ConfigError, FormatError
from .progress import FetchProgress

NAMES = ", ".join(catalogue.NAMES[:-1]) + " or " + catalogue.NAMES[-1]


def untangled(data: list[str], test: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of the data and those behind --test, which may have swallowed the former."""
    if not data and test:
        both_files = len(test) == 4 or (len(test) == 3 and not is_whole(test[0]))
        cut = 2 if both_files else 1
        test, data = test[:cut], test[cut:]
    if len(test) > 2:
        raise ConfigError(
            f"--test takes IMAGES LABELS, one file that holds both, or one of {NAMES}, got "
            + " ".join(test)
        )
    return data, test


def train_data(data: list[str], test: list[str]) -> tuple[Dataset, Dataset | None]:
    """Return what to train on and, where it is known or asked for, what to measure with."""
    if len(data) == 1:
        found = by_name(data[0])
        if not test or test == data:
            return found.train, found.test
        train = found.train
    else:
        train = dataset(data)
    return train, dataset(test, classes=train.classes) if test else None


def dataset(words: list[str], *, classes: int | None = None) -> Dataset:
    """Return the data in the files IMAGES LABELS, or the test part of one set, if it has one."""
    if len(words) == 2:
        images, labels = _half(words[0], pairing.IMAGES), _half(words[1], pairing.LABELS)
        return Dataset(images, labels, classes=classes)
    if len(words) != 1:
        got = f", got {' '.join(words)}" if words else ""
        raise ConfigError(f"give IMAGES LABELS or one of {NAMES}{got}; --help says more")
    found = by_name(words[0])
    data = found.train if found.test is None else found.test
    if classes is None or classes == data.classes:
        return data
    if data.classes > classes:
        raise ConfigError(
            f"{data.name} has {data.classes} classes, the data to train on {classes}: measure "
            "with data of the same classes"
        )
    return Dataset(data.images, data.labels, classes=classes, name=data.name)


def images(word: str) -> np.ndarray:
    """Return uint8 (n, h, w): the images in a file, or the test images of a set, if it has some."""
    if catalogue.knows(word):
        return dataset([word]).images
    if not is_whole(word):
        return Idx3(word).data
    found = readers.read(word)
    shown = found.sets[-1].images if found.sets else found.images
    if shown is None:
        raise FormatError(f"{word}: holds labels and no images: give the images")
    _tell(word, found.notes)
    return shown


def _half(word: str, kind: str) -> Idx1 | Idx3 | np.ndarray:
    """Return the images or labels that a file of any format holds alone.

    What is no known format is told by the reader of IDX files, which has a sentence for every
    damage.
    """
    if readers.recognise(word) in (None, "idx", "folder"):
        return Idx3(word) if kind == pairing.IMAGES else Idx1(word)
    found = readers.read(word)
    array = found.images if kind == pairing.IMAGES else found.labels
    if array is None:
        holds = "images with their labels" if found.sets else f"{found.kind} and no {kind}"
        remedy = "give it alone" if found.sets else f"give the {kind}"
        raise FormatError(f"{word}: holds {holds}: {remedy}")
    _tell(word, found.notes)
    return array


def _tell(name: str, notes: Sequence[str]) -> None:
    """Say on standard error what was changed while data were read."""
    for note in notes:
        print(f"{name}: {note}", file=sys.stderr)


def by_name(name: str) -> catalogue.Sets | readers.Sets:
    """Return the set called ``name``, or the one in the file or folder of that name."""
    if not catalogue.knows(name) and os.path.exists(name):
        if not is_whole(name):
            raise ConfigError(
                f"{name} is a file by itself: images need their labels, IMAGES LABELS"
            )
        found = readers.read_sets(name)
        _tell(name, found.notes)
        return found
    with FetchProgress() as progress:
        return catalogue.load(name, progress=progress.show)


def is_whole(word: str) -> bool:
    """Return whether one word stands for images with their labels: a name, a table, a zip, ..."""
    if catalogue.knows(word):
        return True
    return os.path.exists(word) and readers.recognise(word) not in (None, "idx")
