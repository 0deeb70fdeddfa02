"""Synthetic digits: written here by stroke models of many hands, the same bytes on every machine.

Nothing but PCG64's raw bits, whole numbers and the operations IEEE 754 rounds exactly (+ - * /
and the square root, one NumPy loop each) stands between the seed and the pixels: no sine, no
float sum whose order a machine may choose, and none of NumPy's distributions, whose streams may
change between versions.
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
STEPS = 96  # points of a path: 0.75 pixels apart at most in half of them, for thin pens as well
MAX_IMAGES = 1_000_000  # 784 MB

# The ways people write each digit: (weight, path, path), and every hand of that way lies
# somewhere between the two. Points on a grid of hundredths of a digit's height, x to the right
# and y down, are joined by a smooth curve; "*" makes a corner, "/" lifts the pen. The weights
# are those of MNIST; ways of weight 0 are taught elsewhere, as in continental Europe.
# fmt: off
WAYS = (
    (  # 0
        (5, "40,0 6,22 4,76 36,100 70,76 68,22 38,0",
            "56,6 14,10 0,64 30,100 66,74 66,22 30,6"),
        (1, "40,0 14,12 0,48 8,86 34,100 62,88 74,52 64,14 38,0",
            "60,2 26,2 2,40 4,84 34,100 66,84 72,44 56,8 30,16"),
        (1, "50,0 10,20 0,70 40,100 84,80 92,30 50,0",
            "70,0 20,24 -10,74 26,100 80,74 104,26 74,0"),
        (1.5, "70,-6 40,2 8,24 0,62 16,96 48,98 72,64 66,24 40,4 22,14",
            "30,-8 34,6 6,26 2,66 20,98 52,96 72,60 64,20 44,2 24,4"),
        (1, "30,6 6,28 0,62 22,98 54,92 72,56 62,16 38,2 30,22 44,34",
            "26,4 4,30 0,66 24,100 56,92 72,56 62,16 36,4 16,18 30,30"),
        (1, "46,4 18,8 0,44 4,86 34,100 64,84 72,44 62,8 50,16",
            "20,4 2,30 0,70 24,100 56,94 72,62 66,26 48,4 34,6"),
        (0, "40,0 12,14 0,48 8,84 34,100 60,86 70,50 60,14 38,0 / 66,2 36,50 4,98",
            "40,0 12,14 0,48 8,84 34,100 60,86 70,50 60,14 38,0 / 80,-8 36,48 -8,106"),
        (0, "44,4 18,10 0,44 4,84 30,100 58,88 70,56 66,24 46,2 34,12 32,24",
            "36,6 14,14 0,48 6,86 34,100 62,86 72,52 62,16 40,-6 24,4 36,16"),
    ),
    (  # 1
        (14, "2,0 1,33 0,66 0,100", "10,0 2,30 0,66 4,100"),
        (2, "0,18 10,10 18,0* 19,33 20,66 20,100", "-14,44 4,24 20,0* 20,33 20,66 20,100"),
        (1.5, "0,20 12,10 22,0* 23,33 24,66 24,100 / -4,100 24,100 52,99",
              "-8,34 6,18 24,0* 24,33 24,66 24,100 / -14,98 24,100 60,98"),
        (0.3, "20,0 20,33 20,66 20,100 / 0,100 20,100 40,99",
              "20,0 20,33 20,66 20,100 / -16,100 20,99 56,98"),
        (0, "0,36 14,18 28,0* 27,33 26,66 25,100",
            "-14,62 12,32 36,0* 34,33 30,66 28,100"),
        (0, "0,26 18,16 36,2* 32,35 28,68 22,100",
            "-10,20 14,12 38,4* 33,36 26,68 18,100"),
        (0, "0,34 16,17 32,0* 32,33 32,66 32,100 / 2,100 30,99 60,100",
            "-16,52 10,24 34,0* 33,33 32,66 32,100 / -6,102 32,100 70,97"),
    ),
    (  # 2
        (3, "4,20 18,2 42,0 62,18 54,44 28,72 0,98* 24,97 48,97 74,96",
            "0,26 20,4 50,0 72,20 60,46 32,70 0,92* 30,94 62,98 96,98"),
        (3, "4,20 20,2 46,0 62,20 52,50 28,80 8,97 -2,86 12,76 36,86 58,97 84,94",
            "6,18 24,2 50,2 64,24 54,56 32,88 8,100 -8,86 8,68 38,80 64,96 96,86"),
        (2, "4,16 22,2 46,2 60,20 52,44 30,68 6,88 8,98 30,98 52,97 80,94",
            "0,24 18,4 44,0 62,16 56,44 30,74 2,92 10,86 34,88 58,98 88,92"),
        (1, "0,8 26,2 50,2 64,8 44,42 22,70 0,96* 26,92 50,97 78,96",
            "0,16 26,0 54,0 66,14 46,40 24,64 0,88* 34,90 64,94 96,98"),
        (1, "18,32 4,22 14,4 42,0 62,20 52,48 26,78 0,96* 28,92 56,98 84,92",
            "26,26 8,30 8,8 38,-2 64,16 56,46 28,76 0,98* 26,96 54,98 84,98"),
        (4, "4,26 10,6 36,-2 62,12 60,40 38,74 12,94 -4,86 6,70 30,74 50,90 74,98",
            "0,24 14,0 44,-2 64,20 56,52 32,86 4,100 -10,84 6,62 34,66 54,88 66,108"),
    ),
    (  # 3
        (4, "4,12 24,0 50,6 54,26 40,42 18,48* 46,50 64,68 56,92 28,100 0,90",
            "0,18 26,0 60,4 68,26 48,40 24,46* 56,48 76,70 60,96 28,102 -6,88"),
        (3, "6,10 30,0 54,10 48,34 30,46 22,50 34,50 58,60 62,84 34,100 2,92",
            "0,14 26,-2 56,8 50,34 28,50 16,44 32,42 60,56 66,82 34,102 -6,84"),
        (1, "4,4 32,2 60,0* 44,20 26,40* 50,46 66,68 54,94 28,100 0,92",
            "0,0 30,-2 66,2* 46,24 22,44* 54,46 70,70 54,96 26,100 -2,86"),
        (2, "6,8 30,0 54,10 54,30 42,46* 56,58 62,80 44,98 18,100 0,90",
            "0,14 24,0 48,8 52,28 36,44* 50,54 58,80 42,100 12,98 -10,82"),
        (1, "10,24 4,8 28,0 54,8 52,32 28,48* 54,52 64,76 44,100 12,98 4,82 16,78",
            "2,22 6,4 32,-2 58,10 52,34 30,46* 56,52 66,76 46,100 14,100 0,88 2,78"),
        (1.5, "0,6 30,0 58,4 44,26 24,42* 44,48 58,60 44,84 8,104",
              "0,16 22,0 46,6 44,28 24,44* 46,50 54,70 36,92 -4,104"),
        (0, "0,10 20,0 44,6 44,28 24,44 16,42 24,42 48,54 54,78 34,100 0,90",
            "0,6 22,-2 46,8 40,30 22,42 20,44 30,46 54,60 54,84 26,102 -8,90"),
    ),
    (  # 4
        (4, "10,0 6,26 0,54* 22,54 46,52 70,50 / 56,6 54,38 50,70 46,100",
            "6,0 4,24 0,46* 28,48 56,48 90,46 / 62,-10 60,28 56,62 54,100"),
        (3, "6,2 0,28 8,48 30,50 54,42 / 62,0 58,34 54,66 48,100",
            "0,0 2,30 14,46 40,44 58,34 / 64,-6 60,30 52,66 44,104"),
        (1.5, "46,0 22,32 0,64* 24,64 48,63 74,62 / 48,0 47,33 46,66 46,100",
              "54,4 24,28 -6,58* 28,60 58,60 96,60 / 54,0 54,33 54,66 54,100"),
        (2, "8,0 2,26 6,48 28,52 52,44 60,10* 56,40 52,70 48,100",
            "4,6 -2,34 14,54 40,48 56,28 66,-4* 58,34 50,70 42,104"),
        (1, "4,10 2,30 0,58* 24,54 48,52 72,50 / 62,0 60,32 58,66 56,100",
            "0,0 0,32 2,60* 24,56 50,54 80,52 / 60,10 60,40 60,70 60,100"),
        (1.5, "16,0 8,28 0,58* 26,56 52,54 82,50 / 44,26 42,50 38,76 34,100",
              "20,0 8,24 -4,50* 28,50 60,50 96,46 / 46,10 42,40 38,70 34,100"),
        (0, "20,0 9,28 2,56* 20,60 38,58 58,55 / 40,36 38,57 36,78 34,100",
            "30,0 12,28 -2,58* 24,62 48,60 72,56 / 48,18 44,44 40,72 36,100"),
        (0, "16,0 8,30 4,58 18,64 38,58 54,50 / 48,34 44,56 40,78 36,100",
            "26,0 10,26 2,52 14,62 40,58 66,46 / 52,24 48,50 44,76 38,100"),
    ),
    (  # 5
        (4.5, "12,0 10,20 8,42* 32,36 58,50 60,78 36,98 4,94 / 12,2 36,1 66,0",
            "22,6 16,24 10,44* 36,38 56,56 50,84 24,100 -12,92 / 22,4 60,0 100,-4"),
        (3, "62,0 38,2 14,4* 10,22 8,42* 36,38 58,54 56,84 28,100 0,92",
            "92,-4 58,2 24,6* 16,24 8,44* 34,38 52,56 46,84 20,100 -12,90"),
        (2, "66,2 30,2 12,20 22,40 46,54 54,76 34,98 0,94",
            "84,0 40,2 14,16 22,36 44,52 44,78 20,98 -14,86"),
        (2, "14,0 8,24 14,42 38,40 60,58 56,84 30,100 0,90 / 14,0 40,0 72,-2",
            "20,0 4,26 18,40 44,42 60,62 50,90 22,100 2,84 / 20,2 44,-4 70,-2"),
        (1.5, "16,10 12,24 8,40* 34,30 64,46 66,80 36,100 2,94 / 18,8 34,4 54,0",
              "22,0 14,16 4,34* 34,28 68,44 68,82 34,100 -4,88 / 22,0 46,2 70,0"),
        (0.7, "44,0 24,4 14,22 22,38 40,56 36,82 16,100 0,96",
              "60,8 32,0 12,18 26,38 50,54 50,84 22,100 0,86"),
        (1, "58,0 34,2 14,6* 12,24 10,42* 36,36 60,52 60,82 32,100 4,88 2,72",
            "80,-4 52,2 24,8* 16,26 8,46* 32,36 56,50 54,82 26,100 0,90 -2,78"),
        (0, "14,6 10,24 6,44* 30,36 54,48 58,76 36,98 2,92 / 14,4 40,2 72,0",
            "24,10 14,26 4,42* 32,34 58,48 56,80 28,100 -6,92 / 34,2 60,-2 90,-6"),
    ),
    (  # 6
        (4, "46,0 20,24 3,58 8,90 30,100 52,88 54,66 34,56 6,74",
            "30,0 12,30 0,62 8,92 36,102 64,88 62,64 38,56 10,78"),
        (3, "36,0 16,34 2,70 14,98 38,96 50,76 38,62 18,70 6,86",
            "10,0 4,32 0,66 10,96 40,100 64,80 54,58 28,60 6,80"),
        (1, "58,6 44,0 20,22 4,56 6,88 28,100 52,90 54,68 36,58 8,78",
            "66,12 50,-2 24,14 2,50 4,86 30,102 58,88 58,62 36,54 12,70"),
        (2, "24,0 8,34 2,70 18,98 48,96 64,74 50,60 30,70 26,80",
            "14,0 4,34 0,68 14,98 46,100 72,78 62,60 40,66 36,80"),
        (1.2, "40,0 14,24 0,62 12,94 44,100 70,82 62,60 38,58 16,70",
              "64,6 28,16 2,52 8,90 46,100 80,82 72,58 44,56 20,72"),
        (1, "20,0 8,40 0,80* 20,98 50,94 60,72 44,58 20,66 2,84",
            "14,0 4,40 0,88* 22,98 56,96 68,76 54,60 28,66 4,86"),
    ),
    (  # 7
        (4, "0,6 22,4 42,2 62,0* 46,32 32,66 22,100",
            "0,4 28,2 52,0 80,2* 60,34 46,68 36,100"),
        (2, "0,20 2,4* 22,4 42,3 62,2* 46,34 32,66 24,100",
            "-2,30 4,6* 26,6 48,4 70,2* 58,34 48,66 40,100"),
        (2, "0,8 24,2 54,2 60,12 48,40 34,68 24,100",
            "-2,16 16,2 48,-2 70,14 64,42 50,70 38,100"),
        (1.6, "0,6 22,4 42,2 62,0* 46,32 32,66 22,100 / 12,54 34,50 58,48",
              "-4,14 20,2 46,6 72,0* 56,32 42,66 30,100 / 12,60 42,54 78,50"),
        (1.5, "2,36 6,10 26,4 50,2 64,8 58,40 50,70 44,100",
              "-4,26 12,4 34,8 52,2 66,6 52,38 36,68 24,100"),
        (1, "0,14 26,8 50,4 70,0* 58,26 44,44 40,70 40,100",
            "0,6 26,4 54,2 76,0* 56,24 40,48 32,74 30,100"),
        (1, "0,20 2,6* 24,4 44,3 62,2* 46,34 32,66 24,100 / 8,54 32,52 60,50",
            "-4,22 8,6* 26,6 48,8 62,4* 52,34 44,66 40,100 / 14,56 46,52 80,44"),
        (0, "0,18 4,2* 30,4 60,2* 50,32 38,64 28,100 / 10,54 36,50 62,48",
            "2,26 -2,4* 28,6 62,0* 44,34 28,68 16,100 / 0,60 34,52 72,44"),
        (0, "0,18 6,4 30,4 58,6 52,32 38,64 28,100 / 12,52 38,50 64,48",
            "-4,24 4,6 30,12 60,0 50,34 32,68 20,100 / 4,60 36,54 72,46"),
    ),
    (  # 8
        (4, "54,12 32,0 10,10 14,32 40,50 58,74 44,98 14,98 2,78 18,54 42,38 56,18 50,6",
            "62,8 40,0 16,12 18,34 36,50 48,72 36,98 10,98 2,80 18,56 44,38 64,20 60,6"),
        (2, "30,0 8,12 12,36 34,48 56,34 52,10 30,0 / 32,48 4,62 6,92 32,100 58,90 58,62 32,48",
            "32,0 4,12 8,38 34,50 60,36 58,10 32,0 / 34,50 10,64 12,94 34,100 54,92 54,64 34,50"),
        (2.5, "60,6 34,2 14,16 20,36 44,54 52,80 32,100 8,86 16,60 40,40 64,10",
              "52,14 30,0 8,16 22,38 46,56 50,84 26,100 4,84 18,60 44,40 74,4"),
        (1, "26,48 8,24 28,0 52,16 36,46 8,68 10,96 40,100 54,76 36,52 18,40",
            "30,50 14,26 36,0 60,16 40,46 6,70 6,96 34,100 50,80 40,56 22,40"),
        (1.5, "56,16 36,0 12,10 18,34 38,54 40,80 26,100 14,92 18,70 36,46 58,30",
              "44,4 30,0 22,14 32,34 52,56 58,84 34,100 6,90 10,64 30,44 46,20"),
        (1.5, "62,10 44,0 24,10 24,32 38,52 34,78 14,100 2,92 10,70 34,50 58,32 66,16",
              "58,20 50,0 24,4 12,24 30,46 42,66 30,94 6,100 6,78 28,56 52,40 60,10"),
        (1.2, "76,-14 66,16 40,40 14,60 6,84 26,100 46,84 36,58 14,36 14,14 40,6 64,12",
              "60,0 52,24 34,44 14,64 10,88 30,100 48,86 40,62 20,40 14,16 34,2 58,10"),
        (1, "60,14 40,0 8,12 0,28 20,44 44,58 56,80 46,100 28,94 26,74 40,52 60,34",
            "66,26 40,8 6,6 -6,22 14,40 40,60 52,84 44,100 28,92 24,72 36,52 60,36"),
        (0, "44,14 24,2 8,18 28,46 44,74 24,100 4,82 22,52 50,4",
            "40,22 22,8 12,24 32,50 40,80 20,100 4,82 22,50 54,-4"),
    ),
    (  # 9
        (4, "54,14 34,0 8,10 4,36 26,46 48,30 56,6* 54,36 52,68 48,100",
            "58,10 34,0 6,14 0,38 24,48 48,34 60,8* 52,38 40,70 26,100"),
        (1.5, "54,14 32,0 6,12 4,38 26,46 50,30 56,8* 56,42 50,76 30,98 4,94",
              "56,12 34,0 8,10 2,34 24,46 48,32 58,8* 58,42 54,76 38,98 14,88"),
        (3, "52,18 34,2 10,12 2,38 22,48 46,30 54,14 44,44 32,72 22,100",
            "56,26 44,2 14,8 0,34 20,46 50,28 58,20 54,48 50,74 48,100"),
        (2, "44,2 18,6 0,30 12,48 40,40 58,4* 54,36 48,68 42,100",
            "36,0 10,12 0,36 18,48 44,32 54,2* 54,34 52,68 52,100"),
        (1.5, "50,8 36,0 20,6 16,20 30,28 46,18 52,6* 48,36 42,68 36,100",
              "46,6 28,0 10,6 8,26 24,34 42,22 50,4* 46,36 40,68 32,100"),
        (1, "60,20 38,0 8,10 -4,36 18,56 52,42 64,12* 60,42 56,72 52,100",
            "58,16 36,0 4,12 -4,42 22,58 54,44 62,8* 58,40 50,72 44,100"),
        (1.5, "60,0 30,4 4,24 6,42 30,42 54,22 60,2* 54,34 46,66 40,100",
              "46,0 22,8 0,32 10,46 34,38 54,18 60,6* 56,36 52,68 52,100"),
        (1, "62,4 40,0 16,10 12,30 28,42 46,36 58,26* 54,46 46,74 40,100",
            "66,8 44,-2 14,8 4,30 22,44 44,36 60,20* 54,44 48,72 46,100"),
        (0, "54,14 34,0 10,10 6,32 26,44 48,32 56,8* 56,40 54,74 38,100 10,98 0,84",
            "50,12 30,0 12,12 12,30 28,38 44,28 52,8* 62,40 60,80 34,104 0,98 -10,86"),
        (0, "48,16 34,2 14,8 12,28 30,36 46,26 52,12 58,44 58,78 38,100 4,98",
            "44,10 28,2 12,14 16,32 34,34 46,20 46,6 60,40 58,78 30,100 -12,92"),
        (0, "44,12 26,4 10,16 16,32 34,30 44,14 46,8* 60,34 60,70 34,98 -4,100",
            "40,10 24,4 12,14 18,26 32,24 40,14 44,6* 66,34 64,74 30,100 -14,94"),
    ),
)
# fmt: on

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
_CONTROLS = 14  # control points of a way, at most
_COLUMNS = 2 + len(_EVEN) + len(_NEAR) + 2 * _CONTROLS
_PIECE = 500  # images at a time: fits the cache, and is a whole number of tens


def digits(n: int = 12_000, seed: int = 0, *, every_way: bool = False) -> Dataset:
    """Return `n` synthetic handwritten digits as uint8 (n, 28, 28), framed as MNIST's are.

    Light ink on 0, longest side 20 pixels, strongest pixel 255, centre of mass within pixel
    (14, 14) by a shift of whole pixels (LeCun et al. 1998, III.A), unless that would cut ink: then
    at the border, as `drawing.to_image` does it. From the first on, every ten images hold each
    digit once, in random order. The first m are those of `digits(m, seed)`; image i is drawn
    along path i of `strokes(n, seed)`. `every_way`: all ways of writing a digit as often, those
    included that are rare where MNIST was written; by default they come by their weights. Raises
    ConfigError unless n is a whole number from 1 to 1,000,000 and seed one from 0.
    """
    n, seed = _checked(n, seed)
    images, labels = np.empty((n, SIZE, SIZE), np.uint8), np.empty(n, np.uint8)
    for rows, hands in _pieces(n, seed, every_way):
        images[rows] = _centred(_drawn(*_fitted(_paths(hands), _pens(hands))))
        labels[rows] = hands.labels
    return Dataset(images, labels, classes=10, name="digits")


def strokes(
    n: int = 12_000, seed: int = 0, *, every_way: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (points, down, labels): the paths along which `digits` of these arguments are inked.

    points: float32 (n, 96, 2), x to the right and y down; the box of each path begins at 0 and
    its longer side is 1. down: bool (n, 96), whether the pen drew its way here from the point
    before: False at the first point of every stroke. labels: uint8 (n,). Raises ConfigError as
    `digits` does.
    """
    n, seed = _checked(n, seed)
    points, down = np.empty((n, STEPS, 2), np.float32), np.empty((n, STEPS), bool)
    labels = np.empty(n, np.uint8)
    for rows, hands in _pieces(n, seed, every_way):
        points[rows] = _paths(hands)
        down[rows], labels[rows] = _models().down[hands.ways], hands.labels
    return points, down, labels


