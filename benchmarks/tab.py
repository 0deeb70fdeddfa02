"""Tab: how much of a browser tab's time goes into training, and how soon it obeys meanwhile.

    python benchmarks/tab.py                 # all of it, from 127.0.0.1
    python benchmarks/tab.py --part runs     # two runs with five pauses each
    python benchmarks/tab.py --part visits   # first visits to every page, in three fresh tabs
    python benchmarks/tab.py --part check    # a step checked, in three fresh tabs

Runs on the built-in digits, Adam, batches of 64. The share is what the Train page says at the end
of a run: of the time between Start and the end, pauses apart, how much the engine was at work.
Obedience is from a click until the page shows what it led to: Pause, Resume, another page, and
Stop, which ends a second run.
The first visit to a page has a run train beside it as well, and every tab begins with another one.
A check is from arrays dropped on the Check page until the report's heading is there: a right step
of the probe, one with a known mistake, and one with an unknown.
Needs Chromium and playwright, and the pieces that `python -m dashboard.web gather` fetches.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.web import build, gather  # noqa: E402
from nnengine.homework import lessons  # noqa: E402
from nnengine.homework.catalogue import CATALOGUE  # noqa: E402
from nnengine.homework.handing import npz  # noqa: E402
from tests.browser.conftest import FLAGS, NOWHERE, find_browser, served  # noqa: E402

RECIPES = {  # long enough for all the pauses
    "784-128-10": "hidden=128&batch=64&iterations=60000",
    "784-512-256-10": "hidden=512,256&batch=64&iterations=8000",
}
PAUSES = 5
LONG = "/train?data=digits&hidden=128&batch=64&epochs=200"  # longer than anybody looks around
OTHERS = ("Weights", "Data", "Draw", "Fragility", "Models", "About")
WINDOW = {"width": 1280, "height": 900}
OPENED_MS, RUN_MS = 120_000, 300_000
RUNNING_MS = 1500  # between two clicks
PATIENCE_S = 30

# Looked for in the page at every frame: a driver outside asks less and less often.
WATCH = """([tag, text, event]) => {
  const seen = () => document.evaluate(
    `//${tag}[normalize-space()="${text}"]`, document, null, XPathResult.ANY_UNORDERED_NODE_TYPE
  ).singleNodeValue?.checkVisibility();
  let pressed;
  const look = () => {
    if (seen()) window.nnTook = (performance.now() - pressed) / 1000;
    else requestAnimationFrame(look);
  };
  window.nnTook = null;
  addEventListener(event, () => { pressed = performance.now(); look(); },
    { once: true, capture: true });
}"""


def pressed(page: Page, click: Locator, tag: str, text: str) -> float:
    """Return the seconds from a click until what it leads to is there; raises TimeoutError."""
    click.wait_for()
    page.evaluate(WATCH, [tag, text, "pointerup"])
    click.click()
    return _seen(page, text)


def _seen(page: Page, text: str) -> float:
    """Return the seconds that WATCH took until it saw a text; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while (took := page.evaluate("window.nnTook")) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{text}: not seen within {PATIENCE_S} s")
        page.wait_for_timeout(50)
    return took


def measure(page: Page) -> tuple[float, dict[str, list[float]]]:
    """Return the share of the time spent training, and the seconds until each click was obeyed."""
    pause, resume = (page.get_by_role("button", name=name) for name in ("Pause", "Resume"))
    found: dict[str, list[float]] = {"Pause": [], "Resume": [], "Weights": [], "Train": []}
    there(page, "Train")
    page.get_by_role("button", name="Start training").click()
    pause.wait_for()
    for _ in range(PAUSES):
        for name in ("Weights", "Train"):
            page.wait_for_timeout(RUNNING_MS)
            way = page.get_by_role("link", name=name, exact=True).first
            found[name].append(pressed(page, way, "h1", name))
        page.wait_for_timeout(RUNNING_MS)
        found["Pause"].append(pressed(page, pause, "span", "Paused"))
        found["Resume"].append(pressed(page, resume, "span", "Running"))
    page.get_by_text("Finished", exact=True).wait_for(timeout=RUN_MS)
    said = page.get_by_text("at work on this run").inner_text()
    page.get_by_role("button", name="Start training").click()
    pause.wait_for()
    page.wait_for_timeout(RUNNING_MS)
    found["Stop"] = [
        pressed(page, page.get_by_role("button", name="Stop", exact=True), "span", "Stopped")
    ]
    return int(re.search(r"on this run (\d+)%", said)[1]), found


