"""Data page: what was dropped, what is wrong with it, and the images to look at."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from tests.pages import click, component, idx, new_visit, open_page, words


@pytest.fixture
def pair() -> dict[str, bytes]:
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (90, 12, 10)).astype(np.uint8)
    return {
        "train-images": gzip.compress(idx(images)),
        "train-labels": idx((np.arange(90) % 3).astype(np.uint8)),
    }


def test_a_new_visitor_is_told_what_to_drop():
    at = open_page("data")
    assert not at.exception
    assert "No data yet" in words(at)
    assert "train-images-idx3-ubyte.gz" in words(at)


def test_files_dropped_together_are_paired_and_described(pair):
    at = open_page("data")
    dropped = [(name, raw, "application/octet-stream") for name, raw in pair.items()]
    at.file_uploader[0].set_value(dropped).run()
    assert not at.exception
    assert "Training set: train-images with train-labels, 90 images." in words(at)
    assert "90 images of 12 × 10" in words(at)
    assert ["90", "12 × 10", "3"] == [metric.value for metric in at.metric][:3]


def test_the_header_is_shown_byte_by_byte(pair):
    said = words(open_page("data", new_visit(pair)))
    for part in ("00 00 00 5a", "Number of images", "Rows of each image", "unsigned bytes"):
        assert part in said


def test_a_bad_file_is_told_beside_its_name_and_the_good_ones_are_kept(pair):
    visit = new_visit({**pair, "page.gz": b"<!DOCTYPE html><title>404</title>"})
    at = open_page("data", visit)
    assert "page.gz: not an IDX file but an HTML page" in at.error[0].value.replace("\\", "")
    assert "Training set" in words(at)


def test_the_whole_items_of_a_truncated_file_can_be_kept(pair):
    images = gzip.decompress(pair["train-images"])[: 16 + 30 * 120 + 7]
    labels = idx((np.arange(30) % 3).astype(np.uint8))
    at = open_page("data", new_visit({"cut": images, "labels": labels}))
    assert "Training set: cut" not in words(at)
    click(at, "Keep the 30 whole images")
    assert "Training set: cut with labels, 30 images." in words(at)


def test_swapped_counts_are_told_in_plain_words(pair):
    short = idx(np.zeros(40, np.uint8))
    at = open_page("data", new_visit({"train-images": pair["train-images"], "labels": short}))
    assert "90" in words(at) and "40" in words(at)
    assert not at.metric  # nothing to look at yet


def test_samples_can_be_limited_to_a_class_and_drawn_anew(pair):
    at = open_page("data", new_visit(pair))
    at.selectbox[0].select(2).run()
    captions = component(at, "data.samples")["captions"]
    assert {"2"} == set(captions)
    first = component(at, "data.samples")["sheet"]
    click(at, "Reshuffle")
    assert first != component(at, "data.samples")["sheet"]


def test_a_file_can_be_removed(pair):
    at = open_page("data", new_visit(pair))
    click(at, "Remove all files")
    assert "No data yet" in words(at)


def test_names_of_files_cannot_inject_markup(pair):
    at = open_page("data", new_visit({"<img src=x onerror=alert(1)>.gz": b"GIF89a", **pair}))
    assert not any("<img" in element.proto.body for element in at.get("html"))
