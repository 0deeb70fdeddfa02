"""Links in a real browser: a recipe, a teacher's form, a network that answers at once."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

import nnengine
from nnengine.storage import links
from tests.browser.conftest import settle, unfold
from tests.browser.strokes import SEVEN
from tests.browser.test_draw import answered, draw
from tests.browser.test_walk import go


def box(page: Page, label: str) -> str:
    """Return the link that stands under this label."""
    found = page.get_by_label(label, exact=True)
    expect(found).to_be_visible()
    return found.input_value()


def asked_for(page: Page) -> str | None:
    """Return which visit the address names."""
    return parse_qs(urlsplit(page.url).query).get("run", [None])[0]


def original(**said) -> str:
    return links.encode(nnengine.shipped("original"), name="The original", **said)


def test_a_recipe_is_sent_and_opened_by_somebody_else(visit, server):
    page = visit("/train")
    page.get_by_text("Share this recipe").click()
    seed = page.get_by_label("Seed", exact=True)
    unfold(page, "Settings", page.get_by_label("Hidden layers"))
    unfold(page, "Further settings", seed)
    seed.fill("41")
    page.keyboard.press("Enter")
    field = page.get_by_label("Link to this recipe", exact=True)
    expect(field).to_have_value(re.compile("seed=41"))
    link = box(page, "Link to this recipe")
    assert link.startswith(f"{server}/train?data=digits&hidden=128&")
    assert "run=" not in link
    other = visit(link.removeprefix(server) + "&hide=settings,share")
    expect(other.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    expect(other.get_by_text("Settings", exact=True)).to_have_count(0)
    expect(other.get_by_text("Share this recipe")).to_have_count(0)
    go(other, "Weights")
    assert "seed=41" in other.url
    other.reload()
    settle(other)
    go(other, "Train")
    expect(other.get_by_text("Settings", exact=True)).to_have_count(0)


def test_copy_puts_the_link_on_the_clipboard(visit, server):
    page = visit("/train")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server)
    page.get_by_text("Share this recipe").click()
    link = box(page, "Link to this recipe")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert link == page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("sign", ["#", "?"])
def test_a_network_in_a_link_is_introduced_and_answers_a_drawing(visit, sign):
    text = original(accuracy=0.9403, judged_on="MNIST")
    assert len(text) < 10_000
    page = visit(f"/draw{sign}net={text}")
    expect(page.get_by_text("a network that was sent to you in a link")).to_be_visible()
    expect(page.get_by_text("94.03 % on MNIST")).to_be_visible()
    assert "net=" not in page.url
    draw(page, SEVEN)
    answered(page, "7")
    page.reload()
    settle(page)
    expect(page.get_by_text("a network that was sent to you in a link")).to_be_visible()


def test_a_link_followed_while_the_app_is_open_is_opened(visit, server):
    page = visit("/models")
    page.evaluate("text => { location.hash = 'net=' + text; }", original())
    expect(page.get_by_text("a network that was sent to you in a link")).to_be_visible()
    expect(page.get_by_role("heading", name="Draw", exact=True)).to_be_visible()


def test_a_cut_link_says_so(visit):
    page = visit(f"/draw#net={original()[:4000]}")
    expect(page.get_by_text("was cut short")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_network_goes_from_one_visitor_to_another(visit, server, width, scheme):
    page = visit("/models", width=width, scheme=scheme)
    page.get_by_role("combobox", name="Run, built-in or restored network").click()
    page.get_by_role("option", name="The original").click()
    settle(page)
    page.get_by_role("button", name="Prepare a link").click()
    expect(page.get_by_text("8 bits a weight:")).to_be_visible()
    link = box(page, "Link to this network")
    assert len(link) < 10_000
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    other = visit(link.removeprefix(server), width=width, scheme=scheme)
    expect(other.get_by_text("a network that was sent to you in a link")).to_be_visible()
    expect(other.get_by_text("images of Built-in digits")).to_be_visible()


@pytest.mark.parametrize(
    ("second", "ended"),
    [
        ("/train?data=digits&hidden=24&epochs=1", True),
        ("/", True),
        ("/train", False),
        ("net", False),
    ],
)
def test_a_second_link_in_the_same_tab_finds_the_runs_that_were_there(visit, server, second, ended):
    length = "epochs=1" if ended else "iterations=2000000"
    page = visit(f"/train?data=digits&hidden=16&{length}")
    page.get_by_role("button", name="Start training").click()
    state = "Finished" if ended else "Running"
    expect(page.get_by_text(state, exact=True)).to_be_visible(timeout=60_000)
    first = asked_for(page)
    page.goto("about:blank")  # a link within the same page would be no second one
    page.goto(server + (f"/draw#net={original()}" if second == "net" else second))
    page.wait_for_url(re.compile(f"run={first}"))
    settle(page)
    if "hidden" in second:
        expect(page.get_by_text("784 → 24 → 10")).to_be_visible()
    if second == "net":
        expect(page.get_by_text("a network that was sent to you in a link")).to_be_visible()
    go(page, "Compare")
    expect(page.get_by_text("No runs yet")).to_have_count(0)
    expect(page.get_by_label("Runs: what differs").first).to_contain_text("Run 1")


def test_another_tab_is_another_visit_until_it_is_given_the_address(visit, server):
    page = visit("/train?data=digits&hidden=16&epochs=1")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=60_000)
    other = page.context.new_page()
    other.faults = page.faults
    other.goto(f"{server}/compare")
    expect(other.get_by_text("No runs yet")).to_be_visible()
    other.goto(page.url.replace("/train", "/compare"))
    expect(other.get_by_label("Runs: what differs").first).to_contain_text("Run 1")


def test_what_was_deleted_is_not_led_back_to(visit, server):
    page = visit("/train?data=digits&hidden=16&epochs=1")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=60_000)
    settle(page)
    page.get_by_role("button", name=re.compile("^Delete it all")).click()
    page.get_by_role("button", name="Delete everything kept here").click()
    settle(page, pause_ms=1000)
    page.goto("about:blank")
    page.goto(f"{server}/compare")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    assert asked_for(page) is None
