"""Files: what a command reads, a pipe as well as a file, and what it writes, which is neither."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .. import exchange
from ..core.network import Network
from ..data.readers import MAX_BYTES
from ..errors import ConfigError, FormatError
from ..storage import checkpoint, modelfile

_STDIN = "standard input"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Piped:
    """What came through a pipe: it comes once, and a format is known by looking more than once."""

    data: bytes
    name: str

    def __str__(self) -> str:
        return self.name

    def file(self) -> io.BytesIO:
        """Return all of it as a file, from its beginning."""
        file = _Named(self.data)  # shares the memory
        file.name = self.name
        return file


class _Named(io.BytesIO):
    """Bytes with the name of what they came from, for messages."""

    name = ""


Word = str | Piped


def source(word: Word) -> str | io.BytesIO:
    """Return what readers read: the path, or what was piped, from its beginning."""
    return word.file() if isinstance(word, Piped) else word


def exists(word: Word) -> bool:
    """Tell whether a word stands for something that can be read."""
    return isinstance(word, Piped) or os.path.exists(word)


def emptied(words: Iterable[str]) -> list[Word]:
    """Return the words; those that name a pipe, or are `-`, as what came through it.

    Raises ConfigError for a pipe named twice, FormatError for one that brings too much, OSError.
    """
    found: set[tuple[int, int]] = set()
    return [_emptied(word, found) for word in words]


def _emptied(word: str, found: set[tuple[int, int]]) -> Word:
    if word != "-" and not _is_pipe(word):
        return word
    with _opened(word) as file:
        status = os.fstat(file.fileno())
        key = status.st_dev, status.st_ino
        if key in found and not stat.S_ISCHR(status.st_mode):
            raise ConfigError(f"{word}: what is piped comes once: give one of the two as a file")
        found.add(key)
        if file.isatty():
            raise ConfigError(f"{word}: a terminal: pipe a file into it, or give a file's name")
        name = _STDIN if word == "-" else os.path.basename(word)
        return Piped(_all(file, name), name)


def _opened(word: str) -> IO[bytes]:
    if word == "-" or os.path.samestat(os.stat(word), os.fstat(0)):
        if sys.stdin is None:
            raise ConfigError(f"{word}: standard input is closed: give a file's name")
        return open(0, "rb", closefd=False)  # a socket cannot be opened by its name
    return open(word, "rb")


def _is_pipe(word: str) -> bool:
    """Tell whether a word names what is neither file nor folder; what is wrong is told later."""
    try:
        mode = os.stat(word).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode))


def _all(file: IO[bytes], name: str) -> bytes:
    """Return all that comes; a pipe does not say how much that is."""
    pieces, size = [], 0
    while piece := file.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            raise FormatError(f"{name}: more than {MAX_BYTES:,} bytes came: give a smaller file")
    return b"".join(pieces)


def network(word: Word, told: exchange.Told | None = None) -> Network:
    """Return the network in a model file, ours or not, or in a checkpoint.

    told: as for `exchange.load`, whose errors it raises.
    """
    try:
        return exchange.load(source(word), told)
    except FormatError:
        if (found := in_checkpoint(word)) is None:
            raise
        return found[0]


def in_checkpoint(word: Word) -> tuple[Network, int] | None:
    """Return network and steps of the run in a checkpoint, or None for any other file."""
    with suppress(FormatError):
        data = word.data if isinstance(word, Piped) else Path(word).read_bytes()
        if data.startswith(b"PK") and b"course.json" in data:
            network, state = checkpoint.from_bytes(data)
            return network, state.step
    return None


def keep_apart(target: str, words: Iterable[Word], option: str) -> None:
    """Raise ConfigError where a file to be written is one that is read, by whatever name.

    Among the files of a folder that is read it may only replace a model.
    """
    if not target:
        raise ConfigError(f"{option} is empty: give the name of a file")
    if not os.path.isfile(target):
        return
    for word in words:
        if isinstance(word, Piped) or not os.path.exists(word):
            continue
        if os.path.samefile(target, word):
            raise ConfigError(
                f"{option} {target}: the same file as {word}, which is read and would be lost: "
                "give another name"
            )
        if os.path.isdir(word) and lies_in(target, word) and not _is_model(target):
            raise ConfigError(
                f"{option} {target}: a file of {word}, which is read, and no model: "
                "give another name"
            )


def lies_in(file: str, folder: str) -> bool:
    """Return whether a file lies in a folder or below it, wherever links lead."""
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(file)).parents


def _is_model(file: str) -> bool:
    try:
        modelfile.load(file)
    except FormatError:
        return False
    return True
