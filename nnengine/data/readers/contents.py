"""Contents: what a file of any format comes down to, bytes for images and small numbers for labels.

Whoever made the file may have kept pixels as fractions, or as whole numbers up to 16: here they
become what `Dataset` takes, and whatever was done is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import FormatError
from .. import pairing
from ..dataset import MAX_CLASSES, Dataset
from ..idxheader import IdxHeader
from .colours import settled

_BLOCK = 1 << 22  # values converted at a time: the wide numbers never stand beside all the bytes
_FEW_LEVELS = 16  # the UCI digits count ink from 0 to 16; nothing that uses a byte stops so low
_SIXTEEN_BITS = 65_535


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Contents:
    """What was found: a training set and perhaps a test set, or images or labels alone.

    `images`: read-only uint8 (n, h, w), in colour (n, h, w, 3), and `labels`: read-only
    whole numbers (n,) are set only where the file holds one without the other. `notes` are
    sentences about what was changed or left out, `header` is that of a single IDX file.
    `whole_items` is how many whole images or labels were kept of a file that was cut short.

    Where `inspect` found a file that `read` refuses, `fault` says why, `too_large` whether it only
    holds more bytes than were allowed, `choices` the sets in it of which one has to be chosen, or
    the ways to read it, of which `asked` asks, and `rescued` is what is whole of it; all else but
    `header` is then missing. `unread`: the file's bytes, uint8, where somebody keeps them until it
    was chosen. `coloured`: what this was before its colours were taken away, where that was asked
    for later.
    """

    form: str
    train: Dataset | None = None
    test: Dataset | None = None
    images: np.ndarray | None = None
    labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    header: IdxHeader | None = None
    whole_items: int | None = None
    fault: str | None = None
    too_large: bool = False
    choices: tuple[str, ...] = ()
    asked: str = ""
    unread: np.ndarray | None = None
    rescued: Contents | None = None
    coloured: Contents | None = None

    @property
    def kind(self) -> str:
        """What is found: "set" (images with labels), "images", "labels", or "nothing"."""
        if self.train is not None:
            return "set"
        if self.images is not None:
            return pairing.IMAGES
        return "nothing" if self.labels is None else pairing.LABELS

    @property
    def sets(self) -> tuple[Dataset, ...]:
        """The training set and the test set, as far as there are any."""
        return tuple(data for data in (self.train, self.test) if data is not None)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Everything in memory, what was rescued and what had colours too."""
        ones = self.images, self.labels, self.unread
        alone = tuple(array for array in ones if array is not None)
        sets = tuple(array for data in self.sets for array in (data.images, data.labels))
        others = (one.arrays for one in (self.rescued, self.coloured) if one is not None)
        return sum(others, sets + alone)

    @property
    def nbytes(self) -> int:
        """How much memory the arrays keep: of one that is a part of another, the whole."""
        owners = dict(map(owner, self.arrays))
        return sum(owners.values())

    def __len__(self) -> int:
        """Return the number of images, or of labels where there are no images."""
        alone = self.labels if self.images is None else self.images
        return sum(map(len, self.sets)) + (0 if alone is None else len(alone))


