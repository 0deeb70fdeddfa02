"""What the browser brings into a tab; nobody has written down its types for Python."""

from typing import Any

def __getattr__(name: str) -> Any: ...
