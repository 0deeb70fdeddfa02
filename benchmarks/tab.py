"""Tab: how much of a browser tab's time goes into training, and how soon it obeys meanwhile.

    python benchmarks/tab.py            # five pauses of one run, from 127.0.0.1

A run of 784-128-10 on the built-in digits, Adam, batches of 64. The share is the engine's own
seconds, from the model that the Models page saves, over those between Start and the last pause
without the pauses. Obedience is from a click until the page shows what it led to: Pause, Resume,
and another page. Needs Chromium and playwright, and what `python -m dashboard.web gather` fetches.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import nnengine  # noqa: E402
from dashboard.web import build, gather, serve  # noqa: E402
from tests.browser.conftest import FLAGS, NOWHERE, find_browser  # noqa: E402

PAUSES = 5
RUNNING_S = 6.0  # between two pauses


def pressed(page: Page, click, seen) -> float:
    """Return the seconds from a click until what it leads to is there."""
    click.wait_for()
    started = time.perf_counter()
    click.click()
    seen.wait_for()
    return time.perf_counter() - started


def link(page: Page, name: str):
    """Return the way to a page, and what is seen there."""
    there = page.get_by_role("heading", name=name, exact=True)
    return page.get_by_role("link", name=name, exact=True).first, there


def measure(page: Page, folder: Path) -> tuple[float, dict[str, list[float]]]:
    """Return the share of the time spent training, and the seconds until each click was obeyed."""
    page.get_by_role("heading", name="Train", exact=True).wait_for(timeout=120_000)
    page.get_by_text("Settings", exact=True).click()
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("200")
    epochs.press("Enter")
    page.locator("p").filter(has_text="200 epochs").wait_for()
    pause, paused = page.get_by_role("button", name="Pause"), page.get_by_text("Paused", exact=True)
    resume = page.get_by_role("button", name="Resume")
    running = page.get_by_text("Running", exact=True)
    found: dict[str, list[float]] = {"Pause": [], "Resume": [], "Weights": [], "Train": []}
    page.get_by_role("button", name="Start training").click()
    began, wall = time.perf_counter(), 0.0
    for _ in range(PAUSES):
        running.wait_for()
        page.wait_for_timeout(RUNNING_S * 500)
        for name in ("Weights", "Train"):
            found[name].append(pressed(page, *link(page, name)))
        page.wait_for_timeout(RUNNING_S * 500)
        found["Pause"].append(pressed(page, pause, paused))
        wall += time.perf_counter() - began
        page.wait_for_timeout(1000)
        found["Resume"].append(pressed(page, resume, running))
        began = time.perf_counter() - found["Resume"][-1]
    pressed(page, pause, paused)
    wall += time.perf_counter() - began
    link(page, "Models")[0].click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download .npz").click()
    download.value.save_as(folder / "model.npz")
    cost = nnengine.load(folder / "model.npz").training[-1]["cost"]
    return cost["seconds"] / wall, found


def main() -> None:
    """Print the share and the table."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        build.build(folder / "site", gather.gather(gather.cache(), print))
        print(f"load {os.getloadavg()[0]:.1f}")
        with serve.server(folder / "site") as host:
            threading.Thread(target=host.serve_forever, daemon=True).start()
            chromium = playwright.chromium.launch(
                executable_path=find_browser(), args=[*FLAGS, NOWHERE]
            )
            page = chromium.new_page()
            page.goto(f"http://127.0.0.1:{host.server_port}/train")
            share, found = measure(page, folder)
            chromium.close()
            host.shutdown()
    print(f"{share:.0%} of the time spent training")
    for name, times in found.items():
        print(f"{name}: median {statistics.median(times):.2f} s, longest {max(times):.2f} s")


if __name__ == "__main__":
    main()
