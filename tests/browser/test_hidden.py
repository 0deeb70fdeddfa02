"""A tab that nobody looks at: it trains on behind others, stands still frozen, and goes on."""

from __future__ import annotations

import time

import pytest

from tests.browser.conftest import FLAGS, NOWHERE, OPENED_S, find_browser, needed
from tests.browser.looking import STEP, button, says
from tests.browser.tabs import Browser

FROZEN_S = 3


@pytest.fixture
def browser(tmp_path):
    path = needed(find_browser(), "Chromium (on Debian: apt install chromium)")
    with Browser(path, [*FLAGS, NOWHERE], tmp_path) as window:
        yield window


def test_a_hidden_tab_trains_on_and_a_frozen_one_goes_on_where_it_stood(browser, site):
    tab = browser.open(f"{site}/train?data=digits&hidden=128&iterations=60000")
    tab.wait(f"{button('Start training')}?.disabled === false", OPENED_S)
    tab.look(f"{button('Start training')}.click()")
    tab.wait(f"{STEP} > 20")

    browser.open("about:blank").show()
    tab.wait("document.hidden")
    hidden = tab.look(STEP)
    tab.wait(f"{STEP} > {hidden} + 100")

    tab.freeze(True)
    frozen = tab.look(STEP)
    time.sleep(FROZEN_S)
    assert frozen == tab.look(STEP)
    tab.freeze(False)
    tab.show()
    tab.wait("!document.hidden")
    tab.wait(f"{STEP} > {frozen} + 100")
    tab.look(f"{button('Pause')}.click()")
    tab.wait(says("Paused"))
