"""What Streamlit remembers of pages that nobody will come back to."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.session_manager import SessionInfo

from dashboard.host import sessions

TTL_S = 0.05


class Page:
    """As much of Streamlit's AppSession as is asked for here."""

    id = "a page"

    def __init__(self, drawing: object = None) -> None:
        self._scriptrunner, self._state, self.widgets = drawing, "open", ["a slider"]

    def shutdown(self) -> None:
        self._state = "shut down"


@pytest.fixture
def left(monkeypatch):
    """Streamlit's own store of those who left, which a page is put into."""
    storage = MemorySessionStorage(ttl_seconds=TTL_S)
    streamlit = SimpleNamespace(_session_mgr=SimpleNamespace(_session_storage=storage))
    runtime = SimpleNamespace(exists=lambda: True, get_instance=lambda: streamlit)
    monkeypatch.setattr(sessions, "runtime", runtime)

    def leave(page: Page) -> MemorySessionStorage:
        storage.save(SessionInfo(None, page, 1))
        return storage

    return leave


def test_a_page_whose_time_is_over_is_emptied_though_nobody_comes(left):
    page = Page()
    storage = left(page)
    sessions.forget_expired()
    assert [page] == [info.session for info in storage.list()] and ["a slider"] == page.widgets
    time.sleep(2 * TTL_S)
    sessions.forget_expired()
    assert [] == storage.list() and {"_state": "shut down"} == vars(page)


def test_a_page_that_is_being_drawn_is_shut_down_and_keeps_what_its_drawing_needs(left):
    page = Page(drawing="a script")
    left(page)
    time.sleep(2 * TTL_S)
    sessions.forget_expired()
    assert ("shut down", ["a slider"]) == (page._state, page.widgets)


def test_it_is_looked_for_again_and_again(left):
    async def a_moment() -> None:
        task = asyncio.create_task(sessions.forget_in_time(every_s=TTL_S))
        for page in pages:
            left(page)
            await asyncio.sleep(4 * TTL_S)
        task.cancel()

    pages = [Page(), Page()]
    with ThreadPoolExecutor(1) as apart:  # after browser tests Playwright's loop runs in this one
        apart.submit(asyncio.run, a_moment()).result()
    assert ["shut down"] * 2 == [page._state for page in pages]


def test_what_fails_once_is_told_to_the_log_and_tried_again(left, monkeypatch, caplog):
    real, failures = sessions.forget_expired, [RuntimeError("a session of another make")]

    def forgets() -> None:
        if failures:
            raise failures.pop()
        real()

    async def a_moment() -> None:
        task = asyncio.create_task(sessions.forget_in_time(every_s=TTL_S))
        left(page)
        await asyncio.sleep(6 * TTL_S)
        task.cancel()

    monkeypatch.setattr(sessions, "forget_expired", forgets)
    page = Page()
    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, a_moment()).result()
    assert "shut down" == page._state
    assert ["pages whose time is over could not be forgotten"] == [
        r.message for r in caplog.records
    ]


def test_without_a_server_there_is_nothing_to_forget():
    sessions.forget_expired()
