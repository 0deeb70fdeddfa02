"""Recipe form: from what a visitor chooses to a Recipe, its cost said before the start."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.host.tab import HERE
from dashboard.present.units import plain
from dashboard.runs.amounts import together
from dashboard.runs.estimate import in_words
from dashboard.runs.fields import BENEATH, SWITCHES, VALIDATION_SHARES, group, rows, validation
from dashboard.runs.recipe import PRESETS, Recipe, most_shift, parameter_count
from dashboard.sections import augment_form
from nnengine.data.augment import Augmentation
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training.kinds import Choice, Number, Whole
from nnengine.training.settings import Row

OWN = "My own settings"
_ORIGINAL, _QUICK = (next(n for n in PRESETS if n.startswith(w)) for w in ("The orig", "Quick"))
_NO_PRESETS = ("validation", "augmentation")  # what a preset leaves as it is
_ITERATIONS = 1000  # what the form begins with where iterations are counted


def recipe_form(data: Dataset | None) -> None:
    """Offer presets, settings and Start; without data say where it comes from."""
    with st.container(border=True):
        st.markdown("## Recipe")
        if data is None:
            st.write("To start another run, choose a training set.")
            st.page_link("views/data.py", label="Choose data", icon=":material/database:")
            return
        if not state.hides("data"):
            _data_line(data)
        if state.widget_value("train.preset") is None:
            # Seconds to a good network for who comes to look; who brings files follows the original
            first = _ORIGINAL if state.source() == state.FILES else _QUICK
            _fill(PRESETS[first])
            state.set_widget("train.preset", first)
        if not state.hides("presets"):
            st.selectbox(
                "Start from", [*PRESETS, OWN], key=state.widget("train.preset"),
                on_change=_preset_chosen,
            )  # fmt: skip
        top = st.container()  # what it costs and Start stand above the settings they follow from
        if not state.hides("settings"):
            with st.expander("Settings", expanded=state.widget_value("train.preset") == OWN):
                _settings()
        with top:
            _offer(data)
    if not state.hides("images"):
        augment_form.augment_form(data)


def fill(recipe: Recipe) -> None:
    """Put a whole recipe into the form, under the name of a preset where it is one."""
    _fill_all_but_images(recipe)
    augment_form.fill(recipe.augmentation)


def _fill_all_but_images(recipe: Recipe) -> None:
    _fill(recipe)
    state.set_widget("train.validation", recipe.validation)
    rest = {name: getattr(recipe, name) for name in _NO_PRESETS}
    same = (name for name, preset in PRESETS.items() if replace(preset, **rest) == recipe)
    state.set_widget("train.preset", next(same, OWN))


def _data_line(data: Dataset) -> None:
    """Say what will be trained on, and lead to where another set is chosen."""
    st.page_link(
        "views/data.py", label=f"**{plain(data.name or 'Your files')}**, {data.count:,} images",
        icon=":material/database:", help="Choose other data",
    )  # fmt: skip


def _offer(data: Dataset) -> None:
    """Say what the form's recipe costs and offer to start it, or say what is wrong with it."""
    try:
        recipe = chosen_recipe()
        recipe.check(data, state.bounds())
        _cost(recipe, data)
    except ConfigError as fault:
        st.error(str(fault))
        recipe = None
    st.button(
        "Start training", type="primary", disabled=recipe is None, width="stretch",
        key="start", on_click=_start,
    )  # fmt: skip
    if refused := state.get("train.start_refused"):
        st.warning(refused)
        state.put("train.start_refused", None)


def chosen_recipe() -> Recipe:
    """Return what the form says now; raises ConfigError for hidden layers that are no numbers."""
    values = {row.name: _chosen(row) for row in _fields().values()}
    return Recipe(**values, augmentation=augment_form.chosen())


def recipe_or_none() -> Recipe | None:
    """Return what the form says now, or None where that is no recipe; the form says why."""
    try:
        return chosen_recipe()
    except ConfigError:
        return None


def turn_on(augmentation: Augmentation, recipe: Recipe | None, against: str) -> None:
    """Put an augmentation into the form beside those that are on; `against` says what it is for.

    The rest is that of `recipe`, or stays as it is where None is given.
    """
    if recipe is not None:
        _fill_all_but_images(recipe)
    before, data = recipe.augmentation if recipe else augment_form.chosen(), state.training_set()
    if data is not None:  # what is worked out for digits of 28 pixels may be too much for others
        augmentation = replace(augmentation, shift=min(augmentation.shift, most_shift(data)))
    augment_form.fill(together(before, augmentation))
    state.put("train.against", (against, len(state.runs())))


