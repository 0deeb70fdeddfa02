"""Data page: what was dropped, what is wrong with it, and the images to look at."""

from __future__ import annotations

import gzip
import threading
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.present import anatomy, samples
from dashboard.state import sets
from dashboard.store.visits import Kept
from nnengine.data import catalogue, readers
from nnengine.data.dataset import Dataset
from nnengine.data.idx import describe
from nnengine.data.synthetic import digits
from nnengine.errors import FetchError
from tests.files import zipped
from tests.pages import APP, click, component, idx, new_visit, on_the_screen, open_page, words


@pytest.fixture
def pair() -> dict[str, bytes]:
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (90, 12, 10)).astype(np.uint8)
    return {
        "train-images": gzip.compress(idx(images)),
        "train-labels": idx((np.arange(90) % 3).astype(np.uint8)),
    }


@pytest.fixture
def elsewhere(monkeypatch):
    """MNIST is not on this machine, and a fetch does what the test says."""
    monkeypatch.setattr(state.registry().library, "_sets", weakref.WeakValueDictionary())
    monkeypatch.setattr(catalogue, "find", lambda name: __file__ if name == "digits" else None)

    def fetching(fetch):
        monkeypatch.setattr(catalogue, "fetch", fetch)

    return fetching


def choose(at, name: str):
    """Choose a source by its title."""
    return sources(at).set_value(SOURCES[name]).run()


def sources(at):
    """Return the control that offers the sources."""
    return next(one for one in at.segmented_control if one.label == "Data set")


SOURCES = {
    "Built-in digits": "digits",
    "MNIST": "mnist",
    "Your files": "files",
    "My digits": "mine",
}


