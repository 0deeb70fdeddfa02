"""Flushing: how what pages say goes out, so that short answers do not wait for long pages.

Streamlit (1.62 to 1.67) sends what all sessions have to say in rounds, has the event loop go round
once after every single message, and calls the system to ask for a round at each. Every such call
gives the interpreter away, and the loop waits for it again, behind all threads that draw a page.
While fifty visitors came together, each with sixty messages, a part that ticks, drawn in 0.03 s,
waited for 1.2 to 1.8 s in its queue (`tests/load/uploads.py`).
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from streamlit.runtime import runtime
from streamlit.runtime.app_session import AppSession

# For so long messages go out before the event loop, which has others to hear, goes round.
A_PIECE_S = 0.004
# For so long a thread computes on when the event loop is due; Python has it 0.005 s.
SWITCH_S = 0.001


class Patient:
    """The module asyncio, whose sleep of no time lets others in only when they have waited."""

    def __init__(self) -> None:
        self._since = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay_s: float, result: Any = None) -> Any:
        """Sleep; for no time, only where the last was a while ago."""
        if delay_s <= 0 and time.perf_counter() - self._since < A_PIECE_S:
            return result
        result = await asyncio.sleep(delay_s, result)
        self._since = time.perf_counter()
        return result


def in_turn() -> None:
    """Have messages go out by the piece; a second call changes nothing."""
    sys.setswitchinterval(SWITCH_S)
    module: Any = runtime
    if module.asyncio is asyncio:
        module.asyncio = Patient()
        session: Any = AppSession
        session._enqueue_forward_msg = _asking_once(session._enqueue_forward_msg)


def _asking_once(enqueue: Any) -> Any:
    """Return what puts a message in a session's queue, and asks for a round with the first."""

    def enqueue_once(session: Any, message: Any) -> None:
        here = asyncio._get_running_loop()
        # Another thread might do so while the queue is emptied.
        if here is None or here is not session._event_loop or session._browser_queue.is_empty():
            enqueue(session, message)
            return
        ask, session._message_enqueued_callback = session._message_enqueued_callback, None
        try:
            enqueue(session, message)
        finally:
            session._message_enqueued_callback = ask

    return enqueue_once
