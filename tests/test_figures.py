"""Figures: what is drawn is what was given, zero is neutral, and every colour can be read."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dashboard.components import live_plot
from dashboard.present import curves, figures, pictures, style
from dashboard.present.matrix import table as tabled
from dashboard.present.style import luminance
from nnengine.training import Evaluated, History

CONFIG = Path(figures.__file__).parents[1] / ".streamlit" / "config.toml"
NEUTRAL = 127


def history(points: int, *, validated: bool = True) -> History:
    """A made-up run: loss falls, accuracy rises."""
    run = History()
    for step in range(points):
        seen = {"val_loss": 2 / (step + 1), "val_accuracy": 0.4} if validated else {}
        run.record(
            Evaluated(step=step, epoch=step / 10, train_loss=1 / (step + 1),
                      train_accuracy=0.5, **seen)
        )  # fmt: skip
    return run


def contrast(a: str, b: str) -> float:
    """WCAG contrast of two "#rrggbb" colours, 1 to 21."""
    rgb = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (a, b)]
    dim, bright = sorted(luminance(np.array(rgb)))
    return (bright + 0.05) / (dim + 0.05)


# Curves


def _plain(value):
    """Return a chart's JSON with arrays as lists of short floats, and nothing that is unset."""
    if isinstance(value, dict):
        if "bdata" in value:
            numbers = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            return _plain(numbers.tolist())
        return {name: _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return np.float32(value).item() if isinstance(value, int | float) else value


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_curve_that_is_sent_is_the_one_that_plotly_has_checked(metric, count):
    runs = [("Run 1", history(5)), ("Run 2", history(9, validated=False))][:count]
    checked = json.loads(curves.curves(runs, metric, classes=10).to_json())
    sent = json.loads(curves.curve_text(runs, metric, classes=10))
    assert _plain(checked) == _plain(sent)


def test_one_run_draws_training_solid_and_validation_dashed_in_one_colour():
    training, validation = curves.curves([("Run 1", history(5))], "loss").data
    assert ("solid", "dash") == (training.line.dash, validation.line.dash)
    assert training.line.color == validation.line.color
    np.testing.assert_array_equal([0, 1, 2, 3, 4], training.x)
    np.testing.assert_allclose([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], training.y)
    np.testing.assert_allclose([2, 1, 2 / 3, 1 / 2, 2 / 5], validation.y)


def test_accuracy_can_be_drawn_over_epochs():
    training, validation = curves.curves([("a", history(3))], "accuracy", x="epoch").data
    np.testing.assert_allclose([0, 0.1, 0.2], training.x)
    np.testing.assert_allclose([0.4] * 3, validation.y)


def test_a_run_without_validation_draws_no_dashed_curve():
    assert 1 == len(curves.curves([("a", history(3, validated=False))], "loss").data)


def test_two_runs_have_two_colours_and_a_legend_that_explains_the_dashes():
    drawn = curves.curves([("a", history(3)), ("b", history(3))], "loss").data
    assert 2 == len({trace.line.color for trace in drawn[:4]})
    listed = [trace.name for trace in drawn if trace.showlegend is not False]
    assert ["a", "b", "training", "validation"] == listed


def test_a_long_curve_is_thinned_but_keeps_its_first_and_newest_point():
    training = curves.curves([("a", history(4001))], "loss").data[0]
    assert len(training.x) <= 1500
    assert (0, 4000) == (training.x[0], training.x[-1])


def robustness(lines, usual=1):
    images = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
    return figures.robustness(lines, images, ["−1", "0", "+1"], usual=usual), images


def test_a_fragility_chart_has_a_line_a_network_and_marks_the_undistorted_level():
    lines = [("a", np.array([0.5, 0.9, np.nan])), ("b", np.array([0.4, 0.8, 0.6]))]
    chart, _ = robustness(lines)
    assert ["a", "b"] == [trace.name for trace in chart.data]
    np.testing.assert_array_equal([0.5, 0.9, np.nan], chart.data[0].y)
    assert 2 == len({trace.line.color for trace in chart.data})
    assert [1] == [line.x0 for line in chart.layout.shapes]
    assert ("−1", "0", "+1") == chart.layout.xaxis.ticktext
    assert chart.layout.yaxis.range[0] == 0  # charts beside each other are compared
    assert chart.layout.yaxis.range[1] >= 1


def test_below_each_level_of_a_fragility_chart_stands_its_image():
    chart, images = robustness([("a", np.array([0.5, 0.9, 0.7]))])
    assert [0, 1, 2] == [image.x for image in chart.layout.images]
    for drawn, image in zip(chart.layout.images, images, strict=True):
        raw = base64.b64decode(drawn.source.removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(image, np.asarray(Image.open(io.BytesIO(raw)))[1::3, 1::3])
        assert drawn.y < 0  # below the axis


def test_no_runs_make_an_empty_chart():
    assert () == curves.curves([], "accuracy").data
    assert 0 == len(curves.curves([("a", History())], "loss").data[0].x)


@pytest.mark.parametrize("points", [0, 1, 5])
def test_accuracy_goes_from_nothing_to_all_whatever_was_reached(points):
    axis = curves.curves([("a", history(points))], "accuracy").layout.yaxis
    assert ((0, curves.TOP), "~%") == (axis.range, axis.tickformat)


def test_before_its_first_point_a_loss_begins_at_nothing():
    assert (0, 1) == curves.curves([("a", History())], "loss").layout.yaxis.range
    assert curves.curves([("a", history(1))], "loss").layout.yaxis.range is None


@pytest.mark.parametrize(
    ("metric", "at", "words"),
    [("accuracy", 0.1, "guessing, 10 %"), ("loss", np.log(10), "guessing, 2.30")],
)
def test_a_dotted_line_stands_at_what_guessing_reaches(metric, at, words):
    chart = curves.curves([("a", history(3))], metric, x="epoch", classes=10)
    (line,) = chart.layout.shapes
    assert (at, at, "dot") == (pytest.approx(line.y0), pytest.approx(line.y1), line.line.dash)
    assert words in [trace.name for trace in chart.data]
    assert not curves.curves([("a", history(3))], metric, x="epoch").layout.shapes


def losing(*losses: float) -> History:
    """A made-up run with these losses, a step each, of which ten are an epoch."""
    run = History()
    for step, loss in enumerate(losses):
        run.record(Evaluated(step=step, epoch=step / 10, train_loss=loss, train_accuracy=0.1))
    return run


def test_a_loss_that_blew_up_has_a_logarithmic_axis_and_guessing_stays_in_its_place():
    usual = curves.curves([("a", losing(2.3, 4.0, 0.1))], "loss", classes=10).layout
    blown = curves.curves([("a", losing(2.3, 80_000.0, 5.0))], "loss", classes=10).layout
    assert (None, "log") == (usual.yaxis.type, blown.yaxis.type)
    assert np.log10(np.log(10)) == pytest.approx(blown.shapes[-1].y0)
    assert usual.uirevision != blown.uirevision  # a zoom of the one would be nonsense in the other


def test_the_ends_of_epochs_are_marked_on_an_axis_of_steps():
    chart = curves.curves([("a", history(26))], "loss").layout
    assert [10, 20] == [line.x0 for line in chart.shapes]
    assert ["epoch 1", "2"] == [one.text for one in chart.annotations]
    assert not curves.curves([("a", history(26))], "loss", x="epoch").layout.shapes


def test_of_many_epochs_every_tenth_or_so_is_marked_and_full_batches_have_none():
    ends = [line.x0 for line in curves.curves([("a", history(901))], "loss").layout.shapes]
    assert [100 * i for i in range(1, 10)] == ends
    full = History()
    for step in range(5):
        full.record(Evaluated(step=step, epoch=float(step), train_loss=1.0, train_accuracy=0.5))
    assert not curves.curves([("a", full)], "loss").layout.shapes


def test_epochs_of_different_length_are_not_marked_on_one_chart():
    other = History()
    other.record(Evaluated(step=30, epoch=1.0, train_loss=1.0, train_accuracy=0.5))
    assert not curves.curves([("a", history(26)), ("b", other)], "loss").layout.shapes


def test_zoom_is_kept_until_the_axes_change():
    first, longer = (curves.curves([("a", history(n))], "loss") for n in (3, 9))
    other = curves.curves([("a", history(3))], "accuracy")
    assert first.layout.uirevision == longer.layout.uirevision
    assert first.layout.uirevision != other.layout.uirevision


def test_a_newcomer_does_not_change_the_colour_of_a_run():
    alone = curves.curves([("a", history(3))], "loss").data[0]
    first = curves.curves([("a", history(3)), ("b", history(3))], "loss").data[0]
    assert alone.line.color == first.line.color


# Bars


def test_class_balance_shows_each_count():
    bars = figures.class_balance(np.array([5, 0, 1200]), ["a", "b", "c"]).data[0]
    np.testing.assert_array_equal([5, 0, 1200], bars.x)
    assert ("5", "0", "1,200") == tuple(bars.text)
    assert 0 == bars.textangle  # not turned upright, as Plotly does in a thin bar


def test_classes_of_one_name_keep_their_own_bars():
    bars = figures.class_balance(np.array([1, 2, 3]), ["x", "y", "x"]).data[0]
    assert ("x (0)", "y", "x (2)") == tuple(bars.y)


def test_outgoing_weights_are_orange_for_and_blue_against():
    bars = figures.weight_bars([0.5, -1.25], ["a", "b"]).data[0]
    assert ("+0.50", "\u22121.25") == tuple(bars.text)
    (red, _, blue), (other_red, _, other_blue) = (
        [int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in bars.marker.color
    )
    assert red > blue
    assert other_red < other_blue


# Matrices


def test_every_cell_of_the_confusion_matrix_can_be_chosen():
    squares = figures.confusion([[8, 2], [0, 5]], ["no", "yes"]).data[1]
    expected = [[0, 0, 8], [0, 1, 2], [1, 0, 0], [1, 1, 5]]
    np.testing.assert_array_equal(expected, squares.customdata)
    assert ("no", "yes", "no", "yes") == tuple(squares.x)  # predicted
    assert ("no", "no", "yes", "yes") == tuple(squares.y)  # true
    assert ("8", "2", "", "5") == tuple(squares.text)


def test_the_chosen_cell_alone_is_framed():
    matrix, names = [[8, 2], [0, 5]], ["no", "yes"]
    assert () == figures.confusion(matrix, names).layout.shapes
    (frame,) = figures.confusion(matrix, names, chosen=(0, 1)).layout.shapes
    assert (0.5, 1.5, -0.5, 0.5) == (frame.x0, frame.x1, frame.y0, frame.y1)


def test_a_cell_that_rounds_to_zero_has_no_sign():
    drawn = figures.heatmap([[-0.001, -2]], x_title="x", y_title="y")
    assert ("0.00", "\u22122.00") == tuple(drawn.data[1].text)


def test_right_answers_and_errors_lie_on_opposite_sides_of_neutral():
    painted = figures.confusion([[8, 2], [0, 5]], ["no", "yes"]).data[0].z
    assert (painted.diagonal() < 0).all()
    assert painted[0, 1] > 0
    assert 0 == painted[1, 0]


def test_a_confusion_matrix_without_images_is_all_neutral():
    np.testing.assert_array_equal(
        np.zeros((3, 3)), figures.confusion(np.zeros((3, 3)), list("abc")).data[0].z
    )


def test_a_symmetric_heatmap_puts_zero_in_the_middle_of_its_range():
    drawn = figures.heatmap([[1, -3], [0, 2]], x_title="To", y_title="From").data[0]
    np.testing.assert_array_equal([[1, -3], [0, 2]], drawn.z)
    assert (-3, 3) == (drawn.zmin, drawn.zmax)


def test_a_large_heatmap_shows_the_strongest_of_every_few_and_keeps_its_places():
    matrix = np.random.default_rng(0).normal(0, 0.1, (1024, 1024)).astype(np.float32)
    matrix[1000, 3] = -4
    figure = figures.heatmap(matrix, x_title="To", y_title="From")
    drawn = figure.data[0]
    assert len(figure.to_json()) < 200_000
    assert -4 == np.min(drawn.z)
    row, column = np.unravel_index(np.argmin(drawn.z), drawn.z.shape)
    assert abs(drawn.y[row] - 1001) < 6  # counted from 1, as units are called
    assert abs(drawn.x[column] - 4) < 6
    assert (0.5, 1024.5) == tuple(figure.layout.xaxis.range)


def test_a_heatmap_with_a_single_row_of_many_columns_is_thinned_along_it_alone():
    drawn = figures.heatmap(np.ones((1, 30_000)), x_title="Unit", y_title="").data[0]
    assert (1, 10_000) == drawn.z.shape
    assert (1, 3) == figures.cells(1, 30_000)


def test_an_asymmetric_heatmap_spans_its_values():
    drawn = figures.heatmap([[1, 4]], x_title="x", y_title="y", symmetric=False).data[0]
    assert (0, 4) == (drawn.zmin, drawn.zmax)


def test_a_distribution_holds_shares_that_sum_to_one_in_bins_centred_on_zero():
    narrow, wide = figures.distribution({"a": np.full(5, 0.1), "b": [-3, 0, 3, 3]}).data
    assert 1 == pytest.approx(narrow.y.sum()) == pytest.approx(wide.y.sum())
    np.testing.assert_allclose(narrow.x, -narrow.x[::-1], atol=1e-12)
    assert 0.5 == wide.y[-1]


# Pictures


def test_a_mosaic_has_gaps_between_tiles_only_and_they_are_transparent():
    images = np.full((5, 4, 3), 200, np.uint8)
    picture = pictures.mosaic(images, columns=3, gap=2)
    assert (2 * 4 + 2, 3 * 3 + 2 * 2, 4) == picture.shape
    assert [200, 200, 200, 255] == picture[0, 0].tolist()
    assert 0 == picture[4, 0, 3]  # between the rows
    assert 0 == picture[-1, -1, 3]  # the sixth place is empty


def test_zoom_repeats_pixels_and_invert_turns_light_to_ink():
    picture = pictures.mosaic(np.array([[[0, 255]]], np.uint8), columns=1, zoom=3, invert=True)
    assert (3, 6, 4) == picture.shape
    assert (255, 0) == (picture[2, 2, 0], picture[0, 3, 0])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("scale", ["common", "own"])
def test_a_weight_of_zero_has_the_neutral_colour(dark, scale):
    weights = np.array([[0.0, 1.0], [-2.0, 0.0]])
    picture = pictures.weight_mosaic(weights, (1, 2), columns=2, gap=0, scale=scale, dark=dark)
    neutral = style.palette(dark=dark)[NEUTRAL].tolist()
    assert neutral == picture[0, 0, :3].tolist()  # unit 0, first input
    assert neutral == picture[0, 3, :3].tolist()  # unit 1, second input
    assert neutral != picture[0, 1, :3].tolist()


def test_equal_magnitudes_are_equally_far_from_neutral():
    levels = pictures.weight_levels(np.array([[-0.3], [0.3]]), (2, 1))
    assert [0, 2 * NEUTRAL] == levels.ravel().tolist()


def test_an_own_scale_gives_a_faint_unit_the_full_range_and_a_common_one_does_not():
    weights = np.array([[0.01, 1.0], [-0.01, -1.0]])
    own = pictures.weight_levels(weights, (1, 2), scale="own")
    common = pictures.weight_levels(weights, (1, 2), scale="common", limit=1.0)
    assert own[0].tolist() == own[1].tolist()
    assert abs(int(common[0, 0, 0]) - NEUTRAL) <= 2


def test_weights_of_a_non_square_image_keep_their_rows():
    weights = np.arange(6.0)[:, None] / 5
    levels = pictures.weight_levels(weights, (2, 3), limit=1.0)
    assert (1, 2, 3) == levels.shape
    assert sorted(levels.ravel()) == levels.ravel().tolist()


def test_weights_that_do_not_fill_the_image_are_refused_with_the_shapes():
    with pytest.raises(ValueError, match=r"\(5, 2\) do not fill images of 2x3: expected 6 rows"):
        pictures.weight_levels(np.zeros((5, 2)), (2, 3))


def test_a_network_of_zeros_has_a_limit_above_zero():
    assert 1.0 == pictures.weight_limit(np.zeros((4, 2)))


def test_one_great_weight_does_not_make_the_others_pale():
    weights = np.append(np.full(999, 0.1), 50.0)
    assert 0.1 == pytest.approx(pictures.weight_limit(weights))


def test_a_sheet_lays_tiles_side_by_side_and_fills_up_with_neutral():
    sheet = pictures.sheet(np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.uint8), columns=2)
    assert [[1, 2, 3, 4], [5, 6, NEUTRAL, NEUTRAL]] == sheet.tolist()


def test_a_palette_png_shows_the_palette():
    file = pictures.palette_png(np.arange(255, dtype=np.uint8)[None], dark=True)
    shown = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))[0]
    np.testing.assert_array_equal(style.palette(dark=True), shown)


