"""Records: the test set is looked at once, at the end, and recipes keep to their bounds."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnengine import Network, TrainingConfig, write_idx

pytest.importorskip("threadpoolctl", reason="the benchmarks grant threads through threadpoolctl")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import records  # noqa: E402

FEW = records.Recipe("mnist", "dense 4", {"epochs": 1, "optimizer": "adam"}, goal=50.0)


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys, stripes):
    """Return a function that runs the command on striped images and gives what it prints.

    Of 300 images 60 are held out, and the test set is the first 30.
    """
    monkeypatch.setattr(records, "RECIPES", {"few": FEW})
    monkeypatch.setattr(records, "HELD_OUT", 60)
    (tmp_path / "mnist").mkdir()
    for part, count in (("train", 300), ("t10k", 30)):
        for kind, array in zip(("images-idx3", "labels-idx1"), stripes, strict=True):
            write_idx(tmp_path / "mnist" / f"{part}-{kind}-ubyte.gz", array[:count])

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["records.py", "--data", str(tmp_path), *words])
        records.main()
        return capsys.readouterr().out

    run.folder = tmp_path / "mnist"
    return run


def test_settings_are_tried_where_there_is_no_test_set_at_all(ask):
    for file in ask.folder.glob("t10k*"):
        file.unlink()
    *seeds, last = ask("--seeds", "2").splitlines()
    assert 2 == len(seeds)
    assert "on held-out images (to be reached: 50 %); " in last
    assert f"{Network.build([64, 4, 3]).parameter_count} parameters" in last


def test_held_out_images_are_the_last_and_none_of_them_is_learnt_from(ask):
    learnt, judged = records.sets(ask.folder, final=False)
    whole, later = records.sets(ask.folder, final=True)
    assert (240, 60, 300, None) == (learnt.count, judged.count, whole.count, later)
    np.testing.assert_array_equal(whole.images, np.concatenate([learnt.images, judged.images]))


def test_the_test_set_is_opened_when_training_has_ended(ask, monkeypatch):
    opened = []
    load, train = records.load_set, records.trained
    monkeypatch.setattr(records, "load_set", lambda *a: opened.append(a[1]) or load(*a))
    monkeypatch.setattr(records, "trained", lambda *a: (train(*a), opened.append("trained"))[0])
    assert "on test images" in ask("--final", "--seeds", "1")
    assert ["train", "trained", "t10k"] == opened


def test_a_name_that_is_no_recipe_is_refused_with_those_there_are(ask, capsys):
    with pytest.raises(SystemExit):
        ask("fwe")
    assert "no recipe fwe: there are few" in capsys.readouterr().err


def test_the_spread_is_that_of_the_seeds_and_seconds_their_means():
    network = Network.build([4, 3, 2])
    runs = [records.Run(network, 2.0, 3.0), records.Run(network, 4.0, 7.0)]
    found = records.summary(replace(FEW, within_s=90.0), [98.0, 99.0], runs, "test")
    assert "98.50 % ± 0.71 on test images (to be reached: 50 % within 90 s on two cores)" in found
    assert "3.0 s on" in found and "5.0 s of processors, 23 parameters" in found


@pytest.mark.parametrize(
    ("name", "most"),
    [("mnist-conv", 60_000), ("mnist-conv-small", 19_999), ("fashion-conv", 99_999)],
)
def test_a_recipe_keeps_to_the_parameters_that_its_row_allows(name, most):
    layers = records.RECIPES[name].layers
    network = Network.build(layers, image_shape=(28, 28), classes=10)
    assert "conv" in layers and network.parameter_count <= most


@pytest.mark.parametrize("name", ["mnist-dense", "mnist-distorted", "fashion-dense"])
def test_fully_connected_recipes_are_so_and_only_one_sees_changed_images(name):
    recipe = records.RECIPES[name]
    assert "conv" not in recipe.layers
    changed = TrainingConfig(**recipe.settings).augmentation is not None
    assert changed == (name == "mnist-distorted")
