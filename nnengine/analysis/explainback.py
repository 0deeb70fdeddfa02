"""Explain back: from the loss into the weights: every delta, gradient and step, term by term.

Deltas and gradients are what the engine's layers add up on their way back; the step is one that its
optimizer takes, on a copy of the weights. The network is asked as it answers: layers that do
something else in training, norms and dropout, are taken as they are in `explain`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import layers
from ..core.layers import Pass
from ..core.losses import softmax_cross_entropy
from ..core.network import Network, bound
from ..core.optimizers import OPTIMIZERS
from ..core.parameters import Place, places
from ..errors import ConfigError
from .corelines import Line, line
from .explain import Terms, Trace, window


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta(Terms):
    """What the loss says of a unit: total is dL/da, of its answer, the sum over who hears it.

    inputs: dL/dz of those in the next layer, places: which they are, weights: what each hears the
    unit with. slope: of the activation; delta: dL/dz = total * slope. Of logits, total is
    probability - (1 for the label), with both as products.
    """

    slope: float
    delta: float
    slope_line: Line


@dataclass(frozen=True, slots=True, eq=False)
class Back:
    """The way back of one image with a label.

    blames, deltas: float (width,) of each layer, dL/da behind and dL/dz before its activation.
    gradient: float, laid out like the network's theta: what `Network.gradient` gives.
    """

    trace: Trace
    label: int
    blames: list[np.ndarray]
    deltas: list[np.ndarray]
    gradient: np.ndarray

    def unit(self, layer: int, unit: int) -> Delta:
        """Return what the loss says of a unit, term by term; takes and raises as `Trace.unit`."""
        self.trace.check(layer, unit)
        network, total = self.trace.network, float(self.blames[layer][unit])
        last = layer == len(network.layers) - 1
        if last:
            p = float(self.trace.softmax(self.label).probabilities[unit])
            inputs = np.array([p, float(unit == self.label)])
            at, weights, name = np.array([unit, unit]), np.array([1.0, -1.0]), "blame.logits"
        else:
            at, weights = _heard_by(self.trace, layer + 1, unit)
            inputs, name = self.deltas[layer + 1][at], f"blame.{network.specs[layer + 1].kind}"
        activation, delta = network.activations[layer], float(self.deltas[layer][unit])
        return Delta(
            inputs=inputs, weights=weights, products=inputs * weights, places=at, bias=0.0,
            total=total, line=line(name), slope=_slope(network, layer, self.trace.answers, unit),
            delta=delta, slope_line=line(f"{activation}.slope"),
        )  # fmt: skip

    def parameter(self, number: int) -> Terms:
        """Return the gradient of one number of theta as the sum of products that it is.

        Of a weight: what it is multiplied by, times the delta of who reads it, at each place where
        it is; of a bias the deltas alone. Raises ConfigError where there is no such number, or a
        norm's running mean or variance, which no gradient moves.
        """
        found, inside = whose(self.trace.network, number)
        layer, name = self.trace.network.layers[found.layer], found.name.split("_")[0]
        inputs, at = _read_with(self.trace, found, inside)
        deltas = self.deltas[found.layer][at]
        as_bytes = found.layer == 0 and self.trace.image.dtype == np.uint8
        kind = "bytes" if as_bytes and layer.spec.kind == "dense" else layer.spec.kind
        return Terms(
            inputs=inputs, weights=deltas, products=inputs * deltas, places=at, bias=0.0,
            total=float(self.gradient[number]), line=line(f"{name}.{kind}"),
        )  # fmt: skip


def back(trace: Trace, label: int) -> Back:
    """Return the way back from the loss of one image whose class is `label`.

    Raises FormatError for a label that is no class.
    """
    trace.softmax(label)  # checks it
    network, x = trace.network, trace.image[None]
    way = Pass(network.input_scale)
    outputs = layers.forward(network.layers, x, way)
    blame = softmax_cross_entropy(outputs[-1], np.array([label], np.uint8))[2]
    gradient = np.zeros_like(network.theta)
    gradients = bound(gradient, network.specs, network.shape, network.activations)
    blames, deltas, inputs = [], [], [x, *outputs[:-1]]
    for n in reversed(range(len(outputs))):
        blames.append(blame[0].copy())
        delta = blame.copy()
        blame = network.layers[n].backward(inputs[n], outputs[n], delta, gradients[n], way)
        deltas.append(delta[0])  # what stands before an activation has taken its place
    return Back(trace, label, blames[::-1], deltas[::-1], gradient)


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of an optimizer, its first, from this gradient.

    rate: of learning; numbers: what its formula takes behind its arrays, by name, Adam's rate and
    epsilon with the bias corrections in them; carried: what it remembers behind the step, float
    like theta each. before, after: theta. network: with the weights behind the step.
    """

    optimizer: str
    rate: float
    numbers: dict[str, float]
    carried: dict[str, np.ndarray]
    gradient: np.ndarray
    before: np.ndarray
    network: Network
    line: Line

    @property
    def after(self) -> np.ndarray:
        """Theta behind the step."""
        return self.network.theta


_NUMBERS = {
    "momentum": ("rate", "decay"), "nesterov": ("rate", "decay"),
    "rmsprop": ("rate", "decay", "epsilon"),
    "adam": ("rate", "beta1", "beta2", "epsilon"), "adamw": ("rate", "beta1", "beta2", "epsilon"),
}  # fmt: skip


