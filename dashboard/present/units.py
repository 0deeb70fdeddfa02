"""Units: which of a layer's units a page shows, in what order and with what words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnengine.analysis.parts import parts
from nnengine.core.description import Shape
from nnengine.core.network import Network
from nnengine.training import course
from nnengine.training.settings import SETTINGS

PAGE = 48  # tiles on one page: what a wide screen holds, and a tick can send


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit of a layer. Index counts from 0; strength is the norm of its incoming weights."""

    index: int
    name: str
    strength: float
    bias: float

    @property
    def sentence(self) -> str:
        """What a screen reader says in place of the unit's image."""
        return f"{self.name}: strength {self.strength:.2f}, bias {self.bias:+.2f}"


def weighing(network: Network) -> list[int]:
    """Return where in the network the layers with weights are; pages count these from 1."""
    return [i for i, spec in enumerate(network.specs) if spec.weighs]


def layer_names(network: Network) -> list[str]:
    """Return one line a layer with weights, such as "Layer 1: 784 inputs to 10 units"."""
    return [_layer_name(network, number, i) for number, i in enumerate(weighing(network), 1)]


def _layer_name(network: Network, number: int, i: int) -> str:
    spec, before = network.specs[i], network.layers[i].shape
    if spec.kind == "conv":
        height, width = spec.window
        source = f"{before[2]} {'channel' if before[2] == 1 else 'channels'}"
        return f"Layer {number}: {source} to {spec.units} maps, {height} × {width}"
    source = "inputs" if i == 0 else "units" if before[:2] == (1, 1) else "numbers"
    target = "classes" if i == len(network.specs) - 1 else "units"
    return f"Layer {number}: {math.prod(before):,} {source} to {spec.units:,} {target}"


def kind_of_units(network: Network, layer: int) -> str:
    """Return what a layer consists of: "Unit", "Map" or "Class"."""
    if layer == len(network.specs) - 1:
        return "Class"
    return "Map" if network.specs[layer].kind == "conv" else "Unit"


def unit_names(network: Network, layer: int) -> tuple[str, ...]:
    """Return the names of a layer's units: class names in the last, else "Unit 1", "Map 1"."""
    if layer == len(network.layers) - 1:
        return tuple(network.class_names)
    kind, count = kind_of_units(network, layer), network.specs[layer].units
    return tuple(f"{kind} {i + 1}" for i in range(count))


def source_names(network: Network, layer: int) -> tuple[str, ...]:
    """Return the names of what a layer reads: inputs by number, or the units before it."""
    before = network.layers[layer].shape
    earlier = [i for i in weighing(network) if i < layer]
    if not earlier:
        return tuple(f"Input {i + 1}" for i in range(math.prod(before)))
    if before[:2] == (1, 1) and before[2] == network.specs[earlier[-1]].units:
        return unit_names(network, earlier[-1])
    return tuple(f"Number {i + 1}" for i in range(math.prod(before)))


def flat_weights(network: Network, layer: int) -> np.ndarray:
    """Return a layer's weights as (what each unit or map reads, units or maps)."""
    weights = network.layers[layer].weights
    return weights.reshape(-1, weights.shape[-1])


def is_pictured(network: Network, layer: int) -> bool:
    """Return whether a layer's weights stand for pixels, so that each unit or map has an image."""
    if network.specs[layer].kind == "conv":
        return max(network.specs[layer].window) > 1
    shape = network.layers[layer].shape
    return layer == 0 and shape[2] in (1, 3) and min(network.image_shape) > 1


def spread_words(network: Network) -> str:
    """Return the standard deviation of each layer's weights as words."""
    found = [network.layers[i].weights.std() for i in weighing(network)]
    return ", ".join(f"layer {i} spreads {std:.3f}" for i, std in enumerate(found, 1))


def units_of(network: Network, layer: int, *, by_strength: bool = False) -> list[Unit]:
    """Return a layer's units or maps by index, or strongest first (equals by index)."""
    biases = network.layers[layer].biases
    strengths = np.linalg.norm(flat_weights(network, layer), axis=0)
    names = unit_names(network, layer)
    order = np.argsort(-strengths, kind="stable") if by_strength else np.arange(len(names))
    return [
        Unit(index=int(i), name=names[i], strength=float(strengths[i]), bias=float(biases[i]))
        for i in order
    ]


