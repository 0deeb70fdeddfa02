"""Unit weights: what every unit that looks at pixels, or map of a convolution, looks for."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.pager import pager
from dashboard.components.tiles import tiles
from dashboard.present import figures, glossary, pictures, units
from dashboard.present.outside import file_name, plain
from dashboard.sections import follow_choice
from dashboard.store.networks import Entry
from nnengine.core.network import Network

COLUMNS = 12  # of the sheet and of the downloaded picture
CHANNELS = 24  # of a map's, shown at once
LARGE = "weights-unit"  # the key of what shows one unit large
# Beside more tiles than a screen has room for, the one that is shown large stays in view.
STYLE = f"""<style>
.stColumn:has(.st-key-{LARGE}) {{ position: sticky; top: 4.5rem; align-self: flex-start }}
</style>"""
_PRIMARIES = ("Red", "Green", "Blue")


def unit_images(
    network: Network, layer: int, scale: str, by_strength: bool, dark: bool
) -> units.Unit:
    """Show a layer's units or maps as tiles with their key; return the chosen one."""
    everyone = units.units_of(network, layer, by_strength=by_strength)
    kind = units.kind_of_units(network, layer)
    means = glossary.explained("Convolution" if kind == "Map" else "Unit")
    page = pager(f"{kind}s", len(everyone), key=f"weights.page.{layer}", help=means)
    shown = [everyone[i] for i in page]
    limit = _limit(network, layer)
    columns = min(COLUMNS, len(shown))
    picture, shape = _sheet(network, layer, [u.index for u in shown], columns, scale, dark)
    chosen = min(state.get("weights.unit", 0), len(everyone) - 1)
    clicked = tiles(
        picture,
        columns=columns,
        shape=shape,
        captions=[u.name for u in shown],
        labels=[u.sentence for u in shown],
        ids=[u.index for u in shown],
        selected=chosen,
        label=f"Incoming weights of {len(shown)} {kind.lower()}s; choose one to see it large",
        key="weights.tiles",
        leads_to=LARGE,
    )
    if clicked is not None and clicked != chosen:
        state.put("weights.unit", clicked)
        st.rerun(scope="fragment")
    if _in_colour(network, layer):
        st.caption("Red, green and blue as the weights of each; a middle grey is zero.")
    else:
        live_plot(
            figures.colour_key(limit, own=scale == "own", dark=dark),
            key="weights.key",
            label="Key: blue is negative, neutral is zero, orange is positive",
        )
    return next((u for u in everyone if u.index == chosen), everyone[0])


def _in_colour(network: Network, layer: int) -> bool:
    return layer == 0 and network.channels == 3


def _windows(network: Network, layer: int) -> np.ndarray:
    """Return weights as (h, w, channels, units or maps): of a dense layer a window is an image."""
    weights = network.layers[layer].weights
    return weights.reshape(*network.shape, -1) if weights.ndim == 2 else weights


def _limit(network: Network, layer: int) -> float:
    """Return the magnitude that gets the strongest colour on a common scale."""
    weights = network.layers[layer].weights
    if network.specs[layer].kind == "conv" and not _in_colour(network, layer):
        weights = weights.mean(axis=2)
    return pictures.weight_limit(weights)


def _sheet(
    network: Network, layer: int, indices: list[int], columns: int, scale: str, dark: bool
) -> tuple[bytes, tuple[int, int]]:
    """Return a PNG of these units' weights, and the shape of a tile."""
    weights, limit = network.layers[layer].weights[..., indices], _limit(network, layer)
    shape = network.specs[layer].window
    if _in_colour(network, layer):
        windows = _windows(network, layer)[..., indices]
        colours = pictures.filter_colours(windows, None if scale == "own" else limit)
        return pictures.png(pictures.colour_sheet(colours, columns=columns)), colours.shape[1:3]
    if network.specs[layer].kind == "conv":
        levels = pictures.filter_levels(weights, scale=scale, limit=limit)
    else:
        shape = network.image_shape
        levels = pictures.weight_levels(weights, shape, scale=scale, limit=limit)
    return pictures.palette_png(pictures.sheet(levels, columns=columns), dark=dark), shape