def owner(array: np.ndarray) -> tuple[int, int]:
    """Return (identity, bytes) of what an array's values lie in: of a part, that of the whole."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    held = array.base
    if isinstance(held, memoryview):
        held = held.obj
    return (id(held), len(held)) if isinstance(held, bytes) else (id(array), array.nbytes)


def as_bytes(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return images as uint8 with sentences about it; one scale for all, so that sets compare.

    Whole numbers and fractions in 0 to 255 are kept (rounded), those in 0 to 1, from -1 to 1 and
    whole numbers up to 16 are stretched to 0 to 255, and those of 16 bits, up to 65,535 itself,
    brought down to it. Raises FormatError for any others.
    """
    if all(array.dtype == np.uint8 and array.size for array in arrays.values()):
        high = max(int(array.max()) for array in arrays.values())
        if high > _FEW_LEVELS or high == 0:
            return dict(arrays), []
    low, high, whole = _extent(arrays)
    notes = []
    scale, zero = 1.0, 0.0
    if low < 0:  # as images for a tanh are kept
        scale, zero = 127.5, 1.0
        notes.append("Pixels were from -1 to 1: stretched to 0 to 255.")
    elif high == _SIXTEEN_BITS:
        scale = 1 / 257
        notes.append("Pixels were of 16 bits, from 0 to 65,535: brought to 0 to 255.")
    elif high <= 1 or (whole and high <= _FEW_LEVELS):
        scale = 255 / (high if whole and high else 1)
        top = f"{high:g}" if whole and high else "1"
        kind = "" if whole else "fractions "
        notes.append(f"Pixels were {kind}from 0 to {top}: stretched to 0 to 255.")
    elif not whole:
        notes.append("Pixels were fractions up to 255: rounded to whole numbers.")
    return {name: _scaled(array, scale, zero) for name, array in arrays.items()}, notes


def _extent(arrays: Mapping[str, np.ndarray]) -> tuple[float, float, bool]:
    """Return (lowest, highest, whether all are whole); FormatError outside -1 to 1 or 0 to 255."""
    lows, highs, whole = [], [], True
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise FormatError(f"{name} holds {array.dtype}: pixels are numbers from 0 to 255")
        if array.size == 0:
            raise FormatError(f"{name} holds no image: one is the least")
        lows.append(float(array.min()))
        highs.append(float(array.max()))
        if array.dtype.kind == "f":
            whole = whole and all(bool((part == np.rint(part)).all()) for part in _blocks(array))
    signed = min(lows) == -1 and max(highs) <= 1  # exactly: what is centred otherwise is not
    most = _SIXTEEN_BITS if whole and max(highs) == _SIXTEEN_BITS else 255
    for name, low, high in zip(arrays, lows, highs, strict=True):
        if not (0 <= low and high <= most or signed and -1 <= low):  # NaN fails as well
            raise FormatError(_out_of_range(name, arrays[name], low, high))
    return min(lows), max(highs), whole


def _out_of_range(name: str, array: np.ndarray, low: float, high: float) -> str:
    """Return what is wrong with images whose pixels lie elsewhere, and the way out."""
    if np.isnan(low) or np.isnan(high):
        at = next(i for i, image in enumerate(array) if np.isnan(image).any())
        return (
            f"{name} hold what is no number (NaN), first at index {at:,}: put 0 in its place, or "
            "leave that image out"
        )
    if array.dtype == np.int8:
        return (
            f"{name} are signed bytes from {low:g} to {high:g}, as if bytes had been written under "
            "the wrong type: give them as uint8 (of IDX, type 0x08)"
        )
    return (
        f"the range of {name} goes from {low:g} to {high:g}: pixels lie in 0 to 255 or in 0 to 1; "
        "give them as they were before they were centred or scaled"
    )


def _scaled(array: np.ndarray, scale: float, zero: float) -> np.ndarray:
    """Return (array + zero) * scale, rounded to uint8."""
    if array.dtype == np.uint8 and scale == 1:
        return array
    out = np.empty(array.shape, np.uint8)
    for source, target in zip(_blocks(array), _blocks(out), strict=True):
        target[...] = np.rint((source.astype(np.float32) + np.float32(zero)) * np.float32(scale))
    return out


