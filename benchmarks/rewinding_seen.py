"""Moving the rewind slider as it is seen: from a key to the last thing that changed on the screen.

    python benchmarks/rewinding_seen.py            # in Chromium, of a server
    python benchmarks/rewinding_seen.py --tab      # in Chromium, of the static site, in a tab

784-128-10 on MNIST, with a drawing on the sheet. The slider goes to the first moment and by arrow
keys on from there, then once more. Timed are, from the key, the frames in which the weights'
images, the confusion matrix and the answer to the drawing were drawn anew; a move ends with the
last of the three. Early moments differ most: where the answer stays what it was, the other two are
waited for. Beside them stands the processor's time of a move, of browser and server together, which
a busy machine makes no longer. Needs Chromium and playwright, MNIST (`nnengine fetch mnist`, or
NNENGINE_DATA), and with `--tab` the pieces that `python -m dashboard.web gather` fetches.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard.web import build, gather
from nnengine.data import catalogue
from tests.browser.conftest import FLAGS, NOWHERE, find_browser, served
from tests.browser.strokes import SEVEN
from tests.browser.test_draw import draw
from tests.load.visitors import server

RECIPE = "hidden=128&batch=64&epochs=3"
OPENED_MS, RUN_MS = 180_000, 400_000
QUIET_MS = 700  # without anything new: the move is over
PARTS = {
    "weights": ".st-key-rewind-weights, [class*='st-key-rewind.weights']",
    "matrix": ".st-key-rewind-matrix, [class*='st-key-rewind.matrix']",
    "answer": ".st-key-draw-bars",
}
# Frames are asked for behind each change: what is told is when it was painted, not when it was due.
WATCH = """(parts) => {
  const found = window.nnSeen = { key: null, at: {}, last: 0 };
  const box = document.querySelector(".st-key-rewind");
  const note = (name) => requestAnimationFrame(() => setTimeout(() => {
    found.at[name] = found.last = performance.now();
  }));
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const node = target.nodeType === 1 ? target : target.parentElement;
      for (const [name, where] of Object.entries(parts)) if (node?.closest(where)) note(name);
    }
  }).observe(box, { subtree: true, childList: true, attributes: true, characterData: true });
  addEventListener("keydown", (event) => {
    Object.assign(found, { key: event.timeStamp, at: {}, last: event.timeStamp });
  }, { capture: true });
}"""
OVER = """(quiet) => {
  const { at, last } = window.nnSeen;
  return "weights" in at && "matrix" in at && performance.now() - last > quiet;
}"""


@contextlib.contextmanager
def site() -> Iterator[str]:
    """Serve the static site with MNIST's files in a folder of it; give the address."""
    with tempfile.TemporaryDirectory() as place:
        build.build(Path(place) / "site", gather.gather(gather.cache(), print))
        folder = Path(place) / "site" / "sets" / "mnist"
        shutil.copytree(catalogue.fetch("mnist"), folder)
        with served(Path(place) / "site") as address:
            yield address


@contextlib.contextmanager
def app() -> Iterator[str]:
    """Serve the app; give the address."""
    with tempfile.TemporaryDirectory() as place, server(Path(place) / "log.txt") as found:
        yield f"http://{found.base}"


def trained(page: Page, address: str, data: str) -> None:
    """Open the app, draw, train to the end, and wait until all moments are there."""
    page.goto(f"{address}/train?data={data}&{RECIPE}")
    heading(page, "Train")
    page.get_by_role("link", name="Draw", exact=True).first.click()
    heading(page, "Draw")
    page.get_by_text("The sheet is blank.").wait_for()
    draw(page, SEVEN)
    page.get_by_role("status").filter(has_text="The network answers").wait_for(timeout=60_000)
    page.get_by_role("link", name="Train", exact=True).first.click()
    heading(page, "Train")
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("Finished", exact=True).first.wait_for(timeout=RUN_MS)
    page.get_by_text("What it mixes up").wait_for(timeout=60_000)
    page.wait_for_timeout(10_000)  # moments are packed behind the run


def heading(page: Page, name: str) -> None:
    """Wait until a page is there."""
    page.get_by_role("heading", name=name, exact=True).wait_for(timeout=OPENED_MS)


def busy_s() -> float:
    """Return the processor's seconds so far of all programs that this one has started."""
    mine, found = psutil.Process(), 0.0
    for one in mine.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += sum(one.cpu_times()[:2])
    return found


def moved(page: Page, moves: int) -> list[dict[str, float]]:
    """Press keys on the slider; return the seconds until each part was seen, by move."""
    slider = page.get_by_role("slider", name="Step of the run")
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.evaluate(WATCH, PARTS)
    found = []
    for number in range(moves):
        page.keyboard.press("ArrowRight" if number % (moves // 2) else "Home")
        page.wait_for_function(OVER, arg=QUIET_MS, timeout=30_000)
        seen = page.evaluate("window.nnSeen")
        found.append({name: (at - seen["key"]) / 1000 for name, at in seen["at"].items()})
    return found


def tell(name: str, times: list[float]) -> None:
    """Print the figures of one part, or of all."""
    print(
        f"{name}: {len(times)} moves, median {statistics.median(times):.2f} s, 95 % within "
        f"{np.quantile(times, 0.95):.2f} s, the longest {max(times):.2f} s"
    )


def main() -> None:
    """Print when each part was seen, and the last of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tab", action="store_true", help="the static site, in a tab")
    parser.add_argument("--moves", type=int, default=40)
    asked = parser.parse_args()
    with sync_playwright() as playwright, (site if asked.tab else app)() as address:
        chromium = playwright.chromium.launch(
            executable_path=find_browser(), args=[*FLAGS, NOWHERE]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        trained(page, address, "sets/mnist/" if asked.tab else "mnist")
        load, before = os.getloadavg()[0], busy_s()
        found = moved(page, asked.moves)
        each = (busy_s() - before) / len(found)
        print(f"load {load:.1f} before, {os.getloadavg()[0]:.1f} behind; {each:.2f} CPU s a move")
        chromium.close()
    for part in PARTS:
        tell(part, [move[part] for move in found if part in move])
    tell("all three", [max(move.values()) for move in found])


if __name__ == "__main__":
    main()
