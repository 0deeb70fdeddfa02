"""The About page: what differs between a tab and a server, and the way to a host of one's own."""

from __future__ import annotations

from pathlib import Path

from dashboard.present import hosting
from tests.pages import open_page, words

ROOT = Path(__file__).resolve().parent.parent


def test_the_page_says_where_it_runs_and_how_to_host_it():
    at = open_page("about")
    assert not at.exception
    said = words(at)
    assert "It runs on a server" in said
    assert "not fetched: download the files and drop them" in said
    assert hosting.WORKFLOW.strip() in [block.value for block in at.code]


def test_the_document_tells_the_same_workflow_and_commands():
    text = (ROOT / "docs" / "static-site.md").read_text(encoding="utf-8")
    assert hosting.WORKFLOW in text


def test_the_commands_are_targets_of_the_makefile():
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in hosting.COMMANDS.splitlines():
        assert f"\n{line.split()[1]}:" in targets
