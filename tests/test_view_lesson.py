"""Lesson page: faults made on purpose, each trained and named, and the way on from there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard import state
from dashboard.runs import lesson
from dashboard.runs.lesson import STEPS
from dashboard.sections import doctor
from dashboard.state import lessons
from nnengine import Dataset
from nnengine.data import synthetic
from nnengine.errors import ConfigError
from tests.pages import click, idx, new_visit, open_page, words
from tests.test_view_train import until


@pytest.fixture(scope="module")
def few():
    """Images to learn from and a test set, drawn as the built-in digits are."""
    return synthetic.digits(600, seed=0), synthetic.digits(200, seed=1)


@pytest.fixture
def visit(few):
    train, test = few
    visit = new_visit({
        "train-images": idx(train.images), "train-labels": idx(train.labels),
        "t10k-images": idx(test.images), "t10k-labels": idx(test.labels),
    })  # fmt: skip
    yield visit
    for run in visit.runs:
        state.scheduler().abandon(run)


@pytest.fixture
def over_at_once(monkeypatch):
    """Every run but that of the last step is over before its page is drawn."""
    begin = state.begin_step

    def begun(step, changes=None):
        run = begin(step, changes)
        if step is not STEPS[-1]:
            until(lambda: run.ended)
        return run

    monkeypatch.setattr(state, "begin_step", begun)


def test_the_lesson_plays_through_with_next_and_every_figure_is_of_a_run_of_its_own(
    visit, over_at_once
):
    at = open_page("lesson", visit)
    assert "made on purpose" in words(at) and "figures below are of these images" in words(at)
    click(at, "Begin")
    runs = {}
    for number, step in enumerate(STEPS[:-1]):
        run = visit.runs[number]
        runs[step.key] = run
        assert not at.exception and lesson.name_of(step) == run.name
        said, found = words(at), doctor.findings(run)
        assert f"**{100 * run.history.val_accuracy[-1]:.1f} %** of the test images" in said, step
        if found:
            assert found[0].evidence[0] in said and found[0].remedy in said
        if step.mends:  # a fork with what the doctor offers and nothing else
            mended = runs[step.mends]
            first = next(iter(doctor.findings(mended) or []), None)
            offered = dict(first.change) if first and first.change else {"learning_rate": 0.1}
            assert replace(mended.recipe, **offered) == run.recipe
            assert (mended.id, 0) == (run.origin.run, run.origin.step)
        click(at, "Next")
    # The last one takes long, and is stopped: the lesson is over all the same.
    state.scheduler().stop(visit.runs[-1])
    until(lambda: visit.runs[-1].ended)
    at.run()
    assert "That was the last step" in words(at) and len(STEPS) == len(visit.runs)
    found = [(doctor.findings(runs[key]) or [])[0].name for key in ("bright", "classes")]
    assert ["standardised", "classes_missing"] == found
    ends = [runs[key].history.val_accuracy[-1] for key in ("bright", "whole")]
    assert ends[0] < ends[1]


def test_a_reload_finds_the_lesson_where_it_was(visit, over_at_once):
    at = open_page("lesson", visit)
    click(at, "Begin")
    click(at, "Next")
    at = open_page("lesson", visit, visit.runs[0].id)
    assert "Step 2 of" in words(at) and 2 == len(visit.runs)


def test_a_full_visit_is_told_so_and_the_lesson_begins_anew_in_the_room_of_its_own_runs(
    visit, over_at_once, monkeypatch
):
    at = open_page("lesson", visit)
    click(at, "Begin")
    monkeypatch.setattr(
        state.scheduler(), "bounds", replace(state.scheduler().bounds, runs_per_visit=1)
    )
    click(at, "Next")
    assert "as many as" in words(at) and 1 == len(visit.runs)
    click(at, "Delete the lesson's runs and begin anew")
    assert not at.exception and not visit.runs
    assert [b for b in at.button if b.label == "Begin"]


def test_a_set_that_is_not_here_is_asked_for_and_the_built_in_digits_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(state.registry().library, "is_here", lambda name: name == state.BUILT_IN)
    at = open_page("lesson")
    control = next(c for c in at.segmented_control if "fashion-mnist" in map(str, c.options) or
                   "Fashion-MNIST" in c.options)  # fmt: skip
    control.set_value("fashion-mnist").run()
    said = words(at)
    assert not at.exception and "Not on this machine yet" in said
    assert "dropped on the Data page" in said and "built-in digits, which need no file" in said
    assert "Bring its files" in [link.proto.label for link in at.get("page_link")]
    assert not [b for b in at.button if b.label == "Begin"]


def test_files_that_are_brought_for_a_set_that_is_not_here_are_what_the_lesson_goes_on_with(
    visit, few, monkeypatch
):
    monkeypatch.setattr(state.registry().library, "is_here", lambda name: name == state.BUILT_IN)
    files, visit.files = visit.files, []
    at = open_page("lesson", visit)
    control = next(c for c in at.segmented_control if "Fashion-MNIST" in c.options)
    control.set_value("fashion-mnist").run()
    assert not [b for b in at.button if b.label == "Begin"]
    visit.files, visit.source = files, state.FILES
    at.run()
    assert not at.exception and [b for b in at.button if b.label == "Begin"]


def test_a_step_for_which_there_is_no_room_has_it_once_the_moments_before_it_are_packed(
    visit, over_at_once, monkeypatch
):
    at = open_page("lesson", visit)
    click(at, "Begin")
    told, begin = visit.runs[0].recording, lessons.begin_on
    until(lambda: not told.waiting and not told.packing)
    step = told.steps[-1]
    told._waiting.append((step + 1, visit.runs[0].snapshot.theta))  # as a tab has them

    def narrow(*given, **named):
        if told.waiting:
            raise ConfigError("this run takes too much: let go of some of it first")
        return begin(*given, **named)

    monkeypatch.setattr(lessons, "begin_on", narrow)
    click(at, "Next")
    assert 2 == len(visit.runs) and not told.waiting and step + 1 in told.moments.steps
    assert "let go of some" not in words(at)


def test_a_place_of_wrong_data_says_how_it_was_made_and_of_what():
    made = lesson.place("bright", "fashion-mnist")
    assert ("bright", "fashion-mnist") == lesson.parts(made)
    assert lesson.parts("fashion-mnist") is None and lesson.parts("lesson:other:x") is None
    assert "digits" == lesson.place("", "digits")


def test_wrong_images_are_wrong_in_one_thing(few):
    train, test = few
    same, bright = lesson.made_wrong("bright", train, test)
    assert bright is not None and same is train and bright.images.min() == lesson.BRIGHTER
    np.testing.assert_array_equal(bright.labels, test.labels)
    kept, whole = lesson.made_wrong("classes", train, test)
    assert (
        kept is not None and whole is test and {0, 1, 2} == set(kept.labels) and 10 == kept.classes
    )


def test_data_that_cannot_be_made_wrong_are_refused_with_the_way_out(few):
    with pytest.raises(ConfigError, match="test set"):
        lesson.made_wrong("bright", few[0], None)
    two = Dataset(few[0].images, few[0].labels % 2)
    with pytest.raises(ConfigError, match="2 classes"):
        lesson.made_wrong("classes", two, two)
