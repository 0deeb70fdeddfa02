"""The learning-rate range test: rates by hand, an end where all blows up, a rate of use."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dashboard import state
from dashboard.present import figures
from dashboard.present.rates import in_words
from nnengine import ConfigError, Dataset, Network, TrainingConfig
from nnengine.cli import main
from nnengine.training import training
from nnengine.training.rates import HIGHEST, LOWEST, Tried, rate_of, rising, suggested, trying
from tests.pages import click, component, open_page, words


def tried(*losses: float) -> list[Tried]:
    """Return a test that found these smoothed losses at rates of 0.001, 0.01, 0.1, ..."""
    return [
        Tried(step=i, rate=10.0 ** (i - 4), loss=loss, smoothed=loss)
        for i, loss in enumerate(losses, 1)
    ]


def found_by(network: Network, data: Dataset, config=None, steps: int = 120) -> list[Tried]:
    return list(trying(training(network.copy(), data, rising(config, steps)), steps))


@pytest.fixture
def noisy() -> Dataset:
    """Images that tell three classes apart, but for a fifth of them, whose labels are wrong."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (600, 8, 8), np.uint8)
    labels = images.reshape(600, 4, 16).sum(axis=2)[:, :3].argmax(axis=1)
    wrong = rng.random(600) < 0.2
    labels[wrong] = rng.integers(0, 3, wrong.sum())
    return Dataset(images, labels.astype(np.uint8))


def test_rates_go_from_the_lowest_to_the_highest_by_equal_factors():
    found = [rate_of(step, 8) for step in range(1, 9)]
    assert pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0]) == found
    assert (LOWEST, HIGHEST) == pytest.approx((found[0], found[-1]))


def test_a_tenth_of_the_rate_of_the_least_loss_is_suggested():
    assert 0.01 == suggested(tried(2.3, 2.0, 0.7, 3.0))


def test_where_no_rate_brings_the_loss_down_none_is_suggested():
    assert suggested(tried(2.3, 2.29, 2.4)) is None
    assert suggested([]) is None


def test_the_smoothed_loss_by_hand(stripes):
    """m = 0.9 m + 0.1 loss, divided by 1 - 0.9 ^ step."""
    network = Network.build([64, 5, 3], rng=1)
    first, second = found_by(network, Dataset(*stripes), steps=20)[:2]
    assert pytest.approx(first.loss) == first.smoothed
    assert pytest.approx((0.09 * first.loss + 0.1 * second.loss) / 0.19) == second.smoothed


def test_a_test_ends_where_the_loss_blows_up_and_leaves_the_network_as_it_was(noisy):
    network = Network.build([64, 3], rng=1)
    before = network.theta.copy()
    config = TrainingConfig(batch_size=16, schedule="cosine", early_stopping=2)
    found = found_by(network, noisy, config)
    assert len(found) < 120
    assert found[-1].smoothed >= 4 * min(one.smoothed for one in found)
    assert (before == network.theta).all() and not network.training
    assert found == found_by(network, noisy, config)


def test_the_suggested_rate_learns_what_lower_and_higher_ones_do_not(noisy):
    data, network = noisy, Network.build([64, 20, 3], rng=1)
    config = TrainingConfig(optimizer="adam", batch_size=16)
    rate = suggested(found_by(network, data, config))
    assert 1e-4 < rate < 0.1


def test_networks_with_maps_are_tried_as_well(stripes):
    network = Network.build("conv 2 3x3, norm, dropout 0.1, pool 2", image_shape=(8, 8), classes=3)
    found = found_by(network, Dataset(*stripes), TrainingConfig(batch_size=16), steps=12)
    assert 2 <= len(found) <= 12


@pytest.mark.parametrize("steps", [1, 0, 2.5, True])
def test_a_test_has_two_steps_at_least(steps):
    with pytest.raises(ConfigError, match="from 2"):
        rising(steps=steps)


def test_the_command_says_which_rate_suits_and_saves_nothing(capsys, stripes, tmp_path):
    np.save(tmp_path / "images.npy", stripes[0])
    np.save(tmp_path / "labels.npy", stripes[1])
    data = [str(tmp_path / "images.npy"), str(tmp_path / "labels.npy")]
    given = ["train", *data, "--optimizer", "adam", "--batch-size", "16", "--find-rate"]
    assert 0 == main([*given, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["suggested_rate"] > 0 and found["tried"][0]["rate"] == pytest.approx(1e-6)
    assert 0 == main(given)
    assert f"suggested learning rate: {found['suggested_rate']:g}" in capsys.readouterr().out
    assert 0 != main([*given, "--out", str(tmp_path / "net.npz")])
    assert "leave out --out" in capsys.readouterr().err


def test_the_curve_has_a_line_at_the_suggested_rate_and_is_not_pressed_flat():
    figure = figures.rate_curve(tried(2.0, 1.9, 0.5, 900.0))
    assert [0.01, 0.01] == list(figure.data[-1].x) and "Suggested" == figure.data[-1].name
    assert [0, 3.0] == list(figure.layout.yaxis.range)
    assert "0.01, leaves room" in in_words(tried(2.0, 1.9, 0.5, 900.0))
    assert 2 == len(figures.rate_curve(tried(2.0, 2.1)).data)
    assert "No rate" in in_words(tried(2.0, 2.1))


def test_the_train_page_tries_rates_and_puts_the_suggested_one_into_the_form():
    at = click(open_page("train"), "Try rates")
    assert not at.exception
    label = component(at, "rates.curve")["label"]
    assert "Loss while the learning rate rises" in label and "a tenth of that" in words(at)
    use = next(button for button in at.button if button.label.startswith("Use 0."))
    rate = float(use.label.removeprefix("Use "))
    use.click().run()
    field = next(one for one in at.number_input if one.label == "Learning rate")
    assert rate == field.value
    assert "My own settings" == at.selectbox[0].value
    assert [] == state.runs()
