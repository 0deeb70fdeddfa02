"""Search form: which settings of the recipe may vary and how far, and how much is trained."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.present import glossary
from dashboard.present.outside import plain
from dashboard.runs.estimate import in_words
from dashboard.runs.fields import Layers, rows
from dashboard.runs.recipe import Recipe
from dashboard.sections import recipe_form, search_words
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.searching import LAYERS, Range, rounds
from nnengine.training import layertext
from nnengine.training.kinds import Choice, Number, Whole
from nnengine.training.settings import Row

FACTOR = 3  # one in so many goes on
HALVING, RANDOM = "Successive halving", "Random search"
ABOUT = {
    HALVING: "All train for a short while, and the best third goes on three times as long, again "
    "and again (Jamieson & Talwalkar 2016).",
    RANDOM: "All train to the end (Bergstra & Bengio 2012).",
}
_NOT = ("epochs", "iterations", "seed", "validation", "augmentation", "early_stopping")
_FIRST = ("learning_rate", "hidden")
_USUAL: dict[str, tuple[Any, Any]] = {"learning_rate": (0.0003, 0.03), "batch_size": (16, 256)}
_LAYERS_USUAL = "32 | 128 | 128, 64"
_REFUSED = "search.refused"


def search_form(data: Dataset) -> None:
    """Offer ranges and a budget, and to begin."""
    base = _base()
    with st.container(border=True):
        st.markdown("## What may vary")
        ranges = _ranges(base)
    with st.container(border=True):
        st.markdown("## How much is tried")
        way, count, epochs = _budget()
        _offer(data, base, ranges, count, epochs, FACTOR if way == HALVING else 1)


def _base() -> Recipe:
    """Return what the Train page's form says, for all that does not vary."""
    if state.widget_value("train.preset") is None:
        return Recipe()
    return recipe_form.recipe_or_none() or Recipe()


def _fields() -> dict[str, Row]:
    every = rows(state.bounds())
    return {name: row for name, row in every.items() if name not in _NOT}


def _ranges(base: Recipe) -> list[Range | None]:
    """Draw a field, or a pair of them, for each setting that varies; None where one is at fault."""
    every = _fields()
    state.set_widget("search.vary", list(_FIRST), over=False)
    chosen = st.multiselect(
        "Settings", list(every), format_func=lambda name: every[name].label,
        key=state.widget("search.vary", every), placeholder="Choose settings",
        help="All others are as the Train page's form has them.",
    )  # fmt: skip
    return [_range(every[name], getattr(base, name)) for name in every if name in chosen]


def _range(row: Row, value: Any) -> Range | None:
    match row.kind:
        case Layers():
            return _layers(row)
        case Choice(labels):
            return _choices(row, list(labels))
        case Whole() | Number():
            return _ends(row, value)
    return None


def _layers(row: Row) -> Range | None:
    state.set_widget("search.layers", _LAYERS_USUAL, over=False)
    text = st.text_input(
        "Hidden layers, one or the other", key=state.widget("search.layers"), max_chars=400,
        help="Parted by |, each as on the Train page: 64 | 128, 32 | conv 8 5x5, pool 2, dense 64",
    )  # fmt: skip
    parts = list(dict.fromkeys(part.strip() for part in text.split("|") if part.strip()))
    try:
        for part in parts:
            row.check(layertext.read_hidden(part))
    except ConfigError as fault:
        st.error(plain(f"Hidden layers: {fault}."))
        return None
    return Range(LAYERS, tuple(parts)) if parts else None


def _choices(row: Row, options: list[Any]) -> Range | None:
    name = f"search.{row.key}"
    state.set_widget(name, options, over=False)
    chosen = st.multiselect(
        row.label, options, format_func=row.say, key=state.widget(name, map(str, options)),
        help=glossary.of_setting(row.name, row.help),
    )  # fmt: skip
    return Range(row.name, tuple(chosen)) if chosen else None


def _ends(row: Row, value: Any) -> Range | None:
    kind = row.kind
    assert isinstance(kind, Whole | Number)
    whole = isinstance(kind, Whole)
    usual = _USUAL.get(row.name) or _around(value or 0, kind.least, kind.most)
    high = kind.most if kind.most is None or math.isfinite(kind.most) else None
    form = {} if whole else {"format": "%g", "step": kind.step}
    found = []
    with st.container(horizontal=True):
        for word, end in zip(("from", "to"), usual, strict=True):
            name = f"search.{row.key}.{word}"
            state.set_widget(name, int(end) if whole else float(end), over=False)
            label = f"{row.label}, {word}"
            found.append(
                st.number_input(
                    label, kind.least, high, key=state.widget(name),
                    help=glossary.of_setting(row.name, row.help), **form,
                )
            )  # fmt: skip
    least, most = found
    if not least < most:
        st.error(plain(f"{row.label}: the first number has to be the smaller one."))
        return None
    return Range(row.name, (), least, most, whole)


def _around(value: float, least: float, most: float | None) -> tuple[float, float]:
    """Return a range around a value: from a tenth of it to ten times as much."""
    low, high = (value / 10, value * 10) if value > 0 else (least, least + 1)
    return max(low, least), high if most is None else min(high, most)


def _budget() -> tuple[str, int, int]:
    bounds = state.bounds()
    state.set_widget("search.way", HALVING, over=False)
    way = st.radio("Way", list(ABOUT), key=state.widget("search.way"), horizontal=True)
    st.caption(ABOUT[way])
    with st.container(horizontal=True):
        state.set_widget("search.count", 9, over=False)
        count = st.number_input(
            "Candidates", 2, bounds.search_candidates, key=state.widget("search.count")
        )
        state.set_widget("search.epochs", 9, over=False)
        epochs = st.number_input(
            "Epochs of the longest", 1, bounds.epochs, key=state.widget("search.epochs"),
            help=glossary.explained("Epoch"),
        )  # fmt: skip
    return way, int(count), int(epochs)


def _offer(
    data: Dataset, base: Recipe, ranges: list[Range | None], count: int, epochs: int, factor: int
) -> None:
    """Say what a search would train, and offer to begin it."""
    plan, usable = rounds(count, epochs, factor), [one for one in ranges if one is not None]
    share = f"{100 * state.held_out_share(base):.0f} %"
    said = f"{search_words.plan(plan)} {search_words.epochs(plan):,} epochs in all"
    one_epoch = replace(base, epochs=1, iterations=None)
    took = state.scheduler().pace.estimate_s(one_epoch, data)
    if took is not None:
        seconds = took * search_words.epochs(plan)
        said += f", about {in_words(seconds)} with networks like the form's"
    st.caption(
        f"{said}. They are compared by {share} of the training images, held out; the test set "
        "stays unseen."
    )
    st.button(
        "Begin the search", type="primary", width="stretch", key="search.start",
        disabled=not usable or len(usable) < len(ranges), on_click=_start,
        args=(replace(base, epochs=epochs, iterations=None), usable, count, factor),
    )  # fmt: skip
    if refused := state.get(_REFUSED):
        st.warning(plain(refused))
        state.put(_REFUSED, None)


def _start(base: Recipe, ranges: list[Range], count: int, factor: int) -> None:
    try:
        state.start_search(base, ranges, count, factor)
    except state.Refused as fault:
        state.put(_REFUSED, f"{fault}.")
