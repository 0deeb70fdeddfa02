"""Parquet's pages, counted before any is unpacked: what a file makes its reader set aside.

A page says how many bytes it unpacks to and how many values it holds, and no two of these sayings
need agree. So the header of each page that will be read is gone through first (the format's
parquet.thrift, PageHeader, in Thrift's compact protocol), and the sums are held to what is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from ...errors import FormatError
from ..limits import Deadline

MAX_FOOTER_BYTES = 1 << 21  # 785 columns in ten row groups take 0.97 MB
_MAGIC = b"PAR1"
_HEADS = (1 << 9, 1 << 16)  # bytes of a page's header: it may hold the least and largest value
_MOST_NESTED = 12
_TYPE, _UNPACKED, _PACKED, _OF_DATA, _OF_DATA_2 = 1, 2, 3, 5, 8
_DATA_PAGES = (0, 3)
# FileMetaData: row groups, their columns, and of each its path, its bytes and its first pages.
_ELSEWHERE, _BYTES, _FIRST_PAGE, _DICTIONARY = (4, 1, 1), (4, 1, 3, 7), (4, 1, 3, 9), (4, 1, 3, 11)
_OF_CHUNKS = {_ELSEWHERE, _BYTES, _FIRST_PAGE, _DICTIONARY}
_OF_PAGES = {(_TYPE,), (_UNPACKED,), (_PACKED,), (_OF_DATA, 1), (_OF_DATA_2, 1)}
_DAMAGED = "the Parquet table is damaged or was cut short: download it again"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column of one row group: where its pages are said to begin and end, in bytes."""

    column: int
    start: int
    end: int


def chunks(file: BinaryIO) -> list[Chunk]:
    """Return the chunks that a file's footer speaks of, wherever they lie.

    They are not asked of pyarrow: its metadata of a chunk ends the process, without an exception,
    where some numbers in it contradict each other. Raises FormatError, where the end of the file is
    missing too, and for a footer that would fill the memory.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if size < 12 or tail[4:] != _MAGIC:
        raise FormatError("the end of the Parquet table is missing: it was cut short")
    footer = int.from_bytes(tail[:4], "little")
    if footer > size - 12:
        raise FormatError(_DAMAGED)
    if footer > MAX_FOOTER_BYTES:
        raise FormatError(
            f"the description of the table alone has {footer:,} bytes, and {MAX_FOOTER_BYTES:,} "
            "are read: write it with fewer row groups"
        )
    file.seek(size - 8 - footer)
    reader = _Compact(file.read(footer), _OF_CHUNKS)
    try:
        reader.struct()
    except IndexError:
        raise FormatError(_DAMAGED) from None
    file.seek(0)
    return _chunks(reader.found)


def _chunks(said: dict[tuple[int, ...], int]) -> list[Chunk]:
    found = []
    for path, packed in said.items():
        if path[: len(_BYTES)] != _BYTES:
            continue
        group, column = path[len(_BYTES) :]
        if (*_ELSEWHERE, group, column) in said:
            raise FormatError("parts of the table lie in other files: write it as one file")
        start = said.get((*_FIRST_PAGE, group, column), 0)
        first = said.get((*_DICTIONARY, group, column), 0)
        start = first if 0 < first < start else start  # as Arrow's reader has it
        found.append(Chunk(column, start, start + packed))
    return found


@dataclass
class Pages:
    """What all pages of some columns say together."""

    unpacked: int = 0  # bytes
    largest: int = 0  # bytes of one page, and so of one value at the most
    values: int = 0  # of all columns, those of lists too


def count(file: BinaryIO, chosen: Iterable[Chunk], deadline: Deadline, most: int) -> Pages:
    """Return what the pages of these chunks say.

    Raises FormatError where a chunk lies outside the file, and for more than `most` bytes or
    values.
    """
    size = file.seek(0, 2)
    found = Pages()
    for chunk in chosen:
        if not 4 <= chunk.start <= chunk.end <= size:
            raise FormatError(_DAMAGED)
        _count(file, chunk.start, chunk.end, found, deadline)
        if max(found.unpacked, found.values) > most:
            raise FormatError(
                f"more than the {most:,} bytes of values allowed: give a smaller table",
                too_large=True,
            )
    file.seek(0)
    return found


def _count(file: BinaryIO, at: int, end: int, found: Pages, deadline: Deadline) -> None:
    """Add what the pages from `at` to `end` say."""
    while at < end:
        deadline.check()
        said, length = _page(file, at)
        unpacked, packed = said.get((_UNPACKED,), -1), said.get((_PACKED,), -1)
        if unpacked < 0 or packed < 0:
            raise FormatError(_DAMAGED)
        found.unpacked += unpacked
        found.largest = max(found.largest, unpacked)
        if said.get((_TYPE,)) in _DATA_PAGES:
            held = said.get((_OF_DATA, 1), said.get((_OF_DATA_2, 1), -1))
            if held < 0:
                raise FormatError(_DAMAGED)
            found.values += held
        at += length + packed


def _page(file: BinaryIO, at: int) -> tuple[dict[tuple[int, ...], int], int]:
    """Return the whole numbers in a page's header by the path of their fields, and its length."""
    for most in _HEADS:
        file.seek(at)
        reader = _Compact(file.read(most), _OF_PAGES)
        try:
            reader.struct()
        except IndexError:
            continue
        return reader.found, reader.at
    raise FormatError(_DAMAGED)


