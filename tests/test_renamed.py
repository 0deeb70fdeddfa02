"""What was written for earlier versions still works, by the names things had then."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

import nnengine
from nnengine import Network, TrainingConfig, cli, renamed
from nnengine.storage import modelfile


def test_settings_keep_their_old_names():
    config = TrainingConfig(optimiser="adam", epochs=1)
    assert ("adam", "adam") == (config.optimizer, config.optimiser)
    with pytest.raises(TypeError, match="optimizr"):
        TrainingConfig(optimizr="adam")


def test_a_network_is_built_by_the_old_name_of_its_initializer():
    old = Network.build([4, 3, 2], initialisation="uniform", rng=1)
    assert np.array_equal(Network.build([4, 3, 2], initializer="uniform", rng=1).theta, old.theta)


def test_the_new_name_counts_where_both_are_given():
    assert {"optimizer": "sgd"} == renamed.by_new_names({"optimizer": "sgd", "optimiser": "adam"})


@pytest.mark.parametrize("old", renamed.MODULES)
def test_every_module_is_found_where_it_once_was(old):
    found = importlib.import_module(f"nnengine.{old}")
    there = importlib.import_module(f"nnengine.{renamed.MODULES[old]}")
    assert found is there and there.__spec__.name == there.__name__


@pytest.mark.parametrize(
    "old", [old for old, new in renamed.MODULES.items() if new in renamed.NAMES]
)
def test_a_module_asked_for_by_its_old_name_knows_its_old_names(old):
    found = importlib.import_module(f"nnengine.{old}")
    for name, new in renamed.NAMES[renamed.MODULES[old]].items():
        assert getattr(found, new) is getattr(found, name)


def test_what_was_an_attribute_of_the_package_is_one_in_a_new_process():
    code = (
        "import nnengine, nnengine.forms.table\n"
        "from nnengine import drawing, checkpoint\n"
        "from nnengine.optimisers import Adam\n"
        "print(nnengine.pen.__name__, drawing.__name__, nnengine.forms.table.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = "nnengine.data.pen nnengine.data.framing nnengine.data.readers.table\n"
    assert (expected, "") == (done.stdout, done.stderr)


def test_a_name_that_never_was_is_still_a_fault():
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        _ = nnengine.magic
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nnengine.magic")


def test_a_model_file_of_an_earlier_version_tells_its_settings_by_their_new_names(tmp_path):
    network = Network.build([4, 3, 2], rng=1)
    config = {"optimiser": "adam", "learning_rate": 0.1}
    network.training = ({"steps": 3, "config": config},)
    modelfile.save(network, tmp_path / "old.npz")
    run = nnengine.load(tmp_path / "old.npz").training[0]
    assert {"optimizer": "adam", "learning_rate": 0.1} == run["config"]


def test_the_networks_that_ship_tell_their_settings_by_their_new_names():
    for name in nnengine.models.NAMES:
        for run in nnengine.shipped(name).training:
            assert not set(renamed.SETTINGS) & set(run["config"])


@pytest.mark.parametrize("option", [["--optimiser", "adam"], ["--optimiser=adam"]])
def test_the_command_line_takes_old_options(option, capsys, tmp_path):
    out = str(tmp_path / "made.npz")
    words = ["train", "digits", "--iterations", "1", *option, "--initialisation=glorot"]
    assert 0 == cli.main([*words, "--out", out])
    assert "adam" == nnengine.load(out).training[0]["config"]["optimizer"]


def test_a_value_that_looks_like_an_old_name_is_left_alone():
    assert "optimiser" == cli._by_its_new_name("optimiser")
    assert "--out=--optimiser" == cli._by_its_new_name("--out=--optimiser")
