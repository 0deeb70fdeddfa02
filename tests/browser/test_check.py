"""A learner finds the wrong line: the probe taken, a step's arrays dropped, the report read."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from playwright.sync_api import expect

from nnengine.homework import lessons
from nnengine.homework.catalogue import CATALOGUE
from nnengine.homework.handing import npz
from tests.browser.conftest import settle
from tests.browser.test_walk import UNHEARD, go


def test_from_the_probe_to_the_wrong_line_on_a_phone(visit, tmp_path):
    page = visit("/", width=390)
    go(page, "Check")
    with page.expect_download() as given:
        page.get_by_role("button", name="Download the probe").click()
    with zipfile.ZipFile(given.value.path()) as archive:
        begun = np.load(io.BytesIO(archive.read("probe_columns.npz")))
    assert (784, 20) == begun["X"].shape

    mistake = next(one for one in CATALOGUE if one.name == "softmax_over_images")
    mine = tmp_path / "mine.npz"
    mine.write_bytes(npz(lessons.broken([mistake])))
    page.locator('input[type="file"]').set_input_files(mine)
    expect(page.get_by_role("heading", name="A2 is the first array that is wrong")).to_be_visible()
    expect(page.get_by_role("heading", name="Softmax over images")).to_be_visible()
    expect(page.locator(".st-key-check-effect .nn-plot-canvas .lines path")).to_have_count(2)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert [] == page.evaluate(UNHEARD)


def test_a_teachers_link_sends_the_browser_no_solution(visit, tmp_path):
    """Of all that comes over the wire while arrays are dropped, and when the page is drawn anew."""
    page = visit("/check?hide=solutions", width=390)
    frames: list[bytes] = []

    def keep(data: str | bytes) -> None:
        frames.append(data.encode() if isinstance(data, str) else data)

    page.on("websocket", lambda socket: socket.on("framereceived", keep))
    page.reload()
    expect(page.get_by_role("button", name="Download the probe")).to_be_visible()
    mistake = next(one for one in CATALOGUE if one.name == "softmax_over_images")
    mine = tmp_path / "mine.npz"
    mine.write_bytes(npz(lessons.broken([mistake])))
    page.locator('input[type="file"]').set_input_files(mine)
    for _ in range(2):
        wrong = page.get_by_role("heading", name="A2 is the first array that is wrong")
        expect(wrong).to_be_visible()
        expect(page.get_by_role("heading", name="How it is wrong")).to_be_visible()
        settle(page)
        go(page, "About")
        go(page, "Check")
    sent = b"".join(frames)
    assert b"A2 is the first array that is wrong" in sent
    for hidden in (
        b"oftmax over images",
        b"softmax_over_images",
        b"E / E.sum",
        b"without the mist",
    ):
        assert hidden not in sent
