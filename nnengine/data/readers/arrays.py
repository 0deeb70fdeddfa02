"""Arrays: .npy and .npz files of images and labels, sorted by what their names and shapes say.

Never unpickled: a description of our own parsing comes before the values, and no more is read
than the file can hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import FormatError
from .. import pairing
from ..dataset import MAX_CLASSES
from ..npy import read_head
from ..sources import Stream
from .contents import Contents, as_bytes, as_labels, datasets, frozen, grey
from .contract import Request

KINDS = ("f2", "f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "b1")
IMAGES = {"x", "images", "image", "imgs", "img", "data", "pixels", "samples", "features", "inputs"}
LABELS = {"y", "labels", "label", "targets", "target", "classes", "class", "answers"}
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Named:
    """An array and what its file calls it."""

    name: str
    array: np.ndarray

    @property
    def kind(self) -> str:
        """Whether these are images or labels: by shape where it leaves no doubt, else by name."""
        words = set(re.split(r"[^a-z]+", self.name.lower()))
        if self.array.ndim == 1:
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
    return assemble([Named(request.name, array)], form="NumPy array", name=request.name)


def read_array(stream: Stream, request: Request) -> np.ndarray:
    """Return the array of an .npy, native byte order; raises FormatError.

    A shape that promises more than the file can hold is refused before memory is set aside.
    """
    what = stream.name or "the array"
    head = read_head(_Whole(stream), what, kinds=KINDS)
    wanted = math.prod(head.shape) * head.dtype.itemsize
    if wanted > request.max_bytes:
        raise FormatError(
            f"{what} holds {wanted:,} bytes, more than the {request.max_bytes:,} allowed"
        )
    if stream.most is not None and wanted > stream.most:
        raise FormatError(
            f"{what} promises {wanted:,} bytes of values and cannot hold more than "
            f"{stream.most:,}: it was cut short; download or save it again"
        )
    data = np.empty(wanted, np.uint8)
    filled = 0
    while filled < wanted and (part := stream.read(min(_PIECE, wanted - filled))):
        data[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
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
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        got = b""
        while len(got) < size and (part := self._stream.read(size - len(got))):
            got += part
        return got


def assemble(arrays: Sequence[Named], *, form: str, name: str) -> Contents:
    """Return the sets that these arrays make, told apart by name ("x_train") and shape.

    Images or labels that stand alone are returned as such. Raises FormatError.
    """
    _check_names(arrays)
    pairs, unpaired = pairing.match(arrays, pairing.by_part)
    if len(arrays) == 1:
        return _alone(arrays[0], form)
    if unpaired:
        missing = pairing.LABELS if unpaired[0].kind == pairing.IMAGES else pairing.IMAGES
        raise FormatError(f"{unpaired[0].name} has no {missing} beside it in this file: add them")
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    notes: list[str] = []
    for images, labels in pairs:
        pictures, note = grey(images.array, images.name)
        notes += [note] if note else []
        parts[pairing.part_of(images.name)] = pictures, labels.array
    return datasets(parts, form=form, name=name, notes=notes)


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
                f"{' '.join(filter(None, key))}: give one set at a time, with names such as "
                "x_train, y_train, x_test, y_test"
            )
        found[key] = named
    if {"", pairing.TRAIN} <= {part for part, _ in found}:
        raise FormatError(
            f"{', '.join(n.name for n in arrays)}: some say train or test and some do not: name "
            "all of them, such as x_train, y_train, x_test, y_test"
        )


def _alone(named: Named, form: str) -> Contents:
    if named.kind == pairing.LABELS:
        if named.array.ndim == 1 and named.array.dtype.kind == "f":
            raise FormatError(
                "one row of fractions, neither images nor labels: a trained network (.nnm) opens "
                "with nnengine.load, and on the Models page"
            )
        return Contents(form=form, labels=frozen(as_labels(named.array, named.name)))
    images, note = grey(named.array, named.name)
    converted, notes = as_bytes({named.name: images})
    return Contents(
        form=form,
        images=frozen(np.ascontiguousarray(converted[named.name])),
        notes=tuple([note] if note else []) + tuple(notes),
    )
