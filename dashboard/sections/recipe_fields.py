"""Recipe fields: a field for each setting of a recipe, drawn, filled and read from its row."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.present import glossary, network_picture
from dashboard.runs.fields import (
    BENEATH,
    SWITCHES,
    VALIDATION_SHARES,
    Layers,
    group,
    rows,
    validation,
)
from dashboard.runs.recipe import Recipe, shape_of
from nnengine.analysis.parts import parts
from nnengine.core.description import Spec
from nnengine.errors import TextError
from nnengine.training.kinds import Choice, Number, Whole
from nnengine.training.settings import Row

OWN = "My own settings"
NO_PRESETS = ("validation", "augmentation")  # what a preset leaves as it is
_ITERATIONS = 1000  # what the form begins with where iterations are counted


def table() -> dict[str, Row]:
    """Return the rows of the fields; images have a form of their own."""
    found = rows(state.bounds(), _ends())
    del found["augmentation"]
    # What can be judged on depends on the data in hand; of shares the usual one comes first.
    shares = sorted(VALIDATION_SHARES, key=lambda share: share != 0.1)
    tests = ["test"] if state.test_set() else []
    return found | {"validation": validation([*tests, *shares, "none"])}


def _ends() -> tuple[int, int] | None:
    """Return inputs and classes of the data in hand, which a text of numbers may begin and end."""
    data = state.training_set()
    return (data.inputs, data.classes) if data is not None else None


def chosen(row: Row) -> Any:
    """Return what the form says of a setting now; None where another of its group acts."""
    if not _acts(row):
        return None
    said = state.widget_value(f"train.{row.key}")
    match row.kind:
        case Choice(labels):
            return said if row.kind.holds(said) else next(iter(labels))
        case Whole():
            return int(said)
        case Number():
            return float(said)
    return row.read(said or "")


def _acts(row: Row) -> bool:
    name = group(row)
    if name not in SWITCHES:
        return True
    return SWITCHES[name].options.get(state.widget_value(f"train.{name}_kind")) == row.name


def fill(recipe: Recipe) -> None:
    """Put what a preset says into the form."""
    for name, switch in SWITCHES.items():
        state.set_widget(f"train.{name}_kind", switch.chosen_for(recipe.as_dict()))
    for row in rows(ends=_ends()).values():
        if row.name not in NO_PRESETS:
            state.set_widget(f"train.{row.key}", _shown(row, getattr(recipe, row.name)))


def _shown(row: Row, value: Any) -> Any:
    """Return what a field holds for a value; what is usual for one of which another acts."""
    if value is None:
        value = getattr(replace(Recipe(), iterations=_ITERATIONS), row.name)
    return row.kind.say(value) if isinstance(row.kind, Layers) else value


def _edited() -> None:
    state.set_widget("train.preset", OWN)


def settings() -> None:
    """Draw every field; one that does not act at present is not shown, but kept."""
    every = table()
    shown = [row for row in every.values() if not _idle(row, every) and not state.hides(group(row))]
    for row in shown:
        if not row.further:
            _switch(row)
            if _acts(row):
                _field(row)
    if not state.hides("name"):
        st.text_input(
            BENEATH["name"],
            key=state.widget("train.name"),
            max_chars=60,
            placeholder="Run 1, …",
            help="What lists and curves call it; without one runs are numbered.",
        )
    further = [row for row in shown if row.further]
    if further:
        # Its label stays the same: with another Streamlit would take it for a new one, and fold it.
        with st.expander("Further settings", expanded=any(map(_unusual, further))):
            for row in further:
                _field(row)


def _idle(row: Row, every: dict[str, Row]) -> bool:
    """Return whether a setting has nothing to act on, as warm-up without a cosine."""
    if not row.when:
        return False
    return state.widget_value(f"train.{every[row.when[0]].key}") not in row.when[1]


def _unusual(row: Row) -> bool:
    return chosen(row) != getattr(Recipe(), row.name)


def _switch(row: Row) -> None:
    """Draw the choice of which of a group acts, above the first of them."""
    name = group(row)
    if name in SWITCHES and row.name == next(iter(SWITCHES[name].options.values())):
        st.radio(
            SWITCHES[name].label, list(SWITCHES[name].options), horizontal=True,
            key=state.widget(f"train.{name}_kind"), on_change=_edited,
            help=glossary.explained(*glossary.OF_SWITCHES[name]),
        )  # fmt: skip


def _field(row: Row) -> None:
    options = row.kind.labels if isinstance(row.kind, Choice) else ()
    key = state.widget(f"train.{row.key}", map(str, options))
    changed = None if row.name in NO_PRESETS else _edited
    help = glossary.of_setting(row.name, row.help)
    match row.kind:
        case Choice(labels):
            if not row.kind.holds(state.widget_value(f"train.{row.key}")):  # data have changed
                state.set_widget(f"train.{row.key}", chosen(row))
            st.selectbox(
                row.label, list(labels), format_func=row.say, key=key, on_change=changed,
                help=help,
            )  # fmt: skip
        case Whole(least=least, most=most):
            st.number_input(row.label, least, most, key=key, on_change=changed, help=help)
        case Number(least=least, most=most, step=step):
            st.number_input(
                row.label, least, most if math.isfinite(most) else None, step=step, format="%g",
                key=key, on_change=changed, help=help,
            )  # fmt: skip
        case _:
            with st.container():  # what comes below stays in its place when a fault is marked
                st.text_input(
                    row.label, key=key, on_change=changed, placeholder="none", help=help,
                )  # fmt: skip
                _point(row)


def _point(row: Row) -> None:
    """Mark the word at fault beneath the layers; what is wrong with it stands above Start."""
    data = state.training_set()
    try:
        parts([*chosen(row), Spec("dense", 1)], shape_of(data))
    except TextError as fault:
        st.html(network_picture.pointed(fault))
