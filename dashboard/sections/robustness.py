"""Robustness: which images and networks to examine, and the charts of what was measured."""

from __future__ import annotations

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.present import figures, robustness, words
from dashboard.present.outside import html, plain
from dashboard.present.robustness import KINDS, Kind
from dashboard.present.style import SERIES
from dashboard.sections import network_choice, recipe_form
from dashboard.store import robustness as measuring
from dashboard.store.networks import Entry, looks_at
from dashboard.store.robustness import Watch
from nnengine.analysis.robustness import remedy
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import EngineError

SLICE_S = 0.1  # of measuring: with 30 ms for the charts a tick stays within 150
OTHERS = 2  # beside the network in hand: three lines can be told apart

# Three cards in a row, two where they would be too narrow for the images below their charts.
CARDS = """<style>[data-testid=stLayoutWrapper]:has(> [class*=st-key-fragility-card]) {
flex: 1 1 30%; min-width: min(20rem, 100%) }</style>"""
LEGEND = """<style>.nn-legend { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem;
font-variant-numeric: tabular-nums } .nn-legend i { display: inline-block; width: 1.1rem;
height: .2rem; border-radius: 2px; vertical-align: .25rem; margin-right: .5rem }</style>
<div class="nn-legend">{lines}</div>"""


def examination(network: Network) -> tuple[Dataset, str] | None:
    """Return images to examine a network on, and which they are; None where none fit it.

    The test set in hand, else the built-in digits', else the training set.
    """
    for find, part in (
        (state.test_set, "test"),
        (lambda: state.built_in().test, "test"),
        (state.training_set, "training"),
    ):
        data = find()
        if data is not None and fits(network, data):
            return data, part
    return None


def fits(network: Network, data: Dataset) -> bool:
    """Return whether these are images of the network's size and classes."""
    return looks_at(network, data) and network.class_names == tuple(data.class_names)


def alike(held: Entry, among: dict[str, Entry]) -> list[str]:
    """Return the keys of networks that read the same images and know the same classes."""
    return [
        key
        for key, one in among.items()
        if key != held.key and _same_task(held.network, one.network)
    ]


def _same_task(one: Network, other: Network) -> bool:
    shapes = one.shape == other.shape or one.is_dense and other.is_dense
    return shapes and (one.inputs, one.class_names) == (other.inputs, other.class_names)


def first_others(held: Entry) -> list[str]:
    """Return whom to show beside a network before anybody has chosen."""
    runs = [state.key_of(run) for run in state.runs()]
    earlier = [key for key in reversed(runs) if key != held.key]
    return earlier[:1] or ["shipped:original"]


def choose(held: Entry) -> list[Entry]:
    """Offer the network in hand and others beside it; return all, the one in hand first."""
    options = state.networks()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        network_choice.choose(held, "Network in hand", width=320)
        others = _others(held, options)
    return [held, *(options[key] for key in others)]


def _others(held: Entry, options: dict[str, Entry]) -> list[str]:
    """Offer networks to compare with; return the keys of those chosen."""
    fitting = alike(held, options)
    wanted = state.widget_value("fragility.others", first_others(held))
    if (before := state.get("fragility.before")) in fitting:  # its remedy has been trained
        wanted = [before, *(key for key in wanted if key != before)]
        state.put("fragility.before", None)
    state.set_widget("fragility.others", [key for key in wanted if key in fitting][:OTHERS])
    return st.multiselect(
        "Compare with", fitting, key=state.widget("fragility.others", fitting),
        max_selections=OTHERS, width=440, disabled=not fitting,
        format_func=network_choice.names(options).__getitem__,
        placeholder="Choose up to two" if fitting else "No other network reads such images",
    )  # fmt: skip


def _colours(keys: list[str]) -> list[str]:
    """Return a colour for each network: one that was shown before keeps its own."""
    before = state.get("fragility.colours", {})
    places = {key: before[key] for key in keys if key in before}
    for key in keys:
        taken = [place for one, place in places.items() if one != key]
        if places.get(key, -1) in (-1, *taken):
            places[key] = next(i for i in range(len(SERIES)) if i not in taken)
    state.put("fragility.colours", before | places)
    return [SERIES[places[key]] for key in keys]


