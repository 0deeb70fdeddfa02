"""Arrays: .npy and .npz files of images and labels, sorted by what their names and shapes say.

Never unpickled: a description of our own parsing comes before the values, and no more is read
than the file can hold.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import FormatError
from .. import pairing
from ..dataset import MAX_CLASSES
from ..npy import fill, read_head
from ..sources import Stream
from .colours import CHANNELS, laid, settled
from .contents import Contents, as_bytes, as_labels, datasets, frozen, is_extended
from .contract import Request
from .tableplan import is_square

KINDS = ("f2", "f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "b1")
IMAGES = {"x", "images", "image", "imgs", "img", "data", "pixels", "samples", "features", "inputs"}
LABELS = {"y", "labels", "label", "targets", "target", "classes", "class", "answers"}


@dataclass(frozen=True, slots=True)
class Named:
    """An array and what its file calls it."""

    name: str
    array: np.ndarray

    @property
    def words(self) -> set[str]:
        """The words that its name is made of."""
        return set(re.split(r"[^a-z]+", self.name.lower()))

    @property
    def called_so(self) -> bool:
        """Whether the name says that these are images or labels."""
        return bool(self.words & (IMAGES | LABELS))

    @property
    def kind(self) -> str:
        """Whether these are images or labels: by shape where it leaves no doubt, else by name."""
        words = self.words
        if self.array.ndim <= 1 or is_extended(self.array) or self._of_one_pixel:
            return pairing.LABELS
        if self.array.ndim >= 3:
            return pairing.IMAGES
        columns = self.array.shape[1]
        if words & LABELS and columns <= MAX_CLASSES:
            return pairing.LABELS
        if words & IMAGES or columns > MAX_CLASSES:
            return pairing.IMAGES
        return pairing.LABELS if columns == 1 else pairing.IMAGES

    @property
    def _of_one_pixel(self) -> bool:
        """Whether each item is one number, and no name calls it an image."""
        return self.array.size == len(self.array) and not self.words & IMAGES

    @property
    def count(self) -> int:
        """How many images or labels there are."""
        return len(self.array)

    @property
    def promised(self) -> int:
        """The same: an array is whole, or it is none."""
        return len(self.array)


def read(stream: Stream, request: Request) -> Contents:
    """Return the images or labels in an .npy."""
    array = read_array(stream, request)
    named = Named(request.name, array)
    return assemble([named], form="NumPy array", name=request.name, colours=request.colours)


def read_array(stream: Stream, request: Request) -> np.ndarray:
    """Return the array of an .npy, native byte order; raises FormatError.

    A shape that promises more than the file can hold is refused before memory is set aside.
    """
    what = stream.name or "the array"
    head = read_head(_Whole(stream), what, kinds=KINDS)
    wanted = math.prod(head.shape) * head.dtype.itemsize
    if wanted > request.max_bytes:
        raise FormatError(
            f"{what} holds {wanted:,} bytes, more than the {request.max_bytes:,} allowed",
            too_large=True,
        )
    if stream.most is not None and wanted > stream.most:
        raise FormatError(
            f"{what} promises {wanted:,} bytes of values and cannot hold more than "
            f"{stream.most:,}: it was cut short; download or save it again"
        )
    data = np.empty(wanted, np.uint8)
    filled = fill(stream, data)
    if filled < wanted or stream.read(1):
        fault = f"holds {filled:,}" if filled < wanted else "has bytes after"
        raise FormatError(
            f"{what} {fault} of the {wanted:,} bytes of values it promises: "
            "download or save it again"
        )
    array = data.view(head.dtype).reshape(head.shape, order="F" if head.fortran else "C")
    return np.ascontiguousarray(array, dtype=head.dtype.newbyteorder("="))


class _Whole:
    """As many bytes as asked for, from a stream that gives them in pieces."""

    def __init__(self, stream: Stream) -> None:
        self.read = stream.read_whole


def assemble(arrays: Sequence[Named], *, form: str, name: str, colours: bool = True) -> Contents:
    """Return the sets that these arrays make, told apart by name ("x_train") and shape.

    Images or labels that stand alone are returned as such; several arrays of images that no labels
    belong to are a class each, called as they are. Images in colour stay so where `colours`
    are wanted. Raises FormatError.
    """
    arrays, notes = _relevant(arrays)
    if is_class_each(arrays):
        return _class_each(arrays, form, name, notes, colours)
    _check_names(arrays)
    pairs, unpaired = pairing.match(arrays, pairing.by_part)
    if len(arrays) == 1:
        found = alone(arrays[0], form, colours=colours)
        return replace(found, notes=(*notes, *found.notes))
    if unpaired:
        missing = pairing.LABELS if unpaired[0].kind == pairing.IMAGES else pairing.IMAGES
        raise FormatError(f"{unpaired[0].name} has no {missing} beside it in this file: add them")
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for images, labels in pairs:
        array, moved = _count_first(images, labels)
        notes += [moved] if moved else []
        notes += [_EXTENDED] if is_extended(labels.array) else []
        parts[pairing.part_of(images.name)] = laid(array, images.name), labels.array
    return datasets(parts, form=form, name=name, notes=notes, colours=colours)


def _count_first(images: Named, labels: Named) -> tuple[np.ndarray, str | None]:
    """Return images with their number first, as the labels tell it, and what was done.

    The sides before it have to make square images: what else has as many is chance.
    """
    count, shape = labels.count, images.array.shape
    rows = len(shape) == 2 and is_square(shape[0])
    square = len(shape) == 3 or len(shape) == 4 and shape[2] in CHANNELS
    if (
        count in (0, shape[0])
        or shape[-1] != count
        or not (rows or square and shape[0] == shape[1])
    ):
        return images.array, None
    return np.ascontiguousarray(np.moveaxis(images.array, -1, 0)), (
        "The images are counted along the last side of their array: it was moved to the front."
    )


_EXTENDED = "Labels have eight columns, as QMNIST's: the first is the digit, and the rest left out."


def _relevant(arrays: Sequence[Named]) -> tuple[list[Named], list[str]]:
    """Return the arrays without those beside them that no name calls images or labels.

    They go where they would stand in the way: a mean image, a list of ids, a number.
    """
    called = [named for named in arrays if named.called_so]
    whole = {named.kind for named in called} == {pairing.IMAGES, pairing.LABELS}
    kept = called if whole else [n for n in arrays if n.called_so or n.array.ndim and n.array.size]
    kept = kept or list(arrays)
    left = [named.name for named in arrays if not any(named is one for one in kept)]
    return kept, [left_out(left)] if left else []


def left_out(names: Sequence[str]) -> str:
    """Say which arrays were not used."""
    more = f" and {len(names) - 3:,} others" if len(names) > 3 else ""
    shown = ", ".join(name[-40:] for name in names[:3])
    return f"Called neither images nor labels, and left out: {shown}{more}."


def is_class_each(arrays: Sequence[Named]) -> bool:
    """Return whether these are arrays of images alone, no part or kind in their names."""
    shapes = {named.array.shape[1:] for named in arrays}
    return len(arrays) > 1 and len(shapes) == 1 and all(
        named.kind == pairing.IMAGES and not named.called_so and not pairing.part_of(named.name)
        for named in arrays
    )  # fmt: skip


def _class_each(
    arrays: Sequence[Named], form: str, name: str, notes: list[str], colours: bool
) -> Contents:
    """Return one set of arrays that are a class each, as Quick, Draw! comes."""
    if len(arrays) > MAX_CLASSES:
        raise FormatError(f"{len(arrays):,} arrays of images: there can be {MAX_CLASSES} classes")
    beginning = os.path.commonprefix([named.name for named in arrays])
    start = max(beginning.rfind(mark) for mark in "_-/ ") + 1  # of what all names begin with
    names = [named.name[start:] for named in arrays]
    images = np.concatenate([named.array for named in arrays])
    labels = np.repeat(np.arange(len(arrays)), [len(named.array) for named in arrays])
    notes = [
        *notes,
        f"Each array was taken for a class: {', '.join(names[:3])}{', …' * (len(names) > 3)}.",
    ]
    return datasets(
        {"": (laid(images, name), labels)}, form=form, name=name, notes=notes, class_names=names,
        colours=colours,
    )  # fmt: skip


def _check_names(arrays: Sequence[Named]) -> None:
    """Raise FormatError unless each array has a part and kind of its own."""
    found: dict[tuple[str, str], Named] = {}
    for named in arrays:
        if named.array.ndim == 0 or named.array.size == 0:
            raise FormatError(
                f"{named.name} holds nothing: images and labels have one item at least"
            )
        key = pairing.part_of(named.name), named.kind
        if key in found:
            raise FormatError(
                f"{found[key].name} and {named.name} both look like "
                f"{' '.join(filter(None, key))}: {_one_at_a_time(arrays)}"
            )
        found[key] = named
    if {"", pairing.TRAIN} <= {part for part, _ in found}:
        raise FormatError(
            f"{', '.join(n.name for n in arrays)}: some say train or test and some do not: name "
            "all of them, such as x_train, y_train, x_test, y_test"
        )


def _one_at_a_time(arrays: Sequence[Named]) -> str:
    """Say which sets lie together, as far as names tell them apart, and what to give."""
    stems = (re.split(r"[-_.](train|test|images|labels)\b", n.name)[0] for n in arrays)
    sets = list(dict.fromkeys(stem.rpartition("/")[2] for stem in stems))
    if 1 < len(sets) < len(arrays):
        shown = ", ".join(sets[:8]) + ", …" * (len(sets) > 8)
        return f"{len(sets)} sets lie together, {shown}: give one set at a time"
    return "give one set at a time, with names such as x_train, y_train, x_test, y_test"


def alone(named: Named, form: str, *, colours: bool = True) -> Contents:
    """Return one array as images or labels; raises FormatError."""
    if named.kind == pairing.LABELS:
        if named.array.ndim == 1 and named.array.dtype.kind == "f" and _has_fractions(named.array):
            raise FormatError(
                "one row of fractions, neither images nor labels: a trained network (.nnm) opens "
                "with nnengine.load, and on the Models page"
            )
        notes = (_EXTENDED,) if is_extended(named.array) else ()
        array = named.array if named.array.ndim < 3 else named.array.reshape(-1)
        return Contents(form=form, labels=frozen(as_labels(array, named.name)), notes=notes)
    converted, notes = as_bytes({named.name: laid(named.array, named.name)})
    converted, done = settled(converted, colours)
    images = frozen(np.ascontiguousarray(converted[named.name]))
    return Contents(form=form, images=images, notes=(*notes, *done))


def _has_fractions(array: np.ndarray) -> bool:
    return not bool((array == np.rint(array)).all())
