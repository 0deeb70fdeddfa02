"""Rewind: a run at any of its moments: what it looked for, what it mixed up, what it answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.components.player import player
from dashboard.components.tiles import tiles
from dashboard.host.tab import IN_TAB
from dashboard.present import answers, figures, maps, pictures, rewinding, units, words
from dashboard.present import matrix as table
from dashboard.present.answers import Answer
from dashboard.present.outside import apart, plain, shown
from dashboard.runs.run import Run
from dashboard.sections import live, moment_link
from dashboard.sections.curves import MARK
from dashboard.sections.drawing import PAD, frame
from dashboard.sections.robustness import examination
from dashboard.sections.way import draw_strip
from nnengine.core.metrics import confusion_matrix
from nnengine.core.network import Network
from nnengine.errors import EngineError

UNITS, COLUMNS = 24, 12  # of the first layer, as images
TILE_PX = 48  # of a unit, or a map
# Images that the matrix is of, in a third of a second at the slowest: a tab has one core, and a
# convolution takes as long as thirty dense layers.
JUDGED, JUDGED_SLOWLY = 10_000, 1_000
TICK_S = 1.0  # while moments come that are waited for
PACKED_AT_ONCE = 1  # in a tab, between two of whatever else wants its turn


@dataclass(frozen=True, slots=True)
class Shown:
    """An image that a network is asked about: its words, its pixels, and its class if known."""

    words: str
    image: np.ndarray
    name: str | None
    drawn: bool


def rewind(run: Run) -> None:
    """Show the run at a moment that a slider chooses, once it has two."""
    told = run.recording
    if told is None or not (told.due or told.steps):
        if told is not None:
            st.caption("This network is too large for moments of its run to be kept.")
        return
    if IN_TAB and run.recording.waiting and not run.live:
        live.meanwhile(_packing(run))
    waits = _waits(run)
    live.part(_inside, TICK_S if waits else None)(run, waits)


def _waits(run: Run) -> bool:
    """Return whether moments come that the page should show by itself.

    Not in a tab: a drawing takes its time from training, and behind a run from packing its moments,
    which are all there by then, and from whoever moves the slider.
    """
    told = run.recording
    if IN_TAB:
        return False
    if not run.live:
        return told.waiting > 0
    return len(told.steps) < 2 or moment_link.awaits(run)


def _packing(run: Run) -> Iterable:
    return (lambda: run.recording.pack(PACKED_AT_ONCE) for _ in range(run.recording.waiting))


def _inside(run: Run, waited: bool) -> None:
    if waited and not _waits(run):
        st.rerun()  # nothing more comes by itself: stop the clock
    told = run.recording
    with st.container(border=True, key="rewind"):
        st.markdown("## Rewind")
        if len(told.steps) < 2:
            st.caption("Some hundred moments of the run are kept. The first ones come in a moment.")
            return
        step = _choose(run, steps := told.steps)
        if state.get("rewind.redraw"):  # the curves have a mark now, and are no part of this
            state.put("rewind.redraw", False)
            st.rerun()
        try:
            network, size = told.network(step, run.snapshot), told.size(step)
        except EngineError as fault:
            st.error(plain(fault))
            return
        each = run.data_count
        images = step * min(run.recipe.batch_size or each, each)
        st.caption(
            rewinding.about(
                step, run.total_steps, images / max(each, 1), words.size(size),
                words.size(told.moments.packed_bytes + told.waiting_bytes), len(steps),
            )
        )  # fmt: skip
        st.html(answers.STYLE)
        _answer(run, network)
        left, right = st.columns([1, 1], gap="medium")
        with left:
            _weights(network, run.snapshot)
        with right:
            _matrix(network)
        moment_link.offer(run, network, step)


def _choose(run: Run, steps: list[int]) -> int:
    """Offer the moments as a slider with buttons; return the step of the one chosen."""
    name = f"rewind.{run.id}"
    if (asked := moment_link.asked_step(run, steps)) is not None:
        state.set_widget(name, asked)
    end = state.get(f"{name}.end")  # who stands at the end goes on with the run
    if state.widget_value(name) not in steps or state.widget_value(name) == end:
        state.set_widget(name, steps[-1])
    state.put(f"{name}.end", steps[-1])
    top, buttons = st.container(), st.container()
    place = steps.index(state.widget_value(name))
    with buttons:
        wanted = player(place, len(steps), label="Play the run", key="rewind.player")
    if wanted is not None and wanted != place and wanted < len(steps):
        state.set_widget(name, steps[wanted])
        st.rerun(scope="fragment")
    with top:
        st.select_slider(
            "Step of the run", steps, key=state.widget(name, map(str, steps)),
            format_func="{:,}".format,
            help="Dense at the start, where most is learnt. Arrow keys move it as well.",
        )  # fmt: skip
    return state.widget_value(name)


# What is seen at a moment ----------------------------------------------------------------


def _weights(network: Network, last: Network) -> None:
    """Show what the first units look for, on the colour scale of the run's last weights."""
    st.markdown("**What it looks for**")
    layer = units.weighing(network)[0]
    if not units.is_pictured(network, layer) or network.channels == 3:
        st.caption("The first layer's weights do not stand for grey pixels: the Weights page has"
                   " them as numbers and in colour.")  # fmt: skip
        return
    everyone, dark = units.units_of(network, layer), st.context.theme.type == "dark"
    chosen = everyone[:UNITS]
    weights = network.layers[layer].weights[..., : len(chosen)]
    limit = pictures.weight_limit(last.layers[layer].weights)
    if network.specs[layer].kind == "conv":
        levels = pictures.filter_levels(weights, scale="common", limit=limit)
    else:
        levels = pictures.weight_levels(weights, network.image_shape, limit=limit)
    columns = min(COLUMNS, len(chosen))
    tiles(
        pictures.palette_png(pictures.sheet(levels, columns=columns), dark=dark),
        columns=columns, shape=levels.shape[1:], captions=[""] * len(chosen),
        labels=[one.sentence for one in chosen], tile_px=TILE_PX, key="rewind.weights",
        label=f"Incoming weights of {len(chosen)} {units.kind_of_units(network, layer).lower()}s",
    )  # fmt: skip
    if len(everyone) > len(chosen):
        st.caption(f"The first {len(chosen)} of {len(everyone):,}.")


