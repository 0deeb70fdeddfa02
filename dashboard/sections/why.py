"""Why: which ink and which units speak for an answer, what would turn it, and what it is like."""

from __future__ import annotations

import sys

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.drawing_pad import Sheet
from dashboard.components.live_plot import live_plot
from dashboard.components.tiles import tiles
from dashboard.present import answers, figures, glossary, pictures, reasons
from dashboard.present.outside import plain, shown
from dashboard.sections import live
from dashboard.sections.drawing import BY_HAND, PAD
from dashboard.sections.robustness import fits
from dashboard.store.budget import of_result
from dashboard.store.memory import arrays
from dashboard.store.networks import Entry
from nnengine.analysis import likeness, why
from nnengine.analysis.counterfactual import least_change
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset

TICK_S = 1.0
ALIKE = 8
_INSIDES = "why.insides"
# Bars go below the picture where they would be too narrow for their numbers.
_STYLE = """<style>[data-testid=stLayoutWrapper]:has(> [class*=st-key-why-bars]) {
min-width: min(19rem, 100%) }</style>"""
_AT_ONCE = sys.platform != "emscripten"  # the search for a change: a tab is asked for it


def of_drawing(held: Entry, framed: np.ndarray | None) -> None:
    """Show why the network in hand answers as it does; while its run is live, every second."""
    run = state.run_of(held)
    learning = bool(run and run.live)

    def why_part() -> None:
        network = (state.network() or held).network
        if framed is None or not answers.readable(network):
            st.header("Why this answer?", help=glossary.explained("Margin", "Logit"))
            st.caption("Draw a digit: which ink speaks for the answer, and which against, is here.")
            return
        show(network, answers.seen(network, framed), key="draw.why", learning=learning)

    live.part(why_part, TICK_S if learning else None)()


def show(
    network: Network, image: np.ndarray, *, key: str, learning: bool = False, on_draw: bool = True
) -> None:
    """Show why a network answers an image as it does.

    image: uint8, (height, width) or with channels behind that, as the network sees it. learning:
    it changes every second, so that nothing that takes long is asked. on_draw: this is the page
    with the pad.
    """
    if network.classes < 2 or not np.isfinite(network.logits(image)).all():
        return  # one answer alone, or a run that has diverged: nothing can be compared
    answer = int(network.predict(image)[0])
    first, second = _pair(network, image, answer, key)
    found, dark = why.shares(network, image, first, second), st.context.theme.type == "dark"
    st.html(_STYLE)
    st.markdown(reasons.sentence(found, network.class_names))
    sides = st.container(horizontal=True, gap="large")
    with sides.container(width=244):
        _shares(found, network, image, key, dark)
    with sides.container(width="stretch", key=f"why-bars-{key}".replace(".", "-")):
        _sum(found, network, key, dark)
        _units(found, network, key, dark)
    st.caption(reasons.exactness(found))
    if learning:
        st.caption("What would turn the answer can be asked when the network rests.")
        return
    _turning(network, image, second if second != answer else first, key, dark, on_draw)
    _alike(network, image, answer, key)


def _pair(network: Network, image: np.ndarray, answer: int, key: str) -> tuple[int, int]:
    """Offer two answers to compare, at first the network's own and the next; return them.

    Another key for another answer: the pair that was chosen for one digit is no good for the next.
    """
    names = network.class_names
    heading = st.container()
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        first = st.selectbox(
            "Why", range(len(names)), index=answer, key=f"{key}.first.{answer}",
            format_func=lambda i: shown(names[i]), width=150,
        )  # fmt: skip
        others = [i for i in range(len(names)) if i != first]
        _, near = why.pair(network, image, first, None)
        second = st.selectbox(
            "and not", others, index=others.index(near), key=f"{key}.second.{first}.{near}",
            format_func=lambda i: shown(names[i]), width=150,
        )  # fmt: skip
    heading.header(f"Why {plain(names[first])}, not {plain(names[second])}?")
    return first, second


def _shares(found: why.Shares, network: Network, image: np.ndarray, key: str, dark: bool) -> None:
    """Show each pixel's part, with its key."""
    one, other = (network.class_names[i] for i in (found.first, found.second))
    tiles(
        reasons.share_picture(found, image, dark=dark), columns=1, shape=image.shape[:2],
        captions=[""], tile_px=244, key=f"{key}.shares", label="What each pixel speaks for",
        labels=[
            f"Each pixel by what it speaks for: {found.speaks_for:.1f} points for {one}, "
            f"{-found.speaks_against:.1f} for {other}"
        ],
    )  # fmt: skip
    st.html(reasons.legend(f"ink here speaks for {one}", f"against it, for {other}", dark=dark))


def _sum(found: why.Shares, network: Network, key: str, dark: bool) -> None:
    """Show what makes up the margin."""
    bars = reasons.sum_bars(found, network)
    st.markdown("**What it adds up to**, in points")
    live_plot(
        figures.weight_bars(np.array(bars.values), bars.names, dark=dark), key=f"{key}.sum",
        label=f"What it adds up to, in points: {bars.spoken}",
    )  # fmt: skip


