"""Models: save, restore, describe and judge the network in hand."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components.table import table
from dashboard.present import network_picture, units
from dashboard.present.outside import plain
from dashboard.sections import evaluation, exporting, network_choice, restoring, saving, sharing
from nnengine.core.network import Network


def choose(held: state.Entry) -> None:
    """Choose the network in hand among all there are."""
    st.header("Network in hand")
    network_choice.choose(
        held, "Run, built-in or restored network",
        help="Weights, Draw and this page look at this network.",
    )  # fmt: skip


def forget(held: state.Entry) -> None:
    """Offer to let go of a restored file or of a taught network."""
    kinds = {"file": "file", "finetuned": "taught network", "link": "network from a link"}
    if held.kind in kinds and st.button(f"Let go of this {kinds[held.kind]}", key="models.forget"):
        state.let_go(held.key)
        st.rerun()


def describe(network: Network) -> None:
    """Say what the network is and how it came to be."""
    st.html(network_picture.picture(network.specs, network.shape))
    table(("Layer", "Gives", "Activation", "Parameters"), units.layer_rows(network), "Layers")
    table((), units.facts(network), "Facts")
    if network.training:
        with st.expander(f"Training record ({len(network.training)})"):
            for record in reversed(network.training):
                table((), units.record_rows(record), "Training record")


def nothing() -> None:
    """Say where a network comes from, in an installation that ships none."""
    st.header("No network yet")
    st.write("Start a run, or restore a saved model: it can then be described, judged"
             " and saved here.")  # fmt: skip
    st.page_link("views/train.py", label="Start a run", icon=":material/play_arrow:")


def page() -> None:
    """Draw the page."""
    st.title("Models")
    held = state.network()
    left, right = st.columns([3, 2], gap="medium")
    with right:
        restoring.restore()
    with left, st.container(border=True, height="stretch"):
        if held is None:
            nothing()
            return
        choose(held)
        run = state.run_of(held)
        st.caption(plain(units.summary(held.network, run.step if run else None)))
        saving.save(held)
        exporting.offer(held)
        forget(held)
    with st.expander("What this network is"):
        describe(held.network)
    sharing.share_network(held)
    evaluation.judge(held)


page()
