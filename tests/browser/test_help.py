"""Help and keys in a real browser: words by the Tab key, tiles by arrows, and a phone's screen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settle
from tests.browser.strokes import SEVEN, draw_on

SCROLLED = "document.querySelector('.stMain').scrollTop"


def focused(page) -> str:
    return page.evaluate("document.activeElement.getAttribute('aria-label')")


def test_all_units_are_one_stop_of_the_tab_key_and_arrows_go_from_one_to_the_next(visit):
    page = visit("/weights")
    tiles = page.locator("button.nn-tile")
    expect(tiles).to_have_count(48)
    stops = page.locator('button.nn-tile[tabindex="0"]')
    expect(stops).to_have_count(1)
    stops.focus()
    for key, unit in (("ArrowRight", 2), ("End", 48), ("Home", 1), ("ArrowRight", 2)):
        page.keyboard.press(key)
        assert focused(page).startswith(f"Unit {unit}:")
    page.keyboard.press("ArrowDown")
    below = int(re.match(r"Unit (\d+):", focused(page))[1])
    above = [box["x"] for box in (tiles.nth(at).bounding_box() for at in (1, below - 1))]
    assert below > 2 and abs(above[0] - above[1]) < 1
    page.keyboard.press("Enter")
    expect(page.locator('button.nn-tile[aria-pressed="true"]')).to_have_attribute(
        "aria-label", re.compile(rf"Unit {below}:")
    )
    assert focused(page).startswith(f"Unit {below}:")  # the focus stays where it was
    expect(stops).to_have_count(1)


def test_help_on_a_setting_opens_by_the_tab_key_alone(visit):
    page = visit("/train")
    page.get_by_role("combobox", name=re.compile("Start from")).focus()
    for _ in range(4):
        if "Ready recipes" in page.locator("body").inner_text():
            break
        page.keyboard.press("Shift+Tab")
        page.wait_for_timeout(300)
    expect(page.get_by_text("Ready recipes: each fills in all settings")).to_be_visible()


def test_on_a_phone_the_answer_is_on_the_screen_beside_the_pad_and_the_menu_goes(visit):
    page = visit("/weights", width=390)
    page.set_viewport_size({"width": 390, "height": 664})
    page.get_by_test_id("stExpandSidebarButton").click()
    menu = page.get_by_test_id("stSidebar")
    menu.get_by_role("link", name="Draw").click()
    expect(page.get_by_role("heading", name="Draw")).to_be_visible()
    expect(menu.get_by_role("link", name="Weights")).not_to_be_in_viewport()
    settle(page)
    pad = page.locator("canvas").last
    draw_on(pad, SEVEN)
    brief = page.locator(".nn-brief")
    expect(brief).to_contain_text("7")
    expect(brief).to_be_in_viewport()
    expect(pad).to_be_in_viewport()


@pytest.mark.parametrize(("width", "height"), [(390, 664), (820, 1180), (1280, 900)])
def test_a_unit_that_is_pressed_is_seen_large_and_no_wide_page_moves_for_it(visit, width, height):
    page = visit("/weights", width=width)
    page.set_viewport_size({"width": width, "height": height})
    large = page.locator(".st-key-weights-unit")
    for unit in (4, 46):
        tile = page.get_by_role("button", name=f"Unit {unit}:")
        tile.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        before = page.evaluate(SCROLLED)
        tile.click()
        expect(large.get_by_role("heading", name=f"Unit {unit}")).to_be_in_viewport(ratio=1)
        expect(large.get_by_label("The chosen unit")).to_be_in_viewport(ratio=0.99)
        settle(page)
        assert width < 500 or before == page.evaluate(SCROLLED)


def test_on_a_phone_a_key_that_chooses_a_unit_leaves_the_page_where_the_tiles_are(visit):
    page = visit("/weights", width=390)
    page.locator('button.nn-tile[tabindex="0"]').focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    settle(page, pause_ms=1000)
    assert focused(page).startswith("Unit 2:")
    expect(page.get_by_role("button", name="Unit 2:")).to_be_in_viewport()
