"""Framing a drawing: worked by hand, and the same whatever its size, place and colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nnengine
from nnengine.data import framing, pen
from nnengine.data.framing import fit, is_empty, to_image, to_images
from nnengine.errors import FormatError


def sheet(size: int = 280) -> np.ndarray:
    return np.zeros((size, size), np.uint8)


def a_bar(top=40, left=120, height=200, width=30, size=280) -> np.ndarray:
    """One upright bar of light ink."""
    pixels = sheet(size)
    pixels[top : top + height, left : left + width] = 255
    return pixels


def a_seven(size=280, shift=(0, 0)) -> np.ndarray:
    """A 7 of two strokes, to be recognised after any treatment."""
    pixels = sheet(size)
    for step in np.linspace(0, 1, 200):
        for y, x in ((60, 80 + 120 * step), (60 + 150 * step, 200 - 70 * step)):
            y, x = int(y + shift[0]), int(x + shift[1])
            pixels[y - 9 : y + 9, x - 9 : x + 9] = 255
    return pixels


def test_a_bar_is_scaled_to_twenty_pixels_and_centred():
    image = to_image(a_bar())
    rows, columns = np.nonzero(image)
    assert (4, 23) == (rows.min(), rows.max())
    assert 3 == columns.max() - columns.min() + 1  # 30 of 200, in twentieths
    assert 255 == image.max()
    assert {255} == set(image[4:24, columns.min() : columns.max() + 1].ravel().tolist())


def test_the_centre_of_mass_comes_to_the_middle():
    pixels = sheet()
    pixels[50:250, 60:80] = 255  # a heavy stem at the left
    pixels[50:70, 80:200] = 255  # and an arm
    image = to_image(pixels).astype(float)
    rows, columns = (
        (image.sum(axis=1 - axis) * (np.arange(28) + 0.5)).sum() / image.sum() for axis in (0, 1)
    )
    assert rows == pytest.approx(14, abs=1)
    assert columns == pytest.approx(14, abs=1)


def test_all_ink_stays_when_the_mass_is_far_to_one_side():
    pixels = sheet()
    pixels[100:200, 40:100] = 255
    pixels[148:152, 100:240] = 255  # a thin tail: the mass is at the left
    image = to_image(pixels)
    columns = np.flatnonzero(image.any(axis=0))
    assert 20 == columns[-1] - columns[0] + 1


def test_an_empty_canvas_is_seen_as_empty():
    assert is_empty(sheet())
    assert not to_image(sheet()).any()
    assert is_empty(np.full((280, 280, 4), 255, np.uint8))
    assert not is_empty(a_bar())


@given(y=st.integers(-40, 60), x=st.integers(-60, 60))
@settings(max_examples=25, deadline=None)
def test_where_on_the_sheet_makes_no_difference(y, x):
    np.testing.assert_array_equal(to_image(a_seven()), to_image(a_seven(shift=(y, x))))


@pytest.mark.parametrize("times", [2, 3])
def test_how_large_the_sheet_is_makes_hardly_a_difference(times):
    small = to_image(a_seven()).astype(int)
    large = to_image(np.kron(a_seven(), np.ones((times, times), np.uint8))).astype(int)
    assert np.abs(small - large).max() <= 2


def test_ink_may_be_dark_or_light_grey_or_coloured_opaque_or_alone():
    light = a_seven()
    expected = to_image(light)
    full = np.full_like(light, 255)
    forms = {
        "dark on light": 255 - light,
        "RGB": np.stack([light] * 3, axis=-1),
        "RGBA on black": np.stack([light] * 3 + [full], axis=-1),
        "RGBA, black ink on nothing": np.stack([0 * light] * 3 + [light], axis=-1),
        "grey with alpha": np.stack([light, full], axis=-1),
        "one channel": light[..., None],
        "bool": light > 0,
        "float": light.astype(float),
    }
    for name, pixels in forms.items():
        np.testing.assert_array_equal(expected, to_image(pixels), err_msg=name)


def test_polarity_may_be_said():
    np.testing.assert_array_equal(
        to_image(a_seven()), to_image(255 - a_seven(), polarity="dark on light")
    )


def test_a_speck_does_not_move_the_drawing():
    pixels = a_seven()
    pixels[5:8, 5:8] = 255
    np.testing.assert_array_equal(to_image(a_seven()), to_image(pixels))


def test_another_size_keeps_the_mass_in_proportion():
    image = to_image(a_seven())
    small = fit(image, (14, 14))
    assert (14, 14) == small.shape
    assert small.mean() == pytest.approx(image.mean(), rel=0.02)
    np.testing.assert_array_equal(image, fit(image, (28, 28)))


def test_a_drawing_of_twenty_pixels_is_only_moved():
    """Worked by hand: a 2x20 bar at (3, 5) goes unscaled to rows 4..23, columns 13..14."""
    pixels = sheet(40)
    pixels[3:23, 5:7] = 200
    expected = np.zeros((28, 28), np.uint8)
    expected[4:24, 13:15] = 255  # the strongest ink becomes 255
    np.testing.assert_array_equal(expected, to_image(pixels))


def test_shrinking_averages_areas():
    """Worked by hand: 30 rows go into 20 cells of 1.5; an empty row takes a third of two cells."""
    pixels = sheet(60)
    pixels[10:40, 10:14] = pixels[10:40, 36:40] = 255  # two strokes of four pixels
    pixels[11] = 0  # the second row: half of it lies in each of the first two cells
    image = to_image(pixels)
    row, column = (np.flatnonzero(image.any(axis=1 - axis))[0] for axis in (0, 1))
    assert [170, 170, 255] == image[row : row + 3, column].tolist()


def a_drawn_seven(pen_px: float) -> np.ndarray:
    """A 7 as a canvas of 280 pixels shows it."""
    return pen.draw([np.array([(80, 60), (200, 60), (130, 220)])], pen_px=pen_px)


def pen_width(image: np.ndarray) -> float:
    """Return the width of a 7's bar: the ink of a column near its left end."""
    top, left = (np.flatnonzero(image.any(axis=1 - axis))[0] for axis in (0, 1))
    return image[top : top + 7, left + 4].sum() / 255


