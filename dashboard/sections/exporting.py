"""Exporting: the network in hand as files that other programs read, each with what reads it."""

from __future__ import annotations

import streamlit as st

from dashboard.present.outside import file_name, plain
from dashboard.store.networks import Entry
from nnengine import exchange
from nnengine.core.network import Network
from nnengine.errors import ConfigError

# On a tablet two fifths of the box are too narrow for a button's words.
WIDE_ENOUGH = "<style>.stColumn:has([class*=st-key-models-export]) { min-width: 14rem }</style>"


def offer(held: Entry) -> None:
    """Offer every format of others that is written; one that cannot hold this network says why."""
    with st.expander("For other programs: ONNX, PyTorch, code", icon=":material/output:"):
        st.html(WIDE_ENOUGH)
        for form in exchange.FORMS.values():
            if form.writer:
                _card(held, form)


def _card(held: Entry, form: exchange.Form) -> None:
    """Show one format: a button, and what reads such a file."""
    network, kind, reason = held.network, form.kind, _refusal(held.network, form.kind)
    button, words = st.columns([2, 3], vertical_alignment="center")
    with button:
        st.download_button(
            f"Download {plain(form.title)}", lambda: exchange.to_bytes(network, kind),
            file_name=file_name(held.name.removesuffix(".npz")) + form.suffixes[0],
            mime="application/octet-stream", on_click="ignore", key=f"models.export.{kind}",
            icon=":material/download:", disabled=bool(reason), width="stretch",
        )  # fmt: skip
    with words:
        st.caption(f"{plain(reason)}." if reason else f"Read by {plain(form.read_by)}.")


def _refusal(network: Network, kind: str) -> str:
    try:
        exchange.check(network, kind)
    except ConfigError as fault:
        return str(fault)
    return ""