def remedy() -> None:
    """Say at the head of the page what was turned on for Fragility's sake; then lead back there."""
    against, runs = state.get("train.against") or ("", 0)
    if not against or state.training_set() is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if len(state.runs()) <= runs:
            st.markdown(
                f"In the next run images are changed against **{against}**.", width="stretch"
            )
            st.button("Start this run", type="primary", key="start.remedy", on_click=_start)
        else:
            st.markdown(f"The latest run learns to bear **{against}**.", width="stretch")
            st.page_link(
                "views/fragility.py", label="See how the hole closes", width="content",
                icon=":material/monitoring:",
            )  # fmt: skip


# The fields ------------------------------------------------------------------------------


def _fields() -> dict[str, Row]:
    """Return the rows of the fields; images have a form of their own."""
    table = rows(state.bounds())
    del table["augmentation"]
    # What can be judged on depends on the data in hand; of shares the usual one comes first.
    shares = sorted(VALIDATION_SHARES, key=lambda share: share != 0.1)
    tests = ["test"] if state.test_set() else []
    return table | {"validation": validation([*tests, *shares, "none"])}


def _chosen(row: Row) -> Any:
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


def _fill(recipe: Recipe) -> None:
    """Put what a preset says into the form."""
    for name, switch in SWITCHES.items():
        state.set_widget(f"train.{name}_kind", switch.chosen_for(recipe.as_dict()))
    for row in rows().values():
        if row.name not in _NO_PRESETS:
            state.set_widget(f"train.{row.key}", _shown(row, getattr(recipe, row.name)))


def _shown(row: Row, value: Any) -> Any:
    """Return what a field holds for a value; what is usual for one of which another acts."""
    if value is None:
        value = getattr(replace(Recipe(), iterations=_ITERATIONS), row.name)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _preset_chosen() -> None:
    preset = PRESETS.get(state.widget_value("train.preset"))
    if preset:
        _fill(preset)


def _edited() -> None:
    state.set_widget("train.preset", OWN)


def _settings() -> None:
    """Draw every field; one that does not act at present is not shown, but kept."""
    table = _fields()
    for row in table.values():
        idle = row.when and state.widget_value(f"train.{table[row.when[0]].key}") != row.when[1]
        if not idle and not state.hides(group(row)):
            _switch(row)
            if _acts(row):
                _field(row)
    if not state.hides("name"):
        st.text_input(
            BENEATH["name"], key=state.widget("train.name"), max_chars=60, placeholder="Run 1, …"
        )


def _switch(row: Row) -> None:
    """Draw the choice of which of a group acts, above the first of them."""
    name = group(row)
    if name in SWITCHES and row.name == next(iter(SWITCHES[name].options.values())):
        st.radio(
            SWITCHES[name].label, list(SWITCHES[name].options), horizontal=True,
            key=state.widget(f"train.{name}_kind"), on_change=_edited,
        )  # fmt: skip


def _field(row: Row) -> None:
    key = state.widget(f"train.{row.key}")
    changed = None if row.name in _NO_PRESETS else _edited
    match row.kind:
        case Choice(labels):
            if not row.kind.holds(state.widget_value(f"train.{row.key}")):  # data have changed
                state.set_widget(f"train.{row.key}", _chosen(row))
            st.selectbox(
                row.label, list(labels), format_func=row.say, key=key, on_change=changed,
                help=row.help,
            )  # fmt: skip
        case Whole(least=least, most=most):
            st.number_input(row.label, least, most, key=key, on_change=changed, help=row.help)
        case Number(least=least, most=most):
            st.number_input(
                row.label, least, most if math.isfinite(most) else None, step=0.01, format="%g",
                key=key, on_change=changed, help=row.help,
            )  # fmt: skip
        case _:
            st.text_input(row.label, key=key, on_change=changed, placeholder="none", help=row.help)
            try:
                _chosen(row)
            except ConfigError as fault:
                st.error(str(fault))


def _cost(recipe: Recipe, data: Dataset) -> None:
    """Say before the start how large and about how long."""
    sizes = recipe.sizes(data)
    engine = state.scheduler()
    alone = engine.pace.estimate_s(recipe, data)
    st.markdown(f"**{' → '.join(map(str, sizes))}**  \n{recipe.in_words()}")
    if alone is None:
        length = "The time is measured as soon as the kernels are ready."
    else:
        busy = engine.busy()
        length = f"About {in_words(alone * (busy + 1))}"
        if busy:
            others = "another run shares" if busy == 1 else f"{busy} other runs share"
            length += f", while {others} {HERE}"
        length += "."
    st.caption(f"{parameter_count(sizes):,} parameters. {length}")


def _start() -> None:
    try:
        state.start_run(chosen_recipe(), name=state.widget_value("train.name") or "")
        state.set_widget("train.name", "")
    except state.Refused as fault:
        state.put("train.start_refused", str(fault))
