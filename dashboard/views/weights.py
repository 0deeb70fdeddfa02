"""Weights: what every unit has learnt to look for, live while it learns."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import glossary, maps, units
from dashboard.present.outside import plain
from dashboard.sections import layer_weights, live, network_choice, unit_weights, way
from nnengine.core.network import Network

TICK_S = 0.5


def choices(network: Network) -> tuple[int, str, bool]:
    """Offer layer, scale and order; return (layer index, scale, by strength)."""
    names = units.layer_names(network)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layer = st.selectbox(
            "Layer", range(len(names)), format_func=names.__getitem__, width=300,
            help=glossary.explained("Layer"),
            key=f"keep.weights.layer.{len(names)}",
        )  # fmt: skip
        scale = st.segmented_control(
            "Colour scale", ["Common", "Own"], default="Common", key="weights.scale",
            help="Common: colours compare between units. Own: each unit uses the full range,"
            " so faint ones show their shape.",
        )  # fmt: skip
        order = st.segmented_control(
            "Order", ["Index", "Strength"], default="Index", key="weights.order",
            help="Strength is the norm of a unit's incoming weights.",
        )  # fmt: skip
    return layer or 0, "own" if scale == "Own" else "common", order == "Strength"


def layer_of(held: state.Entry, number: int, scale: str, by_strength: bool) -> None:
    """Show one layer: as images where its weights stand for pixels, else as numbers."""
    network, dark = held.network, st.context.theme.type == "dark"
    layer = units.weighing(network)[number]
    if not units.is_pictured(network, layer):
        layer_weights.matrix(network, layer, number + 1, dark)
        return
    st.html(unit_weights.STYLE)
    left, right = st.columns([5, 2], gap="large")
    with left:
        unit = unit_weights.unit_images(network, layer, scale, by_strength, dark)
        unit_weights.download(held, layer, scale, by_strength, dark)
    with right:
        unit_weights.one_unit(network, layer, unit, dark)
    layer_weights.biases(network, layer, number + 1, dark)


def way_of_an_image(network: Network) -> None:
    """Show what the layers make of a chosen image, where they have maps to show."""
    if not maps.stages(network):
        return
    st.markdown(
        "## What the layers make of an image", help=glossary.explained("Convolution", "Pooling")
    )
    way.of_data(network, "maps")


def alike(one: Network, other: Network) -> bool:
    """Return whether two networks have the same layers for the same images."""
    return (one.specs, one.shape) == (other.specs, other.shape)


def page() -> None:
    """Draw the page; while the run in hand is live, draw it twice a second."""
    held = state.network()
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.title("Weights", width="content", help=glossary.explained("Unit", "Weight"))
        if held is not None:
            network_choice.choose(held, "Network", width=320, hide_label=True)
    if held is None:
        network_choice.none_yet("No network yet", "Start a run, or restore a saved model. Then"
                                " every unit's incoming weights are shown here as an image, and"
                                " change while the network learns.")  # fmt: skip
        return
    run = state.run_of(held)
    learning = bool(run and run.live)
    chosen = choices(held.network)

    def inside() -> None:
        now = state.network()
        if now is None or not alike(now.network, held.network):
            st.rerun()
        steps = run.step if run and now.key == held.key else None
        about = plain(units.summary(now.network, steps))
        st.caption(f"**{plain(now.name)}** · {about}{' · live' * learning}")
        layer_of(now, *chosen)
        way_of_an_image(now.network)
        layer_weights.spread(now.network)
        if learning and not (run and run.live):
            st.rerun()  # the last weights are drawn: stop the clock

    live.part(inside, TICK_S if learning else None)()


page()
