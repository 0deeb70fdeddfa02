"""Door: to whom the server listens, and what browsers are told to refuse on its pages.

Streamlit opens its websocket to pages of any port of this machine, and to any name that somebody
else's DNS lets stand for it; its answers carry no policy. This stands before all of it, as the
middleware that `st.App` takes.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

READING = frozenset({"GET", "HEAD", "OPTIONS"})  # change nothing, whoever asks
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Door:
    """ASGI middleware: refuses foreign hosts and pages, and adds headers to every answer.

    hosts: the names that visitors may reach the server by, `*.example.org` for all of a kind.
    Without any: localhost, this machine's own name, and addresses in numbers, which no DNS can turn
    over to somebody else. origins: other sites whose pages may speak to it. page: the HTML whose
    scripts may run.
    """

    def __init__(
        self, app: Any, *, hosts: Iterable[str] = (), origins: Iterable[str] = (), page: str = ""
    ) -> None:
        self.app = app
        self.hosts = tuple(host.lower() for host in hosts)
        self.origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self.headers = [(k.encode(), v.encode()) for k, v in headers(page).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif refusal := self.refusal(scope):
            await _refuse(scope, receive, send, refusal)
        else:
            await self.app(scope, receive, self._dressed(send))

    def refusal(self, scope: Scope) -> str:
        """Return why this request is not answered, as a sentence; nothing where it is."""
        given = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
        host, origin = given.get(b"host", ""), given.get(b"origin")
        if not self._known(name_of(host)):
            return (
                "This server does not go by that name. Whoever runs it can add the name: "
                "nnengine app --name NAME"
            )
        changes = scope["type"] == "websocket" or scope["method"] not in READING
        if changes and origin is not None and not self._at_home(origin, host):
            return "This server takes nothing from pages of other sites."
        return ""

    def _known(self, name: str) -> bool:
        if self.hosts:
            return any(fnmatchcase(name, known) for known in self.hosts)
        own = socket.gethostname().lower()
        return name in ("localhost", own, f"{own}.local") or is_number(name)

    def _at_home(self, origin: str, host: str) -> bool:
        return urlsplit(origin).netloc == host or origin in self.origins

    def _dressed(self, send: Send) -> Send:
        async def dressed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message.get("headers", ())}
                new = [pair for pair in self.headers if pair[0] not in named]
                message["headers"] = [*message.get("headers", ()), *new]
            await send(message)

        return dressed


def name_of(host: str) -> str:
    """Return the name in a Host header, without the port and an IPv6 address's brackets."""
    found = re.fullmatch(r"\[([0-9a-f:.]+)\](?::\d+)?|([^:\[\]/@\s]+)(?::\d+)?", host)
    return (found[1] or found[2]).rstrip(".") if found else ""


def is_number(name: str) -> bool:
    """Return whether a host is an address in numbers."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def headers(page: str) -> dict[str, str]:
    """Return what every answer carries; the scripts of `page` may run, beside those of files."""
    return {
        "content-security-policy": policy(page),
        "x-frame-options": "SAMEORIGIN",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",  # the address of a run is its key
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }


def policy(page: str) -> str:
    """Return the content security policy: this host and nobody else.

    Streamlit makes its components from blobs, and it and they write styles into the page.
    """
    scripts = (hashlib.sha256(script.encode()).digest() for script in _INLINE.findall(page))
    inline = "".join(f" 'sha256-{base64.b64encode(digest).decode()}'" for digest in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' blob:{inline}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "media-src 'self' data: blob:",
            "frame-ancestors 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    """Answer with 403 and one sentence; a websocket is closed before it is open, which says 403."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    body = f"{why}\n".encode()
    plain = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": plain})
    await send({"type": "http.response.body", "body": body})
