"""Hostile names in a real browser: no page makes anything of them, and no other host is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from nnengine import demo
from nnengine.storage import links, modelfile
from tests import hostile
from tests.browser.conftest import settle
from tests.browser.strokes import SEVEN
from tests.browser.test_draw import draw
from tests.browser.test_walk import go

# What stands on the page that is not ours: links elsewhere, pictures from elsewhere, frames, and
# whatever Markdown would have made of a name.
FOREIGN = """() => {
  const ours = (address) => !address
    || new URL(address, document.baseURI).origin === location.origin
    || /^(data|blob):/.test(address);
  const bad = [];
  const look = (root) => {
    for (const e of root.querySelectorAll('*')) {
      const [address] = ["href", "xlink:href", "src"].map((a) => e.getAttribute(a)).filter(Boolean);
      const name = e.tagName.toLowerCase();
      if (!ours(address)) bad.push(e.outerHTML.slice(0, 200));
      if (['iframe', 'object', 'embed', 'base'].includes(name)) bad.push(e.outerHTML.slice(0, 200));
      if (e.shadowRoot) look(e.shadowRoot);
    }
    const made = '.stMarkdownColoredText, .katex, [data-testid=stMarkdownContainer] :is(img, code,'
      + ' pre, del, em, h2 ~ h1, [data-testid=stIconMaterial])';
    for (const e of root.querySelectorAll(made)) {
      const told = /\\.example(?!\\.)|warning|alpha|^(code|home|gone)$/.test(e.textContent);
      if (told || e.tagName === 'IMG')
        bad.push('made: ' + e.outerHTML.slice(0, 200));
    }
  };
  look(document);
  return bad;
}"""


def check(page: Page) -> None:
    settle(page)
    assert [] == page.evaluate(FOREIGN)
    across = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert across <= 0, f"{across} pixels beyond the window"


def drop(page: Page, files: dict[str, bytes]) -> None:
    given = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": raw}
        for name, raw in files.items()
    ]
    page.locator('input[type="file"]').first.set_input_files(given)
    settle(page, 1500)


WIDE, PHONE = (1280, "light"), (390, "dark")


@pytest.fixture(params=[WIDE, PHONE], ids=["wide", "phone"])
def page(request, visit) -> Page:
    width, scheme = request.param
    return visit("/data", width=width, scheme=scheme)


@pytest.mark.parametrize(
    ("page", "classes"),
    [(WIDE, 10), (PHONE, len(hostile.TEXTS) - 1)],
    indirect=["page"],
    ids=["wide, ten classes", "phone, all of them"],
)
def test_a_network_with_hostile_names_makes_nothing_of_any_page(page, classes):
    go(page, "Models")
    raw = modelfile.to_bytes(hostile.network(hostile.TEXTS[:classes], hostile.WRITTEN), "npz")
    drop(page, {f"{hostile.WRITTEN[:150]}.npz": raw, f"{hostile.TEXTS[0]}.nnm": b"none"})
    expect(page.get_by_role("button", name="Let go of this file")).to_be_visible()
    page.get_by_text("What this network is").click()
    page.get_by_text("Training record (1)").click()
    expect(page.get_by_text("mail@address.example").first).to_be_attached()
    check(page)
    for name in ("Weights", "Fragility", "Train", "About", "Data"):
        go(page, name)
        check(page)
    go(page, "Draw")
    draw(page, SEVEN)
    expect(page.get_by_text("Is it right?")).to_be_visible()
    check(page)
    page.get_by_role("button", name="Keep this").click()
    expect(page.get_by_role("heading", name="My digits")).to_be_visible()
    check(page)


def test_fragility_asks_nobody_for_what_a_network_s_name_names(page):
    go(page, "Models")
    digits = hostile.network(tuple("0123456789"), hostile.WRITTEN)
    drop(page, {f"{text}.npz": modelfile.to_bytes(digits, "npz") for text in hostile.TEXTS[:5]})
    go(page, "Fragility")
    expect(page.get_by_text("Measured on")).to_be_visible(timeout=60_000)
    check(page)


def test_files_with_hostile_names_and_classes_make_nothing_of_any_page(page):
    drop(page, {f"{hostile.WRITTEN[:150]}.zip": hostile.pictures(), hostile.TEXTS[2]: b"no format"})
    expect(page.get_by_text("www.address.example").first).to_be_attached()
    check(page)
    page.locator(".js-plotly-plot .bars .point path").first.hover(force=True)
    check(page)
    go(page, "Train")
    page.get_by_text("Settings", exact=True).click()
    page.get_by_role("textbox", name="Name of the run").fill(hostile.TEXTS[0])
    page.get_by_role("textbox", name="Name of the run").press("Enter")
    settle(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Runs of this visit")).to_be_visible(timeout=60_000)
    check(page)
    for name in ("Weights", "Models", "Draw"):
        go(page, name)
        check(page)


def test_a_link_with_hostile_names_makes_nothing_of_the_page(visit):
    network = hostile.network(hostile.TEXTS[:3])
    text = links.encode(network, 4, name=hostile.TEXTS[0], judged_on=hostile.TEXTS[3])
    page = visit(f"/draw#net={text}")
    expect(page.get_by_text("a network that was sent to you")).to_be_visible()
    check(page)
    page = visit("/train?optimizer=![p](https://picture.example/p.png)&hide=www.address.example")
    expect(page.get_by_text("I have read this")).to_be_visible()
    check(page)


def test_a_demo_page_with_hostile_names_makes_nothing_of_them(browser, tmp_path: Path):
    file = tmp_path / "demo.html"
    file.write_text(
        demo.page(hostile.network(hostile.TEXTS[:10]), hostile.ALL, note=hostile.ALL), "utf-8"
    )
    context = browser.new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_timeout(500)
    assert [] == page.evaluate("[...document.querySelectorAll('a, img, iframe')].map(String)")
    assert [] == [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    context.close()
