"""Fragility: how far images can be changed before a network misreads them, and how to mend it."""

from __future__ import annotations

from html import escape

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.present import figures, units, words
from dashboard.sections import answers, endurance, recipe_form, tempo
from dashboard.sections.endurance import KINDS, Kind, Watch
from nnengine.analysis.robustness import remedy
from nnengine.errors import EngineError

TICK_S, SLICE_S = 0.35, 0.1  # with 30 ms for the charts it stays within 150
OTHERS = 2  # beside the network in hand: three lines can be told apart

# Three cards in a row, two where they would be too narrow for the images below their charts.
CARDS = """<style>[data-testid=stLayoutWrapper]:has(> [class*=st-key-fragility-card]) {
flex: 1 1 30%; min-width: min(20rem, 100%) }</style>"""
LEGEND = """<style>.nn-legend { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem;
font-variant-numeric: tabular-nums } .nn-legend i { display: inline-block; width: 1.1rem;
height: .2rem; border-radius: 2px; vertical-align: .25rem; margin-right: .5rem }</style>
<div class="nn-legend">{lines}</div>"""


def empty(title: str, text: str) -> None:
    """Say why nothing can be measured, and lead to where that is mended."""
    with st.container(border=True):
        st.markdown(f"## {title}")
        st.write(text)
        with st.container(horizontal=True):
            st.page_link("views/data.py", label="Choose data", icon=":material/database:")
            st.page_link("views/models.py", label="Choose another network",
                         icon=":material/folder_open:")  # fmt: skip


def choose(held) -> list:
    """Offer the network in hand and others beside it; return all, the one in hand first."""
    options = state.networks()
    labels = {key: answers.named(one) for key, one in options.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.selectbox(
            "Network in hand", list(options), index=list(options).index(held.key), width=320,
            format_func=labels.__getitem__,
        )  # fmt: skip
        if picked != held.key:
            state.choose_network(picked)
            st.rerun()
        alike = endurance.alike(held, options)
        wanted = state.widget_value("fragility.others", endurance.first_others(held))
        if (before := state.get("fragility.before")) in alike:  # its remedy has been trained
            wanted = [before, *(key for key in wanted if key != before)]
            state.put("fragility.before", None)
        state.set_widget("fragility.others", [key for key in wanted if key in alike][:OTHERS])
        others = st.multiselect(
            "Compare with", alike, key=state.widget("fragility.others"), max_selections=OTHERS,
            width=440, format_func=labels.__getitem__, disabled=not alike,
            placeholder="Choose up to two" if alike else "No other network reads such images",
        )  # fmt: skip
    return [held, *(options[key] for key in others)]


def legend(lines: list[tuple[str, dict]]) -> None:
    """Show the colour of each line, and what its network reads of the images as they are."""
    parts = []
    for (name, found), colour in zip(lines, figures.SERIES, strict=False):
        usual = found[KINDS[0]][KINDS[0].usual]
        read = "…" if usual != usual else words.share(usual)
        parts.append(
            f'<span><i style="background:{colour}"></i>{escape(name)} reads <b>{read}</b> '
            "of the images as they are</span>"
        )
    st.html(LEGEND.replace("{lines}", "".join(parts)))


def card(kind: Kind, lines: list[tuple[str, dict]], data, held) -> None:
    """Show one distortion: its curves over its images, a number in words, and the way out."""
    found = [(name, by_kind[kind]) for name, by_kind in lines]
    images = endurance.strip(data, kind, endurance.pick(data, state.get("fragility.turn", 0)))
    with st.container(
        border=True, height="stretch", key=f"fragility-card-{kind.name}", gap="small"
    ):
        st.markdown(f"**{kind.title}**  \n:small[{kind.sentence}]")
        live_plot(
            figures.fragility(found, images, kind.ticks, usual=kind.usual),
            key=f"fragility.{kind.name}", label=endurance.spoken(kind, found),
        )  # fmt: skip
        st.markdown(endurance.fact(kind, found))
        st.space("stretch")  # the buttons of a row stand beside each other
        if st.button(
            "Train with this", key=f"fragility.train.{kind.name}",
            help=f"Puts into the recipe: images {remedy(kind.name).in_words()}.",
            on_click=turn_on, args=(kind, held),
        ):  # fmt: skip
            st.switch_page("views/train.py")


def turn_on(kind: Kind, held) -> None:
    """Turn the remedy on in the recipe, and remember whom to compare its network with."""
    run = state.run_of(held)
    recipe_form.turn_on(remedy(kind.name), run.recipe if run else None, kind.name)
    state.put("fragility.before", held.key)


def how(kind: Kind | None) -> None:
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
        st.button("Another image in the strips", on_click=another, key="fragility.another")


def another() -> None:
    """Take another image for the strips."""
    state.put("fragility.turn", state.get("fragility.turn", 0) + 1)


def live(everyone: list) -> bool:
    """Return whether any of these networks is learning just now."""
    keys = {one.key for one in everyone}
    return any(run.live and state.key_of(run) in keys for run in state.runs())


def measured(everyone: list, data, part: str, watch: Watch) -> bool:
    """Measure a little more and draw what is known; return whether something is left to do."""
    latest = state.networks()
    now = [latest.get(one.key, one) for one in everyone]
    slice_s = SLICE_S if state.get("fragility.drawn") else 0.0  # first of all the page is there
    state.put("fragility.drawn", True)
    try:
        endurance.measure(watch.follow(now, data), data, slice_s)
    except EngineError as fault:
        st.error(units.plain(str(fault)))
        return True  # it is left undone
    left = watch.follow(now, data)
    share = endurance.done([watch.measured(one) for one in now], data)
    st.caption(units.plain(endurance.about(data, part, share=share, live=live(now))))
    lines = [(one.name, {kind: watch.line(one, data, kind) for kind in KINDS}) for one in now]
    legend(lines)
    weakest = endurance.weakest(lines[0][1])
    st.html(CARDS)
    with st.container(horizontal=True):
        for kind in KINDS:
            card(kind, lines, data, now[0])
        how(weakest)
    return bool(left)


def page() -> None:
    """Draw the page; it ticks while something is left to measure or a run in it is live."""
    st.title("Fragility")
    st.write("How far can images be changed before a network misreads them?")
    held = state.network()
    if held is None:
        empty("No network yet", "Train a network or restore one: it is then examined here.")
        return
    everyone = choose(held)
    found = endurance.examination(held.network)
    if found is None:
        empty("No images for this network", "Those in hand are of another size, or of other "
              "classes than it knows.")  # fmt: skip
        return
    watch = state.get("fragility.watch") or Watch()
    state.put("fragility.watch", watch)
    ticking = live(everyone) or bool(watch.follow(everyone, found[0]))

    def inside() -> None:
        left = measured(everyone, *found, watch)
        if ticking and not (left or live(everyone)):
            st.rerun()  # all is drawn: stop the clock

    tempo.part(inside, TICK_S if ticking else None)()


page()
