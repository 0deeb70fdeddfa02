"""Packed images: only the pixels that are not zero, as lists; four in five of MNIST's are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import numpy as np

from .. import kernels
from ..kernels import numpy_

_WIDEST = 1 << 16  # places are 16-bit numbers
_SPARSE = 0.6  # share of nonzero pixels above which lists no longer pay


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Packed:
    """n images of `inputs` pixels each, chosen by `rows` from the lists of a whole data set.

    Image r's pixels that are not zero: values[starts[r]:starts[r + 1]] uint8, at
    places[...] uint16. starts: int64 (images + 1,); rows: int64 (n,). Without any places the
    values are all bytes, zeros too; see `whole`.
    """

    starts: np.ndarray
    places: np.ndarray
    values: np.ndarray
    inputs: int
    rows: np.ndarray
    images: np.ndarray | None = None  # what they were made from, where they are shared: `_KNOWN`

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | np.ndarray) -> Packed:
        """Return some of these images; the lists are shared."""
        rows = self.rows[rows]
        return Packed(self.starts, self.places, self.values, self.inputs, rows, self.images)

    def unpacked(self) -> np.ndarray:
        """Return uint8 (n, inputs): these images as bytes again."""
        return numpy_.unpack(self.starts, self.places, self.values, self.rows, self.inputs)

    @property
    def density(self) -> float:
        """Share of the whole data set's pixels that are not zero, in [0, 1]."""
        return len(self.values) / ((len(self.starts) - 1) * self.inputs)


# Ten visitors who train on one data set need its lists once. Lists hold on to their images, so
# that no other array can come by the same id while they live.
_KNOWN: WeakValueDictionary[int, Packed] = WeakValueDictionary()


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a contiguous view that cannot be written; the array itself keeps its flags.

    numba compiles a function anew for arrays that may be written and for those that may not:
    what kernels only read always comes to them this way.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def pack(images: np.ndarray) -> Packed | None:
    """Return images, uint8 (n, ...), as lists; None where that would not pay.

    3 bytes for each pixel that is not zero: 27 MB for MNIST's 60,000 training images. Whoever
    packs the same array while its lists are in use shares them.
    """
    known = _KNOWN.get(id(images))
    if known is None:
        known = pack_once(images)
        if known is not None:
            _KNOWN[id(images)] = known = replace(known, images=images)
    return known


def pack_once(images: np.ndarray) -> Packed | None:
    """Do `pack` for images that nobody else has, and that need not outlive this."""
    flat = read_only(images.reshape(len(images), -1))
    starts = np.zeros(len(flat) + 1, np.int64)
    kernels.count_pixels(flat, starts)
    if flat.shape[1] > _WIDEST or starts[-1] > _SPARSE * flat.size:
        return None
    places = np.empty(starts[-1], np.uint16)
    values = np.empty(starts[-1], np.uint8)
    kernels.pack_pixels(flat, starts, places, values)
    rows = np.arange(len(flat), dtype=np.int64)
    return Packed(starts, places, values, flat.shape[1], rows)


def whole(images: np.ndarray) -> Packed:
    """Return images, uint8 (n, ...), as kernels for lists read them: every byte where it is."""
    flat = read_only(images.reshape(len(images), -1))
    starts = np.arange(len(flat) + 1, dtype=np.int64) * flat.shape[1]
    nowhere, rows = np.empty(0, np.uint16), np.arange(len(flat))
    return Packed(starts, nowhere, flat.reshape(-1), flat.shape[1], rows, images)


def density(images: np.ndarray) -> float:
    """Return which share of the pixels of images, uint8 (n, ...), is not zero, in [0, 1]."""
    known = _KNOWN.get(id(images))
    if known is not None:
        return known.density
    flat = read_only(images.reshape(len(images), -1))
    starts = np.zeros(len(flat) + 1, np.int64)
    kernels.count_pixels(flat, starts)
    return float(starts[-1] / flat.size)
