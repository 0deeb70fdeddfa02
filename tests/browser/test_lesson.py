"""The lesson from Begin to its end, on a server and in a tab: every run is trained on the spot."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Page, expect

from dashboard.runs.lesson import STEPS, Step
from tests.browser.conftest import OPENED_S, note_console, note_foreign, settle

MENDED = 2  # steps until a fault was made and mended
STEP_S = 300  # of a run on the built-in digits, on a machine that others keep busy
SHARE = re.compile(r"([\d.]+) % of the test images are answered rightly")


def play(page: Page, steps: tuple[Step, ...]) -> dict[str, float]:
    """Press Begin, and Next for every other step; return what each step's run reached, in %."""
    reached = {}
    for number, step in enumerate(steps):
        page.get_by_role("button", name="Next" if number else "Begin", exact=True).click()
        title = re.compile(rf"^{re.escape(step.title)}\b")  # help may follow
        expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=60_000)
        said = page.get_by_text(SHARE)
        expect(said).to_be_visible(timeout=STEP_S * 1000)
        settle(page)
        reached[step.key] = float(SHARE.search(said.inner_text())[1])
    return reached


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("host", ["server", "site"])
def test_the_lesson_plays_through_and_its_last_step_is_its_best(request, lonely, host):
    address = request.getfixturevalue(host)
    context = lonely.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.faults = faults
    page.on("console", lambda line: note_console(page, line.text))
    context.on("request", lambda asked: note_foreign(page, asked.url, address))
    page.goto(f"{address}/lesson")
    expect(page.get_by_role("heading", name="Lesson", exact=True)).to_be_visible(
        timeout=OPENED_S * 1000
    )
    settle(page)
    # A tab takes a minute for the last ones: the whole lesson in it is among the long tests.
    whole = host == "server" or "NNENGINE_LONG" in os.environ
    reached = play(page, STEPS if whole else STEPS[:MENDED])
    assert reached["bright"] < 70 < reached["whole"]
    if whole:
        expect(page.get_by_text("That was the last step")).to_be_visible()
        assert reached["classes"] < 40 and reached["low"] < reached["faster"]
        assert reached["whole"] < max(reached.values()) == reached["windows"] > 95
    # Beside it stands what every run reached, the same figures once more.
    ladder = page.locator(".st-key-lesson-steps").inner_text()
    for share in reached.values():
        assert f"{share:.1f} %" in ladder.replace("\u00a0", " ")
    assert 0 == page.locator('[data-testid="stException"]').count() and [] == faults
    context.close()
