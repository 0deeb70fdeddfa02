"""Train page: from a recipe to a finished run, as a visitor would click it."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from nnengine.idx import write_idx

APP = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"


def idx(array) -> bytes:
    stream = io.BytesIO()
    write_idx(stream, np.asarray(array))
    return stream.getvalue()


@pytest.fixture
def empty_page() -> AppTest:
    """The Train page of a new visitor."""
    at = AppTest.from_file(str(APP), default_timeout=60).run()
    return at.switch_page("views/train.py").run()


@pytest.fixture
def page(stripes) -> AppTest:
    """The Train page of a visitor who has dropped 300 images, in four files."""
    images, labels = stripes
    visit = state.registry().create()
    shelf = state.registry().shelf
    for name, array in (
        ("train-images", images[:240]), ("train-labels", labels[:240]),
        ("t10k-images", images[240:]), ("t10k-labels", labels[240:]),
    ):  # fmt: skip
        visit.files.append(shelf.load(name, idx(array)))
    at = AppTest.from_file(str(APP), default_timeout=60)
    at.query_params["run"] = visit.reserved
    at.run()
    yield at.switch_page("views/train.py").run()
    for run in visit.runs:
        state.scheduler().abandon(run)


def click(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def field(elements, label: str):
    return next(element for element in elements if element.label == label)


def text(at: AppTest) -> str:
    return "\n".join(e.value for e in [*at.markdown, *at.caption, *at.error, *at.info])


def the_run(at: AppTest):
    token = at.query_params["run"]
    visit = state.registry().find(token[0] if isinstance(token, list) else token)
    return visit.runs[-1]


def until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def choose_long(at: AppTest) -> None:
    """Choose a run that lasts until it is stopped: 200 passes, one image at a time."""
    field(at.number_input, "Images in a batch").set_value(1).run()
    field(at.number_input, "Epochs").set_value(200).run()


def pick_quick(at: AppTest) -> AppTest:
    choice = field(at.selectbox, "Start from")
    return choice.set_value(choice.options[1]).run()


def test_the_app_opens_and_every_page_draws():
    at = AppTest.from_file(str(APP), default_timeout=60).run()
    assert not at.exception
    for name in ("data", "train", "weights", "draw", "models"):
        assert not at.switch_page(f"views/{name}.py").run().exception, name


def test_without_data_the_page_leads_to_where_data_is_added(empty_page):
    assert "No training data yet" in text(empty_page)
    assert not [b for b in empty_page.button if b.label == "Start training"]


def test_the_form_opens_with_the_original_and_its_cost(page):
    until(lambda: state.scheduler().warm)
    page.run()
    assert "The original: 784-10-10, full batch, rate 0.1" == page.selectbox[0].value
    assert "64 → 10 → 3" in text(page)
    assert "683 parameters. About " in text(page)


def test_a_quick_run_finishes_and_is_listed_with_its_score(page):
    pick_quick(page)
    field(page.text_input, "Name of the run").set_value("Stripes").run()
    click(page, "Start training")
    run = the_run(page)
    until(lambda: run.ended)
    page.run()
    assert ("finished", "Stripes") == (run.state, run.name)
    assert ":blue-badge[Finished]" in text(page)
    assert run.history.val_accuracy[-1] > 0.9
    assert f"{100 * run.history.val_accuracy[-1]:.2f} %" in [m.value for m in page.metric]
    assert not [b for b in page.button if b.label in ("Pause", "Stop")]


def test_pause_step_resume_and_stop(page):
    pick_quick(page)
    choose_long(page)
    click(page, "Start training")
    run = the_run(page)
    until(lambda: run.step > 3)
    click(page, "Pause")
    assert "paused" == run.state
    step = run.step
    click(page, "Step")
    assert step + 1 == run.step
    click(page, "Resume")
    until(lambda: run.step > step + 1)
    click(page, "Stop")
    assert "stopped" == run.state
    assert ":gray-badge[Stopped]" in text(page)


def test_the_run_goes_on_while_another_page_is_open(page):
    pick_quick(page)
    choose_long(page)
    click(page, "Start training")
    run = the_run(page)
    page.switch_page("views/models.py").run()
    step = run.step
    until(lambda: run.step > step + 10)
    page.switch_page("views/train.py").run()
    assert ":green-badge[Running]" in text(page)


def test_settings_survive_a_change_of_page(page):
    field(page.text_input, "Hidden layers").set_value("24, 12").run()
    page.switch_page("views/models.py").run()
    page.switch_page("views/train.py").run()
    assert "24, 12" == field(page.text_input, "Hidden layers").value
    assert "My own settings" == page.selectbox[0].value
    assert "64 → 24 → 12 → 3" in text(page)


@pytest.mark.parametrize(
    ("hidden", "words"),
    [("12, many", "“many” is not a number of units"), ("9999", "between 1 and 1,024")],
)
def test_what_cannot_be_trained_is_said_and_cannot_be_started(page, hidden, words):
    field(page.text_input, "Hidden layers").set_value(hidden).run()
    assert words in text(page)
    assert field(page.button, "Start training").disabled


def test_momentum_is_shown_only_where_it_acts(page):
    assert "Momentum" not in [n.label for n in page.number_input]
    field(page.selectbox, "Optimiser").set_value("momentum").run()
    assert "Momentum" in [n.label for n in page.number_input]


def test_an_earlier_run_can_be_laid_over_the_chart_renamed_and_deleted(page):
    pick_quick(page)
    for _ in range(2):
        click(page, "Start training")
        run = the_run(page)
        until(lambda run=run: run.ended)
        page.run()
    field(page.checkbox, "Lay over the chart").check().run()
    first = next(run for run in state.registry().find(run.id).runs)
    field_of_first = next(t for t in page.text_input if t.key.endswith(f"name.{first.id}"))
    field_of_first.set_value("Baseline").run()
    assert "Baseline" == first.name
    assert not page.exception
    page.button(key=f"delete.{first.id}").click().run()
    assert [run] == state.registry().find(run.id).runs
    assert not page.exception


def test_a_refused_start_says_why(page, monkeypatch):
    bounds = state.scheduler().bounds
    monkeypatch.setattr(state.scheduler(), "bounds", type(bounds)(runs_per_visit=1))
    pick_quick(page)
    click(page, "Start training")
    click(page, "Start training")
    assert "delete one first" in page.warning[0].value
