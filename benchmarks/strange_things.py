"""Strange things: what a pen or a camera might show that is no digit, drawn here from chance alone.

`written` inks paths such as those of `alphabet.py` as many hands and printers would; `wanderings`
are lines that stand for nothing; `things` are filled and textured, as pictures of objects are.
All are outliers for `make_guard.py` to learn from, or, a kind left out, to be tried on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnengine.data.synthetic.ink import centred, drawn, fitted
from nnengine.data.synthetic.models import curve, parsed

STEPS = 160  # points of a path that is inked: half a pixel apart for the longest letters
SIDE = 28
KNOTS = ((3, 1), (3, 2), (4, 1), (4, 3), (5, 2), (5, 3), (5, 4))
PENS = (0.65, 2.05)  # half a line's width, pixels, as framing leaves it


def written(texts: Sequence[str], count: int, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 (count, 28, 28): signs by lot, three in five by hand, the others as printed."""
    which = rng.integers(len(texts), size=count)
    points = np.empty((count, STEPS, 2))
    hand = rng.random(count) < 0.6
    serifs = ~hand & (rng.random(count) < 0.5)
    for sign, text in enumerate(texts):
        for feet in (False, True):
            rows = np.flatnonzero((which == sign) & (serifs == feet))
            if not len(rows):
                continue
            controls, blend = _model(text, feet)
            care = rng.uniform(0, 0.09, len(rows)) * hand[rows]
            moved = controls + care[:, None, None] * rng.normal(size=(len(rows), *controls.shape))
            points[rows] = blend @ moved
    return inked(_leaning(points, hand, rng), rng)


