"""The walk of a new user through the real app: from the published files to a drawn digit."""

from __future__ import annotations

import ast
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import nnengine
import nnengine.data.readers
from tests.browser.conftest import ROOT, settle
from tests.browser.strokes import SEVEN
from tests.browser.test_draw import answered, draw

# All pages but the start page, whose heading is no name: as the frame has them.
NAMED = re.search(r"^PAGES = (\(.*?\))", (ROOT / "dashboard/app.py").read_text(), re.S | re.M)
PAGES = [name for name in ast.literal_eval(NAMED[1]) if name != "Start"]
STEP = re.compile(r"Step ([\d,]+) of 5,000")
STALLED_S = 60  # a run that takes no step for so long is not slow but stuck


def go(page: Page, name: str) -> None:
    """Follow the navigation to a page, through the folded menu on a phone."""
    unfold = page.get_by_test_id("stExpandSidebarButton")
    if unfold.is_visible():
        unfold.click()
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    settle(page)


def upload(page: Page, files: list[Path]) -> None:
    page.locator('input[type="file"]').first.set_input_files(files)


def restore(page: Page, file: Path) -> None:
    """Restore a network from a file, and wait until it is the one in hand.

    Its name alone says nothing: it stands beside the field before the app has read the file.
    """
    upload(page, [file])
    expect(page.get_by_role("button", name="Let go of this file")).to_be_visible(timeout=60_000)
    settle(page)


def choose_source(page: Page, name: str) -> None:
    """Choose a data set at the top of the Data page."""
    page.get_by_role("radio", name=name, exact=True).first.click()
    settle(page)


def metric(page: Page, label: str) -> float:
    """Return the number that a metric of the page shows."""
    box = page.get_by_test_id("stMetric").filter(has_text=label)
    text = box.get_by_test_id("stMetricValue").inner_text()
    return float(text.replace(",", "").split()[0])


def steps_done(page: Page) -> int:
    """Return the step that the progress bar names."""
    text = page.get_by_text(STEP).first.inner_text()
    return int(STEP.search(text)[1].replace(",", ""))


def wait_for_step(page: Page, least: int) -> None:
    """Return when the page shows that step; a slow machine may take long over many."""
    seen, deadline = -1, 0.0
    while (done := steps_done(page)) < least:
        if done > seen:
            seen, deadline = done, time.monotonic() + STALLED_S
        assert time.monotonic() < deadline, f"still at step {done}, waiting for {least}"
        page.wait_for_timeout(200)


def mark_curve(page: Page, low: float, high: float) -> None:
    """Zoom the first curve, and mark its node to know it again."""
    page.evaluate(
        """([low, high]) => {
          const plot = document.querySelector('.js-plotly-plot');
          plot.dataset.mark = 'same';
          return Plotly.relayout(plot, {'xaxis.range': [low, high]});
        }""",
        [low, high],
    )


def curve(page: Page) -> dict:
    """Return the first curve's mark, zoom and number of points."""
    return page.evaluate(
        """() => {
          const plot = document.querySelector('.js-plotly-plot');
          return {
            mark: plot.dataset.mark, range: plot.layout.xaxis.range,
            points: plot._fullData[0].x.length,
          };
        }"""
    )


# Headings that leave a level out, and boxes that scroll sideways where no key leads into them.
UNHEARD = """() => {
  const seen = (what) => [...document.querySelectorAll(what)].filter((e) => e.checkVisibility());
  const levels = seen("h1, h2, h3, h4, h5, h6").map((e) => [Number(e.tagName[1]), e.innerText]);
  const skips = levels.filter(([level], i) => level > (i && levels[i - 1][0]) + 1);
  const scrolls = (e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1 &&
    /auto|scroll/.test(getComputedStyle(e).overflowX);
  const reached = (e) => e.tabIndex >= 0 || e.querySelector("a, button, input, [tabindex='0']");
  const stuck = seen(".stMain *").filter((e) => scrolls(e) && !reached(e));
  return [...skips, ...stuck.map((e) => e.innerText.slice(0, 60))];
}"""