def _checked(n: int, seed: int) -> tuple[int, int]:
    for name, value, low, high in (("n", n, 1, MAX_IMAGES), ("seed", seed, 0, None)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < low or (high is not None and value > high):
            end = "" if high is None else f" to {high:,}"
            raise ConfigError(f"{name} is {value!r}: give a whole number from {low}{end}")
    return int(n), int(seed)


class _Hands(NamedTuple):
    """All that chance decides about n images."""

    labels: np.ndarray  # uint8 (n,)
    ways: np.ndarray  # intp (n,)
    traits: dict[str, np.ndarray]  # float64 (n, 1) in [-1, 1)
    wobble: np.ndarray  # float64 (n, _CONTROLS, 2) in (-1, 1)


def _pieces(n: int, seed: int, every_way: bool = False) -> Iterator[tuple[slice, _Hands]]:
    """Yield (rows, hands) until there are n, each image from a row of bits of its own."""
    source = np.random.PCG64(np.random.SeedSequence(seed))
    for start in range(0, n, _PIECE):
        count = min(_PIECE, n - start)
        bits = source.random_raw((-(-count // 10) * 10, _COLUMNS))  # whole tens, to shuffle them
        yield slice(start, start + count), _hands(bits, count, every_way)


def _hands(bits: np.ndarray, count: int, every_way: bool) -> _Hands:
    """Return the first `count` hands that uint64 (rows, _COLUMNS) stand for."""
    labels = np.argsort(bits[:, 0].reshape(-1, 10), axis=1, kind="stable").reshape(-1)[:count]
    bits = bits[:count]
    even, near = 2 + len(_EVEN), 2 + len(_EVEN) + len(_NEAR)
    values = np.concatenate([_even(bits[:, 2:even]), _near(bits[:, even:near])], axis=1)
    traits = {name: values[:, i, None] for i, name in enumerate(_EVEN + _NEAR)}
    wobble = _near(bits[:, near:]).reshape(count, _CONTROLS, 2)
    ways = _chosen(labels, _even(bits[:, 1]), every_way)
    return _Hands(labels.astype(np.uint8), ways, traits, wobble)


def _even(bits: np.ndarray) -> np.ndarray:
    """Return float64 in [-1, 1), each value as likely as the other."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1


def _near(bits: np.ndarray) -> np.ndarray:
    """Return float64 in [-1, 1), those near 0 likelier: the mean of two even chances.

    Bounded, unlike the normal distribution, whose rare extremes nobody could read.
    """
    halves = (bits >> np.uint64(32)) + (bits & np.uint64(0xFFFFFFFF))
    return halves.astype(np.float64) * 2.0**-32 - 1


def _chosen(labels: np.ndarray, even: np.ndarray, every_way: bool) -> np.ndarray:
    """Return intp (n,): the way each digit is written, by the ways' weights or all as often."""
    models = _models()
    upto = models.upto[int(every_way)]
    ways = models.first[labels]
    for _ in range(max(map(len, WAYS)) - 1):
        ways += even >= upto[ways]
    return ways


class _Models(NamedTuple):
    """The w ways as arrays."""

    controls: np.ndarray  # float64 (2, w, _CONTROLS, 2): one end, and from there to the other
    blend: np.ndarray  # float64 (_CONTROLS, w, STEPS): share of each control point in each step
    down: np.ndarray  # bool (w, STEPS): whether the pen drew its way here
    first: np.ndarray  # intp (10,): where the ways of each digit begin
    upto: np.ndarray  # float64 (2, w): a way is taken by even chances below it, ending at 1


@cache
def _models() -> _Models:
    """Return WAYS ready for use."""
    ways = [way for group in WAYS for way in group]
    controls = np.zeros((2, len(ways), _CONTROLS, 2))
    blend, down = np.zeros((_CONTROLS, len(ways), STEPS)), np.zeros((len(ways), STEPS), bool)
    for w, (_, *paths) in enumerate(ways):
        (here, lines), (there, _) = map(_parsed, paths)
        controls[0, w, : len(here)], controls[1, w, : len(here)] = here, there - here
        blend[:, w], down[w] = _sampled((here + there) / 2, lines)
    weights = [np.array([way[0] for way in group], float) for group in WAYS]
    upto = np.stack([_ranges(weights), _ranges([np.ones(len(w)) for w in weights])])
    first = np.cumsum([0, *map(len, WAYS[:-1])]).astype(np.intp)
    return _Models(controls, blend, down, first, upto)


def _ranges(weights: list[np.ndarray]) -> np.ndarray:
    """Return float64 (w,): up to where in [-1, 1] the even chances of each way reach."""
    return np.concatenate([2 * np.cumsum(w) / np.cumsum(w)[-1] - 1 for w in weights])


def _parsed(path: str) -> tuple[np.ndarray, list[list[list[int]]]]:
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
    """Return blend (_CONTROLS, STEPS) and down (STEPS,): steps evenly spaced along the ink."""
    dense = [np.concatenate([_curve(line) for line in lines]) for lines in strokes]
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


def _curve(line: list[int], places: int = 64) -> np.ndarray:
    """Return float64 (n, _CONTROLS): the places along a smooth line as shares of its points.

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
    rows = np.zeros((places * (len(line) - 1) + 1, _CONTROLS))
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


def _paths(hands: _Hands) -> np.ndarray:
    """Return float64 (n, STEPS, 2): the pen's way, its box from 0 and its longer side 1."""
    models, traits = _models(), hands.traits
    lean = (0.5 + 0.5 * traits["lean"])[..., None]
    care = (WOBBLE + WOBBLES * traits["care"])[..., None]
    controls = models.controls[0][hands.ways] + lean * models.controls[1][hands.ways]
    controls += care * hands.wobble
    x, y = np.zeros((2, len(controls), STEPS))
    for k in range(_CONTROLS):
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


def _pens(hands: _Hands) -> np.ndarray:
    """Return float64 (n, STEPS): half the width of the line at every step, in pixels."""
    t = hands.traits
    radius = PEN + PENS * t["pen"] + BLUNT * t["pen"] * t["pen"]
    radius *= np.array(BOLD, float)[hands.labels][:, None]
    along = np.arange(STEPS) / (STEPS - 1) - 0.5
    swell = 2 * (0.25 - along * along)
    return radius * (1 + PRESSURE * (t["rise"] * along + t["swell"] * swell))


def _fitted(points: np.ndarray, pens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both in float32 pixels: the ink's longer side SIDE, its box on whole pixels."""
    pens = pens / (SIDE - 2 * pens.max(axis=1, keepdims=True))
    low = (points - pens[..., None]).min(axis=1)
    span = (points + pens[..., None]).max(axis=1) - low
    scale = SIDE / span.max(axis=1, keepdims=True)
    margin = np.floor((SIZE - span * scale) * 0.5)
    points = (points - low[:, None]) * scale[:, None] + margin[:, None]
    return points.astype(np.float32), (pens * scale).astype(np.float32)


def _drawn(points: np.ndarray, pens: np.ndarray) -> np.ndarray:
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


def _centred(canvas: np.ndarray) -> np.ndarray:
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