def test_a_png_gives_its_pixels_back():
    picture = pictures.mosaic(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), columns=1)
    again = np.asarray(Image.open(io.BytesIO(pictures.png(picture))))
    np.testing.assert_array_equal(picture, again)


def test_the_key_runs_from_minus_the_limit_to_the_limit():
    key = figures.colour_key(0.5)
    assert (-0.5, 0.5) == (key.data[0].x[0], key.data[0].x[-1])
    assert ("\u2264 \u22120.5", "0", "\u2265 0.5") == tuple(key.layout.xaxis.ticktext)


# Colours


def themes() -> dict[str, dict]:
    theme = tomllib.loads(CONFIG.read_text("utf-8"))["theme"]
    return {name: theme[name] for name in ("light", "dark")}


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_and_links_are_readable_on_both_backgrounds(name):
    theme = themes()[name]
    for ground in (theme["backgroundColor"], theme["secondaryBackgroundColor"]):
        for ink in ("textColor", "linkColor"):
            assert contrast(theme[ink], ground) >= 4.5, (ink, ground)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_a_button_is_readable_and_stands_out_from_the_page(name):
    theme = themes()[name]
    assert contrast("#ffffff", theme["primaryColor"]) >= 4.5  # Streamlit writes white on it
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 3


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("colour", [*style.SERIES, style.MUTED])
def test_every_mark_stands_out_from_the_page(name, colour):
    assert contrast(colour, themes()[name]["backgroundColor"]) >= 3


