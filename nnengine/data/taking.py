"""Taking: a data set out of what other libraries hold, and back into PyTorch's hands.

What is returned are the arguments of `Dataset`. No library is imported to read from it: its objects
are asked for what they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, FormatError

if TYPE_CHECKING:
    from .dataset import Dataset

Made = dict[str, Any]  # arguments of `Dataset`
_WHOLE = 3e-5  # how far from a whole number a byte may be that was divided by 255 in float32
_CHANNELS, _CLASSES = 3, 256


def from_arrays(images: Any, labels: Any, **settings: Any) -> Made:
    """Return what a data set of arrays as others hold them is made of.

    images: (count, height, width) or (count, pixels), in colour (count, height, width, 3); one or
    three channels may come first as well. Bytes; whole numbers of any type from 0 to 255; floats
    from 0 to 1, or whole ones up to 255; booleans, or 0 and 1 alone, become 0 and 255. labels:
    whole numbers, words, which become the names of classes, or one-hot rows (count, classes).
    settings: as for `Dataset`. Raises FormatError where it would have to guess.
    """
    array = _as_images(np.asarray(images))
    numbers, names = _as_labels(np.asarray(labels))
    if names is not None and settings.get("class_names") is None:
        settings["class_names"] = names
    return {"images": array, "labels": numbers, **settings}


def _as_images(array: np.ndarray) -> np.ndarray:
    """Return uint8 images of numbers of any type; in colour, with channels last."""
    if array.ndim == 4 and array.shape[3] not in (1, _CHANNELS):
        if array.shape[1] not in (1, _CHANNELS):
            raise FormatError(
                f"images of shape {array.shape} have neither one nor three channels: give (count, "
                "height, width), (count, height, width, 3) or (count, 3, height, width)"
            )
        array = np.moveaxis(array, 1, 3)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    return np.ascontiguousarray(_as_bytes(array))


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """Return uint8: bytes as they are; what goes from 0 to 1, times 255."""
    if not array.size:
        return array
    if array.dtype.kind not in "biuf":
        raise FormatError(f"images are numbers, got {array.dtype}: give bytes, or floats of 0 to 1")
    least, most = array.min(), array.max()
    if not (0 <= least and most <= 255):  # NaN neither
        raise FormatError(
            f"images go from {least:g} to {most:g}: bring them to 0 to 255, or to 0 to 1 as "
            "floats, before; what was normalized is multiplied by its deviation, and its mean added"
        )
    if most <= 1:
        return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    whole = np.rint(array)
    if np.abs(array - whole).max() > _WHOLE:
        raise FormatError(
            f"images go up to {most:g} and are not whole: bring them to 0 to 1, or round them"
        )
    return whole.astype(np.uint8)


def _as_labels(labels: np.ndarray) -> tuple[np.ndarray, list[str] | None]:
    """Return (whole numbers, names of classes where labels are words)."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise FormatError(
                f"labels of shape {labels.shape} are not one-hot rows: give one label an image"
            )
        return labels.argmax(axis=1), None
    if labels.dtype.kind in "USO" and labels.ndim == 1:
        return _of_words([str(word) for word in labels.tolist()])
    if labels.dtype.kind in "fb":
        whole = np.rint(labels)
        if not np.array_equal(whole, labels):
            raise FormatError("labels are no whole numbers: is this a target of a regression?")
        return whole.astype(np.int64), None
    return labels, None


