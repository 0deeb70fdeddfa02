"""A small driver for Firefox: WebDriver BiDi over a websocket, which Debian's build answers itself.

Only what these tests ask for: open, look, click, type, draw; and every request that is made.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.browser.looking import POLL_S, Driven, Looking

# No word to anybody: a fresh profile would ask its maker for updates, lists and a greeting.
QUIET = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "captivedetect.canonicalURL": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}
ANSWER_S = 120
_BOX = """e => {
  if (!e) return null;
  e.scrollIntoView({ block: "center" });
  const b = e.getBoundingClientRect();
  return [b.x, b.y, b.width, b.height];
}"""
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


def find() -> str | None:
    """Return the path of a Firefox, or None."""
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


class Firefox(Driven, Looking):
    """A headless Firefox with one page; `with` ends it."""

    def __init__(self, path: str, folder: Path) -> None:
        profile = folder / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in QUIET.items()]
        (profile / "user.js").write_text("\n".join(lines))
        self._log = folder / "firefox.log"
        self._process = subprocess.Popen(
            [path, "--headless", "--no-remote", "--remote-debugging-port", "0",
             "--profile", str(profile)],
            stdout=subprocess.DEVNULL, stderr=self._log.open("w"),
        )  # fmt: skip
        self._numbers, self._open = itertools.count(1), contextlib.ExitStack()
        self.requests: list[str] = []
        self.faults: list[str] = []
        try:
            at = f"{self._address()}/session"
            self._socket = self._open.enter_context(connect(at, max_size=None, compression=None))
            self.ask("session.new", capabilities={})
            self.ask("session.subscribe", events=["network.beforeRequestSent", "log.entryAdded"])
            found = self.ask("browsingContext.getTree")["contexts"]
            self._page = found[0]["context"]
        except BaseException:
            self.close()
            raise

    def _address(self, patience_s: float = 60) -> str:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := _LISTENS.search(self._log.read_text()):
                return found[1]
            time.sleep(POLL_S)
        raise RuntimeError(f"Firefox did not start: {self._log.read_text()[-1000:]}")

    def ask(self, method: str, **params: Any) -> dict:
        """Send a command and return its result; what the browser tells meanwhile is noted."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv(timeout=ANSWER_S))
            if told.get("id") == number:
                if told["type"] == "error":
                    raise RuntimeError(f"{method}: {told['error']}: {told['message'][:500]}")
                return told["result"]
            self._note(told)

    def _note(self, told: dict) -> None:
        params = told.get("params", {})
        if told.get("method") == "network.beforeRequestSent":
            self.requests.append(params["request"]["url"])
        elif told.get("method") == "log.entryAdded" and params.get("type") == "javascript":
            self.faults.append(str(params.get("text")))

    def open(self, url: str, width: int = 1280, height: int = 900) -> None:
        """Open an address, and return when its document is there."""
        self.ask(
            "browsingContext.setViewport", context=self._page,
            viewport={"width": width, "height": height},
        )  # fmt: skip
        try:
            self.ask("browsingContext.navigate", context=self._page, url=url, wait="interactive")
        except RuntimeError as fault:
            # A page whose worker takes over opens itself once more, perhaps before it was there.
            if "NS_BINDING_ABORTED" not in str(fault):
                raise

    def look(self, expression: str) -> Any:
        """Return what an expression in the page gives, by way of JSON."""
        found = self.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self._page}, awaitPromise=True,
        )  # fmt: skip
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        return json.loads(found["result"]["value"])

    def box(self, expression: str) -> list[float] | None:
        """Return left, top, width and height of an element, in the middle of the window, once it
        stands still."""
        found = None
        while (now := self.wait(f"({_BOX})({expression})")) != found:
            found = now
            time.sleep(3 * POLL_S)
        return found

    def click(self, expression: str, patience_s: float = 60) -> None:
        """Click in the middle of the element that an expression gives."""
        self.wait(f"({_BOX})({expression})", patience_s)
        left, top, width, height = self.box(expression)
        self.drag([[left + width / 2, top + height / 2]])

    def drag(self, places: list[list[float]]) -> None:
        """Press the mouse at the first place, move it through the others, let go."""
        moves = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 80 * bool(i)}
            for i, (x, y) in enumerate(places)
        ]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:],
                   {"type": "pointerUp", "button": 0}]  # fmt: skip
        self.ask(
            "input.performActions", context=self._page,
            actions=[{"type": "pointer", "id": "mouse", "actions": actions}],
        )  # fmt: skip