def test_the_theme_lists_the_colours_of_the_runs():
    listed = tomllib.loads(CONFIG.read_text("utf-8"))["theme"]["chartCategoricalColors"]
    assert list(style.SERIES) == listed


@pytest.mark.parametrize("dark", [False, True])
def test_numbers_are_readable_on_every_colour_of_the_palette(dark):
    inks = style.ink_on(np.linspace(-1, 1, 255), dark=dark)
    grounds = ["#" + bytes(rgb).hex() for rgb in style.palette(dark=dark)]
    assert min(map(contrast, inks, grounds)) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_both_halves_of_the_palette_move_steadily_away_from_neutral(dark):
    light = luminance(style.palette(dark=dark))
    towards = np.diff(light[: NEUTRAL + 1]), -np.diff(light[NEUTRAL:])
    for half in towards:
        assert (half * (-1 if dark else 1) >= 0).all()


# plotly.js


def test_plotly_js_is_put_in_place_once_and_replaced_when_it_differs(tmp_path):
    target = tmp_path / "plotly.min.js"
    assert "app/static/plotly.min.js" == live_plot.plotly_address(tmp_path)
    first = target.stat()
    assert first.st_size > 1_000_000
    live_plot.plotly_address(tmp_path)
    assert first.st_ino == target.stat().st_ino
    target.write_text("half a file")
    live_plot.plotly_address(tmp_path)
    assert first.st_size == target.stat().st_size
    assert ["plotly.min.js"] == os.listdir(tmp_path)


def test_where_plotly_js_cannot_be_put_it_is_served_from_its_package(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    address = live_plot.plotly_address(blocked)
    assert "component/dashboard.components.live_plot.plotly_js/plotly.min.js" == address


def test_the_table_has_the_counts_colours_and_inks_of_the_chart():
    matrix = np.array([[8, 2, 0], [0, 5, 5], [1, 0, 9]])
    said = tabled(matrix, ["a", "b", "<i>"], dark=True, label="3 by 3")
    painted = figures.right_and_wrong(matrix / 10)
    inks = style.ink_on(painted, dark=True)
    cells = re.findall(r"background:#(\w{6});color:(#\w{6})\">(\d*)<", said)
    assert ["8", "2", "", "", "5", "5", "1", "", "9"] == [count for *_, count in cells]
    assert inks == [ink for _, ink, _ in cells]
    level = style.levels_of(painted)
    paint = [style.palette(dark=True)[one].tobytes().hex() for one in level]
    assert paint == [colour for colour, *_ in cells]
    assert "<i>" not in said and 'scope="row" title="&lt;i&gt;"' in said
