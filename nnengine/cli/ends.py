"""Ends: how a command ends: done, with a fault, by a signal, or with nobody left to read it.

A signal, a closed pipe, a full disk below standard output or a name in letters that the terminal
lacks: each gives at most one line on standard error, and the exit status that a shell expects.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import EngineError, TextError

FAULT, NO_READER = 2, 141
# Ctrl-C, an order to end, a terminal that is gone, Ctrl-Break; not every system has them all.
SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]
# One order comes twice: `timeout` sends it to its child and to the group, a terminal that closes
# to the shell and to what runs in it, and the shell passes it on.
ECHO_S = 0.25
STDOUT = "standard output"


class Stopped(KeyboardInterrupt):
    """A signal has ended a command. The message, where there is one, says what was kept."""

    def __init__(self, number: int, said: str = "") -> None:
        super().__init__(said or f"{told(number)}")
        self.status = 128 + number


def told(number: int) -> str:
    """Return what a signal does to a command, in words."""
    if number == signal.SIGINT:
        return "interrupted"
    return f"ended by {signal.Signals(number).name}"


def run(command: Callable[[], int | None]) -> int:
    """Run a command and return its exit status, after at most one fault has been told."""
    with _streams(), _answered(_stop):
        try:
            status = command() or 0
        except SystemExit as end:  # of the parser, which has said why
            status = end.code if isinstance(end.code, int) else 0
        except BaseException as error:
            status = _status(error)
        return _flushed(status)


def _status(error: BaseException) -> int:
    """Say what ended a command, and return its exit status; what is our own bug goes on its way."""
    if isinstance(error, Stopped):
        return _complain(str(error), error.status)
    if isinstance(error, KeyboardInterrupt):
        return _complain("interrupted", 128 + signal.SIGINT)
    if isinstance(error, TextError):
        return _complain(str(error), pointed=_pointed(error))
    if isinstance(error, EngineError):  # a way out is called as it is on a command line
        return _complain(str(error).replace("keep_whole=True", "--keep-whole"))
    if isinstance(error, BrokenPipeError) and error.filename in (STDOUT, None):
        return NO_READER
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    if isinstance(error, MemoryError):
        return _complain("out of memory: use smaller layers, a smaller batch or less data")
    raise error


def _complain(message: str, status: int = FAULT, pointed: str = "") -> int:
    """Tell a fault in one line; a text that has a word at fault follows, with a mark under it."""
    with contextlib.suppress(OSError, ValueError):
        print("nnengine:", shown(" ".join(message.split())), file=sys.stderr, flush=True)
        for line in pointed.splitlines():
            print(f"  {line}", file=sys.stderr, flush=True)
    return status


def _pointed(error: TextError) -> str:
    """Return the text as a terminal may have it, and the mark where it then belongs."""
    start, end = error.at, error.at + error.length
    before, word, rest = map(shown, (error.text[:start], error.text[start:end], error.text[end:]))
    at_end = error.length - len(error.text[start:end])  # a mark may stand behind the last word
    return TextError("", before + word + rest, len(before), len(word) + at_end).pointed


def shown(text: str) -> str:
    r"""Return text from outside as a terminal may have it: what is no letter or sign as \x1b."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def note(text: str) -> None:
    """Say something on standard error, as a line of its own, where there is one to hear it."""
    with contextlib.suppress(OSError, ValueError):
        print(shown(text), file=sys.stderr, flush=True)


# Signals ----------------------------------------------------------------------------------


@contextlib.contextmanager
def held() -> Iterator[list[int]]:
    """Collect the first signal, so that nothing is cut in half; a second one ends at once."""
    seen: list[int] = []
    first = 0.0

    def hold(number: int, frame: Any) -> None:
        nonlocal first
        if not seen:
            first = time.monotonic()
            seen.append(number)
        elif time.monotonic() - first > ECHO_S:
            _stop(number, frame)

    with _answered(hold):
        yield seen


def _stop(number: int, frame: Any) -> None:
    """End the command; whoever does not want to wait for what is put in order now says so again."""
    since = time.monotonic()

    def again(number: int, frame: Any) -> None:
        if time.monotonic() - since > ECHO_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    _answer(again)
    raise Stopped(number)


def _answer(handler: Callable[[int, Any], None]) -> dict[int, Any]:
    """Have signals answered by a handler; return what answered them before.

    Those that are ignored here, as a hang-up is under nohup, stay so.
    """
    before: dict[int, Any] = {}
    for number in SIGNALS:
        with contextlib.suppress(ValueError, OSError):  # not the main thread, or a browser
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    return before


@contextlib.contextmanager
def _answered(handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = _answer(handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier or signal.SIG_DFL)


# Streams ----------------------------------------------------------------------------------


class _Closed(io.TextIOBase):
    """Standard output that was closed before we came (`>&-`): whoever has an answer cannot give it.

    Python itself would take every line, and say nothing.
    """

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), STDOUT)


@contextlib.contextmanager
def _streams() -> Iterator[None]:
    r"""Have both streams there, and let them say \xe9 for a letter that their encoding lacks."""
    _hold_places()
    before, out = (sys.stdout, sys.stderr), sys.stdout or _Closed()
    errors = getattr(out, "errors", None)
    with open(os.devnull, "w") as nowhere:
        sys.stdout, sys.stderr = out, sys.stderr or nowhere
        _reconfigure(out, "backslashreplace")
        try:
            yield
        finally:
            _reconfigure(out, errors)
            sys.stdout, sys.stderr = before


def _hold_places() -> None:
    """Put nothing in the place of closed streams, or the next file opened would be one of them."""
    for place in range(3):
        try:
            os.fstat(place)
        except OSError:
            with contextlib.suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _reconfigure(stream: Any, errors: str | None) -> None:
    if errors and hasattr(stream, "reconfigure"):
        with contextlib.suppress(OSError, ValueError):
            stream.reconfigure(errors=errors)


def columns() -> int | None:
    """Return how many letters a line of standard output may have, None where it is no terminal."""
    at_terminal = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return terminal_columns(sys.stdout) if at_terminal else None


def terminal_columns(stream: Any) -> int:
    """Return how wide the terminal behind a stream is: what COLUMNS says, or itself, or 80."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return os.get_terminal_size(stream.fileno()).columns or 80
    return 80


def is_stdout(path: str) -> bool:
    """Tell whether a path leads to this program's standard output (/dev/stdout)."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(1))
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def speaking() -> Iterator[None]:
    """Have whatever keeps the block from printing be called standard output's fault."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), STDOUT) from error


def _flushed(status: int) -> int:
    """Send what was printed on its way; return the status, or another if there is no way."""
    try:
        with speaking():
            sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        status = status or _status(error)
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _give_up(sys.stderr)
    return status


def _give_up(stream: Any) -> None:
    """Let a stream lead nowhere: Python flushes once more as it ends, and would complain."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
