"""Fetch: bytes from a mirror into a file, with an end to every wait and a limit to every size.

Python's own urllib does it on a server: it knows redirects, proxies and time-outs, and what it does
not know (resuming, a drip of bytes that never ends) no download library spares us. In a browser
tab, where there are no sockets, the page's XMLHttpRequest does it behind the same seam.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigError
from .sources import GZIP, looks_like

_PIECE = 1 << 16
_HEAD = 64  # bytes by which a web page is told from data before the rest of it is waited for
_TRIES = 5  # connections to one mirror for one file, each of which has brought something new
_IDX = b"\0\0"
ABANDONED_S = 60.0  # a part that nobody wrote to for so long belongs to nobody: see Patience

Progress = Callable[[int, int | None], None]


class MirrorFailed(Exception):
    """One mirror did not deliver. The message goes on from its name: "answers 404 Not Found"."""

    reached = True  # something answered, so there is a network


class NotReached(MirrorFailed):
    """There is no connection to the mirror."""

    reached = False


class CutOff(MirrorFailed):
    """The connection ended early: what has come is good, and the rest can be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait: ``silence_s`` for a connection or for the next byte, and no longer than
    ``window_s`` in which fewer than ``least_bytes`` came. Both are well below ABANDONED_S.
    In a browser tab only the whole answer can be waited for: no longer than ``whole_s``.
    """

    silence_s: float = 15.0
    window_s: float = 30.0
    least_bytes: int = 30_000
    whole_s: float = 600.0


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sends: from which offset, how many bytes the whole file has, and the bytes."""

    start: int
    total: int | None
    pieces: Iterator[bytes]


Transport = Callable[[str, int, Patience], AbstractContextManager[Answer]]


def download(
    url: str,
    part: Path,
    *,
    limit: int,
    progress: Progress = lambda done, total: None,
    patience: Patience | None = None,
) -> None:
    """Bring the file ``part`` to hold all of ``url``; what it holds already is not asked for again.

    ``progress(done, total)`` is called with bytes, ``total`` None where the server does not say;
    what it raises ends the download. Where the connection breaks, it is made anew as long as each
    brings something. Whether the bytes are the right ones is for the caller to find out.

    Raises MirrorFailed for everything the mirror does wrong, among it more than ``limit`` bytes or
    bytes that are neither gzip nor IDX data; OSError where the part cannot be written.
    """
    for tries_left in reversed(range(_TRIES)):
        before = _size(part)
        try:
            with contextlib.suppress(_Whole):
                _go_on(url, part, limit, progress, patience or PATIENCE)
            return
        except CutOff:
            if not tries_left or _size(part) <= before:
                raise


def _go_on(url: str, part: Path, limit: int, progress: Progress, patience: Patience) -> None:
    with _transport()(url, _size(part), patience) as answer, _opened(part) as file:
        if answer.total is not None and answer.total > limit:
            raise MirrorFailed(f"offers {answer.total:,} bytes where {limit:,} are the most")
        file.truncate(answer.start)
        file.seek(answer.start)
        done = answer.start
        pieces = answer.pieces if done else _with_head(answer.pieces, answer.total)
        for piece in pieces:
            done += len(piece)
            if done > limit:
                raise MirrorFailed(f"sends more than the {limit:,} bytes that can be right")
            _write(file, piece)
            progress(done, answer.total)
    if answer.total is not None and done < answer.total:
        raise CutOff(f"cut the connection after {done:,} of {answer.total:,} bytes")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _opened(part: Path) -> Any:
    # Unbuffered: the time of the last change then says that somebody is at work on the file.
    return open(part, "r+b" if part.exists() else "w+b", buffering=0)


def _write(file: Any, piece: bytes) -> None:
    """Write all of a piece: an unbuffered file takes as much as there is room for, and no more."""
    left = memoryview(piece)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, file.name) from error


def _with_head(pieces: Iterator[bytes], total: int | None) -> Iterator[bytes]:
    """Yield the pieces of a file after a look at its beginning, which may have come in drops."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD:
            break
    if len(head) < min(2, total or 0):
        return  # cut off before anything could be seen
    if not head.startswith((GZIP, _IDX)):
        what = looks_like(head)
        raise MirrorFailed(f"sends {what[0]}" if what else _sends_other(head))
    yield head
    yield from pieces


def _sends_other(head: bytes) -> str:
    return f"sends other bytes ({head[:4].hex(' ')} ...)" if head else "sends an empty file"


# ------------------------------------------------------------------------------------ transports


def _transport() -> Transport:
    return _by_browser if sys.platform == "emscripten" else _by_urllib


@contextmanager
def _by_urllib(url: str, start: int, patience: Patience) -> Iterator[Answer]:
    """Ask with Python's own client, from byte ``start`` on where the server can do that."""
    from urllib.request import HTTPSHandler, Request, build_opener

    headers = {"Accept-Encoding": "identity", "User-Agent": "nnengine"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _in_words(start, patience):
        opener = build_opener(HTTPSHandler(context=_trusted()))
        response = opener.open(Request(url, headers=headers), timeout=patience.silence_s)
    with response:
        first, total = _place(response, start)
        yield Answer(first, total, _read(response, first, total, patience))


@contextmanager
def _in_words(start: int, patience: Patience) -> Iterator[None]:
    """Turn all that can go wrong before the first byte into a MirrorFailed."""
    import ssl
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    try:
        yield
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing beyond what is here: too much of it, or all
            raise _Whole from error
        reason = " ".join(str(error.reason).split())
        raise MirrorFailed(f"answers {error.code} {reason}".rstrip()) from error
    except (HTTPException, ValueError) as error:
        raise MirrorFailed(f"gives no proper answer ({_told(error)})") from error
    except OSError as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLError):
            raise MirrorFailed(f"cannot be trusted ({_told(reason)})") from error
        if isinstance(reason, TimeoutError):
            raise NotReached(f"does not answer within {patience.silence_s:g} s") from error
        raise NotReached(f"cannot be reached ({_told(reason)})") from error


