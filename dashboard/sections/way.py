"""Way: a chosen digit, or a drawing, on its way through a network, layer by layer."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.pager import pager
from dashboard.components.tiles import tiles
from dashboard.present import maps, pictures, words
from dashboard.present.outside import plain, shown
from dashboard.sections.robustness import examination
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset

COLUMNS = 12  # of a sheet
TILE_PX, LARGE_PX = 56, 72
_ALL = "All layers"


def of_data(network: Network, key: str) -> None:
    """Show the way of an image of the data in hand, of a class that is chosen."""
    found = examination(network)
    if found is None:
        st.write("No images in hand are of this network's size and classes.")
        return
    data, part = found
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Digit" if data.class_names == state.DIGITS else "Image of", data.class_names,
            width=160, format_func=shown, key=state.widget("maps.class"),
        )  # fmt: skip
        st.button("Another", key="maps.another", on_click=_another)
        chosen = _choice(network, key)
    image = _image(data, data.class_names.index(name) if name in data.class_names else 0)
    if image is None:
        st.write(f"The {part} images hold none of this class.")
        return
    _seen(image, key)
    _passage(network, image, chosen, key)
    p = network.predict_proba(image)[0]
    best = int(p.argmax())
    st.markdown(f"**Answer** {plain(network.class_names[best])}, {words.share(float(p[best]))}")


def of_drawing(network: Network, image: np.ndarray, key: str) -> None:
    """Show the way of a drawing, as the network sees it."""
    _passage(network, image, _choice(network, key), key)


def _another() -> None:
    state.put("maps.turn", state.get("maps.turn", 0) + 1)


def _image(data: Dataset, label: int) -> np.ndarray | None:
    """Return an image of a class, each time that another was asked for the next one."""
    rows = np.flatnonzero(data.labels == label)
    return data.images[rows[state.get("maps.turn", 0) % len(rows)]] if len(rows) else None


def _choice(network: Network, key: str) -> int:
    """Offer all layers, or one of them with all of its maps; return its number, 0 for all."""
    names = [_ALL, *(f"{i}. {one.name}" for i, one in enumerate(maps.stages(network), 1))]
    chosen = st.selectbox(
        "Show", range(len(names)), format_func=names.__getitem__, width=260,
        key=f"{key}.layer.{len(names)}",
    )  # fmt: skip
    return chosen or 0


def _passage(network: Network, image: np.ndarray, chosen: int, key: str) -> None:
    """Show what the layers make of an image, all of them or one."""
    dark, wanted = st.context.theme.type == "dark", maps.few_of_each(network)
    if chosen:
        stage = maps.stages(network)[chosen - 1]
        wanted = [(stage, pager("Maps", stage.maps, key=f"{key}.page.{stage.layer}"))]
    for strip in maps.strips(network, image, wanted):
        draw_strip(strip, f"{key}.{strip.stage.layer}", dark, LARGE_PX if chosen else TILE_PX)


def _seen(image: np.ndarray, key: str) -> None:
    st.markdown("**The image**")
    tiles(
        pictures.png(image), columns=1, shape=image.shape[:2], captions=[""],
        labels=["The image as the network sees it"], label="The image", key=f"{key}.seen",
        tile_px=84,
    )  # fmt: skip


def draw_strip(strip: maps.Strip, key: str, dark: bool, tile_px: int) -> None:
    """Show what each map of a layer makes of the image."""
    st.markdown(f"**{strip.stage.name}** · {strip.count}")
    columns = min(COLUMNS, len(strip.places))
    tiles(
        pictures.palette_png(pictures.sheet(strip.levels, columns=columns), dark=dark),
        columns=columns, shape=strip.levels.shape[1:], captions=[""] * len(strip.places),
        labels=[f"{name} behind {strip.stage.name}" for name in strip.names],
        label=f"What {strip.stage.name} makes of the image", key=key,
        tile_px=tile_px,
    )  # fmt: skip
