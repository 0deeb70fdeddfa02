"""Layer weights: the weights of a layer as numbers, its biases, and how large they all are."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.components.live_plot import live_plot
from dashboard.present import figures, units
from nnengine.core.network import Network


def matrix(network: Network, layer: int, dark: bool) -> None:
    """Show a layer's weights, and its biases beneath, as labelled heatmaps."""
    here = network.layers[layer]
    before, after = units.source_names(network, layer), units.unit_names(network, layer)
    small = len(before) <= 40 and len(after) <= 40
    last = layer == len(network.layers) - 1
    live_plot(
        figures.heatmap(
            here.weights, dark=dark, x_title="To class" if last else "To unit",
            y_title="From unit" if layer else "From input",
            x_names=[n.removeprefix("Unit ") for n in after] if small else None,
            y_names=[n.removeprefix("Unit ") for n in before] if small else None,
        ),
        key=f"weights.matrix.{layer}",
        label=f"Weights of layer {layer + 1}: {len(before)} by {len(after)},"
        f" from {here.weights.min():.2f} to {here.weights.max():.2f}",
    )  # fmt: skip
    biases(network, layer, dark)


def biases(network: Network, layer: int, dark: bool) -> None:
    """Show one layer's biases as a strip."""
    values = network.layers[layer].biases
    names = [n.removeprefix("Unit ") for n in units.unit_names(network, layer)]
    last = layer == len(network.layers) - 1
    st.markdown("## Biases")
    live_plot(
        figures.heatmap(
            values[np.newaxis], x_title="Class" if last else "Unit", y_title="", y_names=["bias"],
            x_names=names if len(names) <= 40 else None, dark=dark,
        ),
        key=f"weights.biases.{layer}",
        label=f"Biases of layer {layer + 1}: {len(values)}, from {values.min():.2f}"
        f" to {values.max():.2f}",
    )  # fmt: skip


def spread(network: Network) -> None:
    """Show how the weights of each layer are distributed."""
    st.markdown("## How large the weights are, layer by layer")
    live_plot(
        figures.distribution({f"Layer {i + 1}": a.weights for i, a in enumerate(network.layers)}),
        key="weights.spread",
        height=260,
        label="Distribution of weights: " + units.spread_words(network),
    )
