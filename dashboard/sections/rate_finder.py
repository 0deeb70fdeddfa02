"""Rate finder: a learning-rate range test for the recipe in the form, and its answer put there."""

from __future__ import annotations

import time

import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.present import figures, glossary, rates
from dashboard.present.outside import plain
from dashboard.runs.recipe import Recipe
from dashboard.sections.recipe_fields import OWN
from nnengine.errors import EngineError
from nnengine.training import training
from nnengine.training.rates import STEPS, Tried, rising, suggested, trying

BUDGET_S = 15.0
_FOUND, _FAULT = "train.tried", "train.tried.fault"


def rate_finder(recipe: Recipe | None) -> None:
    """Offer the test; show the last one, and its rate for the form."""
    with st.expander("Find a learning rate"):
        st.caption(
            "Tries ever higher rates on a copy of the weights that the run would begin with, until "
            "the loss blows up. Nothing else changes.",
            help=glossary.explained("Learning rate"),
        )
        if st.button("Try rates", disabled=recipe is None, key="rates.try") and recipe is not None:
            _try(recipe)
        if fault := state.get(_FAULT):
            st.error(plain(fault))
        if tried := state.get(_FOUND):
            _show(tried)


def _try(recipe: Recipe) -> None:
    """Take the steps of a test, as many as there is time for, while the visitor waits."""
    bar, tried, fault = st.progress(0.0, "Trying"), [], ""
    try:
        data, _ = state.split_for(recipe)
        recipe.check(data, state.bounds())
        with state.finetuning_turn():
            deadline = time.monotonic() + BUDGET_S
            config = rising(recipe.config(data.count))
            for one in trying(training(recipe.build(data), data, config)):
                tried.append(one)
                if one.step % 10 == 0:
                    bar.progress(min(one.step / STEPS, 1.0), f"Trying a rate of {one.rate:.1g}")
                if time.monotonic() > deadline:
                    fault = (
                        f"There was time for {one.step} of {STEPS} steps alone: rates above "
                        f"{one.rate:.2g} were not tried."
                    )
                    break
    except EngineError as refusal:
        fault = str(refusal)
    bar.empty()
    state.put(_FOUND, tried)
    state.put(_FAULT, fault)


def _show(tried: list[Tried]) -> None:
    said, rate = rates.in_words(tried), suggested(tried)
    live_plot(
        figures.rate_curve(tried), key="rates.curve", height=240,
        label=f"Loss while the learning rate rises. {said}",
    )  # fmt: skip
    st.caption(plain(said))
    if rate is not None:
        st.button(
            f"Use {rate:g}", key="rates.use", on_click=_use, args=(rate,), width="stretch",
        )  # fmt: skip


def _use(rate: float) -> None:
    state.set_widget("train.rate", rate)
    state.set_widget("train.preset", OWN)
