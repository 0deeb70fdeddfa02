"""The training doctor on the Train page: what it says of a run, and the run that mends it."""

from __future__ import annotations

import time

import pytest

from dashboard import state
from dashboard.runs.recipe import Recipe
from dashboard.sections import doctor
from nnengine.analysis.doctor import Finding
from tests.pages import click, idx, new_visit, open_page, words


@pytest.fixture
def opened(stripes):
    """Return what opens the Train page of a visitor with 300 images; runs end with the test."""
    visits = []

    def open_with(labels=None, **fields):
        images, theirs = stripes
        given = theirs if labels is None else labels
        visit = new_visit({
            "train-images": idx(images[:240]), "train-labels": idx(given[:240]),
            "t10k-images": idx(images[240:]), "t10k-labels": idx(theirs[240:]),
        })  # fmt: skip
        visits.append(visit)
        at = open_page("train", visit)
        choice = next(one for one in at.selectbox if one.label == "Start from")
        choice.set_value(choice.options[1]).run()
        for label, value in fields.items():
            named = label.replace("_", " ")
            next(f for f in at.number_input if f.label == named).set_value(value).run()
        return at, visit

    yield open_with
    for visit in visits:
        for run in visit.runs:
            state.scheduler().abandon(run)


def trained(at, visit):
    """Press Start, wait for the end and draw the page anew; return the run."""
    click(at, "Start training")
    until_over(visit.runs[-1])
    at.run()
    assert not at.exception
    return visit.runs[-1]


def until_over(run) -> None:
    deadline = time.monotonic() + 90
    while not run.ended:
        state.scheduler().touch(run)
        assert time.monotonic() < deadline, run.state
        time.sleep(0.02)


def test_a_healthy_run_is_said_to_be_healthy(opened):
    at, visit = opened(Images_in_a_batch=10, Epochs=8)
    run = trained(at, visit)
    assert [] == doctor.findings(run)
    assert "found nothing wrong" in words(at)
    assert not [b for b in at.button if b.key == "doctor.start"]


def test_a_rate_too_high_is_explained_and_mended_by_one_click(opened):
    at, visit = opened(Learning_rate=10.0, Images_in_a_batch=10, Epochs=8)
    run = trained(at, visit)
    said = words(at)
    assert "Training doctor" in said and "a step changed the weights by" in said
    assert "Learning rate: 10 → " in said
    click(at, "Start again with this change")
    assert not at.exception
    mended = visit.runs[-1]
    assert mended is not run and mended.recipe.learning_rate < 1
    assert mended.recipe.seed == run.recipe.seed
    until_over(mended)
    at.run()
    assert mended.history.train_accuracy[-1] > 0.9
    assert "found nothing wrong" in words(at)


def test_labels_that_are_all_zero_lead_to_the_data(opened, stripes):
    at, visit = opened(labels=stripes[1] * 0, Images_in_a_batch=10, Epochs=2)
    trained(at, visit)
    assert "Every training image is labelled 0" in words(at)
    assert not [b for b in at.button if b.key == "doctor.start"]
    links = [link.proto.label for link in at.get("page_link")]
    assert "Look at the data" in links


def test_a_change_is_said_setting_by_setting():
    before = Recipe(hidden=(1,), activation="sigmoid")
    finding = Finding(name="x", sentence="", evidence=(), remedy="",
                      change={"hidden": "dense 32", "activation": "relu"})  # fmt: skip

    class OfIt:
        recipe = before

    after = doctor.changed(OfIt, finding)
    assert Recipe(hidden=(32,), activation="relu") == after
    assert "Activation: Sigmoid → ReLU" in doctor.in_words(before, after)


def test_a_mended_run_learns_from_the_data_of_the_one_it_mends(opened):
    at, visit = opened(Learning_rate=10.0, Images_in_a_batch=10, Epochs=3)
    run = trained(at, visit)
    visit.source = state.BUILT_IN
    at.run()
    click(at, "Start again with this change")
    mended = visit.runs[-1]
    assert mended is not run and f"{run.name}, mended" == mended.name
    assert (run.data_name, run.data_count) == (mended.data_name, mended.data_count)
    assert (run.id, 0) == (mended.origin.run, mended.origin.step)


def test_data_that_are_gone_are_asked_for_before_a_run_is_mended(opened):
    at, visit = opened(Learning_rate=10.0, Images_in_a_batch=10, Epochs=3)
    trained(at, visit)
    visit.files.clear()
    at.run()
    click(at, "Start again with this change")
    assert "which is not here any more as it was then" in words(at)
    assert 1 == len(visit.runs)
