"""The static site in Firefox, which is not Chromium: opened, drawn on, trained in, come back to."""

from __future__ import annotations

import os
import time

import pytest

from tests.browser import firefox
from tests.browser.conftest import OPENED_S
from tests.browser.test_draw import SEVEN

# The pad's canvas lies in a shadow root of its component.
PAD = """(function last(root) {
  let found = null;
  for (const e of root.querySelectorAll("*"))
    found = (e.matches("canvas") ? e : e.shadowRoot && last(e.shadowRoot)) || found;
  return found;
})(document)"""
STEP = "Number((/Step ([\\d,]+) of/.exec(document.body.innerText) || [0, '0'])[1].replace(',', ''))"


@pytest.fixture(scope="module")
def fox(tmp_path_factory):
    """A headless Firefox; without one a skip, or a failure where NNENGINE_BROWSER=required."""
    path = firefox.find()
    if path is None:
        reason = "no Firefox: install it (on Debian: apt install firefox-esr)"
        if os.environ.get("NNENGINE_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    with firefox.Firefox(path, tmp_path_factory.mktemp("firefox")) as browser:
        yield browser


def button(name: str) -> str:
    return f"[...document.querySelectorAll('button')].find(b => b.innerText.trim() === '{name}')"


def says(text: str) -> str:
    return f"document.body.innerText.includes({text!r})"


def test_firefox_opens_the_site_answers_a_seven_and_trains(fox, site):
    fox.open(f"{site}/draw")
    fox.wait(says("The sheet is blank."), OPENED_S)
    left, top, width, height = fox.box(PAD)
    fox.drag([[left + x * width, top + y * height] for x, y in SEVEN])
    said = fox.wait(
        "[...document.querySelectorAll('[role=status]')].map(e => e.innerText)"
        ".find(t => t.includes('The network answers'))"
    )
    assert "7" == said.splitlines()[1].strip()

    fox.click("[...document.querySelectorAll('a')].find(a => a.innerText.trim() === 'Train')")
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
    """Second on the same page: starting Python a third time would only take time."""
    time.sleep(3)  # a run under way is on record every two seconds
    reached = fox.wait(f"({STEP}) > 20 && ({STEP})")
    fox.open(f"{site}/train")
    fox.wait(says("Here again, as you left it: 1 run"), OPENED_S)
    fox.wait(f"{says('Running')} || {says('Finished')}")  # the quick recipe takes three seconds
    assert reached // 2 < fox.wait(f"({STEP}) > 20 && ({STEP})")
    clean(fox, site)


def clean(fox, site: str) -> None:
    """Fail where the page asked other hosts or a script failed."""
    assert [] == [url for url in fox.requests if not url.startswith((site, "blob:", "data:"))]
    assert [] == fox.faults
