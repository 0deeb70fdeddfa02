"""Looking: what drivers of ours share: to end a browser, and to wait for what a page shows."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import Any, Self

POLL_S = 0.1
# The step that the Train page names, 0 without one.
STEP = "Number((/Step ([\\d,]+) of/.exec(document.body.innerText) || [0, '0'])[1].replace(',', ''))"


class Driven:
    """A browser that was started for a test; `with` ends it."""

    _process: subprocess.Popen
    _open: contextlib.ExitStack  # what is connected to it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *gone: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        self._open.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Looking:
    """A page that can be looked into, whatever drives it."""

    def look(self, expression: str) -> Any:
        """Return what an expression in the page gives, by way of JSON."""
        raise NotImplementedError

    def wait(self, expression: str, patience_s: float = 60) -> Any:
        """Return what an expression gives as soon as that is true; a page in between is waited
        for."""
        deadline, last = time.monotonic() + patience_s, ""
        while time.monotonic() < deadline:
            try:
                if found := self.look(expression):
                    return found
            except RuntimeError as fault:  # the document changes just now
                last = str(fault)
            time.sleep(POLL_S)
        text = self.look("document.body.innerText")[:600]
        raise AssertionError(f"not seen within {patience_s} s: {expression} {last}\n{text}")


def button(name: str) -> str:
    """Return the expression that finds a button by its words."""
    return f"[...document.querySelectorAll('button')].find(b => b.innerText.trim() === '{name}')"


def says(text: str) -> str:
    """Return the expression that is true where the page says a text."""
    return f"document.body.innerText.includes({text!r})"