def _legend(lines: list[tuple[str, dict]], colours: list[str]) -> None:
    """Show the colour of each line, and what its network reads of the images as they are."""
    parts = []
    for (name, found), colour in zip(lines, colours, strict=True):
        usual = found[KINDS[0]][KINDS[0].usual]
        read = "…" if usual != usual else words.share(usual)
        parts.append(
            f'<span><i style="background:{colour}"></i>{html(name)} reads <b>{read}</b> '
            "of the images as they are</span>"
        )
    st.html(LEGEND.replace("{lines}", "".join(parts)))


def _card(kind: Kind, lines: list[tuple[str, dict]], colours: list[str], data, held) -> None:
    """Show one distortion: its curves over its images, a number in words, and the way out."""
    found = [(name, by_kind[kind]) for name, by_kind in lines]
    images = robustness.strip(data, kind, robustness.pick(data, state.get("fragility.turn", 0)))
    with st.container(
        border=True, height="stretch", key=f"fragility-card-{kind.name}", gap="small"
    ):
        st.markdown(f"**{kind.title}**  \n:small[{kind.sentence}]")
        live_plot(
            figures.robustness(found, images, kind.ticks, usual=kind.usual, colours=colours),
            key=f"fragility.{kind.name}", label=robustness.spoken(kind, found),
        )  # fmt: skip
        st.markdown(robustness.fact(kind, found))
        st.space("stretch")  # the buttons of a row stand beside each other
        if st.button(
            "Train with this", key=f"fragility.train.{kind.name}",
            help=f"Puts into the recipe: images {remedy(kind.name).in_words()}.",
            on_click=_turn_on, args=(kind, held),
        ):  # fmt: skip
            st.switch_page("views/train.py")


def _turn_on(kind: Kind, held) -> None:
    """Turn the remedy on in the recipe, and remember whom to compare its network with."""
    run = state.run_of(held)
    recipe_form.turn_on(remedy(kind.name), run.recipe if run else None, kind.name)
    state.put("fragility.before", held.key)


def _how(kind: Kind | None) -> None:
    """Say what to make of the charts; `kind` is what the network in hand bears worst."""
    with st.container(border=True, height="stretch", key="fragility-card-how"):
        st.markdown("**How to close a hole**")
        st.markdown(
            "A network knows only what it was shown. “Train with this” puts the change into the "
            "recipe, beside all else that it says: every image is then changed anew each time it "
            "is shown. After that run the charts here show both networks."
        )
        if kind:
            st.markdown(f"The network in hand bears **{kind.name}** worst.")
        st.button("Another image in the strips", on_click=_another, key="fragility.another")


def _another() -> None:
    """Take another image for the strips."""
    state.put("fragility.turn", state.get("fragility.turn", 0) + 1)


def learning(everyone: list) -> bool:
    """Return whether any of these networks is learning just now."""
    keys = {one.key for one in everyone}
    return any(run.live and state.key_of(run) in keys for run in state.runs())


def watch() -> Watch:
    """Return what this visitor's page has measured so far, and is at."""
    found = state.get("fragility.watch") or Watch()
    state.put("fragility.watch", found)
    return found


def measured(everyone: list, data, part: str, watch: Watch) -> bool:
    """Measure a little more and draw what is known; return whether something is left to do."""
    latest = state.networks()
    now = [latest.get(one.key, one) for one in everyone]
    slice_s = SLICE_S if state.get("fragility.drawn") else 0.0  # first of all the page is there
    state.put("fragility.drawn", True)
    try:
        measuring.measure(watch.follow(now, data), data, slice_s)
    except EngineError as fault:
        st.error(plain(fault))
        return True  # it is left undone
    left = watch.follow(now, data)
    share = measuring.done([watch.measured(one) for one in now], data)
    st.caption(plain(robustness.about(data, part, share=share, live=learning(now))))
    lines = [(one.name, {kind: watch.line(one, data, kind) for kind in KINDS}) for one in now]
    colours = _colours([one.key for one in now])
    _legend(lines, colours)
    weakest = robustness.weakest(lines[0][1])
    st.html(CARDS)
    with st.container(horizontal=True):
        for kind in KINDS:
            _card(kind, lines, colours, data, now[0])
        _how(weakest)
    return bool(left)
