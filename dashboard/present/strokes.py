"""Strokes: what was drawn on a pad, held to what its browser says is on the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnengine.data import pen

SIDE_PX = 280
MOST_APART = 12.0  # levels by which edges of strokes differ, over the whole pad; see `as_drawn`


def as_drawn(pixels: np.ndarray, told: Any) -> np.ndarray:
    """Return a pad's pixels, uint8 (280, 280, 4), drawn anew where a browser has falsified them.

    Firefox that resists fingerprinting (LibreWolf, Tor Browser) gives pages stripes for what is on
    a canvas. told: the strokes as the canvas tells them.
    """
    strokes = strokes_of(told)
    if not strokes:
        return pixels
    ours = _squares_of(told)
    for points, pen_px in strokes:
        np.maximum(ours, pen.draw([points], side_px=SIDE_PX, pen_px=pen_px), out=ours)
    theirs = pixels[..., :3].mean(axis=2)
    if theirs.shape == ours.shape and np.abs(theirs - ours).mean() < MOST_APART:
        return pixels
    return np.dstack([ours, ours, ours, np.full_like(ours, 255)])


def blown_up(image: np.ndarray) -> np.ndarray:
    """Return an image, uint8 (28, 28), as large as the pad, uint8 (280, 280, 4)."""
    each = SIDE_PX // len(image)
    grey = image.repeat(each, axis=0).repeat(each, axis=1)
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)])


def squares(image: np.ndarray) -> dict[str, Any]:
    """Return an image, uint8 (28, 28), as the canvas tells drawings: a square for each pixel."""
    each = SIDE_PX // len(image)
    found = [
        {
            "type": "rect", "originX": "left", "originY": "top", "left": int(x) * each,
            "top": int(y) * each, "width": each, "height": each, "strokeWidth": 0,
            "fill": "#" + f"{image[y, x]:02x}" * 3,
        }
        for y, x in zip(*np.nonzero(image), strict=True)
    ]  # fmt: skip
    return {"version": "4.4.0", "objects": found, "background": "#000000"}


def _squares_of(told: Any) -> np.ndarray:
    """Return the squares of an image that was put on the pad, uint8 (280, 280), and black."""
    grey = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for one in told["objects"]:
        try:
            y, x, side = (int(one[name]) for name in ("top", "left", "width"))
            if str(one["type"]).lower() == "rect" and min(y, x) >= 0:
                grey[y : y + side, x : x + side] = int(one["fill"][1:3], 16)
        except (KeyError, TypeError, ValueError):
            continue
    return grey


def strokes_of(told: Any) -> list[tuple[np.ndarray, float]]:
    """Return each stroke as points, float (n, 2), and the pen's width, in pixels of the pad.

    Curves are taken by points on them; what is none of our pen's strokes is passed over.
    """
    found = []
    objects = told.get("objects") if isinstance(told, dict) else None
    for one in objects if isinstance(objects, list) else ():
        try:
            points = [point for piece in one["path"] for point in _points(piece)]
            found.append((_through(points), min(max(float(one["strokeWidth"]), 1.0), SIDE_PX)))
        except (KeyError, TypeError, ValueError, IndexError):
            continue
    return found


def _points(piece: Any) -> list[tuple[float, ...]]:
    """Return a command of a path as (x, y), or (x, y, x, y), a quadratic curve's bend and end."""
    numbers = tuple(float(number) for number in piece[1:])
    if not np.isfinite(numbers).all() or len(numbers) not in (2, 4):
        raise ValueError
    return [numbers]


def _through(points: list[tuple[float, ...]]) -> np.ndarray:
    """Return points on the lines and curves of a path, of which each begins where one ends."""
    made = [np.array(points[0][-2:])]
    for point in points[1:]:
        start, end = made[-1], np.array(point[-2:])
        if len(point) == 4:  # Bezier's curve
            bend = np.array(point[:2])
            for t in (0.25, 0.5, 0.75):
                made.append((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t * t * end)
        made.append(end)
    return np.clip(np.array(made), -SIDE_PX, 2 * SIDE_PX)
