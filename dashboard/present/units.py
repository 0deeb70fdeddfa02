"""Units: which of a layer's units a page shows, in what order and with what words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnengine.core.network import Network
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


def layer_names(network: Network) -> list[str]:
    """Return one line a layer, such as "Layer 1: 784 inputs to 10 units"."""
    last = len(network.layers) - 1
    names = []
    for i, layer in enumerate(network.layers):
        source = f"{layer.weights.shape[0]:,} {'inputs' if i == 0 else 'units'}"
        target = f"{layer.weights.shape[1]:,} {'classes' if i == last else 'units'}"
        names.append(f"Layer {i + 1}: {source} to {target}")
    return names


def unit_names(network: Network, layer: int) -> tuple[str, ...]:
    """Return the names of a layer's units: class names in the last, else "Unit 1", ..."""
    if layer == len(network.layers) - 1:
        return tuple(network.class_names)
    return tuple(f"Unit {i + 1}" for i in range(network.layers[layer].weights.shape[1]))


def source_names(network: Network, layer: int) -> tuple[str, ...]:
    """Return the names of what a layer reads: inputs by number, or the units before it."""
    if layer:
        return unit_names(network, layer - 1)
    return tuple(f"Input {i + 1}" for i in range(network.inputs))


def spread_words(network: Network) -> str:
    """Return the standard deviation of each layer's weights as words."""
    spreads = [f"layer {i + 1} spreads {a.weights.std():.3f}" for i, a in enumerate(network.layers)]
    return ", ".join(spreads)


def units_of(network: Network, layer: int, *, by_strength: bool = False) -> list[Unit]:
    """Return a layer's units by index, or strongest first (equals by index)."""
    weights, biases = network.layers[layer].weights, network.layers[layer].biases
    strengths = np.linalg.norm(weights, axis=0)
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
    shape = "-".join(map(str, network.sizes))
    hidden = ", ".join(map(_activation, dict.fromkeys(network.activations[:-1])))
    done = network.trained_steps if steps is None else steps
    parts = [shape, hidden or "no hidden layer", f"{network.parameter_count:,} parameters"]
    if done or steps is not None:
        parts.append(f"{done:,} steps" if done else "untrained")
    return " · ".join(parts)


def file_name(name: str) -> str:
    """Return a name as part of a file name: letters, digits and hyphens."""
    kept = "".join(c.lower() if c.isalnum() else "-" for c in name)
    return "-".join(part for part in kept.split("-") if part)[:60] or "network"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is, whatever a visitor called his run or file."""
    return "".join("\\" + c if c in "\\`*_{}[]()#+-.!|<>~$:" else c for c in text)


def layer_rows(network: Network) -> list[tuple[str, ...]]:
    """Return (layer, from, to, activation, parameters) as words, one row a layer."""
    last = len(network.layers) - 1
    return [
        (
            f"{i + 1}",
            f"{layer.weights.shape[0]:,}",
            f"{layer.weights.shape[1]:,}",
            "softmax" if i == last else _activation(network.activations[i]),
            f"{layer.weights.size + layer.biases.size:,}",
        )
        for i, layer in enumerate(network.layers)
    ]


def facts(network: Network) -> list[tuple[str, str]]:
    """Return what else is true of a network, as (name, words)."""
    height, width = network.image_shape
    scale = network.input_scale
    return [
        ("Images", f"{height} × {width} pixels"),
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
        ("Kernels", record.get("kernels")),
        ("Data digest", str(record.get("data_digest") or "")[:16]),
    ]
    return [(name, str(value)) for name, value in entries if value not in (None, "")]


def _activation(name: str) -> str:
    return SETTINGS["activation"].say(name)


def _last_percent(values: Any) -> str | None:
    known = [v for v in values or () if isinstance(v, int | float)]
    return f"{100 * known[-1]:.2f} %" if known else None
