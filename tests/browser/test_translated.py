"""A page that the browser translates while it lives: it goes on, and icons stay icons."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.strokes import SEVEN
from tests.browser.test_draw import answered, draw
from tests.browser.test_walk import go

# As browsers' translators do it: every text gives way to another one in two <font>, whatever comes
# later too, except what is marked as not to be translated.
TRANSLATES = """() => {
  const words = (node) => node.data.trim() && !node.parentElement?.closest(
    "font, script, style, svg, textarea, [translate=no]");
  const translate = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) if (words(walker.currentNode)) found.push(walker.currentNode);
    for (const node of found) {
      const outer = document.createElement("font"), inner = document.createElement("font");
      inner.append(node.data);
      outer.append(inner);
      node.replaceWith(outer);
    }
    window.translated = (window.translated ?? 0) + found.length;
  };
  new MutationObserver(translate).observe(
    document.body, { subtree: true, childList: true, characterData: true });
  translate();
}"""
# Words that a font of icons makes pictures of, where a translator would find them.
ICONS = """() => [...document.querySelectorAll("body *")].filter((e) =>
  /Material/.test(getComputedStyle(e).fontFamily) && !e.closest("svg") &&
  [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) &&
  !e.closest("[translate=no]")).map((e) => e.innerText)"""


@pytest.mark.parametrize("path", ["/", "/data", "/train", "/models"])
def test_names_of_icons_are_not_offered_to_a_translator(visit, path):
    page = visit(path)
    assert 0 < page.locator('[data-testid="stIconMaterial"]').count()
    assert [] == page.evaluate(ICONS)


def test_a_page_translated_while_a_run_goes_on_lives_and_says_its_end(visit):
    page = visit("/train")
    page.evaluate(TRANSLATES)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=90_000)
    expect(page.get_by_text(re.compile(r"^Step 940 of 940")).first).to_be_visible()
    go(page, "Draw")
    draw(page, SEVEN)
    answered(page, "7")
    assert page.evaluate("translated") > 100
