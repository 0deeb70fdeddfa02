"""Pictures: arrays of pixels or of weights laid out as one image; zero is the neutral colour.

Pictures are uint8 RGBA with transparent gaps, so that one suits a light page and a dark one.
"""

from __future__ import annotations

import io
import math
from typing import Literal

import numpy as np
from PIL import Image

from dashboard.present.style import LEVELS, palette


def mosaic(
    images: np.ndarray, *, columns: int, gap: int = 2, zoom: int = 1, invert: bool = False
) -> np.ndarray:
    """Lay images (n, h, w) or (n, h, w, 3), uint8, out row by row; return uint8 RGBA (H, W, 4).

    H is rows * h + (rows - 1) * gap, times zoom; W likewise. Gaps and empty places are
    transparent. Invert shows ink on paper where the file holds light on dark.
    """
    shown = np.asarray(images, dtype=np.uint8)
    if invert:
        shown = 255 - shown
    return _tiles(
        shown if shown.ndim == 4 else np.repeat(shown[..., None], 3, axis=3), columns, gap, zoom
    )


def _tiles(rgb: np.ndarray, columns: int, gap: int, zoom: int) -> np.ndarray:
    """Lay tiles (n, h, w, 3) out; return uint8 RGBA, transparent where no tile is."""
    n, h, w = rgb.shape[:3]
    columns = max(1, min(columns, max(n, 1)))
    rows = max(1, -(-n // columns))
    sheet = np.zeros((rows, h + gap, columns, w + gap, 4), dtype=np.uint8)
    for i in range(n):
        row, column = divmod(i, columns)
        sheet[row, :h, column, :w, :3] = rgb[i]
        sheet[row, :h, column, :w, 3] = 255
    flat = sheet.reshape(rows * (h + gap), columns * (w + gap), 4)
    flat = flat[: rows * (h + gap) - gap, : columns * (w + gap) - gap]
    return flat.repeat(zoom, axis=0).repeat(zoom, axis=1)


def weight_limit(weights: np.ndarray) -> float:
    """Return the magnitude that gets the strongest colour: 99.5 % of the weights are within it.

    The largest weight of all is often three times that, and would leave the rest pale. Never 0.
    """
    size = np.abs(np.nan_to_num(np.asarray(weights, dtype=np.float32)))
    return float(np.quantile(size, 0.995)) or float(size.max(initial=0)) or 1.0


def weight_levels(
    weights: np.ndarray,
    image_shape: tuple[int, int],
    *,
    scale: Literal["common", "own"] = "common",
    limit: float | None = None,
) -> np.ndarray:
    """Turn incoming weights (inputs, units) into palette levels, uint8 (units, h, w); zero is 127.

    Common: one limit for all units (given, or `weight_limit` of these). Own: each unit's own, so
    that shapes are compared and strengths are not. Raises ValueError when h * w is not inputs.
    """
    w = np.nan_to_num(np.asarray(weights, dtype=np.float32))
    h, across = image_shape
    if w.ndim != 2 or w.shape[0] != h * across:
        raise ValueError(
            f"weights of shape {w.shape} do not fill images of {h}x{across}: expected"
            f" {h * across} rows; give the image shape the network was built for"
        )
    if scale == "own":
        bounds = np.array([weight_limit(unit) for unit in w.T], dtype=np.float32)
    else:
        bounds = np.full(w.shape[1], limit or weight_limit(w), dtype=np.float32)
    half = LEVELS // 2
    level = np.rint(half + half * np.clip(w / bounds, -1, 1))
    return np.ascontiguousarray(level.T.astype(np.uint8)).reshape(-1, h, across)


def filter_levels(
    weights: np.ndarray, *, scale: Literal["common", "own"] = "common", limit: float | None = None
) -> np.ndarray:
    """Turn a convolution's weights (h, w, channels, maps) into levels, uint8 (maps, h, w).

    Each pixel is the mean over all channels; a single channel is shown as it is.
    """
    height, width, _, maps = weights.shape
    mean = weights.mean(axis=2).reshape(height * width, maps)
    return weight_levels(mean, (height, width), scale=scale, limit=limit)


def filter_colours(weights: np.ndarray, limit: float | None) -> np.ndarray:
    """Turn weights (h, w, 3, maps) into colours, uint8 (maps, h, w, 3): zero is a middle grey.

    limit: the magnitude that gets the strongest colour; None: each map's own.
    """
    whole = np.nan_to_num(weights)
    own = np.array([weight_limit(one) for one in np.moveaxis(whole, 3, 0)], np.float32)
    share = np.clip(whole / (own if limit is None else limit), -1, 1)
    return np.rint(127.5 + 127.5 * share).astype(np.uint8).transpose(3, 0, 1, 2)


def shrunk(maps: np.ndarray, most: int) -> np.ndarray:
    """Return maps (n, h, w) of at most so many pixels each: the strongest of those that share one.

    Strongest: farthest from zero, with its sign.
    """
    each = max(1, math.ceil(math.sqrt(maps.shape[1] * maps.shape[2] / most)))
    while -(-maps.shape[1] // each) * -(-maps.shape[2] // each) > most:
        each += 1
    if each == 1:
        return maps
    down, across = (np.arange(0, side, each) for side in maps.shape[1:])
    low, high = (
        function.reduceat(function.reduceat(maps, down, axis=1), across, axis=2)
        for function in (np.minimum, np.maximum)
    )
    return np.where(-low > high, low, high)


def map_levels(maps: np.ndarray, limit: float) -> np.ndarray:
    """Turn what a layer makes of an image, (n, h, w), into levels, uint8; zero is 127."""
    half = LEVELS // 2
    share = np.clip(np.nan_to_num(maps) / limit, -1, 1)
    return np.rint(half + half * share).astype(np.uint8)


def colour_sheet(tiles: np.ndarray, *, columns: int) -> np.ndarray:
    """Lay colour tiles (n, h, w, 3) out without gaps; return uint8 RGBA (H, W, 4)."""
    return _tiles(tiles, columns, gap=0, zoom=1)


def sheet(tiles: np.ndarray, *, columns: int) -> np.ndarray:
    """Lay tiles (n, h, w), or in colour (n, h, w, 3), out row by row without gaps.

    Empty places hold 127. Returns uint8 (rows * h, columns * w), or with channels behind that: one
    picture to cut tiles from.
    """
    n, h, w, *deep = tiles.shape
    rows = -(-n // columns)
    full = np.full((rows * columns, h, w, *deep), LEVELS // 2, dtype=np.uint8)
    full[:n] = tiles
    parted = full.reshape(rows, columns, h, w, *deep).swapaxes(1, 2)
    return parted.reshape(rows * h, columns * w, *deep)


def weight_mosaic(
    weights: np.ndarray,
    image_shape: tuple[int, int],
    *,
    columns: int,
    scale: Literal["common", "own"] = "common",
    zoom: int = 1,
    gap: int = 2,
    dark: bool = False,
) -> np.ndarray:
    """Draw each unit's incoming weights, a column of (inputs, units), as an image.

    Returns uint8 RGBA laid out as `mosaic` does; blue is negative, orange positive, zero the
    neutral middle. Raises ValueError when the shape of an image does not hold the inputs.
    """
    levels = weight_levels(weights, image_shape, scale=scale)
    return _tiles(palette(dark=dark)[levels], columns, gap, zoom)


def png(array: np.ndarray) -> bytes:
    """Return a PNG file of uint8 (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def palette_png(levels: np.ndarray, *, dark: bool = False) -> bytes:
    """Return a PNG of palette levels (h, w): a byte a pixel, a third of what RGB would send."""
    image = Image.fromarray(np.ascontiguousarray(levels, dtype=np.uint8)).convert("P")
    image.putpalette(palette(dark=dark).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
