"""Programs written by who had not read the catalogue: what is right stays right.

Which of the mistakes are named is counted, and none is named that was not made.
"""

from __future__ import annotations

import numpy as np
import pytest

from nnengine.homework import bench
from nnengine.homework.checking import check
from nnengine.homework.naming import meant
from nnengine.homework.probe import probe
from tests.learners import programs

ALL = {name: (run, answer) for name, run, answer in programs()}
RIGHT = [name for name, (_, answer) in ALL.items() if answer["right"]]
WRONG = [name for name, (_, answer) in ALL.items() if not answer["right"]]
# What the mistakes of each that a catalogue knows are called, all of these: the rest has no name.
CALLED = {
    "t02_rows_quick": {"slope_missing"}, "t05_layers": {"weights_already_updated"},
    "t08_train_step": {"step_uphill"}, "t10_notebook": {"not_divided"},
    "t12_nn_from_video": {"softmax_over_everything"}, "t19_normed": {"pixels_scaled_twice"},
    "q01_stuck_at_ten_percent": {"gradient_transposed"},
    "q02_nan": {"pixels_not_scaled", "softmax_overflow"},
    "q03_always_one_class": {"delta_times_softmax_slope"},
    "q04_bias_of_twenty_columns": {"bias_gradient_not_summed"},
    "q05_sum_not_mean": {"not_divided"}, "q06_derivative_in_place": {"relu_mask_for_values"},
    "q07_max_or_maximum": {"relu_maximum_of_units"},
    "q08_softmax_over_images": {"softmax_over_images"},
    "q09_labels_reshaped": {"one_hot_reshaped"}, "q10_all_zero": {"all_weights_start_at_zero"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    """What is found must not hang on how busy the machine is."""
    monkeypatch.setattr(bench, "MOST_SECONDS", 30.0)


def report_of(name):
    with np.errstate(all="ignore"):
        saved = ALL[name][0](probe().arrays(columns=True) | {"learning_rate": probe().rate})
    return check(saved)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_is_accused_of_nothing(name):
    report = report_of(name)
    assert () == report.wrong, report


@pytest.mark.parametrize("name", WRONG)
def test_of_a_wrong_program_the_first_wrong_array_is_told_and_no_mistake_it_has_not(name):
    report = report_of(name)
    assert ALL[name][1]["first_wrong"] == meant(report.first_wrong), report
    assert set(report.names) >= CALLED.get(name, set()), report
    assert all(CALLED.get(name, set()) & set(one.names) for one in report.findings), report
    assert len(repr(report).splitlines()) < 15
    assert name in CALLED or not name.startswith("q")  # what is often asked has a name


def test_an_array_that_was_overwritten_after_its_use_accuses_no_line_that_used_it():
    report = report_of("q06_derivative_in_place")
    assert ("A1",) == report.wrong
    assert any(note.startswith("Z2 is right by what A1 should be") for note in report.notes)


def test_weights_that_are_all_zero_are_answered_without_a_search(monkeypatch):
    monkeypatch.setattr(bench, "MOST_TRIALS", 0)
    report = report_of("q10_all_zero")
    assert (("z1", "z2"), False) == (report.wrong, report.cut_short)
    assert "all weights start at zero" in repr(report)
