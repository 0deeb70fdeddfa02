"""Likeness: which images are alike to a network, by what its last hidden layer makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.network import Network
from ..errors import ConfigError

MOST_BYTES = 8 << 20  # of what is kept of all images together


@dataclass(frozen=True, slots=True, eq=False)
class Insides:
    """What a network makes of many images before its last layer, each brought to length 1.

    rows: int64 (n,), which images these are. numbers: float32 (n, width).
    """

    rows: np.ndarray
    numbers: np.ndarray


def insides(network: Network, images: np.ndarray, *, most_bytes: int = MOST_BYTES) -> Insides:
    """Return what a network makes of images inside; of too many, evenly spread ones.

    images: uint8 (n, height, width) or as `Network.predict_proba` takes them; most_bytes: of what
    is returned. Raises FormatError where images do not fit.
    """
    for found in gathering(network, images, most_bytes=most_bytes):
        if isinstance(found, Insides):
            return found
    raise AssertionError("gathering ends with what it found")


def gathering(
    network: Network, images: np.ndarray, *, most_bytes: int = MOST_BYTES
) -> Iterator[float | Insides]:
    """Do what `insides` does in pieces of a few milliseconds; yield the share done, then it."""
    width = network.layers[-1].weights.shape[0]
    most = max(1, most_bytes // (4 * width))
    count = min(len(images), most)
    rows = np.linspace(0, len(images) - 1, count).round().astype(np.int64)
    numbers, size = np.empty((count, width), np.float32), min(network.piece_images, 512)
    for start in range(0, count, size):
        some = images[rows[start : start + size]]
        numbers[start : start + size] = inside(network, some.reshape(len(some), -1))
        yield min(1.0, (start + size) / count)
    yield Insides(rows, numbers)


def inside(network: Network, images: Any) -> np.ndarray:
    """Return float32 (n, width): the numbers before the last layer, of length 1 (or all 0)."""
    x = network.as_inputs(images)
    made = network.forward(x)
    found = made[-2] if len(made) > 1 else x * np.float32(network.input_scale)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return (found / np.where(length > 0, length, 1)).astype(np.float32)


def most_alike(
    network: Network, image: Any, among: Insides, count: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the images most like this one, and how much, most first.

    image: one, as `Network.predict_proba` takes it. How much: the cosine between what the last
    hidden layer makes of both, 1 for the same direction. Raises ConfigError for insides of another
    network's width.
    """
    own = inside(network, image)[0]
    if own.size != among.numbers.shape[1]:
        width = among.numbers.shape[1]
        raise ConfigError(
            f"insides of {width} numbers, of a network with {own.size}: make them anew"
        )
    cosines = np.clip(among.numbers @ own, -1, 1)
    order = np.argsort(-cosines, kind="stable")[:count]
    return among.rows[order], cosines[order]