def there(page: Page, name: str) -> None:
    """Wait until the app has opened at a page."""
    page.get_by_role("heading", name=name, exact=True).wait_for(timeout=OPENED_MS)


def visited(page: Page, name: str) -> float:
    """Return the seconds from a click in the navigation until the page is there."""
    page.wait_for_timeout(RUNNING_MS)
    return pressed(page, page.get_by_role("link", name=name, exact=True).first, "h1", name)


def first_visits(context: BrowserContext, address: str, first: int) -> dict[str, float]:
    """Return the seconds that the first visit to each page takes while a run trains.

    first: which of the pages is visited before the others. Train itself is visited by somebody who
    comes back elsewhere: the run goes on there.
    """
    page = context.new_page()
    page.goto(address + LONG)
    there(page, "Train")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Pause").wait_for()
    found = {name: visited(page, name) for name in (*OTHERS[first:], *OTHERS[:first])}
    page.close()
    page = context.new_page()
    page.goto(f"{address}/about")
    there(page, "About")
    return {**found, "Train": visited(page, "Train")}


def tell(name: str, times: list[float]) -> None:
    """Print how long one kind of click took."""
    print(f"  {name}: median {statistics.median(times):.2f} s, longest {max(times):.2f} s")


def tell_visits(chromium: Browser, address: str, tabs: int) -> None:
    """Measure first visits in fresh tabs, and print a line for each page."""
    found = []
    for i in range(tabs):
        context = chromium.new_context(viewport=WINDOW)
        found.append(first_visits(context, address, i % len(OTHERS)))
        context.close()
    print(f"first visits, {tabs} tabs")
    for name in found[0]:
        tell(name, [times[name] for times in found])


def steps() -> dict[str, tuple[bytes, str]]:
    """Return what a program saves of a step on the probe, and the heading that this leads to."""
    (mistake,) = (m for m in CATALOGUE if m.name == "softmax_over_images")
    unknown = lessons.broken()
    unknown["dW2"] = unknown["dW2"] * 3.7
    return {
        "right": (npz(lessons.broken()), "All 16 arrays are right"),
        "a known mistake": (npz(lessons.broken([mistake])), "A2 is the first array that is wrong"),
        "an unknown one": (npz(unknown), "dW2 is the first array that is wrong"),
    }


def tell_checks(chromium: Browser, address: str, tabs: int) -> None:
    """Measure checks in fresh tabs, each of a step twice, and print a line for either time."""
    for name, (data, heading) in steps().items():
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(tabs):
            page = chromium.new_context(viewport=WINDOW).new_page()
            page.goto(f"{address}/check")
            there(page, "Check")
            page.get_by_role("button", name="Download the probe").wait_for()
            for times in found:
                page.wait_for_timeout(RUNNING_MS)
                times.append(dropped(page, data, heading))
                page.get_by_role("button", name="Remove").first.click()
                page.get_by_role("heading", name="How it goes").wait_for()
            page.context.close()
        for which, times in zip(("first", "again"), found, strict=True):
            tell(f"check, {name}, {which}", times)


def dropped(page: Page, data: bytes, heading: str) -> float:
    """Return the seconds from a file's choice until the report's heading is there."""
    page.evaluate(WATCH, ["h2", heading, "change"])
    file = {"name": "mine.npz", "mimeType": "application/octet-stream", "buffer": data}
    page.locator('input[type="file"]').set_input_files(file)
    return _seen(page, heading)


def tell_runs(chromium: Browser, address: str) -> None:
    """Measure runs, and print a line for each, and one for each kind of click."""
    for sizes, recipe in RECIPES.items():
        page = chromium.new_context(viewport=WINDOW).new_page()
        page.goto(f"{address}/train?data=digits&{recipe}")
        share, found = measure(page)
        page.context.close()
        print(f"{sizes}: {share} % of the time spent training")
        for name, times in found.items():
            tell(name, times)


def main() -> None:
    """Print the figures of each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("runs", "visits", "check"), help="one part alone")
    parser.add_argument("--tabs", type=int, default=3, help="for first visits and checks (3)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        build.build(Path(place) / "site", gather.gather(gather.cache(), print))
        print(f"load {os.getloadavg()[0]:.1f}")
        with served(Path(place) / "site") as address:
            chromium = playwright.chromium.launch(
                executable_path=find_browser(), args=[*FLAGS, NOWHERE]
            )
            if given.part in (None, "runs"):
                tell_runs(chromium, address)
            if given.part in (None, "visits"):
                tell_visits(chromium, address, given.tabs)
            if given.part in (None, "check"):
                tell_checks(chromium, address, given.tabs)
            chromium.close()


if __name__ == "__main__":
    main()
