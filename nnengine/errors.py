"""Two kinds of refusal: the file is wrong, or the setting is wrong."""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error this package raises on purpose; catch it to catch them all."""


class FormatError(EngineError, ValueError):
    """A file, or data that came from one, is not what it should be.

    ``whole_items`` is the number of items a truncated file still holds whole, so that a caller can
    offer to keep them; it is ``None`` wherever that question does not arise.
    """

    def __init__(self, message: str = "", *, whole_items: int | None = None) -> None:
        super().__init__(message)
        self.whole_items = whole_items


class ConfigError(EngineError, ValueError):
    """A setting or an argument is outside what it may be; the message says what it may be."""
