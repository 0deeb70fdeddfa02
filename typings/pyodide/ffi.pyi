"""Pyodide's bridge to JavaScript, as far as a tab walks it."""

from typing import Any

class JsException(Exception): ...

def __getattr__(name: str) -> Any: ...
