"""Pen: strokes become the picture that a canvas draws of them; and UNIPEN files become strokes."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError, FormatError

Strokes = Sequence[np.ndarray]  # each float (points, 2): x to the right, y downwards

MAX_BYTES = 2**27  # of a UNIPEN file, unpacked


def draw(strokes: Strokes, *, side_px: int = 280, pen_px: float = 18.0) -> np.ndarray:
    """Return uint8 (side_px, side_px): light strokes of a round pen on a black sheet.

    strokes: float (points, 2) each, x and y in pixels from the sheet's upper left corner; a
    single point leaves a dot. pen_px: diameter. A pixel is covered by how far its centre lies
    within the pen's edge, as anti-aliasing does; what leaves the sheet is cut off. Raises
    ConfigError for a pen or a sheet below one pixel.
    """
    if side_px < 1 or not pen_px >= 1:
        raise ConfigError(f"a pen of {pen_px} px on {side_px} px: both are at least 1")
    sheet = np.zeros((side_px, side_px), np.float32)
    for stroke in strokes:
        points = np.asarray(stroke, np.float32).reshape(-1, 2)
        ends = points[1:] if len(points) > 1 else points
        for start, end in zip(points, ends, strict=False):
            _segment(sheet, start, end, pen_px / 2)
    return np.rint(sheet * 255).astype(np.uint8)


def _segment(sheet: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> None:
    """Add one straight piece: in its window, the distance of every pixel to the piece."""
    low = np.floor(np.minimum(start, end) - radius - 1).astype(int).clip(0, len(sheet))
    high = np.ceil(np.maximum(start, end) + radius + 1).astype(int).clip(0, len(sheet))
    if (low >= high).any():
        return
    x = np.arange(low[0], high[0], dtype=np.float32) + 0.5 - start[0]
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None] + 0.5 - start[1]
    dx, dy = end - start
    length = dx * dx + dy * dy
    along = np.clip((x * dx + y * dy) / length, 0, 1) if length else np.float32(0)
    distance = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
    window = sheet[low[1] : high[1], low[0] : high[0]]
    np.maximum(window, np.clip(radius + 0.5 - distance, 0, 1), out=window)


def read_unipen(path: str | Path) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Return (digits, labels) of a UNIPEN text file, gzipped or not.

    digits: for each `.SEGMENT DIGIT` its strokes, float32 (points, 2), in the tablet's units
    with y turned downwards; labels: uint8 (n,). Guyon et al. 1994, "UNIPEN project of on-line
    data exchange and recognizer benchmarks". Raises FormatError naming the line that is off.
    """
    digits: list[list[list]] = []
    labels: list[int] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[:2] == [".SEGMENT", "DIGIT"]:
                labels.append(int(words[-1].strip('"')))
                digits.append([])
            elif words[0] == ".PEN_DOWN" and digits:
                digits[-1].append([])
            elif not words[0].startswith(".") and digits and digits[-1]:
                digits[-1][-1].append((float(words[0]), -float(words[1])))
        except (ValueError, IndexError):
            raise FormatError(
                f"{Path(path).name}: line {number:,} is {line.strip()[:60]!r}: expected "
                'two numbers, or .SEGMENT DIGIT with a label such as "8"'
            ) from None
    if not digits:
        raise FormatError(
            f"{Path(path).name}: no .SEGMENT DIGIT in it: not a UNIPEN file of digits"
        )
    strokes = [[np.array(s, np.float32) for s in digit if s] for digit in digits]
    return strokes, np.array(labels, np.uint8)


def _text(path: str | Path) -> str:
    """Return a file's text, unpacked where it is gzipped, up to MAX_BYTES."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise FormatError(f"{Path(path).name}: damaged gzip ({error})") from None
    if len(raw) > MAX_BYTES:
        raise FormatError(f"{Path(path).name}: more than {MAX_BYTES >> 20} MB of text")
    return raw.decode("latin-1")
