"""Models page: save, restore, describe, and judge a network."""

from __future__ import annotations

import importlib.util
import io
from dataclasses import replace

import numpy as np
import pytest

import nnengine
from dashboard import state
from dashboard.present import judging, units
from dashboard.present.outside import plain
from dashboard.store.networks import Entry
from nnengine import Dataset, Network, TrainingConfig, exchange, training
from nnengine.core import metrics
from nnengine.storage.modelfile import to_bytes
from tests.pages import click, component, idx, new_visit, open_page, words


@pytest.fixture
def trained(stripes) -> Network:
    network = Network.build([64, 6, 3], rng=2)
    config = TrainingConfig(epochs=3, batch_size=16, optimizer="adam", learning_rate=0.01)
    for _ in training(network, Dataset(*stripes), config):
        pass
    return network


@pytest.fixture
def visit(stripes, trained):
    """A visitor with data and a restored network."""
    images, labels = stripes
    visit = new_visit({
        "train-images": idx(images), "train-labels": idx(labels),
        "t10k-images": idx(images[:60]), "t10k-labels": idx(labels[:60]),
    })  # fmt: skip
    visit.networks.keep(Entry(trained.snapshot(), "mine.npz", "file", "mine.npz"))
    return visit


def test_without_a_network_the_page_offers_both_ways_to_one(nothing_ships):
    at = open_page("models")
    assert not at.exception
    assert "Start a run" in {link.proto.label for link in at.get("page_link")}


def test_a_shipped_network_is_in_hand_from_the_start_and_cannot_be_let_go(trained, monkeypatch):
    monkeypatch.setattr(nnengine, "shipped", lambda name: trained.snapshot())
    at = open_page("models")
    assert not at.exception
    assert "shipped:drawing" == at.selectbox[0].value
    assert not [button for button in at.button if button.label.startswith("Let go")]


def test_a_taught_network_is_let_go_and_the_one_before_is_in_hand(visit, trained):
    visit.networks.let_go("file:mine.npz")
    visit.networks.keep(Entry(trained.snapshot(), "mine.npz, taught", "finetuned", "file:mine.npz"))
    click(open_page("models", visit), "Let go of this taught network")
    assert (None, []) == (visit.networks.chosen, visit.networks.kept)


def test_a_network_without_a_record_is_not_called_untrained():
    bare = Network.build([64, 6, 3], rng=2)
    assert "64-6-3 · ReLU · 411 parameters" == units.summary(bare)
    assert units.summary(bare, steps=0).endswith("untrained")


def test_both_formats_are_offered_where_both_can_hold_the_network(visit):
    at = open_page("models", visit)
    labels = {button.proto.label for button in at.get("download_button")}
    assert {"Download .npz", "Download .nnm"} <= labels


def test_a_network_that_nnm_cannot_hold_is_told_why(visit):
    deep = Network.build([64, 6, 5, 3], activation="tanh")
    visit.networks.keep(Entry(deep.snapshot(), "deep.npz", "file", "deep.npz"))
    at = open_page("models", visit)
    assert not at.exception
    assert ".nnm" in words(at)
    ours = [b for b in at.get("download_button") if ".export." not in b.proto.id]
    assert ["Download .npz", "Download this demo"] == [
        b.proto.label for b in ours if not b.proto.disabled
    ]


def test_a_network_too_large_for_a_page_is_told_so(visit):
    visit.networks.keep(
        Entry(Network.build([64, 30_000, 3]).snapshot(), "wide.npz", "file", "wide.npz")
    )
    at = open_page("models", visit)
    button = next(b for b in at.get("download_button") if b.proto.label == "Download this demo")
    assert button.proto.disabled
    assert "at most 2,000,000" in button.proto.help


def test_formats_of_others_are_offered_each_with_what_reads_it(visit):
    at = open_page("models", visit)
    labels = {button.proto.label for button in at.get("download_button")}
    written = [form for form in exchange.FORMS.values() if form.writer]
    assert {f"Download {plain(form.title)}" for form in written} <= labels
    for form in written:
        lacks = form.needs and importlib.util.find_spec(form.needs) is None
        said = f"{form.title} needs {form.needs}" if lacks else f"Read by {form.read_by}."
        assert said in words(at)


def test_a_network_too_large_for_a_program_is_told_so_beside_it(visit):
    wide = Network.build([64, 30_000, 3])
    visit.networks.keep(Entry(wide.snapshot(), "wide.npz", "file", "wide.npz"))
    at = open_page("models", visit)
    off = [b.proto.label for b in at.get("download_button") if b.proto.disabled]
    assert {"Download NumPy code", "Download C code", "Download JavaScript module"} <= set(off)
    assert "2,040,003 parameters are too many for C code, at most 1,000,000" in words(at)
    assert "Download ONNX" not in off


@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_a_file_of_another_library_becomes_the_network_in_hand(kind, trained):
    at = open_page("models")
    name = f"theirs{exchange.FORMS[kind].suffixes[0]}"
    at.file_uploader[0].set_value([(name, exchange.to_bytes(trained, kind), "x")]).run()
    assert not at.exception and not at.error
    assert "64-6-3" in words(at)