def one_unit(network: Network, layer: int, unit: units.Unit, dark: bool) -> None:
    """Show one unit or map large, with what it says to the next layer."""
    kind = "Class " if len(network.layers) == 1 else ""
    conv = network.specs[layer].kind == "conv"
    with st.container(key=LARGE):
        st.markdown(f"## {kind}{plain(unit.name)}", help=glossary.explained("Unit", "Bias"))
        st.caption(f"Strength {unit.strength:.2f} · bias {unit.bias:+.2f}")
        follow_choice.link_to_unit(network, layer, unit.index)
        if conv or _in_colour(network, layer):
            _channels(network, layer, unit, dark)
        else:
            _large(network, layer, unit, dark)
    following = network.specs[1] if len(network.layers) > 1 else None
    if not conv and following and following.kind == "dense" and following.units <= 30:
        _speaks_for(network, unit, dark)


def _large(network: Network, layer: int, unit: units.Unit, dark: bool) -> None:
    """Show a unit that looks at grey pixels as one image."""
    weights = network.layers[layer].weights[:, [unit.index]]
    levels = pictures.weight_levels(weights, network.image_shape, scale="own")
    tiles(
        pictures.palette_png(levels[0], dark=dark),
        columns=1, shape=network.image_shape, captions=[""], labels=[unit.sentence],
        label="The chosen unit", key="weights.large", tile_px=224,
    )  # fmt: skip


def _channels(network: Network, layer: int, unit: units.Unit, dark: bool) -> None:
    """Show what a unit or map looks for in each channel, the strongest of many."""
    weights = _windows(network, layer)[..., unit.index]  # (h, w, channels)
    count, shape = weights.shape[2], weights.shape[:2]
    strongest = np.argsort(-np.linalg.norm(weights, axis=(0, 1)), kind="stable")[:CHANNELS]
    order = np.sort(strongest)
    flat = weights[..., order].reshape(-1, len(order))
    limit = pictures.weight_limit(weights)
    levels = pictures.weight_levels(flat, shape, limit=limit)
    columns = min(COLUMNS, len(order))
    names = [f"Channel {i + 1}" for i in order] if count > 1 else [""]
    names = list(_PRIMARIES) if _in_colour(network, layer) else names
    tiles(
        pictures.palette_png(pictures.sheet(levels, columns=columns), dark=dark),
        columns=columns, shape=shape, captions=names,
        labels=[name or unit.sentence for name in names],
        label=f"What {unit.name} looks for in each channel", key="weights.large",
        tile_px=224 if count == 1 else 72,
    )  # fmt: skip
    if count > len(order):
        st.caption(f"The {len(order)} channels that count most, of {count:,}.")


def _speaks_for(network: Network, unit: units.Unit, dark: bool) -> None:
    """Show a first unit's weights to the next layer."""
    st.markdown("**What it speaks for**")
    names = units.unit_names(network, 1)
    outgoing = network.layers[1].weights[unit.index]
    live_plot(
        figures.weight_bars(outgoing, names, dark=dark),
        key="weights.outgoing",
        label=f"Outgoing weights of {unit.name}: most for {names[int(outgoing.argmax())]},"
        f" most against {names[int(outgoing.argmin())]}",
    )


def download(held: Entry, layer: int, scale: str, by_strength: bool, dark: bool) -> None:
    """Offer all units of a layer as one picture, made only when asked for."""
    network = held.network

    def picture() -> bytes:
        order = [u.index for u in units.units_of(network, layer, by_strength=by_strength)]
        weights = network.layers[layer].weights[..., order]
        shape = network.image_shape
        if _in_colour(network, layer):
            limit = None if scale == "own" else _limit(network, layer)
            colours = pictures.filter_colours(_windows(network, layer)[..., order], limit)
            zoom = max(1, 84 // max(colours.shape[1:3]))
            return pictures.png(pictures.mosaic(colours, columns=COLUMNS, zoom=zoom))
        if network.specs[layer].kind == "conv":
            shape = network.specs[layer].window
            weights = weights.mean(axis=2).reshape(-1, len(order))
        zoom = max(1, 84 // max(shape))
        image = pictures.weight_mosaic(
            weights, shape, columns=COLUMNS, scale=scale, zoom=zoom, dark=dark
        )
        return pictures.png(image)

    st.download_button(
        "Download as PNG", picture, file_name=f"{file_name(held.name)}-weights.png",
        mime="image/png", on_click="ignore", key="weights.png", icon=":material/download:",
    )  # fmt: skip
