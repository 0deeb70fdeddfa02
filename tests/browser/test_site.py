"""The static site in a real browser that can reach nobody: opened, drawn on, trained in."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import nnengine
from dashboard.web import build, gather, serve
from dashboard.web import pieces as pieces_
from nnengine import linkfile, read_idx
from tests.browser.conftest import note_foreign, settle
from tests.browser.test_draw import SEVEN, answer, draw
from tests.browser.test_walk import curve, go, metric, upload

NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
OPENED_S = 90  # a page is waited for; what it takes is measured by benchmarks/opening.py
STEP = re.compile(r"Step ([\d,]+) of")


@pytest.fixture(scope="session")
def pieces() -> Path:
    """The gathered pieces, fetched once a machine: 150 MB, so only where NNENGINE_SITE is set;
    without them a skip, or a failure where NNENGINE_SITE=required."""
    if not os.environ.get("NNENGINE_SITE"):
        pytest.skip("the site is tested where NNENGINE_SITE=1 (it fetches 150 MB with npm and pip)")
    folder = gather.cache()
    try:
        return gather.gather(folder)
    except gather.GatherError as fault:
        if os.environ.get("NNENGINE_SITE") == "required":
            pytest.fail(str(fault))
        pytest.skip(f"the pieces of a vendored site cannot be had: {fault}")


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a site as long as the block lasts; give its address."""
    with serve.server(folder) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


@pytest.fixture(scope="session")
def site(pieces, tmp_path_factory) -> Iterator[str]:
    """The address of a vendored site."""
    folder = tmp_path_factory.mktemp("site") / "site"
    build.build(folder, pieces)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="session")
def far_site(pieces, tmp_path_factory) -> Iterator[str]:
    """The address of a site that takes Python and wheels from the CDN."""
    folder = tmp_path_factory.mktemp("far") / "site"
    build.build(folder)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def lonely(launch):
    """A Chromium that finds no host but this one."""
    chromium = launch(NOWHERE)
    yield chromium
    chromium.close()


@pytest.fixture
def tab(lonely):
    """Open a page of a site; a test that ends with script errors or foreign requests fails.

    `far`: gathered pieces, with which requests to the CDN are answered.
    """
    contexts, faults = [], []

    def open_page(site: str, path: str, heading: str, far: Path | None = None) -> Page:
        context = lonely.new_context(viewport={"width": 1280, "height": 900})
        contexts.append(context)
        if far:
            context.route(re.compile("^https://"), lambda route: answer_from(far, route))
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.faults = faults
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        if not far:
            context.on("request", lambda request: note_foreign(page, request.url, site))
        page.goto(site + path)
        title = page.get_by_role("heading", name=heading, exact=True)
        expect(title).to_be_visible(timeout=OPENED_S * 1000)
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [] == faults


def answer_from(folder: Path, route) -> None:
    """Answer a request to the CDN, and none to anybody else, from the gathered pieces."""
    url, file = route.request.url, None
    if url.startswith(pieces_.PYODIDE_CDN):
        file = folder / "pyodide" / url.removeprefix(pieces_.PYODIDE_CDN)
    elif url.startswith(pieces_.STLITE_CDN):
        file = folder / "stlite" / url.removeprefix(pieces_.STLITE_CDN)
    if file is not None and file.name == "micropip-0.11.0-py3-none-any.whl":
        file = next(file.parent.glob("micropip-*"))  # the gathered one is a little older
    if file is None or not file.is_file():
        route.abort()
    else:
        route.fulfill(path=file, headers={"Access-Control-Allow-Origin": "*"})


def first_answer(page: Page) -> str:
    """Wait for the answer longer than a server needs, and return it."""
    status = page.get_by_role("status").filter(has_text="The network answers")
    expect(status).to_be_visible(timeout=30_000)
    return answer(page)


def steps_done(page: Page) -> int:
    return int(STEP.search(page.get_by_text(STEP).first.inner_text())[1].replace(",", ""))


def test_a_link_to_the_draw_page_opens_it_and_a_seven_is_answered(tab, site):
    page = tab(site, "/draw", "Draw")
    expect(page.get_by_text("The sheet is blank.")).to_be_visible()
    draw(page, SEVEN)
    assert "7" == first_answer(page)
    assert page.url.split("?")[0].endswith("/draw")


def test_the_form_that_takes_python_from_the_cdn_opens_and_answers_too(tab, far_site, pieces):
    page = tab(far_site, "/draw", "Draw", far=pieces)
    draw(page, SEVEN)
    assert "7" == first_answer(page)


