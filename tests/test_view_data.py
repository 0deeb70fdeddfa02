"""Data page: what was dropped, what is wrong with it, and the images to look at."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from dashboard import anatomy, samples
from nnengine.dataset import Dataset
from nnengine.idx import describe
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


def test_images_that_were_cut_short_go_with_the_first_of_their_labels(pair):
    images = gzip.decompress(pair["train-images"])[: 16 + 30 * 120 + 7]
    visit = new_visit({"train-images": images, "train-labels": pair["train-labels"]})
    at = open_page("data", visit)
    assert "keep_whole" not in words(at)  # the visitor has a button, not an argument
    click(at, "Keep the 30 whole images")
    assert "train-images with train-labels, 30 images (the first of 90: the rest" in words(at)
    assert "30" == at.metric[0].value


def test_a_cut_file_prefers_labels_of_its_own_length(pair):
    images = gzip.decompress(pair["train-images"])[: 16 + 30 * 120 + 7]
    short = idx((np.arange(30) % 3).astype(np.uint8))
    at = open_page("data", new_visit({"cut": images, "long": pair["train-labels"], "short": short}))
    click(at, "Keep the 30 whole images")
    assert "Training set: cut with short, 30 images." in words(at)


def test_mean_images_are_those_of_a_plain_computation(stripes):
    images, labels = stripes
    means = samples.class_means(Dataset(images, labels))
    expected = [images[labels == label].astype(float).mean(axis=0) for label in range(3)]
    assert 0.5 >= np.abs(means - np.array(expected)).max()


def test_a_class_without_images_has_a_black_mean():
    dataset = Dataset(np.full((4, 2, 2), 9, np.uint8), np.array([0, 0, 2, 2]), classes=4)
    assert [9, 0, 9, 0] == samples.class_means(dataset)[:, 0, 0].tolist()


def test_more_samples_keep_those_already_seen_and_none_comes_twice():
    labels = np.arange(60) % 3
    few, many = (samples.choose(labels, n, only=1, seed=5) for n in (8, 50))
    assert few.tolist() == many[:8].tolist()
    assert list(range(1, 60, 3)) == sorted(many)  # all of class 1, though 50 were asked for


def test_a_header_is_taken_apart_for_any_number_of_dimensions():
    array = np.zeros((2, 3, 4, 5), np.int16)
    rows = anatomy.header_rows(describe(idx(array)))
    assert ["0", "2", "3", "4", "8", "12", "16", "20"] == [row[0] for row in rows]
    assert ("4", "00 00 00 02", "Number of items", "2") == rows[3]
    assert "240 bytes promised" == rows[-1][3]


def test_nothing_in_a_table_is_markup():
    html = anatomy.table(["<b>"], [["<script>", '"&']], label='"><img>')
    assert "<b>" not in html and "<script>" not in html and "<img>" not in html