def step(back: Back, optimizer: str = "sgd", rate: float = 0.1, momentum: float = 0.9) -> Step:
    """Take one step by the gradient of one image, on a copy. Raises ConfigError for its settings.

    optimizer: a name in `core.optimizers`, which begins anew, without memory; rate: above zero.
    """
    if optimizer not in OPTIMIZERS:
        raise ConfigError(f"optimizer {optimizer!r}: choose one of {', '.join(OPTIMIZERS)}")
    if not (rate > 0 and math.isfinite(rate)):
        raise ConfigError(f"learning rate {rate}: give a number above zero")
    moved = back.trace.network.copy()
    stepping = OPTIMIZERS[optimizer](moved.theta, rate=rate, momentum=momentum)
    stepping.step(back.gradient.copy())
    stepping.steps = 0  # to be asked for the numbers of this same step
    names = _NUMBERS.get(optimizer, ("rate",))
    return Step(
        optimizer, rate, dict(zip(names, stepping.numbers(), strict=True)), stepping.carried(),
        back.gradient, back.trace.network.theta, moved, line(f"step.{optimizer}"),
    )  # fmt: skip


def number_of(network: Network, layer: int, name: str, inside: int) -> int:
    """Return which number of theta a parameter is. name: "weights", "biases", "scales", "shifts".

    inside: its place in that array, flat. Raises ConfigError where the layer has none such.
    """
    for one in places(network.specs, network.shape):
        its = one.layer == layer and one.name.startswith(f"{name}_")
        if its and 0 <= inside < math.prod(one.sides):
            return one.where.start + inside
    raise ConfigError(f"layer {layer} has no {name} with a number {inside}")


def whose(network: Network, number: int) -> tuple[Place, tuple[int, ...]]:
    """Return where a number of theta stands: its array, and its place in that, an index a side."""
    for one in places(network.specs, network.shape):
        if one.where.start <= number < one.where.stop:
            if one.name.startswith(("means", "variances")):
                raise ConfigError(f"{one.name} follows what images are like: no gradient moves it")
            inside = np.unravel_index(number - one.where.start, one.sides)
            return one, tuple(map(int, inside))
    raise ConfigError(f"no parameter {number}: there are {network.parameter_count:,}, from 0")


def _slope(network: Network, layer: int, answers: list[np.ndarray], unit: int) -> float:
    """Return the slope of a unit's activation, by the engine: what it makes of a blame of one."""
    one = np.ones((1, 1), network.dtype)
    if network.activations[layer] != "identity":
        Pass().by.activation_backward(answers[layer][None, [unit]], one, network.kinds[layer])
    return float(one[0, 0])


def _heard_by(trace: Trace, layer: int, unit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (units of a layer that hear number `unit` of its inputs, with what weights)."""
    of, kind = trace.network.layers[layer], trace.network.specs[layer].kind
    if kind == "dense":
        return np.arange(of.weights.shape[1]), of.weights[unit]
    if kind not in ("conv", "pool", "average"):
        weight = trace.unit(layer, unit).weights.ravel()
        return np.array([unit]), weight
    pixel, channel = divmod(unit, of.shape[2])
    at = _windows_on(of, pixel)
    if kind == "conv":
        maps, spec = of.spec.units, of.spec
        row, column = divmod(pixel, of.shape[1])
        down, across = np.divmod(at, spec.after(of.shape)[1])
        i, j = row - down * spec.stride + spec.pad, column - across * spec.stride + spec.pad
        heard = at[:, None] * maps + np.arange(maps)
        return heard.ravel(), of.weights[i, j, channel].ravel()
    heard = at * of.shape[2] + channel
    hearing = [trace.unit(layer, int(u)) for u in heard]
    weights = [float(u.weights[u.places == unit].sum()) for u in hearing]
    return heard, np.array(weights, trace.network.dtype)


def _windows_on(layer: Any, pixel: int) -> np.ndarray:
    """Return which windows of a layer, counted row by row, see a pixel of what it reads."""
    spec, sides = layer.spec, layer.spec.after(layer.shape)[:2]
    seen = []
    for place, side, count in zip(divmod(pixel, layer.shape[1]), spec.window, sides, strict=True):
        start = np.arange(count) * spec.stride - spec.pad
        seen.append(np.flatnonzero((start <= place) & (place < start + side)))
    return (seen[0][:, None] * sides[1] + seen[1]).ravel()


def _read_with(trace: Trace, found: Place, inside: tuple[int, ...]) -> tuple[Any, np.ndarray]:
    """Return (what a parameter is multiplied by, which units read it): of a bias ones."""
    of, x = trace.network.layers[found.layer], trace.reads(found.layer)
    name, sides, width = found.name.split("_")[0], of.spec.after(of.shape), inside[-1]
    at = np.arange(sides[0] * sides[1]) * sides[2] + width
    if name == "weights" and of.spec.kind == "dense":
        return x[[inside[0]]], at
    if name == "weights":
        seen = np.array([window(of, n)[inside[:3]] for n in range(len(at))])
        return np.where(seen < 0, 0, x[seen]), at
    if name == "scales":
        return (x[at] - of.means[width]) * trace.slopes[found.layer][width], at
    return np.ones(len(at), x.dtype), at
