"""Data: choose a set or drop files, and look at the images in it."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.tiles import tiles
from dashboard.present import figures, pictures, samples, units, words
from dashboard.sections import chooser, file_cards
from nnengine.data import readers

NUMBERS = (20, 50, 100, 200)
COLUMNS = 20  # of the sheet the tiles are cut from
EVERYTHING = -1
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
        "Look at", found, key=state.widget("data.look"), label_visibility="collapsed",
        width="content",
    )  # fmt: skip
    return chosen or found[0]


def parts() -> dict:
    """Return the data in hand by what the page calls their parts."""
    return dict(zip(PARTS, (state.training_set(), state.test_set()), strict=True))


def facts(dataset) -> None:
    """Show count, size, classes and memory."""
    height, width = dataset.image_shape
    with st.container(horizontal=True):
        st.metric("Images", f"{len(dataset):,}", border=True, width=160)
        st.metric("Size, pixels", f"{height} × {width}", border=True, width=160)
        st.metric("Classes", f"{dataset.classes:,}", border=True, width=160)
        st.metric("In memory", words.size(dataset.images.nbytes), border=True, width=160)


def download(dataset, part: str) -> None:
    """Offer a part of the data as a zip of an IDX pair, packed when it is asked for."""
    name = units.file_name(dataset.name.partition(".")[0] or "data")
    st.download_button(
        "Download as IDX", partial(export, dataset, part), f"{name}-{PARTS[part]}.zip",
        "application/zip", on_click="ignore", key=f"data.export.{PARTS[part]}",
        icon=":material/download:",
        help="A zip of two files, images and labels, under the names that MNIST gave them.",
    )  # fmt: skip


def export(dataset, part: str) -> bytes:
    """Return a zip of two IDX files."""
    return readers.idx_zip(dataset) if part == "Training set" else readers.idx_zip(None, dataset)


def grid(dataset) -> None:
    """Show samples with their labels; how many, of which class, and others at a press."""
    st.markdown("## Samples")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state.set_widget("data.number", NUMBERS[1], over=False)
        number = st.segmented_control("How many", NUMBERS, key=state.widget("data.number"))
        names = ("All", *dataset.class_names)
        only = st.selectbox(
            "Class", range(EVERYTHING, dataset.classes), width=180,
            key=state.widget(f"data.class.{dataset.classes}"), format_func=lambda i: names[i + 1],
        )  # fmt: skip
        st.button("Reshuffle", on_click=reshuffle, key="data.reshuffle", icon=":material/shuffle:")
    shown = samples.choose(
        dataset.labels, number or NUMBERS[1], only=None if only == EVERYTHING else only,
        seed=state.get("data.seed", 0),
    )  # fmt: skip
    if not shown.size:
        st.write(f"No image of class {units.plain(names[only + 1])} is in this set.")
        return
    captions = [dataset.class_names[label] for label in dataset.labels[shown]]
    tiles(
        sheet(dataset.images[shown]), columns=columns(len(shown)), shape=dataset.image_shape,
        captions=captions,
        labels=[f"Image {i:,}: {c}" for i, c in zip(shown, captions, strict=True)],
        label=f"{len(shown)} samples with their labels", key="data.samples", tile_px=64,
    )  # fmt: skip


def columns(count: int) -> int:
    """Return how many tiles stand in a row of the sheet."""
    return min(COLUMNS, count)


def sheet(images: np.ndarray) -> bytes:
    """Return the PNG that tiles are cut from."""
    return pictures.png(pictures.mosaic(images, columns=columns(len(images)), gap=0))


def reshuffle() -> None:
    """Draw other samples from the next run on."""
    state.put("data.seed", state.get("data.seed", 0) + 1)


def classes(dataset) -> None:
    """Show how many images each class has, and what it looks like on average."""
    counts, names = dataset.class_counts(), dataset.class_names
    st.markdown("## Images of each class")
    spoken = ", ".join(f"{n} {c:,}" for n, c in zip(names, counts, strict=True))
    live_plot(figures.class_balance(counts, names), key="data.balance", label=f"Images: {spoken}")
    st.markdown("## The mean image of each class")
    spoken = [f"Mean of {c:,} images: {n}" for n, c in zip(names, counts, strict=True)]
    tiles(
        sheet(samples.class_means(dataset)), columns=columns(dataset.classes),
        shape=dataset.image_shape, captions=names, labels=spoken,
        label="Mean image of each class", key="data.means", tile_px=64,
    )  # fmt: skip


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
        grid(dataset)
    with right:
        classes(dataset)


page()