def until(at, condition, seconds: float = 120):
    """Run the page again until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, words(at)
        time.sleep(0.05)
        at.run()
    return at


def test_a_new_visitor_sees_the_built_in_digits():
    at = open_page("data")
    assert not at.exception
    assert ["12,000", "28 × 28", "10"] == [metric.value for metric in at.metric][:3]
    assert "needs no file" in words(at)
    assert 50 == len(component(at, "data.samples")["captions"])


def test_who_wants_to_bring_files_is_told_which():
    at = choose(open_page("data"), "Your files")
    assert "No files yet" in words(at)
    for part in ("train-images-idx3-ubyte.gz", "CSV", ".npz", "Zip of pictures"):
        assert part in words(at)


def test_the_choice_survives_a_change_of_page_and_a_reload(pair):
    at = choose(open_page("data", new_visit(pair)), "Built-in digits")
    assert "12,000" == at.metric[0].value
    at.switch_page("views/train.py").run()
    assert "12,000" == at.switch_page("views/data.py").run().metric[0].value
    again = AppTest.from_file(str(APP), default_timeout=240)
    again.query_params["run"] = at.query_params["run"]
    again.run().switch_page("views/data.py").run()
    assert "12,000" == again.metric[0].value
    assert "90" == choose(again, "Your files").metric[0].value


def test_a_set_that_is_not_here_says_what_it_is_and_what_it_takes(elsewhere):
    at = choose(open_page("data"), "MNIST")
    for part in ("LeCun", "CC BY-SA 3.0", "60,000 images to learn from", "Not on this machine yet"):
        assert part in words(at)
    assert "Fetch (11.6 MB)" in [button.label for button in at.button]
    assert "In hand meanwhile: **Built-in digits**." in words(at)


def test_a_fetch_shows_how_far_it_is_and_then_the_set(elsewhere, monkeypatch, pair):
    go_on = threading.Event()

    def fetch(name, *, progress):
        progress(3_000_000, 12_000_000, "train-images-idx3-ubyte.gz")
        go_on.wait(120)

    elsewhere(fetch)
    at = click(choose(open_page("data"), "MNIST"), "Fetch (11.6 MB)")
    until(at, lambda: "3.0 MB of 12.0 MB" in progress_text(at))
    assert "train-images-idx3-ubyte.gz" in progress_text(at)
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    made = Dataset(images, np.arange(30) % 10)
    monkeypatch.setattr(catalogue, "load", lambda name, **_: catalogue.Sets(made, made))
    monkeypatch.setattr(catalogue, "find", lambda name: __file__)
    go_on.set()
    until(at, lambda: at.metric)
    assert "30" == at.metric[0].value
    assert "In hand meanwhile" not in words(at)


def progress_text(at) -> str:
    return " ".join(bar.proto.text for bar in at.get("progress")).replace("\\", "")


def test_without_a_network_one_sentence_says_so_and_the_digits_stay(elsewhere):
    def fetch(name, *, progress):
        raise FetchError("the host cannot be reached (Name or service not known)", reached=False)

    elsewhere(fetch)
    at = click(choose(open_page("data"), "MNIST"), "Fetch (11.6 MB)")
    until(at, lambda: at.error)
    said = at.error[0].value.replace("\\", "")
    assert said.startswith("There seems to be no network, so MNIST could not be fetched: the built")
    assert "Name or service not known" in words(at)  # folded away, for who wants to know
    assert "Try again (11.6 MB)" in [button.label for button in at.button]
    assert "12,000" == choose(at, "Built-in digits").metric[0].value


def test_a_fetch_can_be_stopped(elsewhere):
    def fetch(name, *, progress):
        while True:
            progress(1, 2, "x")
            time.sleep(0.01)

    elsewhere(fetch)
    at = click(choose(open_page("data"), "MNIST"), "Fetch (11.6 MB)")
    until(at, lambda: any(button.label == "Stop" for button in at.button))
    click(at, "Stop")
    until(at, lambda: at.info)
    assert "Stopped. What has come is kept" in at.info[0].value


def test_files_dropped_while_a_set_is_looked_at_are_in_hand(elsewhere, pair):
    at = choose(open_page("data"), "MNIST")
    dropped = [(name, raw, "application/octet-stream") for name, raw in pair.items()]
    at.file_uploader[0].set_value(dropped).run()
    assert "Training set: train-images with train-labels, 90 images." in words(at)
    assert "files" == sources(at).value


def test_what_a_browser_showed_before_files_came_is_not_taken_for_a_choice(pair):
    """Whoever presses something before the page has followed sends the source as it was."""
    at = open_page("data")
    before = on_the_screen(at)
    dropped = [(name, raw, "application/octet-stream") for name, raw in pair.items()]
    at.file_uploader[0].set_value(dropped).run()
    assert "files" == sources(at).value
    at._tree = before
    at.run()
    assert "files" == sources(at).value
    choose(at, "Built-in digits")
    assert "digits" == sources(at).value
    sources(at).set_value(None).run()  # pressed again
    assert "digits" == sources(at).value


def test_kept_drawings_are_a_source(pair):
    visit = new_visit({})
    visit.mine = [Kept(i, np.full((28, 28), i, np.uint8), str(i % 10)) for i in range(1, 8)]
    at = choose(open_page("data", visit), "My digits")
    assert not at.exception
    assert "7" == at.metric[0].value
    visit.mine = []
    assert "12,000" == at.run().metric[0].value  # deleted: the built-in digits take their place


def test_a_table_is_one_file_with_images_and_labels(stripes):
    images, labels = stripes
    rows = np.column_stack([labels, images.reshape(300, -1)]).tolist()
    table = "\n".join(",".join(map(str, row)) for row in rows).encode()
    at = open_page("data", new_visit({"stripes.csv": table}))
    assert not at.exception
    assert "CSV table: 300 images of 8 × 8 with labels" in words(at)
    assert "Training set: stripes.csv, 300 images." in words(at)


def test_turned_images_are_asked_about_and_put_right():
    good = digits(600, seed=5)
    files = {"x": idx(readers.turned(good.images)), "y": idx(good.labels)}
    at = open_page("data", new_visit(files))
    assert "x: these look turned. Turn them?" in words(at)
    click(at, "Turn them")
    assert "these look turned" not in words(at)
    assert "600 images of 28 × 28 · 470 kB · turned" in words(at)
    click(at, "Turn back")
    assert "these look turned" in words(at)
    click(at, "Leave them as they are")
    assert "these look turned" not in words(at)


def test_of_several_sets_in_one_file_one_is_asked_for_and_read():
    one, other = digits(60, seed=5), digits(90, seed=6)
    files = {}
    for name, data in (("letters", one), ("mnist", other)):
        files[f"emnist-{name}-train-images-idx3-ubyte"] = idx(data.images)
        files[f"emnist-{name}-train-labels-idx1-ubyte"] = idx(data.labels)
    visit = new_visit({"gzip.zip": zipped(files)})
    at = open_page("data", visit)
    assert not at.exception
    assert "gzip.zip holds 2 sets. Which one?" in words(at)
    assert "Choose one of its sets above." in words(at)
    assert "--set" not in words(at)  # which a page has not
    assert visit.files[0].nbytes == visit.files[0].size  # kept, and counted, until it is chosen
    next(box for box in at.selectbox if box.label == "Set").set_value("emnist-mnist").run()
    click(at, "Read it")
    assert not at.exception and "Which one?" not in words(at)
    assert np.array_equal(other.images, visit.files[0].contents.train.images)
    assert visit.files[0].contents.unread is None


def test_dark_images_on_light_are_asked_about_and_inverted():
    good = digits(300, seed=5)
    files = {"x": idx(255 - good.images), "y": idx(good.labels)}
    at = open_page("data", new_visit(files))
    assert not at.exception
    assert "x: these look dark on light. Invert them?" in words(at)
    click(at, "Invert them")
    assert "dark on light" not in words(at)
    assert "300 images of 28 × 28 · 235 kB · inverted" in words(at)
    click(at, "Invert back")
    assert "these look dark on light" in words(at)
    click(at, "Leave them as they are")
    assert "these look dark on light" not in words(at)


def test_images_that_are_turned_and_inverted_are_asked_about_both():
    good = digits(300, seed=5)
    files = {"x": idx(readers.turned(255 - good.images)), "y": idx(good.labels)}
    visit = new_visit(files)
    at = open_page("data", visit)
    click(at, "Invert them")
    click(at, "Turn them")
    assert "300 images of 28 × 28 · 235 kB · inverted · turned" in words(at)
    assert np.array_equal(good.images, visit.files[0].array)


def test_equal_labels_of_two_sets_are_kept_both(pair):
    images = np.random.default_rng(4).integers(0, 256, (90, 12, 10)).astype(np.uint8)
    test = {"t10k-images": idx(images), "t10k-labels": pair["train-labels"]}
    at = drop(open_page("data"), *pair.items(), *test.items())
    assert not at.exception
    assert "Training set: train-images with train-labels, 90 images." in words(at)
    assert "Test set: t10k-images with t10k-labels, 90 images." in words(at)
    again = drop(at, ("t10k-images (1)", idx(images)))  # the same images twice are one file
    assert "t10k-images (1) with t10k-labels" in words(again)
    assert "no file holds as many" not in words(again)


def test_a_class_without_images_is_said():
    good = digits(100, seed=5)
    labels = np.where(good.labels == 0, 10, good.labels).astype(np.uint8)
    at = open_page("data", new_visit({"x": idx(good.images), "y": idx(labels)}))
    assert "Labels begin at 1: class 0 has no image, and cannot be learnt." in words(at)


def test_the_set_looked_at_is_exported_as_an_idx_pair(pair):
    visit = new_visit(pair)
    at = open_page("data", visit)
    assert "Download as IDX" in [b.proto.label for b in at.get("download_button")]
    raw = readers.idx_zip(state.registry().shelf.dataset(*visit.files))
    again = open_page("data", new_visit({"export.zip": raw}))
    assert "Training set: export.zip, 90 images." in words(again)


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
    assert "No files yet" in words(at)


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


def drop(at, *files):
    """Drop files in the area for them."""
    return at.file_uploader[0].set_value([(name, raw, "") for name, raw in files]).run()


def test_the_page_says_how_much_is_kept_and_by_what(pair):
    at = open_page("data", new_visit(pair))
    assert "10.9 kB of 256 MB kept for you" in words(at)
    assert "train-images" in words(at)


def test_a_file_without_room_says_what_takes_it_and_what_was_there_stays(pair, monkeypatch):
    visit = new_visit(pair)
    monkeypatch.setattr(state.scheduler(), "bounds", replace(state.bounds(), visit_mb=1))
    noise = np.random.default_rng(0).integers(0, 256, (1500, 28, 28)).astype(np.uint8)
    packed = gzip.compress(idx(0 * noise))
    at = drop(open_page("data", visit), ("large", idx(noise)), ("packed", packed))
    assert not at.exception
    assert "90" == at.metric[0].value
    for part in ("large: it takes 1.2 MB", "train-images 10.8 kB", "let go of some of it first"):
        assert part in words(at)
    assert "packed: what it unpacks to takes" in words(at)
    assert [True, True, False, False] == [file.good for file in visit.files]


def test_more_files_than_a_page_can_show_are_refused(monkeypatch):
    visit = new_visit({})
    monkeypatch.setattr(sets, "MOST_FILES", 2)
    some = [(f"f{n}", idx(np.arange(n + 1, dtype=np.uint8))) for n in range(3)]
    at = drop(open_page("data", visit), *some)
    assert "f2: 2 files are the most that are kept" in words(at)
