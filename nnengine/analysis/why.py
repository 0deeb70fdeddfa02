"""Why: what every pixel, bias and unit has to say to one answer rather than another.

The margin between two answers is the difference of their logits. A network of ReLU, pools,
convolutions and norms is linear around each image, so its margin there is a plain sum: each input
times its slope, and a part that the biases add. Other activations bend all the way: there slopes
are gathered on the straight way from a blank image, and how far their sum is off is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import layers as core_layers
from ..core.activations import kind_of
from ..core.arithmetic import FORMULAS, calmly
from ..core.layers import Pass
from ..core.network import Network, bound
from ..core.steadying import EPSILON
from ..errors import ConfigError, FormatError

# Through zero in straight pieces: slope times input is the answer itself.
STRAIGHT = ("relu", "leaky_relu", "identity")
STEPS = 64  # of the way from a blank image, where activations bend


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shares:
    """What the margin of `first` over `second` is made of, in logits.

    margin: logit of `first` less logit of `second`, in float64. pixels: float64 (height, width,
    channels), each pixel's part: above zero it speaks for `first`. biases: by layer, counted from
    0, what its biases add at this image; a `norm` has them too. start: what is said without any
    ink; the sum of `biases` where the network is `exact`, else the margin of a blank image.
    units: what each layer's numbers are worth for the margin, float64 (height, width, channels)
    each, behind its activation. error: margin - start - sum of pixels, which is rounding where
    the network is `exact`.
    """

    first: int
    second: int
    margin: float
    pixels: np.ndarray
    biases: dict[int, float]
    start: float
    units: tuple[np.ndarray, ...]
    exact: bool

    @property
    def error(self) -> float:
        """How far the parts are from the margin."""
        return self.margin - self.start - float(self.pixels.sum())

    @property
    def speaks_for(self) -> float:
        """What all ink that speaks for `first` adds."""
        return float(self.pixels[self.pixels > 0].sum())

    @property
    def speaks_against(self) -> float:
        """What all ink that speaks for `second` takes away, at most 0."""
        return float(self.pixels[self.pixels < 0].sum())


def is_straight(network: Network) -> bool:
    """Return whether a network is linear around each image, so that shares are exact."""
    return all(name in STRAIGHT for name in network.activations)


class Slopes:
    """A network's numbers and slopes at some images, in float64, by the formulas of the core.

    In float64, so that a sum of thousands of parts is as exact as the margin itself; by the
    formulas, so that all back ends are told the same.
    """

    def __init__(self, network: Network) -> None:
        theta = network.theta.astype(np.float64)
        made_of = network.specs, network.shape, network.activations
        self.network = network
        self.layers = bound(theta, *made_of)
        self.gradients = bound(np.zeros_like(theta), *made_of)  # added to, and never read

    @calmly
    def at(
        self, x: np.ndarray, wanted: np.ndarray | Callable[[np.ndarray], np.ndarray]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return every layer's numbers, and the slopes of a sum of logits for all of them.

        x: float64 (n, inputs), scaled; wanted: float64 (n, classes), by which logits are
        multiplied in that sum, or what finds that for the logits. The numbers begin with x, the
        slopes with those for x: both are one more than there are layers.
        """
        way = Pass(by=FORMULAS)
        numbers = [x, *core_layers.forward(self.layers, x, way)]
        slopes = [wanted(numbers[-1]) if callable(wanted) else wanted]
        for n in reversed(range(len(self.layers))):
            slopes.append(self._behind(n, numbers, slopes[-1].copy(), way))
        return numbers, slopes[::-1]

    def _behind(self, n: int, numbers: Any, slope: np.ndarray, way: Pass) -> np.ndarray:
        """Return the slopes for what comes into a layer from those for its answers, overwritten."""
        layer = self.layers[n]
        if layer.spec.kind != "dense":
            return layer.backward(numbers[n], numbers[n + 1], slope, self.gradients[n], way)
        # Without the weights' own gradient, which nobody wants.
        FORMULAS.activation_backward(numbers[n + 1], slope, kind_of(layer.activation))
        return core_layers.product(slope, layer.weights.T)


def inputs_of(network: Network, image: Any) -> np.ndarray:
    """Return one image as float64 (1, inputs), scaled. image: as `Network.predict_proba` takes it.

    Raises FormatError for what is not one image that fits.
    """
    x = network.as_inputs(image)
    if len(x) != 1:
        raise FormatError(f"{len(x):,} images: give one")
    scaled = x * np.float64(network.input_scale) if x.dtype == np.uint8 else x
    return scaled.astype(np.float64)