def _model(text: str, feet: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return control points (k, 2) of a path, and each step's share of them, (STEPS, k)."""
    points, strokes = parsed(text)
    parts = [np.concatenate([_shares(line, len(points)) for line in lines]) for lines in strokes]
    if feet:
        points, parts = _with_feet(points, strokes, parts)
    lengths = [np.r_[0, np.hypot(*np.diff(p @ points, axis=0).T).cumsum()] for p in parts]
    ends = np.rint(np.cumsum([one[-1] for one in lengths]) * STEPS / sum(o[-1] for o in lengths))
    blend, start = [], 0
    for part, length, end in zip(parts, lengths, ends.astype(int), strict=True):
        places = np.linspace(0, length[-1], end - start)
        blend.append(part[np.searchsorted(length, places).clip(0, len(part) - 1)])
        start = end
    return points, np.concatenate(blend)


def _shares(line: list[int], points: int) -> np.ndarray:
    """Return float64 (n, points): the places along a smooth line as shares of all the points."""
    own = curve(list(range(len(line))))  # which holds 14 a line
    shares = np.zeros((len(own), points))
    shares[:, line] = own[:, : len(line)]
    return shares


def _with_feet(points: np.ndarray, strokes: list, parts: list) -> tuple[np.ndarray, list]:
    """Add a short bar, a serif, at every end and corner that stands on the top or the base line."""
    ends = {i for lines in strokes for line in lines for i in (line[0], line[-1])}
    low, high = points[:, 1].min(), points[:, 1].max()
    ends = [i for i in sorted(ends) if points[i, 1] < low + 0.05 or points[i, 1] > high - 0.05]
    parts = [np.pad(part, ((0, 0), (0, 2 * len(ends)))) for part in parts]
    share, bars = np.linspace(0, 1, 20), []
    for n, i in enumerate(ends):
        bar = np.zeros((20, len(points) + 2 * len(ends)))
        bar[:, len(points) + 2 * n], bar[:, len(points) + 2 * n + 1] = 1 - share, share
        parts.append(bar)
        bars += [points[i] - (0.13, 0), points[i] + (0.13, 0)]
    return np.concatenate([points, np.array(bars).reshape(-1, 2)]), parts


def _leaning(points: np.ndarray, hand: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return paths wider or narrower, slanted, bent and turned; printed ones less, and straight."""
    n = len(points)
    much = np.where(hand, 1.0, 0.25)[:, None]
    x, y = np.moveaxis(points - points.mean(axis=1, keepdims=True), 2, 0)
    x = x * np.exp(rng.uniform(-0.4, 0.4, (n, 1)))
    bow = rng.uniform(-0.3, 0.3, (4, n, 1)) * hand[:, None]
    x, y = x + bow[0] * y * y + bow[1] * x * y, y + bow[2] * x * x + bow[3] * x * y
    italic = np.where(~hand & (rng.random(n) < 0.3), rng.uniform(0.15, 0.3, n), 0)[:, None]
    x = x - y * (rng.uniform(-0.35, 0.55, (n, 1)) * hand[:, None] + italic)
    angle = rng.uniform(-0.25, 0.25, (n, 1)) * much * hand[:, None]
    return np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y],
                    axis=2)  # fmt: skip


def inked(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 (n, 28, 28) of paths (n, steps, 2), by pens of all widths, some of them nibs.

    A nib is thinner where it goes one way than where it goes across: print has such lines.
    """
    n = len(points)
    points = points - points.min(axis=1, keepdims=True)
    points = points / np.maximum(points.max(axis=(1, 2), keepdims=True), 1e-6)
    ways = np.diff(points, axis=1, append=points[:, -1:])
    along = np.abs(np.cos(np.arctan2(ways[..., 1], ways[..., 0]) - rng.uniform(-0.4, 0.4, (n, 1))))
    contrast = rng.uniform(0, 0.6, (n, 1)) * (rng.random((n, 1)) < 0.4)
    pens = rng.uniform(*PENS, (n, 1)) * (1 - contrast * along)
    made = [
        centred(drawn(*fitted(points[i : i + 500], np.maximum(pens[i : i + 500], 0.5))))
        for i in range(0, n, 500)
    ]
    return np.concatenate(made)


def _stroke(path: np.ndarray, steps: int) -> np.ndarray:
    """Return the path (k, 2) at so many even steps along it."""
    length = np.r_[0, np.hypot(*np.diff(path, axis=0).T).cumsum()]
    places = np.linspace(0, length[-1], steps)
    return np.stack([np.interp(places, length, one) for one in path.T], axis=1)


def _corners(rng: np.random.Generator) -> np.ndarray:
    """Straight lines between places by lot."""
    return rng.uniform(0, 1, (rng.integers(4, 10), 2))


def _curl(rng: np.random.Generator) -> np.ndarray:
    """A pen that goes on and turns, its turning itself wandering."""
    n = rng.integers(50, 130)
    turning = np.cumsum(rng.normal(0, 0.12, n)) + rng.normal(0, 0.15)
    heading = rng.uniform(0, 7) + np.cumsum(np.clip(turning, -0.6, 0.6))
    return np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) / 12


def _waves(rng: np.random.Generator) -> np.ndarray:
    """A saw or a wave across the sheet."""
    n, high = rng.integers(4, 10), rng.uniform(0.2, 1.2)
    t = np.arange(n + 1) if rng.random() < 0.5 else np.linspace(0, n, 12 * n)
    y = high / 2 * np.cos(np.pi * t) * np.linspace(1, rng.uniform(0.3, 1.7), len(t))
    return _turned(np.stack([t / n, y], axis=1), rng)


def _coil(rng: np.random.Generator) -> np.ndarray:
    """A spiral, or a row of loops."""
    t = np.linspace(0, 2 * np.pi * rng.uniform(1.6, 4), 160)
    if rng.random() < 0.5:
        r = rng.uniform(0, 0.2) + t / t[-1]
        return _turned(np.stack([r * np.cos(t), r * np.sin(t)], axis=1), rng)
    step = rng.uniform(0.03, 0.12) * t
    return _turned(np.stack([step + 0.4 * np.cos(t), 0.5 * np.sin(t)], axis=1), rng)


def _knot(rng: np.random.Generator) -> np.ndarray:
    """A closed curve of two swings (Lissajous), none of them a 0 or an 8."""
    t = np.linspace(0, 2 * np.pi, 160)
    a, b = KNOTS[int(rng.integers(len(KNOTS)))]
    return _turned(np.stack([np.sin(a * t + rng.uniform(0, 3)), np.sin(b * t)], axis=1) * 0.5, rng)


def _arc(rng: np.random.Generator) -> np.ndarray:
    """A part of an ellipse."""
    t = np.linspace(0, rng.uniform(1, 5.5), 40)
    return _turned(np.stack([np.cos(t), rng.uniform(0.4, 1) * np.sin(t)], axis=1) / 2, rng)


def _turned(path: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    c, s = np.cos(angle := rng.uniform(0, 2 * np.pi)), np.sin(angle)
    return path @ np.array([[c, -s], [s, c]])


def wanderings(
    makers: Sequence[Callable], strokes: tuple[int, int], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return uint8 (count, 28, 28): so many strokes each, at least and at most, side by side."""
    points = np.empty((count, STEPS, 2))
    for one in points:
        n = rng.integers(strokes[0], strokes[1] + 1)
        places = np.linspace(0, STEPS, n + 1).astype(int)
        for start, end in zip(places, places[1:], strict=False):
            path = makers[int(rng.integers(len(makers)))](rng)
            path = path * rng.uniform(0.6, 1.3, 2) + rng.uniform(-0.4, 0.4, 2)
            one[start:end] = _stroke(path, end - start)
    return inked(points, rng)


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Return (28, 28) in [0, 1]: even, a gradient, stripes, checks or clouds."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    base, depth, waves = rng.uniform(0.3, 1), rng.uniform(0, 0.7), rng.uniform(3, 40)
    kind = rng.integers(5)
    if kind == 0:
        made = np.full_like(x, base)
    elif kind == 1:
        made = base + 2 * depth * along
    elif kind == 2:
        made = base - depth * (np.sin(waves * along + rng.uniform(0, 6)) > 0)
    elif kind == 3:
        made = base - depth * (np.sin(waves * along) * np.sin(waves * across) > 0)
    else:
        swings = rng.uniform(-12, 12, (3, 2))
        made = base + depth / 2 * sum(np.sin(a * x + b * y + a) for a, b in swings)
    return np.clip(made + rng.normal(0, rng.uniform(0, 0.12), x.shape), 0.04, 1)


def silhouette(rng: np.random.Generator) -> np.ndarray:
    """Return a mask (28, 28): an outline by lot, the same on both sides of its axis or not."""
    y = np.arange(SIDE)
    top, high = rng.integers(0, 9), rng.integers(12, 29)
    knots = np.linspace(top, min(top + high, SIDE) - 1, rng.integers(3, 8))
    sides = [np.interp(y, knots, rng.uniform(1, 14, len(knots))) for _ in range(2)]
    if rng.random() < 0.6:
        sides[1] = sides[0]
    middle = 13.5 + np.interp(y, [0, 27], rng.normal(0, 1.5, 2))
    x = np.arange(SIDE) - middle[:, None]
    mask = (x > -sides[0][:, None]) & (x < sides[1][:, None])
    if rng.random() < 0.3:  # a notch from below
        start, wide = rng.integers(6, 24), rng.uniform(0.5, 4)
        mask &= ~((np.abs(x) < wide) & (y[:, None] > start))
    mask[:top], mask[top + high :] = False, False
    turned = int(rng.integers(4)) if rng.random() < 0.5 else 0
    return np.rot90(mask, turned)


def figure(rng: np.random.Generator) -> np.ndarray:
    """Return a mask (28, 28): boxes, ellipses and wedges over one another, some cut out again."""
    y, x = np.mgrid[:SIDE, :SIDE] - 13.5
    mask = np.zeros((SIDE, SIDE), bool)
    for n in range(rng.integers(1, 6)):
        cx, cy = rng.uniform(-7, 7, 2)
        w, h = rng.uniform(2, 13, 2)
        angle = rng.choice([0, rng.uniform(0, np.pi)])
        u = np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)
        v = np.cos(angle) * (y - cy) - np.sin(angle) * (x - cx)
        kind = rng.integers(3)
        if kind == 0:
            part = (np.abs(u) < w) & (np.abs(v) < h)
        elif kind == 1:
            part = (u / w) ** 2 + (v / h) ** 2 < 1
        else:
            part = (np.abs(v) < h) & (np.abs(u) < w * (h + v) / (2 * h))
        mask = mask & ~part if n and rng.random() < 0.3 else mask | part
    return mask


def things(outline: Callable | None, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 (count, 28, 28): textured inside an outline, or all over where that is None."""
    made = np.zeros((count, SIDE, SIDE))
    for one in made:
        while np.ptp(one) < 0.1:
            if outline is None:
                one[:] = _texture(rng)
                continue
            mask = outline(rng)
            one[:] = _texture(rng) * mask
            if rng.random() < 0.4:  # a part of it is of other stuff
                one[:] = np.where(outline(rng) & mask, _texture(rng), one)
    made /= made.max(axis=(1, 2), keepdims=True) ** rng.integers(0, 2, (count, 1, 1))
    return np.rint(made * 255).astype(np.uint8)


WANDERINGS: dict[str, tuple[tuple[Callable, ...], tuple[int, int]]] = {
    "corners": ((_corners,), (1, 3)),
    "curls": ((_curl,), (1, 3)),
    "waves": ((_waves,), (1, 2)),
    "coils": ((_coil,), (1, 2)),
    "knots": ((_knot,), (1, 2)),
    "arcs and lines": ((_arc, _arc, _corners), (2, 5)),
    "doodles": ((_corners, _curl, _waves, _coil, _knot, _arc), (2, 4)),
}
THINGS: dict[str, Callable | None] = {
    "silhouettes": silhouette,
    "figures": figure,
    "textures": None,
}
