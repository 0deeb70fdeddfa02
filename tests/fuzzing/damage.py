"""Damage: what happens to bytes, and to JSON, on the way or in bad faith."""

from __future__ import annotations

import copy
import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

SIDES = (0, 1, 2, 3, 8, 28, 255, 256, 65_535, 2**20, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
# What may stand where JSON says something else.
ODD = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 10**40, 10**400, 0.5, -0.0, 1e-320, 1e308,
    float("nan"), float("inf"), "", "x", "5", "ab" * 5000, "\u202e<a href='x'>", "\0", "nul\x00l",
    [], [[]], [None], [1, "2"], {}, {"a": 1}, {"": None}, [0] * 300, "\ud800", ["relu"], "adam",
)  # fmt: skip


def dented(rng: Random, raw: bytes) -> bytes:
    """Return bytes as they are (three of seven), or with up to three dents."""
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3))):
        raw = rng.choice(_DENTS)(rng, raw)
    return raw


def _place(rng: Random, raw: bytes) -> int:
    """Return a place, most often near an end, where formats keep what they say of themselves."""
    last = max(0, len(raw) - 1)
    return rng.choice(
        (rng.randint(0, last), min(last, rng.randint(0, 64)), max(0, last - rng.randint(0, 80)))
    )


def _cut(rng: Random, raw: bytes) -> bytes:
    return raw[: _place(rng, raw)]


def _flipped(rng: Random, raw: bytes) -> bytes:
    data = bytearray(raw)
    for _ in range(rng.randint(1, 4) if data else 0):
        data[_place(rng, raw)] ^= 1 << rng.randrange(8)
    return bytes(data)


def _said(rng: Random, raw: bytes) -> bytes:
    """Put a number of two to eight bytes somewhere, in either order."""
    form = rng.choice("HLQ")
    number = struct.pack(
        rng.choice("<>") + form, rng.choice(SIDES) % 2 ** (8 * struct.calcsize("=" + form))
    )
    at = _place(rng, raw)
    return raw[:at] + number + raw[at + len(number) :]


def _without(rng: Random, raw: bytes) -> bytes:
    at = _place(rng, raw)
    return raw[:at] + raw[at + rng.randint(1, 40) :]


def _twice(rng: Random, raw: bytes) -> bytes:
    at = _place(rng, raw)
    part = raw[at : at + rng.randint(1, 200)]
    return raw[:at] + part * rng.choice((2, 2, 3, 50)) + raw[at + len(part) :]


def _more(rng: Random, raw: bytes) -> bytes:
    more = rng.choice((b"\0", b"\n", rng.randbytes(9), bytes(700), raw[:200]))
    return more + raw if rng.random() < 0.2 else raw + more


def _packed(rng: Random, raw: bytes) -> bytes:
    packed = gzip.compress(raw, 1, mtime=0)
    return rng.choice(
        (packed, packed, packed[:-8], packed + packed, gzip.compress(packed, 1, mtime=0))
    )


_DENTS: tuple[Callable[[Random, bytes], bytes], ...] = (
    _cut, _cut, _flipped, _flipped, _said, _said, _without, _twice, _more, _packed,
)  # fmt: skip


def odd_json(rng: Random, value: Any) -> Any:
    """Return JSON with one to three of its values, wherever they are, replaced, gone or new."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        value = _odd(rng, value)
    return value


def _odd(rng: Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        what = rng.random()
        if what < 0.08:
            del value[key]
        elif what < 0.14:
            value[rng.choice(("new", "", "x" * 300, key + "s"))] = copy.deepcopy(rng.choice(ODD))
        else:
            value[key] = _odd(rng, value[key])
        return value
    if isinstance(value, list) and value and rng.random() < 0.6:
        at = rng.randrange(len(value))
        if rng.random() < 0.15:
            value.append(value[at])
        else:
            value[at] = _odd(rng, value[at])
        return value
    return copy.deepcopy(rng.choice(ODD))


def as_text(value: Any) -> bytes:
    """Return JSON as bytes; half a surrogate is written as such."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def zipped(rng: Random, members: dict[str, bytes], *, stored: bool = False) -> bytes:
    """Return a zip of these members, now and then with what is said of one of them made false."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, raw in members.items():
            how = zipfile.ZIP_STORED if stored or rng.random() < 0.5 else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), raw, how, 1)
    raw = bytearray(stream.getvalue())
    for mark, fields in (
        (
            (b"PK\1\2", (8, 10, 16, 20, 24, 28, 30, 42)),
            (b"PK\5\6", (8, 10, 12, 16)),
            (b"PK\3\4", (6, 8, 18, 22, 26)),
        )
        if rng.random() < 0.4
        else ()
    ):
        found = (
            [at for at in range(len(raw)) if raw.startswith(mark, at)] if len(raw) < 20_000 else []
        )
        if found and rng.random() < 0.5:
            at = rng.choice(found) + rng.choice(fields)
            size = rng.choice((2, 4))
            raw[at : at + size] = (rng.choice(SIDES) % 2 ** (8 * size)).to_bytes(size, "little")
    return bytes(raw)


def tarred(rng: Random, members: dict[str, bytes]) -> bytes:
    """Return a tar archive of these members, now and then with a false header."""
    stream = io.BytesIO()
    form = rng.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, raw in members.items():
            info = tarfile.TarInfo(rng.choice((name, name, name, "d/" * 60 + name)))
            info.size = len(raw)
            info.type = rng.choice((tarfile.REGTYPE,) * 9 + (tarfile.SYMTYPE, b"x", b"L", b"S"))
            info.linkname = "x"
            archive.addfile(info, io.BytesIO(raw))
    raw = bytearray(stream.getvalue())
    if rng.random() < 0.3:  # a size that is another, under a right checksum
        raw[124:136] = rng.choice((b"77777777777\0", b"00000000000\0", b"\x80" + b"\xff" * 11))
        raw[148:156] = b" " * 8
        raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw)


def png_chunks(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Return (name, content) of a whole PNG's chunks."""
    chunks, at = [], 8
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        chunks.append((raw[at + 4 : at + 8], raw[at + 8 : at + 8 + size]))
        at += 12 + size
    return chunks


def as_png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG of these chunks, each with its right checksum."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, content in chunks:
        parts += [len(content).to_bytes(4, "big"), name, content]
        parts.append(zlib.crc32(name + content).to_bytes(4, "big"))
    return b"".join(parts)
