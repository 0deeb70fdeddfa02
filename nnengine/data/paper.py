"""Paper: what a photograph shows beside the writing, a desk, a scan's border, lines, is no ink."""

from __future__ import annotations

import numpy as np

from ..core.arithmetic import calmly

LEAST = 64  # pixels of the longer side: what is smaller is no photograph
LOOKED = 200  # pixels of that side as it is looked at
THIN = 0.03  # of a picture's longer side: a printed line is no wider
STEP = 40  # levels from a desk to paper, within four cells of what is looked at
ROOM = 0.4  # of a picture: less is no sheet of paper, were it light


@calmly
def writing(pixels: np.ndarray) -> np.ndarray:
    """Return a picture, uint8 (h, w) or (h, w, 3), without what lies around or across its paper.

    What is dark, touches the border along a whole side and is not the writing itself (a desk, the
    black border of a scan); lines from border to border; the cell of a form around what is written.
    Each is covered by the paper beside it. Others come back as they are, and pictures with
    transparency, small ones, and those of which nothing would be left.
    """
    if pixels.ndim == 3 and pixels.shape[2] != 3 or max(pixels.shape[:2]) < LEAST:
        return pixels
    grey = pixels if pixels.ndim == 2 else pixels.astype(np.float32).mean(axis=2)
    every = -(-max(grey.shape) // LOOKED)
    high, wide = (side // every for side in grey.shape)
    if min(high, wide) < LEAST // 2:
        return pixels
    darkest = pixels if pixels.ndim == 2 else pixels.min(axis=2)  # a red line is as dark as ink
    cut = darkest[: high * every, : wide * every].astype(np.float32)
    small = cut.reshape(high, every, wide, every).min(axis=(1, 3))  # of a hairline all is left
    dark = small < _threshold(small)
    if dark.mean() > 1 - ROOM:
        return pixels
    labels, count = _components(dark)
    foreign = np.zeros_like(dark)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    for n in np.flatnonzero(sizes[1:] > min(high, wide) // 3) + 1:  # specks are left to framing
        foreign |= _around(labels == n, small)
    written = dark & ~foreign
    if not foreign.any() or written.sum() < 0.001 * dark.size:
        return pixels
    return _covered(grey, _wider(foreign), every)


def _threshold(plane: np.ndarray) -> float:
    """Return the level that parts dark from light best (Otsu 1979)."""
    counts = np.bincount(plane.astype(np.uint8).ravel(), minlength=256).astype(float)
    below, sums = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    between = (sums[-1] * below / below[-1] - sums) ** 2 / np.maximum(below * above, 1)
    return float(np.argmax(between)) + 1


def _components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Return what hangs together, sides and corners, numbered from 1; and how much there is."""
    labels = np.zeros(mask.shape, np.int32)
    roots, before = [0], []
    for y, row in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]]).astype(np.int8)))
        runs = []
        for start, end in edges.reshape(-1, 2).tolist():
            touched = [_root(roots, n) for s, e, n in before if s <= end and e >= start]
            number = min(touched, default=len(roots))
            if not touched:
                roots.append(number)
            for other in touched:
                roots[other] = number
            labels[y, start:end] = number
            runs.append((start, end, number))
        before = runs
    final = np.array([_root(roots, n) for n in range(len(roots))])
    kept, numbered = np.unique(final, return_inverse=True)
    return numbered[labels].astype(np.int32), len(kept) - 1


def _root(roots: list[int], number: int) -> int:
    while roots[number] != number:
        number = roots[number]
    return number


def _around(part: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return what of a part is no ink: all of a desk or a line, the sides of a cell, or nothing."""
    high, wide = part.shape
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    thin = max(2.0, THIN * max(high, wide))
    sides = [part[0], part[-1], part[:, 0], part[:, -1]]
    if any(side.mean() > 0.9 for side in sides):
        return part if _ends_at_once(part, plane) else np.zeros_like(part)
    length = max(bottom - top, right - left) + 1
    across = (top == 0 and bottom == high - 1) or (left == 0 and right == wide - 1)
    if across and part.sum() <= thin * length and min(bottom - top, right - left) < 3 * thin:
        return part
    return _cell(part, slice(top, bottom + 1), slice(left, right + 1), int(np.ceil(thin)))


def _ends_at_once(part: np.ndarray, plane: np.ndarray) -> bool:
    """Return whether it is much lighter beside a part, as beside a desk and not in a shadow."""
    inside, outside = part & _wider(_wider(~part)), ~part & _wider(_wider(part))
    if not outside.any() or not inside.any():
        return False
    # Not the median: a digit may hang together with a shadow, and ends at once.
    return bool(np.percentile(plane[outside], 20) - np.percentile(plane[inside], 80) > STEP)


def _cell(part: np.ndarray, rows: slice, columns: slice, thin: int) -> np.ndarray:
    """Return the sides of a part that is a rectangle of lines, with whatever it has inside left."""
    none, inside = np.zeros_like(part), part[rows, columns]
    if min(inside.shape) < 6 * thin or max(inside.shape) < 0.4 * max(part.shape):
        return none
    band = np.zeros_like(inside)
    band[:thin] = band[-thin:] = band[:, :thin] = band[:, -thin:] = True
    along = (
        inside[:thin].any(axis=0), inside[-thin:].any(axis=0),
        inside[:, :thin].any(axis=1), inside[:, -thin:].any(axis=1),
    )  # fmt: skip
    if min(side.mean() for side in along) < 0.9 or inside[~band].mean() > 0.5:
        return none
    none[rows, columns] = inside & band
    return none


def _wider(mask: np.ndarray) -> np.ndarray:
    """Return a mask with a cell more on every side, for edges are soft."""
    padded = np.pad(mask, 1)
    high, wide = mask.shape
    moved = [padded[y : y + high, x : x + wide] for y in range(3) for x in range(3)]
    return np.logical_or.reduce(moved)


def _covered(grey: np.ndarray, foreign: np.ndarray, every: int) -> np.ndarray:
    """Return uint8 (h, w) with the paper's level over what is foreign, cells of `every` pixels."""
    mask = np.repeat(np.repeat(foreign, every, axis=0), every, axis=1)
    pads = [(0, whole - part) for whole, part in zip(grey.shape, mask.shape, strict=True)]
    mask = np.pad(mask, pads, mode="edge")
    out = grey.astype(np.float32)
    paper = float(np.median(out[~mask]))
    out[mask] = paper
    return np.rint(out).astype(np.uint8)
