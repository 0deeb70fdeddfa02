"""Saving: a network as a file of either format, or as one page that answers drawings."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.present.outside import file_name, plain
from dashboard.sections import sharing, temperature
from dashboard.store.networks import Entry
from nnengine import demo
from nnengine.core.network import Network
from nnengine.errors import EngineError
from nnengine.storage import modelfile


def nnm_refusal(network: Network) -> str:
    """Return why this network has no .nnm, or nothing; the format knows one shape only."""
    return _refusal(network, lambda one: modelfile.check_savable(one, "nnm"))


def _refusal(network: Network, check: Callable[[Network], None]) -> str:
    try:
        check(network)
    except EngineError as fault:
        return str(fault)
    return ""


def save(held: Entry) -> None:
    """Offer both formats, or the reason why one cannot hold this network."""
    network, name = held.network, file_name(held.name.removesuffix(".npz"))
    reason = nnm_refusal(network)
    with st.container(horizontal=True):
        for kind in ("npz", "nnm"):
            st.download_button(
                f"Download .{kind}",
                lambda kind=kind: modelfile.to_bytes(temperature.with_line(held), kind),
                file_name=f"{name}.{kind}", mime="application/octet-stream", on_click="ignore",
                key=f"models.save.{kind}", icon=":material/download:",
                disabled=kind == "nnm" and bool(reason),
            )  # fmt: skip
        _demo_page(held, name)
    formats = "Both formats hold this network; .npz also its history."
    if reason:
        formats = f"{plain(reason)}."
    demos = "The demo is one web page that answers drawings, without a server."
    if refusal := _refusal(network, demo.check):
        demos = f"No demo: {plain(refusal)}."
    st.caption(f"{formats} {demos}")


def _demo_page(held: Entry, name: str) -> None:
    """Offer the network as one HTML file that answers drawings."""
    refusal = _refusal(held.network, demo.check)
    st.download_button(
        "Download this demo", lambda: sharing.demo_page(held), file_name=f"{name}.html",
        mime="text/html", on_click="ignore", key="models.save.demo", icon=":material/draw:",
        disabled=bool(refusal),
        help=f"{plain(refusal)}." if refusal else
        "One web page with the curves, the weights and a sheet to draw on. It needs no server, "
        "no Python and no network: open it anywhere, send it to anybody.",
    )  # fmt: skip