class _Whole(MirrorFailed):
    """The server has nothing beyond the bytes that are here already."""


def _told(reason: Any) -> str:
    words = str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
    return " ".join(words.split())[:200]  # some of it is the server's own, of any length and form


def _place(response: Any, start: int) -> tuple[int, int | None]:
    """Return where in the file the answer begins and how long the file is, if that is said."""
    length = response.headers.get("Content-Length", "")
    if response.status != 206:  # the whole file, whatever was asked for
        return 0, int(length) if length.isdecimal() else None
    span, _, total = response.headers.get("Content-Range", "").partition("/")
    if span.split("-")[0] != f"bytes {start}":
        raise MirrorFailed(f"answers with other bytes than those from {start:,} on")
    if total.isdecimal():
        return start, int(total)
    return start, start + int(length) if length.isdecimal() else None


def _read(response: Any, done: int, total: int | None, patience: Patience) -> Iterator[bytes]:
    """Yield what comes; read1 returns after each arrival, so that a drip is seen for what it is."""
    from http.client import HTTPException

    since, came = time.monotonic(), 0
    while total is None or done < total:
        try:
            piece = response.read1(_PIECE if total is None else min(_PIECE, total - done))
        except TimeoutError as error:
            raise MirrorFailed(f"sends nothing more for {patience.silence_s:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            raise CutOff(f"cut the connection after {done:,} bytes ({_told(error)})") from error
        if not piece:
            return
        done += len(piece)
        came += len(piece)
        yield piece
        now = time.monotonic()
        if now - since > patience.window_s:
            if came < patience.least_bytes:
                raise MirrorFailed(f"sent only {came:,} bytes in {now - since:.0f} s")
            since, came = now, 0


@cache
def _trusted() -> Any:
    """Return the system's certificates, or certifi's where Python came without any (macOS)."""
    import ssl  # not at the top: a browser tab has none

    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not paths.capath:
        with contextlib.suppress(ImportError):
            import certifi

            return ssl.create_default_context(cafile=certifi.where())
    return ssl.create_default_context()


@contextmanager
def _by_browser(url: str, start: int, patience: Patience) -> Iterator[Answer]:
    """Ask with the page's own client: all at once, as a worker may wait only for a whole answer."""
    from js import XMLHttpRequest  # type: ignore[import-not-found]

    request = XMLHttpRequest.new()
    try:
        request.open("GET", url, False)
        request.responseType = "arraybuffer"  # refused outside a worker, as is the next
        request.timeout = int(1000 * patience.whole_s)
        request.send()
    except Exception as error:  # a JavaScript error: its class exists only in the browser
        if "TimeoutError" in str(error):
            raise NotReached(f"does not answer within {patience.whole_s:g} s") from error
        raise NotReached(
            "cannot be reached from this page (no network, or it does not allow other sites)"
        ) from error
    if request.status != 200:
        raise MirrorFailed(f"answers {request.status} {request.statusText}".rstrip())
    data = request.response.to_bytes()
    yield Answer(0, len(data), iter([data] if data else []))


# ----------------------------------------------------------------------------------------- parts


@contextmanager
def claimed_part(folder: Path, name: str, url: str) -> Iterator[Path]:
    """Lend the path of a file that nobody else writes to, for what comes from ``url``.

    It holds what an earlier try left. Mirrors may pack a file differently, so each has its own
    parts. Taking one over is a renaming, which one of two processes at most succeeds in; a part
    still being written to is left alone. Afterwards an empty part is removed, any other free.
    """
    stem = f"{name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    part = folder / f"{stem}.{uuid.uuid4().hex[:8]}.part"
    for free in sorted(abandoned_parts(folder, stem), key=_size, reverse=True):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            os.rename(free, part)
            os.utime(part)
            break
    try:
        yield part
    finally:
        with contextlib.suppress(FileNotFoundError):
            if _size(part):
                os.utime(part, (0, 0))
            else:
                part.unlink()


def abandoned_parts(folder: Path, stem: str) -> list[Path]:
    """Return the parts of a file that nobody is writing to."""
    found = []
    for part in folder.glob(f"{stem}.*part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > ABANDONED_S:
                found.append(part)
    return found


def check_mirror(base: str) -> str:
    """Return the address of a mirror without a slash at its end; ConfigError for anything else."""
    parts = urlsplit(base.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"NNENGINE_MIRROR is {base!r}: it is an address such as https://example.org/data, "
            "below which lies mnist/train-images-idx3-ubyte.gz; a folder goes into NNENGINE_DATA"
        )
    return base.strip().rstrip("/")
