"""AVIF: a still picture is gone through, and only what makes its pixels reaches a decoder.

A decoder believes the size inside the AV1 stream, up to 2^28 pixels, whatever the file says around
it: 646 bytes that said 28 x 28 were unpacked at 4096 x 4096 (Pillow 13.0 with libavif 1.4). So the
stream's own header is read here (AV1 Bitstream Specification, 5.3 to 5.5), the boxes around it too
(ISO/IEC 14496-12 and 23008-12), and of both a new file is built, with one frame an item and no word
of the old one but these.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...errors import FormatError

MAX_PIXELS = 2**23  # 1.9 s of a processor where all of it is noise
MAX_BOXES = 1000
_MOST_EXTENTS = 16  # pieces of one item
_SEQUENCE, _HEADER, _TILES, _FRAME = 1, 3, 4, 6  # kinds of an OBU that make pixels
_PASSED_OVER = {2, 5, 7, 15}  # delimiters, metadata, repeated headers, padding
_BESIDE = {b"irot", b"imir", b"ispe", b"av1C", b"pixi", b"colr", b"auxC"}
# How a picture is to be looked at, by quarter turns to the left and then a mirror: as Exif counts.
_ORIENTATIONS = {
    (0, None): 1, (0, 1): 2, (2, None): 3, (0, 0): 4, (1, 0): 5, (3, None): 6, (3, 0): 7,
    (1, None): 8, (1, 1): 7, (2, 0): 2, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


class DamagedError(ValueError):
    """The file is not what it says."""


@dataclass(frozen=True, slots=True)
class Still:
    """A picture as it was found. layers: 2 where it is transparent in places, else 1.

    orientation: as Exif counts. file: built anew, it lies as it is stored.
    """

    width: int
    height: int
    layers: int
    orientation: int
    file: bytes


def gone_through(raw: bytes) -> Still:
    """Return the one picture in an AVIF. Raises FormatError for other pictures, DamagedError."""
    top = dict(_boxes(raw))
    if b"moov" in top:
        raise FormatError("holds several pictures: save each as a file of its own")
    items, primary, alpha = _items(raw, dict(_boxes(_need(top, b"meta")[4:])))
    chosen = [items[number] for number in (primary, alpha) if number is not None]
    found = [_stream(item.data()) for item in chosen]
    sizes = {(width, height) for width, height, _ in found}
    sizes |= {item.size() for item in chosen}
    if len(sizes) > 1:
        said = ", ".join(f"{width:,} x {height:,}" for width, height in sorted(sizes))
        raise DamagedError(f"it says that it has several sizes, {said}")
    width, height = sizes.pop()
    file = _file(width, height, chosen, [stream for _, _, stream in found])
    return Still(width, height, len(chosen), chosen[0].orientation(), file)


# Boxes ---------------------------------------------------------------------------------------


class _Reader:
    """Numbers one after the other, of whole bytes, the first the largest."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> memoryview:
        self.at += size
        if self.at > len(self.data):
            raise DamagedError("it ends too soon")
        return self.data[self.at - size : self.at]


