"""The glossary: every setting has help, every word is used, and each leads to a page there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.present import glossary
from dashboard.runs.fields import SWITCHES, rows

from .pages import click, open_page, words

DASHBOARD = Path(glossary.__file__).parents[1]
ASKING = ("explained", "plainly")

FIELDS = (
    "selectbox", "number_input", "text_input", "text_area", "radio", "multiselect", "slider",
    "checkbox", "button_group", "metric",
)  # fmt: skip
PAGES = sorted(file.stem for file in (DASHBOARD / "views").glob("[a-z]*.py"))


def is_seen(proto) -> bool:
    """Return whether a field shows its label; a heading is one."""
    return not hasattr(proto, "label_visibility") or 0 == proto.label_visibility.value


def unexplained(at) -> list[str]:
    """Return the fields, numbers and headings that name a word of the glossary without its help.

    A label that is not seen has no place for it.
    """
    plural = "|".join(f"{word}(?:s|es)?" for word in glossary.TERMS)
    named = re.compile(rf"\b(?:{plural})\b", re.IGNORECASE)
    said = [(one.proto.label, one.proto) for kind in FIELDS for one in at.get(kind)]
    said += [(one.value, one.proto) for one in at.markdown if one.value.startswith("#")]
    return [
        label for label, proto in said if named.search(label) and not proto.help and is_seen(proto)
    ]


def asked_for() -> set[str]:
    """Return the words that pages ask the glossary for by name."""
    found = set()
    for file in DASHBOARD.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in ASKING:
                found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def of_settings() -> set[str]:
    tables = (glossary.OF_SETTINGS, glossary.OF_SWITCHES)
    return {word for table in tables for said in table.values() for word in said}


def test_every_word_is_used_and_every_word_that_is_used_is_known():
    assert set(glossary.TERMS) == asked_for() | of_settings()


def test_about_thirty_words_are_explained_in_a_sentence_each():
    assert 25 <= len(glossary.TERMS) <= 40
    for term in glossary.TERMS.values():
        assert re.fullmatch(r"[A-Z].+\.", term.means), term.word
        assert len(term.means) <= 260, term.word


def test_the_tables_name_settings_and_switches_that_there_are():
    assert set(rows()) >= set(glossary.OF_SETTINGS)
    assert set(SWITCHES) == set(glossary.OF_SWITCHES)


def test_every_setting_of_a_recipe_has_help_of_its_own_or_from_the_glossary():
    for row in rows().values():
        said = glossary.of_setting(row.name, row.help)
        assert said.startswith(row.help) and said.strip(), row.name


@pytest.mark.parametrize("preset", ["Quick", "The original"])
def test_every_field_of_the_train_page_has_help_that_the_tab_key_reaches(preset):
    at = open_page("train")
    chosen = next(one for one in at.selectbox if one.label == "Start from")
    chosen.select(next(name for name in chosen.options if name.startswith(preset))).run()
    fields = [*at.selectbox, *at.number_input, *at.text_input, *at.radio, *at.multiselect]
    assert len(fields) > 12
    assert [] == [field.label for field in fields if not field.proto.help]


@pytest.mark.parametrize("page", PAGES)
def test_every_field_number_and_heading_of_a_page_that_names_a_word_explains_it(page):
    at = open_page(page)
    assert not at.exception
    assert [] == unexplained(at)


def test_what_an_evaluation_shows_is_explained_too():
    at = click(open_page("models"), "Evaluate")
    assert any("Accuracy" in one.label for one in at.metric)
    assert [] == unexplained(at)


def test_a_field_that_names_a_word_and_has_no_help_is_found():
    at = AppTest.from_string("import streamlit as st\nst.number_input('Epochs of all')").run()
    assert ["Epochs of all"] == unexplained(at)


def test_the_about_page_lists_every_word_with_a_link_into_a_page():
    at = open_page("about")
    assert not at.exception
    said = words(at)
    missing = [word for word in glossary.TERMS if f"<dfn>{word}</dfn>" not in said]
    assert [] == missing
    links = [link.proto.label for link in at.get("page_link")]
    assert [f"See it on {term.page}" for term in glossary.TERMS.values()] == links
