"""Numbering: what is measured has the classes of what was learnt from under the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import FormatError
from ..dataset import Dataset


def are_words(names: Sequence[str]) -> bool:
    """Return whether classes are called otherwise than 0, 1, 2, ..."""
    return list(names) != [str(i) for i in range(len(names))]


def numbered_as(data: Dataset, names: Sequence[str]) -> Dataset:
    """Return the same images with the numbers that classes of these names have.

    Words of a file are numbered in their own order: where one is missing, all behind it moves up.
    Where classes are plain numbers on either side, they stay as they are. Raises FormatError for a
    class that none of these names is.
    """
    if not (are_words(names) and are_words(data.class_names)):
        return data
    if data.class_names == tuple(names):
        return data
    place = {name: i for i, name in enumerate(names)}
    strange = [name for name in data.class_names if name not in place]
    if strange:
        raise FormatError(
            f"{data.name}: a class is called {strange[0][:40]}, and none is called so of those "
            f"that are learnt, {', '.join(name[:20] for name in names[:4])}, …: measure with "
            "images of the same classes"
        )
    turn = np.array([place[name] for name in data.class_names], np.uint8)
    return Dataset(data.images, turn[data.labels], class_names=names, name=data.name)
