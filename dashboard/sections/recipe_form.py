"""Recipe form: from what a visitor chooses to a Recipe, its cost said before the start."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dashboard import state
from dashboard.present import glossary, network_picture, run_words
from dashboard.present.outside import plain
from dashboard.runs.amounts import together
from dashboard.runs.estimate import in_words
from dashboard.runs.recipe import ABOUT, PRESETS, Recipe, most_shift, shape_of
from dashboard.runs.run import LIVE
from dashboard.sections import augment_form, rate_finder, recipe_fields
from dashboard.sections.recipe_fields import OWN
from nnengine.data.augment import Augmentation
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError

_QUICK = next(name for name in PRESETS if name.startswith("Quick"))


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
            # Seconds to a good network, whoever's images they are: the original takes minutes.
            recipe_fields.fill(PRESETS[_QUICK])
            state.set_widget("train.preset", _QUICK)
        if not state.hides("presets"):
            # A box of its own: what comes below stays in its place, and the field that somebody is
            # in is not drawn as a new one, when the line about a preset goes.
            with st.container():
                names, name = [*PRESETS, OWN], state.widget_value("train.preset")
                key = state.choice("train.preset", name)
                st.selectbox(
                    "Start from", names, index=names.index(name), key=key,
                    on_change=_preset_chosen, args=(key,),
                    help="Ready recipes: each fills in all settings below, which can then be "
                    "changed.",
                )  # fmt: skip
                if about := ABOUT.get(name):
                    st.caption(about)
        top = st.container()  # what it costs and Start stand above the settings they follow from
        if not state.hides("settings"):
            with st.expander("Settings", expanded=state.widget_value("train.preset") == OWN):
                recipe_fields.settings()
            if not state.hides("rate"):
                rate_finder.rate_finder(recipe_or_none())
        with top:
            _offer(data)
    if not state.hides("images"):
        augment_form.augment_form(data)


def fill(recipe: Recipe) -> None:
    """Put a whole recipe into the form, under the name of a preset where it is one."""
    _fill_all_but_images(recipe)
    augment_form.fill(recipe.augmentation)


def _fill_all_but_images(recipe: Recipe) -> None:
    recipe_fields.fill(recipe)
    state.set_widget("train.validation", recipe.validation)
    rest = {name: getattr(recipe, name) for name in recipe_fields.NO_PRESETS}
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
        st.error(plain(fault))
        recipe = None
    st.button(
        "Start training", type="primary", disabled=recipe is None, width="stretch",
        key="start", on_click=_start,
    )  # fmt: skip
    if refused := state.get("train.start_refused"):
        st.warning(plain(refused))
        state.put("train.start_refused", None)


def chosen_recipe() -> Recipe:
    """Return what the form says now; raises TextError for hidden layers that cannot be read."""
    values = {row.name: recipe_fields.chosen(row) for row in recipe_fields.table().values()}
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


def _preset_chosen(key: str) -> None:
    name = state.chosen("train.preset", key)
    if name is None:
        return
    state.set_widget("train.preset", name)
    if name in PRESETS:
        recipe_fields.fill(PRESETS[name])


def _cost(recipe: Recipe, data: Dataset) -> None:
    """Say before the start what the network is, how large, and about how long it takes."""
    engine = state.scheduler()
    alone = engine.pace.estimate_s(recipe, data)
    st.html(network_picture.picture(recipe.specs(data), shape_of(data)))
    if alone is None:
        length = "The time is measured as soon as the kernels are ready."
    else:
        own = sum(run.state in LIVE for run in state.runs())
        everybody, _ = engine.sharers("")  # whoever trains is another than nobody
        others = everybody - bool(own)
        length = f"About {in_words(alone * (others + 1) * (own + 1))}"
        length += run_words.shared(others, own) + "."
    cost = recipe.cost(data)
    widths = [data.inputs, *(spec.units for spec in recipe.specs(data))]
    shape = f"{' → '.join(map(str, widths))}  \n" * cost.dense
    st.caption(
        f"{shape}{cost.parameters:,} parameters. {length}  \n{recipe.in_words()}",
        help=glossary.explained("Network", "Parameters"),
    )


def _start() -> None:
    try:
        state.start_run(chosen_recipe(), name=state.widget_value("train.name") or "")
        state.set_widget("train.name", "")
    except state.Refused as fault:
        state.put("train.start_refused", str(fault))
