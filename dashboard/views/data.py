"""Data: choose a set or drop files, and look at the images in it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import state
from dashboard.present import glossary, words
from dashboard.present.outside import file_name
from dashboard.sections import chooser, file_cards, set_images
from nnengine.data import readers
from nnengine.data.dataset import Dataset

PARTS = {"Training set": "training", "Test set": "test"}


def source() -> bool:
    """Let a source be chosen, and show what belongs to it; False where there is nothing yet."""
    shown = chooser.chooser()
    if shown == state.FILES:
        if state.files():
            file_cards.files_and_pairs()
        else:
            file_cards.drop()
            file_cards.empty()
        return state.training_set() is not None
    left, right = st.columns([3, 2], gap="large")
    with right:
        file_cards.drop()
    with left:
        if shown != state.source():
            chooser.not_here(shown)
            return False
        chooser.in_hand(shown)
        file_cards.train()
    return True


def choose_part() -> str:
    """Return which part of the data in hand to look at."""
    found = [name for name, data in parts().items() if data is not None]
    if len(found) == 1:
        st.markdown(f"**{found[0]}**", width="content")
        return found[0]
    state.set_widget("data.look", found[0], over=state.widget_value("data.look") not in found)
    chosen = st.segmented_control(
        "Look at", found, key=state.widget("data.look", found), label_visibility="collapsed",
        width="content",
    )  # fmt: skip
    return chosen or found[0]


def parts() -> dict[str, Dataset | None]:
    """Return the data in hand by what the page calls their parts."""
    return dict(zip(PARTS, (state.training_set(), state.test_set()), strict=True))


def facts(dataset: Dataset) -> None:
    """Show count, size, classes and memory."""
    sides = words.sides(dataset.images.shape[1:])
    with st.container(horizontal=True):
        st.metric("Images", f"{len(dataset):,}", border=True, width=160)
        st.metric("Size, pixels", sides, border=True, width=240 if dataset.channels > 1 else 160)
        st.metric("Classes", f"{dataset.classes:,}", border=True, width=160,
                  help=glossary.explained("Class"))  # fmt: skip
        st.metric("In memory", words.size(dataset.images.nbytes), border=True, width=160)


def download(dataset: Dataset, part: str) -> None:
    """Offer a part of the data as a zip of an IDX pair, packed when it is asked for."""
    name = file_name(dataset.name.partition(".")[0] or "data")
    st.download_button(
        "Download as IDX", partial(export, dataset, part), f"{name}-{PARTS[part]}.zip",
        "application/zip", on_click="ignore", key=f"data.export.{PARTS[part]}",
        icon=":material/download:",
        help="A zip of two files, images and labels, under the names that MNIST gave them.",
    )  # fmt: skip


def export(dataset: Dataset, part: str) -> bytes:
    """Return a zip of two IDX files."""
    return readers.idx_zip(dataset) if part == "Training set" else readers.idx_zip(None, dataset)


def page() -> None:
    """Draw the page."""
    st.title("Data")
    if not source():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        part = choose_part()
        dataset = parts()[part]
        download(dataset, part)
    facts(dataset)
    left, right = st.columns([3, 2], gap="large")
    with left:
        set_images.grid(dataset)
    with right:
        set_images.classes(dataset)


page()
