"""Decoding: a picture is opened after its file was held to what a decoder may be asked to do.

Some small files keep a decoder busy for minutes: a JPEG of thousands of scans, a million empty
segments or chunks, texts that unpack a thousandfold. So the segments of a JPEG and the chunks of a
PNG are gone through first; they are counted, and those that make no pixel never reach Pillow, which
is asked for here and nowhere else in the engine. Of other kinds of pictures data sets are read, and
of each a single picture.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from ...errors import FormatError
from ..limits import MAX_CHUNKS, MAX_PASSES, MAX_PIXELS, MAX_SCANS
from ..sources import looks_like
from . import avif

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
DRAWN = ("PNG", "JPEG")  # what a page of the app takes as a drawing
KEPT = (*DRAWN, "BMP", "GIF", "WEBP", "TIFF", "AVIF")  # what data sets are kept in as well
_BEGINNINGS = (
    ("PNG", re.compile(re.escape(PNG))),
    ("JPEG", re.compile(re.escape(JPEG))),
    ("BMP", re.compile(rb"BM.{4}\0{4}", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("WEBP", re.compile(rb"RIFF.{4}WEBPVP8", re.DOTALL)),
    ("TIFF", re.compile(rb"II\*\0|MM\0\*")),
    ("AVIF", re.compile(rb".{4}ftypavi[fs]", re.DOTALL)),
)
_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}  # of a PNG: what makes pixels
_SCAN, _APP0, _APP14, _APP15, _COMMENT = 0xDA, 0xE0, 0xEE, 0xEF, 0xFE
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers of a JPEG that have no length behind them
_GREY = ("1", "L", "LA", "La", "F")  # modes of Pillow's without colours, beside those of integers
_BLOCK = 1 << 20  # pixels worked on at a time: wide numbers never stand beside all of them


class BrokenPictureError(FormatError):
    """A picture's file is damaged, empty or no picture: others beside it may be whole."""


def kind_of(head: bytes) -> str | None:
    """Return what Pillow calls the format of a picture that begins so, or None."""
    return next((kind for kind, beginning in _BEGINNINGS if beginning.match(head)), None)


@contextmanager
def opened(
    raw: bytes, what: str, *, most: int = MAX_PIXELS, kinds: Sequence[str] = DRAWN
) -> Iterator[Any]:
    """Yield a picture of these kinds as Pillow opens it, its pixels not yet unpacked.

    `what` names it in messages; of more than `most` pixels none is unpacked, and none of a file
    that holds several pictures. Whatever is wrong, within the block too, is a FormatError.
    """
    image = pillow()
    try:
        kept, scans = essential(raw)
        kind = kind_of(raw)
        if kind is not None and kind not in kinds:
            article = "an" if kind == "AVIF" else "a"
            raise FormatError(f"{article} {kind} picture, which is not read here: save it as PNG")
        if kind == "WEBP" and "WEBP" in kinds:  # its decoder sets memory aside as it is opened
            _check_size(*_webp_size(raw), most, scans)
        if kind == "AVIF" and "AVIF" in kinds:
            kept = _avif(raw, most)
        with image.open(io.BytesIO(kept), formats=[kind] if kind in kinds else DRAWN) as picture:
            _check_size(picture.width, picture.height, most, scans)
            if kind not in DRAWN and _is_many(picture):
                raise FormatError("holds several pictures: save each as a file of its own")
            yield picture
    except FormatError as error:
        raise FormatError(f"{what}: {error}", too_large=error.too_large) from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds, a bomb among them
        if type(error).__name__ == "DecompressionBombError":
            raise FormatError(
                f"{what}: declares more pixels than are read: save it smaller"
            ) from error
        raise BrokenPictureError(f"{what}: {_fault(error, raw)}") from error


