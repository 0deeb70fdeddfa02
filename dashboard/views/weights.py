"""Weights: what every unit has learnt to look for, live while it learns."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import units
from dashboard.sections import layer_weights, live, network_choice, unit_weights
from dashboard.store.networks import Entry
from nnengine.core.network import Network

TICK_S = 0.5


def choices(network: Network) -> tuple[int, str, bool]:
    """Offer layer, scale and order; return (layer index, scale, by strength)."""
    names = units.layer_names(network)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layer = st.selectbox(
            "Layer", range(len(names)), format_func=names.__getitem__, width=300,
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


def layer_of(held: Entry, layer: int, scale: str, by_strength: bool) -> None:
    """Show one layer: as images where its weights stand for pixels, else as numbers."""
    network, dark = held.network, st.context.theme.type == "dark"
    if layer or min(network.image_shape) == 1:
        layer_weights.matrix(network, layer, dark)
        return
    left, right = st.columns([5, 2], gap="large")
    with left:
        unit = unit_weights.unit_images(network, scale, by_strength, dark)
        unit_weights.download(held, scale, by_strength, dark)
        layer_weights.biases(network, 0, dark)
    with right:
        unit_weights.one_unit(network, unit, dark)


def page() -> None:
    """Draw the page; while the run in hand is live, draw it twice a second."""
    held = state.network()
    st.title("Weights")
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
        if now is None or now.network.sizes != held.network.sizes:
            st.rerun()
        steps = run.step if run and now.key == held.key else None
        about = units.summary(now.network, steps)
        st.caption(f"**{units.plain(now.name)}** · {about}{' · live' * learning}")
        layer_of(now, *chosen)
        layer_weights.spread(now.network)
        if learning and not (run and run.live):
            st.rerun()  # the last weights are drawn: stop the clock

    live.part(inside, TICK_S if learning else None)()


page()
