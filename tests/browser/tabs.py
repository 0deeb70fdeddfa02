"""Tabs: a small driver for Chromium whose tabs are hidden when another is in front.

Playwright has every page believe that it is looked at. This speaks Chromium's own protocol over a
websocket, and only what these tests ask for: open, look, bring to the front, freeze.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.browser.looking import POLL_S, Driven, Looking

ANSWER_S = 60
STARTED_S = 60


class Tab(Looking):
    """One tab of a browser's window."""

    def __init__(self, browser: Browser, target: str) -> None:
        self._browser, self._target = browser, target
        attached = browser.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def look(self, expression: str) -> Any:
        """Return what an expression in the page gives, by way of JSON."""
        found = self.ask(
            "Runtime.evaluate", expression=f"JSON.stringify(({expression}) ?? null)",
            userGesture=True,
        )  # fmt: skip
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["text"])
        return json.loads(found["result"]["value"])

    def show(self) -> None:
        """Bring it to the front; the one that was there is hidden."""
        self._browser.ask("Target.activateTarget", targetId=self._target)

    def freeze(self, frozen: bool) -> None:
        """Stop all that runs in it, as phones do with pages behind others, or let it go on."""
        self.ask("Page.setWebLifecycleState", state="frozen" if frozen else "active")

    def ask(self, method: str, **params: Any) -> dict:
        """Send a command for this tab and return its result."""
        return self._browser.ask(method, session=self._session, **params)


class Browser(Driven):
    """A Chromium with one window; `with` ends it."""

    def __init__(self, path: str, flags: Sequence[str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [path, *flags, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._numbers, self._open = itertools.count(1), contextlib.ExitStack()
        try:
            at = self._address(folder / "DevToolsActivePort")
            self._socket = self._open.enter_context(connect(at, max_size=None, compression=None))
        except BaseException:
            self.close()
            raise

    def _address(self, written: Path) -> str:
        deadline = time.monotonic() + STARTED_S
        while time.monotonic() < deadline and self._process.poll() is None:
            lines = written.read_text().splitlines() if written.is_file() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            time.sleep(POLL_S)
        raise RuntimeError("Chromium did not start")

    def open(self, url: str) -> Tab:
        """Open an address in a new tab, in front."""
        return Tab(self, self.ask("Target.createTarget", url=url)["targetId"])

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict:
        """Send a command and return its result."""
        number = next(self._numbers)
        to = {"sessionId": session} if session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **to}))
        while True:
            told = json.loads(self._socket.recv(timeout=ANSWER_S))
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return told["result"]
