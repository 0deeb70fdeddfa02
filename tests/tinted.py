"""Tinted: a set of images of which only the colour tells the classes, in every form it comes in."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from nnengine.data.dataset import Dataset
from tests.files import zipped

NAMES = ("blue", "green", "red")
# Of one brightness, 29 of 255, as grey: whoever reads them so has nothing to learn from.
COLOURS = np.array([(0, 0, 255), (0, 49, 0), (97, 0, 0)], np.uint8)


def tinted(count: int, seed: int = 0, side: int = 8) -> Dataset:
    """Return images uint8 (count, side, side, 3) of coloured specks on black, three classes."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % len(NAMES)).astype(np.uint8)
    specks = rng.random((count, side, side, 1)) < 0.5
    images = specks * COLOURS[labels][:, None, None, :]
    return Dataset(images.astype(np.uint8), labels, class_names=NAMES, name="Tinted")


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def pictures(data: Dataset, part: str = "") -> dict[str, bytes]:
    """Return PNG files by path, in folders named by class."""
    above = f"{part}/" if part else ""
    return {
        f"{above}{data.class_names[label]}/{i:03}.png": png(image)
        for i, (image, label) in enumerate(zip(data.images, data.labels, strict=True))
    }


def picture_zip(data: Dataset) -> bytes:
    return zipped(pictures(data))


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
