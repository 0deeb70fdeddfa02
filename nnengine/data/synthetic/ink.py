"""Ink: paths drawn with their pens, and framed as MNIST's images are."""

from __future__ import annotations

import numpy as np

SIZE = 28  # sides of an image, pixels
SIDE = 20  # longest side of the ink in it, pixels


def fitted(points: np.ndarray, pens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both in float32 pixels: the ink's longer side SIDE, its box on whole pixels."""
    pens = pens / (SIDE - 2 * pens.max(axis=1, keepdims=True))
    low = (points - pens[..., None]).min(axis=1)
    span = (points + pens[..., None]).max(axis=1) - low
    scale = SIDE / span.max(axis=1, keepdims=True)
    margin = np.floor((SIZE - span * scale) * 0.5)
    points = (points - low[:, None]) * scale[:, None] + margin[:, None]
    return points.astype(np.float32), (pens * scale).astype(np.float32)


def drawn(points: np.ndarray, pens: np.ndarray) -> np.ndarray:
    """Return float32 (n, SIZE, SIZE) in [0, 1]: ink from round pens pressed at every step.

    A pixel's share is the distance by which the nearest pen's edge lies beyond its centre, plus
    half a pixel: right for an edge along the grid, and to 5 % for any other straight edge.
    """
    reach = int(np.ceil(2 * float(pens.max()) + 1))  # pixels that a pen can touch, a side
    side, half = SIZE + 2 * reach, np.float32(0.5)
    window = np.arange(reach)
    inside = (window[:, None] * side + window).reshape(1, -1)
    images = np.arange(len(points)) * (side * side)
    canvas = np.zeros(len(points) * side * side, np.float32)
    centres = window.astype(np.float32) + half
    for s in range(points.shape[1]):
        radius = pens[:, s] + half
        corner = np.ceil(points[:, s] - radius[:, None] - half)
        away = centres[:, None] - (points[:, s] - corner)[:, None]
        away *= away
        distance = np.sqrt(away[:, :, None, 1] + away[:, None, :, 0]).reshape(len(points), -1)
        column, row = corner.astype(np.intp).T + reach
        pixels = (images + row * side + column)[:, None] + inside
        canvas[pixels] = np.maximum(canvas[pixels], radius[:, None] - distance)
    canvas = canvas.reshape(-1, side, side)[:, reach:-reach, reach:-reach]
    return np.minimum(canvas, 1)


def centred(canvas: np.ndarray) -> np.ndarray:
    """Return uint8 (n, SIZE, SIZE): strongest pixel 255, centre of mass moved to the middle.

    By whole pixels and in whole numbers, as `drawing.to_image` does; ink is never cut.
    """
    peak = canvas.max(axis=(1, 2), keepdims=True)
    images = np.rint(canvas * (255 / peak)).astype(np.uint8)
    grid, moved = np.arange(SIZE), []
    for axis in (1, 2):
        mass = images.sum(axis=3 - axis, dtype=np.int64)
        ink = mass > 0
        first, last = ink.argmax(axis=1), SIZE - 1 - ink[:, ::-1].argmax(axis=1)
        centre = (mass * (2 * grid + 1)).sum(axis=1) // (2 * mass.sum(axis=1))
        move = np.clip(SIZE // 2 - centre, -first, SIZE - 1 - last)
        moved.append((grid - move[:, None]) % SIZE)
    rows, columns = moved
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
