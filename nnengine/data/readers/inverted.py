"""Inverted: dark strokes on light paper, where MNIST and its kin have light ones on dark."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..dataset import Dataset
from .contents import Contents

SAMPLE = 2_000  # images that are looked at
MIDDLE = 127  # levels above it are light
# Of a border that is paper or its opposite. Measured: of MNIST's and Fashion-MNIST's 140,000 images
# none has 0.9 of its border light, of MNIST's inverted ones all have, of Fashion's 0.876.
EVEN = 0.9


def light_ones(images: np.ndarray) -> np.ndarray:
    """Return for each of uint8 (n, h, w) whether it is dark on light, bool (n,).

    Drawings are judged one by one by their borders. Where many borders are neither light nor dark,
    as those of photographs, all go with the majority.
    """
    edges = _edges(images)
    light = edges > MIDDLE
    share = light.mean(axis=1)
    clear = (share >= EVEN) | (share <= 1 - EVEN)
    most = bool((np.median(edges, axis=1) > MIDDLE).mean() > 0.5)
    if clear.mean() < EVEN:
        return np.full(len(images), most)
    return np.where(clear, share > 0.5, most)


def made_light_on_dark(images: np.ndarray) -> list[str]:
    """Invert, in place, the images that are dark on light; return what is to be said of it."""
    light = light_ones(images)
    if light.all():
        np.subtract(255, images, out=images)
        return ["Dark on light became light on dark, as MNIST is."]
    if not light.any():
        return []
    np.subtract(255, images, out=images, where=light[:, None, None])
    return [
        f"{light.sum():,} of {len(images):,} pictures were dark on light: they became light on "
        "dark, as MNIST is."
    ]


def looks_light(images: np.ndarray) -> bool:
    """Return whether most of uint8 (n, h, w) look dark on light: light borders, darker within.

    Of images in colour nobody asks it.
    """
    if images.ndim != 3 or min(images.shape[1:]) < 3:  # without a border, or in colour
        return False
    shown = images[:: max(1, len(images) // SAMPLE)]
    border = np.median(_edges(shown), axis=1)
    darker = shown.reshape(len(shown), -1).mean(axis=1) < border
    return bool(((border > MIDDLE) & darker).mean() > 0.5)


def inverted(images: np.ndarray) -> np.ndarray:
    """Return uint8 images, light where they were dark and dark where they were light."""
    out = np.subtract(255, images, dtype=np.uint8)
    out.flags.writeable = False
    return out


def inverted_contents(found: Contents) -> Contents:
    """Return the same with all images inverted; labels alone stay as they are."""
    train, test = (
        data
        and Dataset(
            inverted(data.images), data.labels, class_names=data.class_names, name=data.name
        )
        for data in (found.train, found.test)
    )
    images = None if found.images is None else inverted(found.images)
    before = found.coloured and inverted_contents(found.coloured)
    return replace(found, train=train, test=test, images=images, coloured=before)


def _edges(images: np.ndarray) -> np.ndarray:
    """Return the borders of (n, h, w), (n, 2 h + 2 w)."""
    return np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
