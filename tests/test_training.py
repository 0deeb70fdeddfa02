"""Training: the loop's facts, its promises, and its ends."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from nnengine import (
    ConfigError,
    Dataset,
    EpochFinished,
    Evaluated,
    FormatError,
    History,
    Network,
    Progressed,
    StepFinished,
    TrainingConfig,
    TrainingDiverged,
    TrainingFinished,
    kernels,
    training,
)


@pytest.fixture
def easy(stripes):
    return Dataset(*stripes)


def build(seed=1, **settings):
    return Network.build([64, 12, 3], rng=seed, **settings)


def run(network, data, validation=None, **settings):
    return list(training(network, data, TrainingConfig(**settings), validation))


def of(kind, events):
    return [event for event in events if type(event) is kind]


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("back_end", kernels.BACK_ENDS)
def test_every_optimiser_learns_easy_images(easy, optimiser, batch_size, back_end):
    before = kernels.name
    kernels.use(back_end)
    rate = {"sgd": 0.5, "momentum": 0.1, "adam": 0.01}[optimiser]
    events = run(
        build(),
        easy,
        iterations=120,
        batch_size=batch_size,
        optimiser=optimiser,
        learning_rate=rate,
    )
    kernels.use(before)
    assert events[-1].train_accuracy > 0.99


def test_a_full_batch_step_follows_the_formulas_worked_in_float64(easy):
    network = build(dtype=np.float64, initialisation="uniform")
    first = {name: array.copy() for name, array in network.parameters().items()}
    run(network, easy, iterations=1, batch_size=None, learning_rate=0.1)
    x, truth = easy.images.reshape(300, 64) / 255, np.eye(3)[easy.labels]
    hidden = np.maximum(x @ first["weights_1"] + first["biases_1"], 0)
    logits = hidden @ first["weights_2"] + first["biases_2"]
    odds = np.exp(logits)
    blame = (odds / odds.sum(axis=1, keepdims=True) - truth) / 300
    blame_hidden = (blame @ first["weights_2"].T) * (hidden > 0)
    found = network.parameters()
    np.testing.assert_allclose(
        found["weights_2"], first["weights_2"] - 0.1 * hidden.T @ blame, atol=1e-12
    )
    np.testing.assert_allclose(
        found["weights_1"], first["weights_1"] - 0.1 * x.T @ blame_hidden, atol=1e-12
    )
    np.testing.assert_allclose(
        found["biases_1"], first["biases_1"] - 0.1 * blame_hidden.sum(axis=0), atol=1e-12
    )


def test_blocks_of_a_full_batch_add_up_to_the_whole(easy, monkeypatch):
    found = []
    for block in (7, 1000):
        monkeypatch.setattr(Network, "block_images", block)
        network = build(dtype=np.float64)
        run(network, easy, iterations=3, batch_size=None)
        found.append(network.theta)
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


def test_the_same_seed_gives_the_same_run(easy):
    first, second = build(), build()
    events = [run(n, easy, epochs=3, batch_size=32, seed=5) for n in (first, second)]
    assert first.theta.tobytes() == second.theta.tobytes()
    assert events[0][-1] == events[1][-1]


def test_another_seed_shuffles_another_way(easy):
    first, second = build(), build()
    run(first, easy, epochs=1, batch_size=32, seed=5)
    run(second, easy, epochs=1, batch_size=32, seed=6)
    assert (first.theta != second.theta).any()


def test_every_image_is_seen_once_an_epoch(easy):
    events = run(build(), easy, epochs=2, batch_size=64)
    steps = of(StepFinished, events)
    assert [step.images for step in steps] == [64, 64, 64, 64, 44] * 2
    assert [1.0, 2.0] == [steps[4].epoch, steps[9].epoch]


def test_the_first_measurement_comes_before_the_first_step(easy):
    events = run(build(), easy, epochs=1)
    assert (Evaluated, 0) == (type(events[0]), events[0].step)


def test_epochs_end_with_both_sides_measured_and_the_run_with_all(easy):
    rest, held_out = easy.split(0.2, rng=0)
    events = run(build(), rest, held_out, epochs=3, batch_size=40)
    assert [event.epoch for event in of(EpochFinished, events)] == [1.0, 2.0]
    final = events[-1]
    assert TrainingFinished is type(final)
    assert 18 == final.step
    network = build()
    run(network, rest, epochs=3, batch_size=40)
    assert pytest.approx(network.accuracy(held_out)) == final.val_accuracy
    assert pytest.approx(network.accuracy(rest)) == final.train_accuracy


def test_without_validation_its_numbers_are_none(easy):
    assert None is run(build(), easy, epochs=1)[-1].val_loss


def test_measurements_come_as_often_as_asked(easy):
    events = run(build(), easy, iterations=10, batch_size=None, evaluate_every=4)
    assert [event.step for event in events if isinstance(event, Evaluated)] == [0, 4, 8, 10]


def test_iterations_count_steps_across_epochs(easy):
    events = run(build(), easy, iterations=7, batch_size=100)
    assert 7 == len(of(StepFinished, events))


def test_long_steps_give_signs_of_life_that_change_nothing(easy, monkeypatch):
    # The function `training` hides its module's name in the package.
    monkeypatch.setattr(sys.modules[training.__module__], "_PACE_S", 0.0)
    monkeypatch.setattr(Network, "block_images", 50)
    events = run(build(), easy, iterations=2, batch_size=None)
    signs = [e for e in of(Progressed, events) if e.step == 1 and e.done < 300]
    assert [sign.done for sign in signs[:5]] == [50, 100, 150, 200, 250]


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam"])
def test_divergence_ends_the_run_and_keeps_good_weights(easy, optimiser):
    network = build()
    events = run(network, easy, epochs=50, batch_size=32, optimiser=optimiser, learning_rate=1e30)
    assert TrainingDiverged is type(events[-1])
    assert "try a learning rate of 1e+29 instead of 1e+30" in events[-1].advice
    assert np.isfinite(network.loss(easy.images, easy.labels)[0])
    assert "diverged" == network.training[-1]["outcome"]


def test_a_closed_run_leaves_what_was_learnt_and_says_so(easy):
    network = build()
    before = network.theta.copy()
    events = training(network, easy, TrainingConfig(epochs=5, batch_size=32))
    for event in events:
        if getattr(event, "step", 0) == 13 and isinstance(event, StepFinished):
            events.close()
    assert (before != network.theta).any()
    assert ("stopped", 13) == (network.training[-1]["outcome"], network.training[-1]["steps"])


def test_a_run_left_at_its_last_event_has_finished(easy):
    network = build()
    for event in training(network, easy, TrainingConfig(epochs=1)):
        if isinstance(event, TrainingFinished):
            break
    assert "finished" == network.training[-1]["outcome"]


def test_a_trained_network_can_go_on(easy):
    network = build()
    run(network, easy, epochs=1)
    first = network.loss(easy.images, easy.labels)[0]
    run(network, easy, epochs=3)
    assert network.loss(easy.images, easy.labels)[0] < first
    assert 2 == len(network.training)
    assert network.trained_steps == 5 * 4


def test_the_record_names_data_seed_settings_and_curves(easy):
    network = build()
    run(network, easy, epochs=2, seed=9)
    record = network.training[0]
    assert (easy.digest, 9, "finished") == (
        record["data_digest"],
        record["seed"],
        record["outcome"],
    )
    assert TrainingConfig(epochs=2, seed=9).as_dict() == record["config"]
    assert [0, 5, 10] == record["history"]["step"]


def test_a_frozen_network_is_not_trained(easy):
    with pytest.raises(ConfigError, match="frozen snapshot"):
        training(build().snapshot(), easy)


def test_images_of_another_size_are_refused_before_the_run(easy):
    with pytest.raises(ConfigError, match="8x8 = 64 pixels, the network has 60 inputs"):
        training(Network.build([60, 3]), easy)


def test_labels_beyond_the_outputs_are_refused_before_the_run(easy):
    with pytest.raises(FormatError, match="training labels: label 2 at index 2"):
        training(Network.build([64, 2]), easy)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 1, "iterations": 1}, "both given"),
        ({"epochs": 0}, "epochs is 0"),
        ({"iterations": 1.5}, "iterations is 1.5"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"momentum": 1}, "momentum is 1"),
        ({"optimiser": "sdg"}, "optimiser 'sdg' is not known"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**settings)


def test_a_history_keeps_measurements_and_survives_a_round_trip(easy):
    history = History()
    for event in training(build(), easy, TrainingConfig(epochs=2)):
        history.record(event)
    assert [0, 5, 10] == history.step
    assert history == History.from_dict(history.as_dict())
    assert 4 == len(history.to_csv().splitlines())
    assert "step,epoch,train_loss" in history.to_csv()


def test_the_last_word_on_a_step_replaces_the_earlier():
    history = History()
    for kind, loss in ((EpochFinished, 0.5), (TrainingFinished, 0.4)):
        history.record(kind(step=3, epoch=1.0, train_loss=loss, train_accuracy=0.9))
    assert ([3], [0.4]) == (history.step, history.train_loss)
