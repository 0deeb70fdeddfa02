"""Every page under axe-core, which knows what hinders screen readers and keys."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import needed, settle
from tests.browser.test_walk import PAGES, go

# Streamlit's own: a box that takes no focus is called presentation and has a name all the same.
THEIRS = {("presentation-role-conflict", '[data-testid="stFileUploaderDropzone"]')}
ASKED = """async (theirs) => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  const theirOwn = (rule, node) => theirs.some(([its, what]) => its === rule &&
    document.querySelector(node.target.at(-1))?.matches(what));
  return found.violations.flatMap((rule) => rule.nodes
    .filter((node) => !theirOwn(rule.id, node))
    .map((node) => `${rule.id}: ${rule.help}: ${node.html.slice(0, 200)}`));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, which a package of Playwright's carries."""
    found = importlib.util.find_spec("axe_playwright_python")
    folder = found and found.submodule_search_locations
    needed(folder and folder[0], "axe-core (pip install axe-playwright-python)")
    return Path(folder[0], "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe-core has against the page as it is now, a sentence a place."""
    settle(page, pause_ms=700)  # what fades in has less contrast until then
    page.evaluate(axe)
    return page.evaluate(ASKED, [list(pair) for pair in THEIRS])


def train(page: Page) -> None:
    """Have a short run of the built-in digits in hand, so that pages have something to show."""
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=90_000)


SIZES = pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])


@SIZES
def test_axe_finds_nothing_on_any_page_that_somebody_comes_to_first(visit, axe, width, scheme):
    page = visit("/", width=width, scheme=scheme)
    found = {"Start": violations(page, axe)}
    for name in PAGES:
        go(page, name)
        found[name] = violations(page, axe)
    assert {} == {name: said for name, said in found.items() if said}


@SIZES
def test_axe_finds_nothing_on_pages_that_show_a_run(visit, axe, width, scheme):
    page = visit("/train", width=width, scheme=scheme)
    train(page)
    found = {"Train": violations(page, axe)}
    for name in ("Compare", "Weights", "Follow", "Fragility", "Models"):
        go(page, name)
        found[name] = violations(page, axe)
    assert {} == {name: said for name, said in found.items() if said}


def test_axe_does_find_what_is_wrong(visit, axe):
    page = visit("/about")
    page.evaluate("document.querySelector('.stMain').append(document.createElement('button'))")
    assert ["button-name: Buttons must have discernible text: <button></button>"] == violations(
        page, axe
    )
