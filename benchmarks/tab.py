"""Tab: how much of a browser tab's time goes into training, and how soon it obeys meanwhile.

    python benchmarks/tab.py            # two runs with five pauses each, from 127.0.0.1

Runs on the built-in digits, Adam, batches of 64. The share is what the Train page says at the end
of a run: of the time between Start and the end, pauses apart, how much the engine was at work.
Obedience is from a click until the page shows what it led to: Pause, Resume, and another page.
Needs Chromium and playwright, and the pieces that `python -m dashboard.web gather` fetches.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Locator, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.web import build, gather  # noqa: E402
from tests.browser.conftest import FLAGS, NOWHERE, find_browser, served  # noqa: E402

RECIPES = {  # long enough for all the pauses
    "784-128-10": "hidden=128&batch=64&iterations=60000",
    "784-512-256-10": "hidden=512,256&batch=64&iterations=8000",
}
PAUSES = 5
OPENED_MS, RUN_MS = 120_000, 300_000
RUNNING_MS = 1500  # between two clicks
PATIENCE_S = 30

# Looked for in the page at every frame: a driver outside asks less and less often.
WATCH = """([tag, text]) => {
  const seen = () => document.evaluate(
    `//${tag}[normalize-space()="${text}"]`, document, null, XPathResult.ANY_UNORDERED_NODE_TYPE
  ).singleNodeValue?.checkVisibility();
  let pressed;
  const look = () => {
    if (seen()) window.nnTook = (performance.now() - pressed) / 1000;
    else requestAnimationFrame(look);
  };
  window.nnTook = null;
  addEventListener("pointerup", () => { pressed = performance.now(); look(); },
    { once: true, capture: true });
}"""


def pressed(page: Page, click: Locator, tag: str, text: str) -> float:
    """Return the seconds from a click until what it leads to is there; raises TimeoutError."""
    click.wait_for()
    page.evaluate(WATCH, [tag, text])
    click.click()
    deadline = time.monotonic() + PATIENCE_S
    while (took := page.evaluate("window.nnTook")) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{text}: not seen within {PATIENCE_S} s of the click")
        page.wait_for_timeout(50)
    return took


def measure(page: Page) -> tuple[float, dict[str, list[float]]]:
    """Return the share of the time spent training, and the seconds until each click was obeyed."""
    pause, resume = (page.get_by_role("button", name=name) for name in ("Pause", "Resume"))
    found: dict[str, list[float]] = {"Pause": [], "Resume": [], "Weights": [], "Train": []}
    page.get_by_role("heading", name="Train", exact=True).wait_for(timeout=OPENED_MS)
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
    return int(re.search(r"on this run (\d+)%", said)[1]), found


def main() -> None:
    """Print a line for every run, and one for each kind of click."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        build.build(Path(place) / "site", gather.gather(gather.cache(), print))
        print(f"load {os.getloadavg()[0]:.1f}")
        with served(Path(place) / "site") as address:
            chromium = playwright.chromium.launch(
                executable_path=find_browser(), args=[*FLAGS, NOWHERE]
            )
            for sizes, recipe in RECIPES.items():
                page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
                page.goto(f"{address}/train?data=digits&{recipe}")
                share, found = measure(page)
                page.context.close()
                print(f"{sizes}: {share} % of the time spent training")
                for name, times in found.items():
                    print(
                        f"  {name}: median {statistics.median(times):.2f} s, "
                        f"longest {max(times):.2f} s"
                    )
            chromium.close()


if __name__ == "__main__":
    main()
