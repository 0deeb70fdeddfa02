"""Run words: a place in line and whom turns are shared with, as people say them; pages' pace."""

from __future__ import annotations

import pytest

from dashboard.present import run_words
from dashboard.sections import live


@pytest.mark.parametrize(
    ("place", "words"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"),
     (21, "21st"), (112, "112th"), (1003, "1,003rd")],
)  # fmt: skip
def test_a_place_in_line_is_said_as_people_say_it(place, words):
    assert words == run_words.ordinal(place)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "a moment"), (2.9, "a moment"), (3.2, "about 3 s"), (7.6, "about 8 s"),
     (8.0, "about 10 s"), (17.6, "about 20 s")],
)  # fmt: skip
def test_a_wait_is_rounded_so_that_its_words_stand_for_a_while(seconds, words):
    assert words == run_words.about(seconds)


def test_without_a_line_nothing_is_said_of_turns():
    assert run_words.turns(None, visitors=24, places=24, others=3) is None


def test_while_there_is_a_line_a_run_says_its_place_or_that_it_has_its_turns():
    said = [
        run_words.turns(wait, visitors=50, places=24, others=0) for wait in (None, (2, 4.0))
    ]  # fmt: skip
    places, reasons = zip(*said, strict=True)
    assert ("It has its turns now", "Waiting: 2nd in line, about 4 s") == places
    assert {"50 visitors train here, 24 at a time. It goes on by itself."} == set(reasons)


def test_a_run_that_waits_for_others_of_its_visitor_says_for_which():
    place, why = run_words.turns((2, None), visitors=1, places=24, others=5)
    assert "Waiting: 2nd in line of yours" == place
    assert "It trains as soon as one of your 5 other runs ends or is paused." == why


@pytest.mark.parametrize(
    ("others", "own", "words"),
    [
        (0, 0, ""),
        (1, 0, ", shared with another visitor"),
        (5, 1, ", shared with 5 other visitors and another run of yours"),
        (0, 2, ", shared with 2 other runs of yours"),
    ],
)
def test_an_estimate_says_whom_the_turns_are_shared_with(others, own, words):
    assert words == run_words.shared(others, own)


def test_pages_ask_less_often_the_more_visitors_train():
    assert [0.5, 0.5, 1.0, 1.0, 1.5, 1.5] == [
        live.pace_for(visitors, 0.0) for visitors in (0, 12, 13, 24, 25, 500)
    ]


def test_a_page_is_not_drawn_anew_because_one_visitor_comes_and_goes():
    pace, seen = 0.0, []
    for visitors in (12, 13, 12, 13, 10, 9, 12):
        pace = live.pace_for(visitors, pace)
        seen.append(pace)
    assert [0.5, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5] == seen