def _avif(raw: bytes, most: int) -> bytes:
    """Return an AVIF that holds one picture of no more pixels, and nothing else."""
    from PIL import features

    if "avif" not in features.modules or not features.check("avif"):
        raise FormatError(
            "an AVIF picture, which Pillow reads from 11.3 on, and not the one that is installed: "
            "pip install -U pillow, or save it as PNG"
        )
    still = avif.gone_through(raw)
    _check_size(still.width, still.height, min(most, avif.MAX_PIXELS // still.layers), 1)
    return still.file


def _fault(error: Exception, raw: bytes) -> str:
    if not raw:
        return "is empty (0 bytes): save it again, or leave it out"
    if kind_of(raw) is None:
        look = looks_like(raw[:64])
        if look is not None and look[0] == "a HEIC picture":
            return f"{look[0]}, {look[1]}"
        return "not a PNG or JPEG picture: open it in a picture program and save it as PNG"
    known = kind_of(raw)
    called = "PNG or JPEG" if known in DRAWN else known
    kind = str(error) if isinstance(error, avif.DamagedError) else type(error).__name__
    return f"not a whole {called} picture ({kind}): save it again, or leave it out"


def _webp_size(raw: bytes) -> tuple[int, int]:
    """Return (width, height) as the first chunk of a WebP claims (RFC 9649, section 2)."""
    kind, body = raw[12:16], raw[20:30]
    if kind == b"VP8X":
        ends = body[4:7], body[7:10]
        return 1 + int.from_bytes(ends[0], "little"), 1 + int.from_bytes(ends[1], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = (int.from_bytes(side, "little") for side in (body[6:8], body[8:10]))
    return width & 0x3FFF, height & 0x3FFF


def size_of_png(raw: bytes) -> tuple[int, int] | None:
    """Return (height, width) as the first chunk of a PNG says under a right checksum, else None.

    Pillow, asked for no more than that, takes as long as for a small picture's pixels.
    """
    right = raw.startswith(PNG) and raw[8:16] == b"\0\0\0\rIHDR" and len(raw) > 33
    if not right or zlib.crc32(raw[12:29]) != int.from_bytes(raw[29:33], "big"):
        return None
    width, height = int.from_bytes(raw[16:20], "big"), int.from_bytes(raw[20:24], "big")
    return (height, width) if width and height else None


def lies_on_side(picture: Any) -> bool:
    """Return whether an open picture exchanges height and width as it is unpacked, as TIFFs may."""
    return picture.format == "TIFF" and int(picture.tag_v2.get(0x0112, 1)) > 4


def _is_many(picture: Any) -> bool:
    """Return whether a file holds more than one picture; all of them are never gone through."""
    if picture.format == "TIFF":
        return bool(picture.tag_v2.next)
    return bool(getattr(picture, "is_animated", False))


def pillow() -> Any:
    """Return Pillow's Image; FormatError with the way out where there is none."""
    try:
        from PIL import Image
    except ImportError:
        raise FormatError(
            "pictures need Pillow, which is not installed: pip install pillow, or give the "
            "images as IDX, CSV or .npz"
        ) from None
    return Image


def _check_size(width: int, height: int, most: int, scans: int) -> None:
    if width * height > most:
        raise FormatError(
            f"{width:,} x {height:,} pixels, more than the {most:,} that are read: save it smaller"
        )
    if width * height * scans > MAX_PASSES:
        raise FormatError(
            f"{width:,} x {height:,} pixels in {scans} scans, more than are gone over: save it "
            "smaller, or without the option “progressive”"
        )


# Files -----------------------------------------------------------------------------------


def essential(raw: bytes) -> tuple[bytes, int]:
    """Return what makes the pixels of a PNG or JPEG, and how often it goes over them.

    Other bytes, and what is damaged, come back as they are: Pillow says what is wrong with them.
    """
    if raw.startswith(PNG):
        return _png(raw), 1
    return _jpeg(raw) if raw.startswith(JPEG) else (raw, 1)


def _png(raw: bytes) -> bytes:
    if _is_plain(raw):
        return raw
    kept, at, count = [PNG], len(PNG), 0
    while at + 12 <= len(raw):
        name, end = raw[at + 4 : at + 8], at + 12 + int.from_bytes(raw[at : at + 4], "big")
        count += 1
        if count > MAX_CHUNKS:
            raise _crumbled(count, "chunks")
        if name in _CHUNKS:
            kept.append(raw[at:end])
        at = end
        if name == b"IEND":
            break
    return b"".join(kept)


def _is_plain(raw: bytes) -> bool:
    """Return whether a PNG is a head, one chunk of pixels and an end, as small ones are."""
    end = 45 + int.from_bytes(raw[33:37], "big")
    return raw[37:41] == b"IDAT" and len(raw) == end + 12 and raw[end + 4 :].startswith(b"IEND")


def _jpeg(raw: bytes) -> tuple[bytes, int]:
    kept = [raw[:2]]
    for marker, start, end in _segments(raw):
        if marker == _SCAN:
            scans = raw.count(b"\xff\xda", start)
            if scans > MAX_SCANS:
                raise _crumbled(scans, "scans")
            return b"".join([*kept, raw[start:]]), max(1, scans)
        passed_over = _APP0 < marker <= _APP15 and marker != _APP14 or marker == _COMMENT
        if not passed_over:
            kept.append(raw[start:end])
    return b"".join(kept), 1


def _segments(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of the segments of a JPEG, up to its first scan."""
    at, count = 2, 0
    while 0 <= (at := raw.find(b"\xff", at)) < len(raw) - 3:
        count += 1
        if count > MAX_CHUNKS:
            raise _crumbled(count, "segments")
        marker = raw[at + 1]
        if marker in (0x00, 0xFF):  # padding
            at += 1
            continue
        size = 0 if marker in _ALONE else int.from_bytes(raw[at + 2 : at + 4], "big")
        yield marker, at, at + 2 + size
        if marker == _SCAN:
            return
        at += 2 + size


def _crumbled(count: int, of: str) -> FormatError:
    return FormatError(f"more than {count - 1:,} {of}, which no picture needs: save it again")


def orientation(raw: bytes) -> int:
    """Return how a JPEG or AVIF says it is to be turned, 1 to 8 as Exif counts.

    1 where it does not, and of a damaged one: whoever opens it is told.
    """
    if kind_of(raw) == "AVIF":
        with suppress(FormatError, avif.DamagedError):
            return avif.gone_through(raw).orientation
    for marker, start, end in _segments(raw) if raw.startswith(JPEG) else ():
        if marker == _APP0 + 1 and raw[start + 4 : start + 10] == b"Exif\0\0":
            return _turned(raw[start + 10 : end])
    return 1


def _turned(tiff: bytes) -> int:
    """Return the orientation in the first directory of a TIFF, Exif's own format."""
    if tiff[:2] not in (b"II", b"MM"):
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], "little" if tiff[:2] == b"II" else "big")

    first = number(4, 4)
    for at in range(first + 2, first + 2 + 12 * number(first, 2), 12):
        if at + 12 > len(tiff):
            break
        if number(at, 2) == 0x0112:
            found = number(at + 8, 2)
            return found if 1 <= found <= 8 else 1
    return 1


# Pixels ----------------------------------------------------------------------------------


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return pixels (h, w, ...) as Exif's orientation, 1 to 8, says that they are to be looked at.

    5 to 8 exchange height and width (CIPA DC-008, Exif 2.32, tag 0x0112).
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def plain_levels(raw: bytes, shape: tuple[int, int]) -> np.ndarray | None:
    """Return a small PNG of 8 grey bits as uint8 (h, w), where it is whole and as plain as can be.

    Else None, and it is to be `opened`, which says what is odd about it. Most of a small picture's
    time is what goes on around its pixels: they alone go through Pillow's decoder.
    """
    if raw[24:29] != b"\x08\0\0\0\0" or size_of_png(raw) != shape or not _is_plain(raw):
        return None
    try:
        picture = pillow().frombytes("L", shape[::-1], raw[41:-16], "zip", "L", 0)
    except Exception:  # whatever it is, it comes again as the picture is opened, and is told there
        return None
    return np.frombuffer(picture.tobytes(), np.uint8).reshape(shape)


def levels(picture: Any) -> np.ndarray:
    """Return an open picture as grey, uint8 (h, w)."""
    if picture.mode.startswith("I"):
        return upper_bits(picture)
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return np.asarray(picture if picture.mode == "L" else picture.convert("L"))
    return _on_paper(picture, "LA")[..., 0]


def colours(picture: Any) -> np.ndarray:
    """Return an open picture in colour, uint8 (h, w, 3); as `levels` does where it has none.

    It has some where red, green and blue differ anywhere.
    """
    if picture.mode in _GREY or picture.mode.startswith("I"):
        return levels(picture)
    clear = "A" in picture.getbands() or "transparency" in picture.info
    rgb = _on_paper(picture, "RGBA") if clear else np.asarray(picture.convert("RGB"))
    step = max(1, _BLOCK // picture.width)
    strips = (rgb[top : top + step] for top in range(0, len(rgb), step))
    return rgb if any((strip != strip[..., :1]).any() for strip in strips) else rgb[..., 0]


def upper_bits(picture: Any, *, lone: bool = False) -> np.ndarray:
    """Return a picture of 16 bits a pixel as uint8 (h, w): the upper 8 are enough.

    lone: of a picture without others beside it that uses 12 bits alone, as cameras and scanners
    have them, the upper 8 of these: else it were all but black.
    """
    most = 0
    for rows in _strips(picture) if lone else ():
        most = max(most, int(np.asarray(_cut(picture, rows)).max()))
    step = 16 if 255 < most < 4096 else 257
    out = np.empty((picture.height, picture.width), np.uint8)
    for rows in _strips(picture):  # whole, it would be handed over as bytes: up to twice its size
        out[rows] = (np.asarray(_cut(picture, rows)) // step).clip(0, 255)
    return out


def _on_paper(picture: Any, mode: str) -> np.ndarray:
    """Return a picture that is transparent in places as uint8 (h, w, 1), or (h, w, 3) of "RGBA".

    What is transparent is paper: white or black, whichever the strokes stand out from.
    """
    ink = seen = 0.0
    for rows in _strips(picture):
        level, alpha = _level_and_alpha(picture, rows, "LA")
        ink, seen = ink + float((level * alpha).sum()), seen + float(alpha.sum())
    ground = np.float32(255 if not seen or ink / seen < 128 else 0)
    out = np.empty((picture.height, picture.width, len(mode) - 1), np.uint8)
    for rows in _strips(picture):
        level, alpha = _level_and_alpha(picture, rows, mode)
        out[rows] = np.rint(ground + (level - ground) * alpha)
    return out


def _level_and_alpha(picture: Any, rows: slice, mode: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.asarray(_cut(picture, rows).convert(mode)).astype(np.float32)
    return pixels[..., :-1], pixels[..., -1:] / 255


def _cut(picture: Any, rows: slice) -> Any:
    return picture.crop((0, rows.start, picture.width, min(rows.stop, picture.height)))


def _strips(picture: Any) -> Iterator[slice]:
    step = max(1, _BLOCK // picture.width)
    for top in range(0, picture.height, step):
        yield slice(top, top + step)
