"""Sessions: Streamlit's memory of a page, let go of when nobody will come back to it.

Streamlit keeps what a page was for a while after it is closed (`server.disconnectedSessionTTL`),
and looks for what is older when the next visitor leaves, no sooner (1.62 to 1.67). On a quiet
server the last of a crowd therefore stays for the night. It is little in itself, but its objects
were made while the server was fullest, and Python gives memory back by the megabyte, when nothing
lives in it any more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from streamlit import runtime

log = logging.getLogger(__name__)
EVERY_S = 10.0


async def forget_in_time(every_s: float = EVERY_S) -> None:
    """Forget, again and again, the sessions whose time is over: a task of the server's loop.

    What fails once is told to the log, and tried again: nobody waits for this task.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            forget_expired()
        except Exception:  # of Streamlit's insides, in a version that is not known yet
            log.exception("pages whose time is over could not be forgotten")


def forget_expired() -> None:
    """Forget the sessions whose time is over; without such a store, do nothing."""
    if not runtime.exists():
        return
    inside: Any = runtime.get_instance()
    for name in ("_session_mgr", "_session_storage", "_cache"):  # Streamlit has no public way
        inside = getattr(inside, name, None)
    for _, info in getattr(inside, "expire", list)():
        _empty(info.session)


def _empty(session: Any) -> None:
    """Let go of what a session holds: the loop that sends messages still has the last one."""
    session.shutdown()
    if session._scriptrunner is None:  # otherwise a page is being drawn, and will tell it so
        state = session._state
        vars(session).clear()
        session._state = state  # shut down: whoever asks it to is told so