def _of_words(words: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    names, numbers = np.unique(np.array(words), return_inverse=True)
    if len(names) > _CLASSES:
        raise FormatError(f"{len(names):,} words as labels: there can be {_CLASSES} classes")
    return numbers, names.tolist()


def from_huggingface(
    table: Any, image: str | None = None, label: str | None = None, *, name: str = ""
) -> Made:
    """Return what a `datasets.Dataset` holds in two of its columns: pictures, and their classes.

    image, label: the columns; None: the one of that kind, or of that name. All pictures are of one
    size; a palette becomes its colours. Raises ConfigError where there is no such column, and
    FormatError where what it holds does not fit.
    """
    features = getattr(table, "features", None)
    if features is None:
        parts = ", ".join(map(str, table)) if isinstance(table, dict) else ""
        raise ConfigError(
            f"a {type(table).__name__} has no columns of its own: give one of its parts, "
            + (f"such as dataset[...] of {parts}" if parts else "a datasets.Dataset")
        )
    image = image or _column(features, "Image", "image")
    label = label or _column(features, "ClassLabel", "label")
    for column in (image, label):
        if column not in features:
            raise ConfigError(f"there is no column {column!r}: there are {', '.join(features)}")
    names = getattr(features[label], "names", None)
    images = _stacked((row[image] for row in table), len(table))
    return from_arrays(images, list(table[label]), class_names=names, name=name)


def _column(features: Any, kind: str, usual: str) -> str:
    """Return the one column of a kind, or that of the usual name."""
    found = [name for name, feature in features.items() if type(feature).__name__ == kind]
    if len(found) > 1 and usual not in found:
        raise ConfigError(f"columns {', '.join(found)} are all {kind}s: say {usual}= which")
    return found[0] if len(found) == 1 else usual


def from_torchvision(dataset: Any, *, name: str = "") -> Made:
    """Return what a data set of torchvision holds, or any other of (image, label) pairs.

    Where it keeps all images in one array, `data`, that is taken, without its transforms; otherwise
    it is asked for every pair, and images are pictures, arrays or tensors of one size. Raises
    FormatError where they do not fit.
    """
    images = getattr(dataset, "data", None)
    labels = getattr(dataset, "targets", getattr(dataset, "labels", None))
    if images is None or labels is None:
        pairs = [dataset[n] for n in range(len(dataset))]
        images = _stacked((image for image, _ in pairs), len(pairs))
        labels = [int(label) for _, label in pairs]
    names = getattr(dataset, "classes", None)
    labels, names = _without_empty(np.asarray(labels), names)
    name = name or type(dataset).__name__
    return from_arrays(np.asarray(images), labels, class_names=names, name=name)


def _without_empty(labels: np.ndarray, names: Any) -> tuple[np.ndarray, list[str] | None]:
    """Return labels and names without a first class that stands for nothing: EMNIST's letters."""
    if names is None or not all(isinstance(one, str) for one in names):
        return labels, None
    if len(names) > 1 and names[0] == "N/A" and labels.size and labels.min() > 0:
        return labels - 1, list(names[1:])
    return labels, list(names)


def _stacked(pictures: Iterable[Any], count: int) -> np.ndarray:
    """Return pictures, PIL's or arrays, as one array; they have to be of one size."""
    found: np.ndarray | None = None
    for number, picture in enumerate(pictures):
        one = _pixels(picture)
        if found is None:
            found = np.empty((count, *one.shape), one.dtype)
        if one.shape != found.shape[1:] or one.dtype != found.dtype:
            raise FormatError(
                f"picture {number:,} is {one.dtype} of {one.shape}, the first {found.dtype} of "
                f"{found.shape[1:]}: bring all to one size and one mode before"
            )
        found[number] = one
    if found is None:
        raise FormatError("no images: one is the least")
    return found


def _pixels(picture: Any) -> np.ndarray:
    """Return a picture's numbers: of PIL's grey and colour ones bytes, of a palette its colours."""
    mode = getattr(picture, "mode", None)
    if isinstance(mode, str) and mode not in ("L", "RGB"):
        picture = picture.convert("L" if mode in ("1", "LA", "I", "I;16", "F") else "RGB")
    return np.asarray(picture)


def to_torch(dataset: Dataset, scale: float | None) -> Any:
    """Return PyTorch's `TensorDataset` of images and labels; copies, which may be written to.

    Images are float32 (n, channels, height, width), bytes times `scale`, or bytes where that is
    None; labels int64 (n,). Raises ConfigError where PyTorch is not installed.
    """
    try:
        import torch  # pyright: ignore[reportMissingImports]
        from torch.utils.data import TensorDataset  # pyright: ignore[reportMissingImports]
    except ImportError as fault:
        raise ConfigError(f"to_torch wants PyTorch ({fault}): pip install torch") from fault
    images = (
        dataset.images[:, None] if dataset.channels == 1 else dataset.images.transpose(0, 3, 1, 2)
    )
    made = np.array(images, np.uint8 if scale is None else np.float32, order="C")
    if scale is not None:
        made *= np.float32(scale)
    labels = dataset.labels.astype(np.int64)
    return TensorDataset(torch.from_numpy(made), torch.from_numpy(labels))
