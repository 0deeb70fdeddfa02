"""Hands: what chance decides about every image, and the path and pen that come of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .models import CONTROLS, STEPS, all_models
from .ways import WAYS

# How far hands differ: half the range of an even chance about the middle, lengths as shares of a
# digit's height. Wider ranges teach more of MNIST and are harder to read (a wobble half as
# large again, quick training: 89.3 to 90.9 % of MNIST, 96.9 to 94.2 % of other such hands).
WIDTH, WIDTHS = 1.1, 0.35  # times the model's
SLANT, SLANTS = 0.12, 0.42  # x per height, to the right
WOBBLE, WOBBLES = 0.09, 0.045  # of each control point, by careful and careless hands
TAPER = 0.48  # width of the top against the bottom
MIDDLE = 0.43  # how high the waist sits
TILT = 0.1  # of the base line
BOW = 0.35  # of the upright, of the base line
SNAKE = 0.14  # the same with one bend more
TURN = 0.1  # tangent of half the angle
PEN, PENS, BLUNT = 1.2, 0.7, 0.25  # half a line's width, pixels; its range; its lean to wide
PRESSURE = 0.4  # by which it changes along the way
# Digits people write small look bold once they are enlarged. Measured: median ink of MNIST's
# training images over that of an even pen.
BOLD = (1.08, 1, 0.97, 0.97, 0.9, 0.98, 0.93, 1, 0.92, 0.88)

_EVEN = "lean care width taper middle tilt bow snake sag fan slant turn".split()
_NEAR = "pen rise swell".split()
_COLUMNS = 2 + len(_EVEN) + len(_NEAR) + 2 * CONTROLS
_PIECE = 500  # images at a time: fits the cache, and is a whole number of tens


class Hands(NamedTuple):
    """All that chance decides about n images."""

    labels: np.ndarray  # uint8 (n,)
    ways: np.ndarray  # intp (n,)
    traits: dict[str, np.ndarray]  # float64 (n, 1) in [-1, 1)
    wobble: np.ndarray  # float64 (n, CONTROLS, 2) in (-1, 1)


def pieces(n: int, seed: int, every_way: bool = False) -> Iterator[tuple[slice, Hands]]:
    """Yield (rows, hands) until there are n, each image from a row of bits of its own."""
    source = np.random.PCG64(np.random.SeedSequence(seed))
    for start in range(0, n, _PIECE):
        count = min(_PIECE, n - start)
        bits = source.random_raw((-(-count // 10) * 10, _COLUMNS))  # whole tens, to shuffle them
        yield slice(start, start + count), _hands(bits, count, every_way)


def _hands(bits: np.ndarray, count: int, every_way: bool) -> Hands:
    """Return the first `count` hands that uint64 (rows, _COLUMNS) stand for."""
    labels = np.argsort(bits[:, 0].reshape(-1, 10), axis=1, kind="stable").reshape(-1)[:count]
    bits = bits[:count]
    start, end = 2 + len(_EVEN), 2 + len(_EVEN) + len(_NEAR)
    even, near = even_chances(bits[:, 2:start]), near_chances(bits[:, start:end])
    traits = {
        name: values[:, None]
        for name, values in zip(_EVEN + _NEAR, (*even.T, *near.T), strict=True)
    }
    wobble = near_chances(bits[:, end:]).reshape(count, CONTROLS, 2)
    ways = _chosen(labels, even_chances(bits[:, 1]), every_way)
    return Hands(labels.astype(np.uint8), ways, traits, wobble)


def even_chances(bits: np.ndarray) -> np.ndarray:
    """Return float64 in [-1, 1), each value as likely as the other."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1


def near_chances(bits: np.ndarray) -> np.ndarray:
    """Return float64 in [-1, 1), those near 0 likelier: the mean of two even chances.

    Bounded, unlike the normal distribution, whose rare extremes nobody could read.
    """
    halves = (bits >> np.uint64(32)) + (bits & np.uint64(0xFFFFFFFF))
    return halves.astype(np.float64) * 2.0**-32 - 1


def _chosen(labels: np.ndarray, even: np.ndarray, every_way: bool) -> np.ndarray:
    """Return intp (n,): the way each digit is written, by the ways' weights or all as often."""
    models = all_models()
    upto = models.upto[int(every_way)]
    ways = models.first[labels]
    for _ in range(max(map(len, WAYS)) - 1):
        ways += even >= upto[ways]
    return ways


def paths_of(hands: Hands) -> np.ndarray:
    """Return float64 (n, STEPS, 2): the pen's way, its box from 0 and its longer side 1."""
    models, traits = all_models(), hands.traits
    lean = (0.5 + 0.5 * traits["lean"])[..., None]
    care = (WOBBLE + WOBBLES * traits["care"])[..., None]
    controls = models.controls[0][hands.ways] + lean * models.controls[1][hands.ways]
    controls += care * hands.wobble
    x, y = np.zeros((2, len(controls), STEPS))
    for k in range(CONTROLS):
        share = models.blend[k][hands.ways]
        x += share * controls[:, k, 0, None]
        y += share * controls[:, k, 1, None]
    points = np.stack(_bent(x - 0.33, y - 0.5, traits), axis=2)
    points -= points.min(axis=1, keepdims=True)
    return points / points.max(axis=(1, 2), keepdims=True)


def _bent(x: np.ndarray, y: np.ndarray, t: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y, (n, STEPS) about 0, after each hand's polynomials and a turn."""
    level = y
    y = y + MIDDLE * t["middle"] * (0.25 - y * y) + TILT * t["tilt"] * x
    x = x * (WIDTH + WIDTHS * t["width"] + TAPER * t["taper"] * level)
    x = x + BOW * t["bow"] * level * level + SNAKE * t["snake"] * (4 * level * level - 0.8) * level
    y = y + BOW * t["sag"] * x * x + SNAKE * t["fan"] * x * level
    x = x - (SLANT + SLANTS * t["slant"]) * y
    half = TURN * t["turn"]
    cosine, sine = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    return cosine * x - sine * y, sine * x + cosine * y


def pens_of(hands: Hands) -> np.ndarray:
    """Return float64 (n, STEPS): half the width of the line at every step, in pixels."""
    t = hands.traits
    radius = PEN + PENS * t["pen"] + BLUNT * t["pen"] * t["pen"]
    radius *= np.array(BOLD, float)[hands.labels][:, None]
    along = np.arange(STEPS) / (STEPS - 1) - 0.5
    swell = 2 * (0.25 - along * along)
    return radius * (1 + PRESSURE * (t["rise"] * along + t["swell"] * swell))
