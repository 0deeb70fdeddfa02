"""Picture files: a picture that a visitor chose becomes pixels, or a plain sentence why not."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from nnengine.data import limits
from nnengine.data.readers import decoding
from nnengine.errors import FormatError

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000  # a phone's largest ordinary photograph, a JPEG, unpacked at a fraction
MAX_OTHER_PIXELS = limits.MAX_PIXELS  # of what may be unpacked whole as it is opened
MAX_UNPACKED = 100_000_000  # bytes that a picture takes as Pillow holds it
_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # all others have four
LONGEST_PX = 1024  # fifty times what the network sees: nothing is lost by reading no more
# As Exif counts them: what puts a picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_picture(name: str, raw: bytes) -> np.ndarray:
    """Return uint8 (h, w), (h, w, 3) or (h, w, 4) of a picture, upright, sides up to 1,024.

    PNG, JPEG, WebP, AVIF, BMP, GIF and TIFF.

    Recognised by content, not by name. The size a file declares is checked before its pixels are
    unpacked. Raises FormatError.
    """
    if not raw:
        raise FormatError(f"{name}: the file is empty (0 bytes): save the picture again")
    if len(raw) > MAX_BYTES:
        raise FormatError(
            f"{name}: {len(raw) / 2**20:.0f} MB, more than the {MAX_BYTES >> 20} MB that are read: "
            "crop the picture or save it smaller"
        )
    with decoding.opened(raw, name, most=_most(raw), kinds=decoding.KEPT) as picture:
        # A JPEG is then unpacked at a fraction of its size.
        picture.draft("L", (LONGEST_PX, LONGEST_PX))
        unpacked = picture.width * picture.height * _PIXEL_BYTES.get(picture.mode, 4)
        if unpacked > MAX_UNPACKED:
            raise FormatError(
                f"{picture.width:,} x {picture.height:,} pixels take {unpacked / 1e6:.0f} MB "
                f"unpacked, more than the {MAX_UNPACKED // 10**6} MB there are: crop the picture "
                "or save it smaller"
            )
        return _pixels(picture, decoding.orientation(raw))


def _most(raw: bytes) -> int:
    """Return how many pixels are read: of a JPEG, which is unpacked at a fraction, the most."""
    return MAX_PIXELS if decoding.kind_of(raw) in decoding.DRAWN else MAX_OTHER_PIXELS


def _pixels(picture: Any, orientation: int) -> np.ndarray:
    if picture.mode.startswith("I"):
        picture = Image.fromarray(decoding.upper_bits(picture, lone=True))
    clear = "A" in picture.getbands() or "transparency" in picture.info
    mode = "RGBA" if clear else "RGB"
    if clear or picture.mode != "L":  # grey takes a quarter: it is made smaller as it is
        picture = picture if picture.mode == mode else picture.convert(mode)
    picture.thumbnail((LONGEST_PX, LONGEST_PX), reducing_gap=2.0)
    turn = _TURNS.get(orientation)
    picture = picture if turn is None else picture.transpose(turn)
    return np.asarray(picture.convert(mode))
