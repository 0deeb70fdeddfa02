"""Lesson page: faults made on purpose, each trained and named, and the way on from there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard import state
from dashboard.runs import lesson
from dashboard.runs.lesson import BY_KEY, STEPS
from dashboard.sections import doctor
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


def over(visit, number: int):
    """Return the visitor's run of this number once it has ended."""
    run = visit.runs[number]
    until(lambda: run.ended)
    return run


def test_the_lesson_plays_through_with_next_and_every_figure_is_of_a_run_of_its_own(visit):
    at = open_page("lesson", visit)
    assert "made on purpose" in words(at) and "figures below are of these images" in words(at)
    click(at, "Begin")
    for number, step in enumerate(STEPS[:-1]):
        run = over(visit, number)
        at.run()
        assert not at.exception
        assert lesson.name_of(step) == run.name
        said = words(at)
        assert f"**{100 * run.history.val_accuracy[-1]:.1f} %** of the test images" in said, step
        if step.faulty:
            first = doctor.findings(run)[0]
            assert first.evidence[0] in said and first.remedy in said
        click(at, "Next")
    # The last one takes long, and is stopped: the lesson is over all the same.
    state.scheduler().stop(visit.runs[-1])
    at.run()
    assert "That was the last step" in words(at) and len(STEPS) == len(visit.runs)
    found = {
        key: doctor.findings(visit.runs[i])[0].name for i, key in enumerate(BY_KEY) if i in (0, 2)
    }
    assert {"bright": "standardised", "classes": "classes_missing"} == found
    ends = {key: run.history.val_accuracy[-1] for key, run in zip(BY_KEY, visit.runs, strict=True)}
    assert ends["bright"] < ends["whole"] and ends["low"] < ends["faster"]


def test_a_mended_step_is_a_fork_with_what_the_doctor_offers_and_nothing_else(visit):
    at = open_page("lesson", visit)
    at.session_state["lesson.at"] = STEPS.index(BY_KEY["high"])
    at.run()
    click(at, "Train it")
    wrong = over(visit, 0)
    at.run()
    click(at, "Next")
    mended = over(visit, 1)
    offered = doctor.findings(wrong)[0].change
    assert replace(wrong.recipe, **offered) == mended.recipe != wrong.recipe
    assert (wrong.id, 0) == (mended.origin.run, mended.origin.step)


def test_a_reload_finds_the_lesson_where_it_was(visit):
    at = open_page("lesson", visit)
    click(at, "Begin")
    over(visit, 0)
    at = open_page("lesson", visit, visit.runs[0].id)
    assert "Step 1 of" in words(at)
    click(at, "Next")
    over(visit, 1)
    at = open_page("lesson", visit, visit.runs[0].id)
    assert "Step 2 of" in words(at) and 2 == len(visit.runs)


def test_a_full_visit_is_told_so_and_the_lesson_begins_anew_in_the_room_of_its_own_runs(
    visit, monkeypatch
):
    at = open_page("lesson", visit)
    click(at, "Begin")
    over(visit, 0)
    monkeypatch.setattr(
        state.scheduler(), "bounds", replace(state.scheduler().bounds, runs_per_visit=1)
    )
    at.run()
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
    assert "goes on at once with the built-in digits" in said
    assert not [b for b in at.button if b.label == "Begin"]


def test_a_place_of_wrong_data_says_how_it_was_made_and_of_what():
    made = lesson.place("bright", "fashion-mnist")
    assert ("bright", "fashion-mnist") == lesson.parts(made)
    assert lesson.parts("fashion-mnist") is None and lesson.parts("lesson:other:x") is None
    assert "digits" == lesson.place("", "digits")


def test_wrong_images_are_wrong_in_one_thing(few):
    train, test = few
    same, bright = lesson.made_wrong("bright", train, test)
    assert same is train and bright.images.min() == lesson.BRIGHTER
    np.testing.assert_array_equal(bright.labels, test.labels)
    kept, whole = lesson.made_wrong("classes", train, test)
    assert whole is test and {0, 1, 2} == set(kept.labels) and 10 == kept.classes


def test_data_that_cannot_be_made_wrong_are_refused_with_the_way_out(few):
    with pytest.raises(ConfigError, match="test set"):
        lesson.made_wrong("bright", few[0], None)
    two = Dataset(few[0].images, few[0].labels % 2)
    with pytest.raises(ConfigError, match="2 classes"):
        lesson.made_wrong("classes", two, two)
