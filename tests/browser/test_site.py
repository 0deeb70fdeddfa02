"""The static site in a real browser that can reach nobody: opened, drawn on, trained in."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import nnengine
from dashboard.web import build
from dashboard.web import pieces as pieces_
from nnengine import read_idx
from nnengine.kernels.wasm import ahead_of_time
from nnengine.storage import links
from tests.browser.conftest import (
    OPENED_S,
    PHONE,
    ROOT,
    note_console,
    note_foreign,
    served,
    settle,
    unfold,
)
from tests.browser.strokes import SEVEN
from tests.browser.test_draw import answered, draw, said
from tests.browser.test_walk import PAGES, UNHEARD, choose_source, go, metric, restore, upload

PATIENCE_MS = 60_000
POINTS = "document.querySelector('.js-plotly-plot')?._fullData?.[0].x.length"  # of the first curve


@pytest.fixture(scope="session")
def far_site(pieces, tmp_path_factory) -> Iterator[str]:
    """The address of a site that takes Python and wheels from the CDN."""
    folder = tmp_path_factory.mktemp("far") / "site"
    build.build(folder)
    with served(folder) as address:
        yield address


@pytest.fixture
def tab(lonely):
    """Open a page of a site; a test that ends with script errors or foreign requests fails.

    `far`: gathered pieces, with which requests to the CDN are answered; `beside`: a page whose
    browser, and what that has kept, the new page shares; more: of the browser, such as its width.
    """
    contexts, faults = [], []

    def open_page(
        site: str, path: str, heading: str, far: Path | None = None, beside: Page | None = None,
        **more,
    ) -> Page:  # fmt: skip
        size = {"viewport": {"width": 1280, "height": 900}}
        context = beside.context if beside else lonely.new_context(**{**size, **more})
        if not beside:
            contexts.append(context)
        if far:
            context.route(re.compile("^https://"), lambda route: answer_from(far, route))
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.faults = faults
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("console", lambda line: note_console(page, line.text))
        if not far:
            page.on("request", lambda request: note_foreign(page, request.url, site))
        page.goto(site + path)
        opened(page, heading)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [] == faults


def opened(page: Page, heading: str) -> None:
    """Wait until a page of the app is there, however long the machine takes to start Python."""
    title = page.get_by_role("heading", name=heading, exact=True)
    expect(title).to_be_visible(timeout=OPENED_S * 1000)
    settle(page)


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


def first_answer(page: Page, digit: str) -> None:
    """Wait for any answer, longer than a server needs, and then for this one."""
    expect(said(page)).to_be_visible(timeout=PATIENCE_MS)
    answered(page, digit)


def test_the_form_that_takes_python_from_the_cdn_answers_a_link_trains_and_gives_its_model(
    tab, far_site, pieces, tmp_path
):
    text = links.encode(nnengine.shipped("original"), name="The original")
    assert len(text) < 10_000
    # So many epochs that no machine is done with them before Stop is pressed.
    page = tab(far_site, f"/draw?epochs=200#net={text}", "Draw", far=pieces)
    expect(page.get_by_text("a network that was sent to you in a link")).to_be_visible()
    draw(page, SEVEN)
    first_answer(page, "7")
    go(page, "Train")
    train(page)  # on the built-in digits
    page.wait_for_function(f"() => {POINTS} > 2", timeout=PATIENCE_MS)
    stop(page)
    # What follows on files of one's own is the same in either form: see the next test.
    download_and_compare(page, ["digits"], tmp_path)


def test_a_recipe_in_a_link_trains_on_published_files_and_the_model_is_the_same_outside(
    tab, site, mnist_files, tmp_path
):
    # Of the start page, which leads on: where Python calls through JavaScript it must not sleep.
    recipe = "/data?data=digits&hidden=12&epochs=200&seed=41&hide=images"
    page = tab(site, recipe, "Train", user_agent=PHONE)
    expect(page.get_by_text(re.compile("784 → 12 → 10"))).to_be_visible()
    expect(page.get_by_text("Images while training")).to_have_count(0)
    page.get_by_text("Share this recipe").click()
    link = page.get_by_label("Link to this recipe", exact=True)
    expect(link).to_have_value(re.compile(f"^{site}/train\\?data=digits&hidden=12&.*&seed=41"))
    train_on_files(page, mnist_files)
    tests = of_tests(mnist_files)
    download_and_compare(page, tests, tmp_path)
    restore_and_compare(page, tests, tmp_path)


def train(page: Page) -> None:
    """Start a run, and wait until it has taken a step."""
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible(timeout=60_000)
    page.wait_for_function("() => /Step [1-9]/.test(document.body.innerText)", timeout=120_000)


def stop(page: Page) -> None:
    """Stop the run that is shown."""
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible(timeout=60_000)
    settle(page)


def train_on_files(page: Page, files: dict[str, Path]) -> None:
    """Drop the four files of MNIST and train on them for a moment."""
    go(page, "Data")
    choose_source(page, "Your files")
    expect(page.get_by_text("No files yet")).to_be_visible()  # before it, another uploader stands
    upload(page, list(files.values()))
    expect(page.get_by_text("60,000 images of 28 × 28")).to_be_visible(timeout=120_000)
    settle(page)
    expect(page.get_by_text(re.compile("^Test set: .* 10,000 images"))).to_be_visible()
    go(page, "Train")
    train(page)
    stop(page)
    by = "WebAssembly" if ahead_of_time.current() else "numpy"
    computed = page.get_by_text(re.compile(f"^Computed by {by} kernels"))
    unfold(page, "How it is computed", computed)
    expect(computed).to_be_visible()


def of_tests(files: dict[str, Path]) -> list[str]:
    """Return the two files of test images, as the command line wants them."""
    return [str(files[f"test_{kind}"]) for kind in ("images", "labels")]


def download_and_compare(page: Page, tests: list[str], folder: Path) -> None:
    """Download the network in hand, which the command line must find as accurate."""
    go(page, "Models")
    page.get_by_role("button", name="Evaluate").click()
    shown = metric_when_there(page, "Accuracy")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download .npz")).click()
    model = folder / "tab.npz"
    download.value.save_as(model)
    assert shown == pytest.approx(accuracy_outside(model, tests), abs=0.0051)


def restore_and_compare(page: Page, tests: list[str], folder: Path) -> None:
    """Restore a network that was trained outside, which must be as accurate here."""
    model = folder / "outside.npz"
    network = nnengine.Network.build([784, 16, 10], rng=5)
    images, labels = map(read_idx, tests)
    config = nnengine.TrainingConfig(iterations=60, optimizer="adam", learning_rate=0.01)
    list(nnengine.training(network, nnengine.Dataset(images, labels), config))
    network.save(model)
    restore(page, model)
    page.get_by_role("button", name="Evaluate").click()
    expect(page.get_by_test_id("stMetric").filter(has_text="Accuracy").first).to_contain_text(
        f"{accuracy_outside(model, tests):.2f} %", timeout=PATIENCE_MS
    )


def accuracy_outside(model: Path, tests: list[str]) -> float:
    """Return the accuracy on these test images, in percent, that the command line says."""
    command = [sys.executable, "-m", "nnengine", "evaluate", str(model), *tests, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return 100 * json.loads(done.stdout)["accuracy"]


def metric_when_there(page: Page, label: str) -> float:
    """Wait for a metric, which may take a while to be measured in a tab, and return it."""
    expect(page.get_by_test_id("stMetric").filter(has_text=label).first).to_be_visible(
        timeout=120_000
    )
    settle(page)
    return metric(page, label)


def kept(page: Page, *words: str) -> None:
    """Wait until the line beneath the page says that these things are kept."""
    said = page.get_by_text(re.compile("^Kept in this browser, and nowhere else: .*"))
    for word in words:
        expect(said).to_contain_text(word, timeout=PATIENCE_MS)


def test_one_tab_keeps_damage_costs_what_it_hit_and_everything_can_be_deleted(tab, site):
    page = tab(site, "/draw?epochs=200", "Draw")  # by way of 404.html, as a link leads
    assert page.url.split("?")[0].endswith("/draw")
    expect(page.get_by_text("The sheet is blank.")).to_be_visible()
    draw(page, SEVEN)
    first_answer(page, "7")
    page.keyboard.press("7")
    kept(page, "1 drawing")
    page.get_by_role("link", name="Train", exact=True).first.click()
    expect(page.get_by_text(re.compile("200 epochs")).first).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE_MS)
    kept(page, "1 run", "1 drawing")

    other = tab(site, "/train", "Train", beside=page)
    expect(other.get_by_text(re.compile("open in another tab"))).to_be_visible()
    assert 0 == other.get_by_role("button", name="Resume").count()  # not the first one's run
    other.evaluate(DAMAGE, "run:")  # a byte of the run's record, as a failing disk would
    other.close()
    page.close()

    page = tab(site, "/draw", "Draw", beside=page)
    expect(page.get_by_text(re.compile("^1 of the things .* could not be read"))).to_be_visible()
    kept(page, "1 drawing")
    page.get_by_role("button", name="Delete it all").click()
    page.get_by_role("button", name="Delete everything kept here").click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    page.wait_for_function(f"async () => !(await ({KEYS})()).length")


KEYS = """() => new Promise((resolve) => {
  const opened = indexedDB.open("nnengine /");
  opened.onsuccess = () => {
    const asked = opened.result.transaction("kept").objectStore("kept").getAllKeys();
    asked.onsuccess = () => { opened.result.close(); resolve(asked.result); };
  };
})"""
DAMAGE = """(prefix) => new Promise((resolve) => {
  const opened = indexedDB.open("nnengine /");
  opened.onsuccess = () => {
    const transaction = opened.result.transaction("kept", "readwrite");
    transaction.oncomplete = () => { opened.result.close(); resolve(); };
    transaction.objectStore("kept").openCursor().onsuccess = ({ target }) => {
      const at = target.result;
      if (!at) return;
      if (at.key.startsWith(prefix)) {
        const raw = at.value;
        raw[raw.length >> 1] ^= 1;
        at.update(raw);
      }
      at.continue();
    };
  };
})"""


def test_a_phone_opens_data_by_links_to_its_own_and_a_named_host_and_nothing_hangs_over(
    tab, pieces, band_files, tmp_path
):
    folder = tmp_path / "host" / "class" / "nn"
    build.build(folder, pieces, ["data.example.org"])
    (folder / "sets" / "bands").mkdir(parents=True)
    for file in band_files:
        shutil.copy(file, folder / "sets" / "bands" / file.name)
    for name in ("index.html", "404.html"):  # the host's own page for what is not there
        shutil.copy(folder / name, tmp_path / "host" / name)
    phone = {
        "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True,
        "user_agent": PHONE, "color_scheme": "dark",
    }  # fmt: skip
    with served(tmp_path / "host") as address:
        page = tab(address, "/class/nn/models?data=sets/bands/", "Models", **phone)
        go(page, "Data")
        expect(page.get_by_text(re.compile("^Training set: .* 900 images"))).to_be_visible()
        expect(page.get_by_text(re.compile("^Test set: .* 300 images"))).to_be_visible()
        kept(page, "4 files")
        page.get_by_role("button", name="From a link").click()
        field = page.get_by_role("textbox", name=re.compile("^Address of a file"))
        field.fill("https://elsewhere.example.org/a.csv")
        page.get_by_role("button", name="Fetch", exact=True).click()
        expect(page.get_by_text(re.compile("from its own host and .* alone"))).to_be_visible()
        there = f"https://data.example.org/far-{band_files[0].name}"
        answered = {"path": band_files[0], "headers": {"Access-Control-Allow-Origin": "*"}}
        page.context.route(there, lambda route: route.fulfill(**answered))
        field.fill(there)  # the field is open still: what was refused can be put right
        page.get_by_role("button", name="Fetch", exact=True).click()
        expect(page.get_by_text(f"far-{band_files[0].name}").first).to_be_visible(
            timeout=PATIENCE_MS
        )
        assert [f"foreign request: {there}"] == page.faults
        page.faults.clear()
        scripts = []
        page.on("request", lambda r: r.resource_type == "script" and scripts.append(r.url))
        for name in PAGES:  # About last
            if name == "About":  # that of its commands is large, and comes after the page
                assert [] == [url for url in scripts if "/stlite/" in url]
            go(page, name)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
            assert [] == page.evaluate(UNHEARD), name


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("delete self.WebAssembly", "It lacks WebAssembly"),
        ("delete self.Worker", "It lacks workers"),
        ("WebAssembly.validate = () => false", "It lacks WebAssembly exceptions"),
    ],
)
def test_a_browser_that_cannot_run_it_is_told_what_it_lacks(lonely, site, missing, said):
    context = lonely.new_context()
    context.add_init_script(missing)
    page = context.new_page()
    page.goto(site)
    expect(page.get_by_text("This browser cannot run the app")).to_be_visible()
    expect(page.get_by_text(re.compile(said))).to_be_visible()
    assert 0 == page.get_by_role("button").count()  # trying again would not help
    context.close()


def test_what_is_fetched_at_first_is_what_the_gathered_pieces_ask_for(pieces):
    """The form that uses the CDN has no file to look into: its lists are written down."""
    folder = pieces / "stlite"
    found = {
        file.relative_to(folder).as_posix(): file.stat().st_size for file in build.opening(folder)
    }
    assert pieces_.OPENING == found
    core = {name: (pieces / "pyodide" / name).stat().st_size for name in pieces_.CORE}
    assert set() == set(pieces_.ELEMENTS) - {file.name for file in folder.iterdir()}
    lock = "pyodide-lock.json"  # the CDN's names more packages
    assert {**pieces_.CORE, lock: 0} == {**core, lock: 0}


def test_an_address_without_a_page_leads_to_the_start(lonely, site):
    page = lonely.new_page()
    page.goto(f"{site}/nothing-here")
    expect(page.get_by_role("heading", name="There is no page here")).to_be_visible()
    page.close()
