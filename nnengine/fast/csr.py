"""CSR: images as lists of the pixels that are not zero; four in five of MNIST's are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

import numpy as np

from .. import kernels
from ..core.arithmetic import read_only
from ..kernels import numpy_

_WIDEST = 1 << 16  # indices are 16-bit numbers
_SPARSE = 0.6  # share of nonzero pixels above which lists no longer pay


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class SparseImages:
    """n images of `inputs` pixels each, chosen by `rows` from the lists of a whole data set.

    Compressed sparse rows: image r's pixels that are not zero are data[indptr[r]:indptr[r + 1]],
    uint8, and stand at indices[...], uint16. indptr: int64 (images + 1,); rows: int64 (n,).
    Without any indices the data are all bytes, zeros too; see `whole`.
    """

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    inputs: int
    rows: np.ndarray
    images: np.ndarray | None = None  # what they were made from, where they are shared: `_KNOWN`

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | np.ndarray) -> SparseImages:
        """Return some of these images; the lists are shared."""
        rows = self.rows[rows]
        return SparseImages(self.indptr, self.indices, self.data, self.inputs, rows, self.images)

    @property
    def lists(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What kernels read."""
        return self.indptr, self.indices, self.data

    def unpacked(self) -> np.ndarray:
        """Return uint8 (n, inputs): these images as bytes again."""
        return numpy_.unpack(self.indptr, self.indices, self.data, self.rows, self.inputs)

    @property
    def density(self) -> float:
        """Share of the whole data set's pixels that are not zero, in [0, 1]."""
        return len(self.data) / ((len(self.indptr) - 1) * self.inputs)


# Ten visitors who train on one data set need its lists once. Lists hold on to their images, so
# that no other array can come by the same id while they live.
_KNOWN: WeakValueDictionary[int, SparseImages] = WeakValueDictionary()


def pack(images: np.ndarray) -> SparseImages | None:
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


def pack_once(images: np.ndarray) -> SparseImages | None:
    """Do `pack` for images that nobody else has, and that need not outlive this."""
    flat = read_only(images.reshape(len(images), -1))
    indptr = np.zeros(len(flat) + 1, np.int64)
    kernels.count_pixels(flat, indptr)
    if flat.shape[1] > _WIDEST or indptr[-1] > _SPARSE * flat.size:
        return None
    indices = np.empty(indptr[-1], np.uint16)
    data = np.empty(indptr[-1], np.uint8)
    kernels.pack_pixels(flat, indptr, indices, data)
    rows = np.arange(len(flat), dtype=np.int64)
    return SparseImages(indptr, indices, data, flat.shape[1], rows)


def whole(images: np.ndarray) -> SparseImages:
    """Return images, uint8 (n, ...), as kernels for lists read them: every byte where it is."""
    flat = read_only(images.reshape(len(images), -1))
    indptr = np.arange(len(flat) + 1, dtype=np.int64) * flat.shape[1]
    nowhere, rows = np.empty(0, np.uint16), np.arange(len(flat))
    return SparseImages(indptr, nowhere, flat.reshape(-1), flat.shape[1], rows, images)


def density(images: np.ndarray) -> float:
    """Return which share of the pixels of images, uint8 (n, ...), is not zero, in [0, 1]."""
    known = _KNOWN.get(id(images))
    if known is not None:
        return known.density
    flat = read_only(images.reshape(len(images), -1))
    indptr = np.zeros(len(flat) + 1, np.int64)
    kernels.count_pixels(flat, indptr)
    return float(indptr[-1] / flat.size)
