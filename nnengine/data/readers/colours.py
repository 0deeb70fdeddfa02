"""Colours: whether images keep red, green and blue or are grey, decided once for a whole set.

One rule for every format: a set is in colour where one image in a hundred is. Its grey images then
have three equal channels; with fewer coloured ones all become grey, and what was done is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt

import numpy as np

from ...core.arithmetic import read_only
from ...errors import FormatError
from ..dataset import Dataset

CHANNELS = (1, 3, 4)
LEAST = 0.01  # share of coloured images: a stray one would triple the inputs of all the others
GREY = "Colours became grey, as bright as eyes see them."
NONE = "Red, green and blue are equal in every image: they are grey."
_BLOCK = 1 << 20  # pixels worked on at a time
# Of red, green and blue, in 65536ths: 0.299, 0.587, 0.114 (Rec. ITU-R BT.601-7, 2.5.1), rounded as
# Pillow rounds them, so that arrays and pictures become the same grey.
_WEIGHTS = tuple(map(np.uint32, (19595, 38470, 7471)))


def laid(images: np.ndarray, what: str) -> np.ndarray:
    """Return images as (n, h, w), or with three channels as (n, h, w, 3): rows become square.

    Takes (n, pixels), (n, h, w), and one, three or four channels last or first; the fourth is how
    opaque a pixel is, and left out. Raises FormatError.
    """
    if images.ndim == 2:
        side = isqrt(images.shape[1])
        square = (side, side) if side * side == images.shape[1] else (1, images.shape[1])
        return images.reshape(len(images), *square)
    if images.ndim == 3:
        return images
    if images.ndim != 4 or not (images.shape[3] in CHANNELS or images.shape[1] in CHANNELS):
        shape = " x ".join(f"{n:,}" for n in images.shape)
        raise FormatError(
            f"{what} has shape {shape}: images come as (count, height, width), with one, three or "
            "four channels last or first, or as one row of pixels each"
        )
    if images.shape[3] not in CHANNELS:
        images = np.moveaxis(images, 1, 3)
    return images[..., 0] if images.shape[3] == 1 else images[..., :3]


def coloured(images: np.ndarray) -> np.ndarray:
    """Return for each of uint8 (n, h, w, 3) whether its channels differ anywhere, bool (n,)."""
    found = np.zeros(len(images), bool)
    for part in _blocks(images):
        one = images[part]
        differ = (one[..., 0] != one[..., 1]) | (one[..., 0] != one[..., 2])
        found[part] = differ.reshape(len(one), -1).any(axis=1)
    return found


def to_grey(images: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h, w, 3) as grey, uint8 (n, h, w): Rec. 601's luma; grey stays as it is."""
    if images.ndim == 3:
        return images
    out = np.empty(images.shape[:3], np.uint8)
    for part in _blocks(images):
        one = images[part].astype(np.uint32)
        sums = sum(one[..., n] * weight for n, weight in enumerate(_WEIGHTS))
        out[part] = (sums + np.uint32(1 << 15)) >> np.uint32(16)
    return out


def in_colour(images: np.ndarray) -> np.ndarray:
    """Return grey uint8 (n, h, w) with three equal channels, (n, h, w, 3); colours as they are."""
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)


def settled(
    images: Mapping[str, np.ndarray], keep: bool = True
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the uint8 images of all parts of a set in colour, or all grey, and what was done.

    keep: whether colours are wanted at all.
    """
    if all(one.ndim == 3 for one in images.values()):
        return dict(images), []
    counts = {name: int(coloured(x).sum()) for name, x in images.items() if x.ndim == 4}
    few, total = sum(counts.values()), sum(map(len, images.values()))
    if keep and few >= LEAST * total and few:
        return {name: in_colour(x) for name, x in images.items()}, _beside(total - few, total)
    grey = {name: to_grey(x) for name, x in images.items()}
    if not few:
        return grey, [NONE]
    return grey, [GREY if not keep else f"{too_few(few, total)}: all became grey."]


def _beside(grey: int, total: int) -> list[str]:
    said = f"{grey:,} of {total:,} images are grey: they have three equal channels."
    return [said] if grey else []


def too_few(few: int, total: int) -> str:
    """Say that so few images are in colour that a set is not."""
    are = "image is" if few == 1 else "images are"
    return f"Only {few:,} of {total:,} {are} in colour, less than one in {1 / LEAST:.0f}"


def alike(sets: Sequence[Dataset]) -> list[Dataset]:
    """Return data sets that were read apart all in colour where one of them is."""
    if len({data.channels for data in sets}) < 2:
        return list(sets)
    return [with_images(data, in_colour(data.images)) for data in sets]


def with_images(data: Dataset, images: np.ndarray) -> Dataset:
    """Return the same labels and classes for images that took the place of others."""
    names, classes = data.class_names, data.classes
    return Dataset(
        read_only(images), data.labels, classes=classes, class_names=names, name=data.name
    )


def _blocks(images: np.ndarray) -> list[slice]:
    step = max(1, _BLOCK // max(1, images.shape[1] * images.shape[2]))
    return [slice(start, start + step) for start in range(0, len(images), step)]
