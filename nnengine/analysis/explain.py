"""Explain: every term of an answer: from a byte of the file to the loss, as the engine has it.

What a layer makes of its inputs is, for one image that is answered, a sum of products and a bias,
whatever kind of layer it is: a convolution's has few inputs, a pool's weights are a one and zeros,
a norm's are of what is left above the mean. Sums, activations, probabilities and the loss are the
engine's own, of whichever back end is in use; inputs and weights are its arrays. Products alone
are formed here, to be shown. Backwards goes on in `explainback`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core import layers
from ..core.arithmetic import now
from ..core.description import Shape
from ..core.layers import Pass
from ..core.losses import check_labels, softmax_cross_entropy
from ..core.network import Network
from ..errors import ConfigError, FormatError
from .corelines import Line, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a number of an image stands in its IDX file: offset = header + index * size + inside.

    size: bytes of an image, height * width * channels; inside: (row * width + column) * channels
    + channel. Offsets count from 0, of the file unpacked.
    """

    header: int
    index: int
    size: int
    inside: int

    @property
    def offset(self) -> int:
        """Bytes of the file before this one."""
        return self.image + self.inside

    @property
    def image(self) -> int:
        """Bytes of the file before the image."""
        return self.header + self.index * self.size


def place(header: int, index: int, shape: Shape, pixel: int) -> Place:
    """Return where a number lies. header: its bytes; pixel: its place in the image, row by row.

    shape: (height, width, channels). Raises ConfigError for a pixel that is not in the image.
    """
    size = math.prod(shape)
    if not 0 <= pixel < size or index < 0:
        raise ConfigError(f"pixel {pixel} of image {index}: an image has 0 to {size - 1}")
    return Place(header=header, index=index, size=size, inside=pixel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A number as the sum it is: total = sum(products) + bias, to rounding.

    inputs, weights, products: float, all of one shape: (height, width, channels) of what is looked
    at, or as many as there are. places: int of that shape, where each input stands in what the
    layer reads (or, backwards, in what it gives); -1 in a convolution's frame of zeros. total: the
    engine's own. line: of the core, which computes it.
    """

    inputs: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    places: np.ndarray
    bias: float
    total: float
    line: Line

    def strongest(self, count: int) -> np.ndarray:
        """Return the places in the flat arrays of the products farthest from zero, in order.

        Those that are zero are left out.
        """
        sizes = np.abs(self.products.ravel())
        order = np.argsort(-sizes, kind="stable")[:count]
        return order[sizes[order] > 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit(Terms):
    """One unit of a layer: total is its sum z, the bias its own.

    kind: the layer's; activation and answer: what follows z. mean: a norm's, which is taken from
    the input first; None elsewhere. pixel_bytes: the bytes that the inputs were, in the first
    layer, in their shape; None elsewhere.
    """

    kind: str
    activation: str
    answer: float
    answer_line: Line
    mean: float | None = None
    pixel_bytes: np.ndarray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax:
    """The last step: probabilities = e^(logit - maximum) / total, and loss = log(total) - shifted.

    All float64 (classes,) but maximum, total and loss; the loss is that of `label`.
    """

    logits: np.ndarray
    maximum: float
    shifted: np.ndarray
    exponentials: np.ndarray
    total: float
    probabilities: np.ndarray
    label: int
    loss: float
    right: bool


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """An image on its way through a network, every number of it.

    image: uint8 or scaled float (inputs,), what the network reads. inputs: float (inputs,), x =
    byte * input_scale. sums, answers: float (width,) of each layer, before and behind its
    activation; the last answers are the logits. slopes: of each norm, 1 / sqrt(variance + 1e-5).
    """

    network: Network
    image: np.ndarray
    inputs: np.ndarray
    sums: list[np.ndarray]
    answers: list[np.ndarray]
    slopes: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def logits(self) -> np.ndarray:
        """The last layer's sums, float (classes,)."""
        return self.answers[-1]

    def reads(self, layer: int) -> np.ndarray:
        """Return what a layer reads: x, or the answers of the one before, float (numbers,)."""
        return self.answers[layer - 1] if layer else self.inputs

    def unit(self, layer: int, unit: int) -> Unit:
        """Return every term of a unit's sum. unit: its place in what the layer gives, flat.

        Raises ConfigError for a layer or unit that is not there.
        """
        self.check(layer, unit)
        of, spec = self.network.layers[layer], self.network.specs[layer]
        places, weights, bias = _read_by(of, unit, self.reads(layer), self.slopes.get(layer))
        seen = np.where(places < 0, 0, self.reads(layer)[places])
        mean = float(of.means[unit % of.shape[2]]) if spec.kind == "norm" else None
        inputs = seen if mean is None else seen - of.means[unit % of.shape[2]]
        as_bytes = layer == 0 and self.image.dtype == np.uint8
        name = "bytes" if as_bytes and spec.kind == "dense" else spec.kind
        return Unit(
            inputs=inputs, weights=weights, products=inputs * weights, places=places,
            bias=float(bias), total=float(self.sums[layer][unit]), line=line(name),
            kind=spec.kind, activation=of.activation, answer=float(self.answers[layer][unit]),
            answer_line=line(of.activation), mean=mean,
            pixel_bytes=np.where(places < 0, 0, self.image[places]) if as_bytes else None,
        )  # fmt: skip

    def check(self, layer: int, unit: int) -> None:
        """Raise ConfigError for a layer or unit that is not there."""
        if not 0 <= layer < len(self.answers) or not 0 <= unit < len(self.answers[layer]):
            sizes = ", ".join(str(len(a)) for a in self.answers)
            raise ConfigError(f"no unit {unit} in layer {layer}: layers from 0 have {sizes}")

    def softmax(self, label: int | None = None) -> Softmax:
        """Return the answer term by term, and the loss if `label` is right (default: the answer).

        Raises FormatError for a label that is no class.
        """
        logits = self.logits[None]
        label = int(logits.argmax()) if label is None else label
        check_labels(np.array([label]), logits.shape[1], what="label")
        probabilities = np.empty_like(logits)
        now.softmax(logits, probabilities)
        loss, right, _ = softmax_cross_entropy(logits, np.array([label], np.uint8))
        maximum = logits.max()
        shifted = (logits[0] - maximum).astype(np.float64)
        exponentials = np.exp(shifted)
        return Softmax(
            logits=logits[0], maximum=float(maximum), shifted=shifted, exponentials=exponentials,
            total=float(exponentials.sum()), probabilities=probabilities[0], label=label,
            loss=loss, right=bool(right),
        )  # fmt: skip


def trace(network: Network, image: Any) -> Trace:
    """Follow one image, as `Network.predict_proba` takes one, through a network that answers.

    Raises FormatError for what is not one image that fits.
    """
    x = network.as_inputs(image)
    if len(x) != 1:
        raise FormatError(f"{len(x):,} images: give one")
    way = Pass(network.input_scale)
    answers, sums, slopes = layers.forward(network.layers, x, way), [], {}
    for n, layer in enumerate(network.layers):
        given = Pass(network.input_scale)
        sums.append(layer.sums(answers[n - 1] if n else x, given).reshape(-1))
        if layer.spec.kind == "norm":
            slopes[n] = given.notes[0][2]
    return Trace(network, x[0], way.floats(x, network.dtype)[0], sums, [a[0] for a in answers],
                 slopes)  # fmt: skip


def _read_by(
    layer: Any, unit: int, x: np.ndarray, slope: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return (places that a unit reads, their weights, bias); see `Terms`."""
    kind, channels = layer.spec.kind, layer.shape[2]
    if kind == "dense":
        return np.arange(len(x)).reshape(layer.shape), _seen(layer, unit), layer.biases[unit]
    if kind == "conv":
        at, map_ = divmod(unit, layer.spec.units)
        return window(layer, at), layer.weights[..., map_], layer.biases[map_]
    if kind in ("pool", "average"):
        at, channel = divmod(unit, channels)
        places = window(layer, at)[:, :, [channel]]
        if kind == "average":
            return places, np.full(places.shape, x.dtype.type(1 / places.size)), 0
        weights = np.zeros(places.shape, x.dtype)
        weights.flat[x[places].argmax()] = 1  # the first place of the largest, as going back
        return places, weights, 0
    place, one = np.full((1, 1, 1), unit), np.ones((1, 1, 1), x.dtype)
    if kind == "norm" and slope is not None:
        channel = unit % channels
        return place, one * (layer.scales * slope)[channel], layer.shifts[channel]
    return place, one, 0


def _seen(layer: Any, unit: int) -> np.ndarray:
    """Return a dense unit's weights in the shape of what it looks at."""
    return layer.weights[:, unit].reshape(layer.shape)


def window(layer: Any, at: int) -> np.ndarray:
    """Return int (height, width, channels): which inputs a window sees; -1 in the frame."""
    (height, width, channels), spec = layer.shape, layer.spec
    corner = divmod(at, spec.after(layer.shape)[1])
    rows, columns = (
        place * spec.stride - spec.pad + np.arange(side)
        for place, side in zip(corner, spec.window, strict=True)
    )
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    flat = rows[:, None] * width + columns
    places = flat[:, :, None] * channels + np.arange(channels)
    return np.where(inside[:, :, None], places, -1)
