"""Models: the ways of writing as arrays, every step of the pen a blend of control points."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from .ways import WAYS

STEPS = 96  # points of a path: 0.75 pixels apart at most in half of them, for thin pens as well
CONTROLS = 14  # control points of a way, at most


class Models(NamedTuple):
    """The w ways as arrays."""

    controls: np.ndarray  # float64 (2, w, CONTROLS, 2): one end, and from there to the other
    blend: np.ndarray  # float64 (CONTROLS, w, STEPS): share of each control point in each step
    down: np.ndarray  # bool (w, STEPS): whether the pen drew its way here
    first: np.ndarray  # intp (10,): where the ways of each digit begin
    upto: np.ndarray  # float64 (2, w): a way is taken by even chances below it, ending at 1


@cache
def all_models() -> Models:
    """Return WAYS ready for use."""
    ways = [way for group in WAYS for way in group]
    controls = np.zeros((2, len(ways), CONTROLS, 2))
    blend, down = np.zeros((CONTROLS, len(ways), STEPS)), np.zeros((len(ways), STEPS), bool)
    for w, (_, *paths) in enumerate(ways):
        (here, lines), (there, _) = map(parsed, paths)
        controls[0, w, : len(here)], controls[1, w, : len(here)] = here, there - here
        blend[:, w], down[w] = _sampled((here + there) / 2, lines)
    weights = [np.array([way[0] for way in group], float) for group in WAYS]
    upto = np.stack([_ranges(weights), _ranges([np.ones(len(w)) for w in weights])])
    first = np.cumsum([0, *map(len, WAYS[:-1])]).astype(np.intp)
    return Models(controls, blend, down, first, upto)


def _ranges(weights: list[np.ndarray]) -> np.ndarray:
    """Return float64 (w,): up to where in [-1, 1] the even chances of each way reach."""
    return np.concatenate([2 * np.cumsum(w) / np.cumsum(w)[-1] - 1 for w in weights])


def parsed(path: str) -> tuple[np.ndarray, list[list[list[int]]]]:
    """Return points, float64 (k, 2), and the smooth lines of each stroke as lists of indices."""
    points: list[list[float]] = []
    strokes = []
    for stroke in path.split(" / "):
        lines: list[list[int]] = [[]]
        for word in stroke.split():
            lines[-1].append(len(points))
            points.append([float(number) / 100 for number in word.rstrip("*").split(",")])
            if word.endswith("*"):
                lines.append([lines[-1][-1]])
        strokes.append(lines)
    return np.array(points), strokes


def _sampled(points: np.ndarray, strokes: list) -> tuple[np.ndarray, np.ndarray]:
    """Return blend (CONTROLS, STEPS) and down (STEPS,): steps evenly spaced along the ink."""
    dense = [np.concatenate([curve(line) for line in lines]) for lines in strokes]
    lengths = [_lengths(rows, points) for rows in dense]
    ink = np.cumsum([length[-1] for length in lengths])
    ends = [round(float(STEPS * end / ink[-1])) for end in ink]
    blend, down, start = [], np.ones(STEPS, bool), 0
    for rows, length, end in zip(dense, lengths, ends, strict=True):
        places = np.arange(end - start) * (length[-1] / (end - start - 1))
        blend.append(rows[np.minimum(np.searchsorted(length, places), len(rows) - 1)])
        down[start] = False
        start = end
    return np.concatenate(blend).T, down


def curve(line: list[int], places: int = 64) -> np.ndarray:
    """Return float64 (n, CONTROLS): the places along a smooth line as shares of its points.

    The uniform spline of Catmull & Rom 1974, through every point; at either end the point
    beyond is the mirror image of the one before.
    """
    t = np.arange(places) / places
    basis = (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    rows = np.zeros((places * (len(line) - 1) + 1, CONTROLS))
    rows[-1, line[-1]] = 1
    for i in range(len(line) - 1):
        part = rows[i * places : (i + 1) * places]
        for share, j in zip(basis, range(i - 1, i + 3), strict=True):
            if 0 <= j < len(line):
                part[:, line[j]] += share
            else:
                end, inner = line[:2] if j < 0 else line[:-3:-1]
                part[:, end] += 2 * share
                part[:, inner] -= share
    return rows


def _lengths(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return float64 (n,): the length of a curve up to each of its places."""
    places = np.zeros((len(rows), 2))
    for k, point in enumerate(points):
        places += rows[:, k, None] * point
    dx, dy = np.diff(places, axis=0).T
    return np.concatenate([[0.0], np.cumsum(np.sqrt(dx * dx + dy * dy))])
