"""Links: data sets by their addresses, where a site allows it; one that it does not is told why.

A tab may fetch from the site's own host and from hosts that its builder named, which the page's
content security policy holds it to. A server fetches nothing from addresses that visitors give:
it would ask hosts inside its own network on behalf of anybody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

from dashboard.store.files import MAX_FILE_BYTES
from nnengine.errors import ConfigError

MOST = 8  # addresses at once
MOST_LETTERS = 2_000
# What a folder of IDX files holds, as MNIST's makers named them.
FOLDER = tuple(
    f"{part}-{kind}-ubyte"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)  # fmt: skip
Note = Callable[[int, int], None]
Fetcher = Callable[[str, Note], Awaitable[bytes]]


class NotThere(Exception):
    """The host answers that it has no such file; the message goes on from the address."""


class Unreachable(Exception):
    """The file could not be had; the message goes on from the address."""


def is_link(text: str) -> bool:
    """Return whether this names files by address, and not a set of the catalogue."""
    return any(mark in text for mark in "/.")


def addresses(text: str, home: str | None, hosts: Sequence[str] = ()) -> list[str]:
    """Return the addresses written in `text`, relative ones as seen from `home`.

    home: the site's own address; None on a server, which fetches nothing. hosts: others that are
    allowed, as "https://data.example.org". Raises ConfigError with the way out.
    """
    if not home:
        raise ConfigError(
            "this server fetches nothing from addresses that visitors give: download the files "
            "and drop them here"
        )
    written = [part for part in re.split(r"[\s,]+", text.strip()[:MOST_LETTERS]) if part]
    if not written or len(written) > MOST:
        raise ConfigError(f"{len(written)} addresses: give one to {MOST}, or that of a folder")
    return [_allowed(part, home, hosts) for part in written]


def _allowed(part: str, home: str, hosts: Sequence[str]) -> str:
    try:
        full = urljoin(home, part)
        pieces = urlsplit(full)
        host = f"{pieces.scheme}://{pieces.netloc}".lower()
    except ValueError:
        raise ConfigError(f"“{part[:80]}” is no address") from None
    own = urlsplit(home)
    if host not in (f"{own.scheme}://{own.netloc}", *hosts):
        also = f" and {', '.join(hosts)}" if hosts else ""
        raise ConfigError(
            f"{part[:80]}: this site may fetch from its own host{also} alone. Download the files "
            "and drop them here"
        )
    return full.partition("#")[0]


@dataclass(eq=False)
class Pull:
    """Files under way; whoever shows it reads, and only the fetching writes."""

    addresses: list[str]
    file: str = ""
    done: int = 0
    total: int = 0
    files: list[tuple[str, bytes]] = field(default_factory=list)
    ended: bool = False
    error: str | None = None


async def pull(task: Pull, fetch: Fetcher) -> None:
    """Bring all files of a pull, one after the other; faults are told in it and never raised."""
    try:
        for address in task.addresses:
            if address.endswith("/"):
                await _folder(task, address, fetch)
            else:
                task.files.append(await _one(task, address, fetch))
    except (NotThere, Unreachable) as fault:
        task.error = f"{fault}. Nothing was taken in."
        task.files.clear()
    finally:
        task.ended = True


async def _one(task: Pull, address: str, fetch: Fetcher) -> tuple[str, bytes]:
    name = unquote(urlsplit(address).path.rpartition("/")[2])[:120] or "data"
    task.file, task.done, task.total = name, 0, 0

    def note(done: int, total: int) -> None:
        task.done, task.total = done, total
        if max(done, total) > MAX_FILE_BYTES:
            raise Unreachable(f"{name} is larger than {MAX_FILE_BYTES >> 20} MB, the most there is")

    try:
        return name, await fetch(address, note)
    except NotThere as fault:
        raise NotThere(f"{address} {fault}") from None
    except Unreachable as fault:
        raise Unreachable(f"{address} {fault}") from None


async def _folder(task: Pull, address: str, fetch: Fetcher) -> None:
    """Bring the files of MNIST's names, packed or not; the two of a test set may be missing."""
    for name in FOLDER:
        for ending in (".gz", ""):
            try:
                task.files.append(await _one(task, f"{address}{name}{ending}", fetch))
                break
            except NotThere:
                if not ending and name.startswith("train"):
                    raise NotThere(
                        f"{address} holds no {name}, packed or not: give the addresses of the files"
                    ) from None


def begin(task: Pull) -> None:
    """Fetch in the background of a tab, between two drawings of the page."""
    asyncio.ensure_future(pull(task, fetched_by_the_page))


async def fetched_by_the_page(address: str, note: Note) -> bytes:
    """Return the bytes at an address, by the browser's own fetch."""
    from js import fetch
    from pyodide.ffi import JsException, to_js

    plain = to_js({"credentials": "omit"}, dict_converter=_object())
    try:
        answer = await fetch(address, plain)
        if answer.status in (404, 410):
            raise NotThere(f"is not there ({answer.status})")
        if not answer.ok:
            raise Unreachable(f"cannot be had: the host answers {answer.status}")
        total, parts, done = int(answer.headers.get("Content-Length") or 0), [], 0
        reader = answer.body.getReader()
        while not (part := await reader.read()).done:
            parts.append(part.value.to_bytes())
            done += len(parts[-1])
            note(done, total)
        return b"".join(parts)
    except JsException:
        raise Unreachable(
            "cannot be reached from this page: there is no network, or its host lets no other "
            "site's page fetch its files"
        ) from None


def _object() -> Callable:
    from js import Object

    return Object.fromEntries
