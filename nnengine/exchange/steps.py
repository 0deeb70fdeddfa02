"""Steps: a network as the plain chain of operations that other libraries' files are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..core.description import Shape
from ..core.network import Network
from ..core.steadying import EPSILON


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Step:
    """One operation.

    kind: "dense", "conv", "pool", "average", "norm", "dropout", "flatten", "activation", or
    "affine", which is what is done to pixels before all else. arrays: of dense weights (inputs,
    units) and biases; of conv weights (height, width, channels, maps) and biases; of norm scales,
    shifts, means and variances; of affine a factor and what is added, which fit (height, width,
    channels). pads: zeros at top, left, bottom and right. window: (0, 0) of a pool is the whole
    image. name: of an activation. called: what its file calls it, for messages. places: of a
    network's own steps the views that `arrays` were made of; order: which row of these stands at
    each place, None where all stand where they did.
    """

    kind: str
    arrays: tuple[np.ndarray, ...] = ()
    window: tuple[int, int] = (0, 0)
    stride: int = 1
    pads: tuple[int, ...] = (0, 0, 0, 0)
    share: float = 0.0
    epsilon: float = EPSILON
    name: str = ""
    called: str = ""
    places: tuple[np.ndarray, ...] = ()
    order: np.ndarray | None = None


def steps_of(network: Network, *, channels_first: bool) -> list[Step]:
    """Return what a network does to images (height, width, channels), times its `input_scale`.

    channels_first: what is flattened lies channel by channel, as PyTorch and ONNX have it, not
    pixel by pixel; weights behind it follow. The last step gives logits.
    """
    return list(_steps(network, channels_first))


def _steps(network: Network, channels_first: bool) -> Iterator[Step]:
    flat = False
    order: np.ndarray | None = None  # which of ours each flat number is, where that differs
    for spec, layer in zip(network.specs, network.layers, strict=True):
        if spec.kind in ("dense", "flatten") and not flat:
            yield Step(kind="flatten")
            order = by_channel(layer.shape) if channels_first else None
            flat = True
        places = arrays = tuple(getattr(layer, name) for name in spec.arrays(layer.shape))
        if order is not None and spec.kind in ("dense", "norm"):
            moved = 1 if spec.kind == "dense" else len(arrays)  # biases stay where they are
            arrays = (*(array[order] for array in arrays[:moved]), *arrays[moved:])
        moved_by = order if spec.kind in ("dense", "norm") else None
        if spec.kind == "dense":
            order = None
        if spec.kind != "flatten":
            yield Step(
                kind=spec.kind, arrays=arrays, window=spec.window, stride=spec.stride,
                pads=(spec.pad,) * 4, share=spec.share, places=places, order=moved_by,
            )  # fmt: skip
        if layer.activation != "identity":
            yield Step(kind="activation", name=layer.activation)


def by_channel(shape: Shape) -> np.ndarray | None:
    """Return which number of an image, pixel by pixel, stands where channel by channel.

    int (height * width * channels,); None where the two are the same.
    """
    height, width, channels = shape
    if channels == 1 or height * width == 1:
        return None
    return np.arange(math.prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()


def identity_norm(channels: int, dtype: np.dtype) -> Step:
    """Return a norm that changes nothing: a place for an activation that has none else."""
    one = np.ones(channels, dtype)
    return replace(affine_norm(one, 0 * one), called="activation")


def affine_norm(factor: np.ndarray, added: np.ndarray) -> Step:
    """Return a norm that multiplies each channel and adds to it: arrays float (channels,)."""
    scales = factor * math.sqrt(1 + EPSILON)
    return Step(kind="norm", arrays=(scales, added, np.zeros_like(factor), np.ones_like(factor)))
