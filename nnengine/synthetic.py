"""Synthetic digits: written here by stroke models of many hands, the same bytes on every machine.

Nothing but PCG64's raw bits, whole numbers and the operations IEEE 754 rounds exactly (+ - * /
and the square root, one NumPy loop each) stands between the seed and the pixels: no sine, no
float sum whose order a machine may choose, and none of NumPy's distributions, whose streams may
change between versions. Chance that should be normal is the sum of four 16-bit numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from .dataset import Dataset
from .errors import ConfigError

SIZE = 28  # sides of an image, pixels
SIDE = 20  # longest side of the ink in it, pixels
STEPS = 64  # points of a hand's path
MAX_IMAGES = 1_000_000  # 784 MB

# The ways people write each digit: (weight, path). Points on a grid of hundredths, x to the right
# and y down, joined by a smooth curve (Catmull & Rom 1974); "*" makes a corner, "/" lifts the pen.
WAYS = (
    (  # 0
        (4, "38,0 12,14 0,48 8,84 34,100 60,86 70,50 60,14 36,0"),
        (3, "52,10 30,0 8,20 0,54 10,88 34,100 60,84 70,48 58,12 40,2 26,8"),
        (2, "44,2 18,10 0,44 4,84 30,100 58,88 70,56 64,22 50,8"),
        (1, "24,4 4,30 2,70 24,98 54,94 70,60 66,22 44,0 22,4 14,16"),
    ),
    (  # 1
        (12, "2,0 1,33 0,66 0,100"),
        (2, "0,20 12,10 20,0* 20,33 20,66 20,100"),
        (1, "0,22 14,12 24,0* 24,33 24,66 24,100 / 2,100 24,99 46,100"),
    ),
    (  # 2
        (4, "4,22 16,4 40,0 60,16 54,42 30,70 0,98* 22,96 44,96 68,96"),
        (4, "4,20 20,2 46,0 60,20 50,48 26,80 8,96 0,86 12,76 34,86 54,98 74,94"),
        (2, "2,16 20,2 44,2 60,18 54,42 34,66 8,90 10,98 30,98 50,97 72,94"),
        (1, "4,10 26,0 50,4 56,26 38,56 4,94* 24,90 46,98 70,94"),
    ),
    (  # 3
        (4, "4,12 24,0 50,6 54,26 40,42 18,47* 46,50 62,68 54,92 26,100 0,90"),
        (3, "6,10 30,0 54,10 48,34 30,46 24,50 34,50 58,60 60,84 34,100 2,92"),
        (1, "4,4 32,2 60,0* 44,20 26,40* 50,46 64,68 52,92 26,100 0,92"),
    ),
    (  # 4
        (4, "10,0 6,26 0,54* 22,54 46,52 70,50 / 56,6 54,38 50,70 46,100"),
        (3, "6,2 0,28 8,48 30,50 54,42 / 62,0 58,34 54,66 48,100"),
        (2, "46,0 22,32 0,64* 24,64 48,63 72,62 / 48,0 47,33 46,66 46,100"),
        (2, "8,0 2,26 6,48 28,52 52,44 60,10* 56,40 52,70 48,100"),
    ),
    (  # 5
        (4, "12,0 10,20 8,42* 32,36 58,50 60,78 36,98 4,94 / 12,2 36,1 62,0"),
        (3, "62,0 38,2 14,4* 10,22 8,42* 36,38 58,54 56,84 28,100 0,92"),
        (2, "66,2 30,2 12,20 22,40 46,54 54,76 34,98 0,94"),
    ),
    (  # 6
        (4, "46,0 20,24 3,58 8,90 30,100 52,88 54,66 34,56 6,74"),
        (3, "36,0 16,34 2,70 14,98 38,96 50,76 38,62 18,70 6,86"),
        (2, "58,6 44,0 20,22 4,56 6,88 28,100 52,90 54,68 36,58 8,78"),
    ),
    (  # 7
        (5, "0,6 22,4 42,2 62,0* 46,32 32,66 22,100"),
        (2, "0,18 2,4* 22,4 42,3 62,2* 46,34 32,66 24,100"),
        (2, "0,8 24,2 54,2 60,12 48,40 34,68 24,100"),
        (2, "0,6 22,4 42,2 62,0* 46,32 32,66 22,100 / 12,54 34,50 58,48"),
    ),
    (  # 8
        (4, "54,12 32,0 10,10 14,32 40,50 58,74 44,98 14,98 2,78 18,54 42,38 56,18 50,6"),
        (2, "30,0 8,12 12,36 34,48 56,34 52,10 30,0 / 32,48 4,62 6,92 32,100 58,90 58,62 32,48"),
        (2, "60,6 34,2 14,16 20,36 44,54 52,80 32,100 8,86 16,60 40,40 64,10"),
        (1, "26,48 8,24 28,0 52,16 36,46 8,68 10,96 40,100 54,76 36,52 18,40"),
    ),
    (  # 9
        (4, "54,14 34,0 8,10 4,36 26,46 48,30 56,6* 54,36 52,68 48,100"),
        (3, "54,14 32,0 6,12 4,38 26,46 50,30 56,8* 56,42 50,76 30,98 4,94"),
        (2, "52,18 34,2 10,12 2,38 22,48 46,30 54,14 44,44 32,72 22,100"),
    ),
)

# How far hands differ, in standard deviations: lengths as shares of a digit's height.
NEAT = (0.02, 0.03)
SLANT = (0.12, 0.22)  # mean and spread of x per height, to the right
ONE_SLANT = 1.4
WIDTH = (1.0, 0.2)
MIDDLE = 0.25
TAPER = 0.35
BEND = 0.2
BEND3 = 0.08
TURN = 0.06
PEN = (1.45, 0.4, 0.6)  # mean, spread and least of half the width, pixels
PRESSURE = 0.25


class _Models(NamedTuple):
    """All ways as arrays: w of them, k control points each, some unused."""

    controls: np.ndarray  # float64 (w, k, 2)
    blend: np.ndarray  # float64 (k, w, STEPS): the share of each control point in each step
    down: np.ndarray  # bool (w, STEPS): whether the pen drew its way to this step
    first: np.ndarray  # intp (11,): where each digit's ways begin
    chance: np.ndarray  # float64 (w,): of this way or one before it, within its digit


def digits(n: int = 12_000, seed: int = 0) -> Dataset:
    """Return `n` synthetic handwritten digits as uint8 (n, 28, 28), framed as MNIST's are.

    Light ink on 0, longest side 20 pixels, centre of mass within pixel (14, 14) by a whole-pixel
    shift, strongest pixel 255 (LeCun et al. 1998, III.A). Every ten in a row hold each digit once,
    in random order. The first m images are those of `digits(m, seed)`; image i is drawn along
    path i of `strokes(n, seed)`. Raises ConfigError unless 1 <= n <= 1,000,000 and seed is a
    whole number from 0.
    """
    n, seed = _checked(n, seed)
    images, labels = np.empty((n, SIZE, SIZE), np.uint8), np.empty(n, np.uint8)
    for rows, chance in _pieces(n, seed):
        count = rows.stop - rows.start
        points, _, labels[rows] = _written(chance, count)
        images[rows] = _inked(points, _pens(chance, count))
    return Dataset(images, labels, classes=10, name="digits")


def strokes(n: int = 12_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (points, down, labels): the paths along which `digits(n, seed)` are inked.

    points: float32 (n, 64, 2), x to the right and y down; each path's box begins at 0 and its
    longer side is 1. down: bool (n, 64), whether the pen drew its way from the point before
    (never to a stroke's first point). labels: uint8 (n,). Raises ConfigError as `digits` does.
    """
    n, seed = _checked(n, seed)
    points, down = np.empty((n, STEPS, 2), np.float32), np.empty((n, STEPS), bool)
    labels = np.empty(n, np.uint8)
    for rows, chance in _pieces(n, seed):
        points[rows], down[rows], labels[rows] = _written(chance, rows.stop - rows.start)
    return points, down, labels