def _units(found: why.Shares, network: Network, key: str, dark: bool) -> None:
    """Show what a layer's units are worth for this image."""
    layers = reasons.hidden_layers(network)
    if not layers:
        return
    names = list(layers)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Units, by what they bring in here**")
        chosen = st.selectbox(
            "Layer", names, index=len(names) - 1, key=f"{key}.layer.{len(names)}", width=230,
            label_visibility="collapsed",
        )  # fmt: skip
    layer = layers.get(chosen, layers[names[-1]])
    kind = "Map" if found.units[layer].shape[0] > 1 else "Unit"
    bars = reasons.unit_bars(found, layer, kind)
    live_plot(
        figures.weight_bars(np.array(bars.values), bars.names, dark=dark), key=f"{key}.units",
        label=f"{kind}s by what they bring in here, in points: {bars.spoken}",
    )  # fmt: skip


# What would turn it --------------------------------------------------------------------------


def _turning(
    network: Network, image: np.ndarray, to: int, key: str, dark: bool, on_draw: bool
) -> None:
    """Show the least change of ink that turns the answer, once it is wanted."""
    name = network.class_names[to]
    state.set_widget(f"{key}.turn", _AT_ONCE and on_draw, over=False)
    if not st.toggle(f"The least ink that makes it {plain(name)}", key=state.widget(f"{key}.turn")):
        return
    turned = least_change(network, np.ascontiguousarray(image), to)
    if turned is None:
        st.caption(f"No change that was tried makes this {plain(name)}.")
        return
    st.markdown(reasons.change_words(turned, network.class_names))
    names = [shown(network.class_names[i]) for i in (turned.before, turned.after)]
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=350):
            _before_and_after(turned.image, image, names, key)
        with st.container(width=168):
            tiles(
                reasons.change_picture(turned, image, dark=dark), columns=1,
                shape=image.shape[:2], captions=["changed"], tile_px=168, key=f"{key}.changed",
                label="Changed pixels", labels=[
                    f"The {len(turned.places)} changed pixels: orange is ink added, blue ink taken"
                ],
            )  # fmt: skip
    st.caption("Changed: orange is ink added, blue is ink taken away.")
    if image.shape == (28, 28):
        _try_it(turned.image, key, on_draw)


def _before_and_after(after: np.ndarray, image: np.ndarray, names: list[str], key: str) -> None:
    sheet = np.concatenate([image, after], axis=1)
    tiles(
        pictures.png(sheet), columns=2, shape=image.shape[:2], tile_px=168, key=f"{key}.turned",
        captions=[f"read as {name}" for name in names], label="Before and after",
        labels=[f"Before: read as {names[0]}", f"After: read as {names[1]}"],
    )  # fmt: skip


def _try_it(image: np.ndarray, key: str, on_draw: bool) -> None:
    pressed = st.button(
        "Try it on the pad", key=f"{key}.try", icon=":material/draw:", on_click=_place,
        args=(image,), help="The changed image takes the place of what is on the pad.",
    )  # fmt: skip
    if pressed and not on_draw:
        st.switch_page("views/draw.py")
    elif pressed:
        st.rerun()


def _place(image: np.ndarray) -> None:
    sheet = state.get(PAD) or Sheet()
    sheet.place(image)
    state.put(PAD, sheet)
    state.set_widget("draw.source", BY_HAND)


# What it is like ---------------------------------------------------------------------------


def _data(network: Network) -> tuple[Dataset, bool] | None:
    """Return images to look among, and whether the network is known to have learnt from them."""
    learnt = {record.get("data_digest") for record in network.training} - {None}
    for data in (state.training_set(), state.built_in().train):
        if data is not None and fits(network, data):
            return data, data.digest in learnt
    return None


def _alike(network: Network, image: np.ndarray, answer: int, key: str) -> None:
    """Show the images that are most alike inside the network, once they are wanted."""
    found = _data(network)
    if found is None:
        return
    data, learnt = found
    what = "training images" if learnt else "images at hand"
    st.markdown(f"**The {what} most like it, inside the network**")
    known = state.pinned(_INSIDES)
    if known is None or known[0] is not network or known[1] is not data:
        if not st.button(
            f"Look through {len(data):,} images", key=f"{key}.alike", icon=":material/search:"
        ):
            return
        with st.spinner("Looking"):
            known = network, data, likeness.insides(network, data.images)
        state.pin(_INSIDES, known, of_result(network, data) | arrays([known[2].numbers]))
    rows, cosines = likeness.most_alike(network, image, known[2], ALIKE)
    labels = [int(data.labels[row]) for row in rows]
    st.caption(reasons.alike_words(labels, answer, network.class_names))
    shown_, count = data.images[rows], len(rows)
    tiles(
        pictures.png(pictures.sheet(shown_, columns=count)), columns=count,
        shape=shown_.shape[1:3], captions=[data.class_names[label] for label in labels],
        labels=[
            f"{data.class_names[label]}, alike by {cosine:.2f}"
            for label, cosine in zip(labels, cosines, strict=True)
        ],
        label="The images most like it, most first", key=f"{key}.alike.tiles", tile_px=72,
    )  # fmt: skip
    st.caption("Alike: how far the last hidden layer's numbers point the same way, 1 at the most.")
