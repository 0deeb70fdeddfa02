"""Serve: a built site on this machine, as a static host would."""

from __future__ import annotations

import functools
import http.server
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dashboard.web.build import BuildError

# The policy of the page stands in the page: what only a header can say is said here.
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder; 404.html for what is not there, as static hosts do."""

    extensions_map = {  # noqa: RUF012 - as the class it extends has it
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".json": "application/json",
        ".whl": "application/zip",
    }
    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        # A browser asks again for pages and scripts of ours, and keeps what has a version.
        kept = any(part in self.path for part in ("/pyodide/", "/stlite/", "/wheels/", "?v="))
        self.send_header("Cache-Control", "public, max-age=86400" if kept else "no-cache")
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_head(self) -> Any:
        """Answer with a file of the folder; with no list of one, and with nothing outside it."""
        return super().send_head() if self._ours() else self.send_error(404)

    def _ours(self) -> bool:
        """Return whether a file of the folder is asked for: a link in it may lead anywhere."""
        try:
            home = Path(self.directory).resolve()
            found = Path(self.translate_path(self.path))
            if urlsplit(self.path).path.endswith("/"):  # a folder is its page
                found /= "index.html"
            found = found.resolve()
            return home in found.parents and found.is_file()
        except (OSError, ValueError, RuntimeError):  # no file's name: too long, a zero, a ring
            return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None):
        """Answer with the site's own page where a path is not a file."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args) -> None:
        """Say nothing of each request."""


def server(folder: Path, port: int = 0) -> http.server.ThreadingHTTPServer:
    """Return a server of a site on 127.0.0.1; raises BuildError where no site is."""
    if not (folder / "index.html").is_file():
        raise BuildError(f"{folder} holds no site: make one with python -m dashboard.web build")
    handler = functools.partial(Handler, directory=str(folder))
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


def serve(folder: Path, port: int) -> None:
    """Serve a site until interrupted."""
    with server(folder, port) as site:
        print(f"http://127.0.0.1:{site.server_port}")
        site.serve_forever()
