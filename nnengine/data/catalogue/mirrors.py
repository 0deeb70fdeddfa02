"""Mirrors: asked in turn for a file of a data set, and believed only where its digest is right."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from ...errors import FetchError, FormatError
from .. import fetch
from ..fetch import MirrorFailed
from ..sources import GZIP
from .proof import check, is_genuine
from .published import Entry, Published

OTHERWISE = 'the built-in "digits" need no network'
Progress = Callable[[int, int, str], None]  # bytes that have come, of how many, of which file


def mirrors_of(entry: Entry) -> list[str]:
    """Return the addresses of the folders that hold the files, the first to be asked first."""
    own = os.environ.get("NNENGINE_MIRROR", "")
    first = [f"{fetch.check_mirror(own)}/{entry.name}"] if own.strip() else []
    return first + list(entry.mirrors)


def fetch_file(
    entry: Entry, number: int, folder: Path, mirrors: list[str], progress: Progress | None
) -> None:
    """Fetch one file from the first mirror that has it; those that failed are asked last then.

    Raises FetchError, with what each of them said, where none has it.
    """
    file = entry.files[number]
    before = sum(other.packed_bytes for other in entry.files[:number])
    after = sum(other.packed_bytes for other in entry.files[number + 1 :])

    def tell(done: int, total: int | None) -> None:
        if progress is not None:
            size = max(done, total or file.packed_bytes)
            progress(before + done, before + size + after, file.name)

    failures: list[tuple[str, MirrorFailed]] = []
    for mirror in tuple(mirrors):
        try:
            return _fetch_from(f"{mirror}/{file.name}", file, folder, tell)
        except MirrorFailed as failure:
            failures.append((mirror, failure))
            mirrors.append(mirrors.pop(mirrors.index(mirror)))
    raise _no_mirror(entry, file, folder, failures)


def _fetch_from(url: str, file: Published, folder: Path, tell: fetch.Progress) -> None:
    with fetch.claimed_part(folder, file.name, url) as part:
        resumed = part.exists()
        fetch.download(url, part, limit=file.limit, progress=tell)
        fault = _fault_of(part, file)
        if fault and resumed:  # two halves of different files, perhaps: once more, from nothing
            part.unlink()
            fetch.download(url, part, limit=file.limit, progress=tell)
            fault = _fault_of(part, file)
        if fault:
            part.unlink()
            raise MirrorFailed(f"sends something else ({fault})")
        _put(part, folder, file)
    for left_over in fetch.abandoned_parts(folder, file.name):
        with contextlib.suppress(OSError):
            left_over.unlink()


def _fault_of(part: Path, file: Published) -> str:
    """Return what is wrong with a downloaded file, or nothing."""
    try:
        check(part, file)
    except FormatError as error:
        return str(error).removeprefix(f"{part.name}: ").partition(";")[0]
    return ""


def _put(part: Path, folder: Path, file: Published) -> None:
    """Give a proved part its name, in one step; the disk has it before the name does."""
    with open(part, "r+b") as written:
        packed = written.read(2) == GZIP
        os.fsync(written.fileno())
    target = folder / (file.name if packed else file.name.removesuffix(".gz"))
    try:
        os.replace(part, target)
    except PermissionError:  # Windows, while another process that was faster has it open
        if not is_genuine(folder, file):
            raise
    if not packed:  # a damaged packed file would go on being found first
        (folder / file.name).unlink(missing_ok=True)


def _no_mirror(
    entry: Entry, file: Published, folder: Path, failures: list[tuple[str, MirrorFailed]]
) -> FetchError:
    reached = any(failure.reached for _, failure in failures)
    said = "; ".join(f"{urlsplit(mirror).netloc} {failure}" for mirror, failure in failures)
    kept = sum(part.stat().st_size for part in fetch.abandoned_parts(folder, file.name))
    keeping = f"{kept:,} bytes that came are kept for the next try; " if kept else ""
    head = "" if reached else "there seems to be no network: "
    return FetchError(
        f"{entry.name} could not be fetched, {head}{said}; {keeping}{OTHERWISE}", reached=reached
    )
