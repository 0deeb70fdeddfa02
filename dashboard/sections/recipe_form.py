"""Recipe form: from what a visitor chooses to a Recipe, its cost said before the start."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dashboard import state
from dashboard.host.tab import HERE
from dashboard.present.units import plain
from dashboard.runs.estimate import in_words
from dashboard.runs.recipe import (
    LABELS,
    MOMENTA,
    PRESETS,
    RATES,
    SEEDS,
    VALIDATION_SHARES,
    Recipe,
    most_shift,
    parameter_count,
)
from dashboard.runs.recipe import parse_hidden as _parse_hidden
from dashboard.sections import augment_form
from nnengine.core.activations import ACTIVATIONS
from nnengine.core.network import INITIALIZERS
from nnengine.core.optimizers import OPTIMIZERS
from nnengine.data.augment import NONE, Augmentation
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError
from nnengine.training import SCHEDULES

OWN = "My own settings"
_ORIGINAL, _QUICK = (next(n for n in PRESETS if n.startswith(w)) for w in ("The orig", "Quick"))


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
    _fill(recipe)
    state.set_widget("train.validation", recipe.validation)
    plain_one = replace(recipe, augmentation=NONE)
    same = (name for name, preset in PRESETS.items() if preset == plain_one)
    state.set_widget("train.preset", next(same, OWN))
    augment_form.fill(recipe.augmentation)


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

    def value(name: str):
        return state.widget_value(f"train.{name}")

    in_epochs = value("length_kind") == "Epochs"
    return Recipe(
        hidden=_parse_hidden(value("hidden") or ""),
        activation=value("activation"),
        initializer=value("initializer"),
        optimizer=value("optimizer"),
        batch_size=None if value("batches") == "Full batch" else int(value("batch_size")),
        learning_rate=float(value("rate")),
        momentum=float(value("momentum")),
        epochs=int(value("epochs")) if in_epochs else None,
        iterations=None if in_epochs else int(value("iterations")),
        seed=int(value("seed")),
        validation=_judged_on(value("validation")),
        augmentation=augment_form.chosen(),
        schedule=value("schedule"),
    )


def recipe_or_none() -> Recipe | None:
    """Return what the form says now, or None where that is no recipe; the form says why."""
    try:
        return chosen_recipe()
    except ConfigError:
        return None


def _judged_on(asked: str | float | None) -> str | float:
    """Return what to judge on: as asked, where the data in hand have it."""
    options = _validations()
    return asked if asked in options else options[0]


def turn_on(augmentation: Augmentation, recipe: Recipe | None, against: str) -> None:
    """Put an augmentation into the form beside those that are on; `against` says what it is for.

    The rest is that of `recipe`, or stays as it is where None is given.
    """
    if recipe is not None:
        _fill(recipe)
        state.set_widget("train.validation", recipe.validation)
        rest = replace(recipe, augmentation=NONE)
        same = (n for n, p in PRESETS.items() if replace(p, validation=recipe.validation) == rest)
        state.set_widget("train.preset", next(same, OWN))
    before, data = recipe.augmentation if recipe else augment_form.chosen(), state.training_set()
    if data is not None:  # what is worked out for digits of 28 pixels may be too much for others
        augmentation = replace(augmentation, shift=min(augmentation.shift, most_shift(data)))
    augment_form.fill(augment_form.together(before, augmentation))
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


def _fill(recipe: Recipe) -> None:
    """Put a recipe into the form."""
    for name, value in {
        "hidden": ", ".join(map(str, recipe.hidden)),
        "activation": recipe.activation,
        "initializer": recipe.initializer,
        "optimizer": recipe.optimizer,
        "batches": "Full batch" if recipe.batch_size is None else "Mini-batches",
        "batch_size": recipe.batch_size or 64,
        "rate": recipe.learning_rate,
        "schedule": recipe.schedule,
        "momentum": recipe.momentum,
        "length_kind": "Epochs" if recipe.epochs else "Iterations",
        "epochs": recipe.epochs or 5,
        "iterations": recipe.iterations or 1000,
        "seed": recipe.seed,
    }.items():
        state.set_widget(f"train.{name}", value)


def _preset_chosen() -> None:
    preset = PRESETS.get(state.widget_value("train.preset"))
    if preset:
        _fill(preset)


def _edited() -> None:
    state.set_widget("train.preset", OWN)


def _settings() -> None:
    """Draw every setting; one that does not act at present is not shown, but kept."""
    bounds = state.bounds()
    _hidden_layers()
    one, two = st.columns(2)
    with one:
        _choice("Activation", "activation", ACTIVATIONS)
        _choice("Optimizer", "optimizer", OPTIMIZERS)
    with two:
        _choice("Initializer", "initializer", INITIALIZERS)
        _number("Learning rate", "rate", *RATES, step=0.01, format="%g")
    _choice("Rate over the run", "schedule", SCHEDULES)
    if state.widget_value("train.optimizer") == "momentum":
        _number("Momentum", "momentum", *MOMENTA, step=0.01, format="%g")
    _either("Each step sees", "batches", ["Mini-batches", "Full batch"])
    if state.widget_value("train.batches") != "Full batch":
        _number("Images in a batch", "batch_size", 1, bounds.batch_size)
    _either("Length", "length_kind", ["Epochs", "Iterations"])
    if state.widget_value("train.length_kind") == "Epochs":
        _number("Epochs", "epochs", 1, bounds.epochs, help="Passes over the training data.")
    else:
        _number("Iterations", "iterations", 1, bounds.iterations, help="Steps of the optimizer.")
    _validation()
    _number("Seed", "seed", *SEEDS, help="The same seed and settings give the same run.")
    if not state.hides("name"):
        st.text_input(
            "Name of the run", key=state.widget("train.name"), max_chars=60,
            placeholder="Run 1, …",
        )  # fmt: skip


def _hidden_layers() -> None:
    if state.hides("hidden"):
        return
    st.text_input(
        "Hidden layers", key=state.widget("train.hidden"), on_change=_edited, placeholder="none",
        help="Units in each hidden layer, such as 128, 64. Empty: no hidden layer.",
    )  # fmt: skip
    try:
        _parse_hidden(state.widget_value("train.hidden") or "")
    except ConfigError as fault:
        st.error(str(fault))


# What the form calls its settings -> what links call them, where that is another word.
_IN_LINKS = {"batches": "batch", "batch_size": "batch", "length_kind": "length",
             "epochs": "length", "iterations": "length"}  # fmt: skip


def _hidden(name: str) -> bool:
    return state.hides(_IN_LINKS.get(name, name))


def _choice(label: str, name: str, options) -> None:
    if _hidden(name):
        return
    st.selectbox(
        label, options, format_func=lambda o: LABELS.get(o, o), key=state.widget(f"train.{name}"),
        on_change=_edited,
    )  # fmt: skip


def _number(label: str, name: str, low, high, **more) -> None:
    if _hidden(name):
        return
    st.number_input(label, low, high, key=state.widget(f"train.{name}"), on_change=_edited, **more)


def _either(label: str, name: str, options: list[str]) -> None:
    if _hidden(name):
        return
    st.radio(label, options, horizontal=True, key=state.widget(f"train.{name}"), on_change=_edited)


def _validations() -> list[str | float]:
    shares = [0.1, *(s for s in VALIDATION_SHARES if s != 0.1)]
    return [*(["test"] if state.test_set() else []), *shares, "none"]


def _validation() -> None:
    options = _validations()
    if state.widget_value("train.validation") not in options:
        state.set_widget("train.validation", options[0])
    if state.hides("validation"):
        return
    words = {"test": "The loaded test set", "none": "Nothing: train on all, judge on none"}
    st.selectbox(
        "Judge on", options, key=state.widget("train.validation"),
        format_func=lambda o: words.get(o) or f"{100 * o:.0f} % of the training data, held out",
        help="Images the network does not learn from. They draw the dashed curves.",
    )  # fmt: skip


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
