"""Pages: how soon each page is there after a click on its name, on the server and in a tab.

    python benchmarks/pages.py                # both, twenty visits to every page
    python benchmarks/pages.py --where tab    # one of them
    python benchmarks/pages.py --part bytes   # what the start page adds to a tab's first fetch

The network in hand is the one that comes along for drawings, 784-400-128-10, on the built-in
digits. `seen` is from the click until the page's heading is drawn; `whole` until its script has
come to rest as well. The first round is a visitor's first, and is told apart.
Needs Chromium and playwright; for a tab what `python -m dashboard.web gather` fetches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.web import build, gather, wheels  # noqa: E402
from tests.browser.conftest import (  # noqa: E402
    FLAGS,
    NOWHERE,
    find_browser,
    free_port,
    served,
    serving,
)

HEADINGS = {"Start": "Draw a digit, and see how a network reads it"}  # others have their name
PAGES = (
    "Start", "Data", "Train", "Compare", "Search", "Weights", "Draw", "Follow", "Fragility",
    "Lesson", "Check", "Models", "About",
)  # fmt: skip
# What no other page imports.
OF_START = ("views/start.py", "sections/first_steps.py", "present/scenes.py",
            "components/scenes.py")  # fmt: skip
OPENED_MS, PATIENCE_S, BETWEEN_MS = 180_000, 60, 400
# Looked for in the page at every frame: a driver outside asks less and less often.
WATCH = """(heading) => {
  const seen = () => [...document.querySelectorAll("h1")].some((h) =>
    h.innerText.trim().startsWith(heading) && h.checkVisibility());
  const rests = () =>
    document.querySelector('[data-testid=stApp][data-test-script-state="notRunning"]');
  let pressed;
  const look = () => {
    const now = (performance.now() - pressed) / 1000;
    if (window.nnSeen === null && seen()) window.nnSeen = now;
    if (window.nnSeen !== null && rests()) window.nnWhole = now;
    else requestAnimationFrame(look);
  };
  window.nnSeen = window.nnWhole = null;
  addEventListener("pointerup", () => { pressed = performance.now(); look(); },
    { once: true, capture: true });
}"""


def visited(page: Page, name: str) -> tuple[float, float]:
    """Return the seconds from a click on a page's name until it is seen, and until it rests."""
    page.evaluate(WATCH, HEADINGS.get(name, name))
    page.get_by_role("link", name=name, exact=True).first.click()
    deadline = time.monotonic() + PATIENCE_S
    while (whole := page.evaluate("window.nnWhole")) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name}: not there within {PATIENCE_S} s of the click")
        page.wait_for_timeout(50)
    page.wait_for_timeout(BETWEEN_MS)
    return page.evaluate("window.nnSeen"), whole


def rounds(browser: Browser, address: str, visits: int) -> dict[str, list[tuple[float, float]]]:
    """Return what every visit to every page took, the first one first."""
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.goto(f"{address}/about")
    page.get_by_role("heading", name="About", exact=True).wait_for(timeout=OPENED_MS)
    page.wait_for_timeout(3000)  # what is prepared in the background
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in PAGES}
    for _ in range(visits + 1):
        for name in PAGES:
            found[name].append(visited(page, name))
    page.context.close()
    return found


def tell(where: str, found: dict[str, list[tuple[float, float]]]) -> None:
    """Print a line a page: first visit, then median and 95th percentile of the others."""
    print(f"\n{where}; load {os.getloadavg()[0]:.1f}")
    print(f"{'':10} {'first seen':>10} {'seen':>6} {'95 %':>6} {'whole':>6} {'95 %':>6}")
    for name, visits in found.items():
        first, *others = visits
        ends = [sorted(times) for times in zip(*others, strict=True)]
        said = "".join(
            f" {statistics.median(times):6.2f} {times[round(0.95 * (len(times) - 1))]:6.2f}"
            for times in ends
        )
        print(f"{name:10} {first[0]:10.2f}{said}")


@contextmanager
def hosts(where: str, place: Path) -> Iterator[str]:
    """Serve the app on this machine as long as the block lasts: on the server, or as a site."""
    if where == "server":
        with serving(place, free_port()) as (address, _):
            yield address
        return
    build.build(place / "site", gather.gather(gather.cache(), print))
    with served(place / "site") as address:
        yield address


def added_bytes() -> int:
    """Return by how much less a tab would fetch of our sources without the start page's own."""
    files = build.sources()
    without = {name: raw for name, raw in files.items() if not name.endswith(OF_START)}
    assert len(files) - len(without) == len(OF_START)
    return len(wheels.zipped(files)) - len(wheels.zipped(without))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--where", choices=("server", "tab"))
    parser.add_argument("--part", choices=("visits", "bytes"))
    parser.add_argument("--visits", type=int, default=20)
    asked = parser.parse_args()
    if asked.part != "visits":
        print(f"the start page adds {added_bytes() / 1000:.1f} kB to what a tab fetches first")
    if asked.part == "bytes":
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=[*FLAGS, NOWHERE])
        for where in [asked.where] if asked.where else ("server", "tab"):
            with tempfile.TemporaryDirectory() as place, hosts(where, Path(place)) as address:
                tell(where, rounds(browser, address, asked.visits))
        browser.close()


if __name__ == "__main__":
    main()
