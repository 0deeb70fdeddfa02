"""Contract: what a reader of a format is, so that a new one is a file and a row in `formats`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..idxheader import IdxHeader
from ..limits import Deadline
from ..sources import Stream
from .contents import Contents

HEAD_BYTES = 512  # of a file, unpacked: enough to know what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a reader is asked for.

    name: what the data set is called. max_bytes: of values, unpacked; whatever is more is refused.
    keep_whole: take what is whole of a file that was cut short. formats: by which the files inside
    an archive are told apart. deadline: asked between members, pictures and pieces. unlabelled:
    what has no labels is wanted, where there is any, and not the sets beside it. which: of several
    sets that lie together, the one that is wanted. colours: are kept, where a set has any. shape:
    (height, width) that pictures in colour are brought to where they are not of one size.
    """

    name: str
    max_bytes: int
    keep_whole: bool = False
    formats: Sequence[Format] = field(default=(), repr=False)
    deadline: Deadline = field(default_factory=Deadline, repr=False)
    unlabelled: bool = False
    which: str | None = None
    colours: bool = True
    shape: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format: how it is told by its first bytes, and who reads it.

    `read` gets a stream that stands at the beginning, gzip looked through, and raises FormatError
    for every fault. A format of which a file is a single array gives it by `array` too, so that
    the files of one archive are told apart, and scaled, together. `header` says what a file says
    of itself, whether or not the rest is whole. `offers` are what a page says of it: what such
    files are called, and what they hold.
    """

    kind: str  # what `recognise` answers
    title: str  # of one file; with an s, of several
    matches: Callable[[bytes], bool]
    read: Callable[[Stream, Request], Contents]
    array: Callable[[Stream, Request], np.ndarray] | None = None
    header: Callable[[Stream], IdxHeader] | None = None
    offers: tuple[tuple[str, str], ...] = ()


def find(head: bytes, formats: Sequence[Format]) -> Format | None:
    """Return the format of a file that begins with these bytes, or None."""
    return next((known for known in formats if known.matches(head)), None)
