"""The pen: strokes as a canvas draws them, and UNIPEN text as strokes."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from nnengine import ConfigError, FormatError
from nnengine.data.pen import draw, read_unipen

UNIPEN = """.VERSION 1.0
.HIERARCHY DIGIT
.SEGMENT DIGIT 0 ? "7"
.COMMENT by hand
.PEN_DOWN
 10  400
 60  400
.PEN_UP
.DT 100
.PEN_DOWN
 40  300
.PEN_UP
.SEGMENT DIGIT 1 ? "1"
.PEN_DOWN
 5 6
 5 1
.PEN_UP
"""


def test_a_level_stroke_is_as_thick_as_the_pen_and_ends_round():
    """Worked by hand: a capsule of length 100 and width 20 covers 100 * 20 + pi * 10**2 pixels."""
    sheet = draw([np.array([(90, 140), (190, 140)])], pen_px=20)
    assert 255 * (2000 + np.pi * 100) == pytest.approx(sheet.sum(), rel=0.002)
    assert (255, 20) == (sheet[140, 140], np.count_nonzero(sheet[:, 140]))
    rows, columns = np.nonzero(sheet)
    assert (130, 149, 80, 199) == (rows.min(), rows.max(), columns.min(), columns.max())


def test_a_single_point_leaves_a_dot():
    assert 255 * np.pi * 36 == pytest.approx(
        draw([np.array([(50, 60)])], pen_px=12).sum(), rel=0.01
    )


def test_where_strokes_cross_they_are_no_lighter_and_no_darker():
    level, upright = np.array([(50, 140), (230, 140)]), np.array([(140, 50), (140, 230)])
    apart = np.maximum(draw([level]), draw([upright]))
    assert np.array_equal(apart, draw([level, upright]))


def test_what_leaves_the_sheet_is_cut_off():
    sheet = draw([np.array([(-500, 140), (900, 140)]), np.array([(-99, -99)])], side_px=100)
    assert not sheet.any()
    assert 255 == draw([np.array([(-500, 50), (900, 50)])], side_px=100)[50].min()


@pytest.mark.parametrize("settings", [{"pen_px": 0.5}, {"pen_px": float("nan")}, {"side_px": 0}])
def test_a_pen_that_is_none_is_refused(settings):
    with pytest.raises(ConfigError, match="at least 1"):
        draw([], **settings)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_unipen_text_becomes_strokes_with_y_downwards(tmp_path, pack):
    file = tmp_path / "digits.tra"
    file.write_bytes(pack(UNIPEN.encode()))
    digits, labels = read_unipen(file)
    assert [7, 1] == labels.tolist()
    assert [[(10, -400), (60, -400)], [(40, -300)]] == [
        list(map(tuple, stroke.tolist())) for stroke in digits[0]
    ]
    assert 1 == len(digits[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "no .SEGMENT DIGIT"),
        (UNIPEN.replace("60  400", "60"), "line 7 is '60'"),
        (UNIPEN.replace('"1"', '"one"'), "line 13"),
    ],
)
def test_what_is_no_unipen_file_is_refused_by_line(tmp_path, text, message):
    file = tmp_path / "digits.tra"
    file.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_unipen(file)


def test_a_damaged_gzip_is_said(tmp_path):
    file = tmp_path / "digits.tra.gz"
    file.write_bytes(gzip.compress(UNIPEN.encode() * 50)[:60])
    with pytest.raises(FormatError, match="damaged gzip"):
        read_unipen(file)