def _checked(n: int, seed: int) -> tuple[int, int]:
    for name, value, low, high in (("n", n, 1, MAX_IMAGES), ("seed", seed, 0, None)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < low or (high is not None and value > high):
            allowed = f"from {low} to {high:,}" if high is not None else f"from {low}"
            raise ConfigError(f"{name} is {value!r}: it is a whole number {allowed}")
    return int(n), int(seed)


# --- chance -----------------------------------------------------------------------------------

_CONTROLS = 16  # at most, of a way
_PARAMETERS = 24
_COLUMNS = 2 + _PARAMETERS + 2 * _CONTROLS
_PIECE = 500  # images at a time; a whole number of tens


def _pieces(n: int, seed: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, uint64 (rows, _COLUMNS)): all the chance there is in each image."""
    source = np.random.PCG64(np.random.SeedSequence(seed))
    for start in range(0, n, _PIECE):
        chance = source.random_raw((_PIECE, _COLUMNS))
        yield slice(start, min(start + _PIECE, n)), chance


def _normal(chance: np.ndarray) -> np.ndarray:
    """Return float64: nearly normal, mean 0, variance 1, within 3.5: four 16-bit numbers summed."""
    bits = [(chance >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
    total = (bits[0] + bits[1]) + (bits[2] + bits[3])
    return (total.astype(np.float64) - 131_070.0) / _DEVIATION


_DEVIATION = 37_837.0  # sqrt(4 (65536^2 - 1) / 12), of the sum


def _uniform(chance: np.ndarray) -> np.ndarray:
    """Return float64 in [0, 1): the upper 53 bits."""
    return (chance >> np.uint64(11)).astype(np.float64) * 2.0**-53


# --- paths ------------------------------------------------------------------------------------


@cache
def _models() -> _Models:
    """Return the ways as arrays."""
    ways = [(digit, *way) for digit, group in enumerate(WAYS) for way in group]
    controls = np.zeros((len(ways), _CONTROLS, 2))
    blend = np.zeros((_CONTROLS, len(ways), STEPS))
    down = np.zeros((len(ways), STEPS), bool)
    chance = np.zeros(len(ways))
    for w, (digit, weight, path) in enumerate(ways):
        points, strokes = _parsed(path)
        controls[w, : len(points)] = points
        blend[:, w], down[w] = _sampled(points, strokes)
        before = sum(row[1] for row in ways[:w] if row[0] == digit)
        chance[w] = (before + weight) / sum(row[0] for row in WAYS[digit])
    first = np.searchsorted([row[0] for row in ways], np.arange(11))
    return _Models(controls, blend, down, first, chance)


def _parsed(path: str) -> tuple[np.ndarray, list[list[list[int]]]]:
    """Return points, float64 (k, 2), and strokes: the smooth lines of each, as lists of indices."""
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
    """Return blend (_CONTROLS, STEPS) and down (STEPS,): steps evenly spaced along the ink."""
    dense = [np.concatenate([_curve(line) for line in lines]) for lines in strokes]
    lengths = [_lengths(rows, points) for rows in dense]
    ink = [length[-1] for length in lengths]
    ends = [round(STEPS * sum(ink[: s + 1]) / sum(ink)) for s in range(len(ink))]
    blend, down, start = [], np.ones(STEPS, bool), 0
    for rows, length, end in zip(dense, lengths, ends, strict=True):
        places = np.arange(end - start) * (length[-1] / (end - start - 1))
        blend.append(rows[np.minimum(np.searchsorted(length, places), len(rows) - 1)])
        down[start] = False
        start = end
    return np.concatenate(blend).T, down


def _curve(line: list[int], places: int = 64) -> np.ndarray:
    """Return float64 (places, _CONTROLS): each place on the curve as shares of control points.

    The uniform curve of Catmull & Rom 1974; beyond its ends the polygon goes on straight.
    """
    rows = []
    t = np.arange(places) / places
    basis = (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    for i in range(len(line) - 1):
        part = np.zeros((places, _CONTROLS))
        for share, j in zip(basis, range(i - 1, i + 3), strict=True):
            if 0 <= j < len(line):
                part[:, line[j]] += share
            else:
                end, inner = (line[0], line[1]) if j < 0 else (line[-1], line[-2])
                part[:, end] += 2 * share
                part[:, inner] -= share
        rows.append(part)
    last = np.zeros((1, _CONTROLS))
    last[0, line[-1]] = 1
    return np.concatenate([*rows, last])


def _lengths(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return float64 (places,): the length of the curve up to each place."""
    places = np.zeros((len(rows), 2))
    for k, point in enumerate(points):
        places += rows[:, k, None] * point
    dx, dy = np.diff(places, axis=0).T
    return np.concatenate([[0.0], np.cumsum(np.sqrt(dx * dx + dy * dy))])


def _written(chance: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points float64 (n, STEPS, 2), down bool (n, STEPS), labels uint8 (n,)."""
    models = _models()
    labels = np.argsort(chance[:, 0].reshape(-1, 10), axis=1, kind="stable").reshape(-1)[:rows]
    chance = chance[:rows]
    way = models.first[labels].copy()
    choice = _uniform(chance[:, 1])
    for _ in range(int(np.diff(models.first).max()) - 1):
        way += choice >= models.chance[way]
    trait = _normal(chance[:, 2 : 2 + _PARAMETERS])
    wobble = _normal(chance[:, -2 * _CONTROLS :]).reshape(rows, _CONTROLS, 2)
    neat = NEAT[0] + NEAT[1] * _uniform(chance[:, 2 + 15])
    controls = models.controls[way] + wobble * neat[:, None, None]
    x, y = np.zeros((2, rows, STEPS))
    for k in range(_CONTROLS):
        share = models.blend[k][way]
        x += share * controls[:, k, 0, None]
        y += share * controls[:, k, 1, None]
    x, y = _bent(x - 0.33, y - 0.5, trait[..., None], labels)
    return _boxed(np.stack([x, y], axis=2)), models.down[way], labels.astype(np.uint8)


def _bent(x, y, trait, labels):
    """Return (x, y), each (n, STEPS), as this hand would write them: all low polynomials."""
    t = [trait[:, i] for i in range(15)]
    width = WIDTH[0] + WIDTH[1] * t[0]
    y0 = y
    y = y + MIDDLE * t[1] * (0.25 - y * y) + 0.06 * t[7] * x  # where the middle is
    x = x * (width + TAPER * t[2] * y0)
    x = x + BEND * t[3] * (y0 * y0 - 0.1) + BEND3 * t[4] * (4 * y0 * y0 - 0.8) * y0
    y = y + BEND * t[5] * (x * x) + BEND3 * t[6] * x * y0
    slant = SLANT[0] + SLANT[1] * t[8]
    slant = np.where(labels[:, None] == 1, slant * ONE_SLANT, slant)
    x = x - slant * y
    turn = TURN * t[9]  # tangent of half the angle: sine and cosine without either
    c, s = (1 - turn * turn) / (1 + turn * turn), 2 * turn / (1 + turn * turn)
    return c * x - s * y, s * x + c * y


def _boxed(points: np.ndarray) -> np.ndarray:
    """Return points moved and scaled so that their box begins at 0 and its longer side is 1."""
    low = points.min(axis=1, keepdims=True)
    span = (points.max(axis=1, keepdims=True) - low).max(axis=2, keepdims=True)
    return (points - low) / span


# --- ink --------------------------------------------------------------------------------------


def _pens(chance: np.ndarray, rows: int) -> np.ndarray:
    """Return float64 (n, STEPS): half the pen's width in pixels at every step."""
    t = _normal(chance[:rows, 2 + 16 : 2 + 20])[..., None]
    radius = np.maximum(PEN[0] + PEN[1] * t[:, 0], PEN[2])
    along = np.arange(STEPS) / (STEPS - 1) - 0.5
    pressure = 1 + PRESSURE * (t[:, 1] * along + t[:, 2] * (0.25 - along * along) * 2)
    return radius * np.clip(pressure, 0.5, 1.5)


def _inked(points: np.ndarray, pens: np.ndarray) -> np.ndarray:
    """Return uint8 (n, 28, 28): the paths drawn with round pens, then framed."""
    pens = pens / (SIDE - 2 * pens.max(axis=1))[:, None, None][:, :, 0]
    low = (points - pens[..., None]).min(axis=1)
    span = (points + pens[..., None]).max(axis=1) - low
    scale = (SIDE / span.max(axis=1))[:, None]
    margin = (SIZE - np.ceil(span * scale)) * 0.5
    points = (points - low[:, None]) * scale[:, None] + np.floor(margin)[:, None]
    canvas = _drawn(points.astype(np.float32), (pens * scale).astype(np.float32))
    return _centred(canvas)


def _drawn(points: np.ndarray, pens: np.ndarray) -> np.ndarray:
    """Return float32 (n, SIZE, SIZE) in [0, 1]: how much of each pixel the widest disc covers."""
    reach = int(np.ceil(2 * float(pens.max()) + 1))
    side = SIZE + 2 * reach
    n = len(points)
    canvas = np.zeros(n * side * side, np.float32)
    window = np.arange(reach)
    inside = (window[:, None] * side + window).reshape(1, -1)
    first = np.arange(n) * (side * side)
    grid = (window + np.float32(0.5)).astype(np.float32)
    half = np.float32(0.5)
    for s in range(points.shape[1]):
        x, y = points[:, s, 0], points[:, s, 1]
        r = pens[:, s] + half
        left, top = np.ceil(x - r - half), np.ceil(y - r - half)  # first centre within r
        dx = grid - (x - left)[:, None]
        dy = grid - (y - top)[:, None]
        far = np.sqrt((dy * dy)[:, :, None] + (dx * dx)[:, None, :]).reshape(n, -1)
        cover = r[:, None] - far
        place = first + ((top.astype(np.intp) + reach) * side + left.astype(np.intp) + reach)
        place = place[:, None] + inside
        canvas[place] = np.maximum(canvas[place], cover)
    canvas = canvas.reshape(n, side, side)[:, reach:-reach, reach:-reach]
    return np.minimum(canvas, 1)


def _centred(canvas: np.ndarray) -> np.ndarray:
    """Return uint8 (n, SIZE, SIZE): strongest pixel 255, centre of mass moved to the middle."""
    peak = canvas.max(axis=(1, 2), keepdims=True)
    images = np.rint(canvas * (255 / peak)).astype(np.uint8)
    n, grid = len(images), np.arange(SIZE)
    moves = []
    for axis in (1, 2):
        mass = images.sum(axis=3 - axis, dtype=np.int64)
        ink = mass > 0
        low, high = ink.argmax(axis=1), SIZE - 1 - ink[:, ::-1].argmax(axis=1)
        centre = (mass * (2 * grid + 1)).sum(axis=1) // (2 * mass.sum(axis=1))
        move = np.clip(SIZE // 2 - centre, -low, SIZE - 1 - high)
        moves.append((grid - move[:, None]) % SIZE)
    rows, columns = moves
    return images[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
