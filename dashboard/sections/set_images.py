"""Set images: what the images of a set look like, some of them and on average."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.tiles import tiles
from dashboard.present import figures, glossary, pictures, samples
from dashboard.present.outside import apart, plain, shown
from nnengine.data.dataset import Dataset

NUMBERS = (20, 50, 100, 200)
COLUMNS = 20  # of the sheet the tiles are cut from
EVERYTHING = -1


def grid(dataset: Dataset) -> None:
    """Show samples with their labels; how many, of which class, and others at a press."""
    st.markdown("## Samples", help=glossary.explained("Training images", "Class"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state.set_widget("data.number", NUMBERS[1], over=False)
        number = st.segmented_control("How many", NUMBERS, key=state.widget("data.number"))
        names = ("All", *apart([shown(name) for name in dataset.class_names]))
        only = st.selectbox(
            "Class", range(EVERYTHING, dataset.classes), width=180,
            help=glossary.explained("Class"),
            key=state.widget(f"data.class.{dataset.classes}"), format_func=lambda i: names[i + 1],
        )  # fmt: skip
        st.button("Reshuffle", on_click=_reshuffle, key="data.reshuffle", icon=":material/shuffle:")
    picked = samples.choose(
        dataset.labels, number or NUMBERS[1], only=None if only == EVERYTHING else only,
        seed=state.get("data.seed", 0),
    )  # fmt: skip
    if not picked.size:
        st.write(f"No image of class {plain(dataset.class_names[only])} is in this set.")
        return
    captions = [dataset.class_names[label] for label in dataset.labels[picked]]
    tiles(
        _sheet(dataset.images[picked]), columns=_columns(len(picked)), shape=dataset.image_shape,
        captions=captions,
        labels=[f"Image {i:,}: {c}" for i, c in zip(picked, captions, strict=True)],
        label=f"{len(picked)} samples with their labels", key="data.samples", tile_px=64,
    )  # fmt: skip


def _columns(count: int) -> int:
    """Return how many tiles stand in a row of the sheet."""
    return min(COLUMNS, count)


def _sheet(images: np.ndarray) -> bytes:
    """Return the PNG that tiles are cut from."""
    return pictures.png(pictures.mosaic(images, columns=_columns(len(images)), gap=0))


def _reshuffle() -> None:
    """Draw other samples from the next run on."""
    state.put("data.seed", state.get("data.seed", 0) + 1)


def classes(dataset: Dataset) -> None:
    """Show how many images each class has, and what it looks like on average."""
    counts, names = dataset.class_counts(), dataset.class_names
    st.markdown("## Images of each class", help=glossary.explained("Class"))
    spoken = ", ".join(f"{n} {c:,}" for n, c in zip(names, counts, strict=True))
    live_plot(figures.class_balance(counts, names), key="data.balance", label=f"Images: {spoken}")
    st.markdown("## The mean image of each class", help=glossary.explained("Class"))
    spoken = [f"Mean of {c:,} images: {n}" for n, c in zip(names, counts, strict=True)]
    tiles(
        _sheet(samples.class_means(dataset)), columns=_columns(dataset.classes),
        shape=dataset.image_shape, captions=names, labels=spoken,
        label="Mean image of each class", key="data.means", tile_px=64,
    )  # fmt: skip
