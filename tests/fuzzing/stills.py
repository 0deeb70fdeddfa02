"""Stills: AVIF pictures, as Pillow writes them and then damaged, box by box."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, features

from nnengine.data.readers.avif import gone_through
from tests.fuzzing.damage import SIDES, dented


def kinds() -> dict[str, Callable[[Random], bytes]]:
    """Return who makes them, where Pillow can."""
    able = "avif" in features.modules and features.check("avif")
    return {"avif": avif} if able else {}


@functools.cache
def whole() -> list[bytes]:
    """Return whole pictures: grey, in colour, transparent in places, turned, and built anew."""
    rng, found = np.random.default_rng(0), []
    turned = Image.Exif()
    turned[0x0112] = 6
    for shape in ((8, 8), (9, 7, 3), (9, 7, 4), (70, 40, 3), (1, 1)):
        image = Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8))
        for options in ({}, {"quality": 10}, {"exif": turned}, {"range": "limited"}):
            stream = io.BytesIO()
            image.save(stream, "AVIF", **options)
            found.append(stream.getvalue())
    return found + [gone_through(raw).file for raw in found]


def bombs() -> list[bytes]:
    """Return pictures of as many pixels as are read, and of more; one says that it is small."""
    found = []
    for height in (2048, 4096) if kinds() else ():
        stream = io.BytesIO()
        Image.fromarray(np.zeros((height, 4096), np.uint8)).save(stream, "AVIF", speed=10)
        found.append(stream.getvalue())
    return found + [raw.replace(b"\0\0\x10\0\0\0\x10\0", b"\0\0\0\x1c" * 2) for raw in found[1:]]


def avif(rng: Random) -> bytes:
    """Return an AVIF, its boxes or its stream now and then false."""
    raw, what = bytearray(rng.choice(whole())), rng.random()
    begins = raw.index(b"mdat") + 4
    if what < 0.2:
        return bytes(raw)
    if what < 0.4:
        return dented(rng, dented(rng, bytes(raw)))
    low, high = (begins, min(len(raw), begins + 40)) if what < 0.7 else (0, begins)
    low = low if rng.random() < 0.8 else begins
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(low, max(high, low + 1))
        kind = rng.random()
        if kind < 0.5:
            raw[at] ^= 1 << rng.randrange(8)
        elif kind < 0.7:
            raw[at] = rng.randrange(256)
        elif kind < 0.85:
            raw[at : at + 4] = (rng.choice(SIDES) % 2**32).to_bytes(4, "big")
        else:  # a piece again: frames, headers, boxes
            piece = raw[at : at + rng.randint(1, 60)]
            raw[at:at] = piece * rng.choice((1, 2, 300))
    return bytes(raw)
