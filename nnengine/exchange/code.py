"""Code: what a network computes, line by line, for writers of programs that hold its weights."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import numpy as np

from .._version import __version__
from ..core import description
from ..core.description import Shape
from ..core.network import Network
from ..core.steadying import EPSILON
from ..storage.folding import folded

_LETTERS = {"weights": "W", "biases": "B", "factors": "F", "added": "G"}


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One operation on images that lie pixel by pixel, and the shapes around it.

    kind: "dense", "conv", "pool", "average", "norm" or an activation. arrays: by the name each
    has in the program; of a norm a factor and what is added, channel by channel.
    """

    kind: str
    before: Shape
    after: Shape
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    window: tuple[int, int] = (0, 0)
    stride: int = 1
    pad: int = 0


def lines_of(network: Network) -> list[Line]:
    """Return what a network does to scaled pixels, up to its logits, without what training adds."""
    network = folded(network)
    found: list[Line] = []
    shapes = description.shapes(network.specs, network.shape)
    number = 0
    for spec, layer, before in zip(network.specs, network.layers, shapes, strict=True):
        after = spec.after(before)
        arrays = {name: getattr(layer, name) for name in spec.arrays(before)}
        if spec.kind == "norm":
            arrays = _factors(arrays)
        number += bool(arrays)
        named = {f"{_LETTERS[name]}{number}": array for name, array in arrays.items()}
        if spec.kind != "flatten":
            found.append(Line(spec.kind, before, after, named, spec.window, spec.stride, spec.pad))
        if layer.activation != "identity":
            found.append(Line(layer.activation, after, after))
    return found


def _factors(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a norm as one factor a channel, and what is added then."""
    scales, shifts, means, variances = (array.astype(float) for array in arrays.values())
    slope = scales / np.sqrt(variances + EPSILON)
    real = arrays["scales"].dtype
    return {"factors": slope.astype(real), "added": (shifts - means * slope).astype(real)}


def titled(network: Network) -> str:
    """Return one line that says what a program is."""
    return f"A network of nnengine {__version__}: {network.description}, {network.classes} classes"


def in_base_64(array: np.ndarray, width: int = 96) -> list[str]:
    """Return an array's bytes, little-endian, as lines of text."""
    little = array.astype(array.dtype.newbyteorder("<"))
    text = base64.b64encode(np.ascontiguousarray(little).tobytes()).decode()
    return [text[at : at + width] for at in range(0, len(text), width)]
