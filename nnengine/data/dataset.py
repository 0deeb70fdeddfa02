"""Dataset: images and labels that were checked once, so that nobody behind needs to ask again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from math import isqrt
from typing import Any

import numpy as np

from ..core.arithmetic import read_only
from ..core.losses import check_labels
from ..errors import ConfigError, FormatError

MAX_CLASSES = 256  # labels are bytes

Rng = np.random.Generator | int | None


class Dataset:
    """Images with their labels and the names of the classes; nothing in it can be changed.

    ``images``: read-only uint8 (count, height, width), or (count, height, width, 3) in colour,
    given as such, as Idx3 or as uint8 rows (count, pixels), which become square images where the
    number of pixels is a square and images of one line otherwise. Contiguous images are viewed, not
    copied: whoever goes on to change their own array changes the dataset behind its back.
    ``labels``: read-only uint8 (count,), given as Idx1 or whole numbers from 0 to 255.
    ``classes``: how many there are, by default the number of names or the largest label + 1.

    Raises FormatError where the data do not fit together, ConfigError for bad classes or names.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        *,
        class_names: Sequence[str] | None = None,
        classes: int | None = None,
        name: str = "",
    ) -> None:
        _check_not_swapped(images, labels)
        image_source, label_source = _called(images, "images"), _called(labels, "labels")
        self.images = _checked_images(images, image_source)
        self.labels = _checked_labels(labels, label_source)
        _check_counts(self.images, self.labels, image_source, label_source)
        self._given_names = _checked_names(class_names)
        self.classes = _count_classes(classes, self._given_names, self.labels)
        self.name = name
        check_labels(self.labels, self.classes, what=label_source)

    @staticmethod
    def from_arrays(images: Any, labels: Any, **settings: Any) -> Dataset:
        """Return images of any numbers, with labels of any kind: see `taking.from_arrays`."""
        from . import taking  # what others hold: whoever learns needs it last

        return Dataset(**taking.from_arrays(images, labels, **settings))

    @staticmethod
    def from_huggingface(table: Any, **columns: Any) -> Dataset:
        """Return what a `datasets.Dataset` holds: see `taking.from_huggingface`."""
        from . import taking

        return Dataset(**taking.from_huggingface(table, **columns))

    @staticmethod
    def from_torchvision(dataset: Any, **settings: Any) -> Dataset:
        """Return what a data set of torchvision holds: see `taking.from_torchvision`."""
        from . import taking

        return Dataset(**taking.from_torchvision(dataset, **settings))

    def to_torch(self, scale: float | None = 1 / 255) -> Any:
        """Return it as PyTorch's `TensorDataset`: see `taking.to_torch`."""
        from . import taking

        return taking.to_torch(self, scale)

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(height, width) of every image, in pixels."""
        return self.images.shape[1], self.images.shape[2]

    @property
    def channels(self) -> int:
        """Numbers of a pixel: 1, or 3 of colours."""
        return self.images.shape[3] if self.images.ndim == 4 else 1

    @property
    def inputs(self) -> int:
        """Numbers of an image: what a network takes in."""
        return self.image_shape[0] * self.image_shape[1] * self.channels

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """One name a class: given, known by the digest of the labels, or else "0", "1", ..."""
        numbers = tuple(map(str, range(self.classes)))
        if self._given_names is not None:
            return self._given_names
        from .names import BY_LABEL_DIGEST  # only where nobody gave any

        known = BY_LABEL_DIGEST.get(_digest(self.labels), numbers)
        return known if len(known) == self.classes else numbers

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the contents: the IDX bytes of the images, then those of the labels."""
        return _digest(self.images, self.labels)

    def class_counts(self) -> np.ndarray:
        """Return how many images each class has: int64 (classes,)."""
        return np.bincount(self.labels, minlength=self.classes).astype(np.int64, copy=False)

    def take(self, indices: Any) -> Dataset:
        """Return the images at ``indices`` (whole numbers, a mask of count booleans, a slice).

        A slice shares memory, anything else copies. Classes and their names stay as they are.
        Raises ConfigError where an index is not there or nothing is left.
        """
        if not isinstance(indices, slice):
            indices = self._checked_indices(np.asarray(indices))
        labels = self.labels[indices]
        if labels.size == 0:
            raise ConfigError(f"no image is chosen of {self.count:,}: choose at least one")
        return Dataset(self.images[indices], labels, class_names=self.class_names, name=self.name)

    def _checked_indices(self, indices: np.ndarray) -> np.ndarray:
        if indices.dtype == bool and indices.shape == self.labels.shape:
            return np.flatnonzero(indices)
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise ConfigError(
                "indices are one row of whole numbers or a mask of "
                f"{self.count:,} booleans, got {indices.dtype} {indices.shape}"
            )
        outside = (indices < -self.count) | (indices >= self.count)
        if outside.any():
            raise ConfigError(f"index {indices[outside][0]} is outside 0 to {self.count - 1:,}")
        return indices.astype(np.intp)

    def split(self, share: float, *, rng: Rng = 0) -> tuple[Dataset, Dataset]:
        """Return (rest, held_out): disjoint, together everything, both shuffled by ``rng``.

        ``held_out`` gets ``share`` of the images (0 < share < 1, rounded, at least one on either
        side) and of each class its share to within one image. The same ``rng`` seed gives the same
        split. Raises ConfigError for another share or where there is a single image.
        """
        from .portions import split

        return split(self, share, rng)

    def batches(self, size: int, *, rng: Rng = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Return an iterator of (images uint8 (b, h, w), labels uint8 (b,)), each image once.

        ``b`` is ``size``, less in the last batch where it does not divide the count. With ``rng``
        they are shuffled, without it they are views in order. Raises ConfigError for a bad size.
        """
        from .portions import batches

        return batches(self, size, rng)

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        height, width = self.image_shape
        name = f"{self.name}: " if self.name else ""
        colour = " in colour" if self.channels == 3 else ""
        size = f"{height}x{width}{colour}"
        return f"Dataset({name}{self.count:,} images of {size}, {self.classes} classes)"


def _called(data: Any, what: str) -> str:
    name = getattr(data, "name", None)
    return name if isinstance(name, str) and name else what


def _dimensions(data: Any) -> int:
    return np.ndim(data) if hasattr(data, "__array__") else 0


def _check_not_swapped(images: Any, labels: Any) -> None:
    if _dimensions(images) == 1 and _dimensions(labels) >= 2:
        raise FormatError(
            f"images and labels are swapped: {_called(images, 'the first')} holds "
            f"labels and {_called(labels, 'the second')} images; it is "
            "Dataset(images, labels)"
        )


def _checked_images(images: Any, what: str) -> np.ndarray:
    array = _as_array(images, what)
    if array.ndim == 1:
        raise FormatError(
            f"{what}: images have shape (count, height, width) or (count, pixels), "
            f"got {array.shape}: these are labels or a single row; give images"
        )
    if array.ndim not in (2, 3) and (array.ndim != 4 or array.shape[3] != 3):
        raise FormatError(
            f"{what}: images have shape (count, height, width), in colour (count, height, width, "
            f"3), or (count, pixels), got {array.shape}; channels come last"
        )
    if array.dtype != np.uint8:
        raise FormatError(
            f"{what}: images are bytes (uint8, 0 to 255), got {array.dtype}; Dataset.from_arrays "
            "takes whole numbers of 0 to 255 and floats of 0 to 1 for them"
        )
    if array.ndim == 2:
        side = isqrt(array.shape[1])
        square = (side, side) if side * side == array.shape[1] else (1, array.shape[1])
        array = array.reshape(len(array), *square)
    if array.size == 0:
        raise FormatError(
            f"{what}: no images: the shape is {array.shape}, one image of one pixel is the least"
        )
    return read_only(array)


def _checked_labels(labels: Any, what: str) -> np.ndarray:
    array = _as_array(labels, what)
    if array.ndim != 1:
        remedy = "give one number an image"
        if array.ndim == 2:
            remedy = "one-hot rows become labels by labels.argmax(axis=1), a column by ravel()"
        if array.ndim == 3:
            remedy = "these look like images: give the file of labels that belongs to them"
        raise FormatError(f"{what}: labels have shape (count,), got {array.shape}; {remedy}")
    if array.size == 0:
        raise FormatError(f"{what}: no labels: one label is the least")
    if array.dtype.kind not in "iu":
        raise FormatError(
            f"{what}: labels are whole numbers from 0 to {MAX_CLASSES - 1}, got "
            f"{array.dtype}; labels.astype(np.uint8) where they are whole"
        )
    check_labels(array, MAX_CLASSES, what=what)
    return read_only(array.astype(np.uint8, copy=False))


def _as_array(data: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(data)
    except (ValueError, TypeError) as error:
        raise FormatError(f"{what}: not an array: {error}; rows must be equally long") from error


def _check_counts(images: np.ndarray, labels: np.ndarray, first: str, second: str) -> None:
    if len(images) != len(labels):
        raise FormatError(
            f"{len(images):,} images ({first}) but {len(labels):,} labels "
            f"({second}): each image needs one label; give the two files of one "
            "set, both for training or both for testing"
        )


def _checked_names(class_names: Sequence[str] | None) -> tuple[str, ...] | None:
    if class_names is None:
        return None
    names = () if isinstance(class_names, str) else tuple(class_names)
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"class_names is a sequence of at least one string, got {class_names!r}")
    return names


def _count_classes(classes: int | None, names: tuple[str, ...] | None, labels: np.ndarray) -> int:
    if classes is None:
        classes = len(names) if names is not None else int(labels.max()) + 1
    if isinstance(classes, bool) or not isinstance(classes, (int, np.integer)):
        raise ConfigError(f"classes is {classes!r}: it is a whole number, 1 to {MAX_CLASSES}")
    if not 1 <= classes <= MAX_CLASSES:
        raise ConfigError(f"{classes} classes: there can be 1 to {MAX_CLASSES}")
    if names is not None and len(names) != classes:
        raise ConfigError(f"{len(names)} class names for {classes} classes: give one a class")
    return int(classes)


def _digest(*arrays: np.ndarray) -> str:
    from .idxheader import encode_header  # a digest is that of IDX files

    digest = hashlib.sha256()
    for array in arrays:  # contiguous uint8: its memory is its IDX data, hashed without a copy
        digest.update(encode_header(array))
        digest.update(array.reshape(-1).data)
    return digest.hexdigest()
