"""Gate: how the bodies of uploads come in, so that many at once take little memory and few turns.

Streamlit lays what comes aside in a file, reads all of it into memory, and only then asks whether
it may be kept. Here room is asked for before an upload comes, and while it does. One without is let
run past: what its sender hears, and what the page says, is as for one that came and was not kept.
The last piece of each waits for its turn, as what follows it is what takes memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.message import Message
from typing import Any, Protocol
from urllib.parse import unquote

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

MARK = "/_stcore/upload_file/"  # in the path, before the ids of session and file
READ_AT_A_TIME = 1  # into memory, whole
ASK_EVERY_BYTES = 8 * 10**6
PATIENCE_S = 60.0  # for the next piece


class Room(Protocol):
    """Who knows whether there is room for an upload."""

    def admits(self, session_id: str, file_id: str, size: int, under_way: int) -> bool:
        """Return whether an upload of `size` bytes may come, `under_way` bytes of others do."""
        ...


class Gate:
    """ASGI middleware: has uploads come in piece by piece, and only where there is room for them.

    room: gives who is asked; called at each upload, from a thread of its own.
    """

    def __init__(self, app: Any, *, room: Callable[[], Room]) -> None:
        self.app, self.room = app, room
        self.turn = asyncio.Semaphore(READ_AT_A_TIME)
        self.under_way: dict[object, int] = {}  # bytes that have come of uploads, until they end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a request, an upload through the gate."""
        ids = scope["type"] == "http" and scope["method"] == "PUT" and ids_in(scope["path"])
        if not ids:
            await self.app(scope, receive, send)
            return
        upload = _Upload(self, scope, receive, send, ids)
        try:
            await self.app(scope, upload.receive, upload.send)
        finally:
            upload.ended()


class _Upload:
    """One upload on its way."""

    def __init__(
        self, gate: Gate, scope: Scope, receive: Receive, send: Send, ids: tuple[str, str]
    ) -> None:
        self.gate, self._receive, self._send, self.ids = gate, receive, send, ids
        given = dict(scope["headers"])
        self.promised = number(given.get(b"content-length", b""))
        self.end = closing(given.get(b"content-type", b""))
        self.came = self.asked = 0
        self.whole = self.has_turn = False

    async def receive(self) -> Event:
        """Return the next piece; of an upload without room the end, once the rest has run past."""
        if self.whole:
            return await self._receive()  # nothing but that its sender has left
        event = await self._next()
        if event["type"] != "http.request":
            return event
        self.whole = not event.get("more_body", False)
        if self.end and (self.whole or self.came >= self.asked):
            self.asked = self.came + ASK_EVERY_BYTES
            if self.whole:
                await self._take_turn()
            if not await self._has_room():
                return await self._run_past(event)
        return event

    async def _next(self) -> Event:
        """Return the next piece as it comes; one that does not come for long has been given up."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                event = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        self.came += len(event.get("body", b""))
        self.gate.under_way[self] = self.came
        return event

    async def _has_room(self) -> bool:
        others = sum(self.gate.under_way.values()) - self.came
        size = max(self.came, self.promised)
        return await asyncio.to_thread(lambda: self.gate.room().admits(*self.ids, size, others))

    async def _run_past(self, event: Event) -> Event:
        """Let the rest go, and give what ends the form that the upload is sent as."""
        if self.whole and self.came == len(event["body"]):
            return event  # all of it came at once
        kept, self.gate.under_way[self] = event["body"], 0
        while event.get("more_body", False):
            event = await self._next()
            if event["type"] != "http.request":
                return event
            self.gate.under_way[self] = 0
        self.whole = True
        return {"type": "http.request", "body": kept + self.end, "more_body": False}

    async def _take_turn(self) -> None:
        await self.gate.turn.acquire()
        self.has_turn = True

    async def send(self, event: Event) -> None:
        """Send the answer: by then the upload is kept, or not."""
        self.ended()
        await self._send(event)

    def ended(self) -> None:
        """Let the next one have its turn."""
        self.gate.under_way.pop(self, None)
        if self.has_turn:
            self.has_turn = False
            self.gate.turn.release()


def ids_in(path: str) -> tuple[str, str] | None:
    """Return the ids of session and file that an upload's path names."""
    _, found, rest = path.partition(MARK)
    session_id, slash, file_id = rest.partition("/")
    return (unquote(session_id), unquote(file_id)) if found and slash else None


def number(value: bytes) -> int:
    """Return a header's number, 0 where it is none."""
    return int(value) if value.isdigit() and len(value) < 16 else 0


def closing(content_type: bytes) -> bytes:
    """Return what ends a form of this type, nothing where it is none of several parts."""
    message = Message()
    message["content-type"] = content_type.decode("latin-1")
    edge = message.get_boundary()
    return f"\r\n--{edge}--\r\n".encode("latin-1") if edge else b""
