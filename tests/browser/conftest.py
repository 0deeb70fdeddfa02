"""A real server and a real browser: the app as a visitor meets it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dashboard.web import build, gather, serve
from nnengine import write_idx

with contextlib.suppress(ImportError):  # then whoever asks for a browser is told what is missing
    from playwright.sync_api import expect

    # Beside another worker on two slow cores a page takes longer than the five seconds of its own.
    expect.set_options(timeout=20_000)

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
START_S = 60
OPENED_S = 180  # a tab is waited for; what it takes is measured by benchmarks/opening.py


def pytest_collection_modifyitems(items) -> None:
    """Everything in this folder drives a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def find_browser() -> str | None:
    """Return the path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("NNENGINE_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def needed(path: str | None, browser: str) -> str:
    """Return a browser's path; without one a skip, or a failure where NNENGINE_BROWSER=required."""
    if path is None:
        reason = f"no {browser}"
        if os.environ.get("NNENGINE_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def launch():
    """Start a headless Chromium with more flags. All are driven by one driver: two cannot live
    side by side."""
    path = needed(find_browser(), "Chromium (on Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield lambda *more: playwright.chromium.launch(executable_path=path, args=[*FLAGS, *more])


@pytest.fixture(scope="session")
def browser(launch):
    """A headless Chromium."""
    chromium = launch()
    yield chromium
    chromium.close()


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[str]:
    """The dashboard's address, started as README says, from a folder that is not its own.

    It has no network, no fetched data and no folder of data: what a newcomer may have as well.
    """
    with serving(tmp_path_factory.mktemp("server"), free_port()) as (address, _):
        yield address


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[tuple[str, subprocess.Popen]]:
    """Serve the dashboard from a folder for as long as the block lasts; give address and process.

    What it keeps of runs is in the folder too, so that another one there finds it.
    """
    nowhere = f"http://127.0.0.1:{free_port()}"
    alone = {"http_proxy": nowhere, "https_proxy": nowhere, "XDG_CACHE_HOME": str(folder)}
    alone["NNENGINE_HOME"] = str(folder / "home")
    known = {k: v for k, v in os.environ.items() if k not in ("NNENGINE_DATA", "NNENGINE_MIRROR")}
    log = folder / "log.txt"
    command = [sys.executable, "-m", "nnengine", "app"]
    options = ["--port", str(port), "--headless"]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, *options], cwd=folder, stdout=out, stderr=out, env={**known, **alone}
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(address, process, log)
        yield address, process
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_until_up(address: str, process: subprocess.Popen, log: Path) -> None:
    """Return when the server answers; fail with its log when it does not."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def visit(browser, server):
    """Open a fresh visitor's page: `visit("/train", width=390)`; it tells what went wrong.

    The page's `faults` collects errors of its scripts, requests to hosts other than the server
    and what its policy forbids; a test that ends with any has failed.
    """
    contexts = []

    def open_page(path: str = "/", *, width: int = 1280, scheme: str = "light", scale: float = 1):
        phone = {"is_mobile": True, "has_touch": True, "user_agent": PHONE} if width < 500 else {}
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme,
            device_scale_factor=scale, **phone,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: page.faults.append(f"script: {error}"))
        page.on("request", lambda request: note_foreign(page, request.url, server))
        page.on("console", lambda line: note_console(page, line.text))
        page.goto(server + path)
        settle(page)
        return page

    yield open_page
    faults = [fault for context in contexts for page in context.pages for fault in page.faults]
    for context in contexts:
        context.close()
    assert [] == faults


PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1"
)


def note_foreign(page, url: str, server: str) -> None:
    """Remember a request that leaves the app's own host."""
    if not url.startswith((server, server.replace("http", "ws"), "data:", "blob:")):
        page.faults.append(f"foreign request: {url}")


def note_console(page, line: str) -> None:
    """Remember what nobody is told but the console.

    That the browser did not do what the page's policy forbids, and that a task of Python's ended by
    an error in a tab, where no log is read.
    """
    if "Content Security Policy" in line or "Unhandled exception in event loop" in line:
        page.faults.append(f"console: {line}")


def settle(page, pause_ms: int = 300) -> None:
    """Wait until the script has run and the page has drawn."""
    page.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000
    )
    page.wait_for_timeout(pause_ms)


def unfold(page, name: str, inside) -> None:
    """Open a fold until what is inside is seen: a click while a page is drawn may be lost."""
    for last in (False, False, True):
        page.get_by_text(name, exact=True).click()
        with contextlib.nullcontext() if last else contextlib.suppress(AssertionError):
            expect(inside.first).to_be_visible(timeout=5_000)
            return


@pytest.fixture(scope="session")
def pieces() -> Path:
    """The gathered pieces of a static site, fetched once a machine: 150 MB, so only where
    NNENGINE_SITE is set; without them a skip, or a failure where NNENGINE_SITE=required."""
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
    """Serve a folder as long as the block lasts; give its address."""
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
def lonely(launch):
    """A Chromium that finds no host but this one."""
    chromium = launch(NOWHERE)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def band_files(tmp_path_factory) -> list[Path]:
    """Four small IDX files, 28x28, of three easy classes: a bright band high, middle or low."""
    folder, rng = tmp_path_factory.mktemp("bands"), np.random.default_rng(1)
    files = []
    for name, count in (("train", 900), ("t10k", 300)):
        labels = (np.arange(count) % 3).astype(np.uint8)
        images = rng.integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4 + 8 * label : 8 + 8 * label, 4:24] += 180
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            files.append(folder / f"{name}-{kind}-ubyte.gz")
            write_idx(files[-1], array)
    return files