class _Compact:
    """Thrift's compact protocol (thrift-compact-protocol.md), of which some numbers are kept.

    wanted: paths of fields. In `found` the places in the lists above follow the path; of text its
    length is kept. Raises IndexError where the bytes end too early.
    """

    def __init__(self, raw: bytes, wanted: set[tuple[int, ...]]) -> None:
        self._raw = raw
        self._on_the_way = {path[:end] for path in wanted for end in range(1, len(path) + 1)}
        self._wanted = wanted
        self.at = self._depth = 0
        self.found: dict[tuple[int, ...], int] = {}

    def _byte(self) -> int:
        self.at += 1
        return self._raw[self.at - 1]

    def _varint(self) -> int:
        number = shift = 0
        while shift < 70:
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
        raise FormatError(_DAMAGED)

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._raw):
            raise IndexError

    def struct(self, path: tuple[int, ...] | None = (), places: tuple[int, ...] = ()) -> None:
        """Go through one, at a path; nothing is kept where there is none."""
        self._deeper()
        field = 0
        while (byte := self._byte()) != 0:
            field = field + (byte >> 4) if byte >> 4 else _signed(self._varint())
            inside = None if path is None else (*path, field)
            if byte & 15 > 2:  # truth lies in the kind itself
                self._value(byte & 15, inside if inside in self._on_the_way else None, places)
        self._depth -= 1

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise FormatError(_DAMAGED)

    def _value(self, kind: int, path: tuple[int, ...] | None, places: tuple[int, ...]) -> None:
        if kind in (4, 5, 6):
            self._keep(path, places, self._varint(), signed=True)
        elif kind == 8:
            size = self._varint()
            self._keep(path, places, size)
            self._skip(size)
        elif kind == 12:
            self.struct(path, places)
        elif kind in (9, 10):
            self._list(path, places)
        elif kind in (1, 2, 3):
            self._skip(1)
        elif kind == 7:
            self._skip(8)
        else:  # maps, which Parquet has none of
            raise FormatError(_DAMAGED)

    def _list(self, path: tuple[int, ...] | None, places: tuple[int, ...]) -> None:
        self._deeper()
        byte = self._byte()
        for place in range(self._varint() if byte >> 4 == 15 else byte >> 4):
            self._value(byte & 15, path, places if path is None else (*places, place))
        self._depth -= 1

    def _keep(
        self,
        path: tuple[int, ...] | None,
        places: tuple[int, ...],
        number: int,
        signed: bool = False,
    ) -> None:
        if path is not None and path in self._wanted:
            self.found[*path, *places] = _signed(number) if signed else number


def _signed(number: int) -> int:
    """Return a number that was written zigzag: 0, -1, 1, -2, ..."""
    return number >> 1 ^ -(number & 1)
