"""Augmentation: what it may be, what it does to images, and what it leaves alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnengine import ConfigError, FormatError, kernels
from nnengine.data import augment
from nnengine.data.augment import GENTLE, NONE, PRESETS, STRONG, Augmentation, augmented, parse
from nnengine.kernels import numpy_

SHAPES = [(28, 28), (1, 1), (1, 9), (9, 1), (3, 50), (20, 7), (64, 64)]
EVERYTHING = Augmentation(
    shift=3, rotation=90, scale=1, shear=1, elastic=2, stroke_width=5, noise=0.5, inversion=0.5
)


def grey(shape, n=40, seed=1):
    """Images of random bytes."""
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype(np.uint8)


def dots(n=400, side=31):
    """Images of one white pixel in the middle."""
    images = np.zeros((n, side, side), np.uint8)
    images[:, side // 2, side // 2] = 255
    return images


def centres(images):
    """Return float (n, 2): the centre of mass of each image, (down, right) of its middle."""
    weights = images.astype(float)
    _, h, w = images.shape
    down = (weights * (np.arange(h)[:, None] - (h - 1) / 2)).sum((1, 2)) / weights.sum((1, 2))
    right = (weights * (np.arange(w) - (w - 1) / 2)).sum((1, 2)) / weights.sum((1, 2))
    return np.stack([down, right], axis=1)


# what it may be


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({"shift": -1}, "shift is -1: give a number from 0 to 256"),
        ({"rotation": 181}, "rotation is 181: give a number from 0 to 180"),
        ({"noise": float("nan")}, "noise is nan: give a number from 0 to 1"),
        ({"scale": "big"}, "scale is 'big': give a number"),
        ({"inversion": True}, "inversion is True: give a number"),
    ],
)
def test_amounts_that_cannot_be_are_refused(amounts, message):
    with pytest.raises(ConfigError, match=message):
        Augmentation(**amounts)


def test_nothing_switched_on_is_false_and_anything_is_true():
    assert [False, True, True] == [bool(NONE), bool(GENTLE), bool(Augmentation(inversion=0.1))]


def test_amounts_survive_json():
    strange = Augmentation(shift=np.float32(1.5), inversion=np.int64(1))
    for each in (NONE, GENTLE, STRONG, strange):
        assert each == Augmentation.from_dict(json.loads(json.dumps(each.as_dict())))


def test_amounts_left_out_are_off():
    assert Augmentation(shift=2) == Augmentation.from_dict({"shift": 2})


@pytest.mark.parametrize("found", [{"wobble": 1}, [1], "shift", {"shift": "far"}, {"shift": -1}])
def test_what_a_file_says_wrong_is_the_files_fault(found):
    with pytest.raises(FormatError, match="augmentation"):
        Augmentation.from_dict(found)


def test_words_name_what_is_on_and_nothing_else():
    expected = "moved by up to 2 px, turned by up to 10°, 50% of them inverted"
    assert expected == Augmentation(shift=2, rotation=10, inversion=0.5).in_words()
    assert "as they are" == NONE.in_words()


def test_presets_are_named_and_amounts_can_be_written():
    assert {"none": NONE, "gentle": GENTLE, "strong": STRONG} == {n: parse(n) for n in PRESETS}
    assert Augmentation(shift=2, rotation=10.5) == parse("shift=2, rotation=10.5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wild", "'wild' is not known: give none, gentle, strong, or amounts such as"),
        ("shift", "shift is '': write a number"),
        ("shift=2,", "augmentation '' is not known"),
        ("shift=x", "shift is 'x': write a number"),
        ("shift=-2", "shift is -2: give a number from 0"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(text, message):
    with pytest.raises(ConfigError, match=message):
        parse(text)


# what it does


@pytest.mark.parametrize("shape", SHAPES)
def test_images_that_nothing_is_done_to_keep_every_byte(back_end, shape):
    images = grey(shape)
    np.testing.assert_array_equal(images, augmented(images, NONE, 1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("amounts", [GENTLE, STRONG, EVERYTHING], ids=["gentle", "strong", "all"])
def test_back_ends_agree_in_every_byte(shape, amounts):
    if kernels.available()["numba"]:
        pytest.skip(f"numba kernels: {kernels.available()['numba']}")
    found, before = [], kernels.name
    for name in kernels.BACK_ENDS:
        kernels.use(name)
        found.append(augmented(grey(shape), amounts, 5))
    kernels.use(before)
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_images_of_any_shape_come_back_in_it_as_new_bytes(back_end, shape):
    images = grey(shape)
    images.flags.writeable = False
    found = augmented(images, EVERYTHING, 1)
    assert (images.shape, np.uint8, True) == (found.shape, found.dtype, found.flags.writeable)
    assert (found != images).any()


def test_no_images_give_none(back_end):
    assert (0, 5, 6) == augmented(np.empty((0, 5, 6), np.uint8), STRONG, 1).shape


def test_views_that_are_not_contiguous_are_read_as_they_look(back_end):
    images = grey((20, 7))
    turned = images.transpose(0, 2, 1)
    np.testing.assert_array_equal(
        augmented(np.ascontiguousarray(turned), STRONG, 3), augmented(turned, STRONG, 3)
    )


def test_the_seed_decides_and_each_image_has_its_own_way(back_end):
    images = np.repeat(grey((28, 28), 1), 20, axis=0)
    first = augmented(images, GENTLE, 3)
    np.testing.assert_array_equal(first, augmented(images, GENTLE, np.random.default_rng(3)))
    assert 20 == len(np.unique(first.reshape(20, -1), axis=0))
    assert (first != augmented(images, GENTLE, 4)).any()


def test_how_many_are_asked_for_at_once_makes_no_difference(back_end):
    images, rng = grey((28, 28), 30), np.random.default_rng(8)
    parts = [augmented(images[start : start + 7], STRONG, rng) for start in range(0, 30, 7)]
    np.testing.assert_array_equal(augmented(images, STRONG, 8), np.concatenate(parts))


def test_switching_one_thing_on_leaves_the_others_their_chance(back_end):
    images = grey((28, 28))
    moved = augmented(images, Augmentation(shift=4, rotation=20), 6)
    both = augmented(images, Augmentation(shift=4, rotation=20, inversion=1), 6)
    np.testing.assert_array_equal(255 - moved, both)


def test_a_shift_goes_every_way_and_no_further_than_it_may(back_end):
    found = centres(augmented(dots(), Augmentation(shift=4), 1))
    assert 3.5 < found.max() < 4.2 and -4.2 < found.min() < -3.5
    assert pytest.approx(4**2 / 3, rel=0.2) == (found**2).mean()  # of a uniform +-4


def test_a_turn_leaves_the_middle_and_keeps_distances(back_end):
    images = np.zeros((300, 31, 31), np.uint8)
    images[:, 15, 25] = 255
    found = centres(augmented(images, Augmentation(rotation=30), 1))
    angles = np.degrees(np.arctan2(found[:, 0], found[:, 1]))
    assert 27 < angles.max() < 31 and -31 < angles.min() < -27
    np.testing.assert_allclose(np.hypot(*found.T), 10, atol=0.3)


def test_sizes_change_by_a_factor_each_way_and_up_and_down_alike(back_end):
    images = np.zeros((400, 41, 41), np.uint8)
    images[:, 20, 10] = images[:, 20, 30] = 255
    found = augmented(images, Augmentation(scale=0.5), 2)
    columns = found.sum(axis=1) > 0
    widths = 41 - columns.argmax(axis=1) - columns[:, ::-1].argmax(axis=1) - 1
    factors = np.log(widths / 20)
    assert -np.log(1.5) - 0.1 < factors.min() < -0.3 and 0.3 < factors.max() < np.log(1.5) + 0.1
    assert abs(np.median(factors)) < 0.1


def test_a_slant_moves_top_and_bottom_apart_and_the_middle_not(back_end):
    images = np.zeros((200, 31, 31), np.uint8)
    images[:, :, 15] = 255
    found = augmented(images, Augmentation(shear=0.5), 3).astype(float)
    place = (found * np.arange(31)).sum(axis=2) / found.sum(axis=2) - 15
    np.testing.assert_allclose(place[:, 15], 0, atol=0.05)
    np.testing.assert_allclose(place[:, 5], -place[:, 25], atol=0.1)
    assert 4 < np.abs(place[:, 5]).max() < 5.2


def test_a_bend_moves_a_pixel_by_what_was_asked(back_end):
    found = centres(augmented(dots(2000), Augmentation(elastic=1.5), 1))
    # A strength uniform in +-1.5 of displacements with unit variance.
    assert pytest.approx(1.5**2 / 3, rel=0.25) == (found**2).mean()


def test_bends_are_smooth_and_a_pixel_deep():
    tables = augment.bend_tables(28, 28).reshape(-1, 28, 28) / numpy_.BEND
    assert pytest.approx(1, abs=1e-3) == np.sqrt((tables**2).mean())
    # The slope of noise under a Gaussian of sigma 4 is 1 / (4 sqrt 2) of its size.
    slope = np.sqrt((np.diff(tables, axis=2) ** 2).mean())
    assert pytest.approx(1 / (4 * np.sqrt(2)), rel=0.1) == slope


def test_strokes_become_thicker_and_thinner_but_never_vanish(back_end):
    images = np.zeros((200, 15, 15), np.uint8)
    images[:, :, 7:9] = 255  # two pixels wide
    ink = augmented(images, Augmentation(stroke_width=3), 1)[:, 7].sum(axis=1) / 255
    assert 4.5 < ink.max() < 5.05
    assert 0.95 < ink.min() < 1.3


def test_noise_goes_both_ways_on_every_pixel(back_end):
    images = np.full((300, 8, 8), 128, np.uint8)
    found = augmented(images, Augmentation(noise=0.25), 1).astype(int) - 128
    assert -64 <= found.min() < -55 and 55 < found.max() <= 64
    assert abs(found.mean()) < 1
    assert (found != 0).mean() > 0.9


def test_traces_that_noise_leaves_on_black_are_dropped(back_end):
    found = augmented(np.zeros((300, 8, 8), np.uint8), Augmentation(noise=0.25), 1)
    assert numpy_.FAINT == found[found > 0].min()


def test_the_share_that_was_asked_for_is_inverted(back_end):
    images = grey((6, 5), 2000)
    found = augmented(images, Augmentation(inversion=0.25), 1)
    inverted = (found == 255 - images).all(axis=(1, 2))
    np.testing.assert_array_equal(images[~inverted], found[~inverted])
    assert 0.22 < inverted.mean() < 0.28


def test_an_axis_of_one_pixel_has_no_room_to_move_in(back_end):
    images = np.arange(1, 10, dtype=np.uint8)[:, None, None] * 20
    np.testing.assert_array_equal(
        images, augmented(images, Augmentation(shift=5, rotation=90, shear=1, elastic=4), 1)
    )


def test_light_paper_stays_light_where_it_comes_in_from_outside(back_end):
    images = np.full((50, 12, 12), 255, np.uint8)
    images[:, 5:7, 5:7] = 0
    moved = augmented(images, Augmentation(shift=3, rotation=45), 1)
    corners = moved[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (moved != images).any() and 255 == corners.min()


def test_what_are_not_images_is_refused():
    for wrong in (np.zeros((4, 9), np.uint8), np.zeros((4, 3, 3)), np.zeros((4, 0, 3), np.uint8)):
        with pytest.raises(FormatError, match="images to augment are uint8"):
            augmented(wrong, GENTLE, 1)


def test_images_too_wide_for_the_arithmetic_are_refused():
    with pytest.raises(ConfigError, match="a side has 2,048 at most"):
        augmented(np.zeros((1, 1, 2049), np.uint8), GENTLE, 1)


def test_long_lines_are_sized_about_their_middle(back_end):
    widest = np.zeros((1, 2, 2048), np.uint8)
    widest[:, :, -4:] = 255
    numbers = augment.affine_numbers((2, 2048), scale=(2, 1))
    found = augment.distorted(widest, np.zeros(1), numbers)
    # The last column shows what stood at 1023.5 + 1023.5 / 2: the white ones are outside.
    assert 0 == found.max()
    np.testing.assert_array_equal(
        widest, augment.distorted(widest, np.zeros(1), augment.affine_numbers((2, 2048)))
    )


def test_the_widest_images_do_not_overflow(back_end):
    side = augment._WIDEST
    images = np.zeros((1, side, side), np.uint8)
    images[0, side // 2 :, side // 2 :] = 255
    numbers = augment.affine_numbers(
        (side, side), rotation=45, scale=(0.5, 0.5), shear=1, shift=(256, 256)
    )
    found = augment.distorted(images, np.zeros(1), numbers)
    xx, xy, x0, yx, yy, y0 = (numbers[0, :6] / numpy_.ONE).tolist()
    for row, column in ((0, 0), (0, side - 1), (side - 1, 0), (side - 1, side - 1), (1000, 1300)):
        x, y = xx * column + xy * row + x0, yx * column + yy * row + y0
        expected = 255 if min(max(x, -1), side) >= side // 2 <= min(max(y, -1), side) else 0
        inside = 0 <= x < side and 0 <= y < side
        assert (expected if inside else 0) == found[0, row, column]
