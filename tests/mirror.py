"""A mirror on localhost that serves files, counts what it sends, and misbehaves when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HTML = b"<!DOCTYPE html>\n<html><body>Please sign in to this network.</body></html>\n" * 20


class Mirror:
    """Serves ``files`` (path below the address -> bytes, or a file on the disk).

    ``asked`` lists each request as (path, Range header or None) and ``sent`` the bytes of data it
    was answered with. ``behave[path]`` is called with the request in place of the ordinary answer;
    "*" stands for every path.
    """

    def __init__(self, files: dict[str, bytes | Path]) -> None:
        self.files = files
        self.asked: list[tuple[str, str | None]] = []
        self.sent: list[int] = []
        self.behave: dict[str, Callable[[Request], None]] = {}
        self.url = ""
        self.over = threading.Event()  # the test has ended: whoever stalls may stop

    def bytes_of(self, path: str) -> bytes:
        data = self.files[path]
        return data.read_bytes() if isinstance(data, Path) else data


class Request(BaseHTTPRequestHandler):
    mirror: Mirror

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.mirror.asked.append((path, self.headers.get("Range")))
        behave = self.mirror.behave.get(path) or self.mirror.behave.get("*") or Request.answer
        with suppress(ConnectionError):
            behave(self)

    @property
    def data(self) -> bytes:
        return self.mirror.bytes_of(self.path.lstrip("/"))

    @property
    def start(self) -> int:
        """Where the bytes asked for begin."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])

    def answer(self) -> None:
        """Answer as a good server does."""
        if self.path.lstrip("/") not in self.mirror.files:
            self.refuse(404)
        elif self.start and self.start >= len(self.data):
            self.refuse(416)
        else:
            self.give(self.data[self.start :])

    def refuse(self, status: int) -> None:
        self.send_error(status)

    def head(self, length: int | None, status: int | None = None, **headers: str) -> None:
        """Send status and headers; ``length`` is what is promised from ``start`` on."""
        self.send_response(status or (206 if self.start else 200))
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.start and status is None:
            end = self.start + (length or 0)
            self.send_header("Content-Range", f"bytes {self.start}-{end - 1}/{end}")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def give(self, data: bytes, promised: int | None = -1, status: int | None = None) -> None:
        """Send ``data`` under a promise of as many bytes, or of others, or (None) of nothing."""
        self.head(len(data) if promised == -1 else promised, status)
        self.put(data)

    def put(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()
        self.mirror.sent.append(len(data))

    def drip(self, data: bytes, pause_s: float) -> None:
        """Send a byte now and then, until the test is over."""
        self.head(len(data))
        for at in range(len(data)):
            if self.mirror.over.wait(pause_s):
                return
            self.put(data[at : at + 1])

    def log_message(self, *_: object) -> None:
        """Say nothing: the test asserts what there is to say."""


@contextmanager
def serving(files: dict[str, bytes | Path]) -> Iterator[Mirror]:
    """Run a mirror in a thread of its own for as long as the context lasts."""
    mirror = Mirror(files)
    handler = type("BoundRequest", (Request,), {"mirror": mirror})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mirror
    finally:
        mirror.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
