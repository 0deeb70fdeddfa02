"""Weights: what every unit has learnt to look for, live while it learns."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.tiles import tiles
from dashboard.present import figures, pictures, units
from dashboard.sections import live

TICK_S = 0.5
COLUMNS = 12  # of the sheet and of the downloaded picture


def empty() -> None:
    """Say what would be here and where to get it."""
    with st.container(border=True):
        st.markdown("## No network yet")
        st.write(
            "Start a run, or restore a saved model. Then every unit's incoming weights are shown"
            " here as an image, and change while the network learns."
        )
        with st.container(horizontal=True):
            st.page_link("views/train.py", label="Start a run", icon=":material/play_arrow:")
            st.page_link("views/models.py", label="Restore a model", icon=":material/folder_open:")


def choices(network) -> tuple[int, str, bool]:
    """Offer layer, scale and order; return (layer index, scale, by strength)."""
    names = units.layer_names(network)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layer = st.selectbox(
            "Layer", range(len(names)), format_func=names.__getitem__, width=300,
            key=f"keep.weights.layer.{len(names)}",
        )  # fmt: skip
        scale = st.segmented_control(
            "Colour scale", ["Common", "Own"], default="Common", key="weights.scale",
            help="Common: colours compare between units. Own: each unit uses the full range,"
            " so faint ones show their shape.",
        )  # fmt: skip
        order = st.segmented_control(
            "Order", ["Index", "Strength"], default="Index", key="weights.order",
            help="Strength is the norm of a unit's incoming weights.",
        )  # fmt: skip
    return layer or 0, "own" if scale == "Own" else "common", order == "Strength"


def unit_images(network, scale: str, by_strength: bool, dark: bool) -> units.Unit:
    """Show the first layer's units as tiles with their key; return the chosen unit."""
    everyone = units.units_of(network, 0, by_strength=by_strength)
    slices = units.pages(len(everyone))
    page = slices[0]
    if len(slices) > 1:
        place = st.selectbox(
            "Units", range(len(slices)), width=200, key=f"weights.page.{len(everyone)}",
            format_func=lambda i: f"{slices[i][0] + 1}–{slices[i][-1] + 1} of {len(everyone)}",
        )  # fmt: skip
        page = slices[place or 0]
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


def one_unit(network, unit: units.Unit, dark: bool) -> None:
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


def matrix(network, layer: int, dark: bool) -> None:
    """Show a layer's weights, and its biases beneath, as labelled heatmaps."""
    here = network.layers[layer]
    before, after = units.source_names(network, layer), units.unit_names(network, layer)
    small = len(before) <= 40 and len(after) <= 40
    last = layer == len(network.layers) - 1
    live_plot(
        figures.heatmap(
            here.weights, dark=dark, x_title="To class" if last else "To unit",
            y_title="From unit" if layer else "From input",
            x_names=[n.removeprefix("Unit ") for n in after] if small else None,
            y_names=[n.removeprefix("Unit ") for n in before] if small else None,
        ),
        key=f"weights.matrix.{layer}",
        label=f"Weights of layer {layer + 1}: {len(before)} by {len(after)},"
        f" from {here.weights.min():.2f} to {here.weights.max():.2f}",
    )  # fmt: skip
    biases(network, layer, dark)


def biases(network, layer: int, dark: bool) -> None:
    """Show one layer's biases as a strip."""
    values = network.layers[layer].biases
    names = [n.removeprefix("Unit ") for n in units.unit_names(network, layer)]
    last = layer == len(network.layers) - 1
    st.markdown("## Biases")
    live_plot(
        figures.heatmap(
            values[np.newaxis], x_title="Class" if last else "Unit", y_title="", y_names=["bias"],
            x_names=names if len(names) <= 40 else None, dark=dark,
        ),
        key=f"weights.biases.{layer}",
        label=f"Biases of layer {layer + 1}: {len(values)}, from {values.min():.2f}"
        f" to {values.max():.2f}",
    )  # fmt: skip


def download(held, scale: str, by_strength: bool, dark: bool) -> None:
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


def page() -> None:
    """Draw the page; while the run in hand is live, draw it twice a second."""
    run = state.current_run()
    held = state.network()
    st.title("Weights")
    if held is None:
        empty()
        return
    learning = bool(run and run.live and held.kind == "run")
    layer, scale, by_strength = choices(held.network)
    dark = st.context.theme.type == "dark"

    def inside() -> None:
        now = state.network()
        if now is None or now.network.sizes != held.network.sizes:
            st.rerun()
        steps = run.step if run and now.kind == "run" else None
        about = units.summary(now.network, steps)
        st.caption(f"**{units.plain(now.name)}** · {about}{' · live' * learning}")
        if layer == 0 and min(now.network.image_shape) > 1:
            left, right = st.columns([5, 2], gap="large")
            with left:
                unit = unit_images(now.network, scale, by_strength, dark)
                download(now, scale, by_strength, dark)
                biases(now.network, 0, dark)
            with right:
                one_unit(now.network, unit, dark)
        else:
            matrix(now.network, layer, dark)
        spread(now.network)
        if learning and not (run and run.live):
            st.rerun()  # the last weights are drawn: stop the clock

    live.part(inside, TICK_S if learning else None)()


def spread(network) -> None:
    """Show how the weights of each layer are distributed."""
    st.markdown("## How large the weights are, layer by layer")
    live_plot(
        figures.distribution({f"Layer {i + 1}": a.weights for i, a in enumerate(network.layers)}),
        key="weights.spread",
        height=260,
        label="Distribution of weights: " + units.spread_words(network),
    )


page()