def _boxes(data: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and body of one box after the other."""
    reader, count = _Reader(memoryview(data)), 0
    while reader.at < len(data):
        begins, size, kind = reader.at, reader.number(4), bytes(reader.take(4))
        if size == 1:
            size = reader.number(8)
        size = size or len(data) - begins
        count += 1
        if size < reader.at - begins or count > MAX_BOXES:
            raise DamagedError("its boxes are of no size, or too many")
        yield kind, reader.take(size - (reader.at - begins))


def _need(boxes: dict[bytes, memoryview], kind: bytes) -> memoryview:
    if kind not in boxes:
        raise DamagedError(f"it has no {kind.decode('ascii', 'replace')}")
    return boxes[kind]


@dataclass(slots=True)
class _Item:
    """One picture inside: where its bytes lie, and what is said of it."""

    kind: bytes
    data: Callable[[], bytes]
    properties: list[tuple[bytes, memoryview, bool]]

    def one(self, kind: bytes) -> bytes | None:
        found = [bytes(body) for name, body, _ in self.properties if name == kind]
        return found[0] if found else None

    def size(self) -> tuple[int, int]:
        width, height = struct.unpack(">4x2I", self.one(b"ispe") or bytes(12))
        return width, height

    def orientation(self) -> int:
        turns, mirror = self.one(b"irot"), self.one(b"imir")
        key = turns[0] & 3 if turns else 0, mirror[0] & 1 if mirror else None
        return _ORIENTATIONS[key]


def _items(raw: bytes, meta: dict[bytes, memoryview]) -> tuple[dict[int, _Item], int, int | None]:
    """Return the pictures that are shown by number, and which is in colour and which says alpha."""
    pitm = _Reader(_need(meta, b"pitm"))
    primary = pitm.number(2 if pitm.number(4) >> 24 == 0 else 4)
    kinds, places = _kinds(_need(meta, b"iinf")), _places(raw, meta)
    said = _properties(dict(_boxes(_need(meta, b"iprp"))))
    refers = list(_references(meta[b"iref"])) if b"iref" in meta else []
    if any(kind == b"prem" for kind, _, _ in refers):
        raise _strange("with colours that are multiplied by how opaque they are")
    beside = {one for kind, one, other in refers if kind == b"auxl" and other == primary}
    alphas = [
        one for one in beside
        for name, body, _ in said.get(one, ()) if name == b"auxC" and b"alpha" in bytes(body)
    ]  # fmt: skip
    if len(alphas) > 1:
        raise DamagedError("it says twice what is transparent")
    items = {}
    for number in (primary, *alphas):
        if number not in places or number not in kinds:
            raise DamagedError("its picture is missing")
        items[number] = _Item(kinds[number], places[number], said.get(number, []))
        _check(items[number])
    return items, primary, alphas[0] if alphas else None


def _check(item: _Item) -> None:
    if item.kind != b"av01":
        raise _strange("made of several parts")
    names = [name for name, _, _ in item.properties]
    if b"clap" in names:
        raise _strange("that shows a part of itself alone")
    essential = {name for name, _, essential in item.properties if essential}
    if essential - _BESIDE or b"lsel" in names:
        raise _strange("with layers, or with what is not known here")
    for kind, least in ((b"ispe", 12), (b"av1C", 4), (b"irot", 1), (b"imir", 1)):
        body = item.one(kind)
        if names.count(kind) > 1 or len(b"x" * least if body is None else body) < least:
            raise DamagedError(f"its {kind.decode()} is cut short, or there twice")
    if b"ispe" not in names or b"av1C" not in names:
        raise DamagedError("it does not say its size")


def _strange(what: str) -> FormatError:
    return FormatError(f"an AVIF picture {what}, which is not read here: save it as PNG")


def _kinds(iinf: memoryview) -> dict[int, bytes]:
    """Return the kinds of items by their numbers."""
    head, found = _Reader(iinf), {}
    head.take(2 if head.number(4) >> 24 == 0 else 4)
    for kind, body in _boxes(iinf[head.at :]):
        reader = _Reader(body)
        version = reader.number(4) >> 24
        if kind == b"infe" and version in (2, 3):
            number, protected = reader.number(2 if version == 2 else 4), reader.number(2)
            found[number] = b"" if protected else bytes(reader.take(4))
    return found


def _places(raw: bytes, meta: dict[bytes, memoryview]) -> dict[int, Callable[[], bytes]]:
    """Return what gives an item's bytes, by the items' numbers."""
    reader = _Reader(_need(meta, b"iloc"))
    version, found = reader.number(4) >> 24, {}
    sizes, more = reader.number(1), reader.number(1)
    offset, length, base = sizes >> 4, sizes & 15, more >> 4
    index = more & 15 if version else 0
    count = reader.number(4 if version == 2 else 2)
    for _ in range(min(count, MAX_BOXES + 1)):
        number = reader.number(4 if version == 2 else 2)
        inside = reader.number(2) & 15 if version else 0
        reader.take(2)
        start, extents = reader.number(base), []
        pieces = reader.number(2)
        for _ in range(min(pieces, _MOST_EXTENTS)):
            reader.take(index)
            extents.append((start + reader.number(offset), reader.number(length)))
        if pieces > _MOST_EXTENTS or len(found) >= MAX_BOXES or inside > 1:
            raise DamagedError("its pieces are too many")
        whole = meta.get(b"idat", memoryview(b"")) if inside else memoryview(raw)
        found[number] = lambda whole=whole, extents=extents: _joined(whole, extents)
    return found


def _joined(whole: memoryview, extents: list[tuple[int, int]]) -> bytes:
    if sum(size for _, size in extents) > len(whole):
        raise DamagedError("its pieces lie outside")
    found = b"".join(bytes(whole[start : start + size]) for start, size in extents)
    if len(found) != sum(size for _, size in extents):
        raise DamagedError("its pieces lie outside")
    return found


def _properties(iprp: dict[bytes, memoryview]) -> dict[int, list[tuple[bytes, memoryview, bool]]]:
    """Return (kind, body, whether it must be known) of what is said of each item."""
    all_of_them, reader = list(_boxes(_need(iprp, b"ipco"))), _Reader(_need(iprp, b"ipma"))
    flags, found = reader.number(4), {}
    for _ in range(min(reader.number(4), MAX_BOXES)):
        said = found.setdefault(reader.number(2 if flags >> 24 == 0 else 4), [])
        for _ in range(reader.number(1)):
            size = 2 if flags & 1 else 1
            value = reader.number(size)
            place = value & ((1 << 8 * size - 1) - 1)
            if place > len(all_of_them):
                raise DamagedError("it refers to what is not there")
            if place:
                said.append((*all_of_them[place - 1], bool(value >> 8 * size - 1)))
    return found


def _references(iref: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, from, to)."""
    size = 2 if iref[:1] == b"\0" else 4
    for kind, body in _boxes(iref[4:]):
        reader = _Reader(body)
        begins = reader.number(size)
        for _ in range(min(reader.number(2), MAX_BOXES)):
            yield kind, begins, reader.number(size)


# The stream ----------------------------------------------------------------------------------


def _stream(data: bytes) -> tuple[int, int, bytes]:
    """Return (width, height) of the one frame in an AV1 stream, and what makes its pixels."""
    kept, size = [b"\x12\0"], None
    frames = 0
    for kind, whole, body in _obus(data):
        if kind == _SEQUENCE and size is None:
            size = _size(body)
        elif kind in (_HEADER, _TILES, _FRAME) and size is not None:
            frames += kind != _TILES
        elif kind in _PASSED_OVER:
            continue
        else:
            raise DamagedError("its stream is out of order")
        kept.append(whole)
    if size is None or frames != 1:
        raise DamagedError(f"its stream holds {frames} frames")
    return *size, b"".join(kept)


def _obus(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (kind, all of it, its body) of the units of a stream (5.3)."""
    at = count = 0
    while at < len(data):
        head, begins, size = data[at], at, 0
        at += 1
        for place in range(8):  # leb128 (4.10.5)
            if at >= len(data):
                raise DamagedError("its stream ends too soon")
            size |= (data[at] & 127) << 7 * place
            at += 1
            if not data[at - 1] & 128:
                break
        count += 1
        if head & 0b10000110 != 0b10 or at + size > len(data) or count > MAX_BOXES:
            raise DamagedError("its stream is cut short, or has layers")
        at += size
        yield head >> 3 & 15, data[begins:at], data[at - size : at]


def _size(body: bytes) -> tuple[int, int]:
    """Return (width, height) as the header of a sequence says, and no frame may say otherwise.

    That is so of stills whose header is the reduced one (5.5.1), as the writers of AVIF have it.
    """
    bits, at = int.from_bytes(body[:10].ljust(10, b"\0"), "big"), 80

    def number(count: int) -> int:
        nonlocal at
        at -= count
        return bits >> at & (1 << count) - 1

    number(3)  # the profile
    if number(2) != 0b11:
        raise _strange("as a stream of several frames has it")
    number(5)  # the level
    wide, high = number(4) + 1, number(4) + 1
    return number(wide) + 1, number(high) + 1


# The file anew -------------------------------------------------------------------------------


def _box(kind: bytes, *parts: bytes, version: int | None = None, flags: int = 0) -> bytes:
    head = b"" if version is None else struct.pack(">I", version << 24 | flags)
    body = head + b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _file(width: int, height: int, items: list[_Item], streams: list[bytes]) -> bytes:
    """Return an AVIF of these streams, numbered from 1, the second saying what is transparent."""
    kind = _box(b"ftyp", b"avif", bytes(4), b"avif", b"mif1", b"miaf")
    begins = len(kind) + 8 + len(_meta(width, height, items, streams, 0))
    meta = _meta(width, height, items, streams, begins)
    return kind + meta + _box(b"mdat", *streams)


def _meta(
    width: int, height: int, items: list[_Item], streams: list[bytes], begins: int
) -> bytes:  # fmt: skip
    places, infos, properties, said = [], [], [], []
    for number, (item, stream) in enumerate(zip(items, streams, strict=True), 1):
        places.append(struct.pack(">HHHII", number, 0, 1, begins, len(stream)))
        infos.append(_box(b"infe", struct.pack(">HH4sx", number, 0, b"av01"), version=2))
        begins += len(stream)
        own = [_box(b"ispe", struct.pack(">2I", width, height), version=0)]
        own.append(_box(b"av1C", (item.one(b"av1C") or b"")[:4]))
        colr = item.one(b"colr") or b""
        if colr[:4] == b"nclx" and len(colr) == 11:  # else the stream says it
            own.append(_box(b"colr", colr))
        if number == 2:
            own.append(_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", version=0))
        first = len(properties) + 1
        properties += own
        indices = bytes(n | 128 * (n == first + 1) for n in range(first, len(properties) + 1))
        said.append(struct.pack(">HB", number, len(own)) + indices)
    count, refers = struct.pack(">H", len(items)), b""
    if len(items) == 2:
        refers = _box(b"iref", _box(b"auxl", struct.pack(">3H", 2, 1, 1)), version=0)
    return _box(
        b"meta",
        _box(b"hdlr", bytes(4), b"pict", bytes(13), version=0),
        _box(b"pitm", struct.pack(">H", 1), version=0),
        _box(b"iloc", b"\x44\0", count, *places, version=0),
        _box(b"iinf", count, *infos, version=0),
        refers,
        _box(b"iprp", _box(b"ipco", *properties),
             _box(b"ipma", struct.pack(">I", len(said)), *said, version=0)),
        version=0,
    )  # fmt: skip
