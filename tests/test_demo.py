"""A page of one's own: what goes into it, and what never may."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct

import numpy as np
import pytest

import nnengine
from nnengine import ConfigError, Dataset, Network, TrainingConfig, demo, training
from nnengine.cli import main


def given(page: str) -> dict:
    """Return what the page's program is given."""
    return json.loads(re.search(r'id="network">(.*?)</script>', page, re.DOTALL)[1])


def trained(stripes) -> Network:
    network = Network.build([64, 6, 3], rng=2)
    for _ in training(network, Dataset(*stripes), TrainingConfig(epochs=3, batch_size=16)):
        pass
    return network


def test_the_original_s_page_is_far_smaller_than_300_kB():
    assert 200_000 > len(demo.page(nnengine.shipped("original"), "The original").encode())


def test_the_page_holds_every_weight_as_it_is():
    network = nnengine.shipped("original")
    held = np.frombuffer(base64.b64decode(given(demo.page(network))["theta"]), "<f4")
    assert np.array_equal(network.theta, held)


def test_a_network_of_float64_keeps_all_its_digits():
    network = Network.build([4, 2], dtype=np.float64)
    found = given(demo.page(network))
    assert "float64" == found["dtype"]
    assert np.array_equal(network.theta, np.frombuffer(base64.b64decode(found["theta"]), "<f8"))


def test_numbers_are_written_with_the_low_byte_first():
    network = Network.build([1, 1])
    network.theta[:] = (1.5, -2)
    assert struct.pack("<2f", 1.5, -2) == base64.b64decode(given(demo.page(network))["theta"])


def test_curves_are_those_of_the_last_run_on_record(stripes):
    network = trained(stripes)
    found = given(demo.page(network))["curves"]
    history = network.training[-1]["history"]
    assert history["step"] == found["step"]
    assert found["train_accuracy"] == pytest.approx(history["train_accuracy"], abs=1e-5)


def test_a_long_run_s_curves_are_thinned_and_keep_both_ends(stripes):
    steps = list(range(0, 50_000, 5))
    flat = [0.5] * len(steps)
    curves = {"step": steps, "train_loss": flat, "train_accuracy": flat, "val_loss": flat,
              "val_accuracy": [None] * len(steps)}  # fmt: skip
    found = given(demo.page(Network.build([64, 3]), curves=curves))["curves"]
    assert demo.MOST_POINTS == len(found["step"])
    assert (steps[0], steps[-1]) == (found["step"][0], found["step"][-1])


@pytest.mark.parametrize(
    "history",
    [
        None,
        "curves",
        {"step": [1]},
        {"step": [], "train_loss": [], "train_accuracy": [], "val_loss": [], "val_accuracy": []},
        {"step": ["<b>"], "train_loss": [1], "train_accuracy": [1], "val_loss": [1],
         "val_accuracy": [1]},
        {"step": [1], "train_loss": ["x"], "train_accuracy": [1], "val_loss": [1],
         "val_accuracy": [1]},
        {"step": [1], "train_loss": [1, 2], "train_accuracy": [1], "val_loss": [1],
         "val_accuracy": [1]},
    ],
)  # fmt: skip
def test_a_record_that_holds_no_curves_gives_a_page_without(history):
    network = Network.build([64, 3])
    network.training = ({"steps": 3, "history": history},)
    assert given(demo.page(network))["curves"] is None


def test_what_is_not_finite_becomes_a_gap():
    curves = {"step": [1, 2], "train_loss": [float("nan"), 0.5], "train_accuracy": [0.1, 0.5],
              "val_loss": [None, np.float32(2)], "val_accuracy": [None, None]}  # fmt: skip
    found = given(demo.page(Network.build([64, 3]), curves=curves))["curves"]
    assert [None, 0.5] == found["train_loss"]
    assert [None, 2.0] == found["val_loss"]


def test_names_cannot_become_part_of_the_page():
    evil = "</script><script>alert(1)</script>{{js}}"
    network = Network.build([64, 2], class_names=(evil, "<!--"))
    page = demo.page(network, evil, note=evil)
    assert 2 == page.count("<script")
    assert "alert(1)</" not in page
    assert [evil, "<!--"] == given(page)["names"]


def test_the_page_allows_its_own_script_and_style_and_nothing_else():
    page = demo.page(Network.build([64, 2]), "Mine")
    policy = re.search(r'Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'")
    inner = {
        "script-src": re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1],
        "style-src": re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1],
    }
    for part, text in inner.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{part} 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_what_a_page_cannot_hold_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="at most 2,000,000"):
        demo.page(Network.build([784, 2600, 10]))
    broken = Network.build([4, 2])
    broken.theta[0] = np.nan
    with pytest.raises(ConfigError, match="not finite"):
        demo.page(broken)


def test_a_network_that_reads_no_drawings_says_so():
    assert "cannot be put" in given(demo.page(Network.build([12, 3])))["unreadable"]
    assert given(demo.page(Network.build([64, 3])))["unreadable"] is None


def test_the_command_line_writes_a_page(tmp_path, capsys, stripes):
    model, page = tmp_path / "mine.npz", tmp_path / "mine.html"
    trained(stripes).save(model)
    assert 0 == main(["demo", str(model), str(page), "--note", "Made in class 4b"])
    text = page.read_text()
    assert f"{page.stat().st_size:,} bytes" in capsys.readouterr().out
    assert "<title>mine</title>" in text
    assert "Made in class 4b" in text
    assert 0 == main(["demo", str(model), str(page), "--name", "Ours", "--json"])
    assert page.stat().st_size == json.loads(capsys.readouterr().out)["bytes"]
    assert "<title>Ours</title>" in page.read_text()


def test_the_command_line_refuses_to_write_over_a_model(tmp_path, capsys):
    model = tmp_path / "mine.npz"
    Network.build([64, 3]).save(model)
    before = model.read_bytes()
    assert 2 == main(["demo", str(model), str(model)])
    assert "which is read and would be lost" in capsys.readouterr().err
    assert before == model.read_bytes()
