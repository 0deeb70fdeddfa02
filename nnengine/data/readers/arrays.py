"""Arrays: .npy and .npz files of images and labels, sorted by what their names and shapes say.

Never unpickled: a description of our own parsing comes before the values, and no more is read
than the file can hold.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from ..npy import read_head
from .contents import Contents, as_bytes, as_labels, datasets, grey, part_of

KINDS = ("f2", "f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "b1")
IMAGES = {"x", "images", "image", "imgs", "img", "data", "pixels", "samples", "features", "inputs"}
LABELS = {"y", "labels", "label", "targets", "target", "classes", "class", "answers"}
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Named:
    """An array and what its file calls it."""

    name: str
    array: np.ndarray


def read_npy(
    read: Callable[[int], bytes], what: str, *, held: int | None, max_bytes: int
) -> np.ndarray:
    """Return the array of an .npy, native byte order; `read(n)` gives up to n of its bytes.

    `held` is an upper bound on the bytes that can come, where one is known: a shape that promises
    more is refused before memory is set aside. Raises FormatError.
    """
    stream = _Reader(read)
    head = read_head(stream, what, kinds=KINDS)
    wanted = math.prod(head.shape) * head.dtype.itemsize
    if wanted > max_bytes:
        raise FormatError(f"{what} holds {wanted:,} bytes, more than the {max_bytes:,} allowed")
    if held is not None and wanted > held:
        raise FormatError(
            f"{what} promises {wanted:,} bytes of values and cannot hold more than {held:,}: "
            "it was cut short; download or save it again"
        )
    data = np.empty(wanted, np.uint8)
    filled = 0
    while filled < wanted and (part := read(min(_PIECE, wanted - filled))):
        data[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)
    if filled < wanted or read(1):
        fault = f"holds {filled:,}" if filled < wanted else "has bytes after"
        raise FormatError(
            f"{what} {fault} of the {wanted:,} bytes of values it promises: "
            "download or save it again"
        )
    array = data.view(head.dtype).reshape(head.shape, order="F" if head.fortran else "C")
    return np.ascontiguousarray(array, dtype=head.dtype.newbyteorder("="))


class _Reader(io.RawIOBase):
    """As many bytes as asked for, from a source that gives them in pieces."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def read(self, size: int = -1) -> bytes:
        got = b""
        while len(got) < size and (part := self._read(size - len(got))):
            got += part
        return got


def sort_out(arrays: Sequence[Named], *, form: str, name: str) -> Contents:
    """Return the sets that these arrays make, told apart by name ("x_train") and shape.

    Images or labels that stand alone are returned as such. Raises FormatError.
    """
    found: dict[tuple[str, str], Named] = {}
    notes: list[str] = []
    for named in arrays:
        key = part_of(named.name) or "", _role(named)
        if key in found:
            raise FormatError(
                f"{found[key].name} and {named.name} both look like "
                f"{' '.join(filter(None, key))}: give one set at a time, with names such as "
                "x_train, y_train, x_test, y_test"
            )
        found[key] = named
    if "" in {part for part, _ in found} and "train" in {part for part, _ in found}:
        raise FormatError(
            f"{', '.join(n.name for n in arrays)}: some say train or test and some do not: name "
            "all of them, such as x_train, y_train, x_test, y_test"
        )
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for part in dict.fromkeys(part for part, _ in found):
        images, labels = found.get((part, "images")), found.get((part, "labels"))
        if images and labels:
            pictures, note = grey(images.array, images.name)
            notes += [note] if note else []
            parts[part] = pictures, labels.array
        elif len(found) > 1:
            lonely = images or labels
            missing = "labels" if images else "images"
            raise FormatError(f"{lonely.name} has no {missing} beside it in this file: add them")
    if parts:
        return datasets(parts, form=form, name=name, notes=notes)
    return _alone(*next(iter(found.items())), form)


def _alone(key: tuple[str, str], named: Named, form: str) -> Contents:
    if key[1] == "labels":
        if named.array.ndim == 1 and named.array.dtype.kind == "f":
            raise FormatError(
                "one row of fractions, neither images nor labels: a trained network (.nnm) opens "
                "with nnengine.load, and on the Models page"
            )
        return Contents(form=form, labels=_frozen(as_labels(named.array, named.name)))
    images, note = grey(named.array, named.name)
    converted, notes = as_bytes({named.name: images})
    return Contents(
        form=form,
        images=_frozen(np.ascontiguousarray(converted[named.name])),
        notes=tuple([note] if note else []) + tuple(notes),
    )


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _role(named: Named) -> str:
    """Return "images" or "labels": by shape where it leaves no doubt, else by name."""
    array = named.array
    words = set(re.split(r"[^a-z]+", named.name.lower()))
    if array.ndim == 0 or array.size == 0:
        raise FormatError(f"{named.name} holds nothing: images and labels have one item at least")
    if array.ndim == 1:
        return "labels"
    if array.ndim >= 3:
        return "images"
    if words & LABELS and array.shape[1] <= MAX_CLASSES:
        return "labels"
    if words & IMAGES or array.shape[1] > MAX_CLASSES:
        return "images"
    return "labels" if array.shape[1] == 1 else "images"
