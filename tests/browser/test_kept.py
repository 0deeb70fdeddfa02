"""A server is killed in mid-run and started anew: the page finds its run, which goes on."""

from __future__ import annotations

import signal
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from dashboard.runs import address
from dashboard.runs.recipe import Recipe
from nnengine import read_idx
from nnengine.data.dataset import Dataset
from nnengine.storage.runs import FILE, Kept, Store
from nnengine.training import StepFinished, TrainingState, training
from tests.browser.conftest import free_port, serving, settle
from tests.browser.test_walk import go, upload

SLOW_MS, STUCK_S = 90_000, 120
# Whole sets at a time, and never over before it is killed: a step takes some milliseconds.
ENDLESS = Recipe(hidden=(256,), batch_size=None, epochs=None, iterations=100_000, validation="none")


def kept_when(store: Store, token: str, what) -> Kept:
    """Return what is kept of a run as soon as it is so."""
    deadline = time.monotonic() + STUCK_S
    while (kept := store.visitors_run(token)) is None or not what(kept):
        assert time.monotonic() < deadline, f"kept is {kept}"
        time.sleep(0.05)
    return kept


def after(data: Dataset, steps: int) -> np.ndarray:
    """Return the weights of the same run, never broken off, after so many steps."""
    network, state = ENDLESS.build(data), TrainingState(steps_per_call=1)
    for event in training(network, data, ENDLESS.config(data.count), state=state):
        if type(event) is StepFinished and event.step == steps:
            break
    return network.theta


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_a_run_whose_server_is_killed_goes_on_from_its_page_to_the_same_bits(
    browser, band_files, tmp_path
):
    port = free_port()
    page = browser.new_page()
    page.set_default_timeout(SLOW_MS)
    with serving(tmp_path, port) as (app, process):
        page.goto(f"{app}/train?{address.link(ENDLESS, None)}")
        settle(page)
        go(page, "Data")
        upload(page, [file for file in band_files if file.name.startswith("train")])
        expect(page.get_by_text("900 images").first).to_be_visible(timeout=SLOW_MS)
        go(page, "Train")
        page.get_by_role("button", name="Start training").click()
        # What is kept is renewed when a run pauses and goes on: nobody waits for its time.
        page.get_by_role("button", name="Pause", exact=True).click()
        expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible(timeout=SLOW_MS)
        settle(page)
        page.get_by_role("button", name="Resume", exact=True).click()
        expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible(timeout=SLOW_MS)
        (token,) = parse_qs(urlsplit(page.url).query)["run"]
        store = Store(tmp_path / "home" / FILE)
        kept_when(store, token, lambda kept: kept.step and kept.about["state"] == "running")
        process.kill()
        process.wait()
        kept = store.visitors_run(token)
        store.close()

    where = page.url
    with serving(tmp_path, port) as (app, _), Store(tmp_path / "home" / FILE) as store:
        page.goto(where)
        said = f"Interrupted: the server ended. At step {kept.step:,}."
        expect(page.get_by_text(said)).to_be_visible(timeout=SLOW_MS)
        page.get_by_role("button", name="Resume", exact=True).click()
        kept_when(store, token, lambda now: now.step > kept.step)
        page.get_by_role("button", name="Stop", exact=True).click()
        stopped = kept_when(store, token, lambda now: now.state == "stopped")
        network, _ = store.open(token)
    page.close()
    images, labels = (
        next(file for file in band_files if f"train-{part}" in file.name)
        for part in ("images", "labels")
    )
    whole = after(Dataset(read_idx(images), read_idx(labels)), stopped.step)
    np.testing.assert_array_equal(whole, network.theta)
