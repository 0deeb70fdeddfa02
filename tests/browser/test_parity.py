"""One walk through every page, on the server and in a tab of the static site: the same app."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OPENED_S, ROOT, note_console, note_foreign, settle, unfold
from tests.browser.strokes import ODD, SEVEN
from tests.browser.test_draw import answer, answered, draw
from tests.browser.test_walk import PAGES, choose_source, curve, go, metric, restore, upload

STEP = re.compile(r"Step ([\d,]+) of")
PATIENCE_MS = 60_000  # a busy machine, and kernels that are NumPy's


@pytest.fixture(scope="module", params=["server", "site"])
def visitor(request, lonely):
    """One visitor's page on either host, which all walks share; faults are told at each end."""
    address = request.getfixturevalue(request.param)
    context = lonely.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.faults = []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: page.faults.append(f"script: {error}"))
    page.on("console", lambda line: note_console(page, line.text))
    context.on("request", lambda asked: note_foreign(page, asked.url, address))
    page.goto(f"{address}/data")
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible(
        timeout=OPENED_S * 1000
    )
    settle(page)
    yield page
    context.close()


@pytest.fixture
def page(visitor):
    """The visitor's page; no exception and no script error may be left on it."""
    yield visitor
    assert 0 == visitor.locator('[data-testid="stException"]').count()
    assert [] == visitor.faults


def seen(locator) -> None:
    """Wait as long as a tab on a busy machine may take; it may show old beside new meanwhile."""
    expect(locator.first).to_be_visible(timeout=PATIENCE_MS)


def visit(page: Page, name: str) -> None:
    """Follow the navigation without waiting for a run to stand still."""
    page.get_by_role("link", name=name, exact=True).first.click()
    seen(page.get_by_role("heading", name=name, exact=True))


def steps_done(page: Page) -> int:
    return int(STEP.search(page.get_by_text(STEP).first.inner_text())[1].replace(",", ""))


def wait_for_points(page: Page, least: int) -> None:
    """Wait until the first curve has so many points."""
    page.wait_for_function(
        "(least) => document.querySelector('.js-plotly-plot')?._fullData?.[0].x.length >= least",
        arg=least,
    )


def hold(page: Page) -> int:
    """Pause the run and return its step, once the page stands still."""
    page.get_by_role("button", name="Pause").click()
    seen(page.get_by_text("Paused", exact=True))
    seen(page.get_by_role("button", name="Resume"))
    settle(page, pause_ms=700)
    return steps_done(page)


def test_data_are_shown_dropped_and_removed(page, band_files):
    assert 12_000 == metric(page, "Images")
    seen(page.get_by_role("img", name=re.compile("^Image ")).first)
    upload(page, band_files)
    seen(page.get_by_text(re.compile("^Training set: .* 900 images")))
    seen(page.get_by_text(re.compile("^Test set: .* 300 images")))
    settle(page)
    page.get_by_role("button", name="Header").first.click()
    seen(page.get_by_text(re.compile("^The first 16 bytes of the file")))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove all files").click()
    seen(page.get_by_text("No files yet"))
    settle(page)
    choose_source(page, "Built-in digits")
    seen(page.get_by_text("needs no file"))


def test_a_run_is_live_obeys_at_once_and_survives_a_reload(page):
    go(page, "Train")
    unfold(page, "Settings", page.get_by_label("Hidden layers"))
    # Compiled kernels are done with a hundred epochs of usual batches before a page has followed.
    for name, number, said in (
        ("Epochs", 200, ", 200 epochs"),
        ("Images in a batch", 4, "batches of 4, 200 epochs"),
    ):
        field = page.get_by_role("spinbutton", name=name)
        field.fill(str(number))
        field.press("Enter")
        seen(page.locator("p").filter(has_text=said))
    page.get_by_role("button", name="Start training").click()
    seen(page.get_by_text("Running", exact=True))
    wait_for_points(page, 3)  # what Start changes on the page is drawn by then
    page.evaluate("document.querySelector('.js-plotly-plot').dataset.mark = 'same'")
    wait_for_points(page, curve(page)["points"] + 2)
    assert "same" == curve(page)["mark"]
    held = hold(page)
    page.get_by_role("button", name="Step", exact=True).click()
    seen(page.get_by_text(f"Step {held + 1:,} of"))
    settle(page, pause_ms=700)

    page.reload()
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible(
        timeout=OPENED_S * 1000
    )
    seen(page.get_by_text(f"Step {held + 1:,} of"))
    settle(page)
    page.get_by_role("button", name="Resume").click()
    seen(page.get_by_text("Running", exact=True))


def test_weights_are_live_while_another_page_is_open(page):
    visit(page, "Weights")
    seen(page.get_by_text("Unit 1", exact=True).first)
    visit(page, "Data")
    visit(page, "Train")
    before = hold(page)
    page.get_by_role("button", name="Resume").click()
    page.wait_for_function(
        r"(before) => Number((/Step ([\d,]+) of/.exec(document.body.innerText) || [0, '0'])[1]"
        ".replace(',', '')) > before",
        arg=before,
    )
    page.get_by_role("button", name="Stop", exact=True).click()
    seen(page.get_by_text("Stopped", exact=True))
    # The rest of the page follows: a run that has ended is listed with what it reached.
    seen(page.locator("[class*='st-key-row']").filter(has_text=re.compile(r"\d\d\.\d\d %")))
    settle(page)
    assert metric(page, "Accuracy, validation") > 50


def test_a_model_is_examined_saved_and_read_outside_and_comes_back(page, tmp_path):
    go(page, "Models")
    page.get_by_role("button", name="Evaluate").click()
    seen(page.get_by_test_id("stMetric").filter(has_text="Accuracy").first)
    settle(page)
    shown = metric(page, "Accuracy")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download .npz")).click()
    model = tmp_path / "walk.npz"
    download.value.save_as(model)
    assert shown == pytest.approx(outside(model, "digits"), abs=0.0051)
    restore(page, model)
    page.get_by_role("button", name="Evaluate").click()
    settle(page)
    assert shown == metric(page, "Accuracy")
    page.get_by_role("button", name="Let go of this file").click()
    expect(page.get_by_role("button", name="Let go of this file")).to_have_count(
        0, timeout=PATIENCE_MS
    )


def outside(model: Path, *data: str) -> float:
    """Return the accuracy in percent that the command line says of a model."""
    command = [sys.executable, "-m", "nnengine", "evaluate", str(model), *data, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return 100 * json.loads(done.stdout)["accuracy"]


def test_a_drawing_is_answered_taught_and_kept(page):
    go(page, "Draw")
    seen(page.get_by_text("The sheet is blank."))
    draw(page, SEVEN)
    seen(page.get_by_role("status").filter(has_text="The network answers"))
    answered(page, "7")
    page.get_by_role("button", name="Clear", exact=True).click()
    seen(page.get_by_text("The sheet is blank."))
    draw(page, ODD)
    seen(page.get_by_role("status").filter(has_text="The network answers"))
    other = str((int(answer(page)) + 4) % 10)
    page.keyboard.press(other)
    seen(page.get_by_text(re.compile("^Taught in")))
    settle(page)
    answered(page, other)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as IDX").click()
    assert "zip" in download.value.suggested_filename


def test_every_page_has_its_heading_and_no_fault(page):
    for name in PAGES:
        go(page, name)
