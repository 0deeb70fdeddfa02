"""What pages say on its way out: by the piece, in order, and asked for once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from dashboard.host import flushing


class Session:
    """A session as far as its queue goes, which counts the rounds it asks for."""

    def __init__(self, loop) -> None:
        self._event_loop, self._debug_last_backmsg_id = loop, ""
        self._browser_queue, self.rounds = ForwardMsgQueue(), 0
        self._message_enqueued_callback = self._ask

    def _ask(self) -> None:
        self.rounds += 1


def said(text: str) -> ForwardMsg:
    message = ForwardMsg()
    message.page_info_changed.query_string = text
    return message


def alone(work):
    """Run a coroutine in a loop of its own: browser tests leave one running in this thread."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The change is made, and undone behind the test."""
    monkeypatch.setattr(runtime, "asyncio", asyncio)
    monkeypatch.setattr(AppSession, "_enqueue_forward_msg", AppSession._enqueue_forward_msg)
    interval = flushing.sys.getswitchinterval()
    flushing.in_turn()
    yield
    flushing.sys.setswitchinterval(interval)


def test_a_round_is_asked_for_once_until_the_queue_is_empty_and_nothing_is_lost():
    async def work():
        session = Session(asyncio.get_running_loop())
        for text in "abc":
            AppSession._enqueue_forward_msg(session, said(text))
        sent = session._browser_queue.flush()
        assert ["a", "b", "c"] == [message.page_info_changed.query_string for message in sent]
        assert 1 == session.rounds
        AppSession._enqueue_forward_msg(session, said("d"))
        assert 2 == session.rounds

    alone(work())


def test_another_thread_asks_for_a_round_with_every_message():
    async def work():
        session = Session(asyncio.get_running_loop())
        for text in "ab":
            await asyncio.to_thread(AppSession._enqueue_forward_msg, session, said(text))
        assert 2 == session.rounds

    alone(work())


def test_sixty_messages_let_the_event_loop_go_round_few_times_and_yet_some(monkeypatch):
    now = 0.0
    monkeypatch.setattr(flushing.time, "perf_counter", lambda: now)

    async def work():
        nonlocal now
        rounds = 0

        async def others():
            nonlocal rounds
            while True:
                rounds += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        for _ in range(60):
            now += flushing.A_PIECE_S / 10
            await runtime.asyncio.sleep(0)
        other.cancel()
        assert 4 <= rounds <= 8

    alone(work())


def test_any_other_sleep_and_the_rest_of_the_module_are_as_they_were(monkeypatch):
    async def work():
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert "said" == await runtime.asyncio.sleep(0.02, "said")
        assert loop.time() - began >= 0.015

    alone(work())
    assert runtime.asyncio.wait is asyncio.wait


def test_a_second_call_changes_nothing():
    module, enqueue = runtime.asyncio, AppSession._enqueue_forward_msg
    flushing.in_turn()
    assert module is runtime.asyncio
    assert enqueue is AppSession._enqueue_forward_msg
