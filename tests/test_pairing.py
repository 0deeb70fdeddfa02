"""Pairing: images find their labels, and pairs their parts, by name and count."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from nnengine.data import pairing


class Half(NamedTuple):
    name: str
    kind: str
    count: int
    promised: int


def images(name: str, count: int = 9, promised: int | None = None) -> Half:
    return Half(name, pairing.IMAGES, count, promised or count)


def labels(name: str, count: int = 9, promised: int | None = None) -> Half:
    return Half(name, pairing.LABELS, count, promised or count)


def matched(*found: Half, **options) -> list[tuple[str, str]]:
    return [(one.name, other.name) for one, other in pairing.match(found, **options)[0]]


def test_parts_of_one_size_find_each_other_by_what_their_names_say():
    found = [images("x_train"), images("x_test"), labels("y_test"), labels("y_train")]
    assert [("x_train", "y_train"), ("x_test", "y_test")] == matched(*found)


def test_among_the_labels_of_one_part_the_beginning_of_the_name_decides():
    found = [images("a-images"), images("b-images"), labels("b-labels"), labels("a-labels")]
    assert [("a-images", "a-labels"), ("b-images", "b-labels")] == matched(*found)


def test_a_file_that_was_cut_short_fits_what_it_fitted_whole():
    assert [("x", "y")] == matched(images("x", 3, promised=9), labels("y", 9))
    assert [("x", "short")] == matched(
        images("x", 3, promised=9), labels("y", 9), labels("short", 3)
    )


def test_counts_that_differ_do_not_meet_unless_names_alone_decide():
    found = [images("x", 9), labels("y", 8)]
    assert [] == matched(*found)
    assert found == pairing.match(found)[1]
    assert [("x", "y")] == matched(*found, fits=pairing.by_part)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], (None, None)),
        ([("", 5)], (0, None)),
        ([("test", 5)], (0, None)),
        ([("", 5), ("", 9)], (1, 0)),
        ([("test", 9), ("train", 5)], (1, 0)),
        ([("test", 9), ("", 5)], (1, 0)),
        ([("train", 9), ("val", 5)], (0, 1)),
        ([("val", 9), ("test", 5), ("train", 7)], (2, 1)),
        ([("val", 9), ("test", 5)], (0, 1)),
        ([("train", 9), ("train", 5)], (1, 0)),
        ([("train", 9), ("train", 5), ("", 7), ("test", 1)], (1, 3)),
    ],
)
def test_the_parts_are_chosen_by_name_and_the_rest_by_size(pairs, expected):
    assert expected == pairing.choose(pairs)


def test_a_name_tells_its_part():
    told = {"train-images": "train", "T10K-labels": "test", "y_val": "val", "x": ""}
    assert told == {name: pairing.part_of(name) for name in told}
