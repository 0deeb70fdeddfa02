"""Start page: an answer at once, four scenes of one's own digit, and the ways on from there."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages import APP, asked, click, component, open_page, words
from tests.test_view_draw import a_crowded_sheet, a_stroke, reader, shipped  # noqa: F401 (fixtures)
from tests.test_view_draw import draw as draw_on_pad


def titles(at) -> list[str]:
    return [scene["title"] for scene in component(at, "start.scenes")["scenes"]]


def draw(at, pixels: np.ndarray):
    """Put pixels on the start page's pad, as the canvas would send them."""
    draw_on_pad(at, pixels)
    at.session_state["drawing-pad-alone-0"] = at.session_state["drawing-pad-0"]
    return at.run()


def follow(query: str):
    at = AppTest.from_file(str(APP), default_timeout=240)
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        at.query_params[name] = value
    return at.run()


@pytest.mark.parametrize(
    ("pixels", "asked"),
    [(a_stroke(), "Is it wrong?"), (a_crowded_sheet(), "Is it a digit all the same?")],
    ids=["an answer", "a refusal"],
)
def test_the_way_to_a_lesson_asks_by_what_was_answered(pixels, asked):
    at = draw(open_page("start"), pixels)
    offered = [link.proto.label for link in at.get("page_link")]
    assert f"{asked} Teach it on Draw" in offered


def test_before_anything_is_drawn_the_scenes_show_a_digit_that_is_said_to_be_ours():
    at = open_page("start")
    assert not at.exception
    assert "a digit of ours, until you draw one" in words(at)
    assert "The sheet is blank" in words(at)
    assert titles(at)[0] == "This digit becomes 784 numbers"
    assert len(titles(at)) == 4


def test_a_drawing_is_answered_and_the_scenes_are_its_own():
    at = draw(open_page("start"), a_stroke())
    assert "The network answers" in words(at)
    assert titles(at)[0] == "Your digit becomes 784 numbers"
    assert titles(at)[3].startswith("It answers ")


def test_a_drawing_is_the_same_on_draw():
    at = draw(open_page("start"), a_stroke()).switch_page("views/draw.py").run()
    assert "The network answers" in words(at)


def test_every_press_on_another_unit_shows_another():
    at = open_page("start")
    before = component(at, "start.scenes")["scenes"][1]["html"]
    # The press itself is a browser's: what it leaves is put here.
    at.session_state["nn.memory"] |= {"start.rank": 1}
    assert before != component(at.run(), "start.scenes")["scenes"][1]["html"]


def test_a_teacher_hides_the_answer_and_it_stays_hidden_when_another_digit_is_drawn():
    at = follow("view=projector")
    assert component(at, "start.scenes")["projector"]
    click(at, "Hide the answer")
    assert "question" == asked(at, "view")
    for page in (at, draw(at, a_stroke()), draw(follow("view=question"), a_stroke())):
        assert "The answer is hidden" in words(page)
        assert "The network answers" not in words(page)
        assert titles(page)[3] == "And the answer is …"
    click(at, "Show the answer")
    assert titles(at)[3].startswith("It answers ")
    click(at, "Leave the projector view")
    assert "view" not in at.query_params
    assert not component(at, "start.scenes")["projector"]


def test_the_view_is_no_part_of_a_recipe_and_no_fault_of_a_link():
    at = follow("view=projector&hide=data")
    assert not at.warning
    assert component(at, "start.scenes")["projector"]
    click(at, "Leave the projector view")
    assert "Bring your files" not in {button.label for button in at.button}


def test_train_your_own_leads_to_the_built_in_digits_and_to_files():
    at = click(open_page("start"), "Train on the built-in digits")
    assert "Train" == at.title[0].value
    at = click(open_page("start"), "Bring your files")
    assert "Data" == at.title[0].value
    assert "No files yet" in words(at)


@pytest.mark.parametrize(
    "query, page",
    [("data=digits", "Data"), ("hidden=12&epochs=3", "Train"), ("data=digits&hidden=12", "Train")],
)
def test_links_that_were_made_when_data_stood_first_lead_where_they_led(query, page):
    at = follow(query)
    assert not at.exception
    assert page == at.title[0].value
    assert all(value == asked(at, name) for name, value in
               (pair.split("=") for pair in query.split("&")))  # fmt: skip
