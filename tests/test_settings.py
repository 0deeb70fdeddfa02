"""A setting stands in one row, and whoever reads, writes, shows or checks it asks that row."""

from __future__ import annotations

import argparse
import inspect
import json
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.present.units import record_rows
from dashboard.runs import address
from dashboard.runs.bounds import Bounds
from dashboard.runs.fields import SWITCHES, dense, group, hideable, rows
from dashboard.runs.recipe import Recipe
from dashboard.sections import recipe_fields, recipe_form
from nnengine import Augmentation, ConfigError, Network, TrainingConfig
from nnengine.cli import train
from nnengine.training.kinds import Number
from nnengine.training.settings import SETTINGS, Row
from tests.pages import APP, component

# A value of each setting that is not the usual one.
OTHER = {
    "hidden": dense((24, 12)),
    "activation": "tanh",
    "initializer": "glorot",
    "dtype": "float64",
    "optimizer": "momentum",
    "learning_rate": 0.25,
    "schedule": "cosine",
    "warmup": 0.1,
    "stages": 4,
    "drop": 0.5,
    "patience": 2,
    "weight_decay": 0.05,
    "clip_norm": 1.5,
    "l1": 0.0001,
    "l2": 0.0005,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "early_stopping": 6,
    "momentum": 0.75,
    "batch_size": 48,
    "epochs": 3,
    "iterations": 70,
    "evaluate_every": 5,
    "train_sample": 500,
    "validation": 0.2,
    "seed": 41,
    "augmentation": Augmentation(shift=2, rotation=10),
}
ALL = {**rows(), **SETTINGS}  # the engine's where both have one
LENGTHS = {"epochs": None, "iterations": None}


def read(query: str) -> address.Asked:
    return address.read(dict(parse_qsl(query, keep_blank_values=True)), ("digits",), Bounds())


def recipe_with(name: str) -> Recipe:
    """Return the usual recipe with another value of one setting."""
    change = {name: OTHER[name]}
    return replace(Recipe(), **(LENGTHS | change if name in LENGTHS else change))


def parsed(*given: str) -> argparse.Namespace:
    """Return what the train command makes of options."""
    parser = argparse.ArgumentParser()
    train.add(parser.add_subparsers())
    return parser.parse_args(["train", *given])


def help_text() -> str:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    train.add(commands)
    return " ".join(commands.choices["train"].format_help().split())


def test_the_rows_are_the_settings_of_the_engine_and_no_others():
    of_run = {name for name, row in SETTINGS.items() if not row.of_network}
    assert {field.name for field in fields(TrainingConfig)} == of_run
    assert SETTINGS.keys() - of_run <= inspect.signature(Network.build).parameters.keys()


def test_the_fields_are_what_a_recipe_consists_of():
    assert {field.name for field in fields(Recipe)} == rows().keys()
    assert {name for name, row in SETTINGS.items() if row.key} <= rows().keys()


@pytest.mark.parametrize("name", ALL)
def test_every_row_has_a_label_and_a_sentence_of_help(name):
    row = ALL[name]
    assert name == row.name
    assert row.label[:1].isupper()
    assert row.help[:1].isupper() and row.help.endswith(".")


def test_no_two_rows_share_a_key_or_an_option():
    keys = [row.key for row in rows().values()]
    options = [option for row in SETTINGS.values() for option in row.options]
    assert all(keys) and len(set(keys)) == len(keys)
    assert len(set(options)) == len(options)


def test_every_group_has_a_switch_in_the_form_and_every_switch_its_fields():
    several = {row.either for row in SETTINGS.values() if row.either}
    assert several <= SWITCHES.keys()
    for name, switch in SWITCHES.items():
        acting = [one for one in switch.options.values() if one]
        assert acting == [row.name for row in rows().values() if group(row) == name]


@pytest.mark.parametrize("name", rows())
def test_every_field_comes_back_from_a_link(name):
    recipe = recipe_with(name)
    asked = read(address.link(recipe))
    assert (recipe, ()) == (asked.recipe, asked.faults)


@pytest.mark.parametrize("name", rows())
def test_every_field_comes_back_from_json(name):
    recipe = recipe_with(name)
    assert recipe == Recipe.from_dict(json.loads(json.dumps(recipe.as_dict())))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (0.1 + 0.2, "0.30000000000000004"), (2**63, "9.2233"), (1, "1")],
)
def test_a_number_is_written_so_that_it_is_read_again(value, text):
    kind = Number()
    assert value == kind.read(kind.write(value)) and kind.write(value).startswith(text)


def test_a_number_of_too_many_digits_is_refused_and_not_cut():
    text = "1" + 50 * "0" + "e-50"  # which is one, and 10^47 where it is cut
    with pytest.raises(ConfigError, match="write a number"):
        Number().read(text)


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if row.options])
def test_every_option_takes_what_its_row_writes(name):
    row = SETTINGS[name]
    for option in row.options:
        assert OTHER[name] == getattr(parsed(option, row.write(OTHER[name])), name)
    for word in row.none or ():
        assert getattr(parsed(row.options[0], word), name) is None
    assert f"{row.help[1:].rstrip('.')}" in help_text()


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if not row.of_network])
def test_every_setting_of_a_run_is_on_its_record(name):
    config = TrainingConfig(**{name: OTHER[name]}).as_dict()
    title, said = SETTINGS[name].note(config[name])
    assert said == dict(record_rows({"config": config}))[title]


