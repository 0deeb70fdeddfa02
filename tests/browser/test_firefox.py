"""The static site in Firefox, which is not Chromium: opened, drawn on, trained in, come back to."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

import nnengine
from nnengine import demo
from nnengine.data import framing
from tests.browser import firefox
from tests.browser.conftest import OPENED_S, needed
from tests.browser.looking import STEP, button, says
from tests.browser.strokes import SEVEN, places
from tests.browser.test_demo import ANSWER, SEEN, SHEET, packed, pixels

RESTS = "document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
FRAMES = "new Promise(then => requestAnimationFrame(() => requestAnimationFrame(() => then(1))))"
# The pad's canvas lies in a shadow root of its component.
PAD = """(function last(root) {
  let found = null;
  for (const e of root.querySelectorAll("*"))
    found = (e.matches("canvas") ? e : e.shadowRoot && last(e.shadowRoot)) || found;
  return found;
})(document)"""


@pytest.fixture(scope="module")
def fox(tmp_path_factory):
    """A headless Firefox."""
    path = needed(firefox.find(), "Firefox (on Debian: apt install firefox-esr)")
    with firefox.Firefox(path, tmp_path_factory.mktemp("firefox")) as browser:
        yield browser


def test_firefox_opens_a_page_of_one_s_own_which_answers_a_seven_as_the_engine_does(fox, tmp_path):
    network, file = nnengine.shipped("original"), tmp_path / "demo.html"
    file.write_text(demo.page(network, "Mine"), encoding="utf-8")
    fox.open(file.as_uri())
    fox.drag(places(fox.box("document.getElementById('pad')"), SEVEN))
    # The page answers while it is drawn on, a frame at a time: half a seven may be one already.
    fox.look(FRAMES)
    fox.wait("document.querySelector('#answer b')?.innerText === '7'")
    sheet = pixels(fox.look(SHEET), 280, 280)
    seen = pixels(fox.look(SEEN.format(28, 28)), 28, 28)[..., 0]
    assert 1 >= np.abs(seen - framing.to_image(sheet).astype(int)).max()
    shares = fox.look(f"({ANSWER})('{packed(seen)}')")[0]
    assert 1e-5 > np.abs(network.predict_proba(seen)[0] - shares).max()
    clean(fox, file.as_uri())


def test_firefox_opens_the_site_answers_a_seven_and_trains(fox, site):
    # So many epochs that the run is under way for as long as it is looked at.
    fox.open(f"{site}/draw?epochs=200")
    fox.wait(says("The sheet is blank."), OPENED_S)
    fox.wait(RESTS)
    time.sleep(0.5)  # as Chromium's tests do: a page that is drawn again would cut the stroke
    fox.drag(places(fox.box(PAD), SEVEN))
    fox.wait(
        "[...document.querySelectorAll('[role=status]')]"
        r".some(e => /The network answers\s+7\s/.test(e.innerText))"
    )

    fox.click("[...document.querySelectorAll('a')].find(a => a.innerText.trim() === 'Train')")
    fox.wait(f"{button('Start training')}?.disabled === false && {RESTS}")
    fox.click(button("Start training"))
    early = fox.wait(f"({STEP}) > 0 && ({STEP})")
    fox.wait(f"({STEP}) > {early} + 20")
    fox.wait("document.querySelector('.js-plotly-plot')?._fullData?.[0].x.length > 2")
    clean(fox, site)


@pytest.mark.skipif(
    "NNENGINE_LONG" not in os.environ,
    reason="half a minute, and Chromium's tests see the same: set NNENGINE_LONG to run it",
)
def test_firefox_comes_back_to_the_run_that_was_under_way(fox, site):
    """On the page of the test before: starting Python once more would only take time."""
    time.sleep(3)  # a run under way is on record every two seconds
    reached = fox.wait(f"({STEP}) > 20 && ({STEP})")
    fox.open(f"{site}/train")
    fox.wait(says("Here again, as you left it: 1 run"), OPENED_S)
    fox.wait(f"{says('Running')} || {says('Finished')}")  # the quick recipe takes three seconds
    assert reached // 2 < fox.wait(f"({STEP}) > 20 && ({STEP})")
    clean(fox, site)


def clean(fox, home: str) -> None:
    """Fail where the page asked for more than its own, or a script failed."""
    assert [] == [url for url in fox.requests if not url.startswith((home, "blob:", "data:"))]
    assert [] == fox.faults
    fox.requests.clear()  # the next test answers for its own