def pages(count: int, size: int = PAGE) -> list[range]:
    """Cut 0..count into pages of at most `size` places."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def summary(network: Network, steps: int | None = None) -> str:
    """Return one line about a network: sizes, hidden activations, parameters, steps.

    A run that goes on knows its steps better than the record, which is written at its end. A
    network without a record, as every .nnm, may be trained all the same: nothing is said then.
    """
    shape = layers_in_words(network)
    hidden = ", ".join(map(_activation, dict.fromkeys(_hidden_activations(network))))
    done = network.trained_steps if steps is None else steps
    parts = [shape, hidden or "no hidden layer", f"{network.parameter_count:,} parameters"]
    if done or steps is not None:
        parts.append(f"{done:,} steps" if done else "untrained")
    return " · ".join(parts)


def _hidden_activations(network: Network) -> list[str]:
    """Return those of hidden layers with weights; of one with a norm behind it, the norm's."""
    names, specs = network.activations, network.specs
    behind = (i + (specs[i + 1].kind == "norm") for i in weighing(network)[:-1])
    return [names[i] for i in behind]


def layers_in_words(network: Network) -> str:
    """Return all layers in a line: "784-128-10", or "conv 8 5x5, pool 2, dense 64 → 10"."""
    if network.is_dense:
        return network.description
    return f"{network.description} → {network.classes}"


def layer_rows(network: Network) -> list[tuple[str, ...]]:
    """Return (layer, what it gives, activation, parameters) as words, one row a layer."""
    last = len(network.specs) - 1
    return [
        (
            f"{i + 1}. {part.spec}{', the classes' * (i == last)}",
            shape_words(part.after),
            "softmax" if i == last else _acting(network, i),
            f"{part.parameters:,}",
        )
        for i, part in enumerate(parts(network.specs, network.shape))
    ]


def _acting(network: Network, layer: int) -> str:
    """Return what a layer's activation is; "–" where it has none, or a norm stands before it."""
    name, spec, after = network.activations[layer], *network.specs[layer : layer + 2]
    own = spec.weighs and after.kind != "norm"
    return _activation(name) if own or name != "identity" else "–"


def shape_words(shape: Shape) -> str:
    """Return a shape as people write it: "128", "28 × 28", "8 × 12 × 12" for maps of 12 by 12."""
    height, width, channels = shape
    if height == width == 1:
        return f"{channels:,}"
    return f"{height} × {width}" if channels == 1 else f"{channels:,} × {height} × {width}"


def facts(network: Network) -> list[tuple[str, str]]:
    """Return what else is true of a network, as (name, words)."""
    height, width = network.image_shape
    scale = network.input_scale
    return [
        ("Images", f"{height} × {width} pixels{' in colour' * (network.channels > 1)}"),
        ("Input scale", "pixel ÷ 255" if abs(scale * 255 - 1) < 1e-9 else f"pixel × {scale:g}"),
        ("Classes", ", ".join(network.class_names)),
        ("Parameters", f"{network.parameter_count:,} of {network.dtype}"),
        (
            "Trained",
            f"{network.trained_steps:,} steps" if network.trained_steps else "not on record",
        ),
    ]


def record_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return one training record as (name, words); absent and empty entries are left out."""
    config, history = record.get("config") or {}, record.get("history") or {}
    rows = [row for name, row in SETTINGS.items() if name in config]
    others = [name for name in config if name not in SETTINGS]  # of a later version, or another's
    entries = [
        ("Outcome", record.get("outcome")),
        ("Steps", record.get("steps")),
        ("Final training accuracy", _last_percent(history.get("train_accuracy"))),
        ("Final validation accuracy", _last_percent(history.get("val_accuracy"))),
        *(row.note(config[row.name]) for row in rows),
        *((name.replace("_", " ").capitalize(), config[name]) for name in others),
        ("Changed on the way", "; ".join(map(course.in_words, record.get("changes") or ()))),
        ("Kernels", record.get("kernels")),
        ("Data digest", str(record.get("data_digest") or "")[:16]),
    ]
    return [(name, str(value)) for name, value in entries if value not in (None, "")]


def _activation(name: str) -> str:
    return SETTINGS["activation"].say(name)


def _last_percent(values: Any) -> str | None:
    known = [v for v in values or () if isinstance(v, int | float)]
    return f"{100 * known[-1]:.2f} %" if known else None
