"""Saving: a network as a file of either format, or as one page that answers drawings."""

from __future__ import annotations

import streamlit as st

from dashboard.present import units
from dashboard.sections import sharing
from dashboard.store.networks import Entry
from nnengine import demo
from nnengine.core.network import Network
from nnengine.errors import EngineError
from nnengine.storage import modelfile


def nnm_refusal(network: Network) -> str:
    """Return why this network has no .nnm, or nothing; the format knows one shape only."""
    try:
        modelfile.check_savable(network, "nnm")
    except EngineError as fault:
        return str(fault)
    return ""


def save(held: Entry) -> None:
    """Offer both formats, or the reason why one cannot hold this network."""
    network, name = held.network, units.file_name(held.name.removesuffix(".npz"))
    reason = nnm_refusal(network)
    with st.container(horizontal=True):
        for kind in ("npz", "nnm"):
            st.download_button(
                f"Download .{kind}",
                lambda kind=kind: modelfile.to_bytes(network, kind),
                file_name=f"{name}.{kind}", mime="application/octet-stream", on_click="ignore",
                key=f"models.save.{kind}", icon=":material/download:",
                disabled=kind == "nnm" and bool(reason),
            )  # fmt: skip
        _demo_page(held, name)
    formats = "Both formats hold this network; .npz also its history."
    if reason:
        formats = f"{units.plain(reason)}."
    st.caption(f"{formats} The demo is one web page that answers drawings, without a server.")


def _demo_page(held: Entry, name: str) -> None:
    """Offer the network as one HTML file that answers drawings."""
    count, most = held.network.parameter_count, demo.MAX_PARAMETERS
    st.download_button(
        "Download this demo", lambda: sharing.demo_page(held), file_name=f"{name}.html",
        mime="text/html", on_click="ignore", key="models.save.demo", icon=":material/draw:",
        disabled=count > most,
        help=f"{count:,} parameters: a page holds {most:,} at most." if count > most else
        "One web page with the curves, the weights and a sheet to draw on. It needs no server, "
        "no Python and no network: open it anywhere, send it to anybody.",
    )  # fmt: skip
