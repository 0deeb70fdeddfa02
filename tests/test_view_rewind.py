"""Rewind: the slider under the curves shows a run as it was, and a link opens it there."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.present.rewinding import lapses, learnt, right_for_good
from dashboard.present.words import size
from dashboard.runs import address
from dashboard.runs.bounds import Bounds
from dashboard.runs.lineage import Leg
from dashboard.runs.recipe import Recipe
from dashboard.sections import moment_link
from dashboard.state.sets import sets_of
from nnengine.data.readers import hints
from nnengine.storage import links
from tests.pages import APP, click, component, idx, new_visit, open_page, words

RECIPE = Recipe(hidden=(8,), epochs=20, batch_size=16, learning_rate=0.01, validation="test")


def files_of(stripes) -> dict[str, bytes]:
    images, labels = stripes
    return {
        "train-images": idx(images[:240]), "train-labels": idx(labels[:240]),
        "t10k-images": idx(images[240:]), "t10k-labels": idx(labels[240:]),
    }  # fmt: skip


def ended(visit, recipe: Recipe = RECIPE):
    """Return a finished run of a visit, whose moments are packed."""
    found = sets_of(visit, state.FILES)[:2]
    run = state.scheduler().start(
        recipe, *found, owner=visit.owner, run_id=visit.reserved, name="Run 1"
    )
    state.registry().add_run(visit, run)
    return until_packed(run)


def until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def until_packed(run):
    told = run.recording
    until(lambda: run.ended and not told.waiting and not told.packing)
    return run


@pytest.fixture
def run(stripes):
    return ended(new_visit(files_of(stripes)))


@pytest.fixture
def page(run) -> AppTest:
    return open_page("train", run_id=run.id)


def slider(at: AppTest):
    return next(one for one in at.select_slider if one.label == "Step of the run")


def at_step(at: AppTest, step: int) -> AppTest:
    return slider(at).set_value(step).run()


def test_the_slider_stands_at_the_end_of_the_run(page, run):
    assert not page.exception
    assert run.total_steps == slider(page).value
    assert f"Step {run.total_steps:,} of {run.total_steps:,}" in words(page)


def test_all_that_is_shown_is_of_the_moment_that_the_slider_stands_at(page, run):
    def seen() -> list:
        said = next(m.value for m in page.caption if "% right" in m.value)
        bars = next(e.proto.body for e in page.get("html") if "nn-bars" in e.proto.body[:40])
        html = next(e.proto.body for e in page.get("html") if "nn-matrix" in e.proto.body)
        counts = re.findall(r"<td style=[^>]*>(\d*)</td>", html)
        return [component(page, "rewind.weights")["sheet"], said, bars, counts]

    last = seen()
    first = (at_step(page, 0), seen())[1]
    assert [False] * 4 == [was == is_ for was, is_ in zip(last, first, strict=True)]
    network = run.recording.moments.network(0, run.snapshot)
    test = sets_of(state.registry().find(run.id), state.FILES)[1]
    assert f"{100 * network.accuracy(test):.2f} % right" in first[1]


def test_a_tab_that_packs_the_moments_of_a_run_does_not_draw_them_again_and_again(
    run, page, monkeypatch
):
    from dashboard.sections import rewind  # the sheet it asks about stands only once a page did

    told = run.recording
    told._waiting.append((told.steps[-1] + 1, run.snapshot.theta))
    assert rewind._waits(run)  # on a server, where somebody else draws
    monkeypatch.setattr(rewind, "IN_TAB", True)
    assert not rewind._waits(run)
    told._waiting.clear()


def test_the_page_says_what_a_moment_takes(page, run):
    moments = run.recording.moments
    assert f"this moment takes {size(moments.size(len(moments) - 1))}" in words(page)
    assert f"all {len(moments)} of them {size(moments.packed_bytes)}" in words(page)


def test_a_press_asks_every_moment_and_marks_the_curves(page):
    before = json.loads(component(page, "board")["charts"][0]["figure"])["layout"]["shapes"]
    button = next(one for one in page.button if one.label.startswith("When did it learn"))
    at = button.click().run()
    assert not at.exception
    assert "for good" in words(at)
    chart = component(at, "board")["charts"][0]
    marked = json.loads(chart["figure"])["layout"]["shapes"]
    assert 1 == len([shape for shape in marked if shape not in before])
    assert all(shape in marked for shape in before)  # chance, and the ends of epochs
    assert "for good from step" in chart["label"]


def test_the_slider_stays_where_it_was_when_the_page_is_left_and_opened_again(page, run):
    at_step(page, 5)
    page.switch_page("views/models.py").run()
    page.switch_page("views/train.py").run()
    assert 5 == slider(page).value


def test_a_link_to_a_moment_trains_the_run_anew_to_the_same_bits_and_opens_there(
    page, run, stripes
):
    at_step(page, 7)
    link = component(page, "moment.link")["link"]
    said = {name: value[0] for name, value in parse_qs(urlsplit(link).query).items()}
    assert ("7", run.snapshot.training[-1]["data_digest"][:16]) == (said["moment"], said["digest"])

    other = new_visit(files_of(stripes))
    at = AppTest.from_file(str(APP), default_timeout=240)
    at.query_params["run"] = other.reserved
    for name, value in said.items():
        at.query_params[name] = value
    at.run()
    at.switch_page("views/train.py").run()
    assert "This link opens step 7 of a run" in words(at)
    assert "other images" not in words(at)
    click(at, "Train it here")
    (mine,) = other.runs
    until_packed(mine)
    at.run()
    assert 7 == slider(at).value
    assert run.recording.moments.to_bytes() == mine.recording.moments.to_bytes()
    np.testing.assert_array_equal(run.snapshot.theta, mine.snapshot.theta)


def test_a_link_opens_its_moment_when_the_run_is_past_it_and_does_not_go_on_with_the_run(
    run, monkeypatch
):
    """At the newest moment the slider would take it for a reader who goes on with the run."""
    kept = {}
    monkeypatch.setattr(state, "put", kept.__setitem__)
    monkeypatch.setattr(state, "get", kept.get)
    moment_link.ask(address.Asked(None, RECIPE, (), (), (7, "")))
    going = SimpleNamespace(recipe=RECIPE, ended=False)
    assert [None, None] == [moment_link.asked_step(going, list(range(last))) for last in (7, 8)]
    assert 7 == moment_link.asked_step(going, list(range(9)))
    assert not moment_link.awaits(going)  # seen: it is asked once

    moment_link.ask(address.Asked(None, RECIPE, (), (), (300, "")))
    over = SimpleNamespace(recipe=RECIPE, ended=True)
    assert 300 == moment_link.asked_step(over, [0, 7, 300])


def test_a_link_says_the_data_that_the_run_learnt_from_whatever_is_in_hand_now(page, run):
    visit = state.registry().find(run.id)
    visit.run_sources[run.id], visit.source = state.BUILT_IN, state.FILES
    link = component(page.run(), "moment.link")["link"]
    assert [state.BUILT_IN] == parse_qs(urlsplit(link).query)["data"]


def test_a_run_whose_settings_were_changed_on_its_way_is_no_recipe_to_be_linked(page, run):
    run.course = (*run.course, Leg(3, replace(run.recipe, learning_rate=0.5)))
    page.run()
    assert "it cannot be trained anew from a link" in words(page)
    with pytest.raises(AssertionError, match="no component"):
        component(page, "moment.link")


def test_a_link_whose_data_are_others_says_so(stripes):
    images, labels = stripes
    visit = new_visit(files_of((255 - images, labels)))
    at = AppTest.from_file(str(APP), default_timeout=240)
    at.query_params["run"] = visit.reserved
    at.query_params["moment"], at.query_params["digest"] = "3", "0123456789abcdef"
    at.query_params["seed"] = "4"
    at.run()
    at.switch_page("views/train.py").run()
    assert "It was trained on other images (digest 0123456789abcdef)" in words(at)
    click(at, "Not now")
    assert "This link opens" not in words(at)


def test_the_network_itself_goes_into_a_link_where_it_fits(page, run):
    at_step(page, 5)
    click(page, "Put the network itself into a link")
    link = component(page, "moment.network")["link"]
    found = links.decode(link.partition("net=")[2])
    assert ("Run 1, step 5", 5) == (found.name, found.network.trained_steps)


def test_a_moment_in_an_address_is_believed_as_far_as_it_makes_sense():
    def asked(**said: str):
        return address.read(said, (), Bounds())

    assert (420, "0123456789abcdef") == asked(
        seed="1", moment="420", digest="0123456789abcdef"
    ).moment
    assert (420, "") == asked(seed="1", moment="420").moment
    wrong = asked(seed="1", moment="420", digest="<script>")
    assert ((420, ""), 1) == (wrong.moment, len(wrong.faults))
    for said in ({"moment": "-1", "seed": "1"}, {"moment": "soon", "seed": "1"}, {"moment": "4"}):
        found = asked(**said)
        assert (None, 1) == (found.moment, len(found.faults))


@pytest.mark.parametrize(
    ("answers", "place", "left"),
    [
        ([1, 1, 7, 7], 2, 0),
        ([7, 1, 7, 1, 7], 4, 2),
        ([7, 7], 0, 0),
        ([7, 1], None, 1),
    ],
)
def test_what_is_right_for_good_is_right_at_every_later_moment(answers, place, left):
    assert (place, left) == (right_for_good(answers, 7), lapses(answers, 7))


def test_when_something_was_learnt_is_said_as_exactly_as_it_was_seen():
    steps = [0, 1, 2, 40]
    assert "since step 2." in learnt(steps, [1, 1, 7, 7], 7, "7")
    assert "since between step 2 and step 40. Before that it had come to 7 and left it once." in (
        learnt(steps, [1, 7, 1, 7], 7, "7")
    )
    assert "not learnt it" in learnt(steps, [7, 7, 7, 1], 7, "7")


def test_who_stands_at_the_end_goes_on_with_the_run_and_nobody_else_does(stripes):
    visit = new_visit(files_of(stripes))
    engine = state.scheduler()
    recipe = Recipe(hidden=(8,), epochs=100, batch_size=8, validation="test")
    run = engine.start(
        recipe, *sets_of(visit, state.FILES)[:2], owner=visit.owner, run_id=visit.reserved
    )
    state.registry().add_run(visit, run)
    engine.pause(run)
    for _ in range(2):
        engine.step(run)
    until(lambda: len(run.recording.moments) == 1 + run.step >= 2)
    at = open_page("train", run_id=run.id)
    assert run.step == slider(at).value
    engine.step(run)
    until(lambda: len(run.recording.moments) == 1 + run.step)
    assert run.step == slider(at.run()).value
    at_step(at, 1)
    engine.step(run)
    until(lambda: len(run.recording.moments) == 1 + run.step)
    assert 1 == slider(at.run()).value
    engine.stop(run)


def test_what_is_odd_about_files_is_worked_out_once_though_no_run_holds_them(stripes, monkeypatch):
    visit, asked, told = new_visit(files_of(stripes)), [], hints.remarks
    monkeypatch.setattr(hints, "remarks", lambda data: asked.append(data.name) or told(data))
    first, again = (sets_of(visit, state.FILES)[0] is None for _ in range(2))
    assert not first and not again and 1 == len(asked)
    monkeypatch.setattr("dashboard.state.sets.this_visit", lambda: visit)
    state.clear_files()
    assert (None, None) == visit.paired
