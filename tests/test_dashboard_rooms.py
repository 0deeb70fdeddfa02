"""The dashboard's rooms: which may use which, who knows Streamlit, and how long a page may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.test_imports import ROOT, imported, room

HOME = ROOT / "dashboard"
# What a room may use of the others; no more, and none of them the other way round.
DOORS = {
    "host": set(),
    "present": set(),
    "runs": {"host"},
    "store": {"host", "present", "runs"},
    "state": {"host", "runs", "store"},
    "components": {"host", "present"},
    "sections": {"components", "host", "present", "runs", "state", "store"},
    "views": {"components", "host", "present", "sections", "state", "store"},
    "app": {"host", "sections", "state"},
    "web": set(),
}
WITHOUT_STREAMLIT = ("present", "runs", "store")
MOST_LINES, MOST_OF_A_FUNCTION = 120, 40


def files() -> list[Path]:
    return [
        path for path in sorted(HOME.rglob("*.py")) if path.parent != HOME or path.stem == "app"
    ]


def home_of(path: Path) -> str:
    return path.relative_to(HOME).parts[0].removesuffix(".py")


def test_a_room_uses_only_those_it_has_a_door_to():
    edges = {
        (home_of(path), there)
        for path in files()
        for name in imported(path)
        if (there := room(name, "dashboard")) and there != home_of(path)
    }
    allowed = {(here, there) for here, doors in DOORS.items() for there in doors}
    assert set() == edges - allowed


@pytest.mark.parametrize("name", WITHOUT_STREAMLIT)
def test_what_is_computed_and_kept_knows_no_streamlit(name):
    users = [path for path in (HOME / name).rglob("*.py") if "streamlit" in imported(path)]
    assert [] == users


@pytest.mark.parametrize("page", sorted((HOME / "views").glob("*.py")), ids=lambda p: p.stem)
def test_a_page_is_short_enough_to_be_read_at_once(page):
    assert len(page.read_text().splitlines()) <= MOST_LINES


def test_no_function_of_the_dashboard_is_longer_than_a_screen():
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > MOST_OF_A_FUNCTION
    ]
    assert [] == long
