"""Shards: one table that was cut into several files, called NAME-00000-of-00003 and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES, Dataset
from .colours import alike, in_colour
from .contents import Contents

_NUMBERED = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\..*)?")


def whole(name: str) -> tuple[str, int, int]:
    """Return what the whole is called, which shard of it a file is, and how many there are."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return name, 0, 1
    return f"{match[1]}{match[4] or ''}", int(match[2]), int(match[3])


def joined(name: str, shards: Mapping[int, Contents], count: int) -> Contents:
    """Return the one table of its shards, by number; FormatError where some are missing.

    Classes keep their names, whichever of them a shard has.
    """
    if len(shards) < count:
        lacking = next(i for i in range(count) if i not in shards)
        raise FormatError(
            f"{name} comes in {count:,} files, and {count - len(shards):,} of them are not here, "
            f"such as number {lacking:,}: give all of them"
        )
    if count == 1:
        return shards[0]
    order = [shards[i] for i in sorted(shards)]
    sets = [found.train for found in order if found.train is not None]
    if len(sets) < len(order):
        if sets:
            raise FormatError(f"{name}: some of its files have labels, and others have none")
        alone = [found.images for found in order if found.images is not None]
        if any(images.ndim == 4 for images in alone):
            alone = [in_colour(images) for images in alone]
        _check_shapes(name, [images.shape[1:] for images in alone])
        images = np.concatenate(alone)
        images.flags.writeable = False
        return Contents(form=order[0].form, images=images, notes=_notes(order))
    sets = of_one_naming(alike(sets))
    _check_shapes(name, [data.images.shape[1:] for data in sets])
    made = Dataset(
        np.concatenate([data.images for data in sets]),
        np.concatenate([data.labels for data in sets]),
        classes=sets[0].classes,
        class_names=sets[0].class_names if _are_words(sets) else None,
        name=sets[0].name,
    )
    return Contents(form=order[0].form, train=made, notes=_notes(order))


def of_one_naming(sets: Sequence[Dataset]) -> list[Dataset]:
    """Return the same sets with the same classes, of which each may have lacked some.

    Raises FormatError where words make more classes than there can be.
    """
    if not _are_words(sets):
        classes = max(data.classes for data in sets)
        return [Dataset(d.images, d.labels, classes=classes, name=d.name) for d in sets]
    names = list(dict.fromkeys(name for data in sets for name in data.class_names))
    if len(names) > MAX_CLASSES:
        raise FormatError(f"{len(names):,} classes in all: there can be {MAX_CLASSES}")
    place = {name: i for i, name in enumerate(names)}
    return [
        Dataset(
            data.images,
            np.array([place[name] for name in data.class_names], np.uint8)[data.labels],
            class_names=names,
            name=data.name,
        )
        for data in sets
    ]


def _are_words(sets: Sequence[Dataset]) -> bool:
    """Return whether classes are called otherwise than 0, 1, 2, ..."""
    return any(d.class_names != tuple(map(str, range(d.classes))) for d in sets)


def _check_shapes(name: str, shapes: list[tuple[int, ...]]) -> None:
    if len(set(shapes)) > 1:
        raise FormatError(f"{name}: the images of its files differ in size")


def _notes(order: list[Contents]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for found in order for note in found.notes))