def test_what_a_record_holds_is_shown_whatever_it_is():
    config = {"optimizer": ["x"], "seed": "many", "augmentation": {"shift": "far"}, "warmth": 7}
    shown = {"Optimizer": "['x']", "Seed": "many", "Warmth": "7"}
    assert shown == dict(record_rows({"config": config}))


def test_the_form_says_what_it_was_filled_with():
    everything = {name: OTHER[name] for name in rows()} | {"epochs": None}
    for recipe in (Recipe(**everything), replace(Recipe(**everything), batch_size=None)):
        at = AppTest.from_file(str(APP), default_timeout=240)
        for name, value in parse_qsl(address.link(recipe)):
            at.query_params[name] = value
        at = at.run().switch_page("views/train.py").run()
        link = urlsplit(component(at, "share.recipe")["link"])
        assert recipe == read(link.query).recipe


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if not row.of_network])
def test_what_a_setting_cannot_be_is_refused_by_its_name(name):
    with pytest.raises(ConfigError, match=f"^{name} "):
        TrainingConfig(**{name: "nonsense"})


def test_links_by_the_names_of_earlier_versions_are_read():
    asked = read("optimiser=sgd&initialisation=glorot&hide=optimiser")
    assert Recipe(optimizer="sgd", initializer="glorot") == asked.recipe
    assert (("optimizer",), ()) == (asked.hide, asked.faults)


# What a new row needs: nothing but itself ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmer(Recipe):
    """A recipe with one setting more."""

    warmth: float = 0.0


@pytest.fixture
def warmth(monkeypatch):
    """A setting that nobody has heard of but its row and the recipe."""
    row = Row(
        name="warmth", key="warmth", options=("--warmth",), label="Warmth",
        help="How warm the room is.", kind=Number(most=1.0, below=True),
    )  # fmt: skip
    monkeypatch.setitem(SETTINGS, row.name, row)
    for module in (address, recipe_fields, recipe_form):
        monkeypatch.setattr(module, "Recipe", Warmer)
    monkeypatch.setattr(address, "_USUAL", Warmer())
    return row


def test_a_new_row_is_in_links_and_can_be_hidden(warmth):
    recipe = Warmer(warmth=0.01)
    assert "warmth=0.01" in address.link(recipe)
    assert recipe == read(address.link(recipe)).recipe
    assert "Warmth" == hideable()["warmth"]
    (fault,) = read("warmth=1").faults
    assert "warmth=1: write a number from 0 to below 1. Taken instead: warmth=0." == fault


def test_a_new_row_is_an_option_and_is_explained(warmth):
    assert 0.01 == parsed("--warmth", "0.01").warmth
    assert "--warmth X how warm the room is" in help_text()


def test_a_new_row_is_on_the_record(warmth):
    assert [("Warmth", "0.01")] == record_rows({"config": {"warmth": 0.01}})


def form_alone() -> None:
    """The fields of the form, and what they say; a page of its own."""
    import streamlit as st

    from dashboard import state
    from dashboard.sections import recipe_fields, recipe_form

    state.begin()
    if state.widget_value("train.preset") is None:
        recipe_form.fill(recipe_form.Recipe())
    recipe_fields.settings()
    st.write(repr(recipe_form.chosen_recipe()))


def test_a_new_row_is_a_field_of_the_form(warmth):
    at = AppTest.from_function(form_alone, default_timeout=240).run()
    assert not at.exception
    field = next(one for one in at.number_input if one.label == "Warmth")
    assert (warmth.help, 0.0) == (field.help, field.value)
    field.set_value(0.25).run()
    assert "warmth=0.25" in at.markdown[-1].value


def test_a_row_that_says_otherwise_is_followed_by_all(monkeypatch):
    row = replace(
        SETTINGS["schedule"], label="Pace", key="pace", options=("--pace",), title="Pace",
        help="How the pace changes.",
    )  # fmt: skip
    monkeypatch.setitem(SETTINGS, "schedule", row)
    assert "pace=cosine" in address.link(Recipe(schedule="cosine"))
    assert Recipe(schedule="cosine") == read("pace=cosine").recipe
    assert "Pace" == hideable()["pace"] and "schedule" not in hideable()
    assert "cosine" == parsed("--pace", "cosine").schedule
    assert "how the pace changes (constant)" in help_text()
    assert [("Pace", "cosine")] == record_rows({"config": {"schedule": "cosine"}})
    at = AppTest.from_function(form_alone, default_timeout=240).run()
    field = next(one for one in at.selectbox if one.label == "Pace")
    assert "How the pace changes." == field.help.partition("\n")[0]  # behind it a word's sense
    assert "constant" == field.value


def test_recipes_and_links_need_no_screen():
    code = "import sys; sys.modules['streamlit'] = None; import dashboard.runs.address"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stderr)