def _matrix(network: Network) -> None:
    """Show which class is taken for which, on as many images as there is time for."""
    st.markdown("**What it mixes up**")
    found = examination(network)
    if found is None:
        st.caption("No images in hand are of this network's size and classes.")
        return
    data, part = found
    most = JUDGED if network.is_dense and not IN_TAB else JUDGED_SLOWLY
    images, labels = data.images[:most], data.labels[:most]
    matrix = confusion_matrix(network.predict(images), labels, network.classes)
    right = int(np.trace(matrix))
    of = f"the first {len(labels):,} of {data.count:,}" if most < data.count else f"{data.count:,}"
    st.caption(f"{100 * right / len(labels):.2f} % right, on {of} {part} images.")
    dark = st.context.theme.type == "dark"
    label = (
        f"Confusion matrix, true class by predicted class: {right:,} of {len(labels):,} are right"
    )
    if data.classes > table.MOST_CLASSES:
        chart = figures.confusion(matrix, data.class_names, dark=dark)
        live_plot(chart, key="rewind.matrix", label=label)
        return
    with st.container(key="rewind-matrix"):
        st.html(table.STYLE + table.table(matrix, data.class_names, dark=dark, label=label))


def _answer(run: Run, network: Network) -> None:
    """Show what it answers to a drawing, or to an image of the data, and when it came to that."""
    choice = images_for(network)
    if not choice:
        return
    names = apart([one.words for one in choice])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = state.widget("rewind.image", names)
        picked = st.selectbox("Ask it about", names, key=key, width=220, format_func=shown)
        asked = choice[names.index(picked)] if picked in names else choice[0]
        found = _asked(network, asked)
        wanted = _wanted(run, network, asked, found)
        st.button(
            f"When did it learn {'my ' * asked.drawn}{plain(network.class_names[wanted])}?",
            key="rewind.when", on_click=when, args=(run, asked, wanted),
        )  # fmt: skip
    told, sentence = state.get("rewind.told", (None, ""))
    if told == (run.id, asked.image.tobytes(), wanted):
        st.write(plain(sentence))
    with st.container(horizontal=True, gap="small"):
        with st.container(width=104):
            image = answers.seen(network, asked.image) if asked.drawn else asked.image
            tiles(
                pictures.png(image), columns=1, shape=image.shape[:2], captions=[""],
                labels=[shown(asked.words)], label="What it is asked about", key="rewind.seen",
                tile_px=96,
            )  # fmt: skip
        with st.container(width=160):
            st.html(answers.headline(found, above="At this moment", small=True))
        with st.container(width="stretch", key="draw-bars"):
            st.html(answers.bars(network.class_names, found, small=True))
    if not asked.drawn and not any(one.drawn for one in choice):
        st.page_link("views/draw.py", label="Draw a digit of your own", icon=":material/draw:")
    _maps(network, image)