def test_from_the_published_files_to_a_drawn_digit(visit, mnist_files, tmp_path):
    page = visit("/data")
    choose_source(page, "Your files")
    expect(page.get_by_text("No files yet")).to_be_visible()

    upload(page, list(mnist_files.values()))
    expect(page.get_by_text("60,000 images of 28 × 28")).to_be_visible(timeout=60_000)
    settle(page)
    expect(page.get_by_text(re.compile("^Training set: .* 60,000 images"))).to_be_visible()
    expect(page.get_by_text(re.compile("^Test set: .* 10,000 images"))).to_be_visible()
    expect(page.get_by_text("The mean image of each class")).to_be_visible()

    go(page, "Train")
    page.get_by_role("combobox", name=re.compile("Start from")).click()
    page.get_by_role("option", name=re.compile("The original")).click()
    expect(page.get_by_text("7,960 parameters")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible(timeout=60_000)
    wait_for_step(page, 60)
    mark_curve(page, 0, 1000)
    before = curve(page)
    wait_for_step(page, steps_done(page) + 60)
    page.wait_for_timeout(1000)
    after = curve(page)
    assert ("same", [0, 1000]) == (after["mark"], after["range"])  # neither remounted nor unzoomed
    assert after["points"] > before["points"]

    go(page, "Weights")
    expect(page.get_by_text("Unit 10", exact=True)).to_be_visible()
    go(page, "Train")
    wait_for_step(page, 130)
    assert "run=" in page.url

    page.reload()
    settle(page)
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    reached = steps_done(page)
    assert reached >= 130

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    settle(page, pause_ms=1000)  # the badge is drawn before the numbers below it
    held = steps_done(page)
    page.wait_for_timeout(1500)
    assert held == steps_done(page)
    page.get_by_role("button", name="Step", exact=True).click()
    wait_for_step(page, held + 1)
    assert held + 1 == steps_done(page)
    page.get_by_role("button", name="Resume").click()
    wait_for_step(page, held + 400)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()

    go(page, "Models")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download .nnm").click()
    model = tmp_path / "walk.nnm"
    download.value.save_as(model)
    images = nnengine.read_idx(mnist_files["test_images"])
    labels = nnengine.read_idx(mnist_files["test_labels"])
    accuracy = nnengine.load(model).accuracy(images, labels)
    assert accuracy > 0.8

    restore(page, model)
    page.get_by_role("button", name="Evaluate").click()
    expect(page.get_by_text(f"{accuracy * 100:.2f}", exact=False).first).to_be_visible()

    go(page, "Draw")
    draw(page, SEVEN)
    answered(page, "7")
    go(page, "Train")
    go(page, "Draw")
    answered(page, "7")


def test_a_fresh_start_without_files_trains_the_built_in_digits_to_95_percent(visit):
    page = visit("/data")
    expect(page.get_by_text("needs no file")).to_be_visible()
    assert 12_000 == metric(page, "Images")
    expect(page.get_by_role("img", name=re.compile("^Image ")).first).to_be_visible()

    page.get_by_role("button", name="Train a network on it").click()
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Built-in digits, 12,000 images")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_selector(".js-plotly-plot", timeout=60_000)  # the whole run is a second or two
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=90_000)
    settle(page, pause_ms=1000)
    assert curve(page)["points"] >= 5  # one an epoch at least
    assert metric(page, "Accuracy, validation") >= 95


def test_a_set_that_cannot_be_fetched_leaves_the_built_in_digits_at_hand(visit):
    page = visit("/data")
    choose_source(page, "Kuzushiji-MNIST")
    page.get_by_role("button", name=re.compile("^Fetch")).click()
    expect(page.get_by_text(re.compile("Kuzushiji-MNIST could not be fetched"))).to_be_visible(
        timeout=60_000
    )
    expect(page.get_by_text("In hand meanwhile: Built-in digits.")).to_be_visible()
    choose_source(page, "Built-in digits")
    assert 12_000 == metric(page, "Images")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as IDX").click()
    found = nnengine.forms.read_sets(download.value.path(), name="export.zip")
    assert (12_000, 10) == (found.train.count, found.train.classes)