def test_weights_alone_are_asked_about_and_taken_once_it_is_said(trained):
    stream = io.BytesIO()
    np.savez(stream, **trained.parameters())
    at = open_page("models")
    at.file_uploader[0].set_value([("w.npz", stream.getvalue(), "x")]).run()
    (fault,) = at.error
    assert "w.npz: weights alone (weights_1, biases_1" in words(at)
    at.selectbox(key="models.told.activation").set_value("tanh").run()
    at.file_uploader[0].set_value([("w.npz", stream.getvalue(), "x")]).run()
    assert not at.exception and not at.error
    assert "64-6-3 · Tanh" in words(at)


def test_a_restored_file_becomes_the_network_in_hand(trained):
    at = open_page("models")
    at.file_uploader[0].set_value([("net.npz", to_bytes(trained), "x")]).run()
    assert not at.exception
    assert "64-6-3" in words(at)


def test_a_bad_model_is_told_beside_its_name_and_the_good_one_is_kept(trained):
    at = open_page("models")
    files = [("bad.npz", b"PK\x03\x04 nothing", "x"), ("net.nnm", to_bytes(trained, "nnm"), "x")]
    at.file_uploader[0].set_value(files).run()
    assert not at.exception
    (fault,) = at.error
    assert fault.value.replace("\\", "").startswith("bad.npz: ")
    assert "64-6-3" in words(at)


@pytest.mark.parametrize(
    ("layers", "channels"), [("conv 2 3x3, norm, pool 2", 1), ("dense 6", 3), ("conv 4 3x3", 3)]
)
def test_a_network_with_maps_or_colours_is_described_and_says_what_it_cannot_be(layers, channels):
    how = {"image_shape": (8, 8), "channels": channels, "classes": 3}
    other = to_bytes(Network.build(layers, rng=1, **how))
    at = open_page("models")
    at.file_uploader[0].set_value([("other.npz", other, "x")]).run()
    assert not at.exception and not at.error
    first = layers.partition(",")[0]
    assert f"{first}: " in words(at)
    off = {b.proto.label for b in at.get("download_button") if b.proto.disabled}
    assert "Download .nnm" in off
    assert "Download this demo" not in off


def test_a_network_that_takes_too_much_of_an_image_is_refused_in_words(trained):
    how = {"image_shape": (8, 8), "classes": 3}
    other = to_bytes(Network.build("conv 2 3x3 pad 999, pool 99", rng=1, **how))
    at = open_page("models")
    at.file_uploader[0].set_value([("other.npz", other, "x"), ("net.npz", to_bytes(trained), "x")])
    at.run()
    assert not at.exception
    (fault,) = at.error
    assert fault.value.replace("\\", "").startswith("other.npz: an image takes ")
    assert "64-6-3" in words(at)


def test_a_model_without_room_is_told_how_much_there_is_and_is_not_kept(monkeypatch):
    monkeypatch.setattr(state.scheduler(), "bounds", replace(state.bounds(), visit_mb=2))
    at = open_page("models")
    large = to_bytes(Network.build([784, 400, 10], rng=0))
    at.file_uploader[0].set_value([("large.npz", large, "x")]).run()
    assert not at.exception
    (fault,) = at.error
    assert "room here for a model of" in fault.value.replace("\\", "")
    assert "784-400-10" not in words(at)


def test_evaluating_shows_what_the_engine_finds(visit, stripes, trained):
    images, labels = stripes
    expected = metrics.evaluate(trained, Dataset(images[:60], labels[:60]))
    at = click(open_page("models", visit), "Evaluate")
    assert not at.exception
    values = [metric.value for metric in at.metric]
    assert f"{100 * expected.accuracy:.2f} %" in values
    assert f"{expected.loss:.4f}" in values


def test_the_matrix_offers_its_cells_and_the_gallery_shows_the_first(visit):
    at = click(open_page("models", visit), "Evaluate")
    square = next(box for box in at.selectbox if box.label == "Square")
    shown = component(at, "models.gallery")
    count = int(square.options[0].rsplit("(", 1)[1].split()[0])
    assert min(count, 40) == len(shown["labels"]) == len(shown["captions"])
    assert component(at, "models.confusion")["selectable"]


def test_a_network_for_other_images_is_told_so_beside_the_button(visit):
    other = Network.build([50, 3], rng=1)
    visit.networks.keep(Entry(other.snapshot(), "other.npz", "file", "other.npz"))
    at = click(open_page("models", visit), "Evaluate")
    assert not at.exception
    (fault,) = at.error
    assert "50 inputs" in fault.value.replace("\\", "")


def test_a_result_says_when_the_weights_have_changed_since(visit, trained):
    at = click(open_page("models", visit), "Evaluate")
    assert not at.info
    visit.networks.keep(
        Entry(Network.build([64, 6, 3], rng=9).snapshot(), "mine.npz", "file", "mine.npz")
    )
    assert "changed since" in at.run().info[0].value


def test_a_cell_leads_to_exactly_the_images_behind_it(stripes):
    data, network = Dataset(*stripes), Network.build([64, 3], rng=5)
    found = metrics.evaluate(network, data)
    judgement = judging.Judgement(network, data, "test", found)
    for cell in judging.cells(found.confusion):
        behind = judging.behind(judgement, cell)
        assert found.confusion[cell] == len(behind)
        assert {cell[0]} == set(data.labels[behind].tolist())
        assert {cell[1]} == set(found.predictions[behind].tolist())


def test_cells_come_errors_first_and_the_most_frequent_of_them_first():
    confusion = np.array([[9, 2, 0], [0, 5, 4], [0, 0, 7]])
    assert [(1, 2), (0, 1), (0, 0), (2, 2), (1, 1)] == judging.cells(confusion)
