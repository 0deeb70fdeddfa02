"""The command line: models of other libraries go in wherever ours do, and ours go out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnengine import exchange, write_idx
from nnengine.exchange import Told
from tests.exchange.nets import NETS, answers, images_for, installed, same

NET = NETS["dense"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a model of ours, twenty images and their labels."""
    monkeypatch.chdir(tmp_path)
    NET.save("model.npz")
    images = images_for(NET, 20)[..., 0]
    write_idx("images", images)
    write_idx("labels", NET.predict(images).astype(np.uint8))
    return tmp_path


WRITTEN = [kind for kind in exchange.written() if kind != "nnm"]
BOTH = [form.kind for form in exchange.FORMS.values() if form.reads and form.writer]


@pytest.mark.parametrize("kind", installed(WRITTEN))
def test_every_format_is_written_by_its_ending_or_by_name(kind, folder, run):
    suffix = exchange.FORMS[kind].suffixes[0] if kind in exchange.FORMS else f".{kind}"
    status, out, err = run("export", "model.npz", f"out{suffix}", "--json")
    assert (0, "") == (status, err)
    assert kind == json.loads(out)["format"]
    assert 0 == run("export", "model.npz", "out.x", "--to", kind)[0]
    assert (folder / "out.x").read_bytes() == (folder / f"out{suffix}").read_bytes()


@pytest.mark.parametrize("kind", installed(BOTH))
def test_every_command_that_takes_a_model_takes_a_foreign_one(kind, folder, run):
    suffix = exchange.FORMS[kind].suffixes[0]
    run("export", "model.npz", f"theirs{suffix}")
    theirs = f"theirs{suffix}"
    status, out, _ = run("evaluate", theirs, "images", "labels", "--json")
    assert (0, 1.0) == (status, json.loads(out)["accuracy"])
    status, out, _ = run("info", theirs, "--json")
    assert (0, kind, 10) == (status, json.loads(out)["kind"], json.loads(out)["sizes"][-1])
    assert 0 == run("predict", theirs, "images")[0]
    assert 0 == run("convert", theirs, "back.npz")[0]
    images = images_for(NET, 100)
    back = exchange.load("back.npz")
    np.testing.assert_allclose(answers(NET, images), answers(back, images), atol=1e-5)


def test_weights_alone_are_told_what_they_do_not_say(folder, run):
    net = NETS["double"]
    np.savez("weights.npz", **net.parameters())
    status, _, err = run("evaluate", "weights.npz", "images", "labels")
    assert 2 == status
    assert err.startswith("nnengine: weights.npz: weights alone (") and "--activation" in err
    command = ("export", "weights.npz", "mine.npz", "--activation", "sigmoid")
    assert 0 == run(*command, "--image-shape", "28x28")[0]
    back = exchange.load("mine.npz")
    assert same(exchange.load("weights.npz", Told(activation="sigmoid")), back)


def test_an_ending_that_says_nothing_is_refused_with_what_there_is(folder, run):
    status, _, err = run("export", "model.npz", "a.bin")
    assert 2 == status and "a.bin: the ending says no format: give --to with one of" in err
    assert "safetensors" in run("export", "model.npz", "a.bin", "--to", "x")[2]
    assert not (folder / "a.bin").exists()


def test_a_model_is_not_exported_into_itself(folder, run):
    before = (folder / "model.npz").read_bytes()
    assert "would be lost" in run("export", "model.npz", "model.npz", "--to", "safetensors")[2]
    assert before == (folder / "model.npz").read_bytes()
