"""Three kinds of refusal: the file is wrong, the setting is wrong, or the network is."""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error this package raises on purpose; catch it to catch them all."""


class FormatError(EngineError, ValueError):
    """A file, or data that came from one, is not what it should be.

    ``whole_items`` is the number of items a truncated file still holds whole, so that a caller can
    offer to keep them; it is ``None`` wherever that question does not arise. ``too_large`` says
    that nothing is wrong with it but its size: it holds more bytes than the caller allowed.
    """

    def __init__(
        self, message: str = "", *, whole_items: int | None = None, too_large: bool = False
    ) -> None:
        super().__init__(message)
        self.whole_items, self.too_large = whole_items, too_large


class ConfigError(EngineError, ValueError):
    """A setting or an argument is outside what it may be; the message says what it may be."""


class KernelError(ConfigError):
    """A kernel cannot be compiled here: `fact` says which and why; the message, what else works."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            f"{fact}: install another numba, or set NNENGINE_KERNELS=auto to have NumPy compute"
        )
        self.fact = fact


class FetchError(EngineError):
    """Data could not be had over the network; the message says what was tried and what else works.

    ``reached`` is False where no mirror could be connected to at all, as without a network.
    """

    def __init__(self, message: str = "", *, reached: bool = True) -> None:
        super().__init__(message)
        self.reached = reached


class TextError(ConfigError):
    """A setting's text has a word that cannot be; `pointed` shows which."""

    def __init__(self, message: str, text: str, at: int, length: int) -> None:
        super().__init__(message)
        self.text, self.at, self.length = text, at, length

    @property
    def pointed(self) -> str:
        """Two lines: the text, and a mark beneath the word at fault."""
        return f"{self.text}\n{' ' * self.at}{'^' * max(1, self.length)}"
