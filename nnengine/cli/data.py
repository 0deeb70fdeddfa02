"""Data: what the words for it on a command line stand for."""

from __future__ import annotations

import os
import sys

from ..data import catalogue, readers
from ..data.dataset import Dataset
from ..data.idx import Idx1, Idx3
from ..errors import ConfigError
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
        return Dataset(Idx3(words[0]), Idx1(words[1]), classes=classes)
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


def by_name(name: str) -> catalogue.Sets | readers.Sets:
    """Return the set called ``name``, or the one in the file or folder of that name."""
    if not catalogue.knows(name) and os.path.exists(name):
        if not is_whole(name):
            raise ConfigError(
                f"{name} is a file by itself: images need their labels, IMAGES LABELS"
            )
        found = readers.read_sets(name)
        for note in found.notes:
            print(f"{name}: {note}", file=sys.stderr)
        return found
    with FetchProgress() as progress:
        return catalogue.load(name, progress=progress.show)


def is_whole(word: str) -> bool:
    """Return whether one word stands for images with their labels: a name, a table, a zip, ..."""
    if catalogue.knows(word):
        return True
    return os.path.exists(word) and readers.recognise(word) not in (None, "idx")