def _blocks(array: np.ndarray) -> list[np.ndarray]:
    step = max(1, _BLOCK // max(1, int(np.prod(array.shape[1:]))))
    return [array[start : start + step] for start in range(0, len(array), step)]


def as_labels(array: np.ndarray, what: str) -> np.ndarray:
    """Return labels as uint8 (n,): whole numbers, a column of them, or one-hot rows.

    Of QMNIST's eight columns the first. Raises FormatError for any others, with the first offender.
    """
    if is_extended(array):
        array = array[:, 0]
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.shape[1] <= MAX_CLASSES and _is_one_hot(array):
        array = array.argmax(axis=1)
    if array.ndim != 1:
        shape = " x ".join(f"{n:,}" for n in array.shape)
        raise FormatError(f"{what} has shape {shape}: labels are one number an image")
    if array.dtype.kind not in "biuf":
        raise FormatError(f"{what} holds {array.dtype}: labels are whole numbers from 0 to 255")
    out = np.empty(len(array), np.uint8)
    for start in range(0, len(array), _BLOCK):
        out[start : start + _BLOCK] = _few(array[start : start + _BLOCK], start, what)
    return out


def is_extended(array: np.ndarray) -> bool:
    """Return whether these are QMNIST's labels: int32 (n, 8), digit, then where it comes from.

    Its fifth column is the digit again, as NIST's ASCII code (Yadav & Bottou 2019, appendix).
    """
    return array.ndim == 2 and array.dtype == np.int32 and array.shape[1] == 8


def _few(labels: np.ndarray, start: int, what: str) -> np.ndarray:
    """Return a block of labels, those from `start` on, after checking each."""
    with np.errstate(all="ignore"):
        bad = np.flatnonzero(
            ~((labels >= 0) & (labels < MAX_CLASSES) & (labels == np.rint(labels)))
        )
        if not bad.size:
            return labels.astype(np.uint8)
    raise FormatError(
        f"{what}: {labels[bad[0]]:g} at index {start + bad[0]:,} is no label: labels are whole "
        f"numbers from 0 to {MAX_CLASSES - 1}"
    )


def frozen(array: np.ndarray) -> np.ndarray:
    """Return the array, which nobody can change from now on."""
    array.flags.writeable = False
    return array


def _is_one_hot(array: np.ndarray) -> bool:
    ones, zeros = np.count_nonzero(array == 1, axis=1), np.count_nonzero(array == 0, axis=1)
    return bool((ones == 1).all() and (zeros == array.shape[1] - 1).all())


def datasets(
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    form: str,
    name: str,
    notes: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
    colours: bool = True,
) -> Contents:
    """Return Contents of (images, labels) by part; either may come as any numbers.

    Images in colour stay so, all of them or none, where `colours` are wanted.

    Which trains and which is the test set: see `pairing.choose`. Raises FormatError.
    """
    called = {part: " ".join(filter(None, ("the", part))) for part in parts}
    scaled, said = as_bytes({f"{called[p]} images": x for p, (x, _) in parts.items()})
    scaled, done = settled(scaled, colours)
    images = dict(zip(parts, scaled.values(), strict=True))
    labels = {p: as_labels(y, f"{called[p]} labels") for p, (_, y) in parts.items()}
    order, left_out = in_order({part: len(pictures) for part, (pictures, _) in parts.items()})
    classes = len(class_names) if class_names else 1 + max(int(labels[p].max()) for p in order)
    found = [
        Dataset(images[p], labels[p], classes=classes, class_names=class_names, name=name)
        for p in order
    ]
    if len(found) == 2 and found[0].image_shape != found[1].image_shape:
        sizes = [" x ".join(map(str, d.image_shape)) for d in found]
        raise FormatError(f"training images are {sizes[0]}, test images {sizes[1]} pixels")
    return Contents(
        form=form,
        train=found[0],
        test=found[1] if len(found) > 1 else None,
        notes=tuple(dict.fromkeys((*notes, *said, *done, *left_out))),
    )


def in_order(sizes: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Return the parts that train and judge, of these sizes, and sentences about the others."""
    names = list(sizes)
    order = [names[p] for p in pairing.choose(list(sizes.items())) if p is not None]
    return order, [_left_out(part, sizes[part]) for part in names if part not in order]


def _left_out(part: str, count: int) -> str:
    if part == pairing.VAL:
        return "The validation part is left out: the test part is used to judge."
    return f"{count:,} images are left out: nothing says whether they belong to training or test."
