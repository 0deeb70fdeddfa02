"""Compare page: runs side by side, what differs in them, and one more with one thing changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.runs.recipe import Recipe
from tests.pages import component, idx, new_visit, open_page, words
from tests.test_view_train import until

QUICK = Recipe(hidden=(8,), epochs=4, batch_size=8, learning_rate=0.01)
LONG = replace(QUICK, epochs=200)


@pytest.fixture
def visit(stripes):
    """A visitor who has dropped 300 images, in four files."""
    images, labels = stripes
    visit = new_visit({
        "train-images": idx(images[:240]), "train-labels": idx(labels[:240]),
        "t10k-images": idx(images[240:]), "t10k-labels": idx(labels[240:]),
    })  # fmt: skip
    yield visit
    for run in visit.runs:
        state.scheduler().abandon(run)


def begun(visit, recipe: Recipe, name: str):
    """Start a run as its page would, and return it."""
    sets = state.sets.sets_of(visit, "files")[:2]
    visit.run_sources[visit.reserved] = "files"
    run = state.scheduler().start(
        recipe, *sets, owner=visit.owner, name=name, run_id=visit.reserved
    )
    state.registry().add_run(visit, run)
    return run


def trained(visit, recipe: Recipe, name: str):
    run = begun(visit, recipe, name)
    until(lambda: run.ended)
    return run


def click(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def test_the_rate_of_a_run_is_changed_on_the_train_page_and_marked_on_its_chart(visit):
    run = begun(visit, LONG, "Slow")
    until(lambda: run.step > 50)
    state.scheduler().pause(run)
    at = open_page("train", visit, run.id)
    next(f for f in at.number_input if f.label == "Learning rate").set_value(0.002).run()
    click(at, "From here on")
    assert 0.002 == run.recipe.learning_rate
    state.scheduler().resume(run)
    at.run()
    board = component(at, "board")
    assert "learning rate 0.002" in board["charts"][0]["figure"]
    assert "learning rate 0.002 from" in board["charts"][0]["label"]


def test_without_a_run_the_page_leads_to_where_one_begins():
    at = open_page("compare")
    assert "No runs yet" in words(at)


def test_two_runs_stand_on_one_chart_by_steps_epochs_or_seconds(visit):
    trained(visit, QUICK, "One")
    trained(visit, replace(QUICK, learning_rate=0.1), "Two")
    at = open_page("compare", visit)
    assert not at.exception
    chart = component(at, "compare.accuracy")
    assert {"One", "Two"} <= {trace["name"] for trace in json.loads(chart["figure"])["data"]}
    assert "One, validation: " in chart["label"]
    assert "Two, validation: " in chart["label"]
    for way, title in (("Epoch", "Epoch"), ("Seconds", "Seconds of the engine's work")):
        at.segmented_control[0].set_value(way).run()
        frame = json.loads(component(at, "compare.loss")["figure"])["layout"]
        assert title == frame["xaxis"]["title"]["text"]


def test_the_table_says_what_differs_and_what_was_reached_and_is_sorted_by_it(visit):
    trained(visit, QUICK, "Lower")
    trained(visit, replace(QUICK, learning_rate=0.1), "Higher")
    at = open_page("compare", visit)
    next(s for s in at.selectbox if s.label == "Sort by").set_value("Learning rate").run()
    page = words(at)
    assert '<th scope="col">Learning rate</th>' in page
    assert '<th scope="col">Seed</th>' not in page
    assert page.index(">Higher</th>") < page.index(">Lower</th>")
    next(t for t in at.toggle if t.label == "Largest first").set_value(False).run()
    page = words(at)
    assert page.index(">Lower</th>") < page.index(">Higher</th>")


def test_a_table_wider_than_a_phone_is_a_region_that_keys_reach(visit):
    trained(visit, QUICK, "One")
    (html,) = [
        e.proto.body for e in open_page("compare", visit).get("html") if "<table" in e.proto.body
    ]
    assert '<div class="nn-wide" role="region" tabindex="0" aria-label="Runs' in html


def test_lines_across_all_that_differs_are_drawn_for_every_run(visit):
    trained(visit, QUICK, "One")
    trained(visit, replace(QUICK, learning_rate=0.1, schedule="cosine"), "Two")
    at = open_page("compare", visit)
    drawn = json.loads(component(at, "compare.many")["figure"])
    assert ["One", "Two"] == [trace["name"] for trace in drawn["data"]]
    named = drawn["layout"]["xaxis"]["ticktext"]
    assert {"Learning rate", "Rate over the run"} <= set(named)


def test_a_run_is_forked_from_a_step_with_another_rate_and_stands_beside_it(visit):
    parent = trained(visit, QUICK, "First")
    at = open_page("compare", visit)
    next(n for n in at.number_input if n.label == "From step").set_value(60).run()
    next(n for n in at.number_input if n.label == "Learning rate").set_value(0.001).run()
    assert "steps are replayed first" in words(at)
    click(at, "Start")
    _, fork = visit.runs
    until(lambda: fork.ended)
    at.run()
    assert not at.exception
    assert (60, {"learning_rate": ("0.01", "0.001")}) == (fork.origin.step, fork.origin.changes)
    assert "learning rate 0.01 → 0.001, from step 60 of First" in words(at)
    before = [i for i, step in enumerate(parent.history.step) if step <= 60]
    assert [parent.history.val_loss[i] for i in before] == fork.history.val_loss[: len(before)]
    assert "learning rate 0.001" in component(at, "compare.accuracy")["figure"]


def test_a_run_is_run_again_from_its_start_with_nothing_changed_to_the_same_bits(visit):
    parent = trained(visit, QUICK, "First")
    at = open_page("compare", visit)
    next(s for s in at.selectbox if s.label == "What changes").set_value(
        "Nothing: the same again"
    ).run()
    click(at, "Start")
    _, again = visit.runs
    until(lambda: again.ended)
    assert (parent.snapshot.theta == again.snapshot.theta).all()


def test_a_fork_whose_data_are_gone_says_where_to_choose_them_again(visit):
    trained(visit, QUICK, "First")
    visit.files.clear()
    at = open_page("compare", visit)
    click(at, "Start")
    assert "which is not here any more as it was then" in words(at)
    assert 1 == len(visit.runs)
