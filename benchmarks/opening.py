"""Opening: how long the static site takes from a blank page to a digit that can be drawn.

    python benchmarks/opening.py            # three visitors, cold and warm, from 127.0.0.1

Everything comes from this machine, and no other host can be reached. Cold is a browser that has
never seen the site; warm is its second visit. Needs Chromium and playwright, and the pieces that
`python -m dashboard.web gather` fetches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.web import build, gather  # noqa: E402
from tests.browser.conftest import FLAGS, NOWHERE, find_browser, served  # noqa: E402

STAGE = "(document.getElementById('stage') || {}).textContent || ''"


def opened(context, address: str) -> tuple[float, dict[str, float]]:
    """Return the seconds until the Draw page can be drawn on, and those of each stage before."""
    page = context.new_page()
    started = time.perf_counter()
    stages: dict[str, float] = {}
    page.goto(f"{address}/draw", wait_until="commit")
    page.locator("#opening").wait_for()  # by way of 404.html, as a link leads
    blank = page.get_by_text("The sheet is blank.")
    last, since = "", started
    while not blank.is_visible():
        stage, now = page.evaluate(STAGE), time.perf_counter()
        if stage != last:
            stages[last] = now - since
            last, since = stage, now
        page.wait_for_timeout(50)
    page.locator("canvas").last.wait_for()
    stages[last or "First page"] = time.perf_counter() - since
    took = time.perf_counter() - started
    page.close()
    return took, {name: took for name, took in stages.items() if name}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=3)
    visitors = parser.parse_args().visitors
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place) / "site"
        made = build.build(folder, gather.gather(gather.cache(), print))
        print(f"{made.fetched / 1e6:.1f} MB are fetched; load {os.getloadavg()[0]:.1f}")
        with served(folder) as address:
            times: dict[str, list[float]] = {"cold": [], "warm": []}
            for _ in range(visitors):
                chromium = playwright.chromium.launch(
                    executable_path=find_browser(), args=[*FLAGS, NOWHERE]
                )
                context = chromium.new_context()
                for kind, found in times.items():
                    took, stages = opened(context, address)
                    found.append(took)
                    parts = ", ".join(f"{name} {s:.1f}" for name, s in stages.items())
                    print(f"{kind}: {took:.1f} s ({parts})")
                chromium.close()
    for kind, found in times.items():
        print(f"{kind}: median {statistics.median(found):.1f} s, best {min(found):.1f} s")


if __name__ == "__main__":
    main()
