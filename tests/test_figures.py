"""Figures and pictures: the numbers that go in are the numbers that are drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dashboard import figures, pictures
from dashboard.style import palette
from nnengine import History


def history(points: int, *, validation: bool = True) -> History:
    numbers = [i / max(points, 1) for i in range(points)]
    val = [n / 2 for n in numbers] if validation else [None] * points
    return History(list(range(points)), numbers, numbers, numbers, val, val)


def drawn(figure) -> list:
    """Return the traces that hold points."""
    return [trace for trace in figure.data if trace.x is not None and trace.x[0] is not None]


def test_a_curve_holds_the_history_solid_for_training_and_dashed_for_validation():
    train, val = drawn(figures.curves([("Run 1", history(5))], "accuracy"))
    assert [0.0, 0.2, 0.4, 0.6, 0.8] == list(train.y)
    assert [0.0, 0.1, 0.2, 0.3, 0.4] == list(val.y)
    assert ("solid", "dash") == (train.line.dash, val.line.dash)
    assert train.line.color == val.line.color


def test_without_validation_there_is_one_curve():
    assert 1 == len(drawn(figures.curves([("Run 1", history(5, validation=False))], "loss")))


def test_runs_laid_over_each_other_differ_in_colour_and_carry_their_names():
    both = drawn(figures.curves([("First", history(3)), ("Second", history(3))], "loss"))
    assert {"First", "Second"} == {trace.name for trace in both}
    assert 2 == len({trace.line.color for trace in both})


def test_long_curves_are_thinned_and_keep_both_ends():
    train = drawn(figures.curves([("Run 1", history(10_000))], "loss"))[0]
    assert len(train.x) <= 1_500
    assert (0, 9_999) == (train.x[0], train.x[-1])


def test_zoom_is_kept_from_one_version_of_a_curve_to_the_next():
    short, long = (figures.curves([("Run 1", history(n))], "loss") for n in (3, 9))
    assert short.layout.uirevision == long.layout.uirevision


def test_an_empty_history_draws_an_empty_chart():
    traces = figures.curves([("Run 1", History())], "loss").data
    assert 0 == sum(len(trace.x) for trace in traces if trace.x is not None)


def test_the_answers_bar_alone_is_coloured():
    bars = figures.probability_bars(np.array([0.1, 0.7, 0.2]), ["a", "b", "c"]).data[0]
    assert [0.1, 0.7, 0.2] == list(bars.x)
    colours = bars.marker.color
    assert colours[0] == colours[2] != colours[1]


def test_class_balance_counts_each_class():
    assert [5, 0, 7] == list(figures.class_balance(np.array([5, 0, 7]), ["a", "b", "c"]).data[0].x)


def test_a_confusion_matrix_offers_every_cell_with_its_meaning():
    cells = figures.confusion(np.array([[3, 1], [0, 4]]), ["a", "b"]).data[1]
    assert [[0, 0, 3], [0, 1, 1], [1, 0, 0], [1, 1, 4]] == [list(row) for row in cells.customdata]
    assert ("b", "a") == (cells.x[1], cells.y[1])  # across the answer, down the truth


def test_a_heatmap_is_centred_on_zero():
    trace = figures.heatmap(np.array([[-1.0, 3.0]]), x_title="x", y_title="y").data[0]
    assert trace.zmin == -trace.zmax


@pytest.mark.parametrize("dark", [False, True])
def test_a_weight_of_zero_has_the_neutral_colour(dark):
    weights = np.array([[0.0, -2.0], [2.0, 0.0]])  # two inputs, two units
    tiles = pictures.weight_mosaic(weights, (1, 2), columns=2, gap=0, dark=dark)[0, :, :3]
    neutral = palette(dark=dark)[127]
    np.testing.assert_array_equal(neutral, tiles[0])
    np.testing.assert_array_equal(neutral, tiles[3])
    assert tiles[1][0] > tiles[1][2]  # positive is orange
    assert tiles[2][2] > tiles[2][0]  # negative is blue


def test_a_units_own_scale_makes_weak_and_strong_units_look_alike():
    weights = np.array([[1.0, 100.0], [-1.0, -100.0]])
    own = pictures.weight_levels(weights, (1, 2), scale="own")
    common = pictures.weight_levels(weights, (1, 2), scale="common")
    np.testing.assert_array_equal(own[0], own[1])
    assert (common[0] != common[1]).any()


def test_weights_that_do_not_fill_an_image_are_refused():
    with pytest.raises(ValueError, match="do not fill images of 2x2: expected 4 rows"):
        pictures.weight_levels(np.zeros((5, 2)), (2, 2))


def test_a_mosaic_lays_images_out_in_rows():
    images = np.stack([np.full((2, 3), n, np.uint8) for n in (10, 20, 30)])
    sheet = pictures.mosaic(images, columns=2, gap=1)
    assert (5, 7, 4) == sheet.shape
    assert (10, 20, 30) == (sheet[0, 0, 0], sheet[0, 4, 0], sheet[3, 0, 0])
    assert 0 == sheet[3, 4, 3]  # nothing where no image is


def test_a_png_holds_the_pixels_it_was_given():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(pictures.png(pixels)))))
