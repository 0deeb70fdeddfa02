"""Nets: the networks that go out and in, and images to ask them about."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import nnengine
from nnengine import Network, exchange
from nnengine.data import synthetic

CONV = (
    "conv 8 5x5, norm, pool 2, conv 6 3x3 stride 2 pad 1, norm, average 2, dropout 0.25, flatten, "
    "norm, dense 16, norm"
)


def _moved(network: Network, seed: int = 0) -> Network:
    """Return it with statistics and biases that are not those of a beginning."""
    rng = np.random.default_rng(seed)
    for name, array in network.parameters().items():
        if not name.startswith("weights"):
            array += rng.uniform(0.05, 0.4, array.shape).astype(array.dtype)
    return network


NETS = {
    "dense": _moved(Network.build([784, 32, 16, 10], rng=1, activation=["relu", "tanh"])),
    "one layer": _moved(Network.build([784, 10], rng=2)),
    "convolutional": _moved(
        Network.build(CONV, image_shape=(28, 28), classes=10, rng=3, activation="relu")
    ),
    "lenet": _moved(
        Network.build(
            "conv 6 5x5 pad 2, average 2, conv 16 5x5, pool 3 stride 2, dense 30",
            image_shape=(28, 28), classes=10, rng=4, activation=["tanh", "leaky_relu", "sigmoid"],
            class_names=[*"abcdefghi", 'a "tenth" \\ ünnt'],
        )
    ),
    "colour": _moved(
        Network.build(
            "conv 4 3x2, norm, dense 12", image_shape=(9, 7), channels=3, classes=4, rng=5,
            input_scale=0.01, activation="leaky_relu",
        )
    ),
    "colour dense": _moved(
        Network.build("dense 12", image_shape=(6, 5), channels=3, classes=3, rng=6)
    ),
    "double": _moved(Network.build([784, 20, 10], rng=7, dtype=np.float64, activation="sigmoid")),
    "shipped": nnengine.shipped("drawing"),
}  # fmt: skip


def installed(kinds: Iterable[str]) -> list[Any]:
    """Return formats as parameters of a test; those that need what is missing are skipped."""
    found = []
    for kind in kinds:
        needs = exchange.FORMS[kind].needs if kind in exchange.FORMS else ""
        lacks = bool(needs) and importlib.util.find_spec(needs) is None
        mark = pytest.mark.skipif(lacks, reason=f"{needs} is not installed")
        found.append(pytest.param(kind, marks=mark))
    return found


def images_for(network: Network, count: int = 1000) -> np.ndarray:
    """Return uint8 (count, height, width, channels): digits where they fit, else noise."""
    if network.shape == (28, 28, 1):
        return synthetic.digits(count, seed=5).images[..., np.newaxis]
    rng = np.random.default_rng(8)
    return rng.integers(0, 256, (count, *network.shape)).astype(np.uint8)


def answers(network: Network, images: np.ndarray) -> np.ndarray:
    """Return the network's own probabilities for such images."""
    return network.predict_proba(images.reshape(len(images), -1))


def same(expected: Network, found: Network) -> bool:
    """Tell whether two networks are the same to the bit, and in all that they know."""
    names = "sizes activations specs input_scale class_names image_shape channels dtype".split()
    return expected.theta.tobytes() == found.theta.tobytes() and all(
        getattr(expected, name) == getattr(found, name) for name in names
    )
