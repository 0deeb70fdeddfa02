"""Next steps: what to do with a network, offered where a run, an answer or an examination ends."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.present import run_words
from dashboard.runs.run import Run

# By the page that each leads to; a page offers those that lead elsewhere.
_LABELS = {
    "draw": ("Draw for it", ":material/draw:"),
    "weights": ("See what it looks for", ":material/grid_view:"),
    "models": ("Its mistakes", ":material/rule:"),
    "fragility": ("How far it can be pushed", ":material/monitoring:"),
    "train": ("Train another", ":material/play_arrow:"),
}


def offer(key: str, pages: str, *, said: str = "", network: str | None = None) -> None:
    """Offer pages by their names, in a line behind what is `said`, Markdown of ours.

    network: the key of the one that is taken in hand first.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=key):
        if said:
            st.markdown(said, width="content")
        for page in pages.split():
            label, icon = _LABELS[page]
            if st.button(label, icon=icon, key=f"{key}.{page}"):
                if network is not None:
                    state.choose_network(network)
                st.switch_page(f"views/{page}.py")


def after_run(run: Run) -> None:
    """Offer what a run that has ended with a network can be used for."""
    if run.state not in ("finished", "stopped"):
        return
    history = run.history
    reached = run_words.last(history.val_accuracy)
    if reached is None:
        reached = run_words.last(history.train_accuracy)
    said = f"**{run_words.percent(reached)}.**" if reached is not None else ""
    offer("next.run", "draw weights models", said=said, network=state.key_of(run))


def after_answer() -> None:
    """Offer what to ask next of the network that has answered a drawing."""
    offer("next.answer", "weights models train")


def after_evaluation() -> None:
    """Offer what to do with a network that has been examined."""
    offer("next.examined", "draw weights fragility train")