def _maps(network: Network, image: np.ndarray) -> None:
    """Show what layers with maps make of the image."""
    dark = st.context.theme.type == "dark"
    for strip in maps.strips(network, image, maps.few_of_each(network)):
        draw_strip(strip, f"rewind.maps.{strip.stage.layer}", dark, TILE_PX)


# Who is asked about what -----------------------------------------------------------------


def images_for(network: Network) -> list[Shown]:
    """Return what a network can be asked about: the sheet's drawing, those kept, a test image of
    each class."""
    found = []
    if answers.readable(network):
        sheet = state.get(PAD)
        drawn = frame(sheet.pixels) if sheet else None
        if drawn is not None:
            found.append(Shown("My drawing", drawn, None, True))
        for one in reversed(state.kept()[-10:]):
            name = one.name if one.name in network.class_names else None
            found.append(Shown(f"My {one.name}", one.image, name, True))
    if (judged := examination(network)) is not None:
        data, part = judged
        for label, name in list(enumerate(data.class_names))[: answers.MOST_BARS]:
            rows = np.flatnonzero(data.labels == label)
            if len(rows):
                image = data.images[rows[0]]
                found.append(Shown(f"{part.capitalize()} image of {name}", image, name, False))
    return found


def _asked(network: Network, asked: Shown) -> Answer:
    image = answers.seen(network, asked.image) if asked.drawn else asked.image
    p = network.predict_proba(image)[0]
    order = np.argsort(-p, kind="stable")
    return Answer(p, int(order[0]), int(order[min(1, len(p) - 1)]), network.class_names)


def _wanted(run: Run, network: Network, asked: Shown, found: Answer) -> int:
    """Return the class that an image is of: as it is known, else as its owner says."""
    if asked.name is not None:
        return network.class_names.index(asked.name)
    names = list(network.class_names)
    last = _asked(run.snapshot, asked).first
    state.set_widget("rewind.class", names[last], over=False)
    if state.widget_value("rewind.class") not in names:
        state.set_widget("rewind.class", names[last])
    st.selectbox("It is", names, key=state.widget("rewind.class", names), width=110,
                 format_func=shown)  # fmt: skip
    return names.index(state.widget_value("rewind.class"))


def when(run: Run, asked: Shown, wanted: int) -> None:
    """Ask every moment about an image, and mark on the curves where it came out right for good."""
    told = run.recording
    steps = told.steps
    name = run.snapshot.class_names[wanted]
    network = run.snapshot.copy()
    found = []
    for step in steps:
        network.theta[:] = told.theta(step)
        found.append(_asked(network, asked).first)
    key = run.id, asked.image.tobytes(), wanted
    state.put("rewind.told", (key, rewinding.learnt(steps, found, wanted, name)))
    at = rewinding.right_for_good(found, wanted)
    mark = None if at is None else rewinding.Mark(run.id, steps[at], f"{name} for good")
    state.put(MARK, mark)
    state.put("rewind.redraw", True)