@pytest.mark.parametrize(("pen_px", "least", "most"), [(4, 1.4, 2.4), (22, 2, 3), (44, 3.2, 4.4)])
def test_thin_and_thick_pens_come_near_those_of_mnist(pen_px, least, most):
    """Unchanged, a pen of 4 would be half a pixel wide and one of 44 more than five."""
    assert least < pen_width(to_image(a_drawn_seven(pen_px))) < most


def test_a_pen_like_mnists_is_left_as_it_is():
    image = to_image(a_drawn_seven(20))
    plain = framing._resample(framing._trim(a_drawn_seven(20) / np.float32(255)), (20, 16))
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    found = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert np.abs(found.astype(int) - 255 * plain / plain.max()).max() <= 1


def test_a_solid_block_is_no_thick_pen():
    pixels = sheet()
    pixels[60:220, 60:220] = 255
    assert 400 == np.count_nonzero(to_image(pixels) == 255)


def test_thinning_by_a_whole_pixel_takes_one_from_every_side():
    ink = np.zeros((9, 9), np.float32)
    ink[2:7, 2:7] = 1
    thin = framing._thinner(ink, 1.0)
    assert {(y, x) for y in (3, 4, 5) for x in (3, 4, 5)} == set(
        map(tuple, np.argwhere(thin == 1).tolist())
    )


def test_pictures_of_several_sizes_are_framed_as_one_batch():
    pictures = [a_seven(280), a_bar(), np.stack([a_seven(280)] * 3, axis=2)]
    assert np.array_equal([to_image(p) for p in pictures], to_images(pictures))
    assert (0, 28, 28) == to_images([]).shape


def test_a_batch_names_the_picture_that_is_none():
    with pytest.raises(FormatError, match="picture 1: picture of shape"):
        to_images([sheet(), np.zeros((2, 2, 7), np.uint8)])


