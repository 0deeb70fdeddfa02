"""Picture files: a PNG or JPEG a visitor chose becomes pixels, or a plain sentence why not."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps

from nnengine.errors import FormatError

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000  # a phone's largest ordinary photograph
LONGEST_PX = 1024  # fifty times what the network sees: nothing is lost by reading no more
FORMATS = ("PNG", "JPEG")


def read_picture(name: str, raw: bytes) -> np.ndarray:
    """Return uint8 (h, w), (h, w, 3) or (h, w, 4) of a PNG or JPEG, upright, sides up to 1,024.

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
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
            _check_size(name, picture)
            return _pixels(picture)
    except FormatError:
        raise
    except Image.DecompressionBombError:
        raise FormatError(f"{name}: declares more pixels than are read: save it smaller") from None
    except Image.UnidentifiedImageError:
        raise FormatError(
            f"{name}: not a PNG or JPEG picture: open it in a picture program and save it as PNG"
        ) from None
    except Exception as fault:  # Pillow raises many kinds for damaged files
        raise FormatError(
            f"{name}: the picture is damaged or cut short ({fault}): save or copy it again"
        ) from fault


def _check_size(name: str, picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise FormatError(
            f"{name}: {width:,} x {height:,} pixels, more than the {MAX_PIXELS // 10**6} million "
            "that are read: crop the picture or save it smaller"
        )


def _pixels(picture: Image.Image) -> np.ndarray:
    # A JPEG is then unpacked at a fraction of its size.
    picture.draft("L", (LONGEST_PX, LONGEST_PX))
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits a pixel: the upper 8 are enough
        wide = np.asarray(picture).astype(np.int64)
        picture = Image.fromarray((wide // 257).clip(0, 255).astype(np.uint8))
    clear = "A" in picture.getbands() or "transparency" in picture.info
    picture = picture.convert("RGBA" if clear else "RGB")
    picture.thumbnail((LONGEST_PX, LONGEST_PX), reducing_gap=2.0)
    return np.asarray(picture)