def test_a_table_is_dropped_as_it_is_and_its_set_survives_a_reload(visit, tmp_path):
    rng = np.random.default_rng(2)
    rows = np.column_stack([np.arange(60) % 10, rng.integers(0, 256, (60, 784))]).tolist()
    table = tmp_path / "digits.csv"
    table.write_text("\n".join(",".join(map(str, row)) for row in rows))
    page = visit("/data")
    upload(page, [table])
    expect(page.get_by_text("Training set: digits.csv, 60 images.")).to_be_visible()
    settle(page)
    page.reload()
    settle(page)
    expect(page.get_by_text("CSV table: 60 images of 28 × 28 with labels")).to_be_visible()


def test_the_start_page_is_found_under_its_name_too(visit):
    page = visit("/start?view=projector")
    expect(page.locator(".nn-scenes.projector")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    address = urlsplit(page.url)
    assert ("/", ["projector"]) == (address.path, parse_qs(address.query)["view"])
    expect(page.get_by_role("link", name="Start", exact=True)).to_have_count(1)
    expect(page).to_have_title("Start · nnengine")


def test_a_drawn_digit_goes_through_four_scenes_by_the_arrow_keys_alone(visit):
    page = visit("/")
    draw(page, SEVEN)
    answered(page, "7")
    seen = page.locator(".nn-scenes-stage section.on h2")
    expect(seen).to_have_text("Your digit becomes 784 numbers")
    for title in ("One unit of 400", "All units answer", "It answers 7, and"):
        page.keyboard.press("ArrowRight")
        expect(seen).to_contain_text(title)
    go(page, "Draw")
    expect(page).to_have_title("Draw · nnengine")
    answered(page, "7")  # the sheet came along


def test_a_bad_file_is_told_beside_its_name_and_the_good_ones_stay(visit, band_files, tmp_path):
    page = visit("/data")
    cut = tmp_path / "cut-images-idx3-ubyte"
    cut.write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(2000))
    html = tmp_path / "page.gz"
    html.write_text("<!DOCTYPE html><title>404</title>")
    upload(page, [*band_files, cut, html])
    expect(page.get_by_text("900 images of 28 × 28")).to_be_visible()
    expect(page.get_by_text(re.compile("HTML")).first).to_be_visible()
    expect(page.get_by_text(re.compile("2 whole images")).first).to_be_visible()
    expect(page.get_by_text(re.compile("^Training set: .* 900 images"))).to_be_visible()


def test_a_phone_trains_a_quick_network_to_the_end_and_reads_a_drawing(visit, band_files):
    page = visit("/data", width=390)
    upload(page, band_files)
    expect(page.get_by_text(re.compile("^Test set: .* 300 images"))).to_be_visible()
    settle(page)
    go(page, "Train")
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name=re.compile("^Quick")).click()
    settle(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Finished", exact=True)).to_be_visible(timeout=90_000)
    go(page, "Weights")
    expect(page.get_by_text("Unit 1", exact=True).first).to_be_visible()
    go(page, "Draw")
    draw(page, SEVEN)
    expect(page.get_by_text("The network answers")).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390  # nothing hangs over the edge


def test_on_a_phone_headings_skip_no_level_and_keys_reach_all_that_scrolls(visit):
    page = visit("/", width=390)
    for name in PAGES:
        go(page, name)
        assert [] == page.evaluate(UNHEARD), name


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("/train", '[data-testid="stButton"] button:has-text("Start training")'),
        ("/weights", ".nn-tile"),
        ("/draw", "canvas"),
        ("/models", '[data-testid="stButton"] button:has-text("Evaluate")'),
    ],
)
def test_every_page_has_something_to_do_for_who_has_brought_nothing(visit, path, offered):
    page = visit(path)
    expect(page.locator(offered).first).to_be_visible(timeout=15_000)
    expect(page.locator(offered).first).to_be_enabled()
    assert 0 == page.locator('[data-testid="stException"]').count()


def test_a_foreign_run_in_the_address_is_not_an_error(visit):
    page = visit("/train?run=nobody-knows-this")
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    assert 0 == page.locator('[data-testid="stException"]').count()
