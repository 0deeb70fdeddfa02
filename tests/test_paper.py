"""Paper: a desk, a scan's border and printed lines are no ink; what is written stays."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine.data import pen
from nnengine.data.framing import to_image
from nnengine.data.paper import writing

SIDE = 240
SEVEN = np.array([(85, 80), (150, 80), (110, 170)])


def sheet(grey: int = 235) -> np.ndarray:
    """A seven in dark ink on light paper with its grain, float (240, 240)."""
    ink = pen.draw([SEVEN], side_px=SIDE, pen_px=9) / 255
    grain = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE))
    return np.clip(grey + (30 - grey) * ink + grain * (ink == 0), 0, 255)


def around(what: str) -> np.ndarray:
    """The sheet with something that is no ink."""
    made = sheet()
    if "desk" in what:
        made[:, :30] = 70
    if what == "desk all round":
        made[:20], made[-20:], made[:, -25:] = 70, 70, 70
    if what == "border of a scan":
        made[:3], made[-3:], made[:, :3], made[:, -3:] = 0, 0, 0, 0
    if what == "margin line":
        made[:, 28:30] = 110
    if what == "cell of a form":
        made[45:47, 45:195] = made[193:195, 45:195] = 90
        made[45:195, 45:47] = made[45:195, 193:195] = 90
    if what == "red margin line":
        made = np.repeat(made[..., None], 3, axis=2)
        made[:, 28:30] = 220, 90, 90
    return made.astype(np.uint8)


@pytest.mark.parametrize(
    "what",
    [
        "desk on one side", "desk all round", "border of a scan", "margin line", "red margin line",
        "cell of a form",
    ],
)  # fmt: skip
def test_what_lies_around_the_paper_or_across_it_is_no_ink(what):
    plain, found = to_image(sheet().astype(np.uint8)), to_image(writing(around(what)))
    assert 25 > np.abs(plain.astype(int) - found).max()
    assert 60 < np.abs(plain.astype(int) - to_image(around(what))).max()  # without it, it is


def test_what_is_written_stays_as_it_is():
    seven = sheet().astype(np.uint8)
    cut = seven[76:175, 80:155]  # so close that strokes touch the border
    zero = 255 - pen.draw([np.array([(60, 60), (180, 60), (180, 180), (60, 180), (60, 60)])],
                          side_px=SIDE, pen_px=8)  # fmt: skip
    one = np.full((SIDE, SIDE), 240, np.uint8)
    one[:, 115:121] = 20  # from border to border, and all that there is
    shaded = (sheet() * np.linspace(1, 0.5, SIDE)).astype(np.uint8)
    for picture in (seven, 255 - seven, shaded, cut, zero, one, np.zeros((SIDE, SIDE), np.uint8)):
        assert picture is writing(picture)


def test_small_pictures_and_those_with_transparency_are_let_be():
    for picture in (np.zeros((28, 28), np.uint8), np.zeros((100, 100, 4), np.uint8)):
        assert picture is writing(picture)


def test_any_picture_gives_a_picture():
    rng = np.random.default_rng(1)
    for shape in ((64, 64), (1, 300), (300, 2), (90, 70, 3), (333, 130)):
        bits = rng.integers(0, 2, shape) * 255
        for picture in (rng.integers(0, 256, shape), np.full(shape, 255), bits):
            found = writing(picture.astype(np.uint8))
            assert np.uint8 == found.dtype and shape[:2] == found.shape[:2]