def test_a_small_picture_is_enlarged_without_inventing_ink():
    small = np.zeros((8, 8), np.uint8)
    small[1:7, 3:5] = 16
    small[6, 3:5] = 60
    image = to_image(small)
    rows = np.flatnonzero(image.any(axis=1))
    assert (20, 255) == (rows[-1] - rows[0] + 1, image.max())
    down = image[rows, 14].astype(int)
    assert (np.diff(down) >= 0).all()  # from weak to strong, as drawn, without ripples


@given(
    ink=arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60))),
    margin=st.integers(1, 30),
)
@settings(max_examples=60, deadline=None)
def test_any_ink_within_a_margin_is_framed_whole_and_in_either_polarity(ink, margin):
    pixels = np.pad(ink, margin)
    image = to_image(pixels, polarity="light on dark")
    assert ((28, 28), np.uint8) == (image.shape, image.dtype)
    inverted = to_image(255 - pixels, polarity="dark on light")
    np.testing.assert_array_equal(image, inverted)
    if is_empty(pixels, polarity="light on dark"):
        assert not image.any()
    else:
        assert 255 == image.max()
        spans = [np.ptp(np.flatnonzero(image.any(axis=axis))) + 1 for axis in (0, 1)]
        assert max(spans) <= 20


@given(
    pixels=arrays(
        st.sampled_from([np.uint8, np.int16, np.float32, np.bool_]),
        st.one_of(
            st.tuples(st.integers(0, 9), st.integers(0, 9)),
            st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 5)),
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_any_array_gives_an_image_or_a_format_error(pixels):
    try:
        image = to_image(pixels)
    except FormatError:
        return
    assert ((28, 28), np.uint8) == (image.shape, image.dtype)
    assert image.any() != is_empty(pixels)


def test_a_drawing_that_touches_every_border_keeps_its_polarity():
    pixels = np.full((100, 100), 255, np.uint8)
    pixels[:, 45:55] = 0
    pixels[45:55] = 0  # a cross, dark on light, from edge to edge
    image = to_image(pixels)
    assert image[14, 14] == 255 and image[5, 5] == 0


def test_a_pen_that_fills_more_than_half_of_the_sheet_is_still_ink():
    pixels = sheet(100)
    pixels[10:90, 10:90] = 255
    image = to_image(pixels)
    assert 400 == np.count_nonzero(image)
    assert not image[0].any()


def test_rounded_transparent_corners_are_not_ink():
    card = np.full((100, 100, 4), 255, np.uint8)
    card[20:80, 45:55, :3] = 0
    plain = to_image(card)
    for corner in (np.s_[:6, :6], np.s_[:6, -6:], np.s_[-6:, :6], np.s_[-6:, -6:]):
        card[corner] = 0
    np.testing.assert_array_equal(plain, to_image(card))


def test_the_grain_of_a_photograph_is_not_ink():
    rng = np.random.default_rng(0)
    paper = 200 + rng.normal(0, 6, (280, 280))
    paper[a_seven() > 0] = 40
    photo = np.clip(paper, 0, 255).astype(np.uint8)
    np.testing.assert_allclose(to_image(photo), to_image(a_seven()), atol=20)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((2, 3, 4, 4), np.uint8), "one picture at a time"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.full((5, 5), 300.0), "expected 0 to 255"),
        (np.full((5, 5), np.nan), "expected 0 to 255"),
        (np.eye(5) * 0.5, "multiply them by 255"),
        (np.array([["a", "b"]]), "expected numbers"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_way_out(pixels, message):
    with pytest.raises(FormatError, match=message):
        to_image(pixels)


def test_an_unknown_polarity_is_refused():
    with pytest.raises(FormatError, match="polarity is 'upside down'"):
        to_image(a_bar(), polarity="upside down")


def test_mnists_own_images_stay_as_they_are_but_for_rounding(mnist_files):
    images = nnengine.read_idx(mnist_files["test_images"])[:1000]
    off = [np.abs(to_image(i).astype(int) - i).max() for i in images]
    assert np.mean(np.array(off) <= 2) > 0.95
