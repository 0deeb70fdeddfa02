"""Network choice: the network in hand, chosen by its name from all there are, on any page."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import glossary
from dashboard.present.outside import apart, shown
from dashboard.store.networks import Entry

_KINDS = {"file": "file", "link": "from a link", "finetuned": "yours", "shipped": "built in"}


def named(entry: Entry) -> str:
    """Return a network's name for a list, with what kind it is of."""
    run = state.run_of(entry)
    kind = f"run, {run.state}" if run else _KINDS.get(entry.kind, "run")
    return f"{shown(entry.name)} ({kind})"


def names(entries: dict[str, Entry]) -> dict[str, str]:
    """Return what a list calls each of these networks."""
    return dict(zip(entries, apart([named(one) for one in entries.values()]), strict=True))


def choose(
    held: Entry,
    label: str,
    *,
    width: int | str = "stretch",
    hide_label: bool = False,
    help: str = "",
) -> None:
    """Offer every network there is; the one picked is then in hand.

    help: a sentence before what a network is.
    """
    found = names(state.networks())
    means = "\n\n".join(filter(None, (help, glossary.explained("Network"))))
    # Another key for another choice: Streamlit would keep its own, whatever came into hand since.
    picked = st.selectbox(
        label, list(found), index=list(found).index(held.key), key=f"network.{held.key}",
        width=width, format_func=found.__getitem__,
        help=means,
        label_visibility="collapsed" if hide_label else "visible",
    )  # fmt: skip
    if picked != held.key:
        state.choose_network(picked)
        st.rerun()


def none_yet(title: str, text: str) -> None:
    """Say what a page would show, and where a network comes from."""
    with st.container(border=True):
        st.markdown(f"## {title}")
        st.write(text)
        with st.container(horizontal=True):
            st.page_link("views/train.py", label="Start a run", icon=":material/play_arrow:")
            st.page_link("views/models.py", label="Restore a model", icon=":material/folder_open:")
