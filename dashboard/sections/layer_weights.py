"""Layer weights: the weights of a layer as numbers, its biases, and how large they all are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard.components.live_plot import live_plot
from dashboard.present import figures, glossary, units
from nnengine.core.network import Network

NAMED = 40  # units at most that have their names on an axis


def matrix(network: Network, layer: int, number: int, dark: bool) -> None:
    """Show a layer's weights, and its biases beneath, as labelled heatmaps.

    number: what the page calls the layer.
    """
    weights = units.flat_weights(network, layer)
    before, after = units.source_names(network, layer), units.unit_names(network, layer)
    tall, wide = figures.cells(*weights.shape)
    kind, source = units.kind_of_units(network, layer), before[0].partition(" ")[0].lower()
    live_plot(
        figures.heatmap(
            weights, dark=dark, x_title=f"To {kind.lower()}",
            y_title="From unit" if source not in ("input", "number") else f"From {source}",
            x_names=_names(after) if wide == 1 else None,
            y_names=_names(before) if tall == 1 else None,
        ),
        key=f"weights.matrix.{layer}",
        label=f"Weights of layer {number}: {len(before)} by {len(after)},"
        f" from {weights.min():.2f} to {weights.max():.2f}",
    )  # fmt: skip
    if tall * wide > 1:
        st.caption(f"A cell stands for {tall} × {wide} weights: the strongest of them.")
    biases(network, layer, number, dark)


def _names(units: Sequence[str]) -> list[str] | None:
    """Return what an axis calls its units; of many it has only numbers."""
    return [name.removeprefix("Unit ") for name in units] if len(units) <= NAMED else None


def biases(network: Network, layer: int, number: int, dark: bool) -> None:
    """Show one layer's biases as a strip."""
    values, kind = network.layers[layer].biases, units.kind_of_units(network, layer)
    names = [n.removeprefix(f"{kind} ") for n in units.unit_names(network, layer)]
    st.markdown("## Biases", help=glossary.explained("Bias"))
    live_plot(
        figures.heatmap(
            values[np.newaxis], x_title=kind, y_title="", y_names=["bias"],
            x_names=names if len(names) <= 40 else None, dark=dark,
        ),
        key=f"weights.biases.{layer}",
        label=f"Biases of layer {number}: {len(values)}, from {values.min():.2f}"
        f" to {values.max():.2f}",
    )  # fmt: skip


def spread(network: Network) -> None:
    """Show how the weights of each layer are distributed."""
    st.markdown(
        "## How large the weights are, layer by layer",
        help=glossary.explained("Weight", "Initializer"),
    )
    found = {
        f"Layer {n}": network.layers[i].weights for n, i in enumerate(units.weighing(network), 1)
    }
    live_plot(
        figures.distribution(found),
        key="weights.spread",
        height=260,
        label="Distribution of weights: " + units.spread_words(network),
    )
