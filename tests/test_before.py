"""What version 0.1.0 wrote is still read: before.json holds bytes and texts that its code made."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

import nnengine
from dashboard.runs import address
from dashboard.runs.bounds import Bounds
from dashboard.state.keeping import Keeper
from nnengine import Dataset, Network, TrainingConfig, training
from nnengine.storage import checkpoint, links
from tests.test_keepsake import Shelf, page, trained

BEFORE = json.loads((Path(__file__).parent / "before.json").read_text())
CONFIG = TrainingConfig(epochs=3, batch_size=32, optimizer="momentum", learning_rate=0.05, seed=4)


def raw(text: str) -> bytes:
    return base64.b64decode(text)


@pytest.fixture
def easy(stripes):
    return Dataset(*stripes, name="stripes")


def test_a_run_broken_off_then_goes_on_to_the_weights_it_would_have_had(easy):
    network, state = checkpoint.from_bytes(raw(BEFORE["checkpoint"]))
    assert 13 <= state.step < 30
    *_, last = training(network, easy, CONFIG, easy, state)
    whole = Network.build([64, 12, 3], activation="tanh", initializer="glorot", rng=1)
    for _ in training(whole, easy, CONFIG, easy):
        pass
    np.testing.assert_allclose(whole.theta, network.theta, atol=1e-5)
    assert pytest.approx(BEFORE["finished_loss"], rel=1e-3) == last.train_loss
    (run,) = network.training  # one run, from its first curve on
    assert ("finished", 30, 0) == (run["outcome"], run["steps"], run["history"]["step"][0])


def test_the_time_a_run_had_taken_by_then_is_known_by_todays_names():
    network, _ = checkpoint.from_bytes(raw(BEFORE["checkpoint"]))
    assert {"preparing", "steps", "gradient", "optimizer", "measuring"} == set(
        network.training[-1]["cost"]["parts"]
    )


def test_models_open_with_their_records():
    network = nnengine.load(raw(BEFORE["npz"]))
    assert pytest.approx(BEFORE["theta_sum"], rel=1e-6) == float(np.abs(network.theta).sum())
    config = network.training[-1]["config"]
    assert ("momentum", False) == (config["optimizer"], "optimiser" in config)
    small = nnengine.load(raw(BEFORE["nnm"]))
    np.testing.assert_allclose(BEFORE["small_theta"], small.theta[:5], atol=1e-6)


def test_a_network_in_a_link_opens():
    found = links.decode(BEFORE["network_link"]).network
    np.testing.assert_allclose(BEFORE["small_theta"], found.theta[:5], atol=0.01)


def test_a_recipe_in_a_link_opens_and_hides_what_it_hid():
    said = dict(pair.split("=") for pair in BEFORE["recipe_link"].split("&"))
    asked = address.read(said, ["digits"], Bounds())
    assert () == asked.faults
    assert ("momentum", "glorot") == (asked.recipe.optimizer, asked.recipe.initializer)
    assert ("optimizer", "initializer") == asked.hide


def test_a_browsers_storage_opens_and_its_run_goes_on(easy):
    shelf, registry = Shelf(), page()
    shelf.records = {key: raw(text) for key, text in BEFORE["records"].items()}
    (run,) = Keeper(registry, shelf).visit.runs
    run.data = lambda: (easy, None)
    assert ("Mine", 7, "momentum") == (run.name, run.step, run.recipe.optimizer)
    registry.scheduler.resume(run)
    assert "finished" == trained(registry, run).state