def test_the_built_in_digits_train_with_a_live_curve_and_obey_at_once(tab, site):
    page = tab(site, "/train", "Train")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible(timeout=60_000)
    page.wait_for_selector(".js-plotly-plot")
    page.evaluate("document.querySelector('.js-plotly-plot').dataset.mark = 'same'")
    early = curve(page)["points"]
    page.wait_for_function(
        "(early) => document.querySelector('.js-plotly-plot')._fullData[0].x.length > early + 1",
        arg=early, timeout=90_000,
    )  # fmt: skip
    assert "same" == curve(page)["mark"]

    go_while_it_runs(page, "Weights")
    expect(page.get_by_text(re.compile("live"))).to_be_visible()
    go_while_it_runs(page, "Data")  # nothing moves there, but the run goes on
    go_while_it_runs(page, "Train")
    reached = steps_done(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    settle(page, pause_ms=500)
    held = steps_done(page)
    assert held >= reached
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.get_by_text(f"Step {held + 1:,} of")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    settle(page)
    assert metric(page, "Accuracy, validation") > 50


def test_published_files_train_in_the_tab_and_the_model_is_the_same_outside(
    tab, site, mnist_files, tmp_path
):
    page = tab(site, "/", "Data")
    page.get_by_role("radio", name="Your files", exact=True).first.click()
    settle(page)
    upload(page, list(mnist_files.values()))
    expect(page.get_by_text("60,000 images of 28 × 28")).to_be_visible(timeout=120_000)
    settle(page)
    expect(page.get_by_text(re.compile("^Test set: .* 10,000 images"))).to_be_visible()
    go(page, "Train")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible(timeout=60_000)
    page.wait_for_function("() => /Step [1-9]/.test(document.body.innerText)", timeout=120_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible(timeout=60_000)
    settle(page)

    go(page, "Models")
    page.get_by_role("button", name="Evaluate").click()
    shown = metric_when_there(page, "Accuracy")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download .npz")).click()
    model = tmp_path / "tab.npz"
    download.value.save_as(model)
    images, labels = (read_idx(mnist_files[f"test_{kind}"]) for kind in ("images", "labels"))
    accuracy = nnengine.load(model).accuracy(images, labels)
    assert shown == pytest.approx(100 * accuracy, abs=0.0051)

    upload(page, [model])
    expect(page.get_by_text(re.compile(r"tab\.npz")).first).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Evaluate").click()
    assert shown == metric_when_there(page, "Accuracy")


def metric_when_there(page: Page, label: str) -> float:
    """Wait for a metric, which may take a while to be measured in a tab, and return it."""
    expect(page.get_by_test_id("stMetric").filter(has_text=label).first).to_be_visible(
        timeout=120_000
    )
    settle(page)
    return metric(page, label)


def go_while_it_runs(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_what_is_fetched_at_first_is_what_the_gathered_pieces_ask_for(pieces):
    """The form that uses the CDN has no file to look into: its list is written down."""
    folder = pieces / "stlite"
    found = {
        file.relative_to(folder).as_posix(): file.stat().st_size for file in build.opening(folder)
    }
    assert pieces_.OPENING == found
    core = {name: (pieces / "pyodide" / name).stat().st_size for name in pieces_.CORE}
    lock = "pyodide-lock.json"  # the CDN's names more packages
    assert {**pieces_.CORE, lock: 0} == {**core, lock: 0}


def test_an_address_without_a_page_leads_to_the_start(lonely, site):
    page = lonely.new_page()
    page.goto(f"{site}/nothing-here")
    expect(page.get_by_role("heading", name="There is no page here")).to_be_visible()
    page.close()


def test_a_link_to_a_recipe_fills_the_form_of_the_site(tab, site):
    page = tab(site, "/train?data=digits&hidden=12&seed=41&hide=images", "Train")
    expect(page.get_by_text(re.compile("784 → 12 → 10"))).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Images while training")).to_have_count(0)
    page.get_by_text("Share this recipe").click()
    link = page.get_by_label("Link to this recipe", exact=True)
    expect(link).to_have_value(re.compile(f"^{site}/train\\?data=digits&hidden=12&.*&seed=41"))


def test_a_network_in_a_link_to_the_site_answers_at_once(tab, site):
    text = linkfile.encode(nnengine.shipped("original"), name="The original")
    assert len(text) < 10_000
    page = tab(site, f"/draw#net={text}", "Draw")
    card = page.get_by_text("a network that was sent to you in a link")
    expect(card).to_be_visible(timeout=30_000)
    draw(page, SEVEN)
    assert "7" == first_answer(page)
