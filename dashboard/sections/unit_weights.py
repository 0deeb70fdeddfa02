"""Unit weights: what every unit of the first layer looks for, as images."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.pager import pager
from dashboard.components.tiles import tiles
from dashboard.present import figures, pictures, units
from dashboard.store.networks import Entry
from nnengine.core.network import Network

COLUMNS = 12  # of the sheet and of the downloaded picture


def unit_images(network: Network, scale: str, by_strength: bool, dark: bool) -> units.Unit:
    """Show the first layer's units as tiles with their key; return the chosen unit."""
    everyone = units.units_of(network, 0, by_strength=by_strength)
    page = pager("Units", len(everyone), key="weights.page")
    shown = [everyone[i] for i in page]
    weights = network.layers[0].weights
    limit = pictures.weight_limit(weights)
    levels = pictures.weight_levels(
        weights[:, [u.index for u in shown]], network.image_shape, scale=scale, limit=limit
    )
    columns = min(COLUMNS, len(shown))
    chosen = min(state.get("weights.unit", 0), len(everyone) - 1)
    clicked = tiles(
        pictures.palette_png(pictures.sheet(levels, columns=columns), dark=dark),
        columns=columns,
        shape=network.image_shape,
        captions=[u.name for u in shown],
        labels=[u.sentence for u in shown],
        ids=[u.index for u in shown],
        selected=chosen,
        label=f"Incoming weights of {len(shown)} units; choose one to see it large",
        key="weights.tiles",
    )
    if clicked is not None and clicked != chosen:
        state.put("weights.unit", clicked)
        st.rerun(scope="fragment")
    live_plot(
        figures.colour_key(limit, own=scale == "own", dark=dark),
        key="weights.key",
        label="Key: blue is negative, neutral is zero, orange is positive",
    )
    return next((u for u in everyone if u.index == chosen), everyone[0])


def one_unit(network: Network, unit: units.Unit, dark: bool) -> None:
    """Show one unit large, with what it says to the next layer."""
    st.markdown(f"## {'Class ' if len(network.layers) == 1 else ''}{units.plain(unit.name)}")
    st.caption(f"Strength {unit.strength:.2f} · bias {unit.bias:+.2f}")
    weights = network.layers[0].weights[:, [unit.index]]
    levels = pictures.weight_levels(weights, network.image_shape, scale="own")
    tiles(
        pictures.palette_png(levels[0], dark=dark),
        columns=1, shape=network.image_shape, captions=[""], labels=[unit.sentence],
        label="The chosen unit", key="weights.large", tile_px=224,
    )  # fmt: skip
    if len(network.layers) > 1 and network.sizes[2] <= 30:
        st.markdown("**What it speaks for**")
        names = units.unit_names(network, 1)
        outgoing = network.layers[1].weights[unit.index]
        live_plot(
            figures.weight_bars(outgoing, names, dark=dark),
            key="weights.outgoing",
            label=f"Outgoing weights of {unit.name}: most for {names[int(outgoing.argmax())]},"
            f" most against {names[int(outgoing.argmin())]}",
        )


def download(held: Entry, scale: str, by_strength: bool, dark: bool) -> None:
    """Offer all units of the first layer as one picture, made only when asked for."""
    network = held.network

    def picture() -> bytes:
        order = [u.index for u in units.units_of(network, 0, by_strength=by_strength)]
        weights = network.layers[0].weights[:, order]
        zoom = max(1, 84 // max(network.image_shape))
        shape = network.image_shape
        image = pictures.weight_mosaic(
            weights, shape, columns=COLUMNS, scale=scale, zoom=zoom, dark=dark
        )
        return pictures.png(image)

    st.download_button(
        "Download as PNG", picture, file_name=f"{units.file_name(held.name)}-weights.png",
        mime="image/png", on_click="ignore", key="weights.png", icon=":material/download:",
    )  # fmt: skip
