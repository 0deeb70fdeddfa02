"""Matrices: arrays by name as MATLAB and HDF5 files have them, brought to images and labels.

MATLAB counts by columns: labels are a row or a column, the images' number is the last side as often
as the first, and rows of pixels made of whole images go down the image before they go across.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from .arrays import IMAGES, Named, assemble
from .contents import Contents
from .mapping import renamed
from .turned import says_upright, turned_contents

_EMNIST = {"dataset.train.images", "dataset.train.labels"}
_OF_A_CLASS = re.compile(r"(.*?)(\d{1,3})")


def assembled(
    arrays: Mapping[str, np.ndarray],
    *,
    form: str,
    name: str,
    by_columns: bool,
    colours: bool = True,
) -> Contents:
    """Return the sets that these arrays make; raises FormatError.

    by_columns: whether MATLAB wrote them. EMNIST's own layout (`dataset.train.images`,
    `dataset.mapping`) is known: its images are turned right, and its classes called as it says.
    """
    held = {key: _straight(key, array) for key, array in arrays.items()}
    codes = next((held.pop(key) for key in list(held) if key.endswith("mapping")), None)
    if not held:
        raise FormatError("no array of numbers in it: save images and labels as arrays")
    found = _by_class(held, form, name) or assemble(
        [Named(key, array) for key, array in held.items()], form=form, name=name, colours=colours
    )
    emnist = by_columns and _EMNIST <= held.keys()
    if emnist and found.train is not None and not says_upright(found.train):
        note = "Pixels lie column by column in it, as MATLAB keeps them: the images were turned."
        found = replace(turned_contents(found), notes=(*found.notes, note))
    return found if codes is None else renamed(found, codes)


def _straight(name: str, array: np.ndarray) -> np.ndarray:
    """Return one row or column of numbers as such, but for an image."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    if array.ndim == 2 and 1 in array.shape and not words & IMAGES:
        return array.reshape(-1)
    return array


def _by_class(held: Mapping[str, np.ndarray], form: str, name: str) -> Contents | None:
    """Return the sets of arrays that hold a class each, train0, train1, ..., test0, ..., or None.

    So Roweis's mnist_all.mat comes.
    """
    matches = {key: _OF_A_CLASS.fullmatch(key) for key in held}
    if len(held) < 4 or any(match is None for match in matches.values()):
        return None
    if any(array.ndim != 2 for array in held.values()):
        return None
    if len({array.shape[1] for array in held.values()}) > 1:
        return None
    parts: dict[str, dict[int, np.ndarray]] = {}
    for key, match in matches.items():
        if match is not None:
            parts.setdefault(match[1], {})[int(match[2])] = held[key]
    if any(len(classes) < 2 or max(classes) >= MAX_CLASSES for classes in parts.values()):
        return None
    arrays = []
    for part, classes in parts.items():
        order = sorted(classes)
        labels = np.repeat(order, [len(classes[label]) for label in order])
        images = np.concatenate([classes[label] for label in order])
        arrays += [Named(f"x_{part}", images), Named(f"y_{part}", labels)]
    found = assemble(arrays, form=form, name=name)
    first = next(iter(held))
    return replace(found, notes=(f"Each array is a class, such as {first}.", *found.notes))
