"""A hole is seen, trained away, and seen to be closed, by somebody who has brought no files."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import settle
from tests.browser.test_walk import go

RISE = 30  # points of a hundred at a shift of 3 px; 55 to 60 were seen


def finished(page: Page, name: str) -> None:
    heading = page.get_by_role("heading", name=re.compile(f"{name}.*Finished"))
    expect(heading).to_be_visible(timeout=120_000)
    settle(page)


def measured(page: Page) -> str:
    """Wait until all is measured; return what a screen reader says of the chart of shifts."""
    expect(page.get_by_text(re.compile("^Measured on .* digits\\)$"))).to_be_visible(timeout=60_000)
    settle(page)
    chart = page.locator(".st-key-fragility-card-shift .nn-plot-canvas")
    expect(chart.locator("image")).to_have_count(7)  # the strip of digits below the curves
    return chart.get_attribute("aria-label")


def percent_at_3_px(said: str, name: str) -> int:
    """Return what a network reads of images moved by 3 px, in percent."""
    return int(re.search(rf"{name}: [^;]*, 3 px (?:over |under )?(\d+)", said)[1])


def test_train_with_this_closes_the_hole_that_the_chart_shows(visit):
    page = visit("/train")
    page.get_by_role("button", name="Start training").click()
    finished(page, "Run 1")

    go(page, "Fragility")
    before = percent_at_3_px(measured(page), "Run 1")
    card = page.locator(".st-key-fragility-card-shift")
    card.get_by_role("button", name="Train with this").click()

    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile("5 epochs, images moved by up to 5 px"))).to_be_visible()
    page.get_by_role("button", name="Start this run").click()
    expect(page.get_by_role("heading", name=re.compile("Run 2"))).to_be_visible()
    go(page, "Weights")
    go(page, "Train")  # the form has kept what it was told, though the page was left while it ran
    form = page.locator("p").filter(has_text="784 → 128 → 10")
    expect(form).to_contain_text("images moved by up to 5 px")
    finished(page, "Run 2")
    page.get_by_role("link", name=re.compile("See how the hole closes")).click()

    expect(page.get_by_role("heading", name="Fragility", exact=True)).to_be_visible()
    said = measured(page)
    assert before == percent_at_3_px(said, "Run 1")  # the earlier run's line is still there
    assert percent_at_3_px(said, "Run 2") >= before + RISE


def test_a_phone_shows_the_charts_without_anything_over_its_edge(visit):
    page = visit("/train", width=390, scheme="dark")  # colours make nothing wider
    page.get_by_role("button", name="Start training").click()
    finished(page, "Run 1")
    go(page, "Fragility")
    measured(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