def pair(network: Network, image: Any, first: int | None, second: int | None) -> tuple[int, int]:
    """Return two classes: those given, else the answer, and the likeliest of the others.

    Raises ConfigError for a class there is not, or for the same one twice.
    """
    logits = network.logits(image)[0]
    order = [int(i) for i in np.argsort(-logits, kind="stable")]
    one = order[0] if first is None else first
    other = next((i for i in order if i != one), one) if second is None else second
    for chosen in (one, other):
        if not 0 <= chosen < network.classes:
            least = f"choose from 0 to {network.classes - 1}"
            raise ConfigError(f"class {chosen} of a network with {network.classes}: {least}")
    if one == other:
        raise ConfigError(f"class {one} against itself: choose two different ones")
    return one, other


def shares(
    network: Network,
    image: Any,
    first: int | None = None,
    second: int | None = None,
    *,
    steps: int = STEPS,
) -> Shares:
    """Return what each pixel, bias and unit adds to the margin of `first` over `second`.

    image: one, as `Network.predict_proba` takes it. first, second: classes, else the answer and
    the likeliest of the others. steps: of the way from a blank image, where activations bend.

    Where all activations are straight, a part is input times slope (Shrikumar et al. 2016, whose
    rule this is for ReLU; Balduzzi et al. 2017 write the biases' part), and the parts add up to
    the margin exactly. Otherwise these are integrated gradients (Sundararajan, Taly & Yan 2017)
    from a blank image, by trapezoids, and of units their conductance (Dhamdhere, Sundararajan &
    Yan 2018). Raises FormatError and ConfigError.
    """
    x = inputs_of(network, image)
    first, second = pair(network, image, first, second)
    wanted = np.zeros((1, network.classes))
    wanted[0, [first, second]] = 1, -1
    slopes = Slopes(network)
    found = _straight(slopes, x, wanted) if is_straight(network) else _on_the_way(
        slopes, x, wanted, steps
    )  # fmt: skip
    margin, parts, biases, start = found
    shaped = [network.shape, *(spec.after(layer.shape) for spec, layer in _specs(network))]
    pixels, *units = (part.reshape(shape) for part, shape in zip(parts, shaped, strict=True))
    return Shares(
        first=first, second=second, margin=margin, pixels=pixels, biases=biases, start=start,
        units=tuple(units), exact=is_straight(network),
    )  # fmt: skip


def _specs(network: Network) -> Any:
    return zip(network.specs, network.layers, strict=True)


def _straight(slopes: Slopes, x: np.ndarray, wanted: np.ndarray) -> tuple:
    """Return (margin, parts of all numbers, biases' parts, their sum) where slopes tell all."""
    numbers, found = slopes.at(x, wanted)
    parts = [number[0] * slope[0] for number, slope in zip(numbers, found, strict=True)]
    biases = {}
    for n, layer in enumerate(slopes.layers):
        if (constant := _constant(layer)) is not None:
            behind = numbers[n + 1], found[n + 1].copy()
            biases[n] = float((_before_activation(layer, *behind) @ constant).sum())
    return float(parts[-1].sum()), parts, biases, math.fsum(biases.values())


def _constant(layer: Any) -> np.ndarray | None:
    """Return what a layer adds whatever comes in, float (channels,); None where it adds nothing."""
    if layer.spec.weighs:
        return layer.biases
    if layer.spec.kind == "norm":
        return layer.shifts - layer.means * layer.scales / np.sqrt(layer.variances + EPSILON)
    return None


def _before_activation(layer: Any, answers: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return the slopes for a layer's sums, float (places, channels), from those for its answers.

    slope: overwritten.
    """
    FORMULAS.activation_backward(answers, slope, kind_of(layer.activation))
    return slope.reshape(-1, layer.spec.after(layer.shape)[2])


def _on_the_way(slopes: Slopes, x: np.ndarray, wanted: np.ndarray, steps: int) -> tuple:
    """Return what `_straight` does, from a blank image on; no bias has a part of its own."""
    way = np.linspace(0, 1, steps + 1)[:, None] * x
    numbers, found = slopes.at(way, np.repeat(wanted, steps + 1, axis=0))
    parts = [
        (np.diff(number, axis=0) * (slope[1:] + slope[:-1]) / 2).sum(axis=0)
        for number, slope in zip(numbers, found, strict=True)
    ]
    margins = numbers[-1] @ wanted[0]
    return float(margins[-1]), parts, {}, float(margins[0])
