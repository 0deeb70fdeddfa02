"""Training: the loop's facts, its promises, and its ends."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc

import numpy as np
import pytest

from nnengine import (
    Augmentation,
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
    load,
    training,
)
from nnengine.fast import groups, sliced
from nnengine.fast.gathered import Gathered
from nnengine.fast.reference import Reference
from nnengine.training import TrainingState, measuring
from nnengine.training import events as facts
from nnengine.training.batches import Part

TURNED = Augmentation(rotation=10, shift=1)
SHOWN = (StepFinished, EpochFinished, Evaluated, TrainingFinished)


@pytest.fixture
def easy(stripes):
    return Dataset(*stripes)


@pytest.fixture
def restless(monkeypatch):
    """A sign of life wherever there can be one."""
    monkeypatch.setattr(facts, "PACE_S", 0.0)


def build(seed=1, **settings):
    return Network.build([64, 12, 3], rng=seed, **settings)


def run(network, data, validation=None, **settings):
    return list(training(network, data, TrainingConfig(**settings), validation))


def of(kind, events):
    return [event for event in events if type(event) is kind]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [None, 32])
@pytest.mark.parametrize("back_end", kernels.BACK_ENDS)
def test_every_optimizer_learns_easy_images(easy, optimizer, batch_size, back_end):
    before = kernels.name
    kernels.use(back_end)
    rate = {"sgd": 0.5, "momentum": 0.1, "adam": 0.01}[optimizer]
    events = run(
        build(),
        easy,
        iterations=120,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=rate,
    )
    kernels.use(before)
    assert events[-1].train_accuracy > 0.99


def test_a_full_batch_step_follows_the_formulas_worked_in_float64(easy):
    network = build(dtype=np.float64, initializer="uniform")
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


def test_long_steps_give_signs_of_life_that_change_nothing(easy, restless, monkeypatch):
    monkeypatch.setattr(Network, "block_images", 50)
    events = run(build(), easy, iterations=2, batch_size=None)
    given = [e for e in of(Progressed, events) if e.step == 1 and e.done < 300]
    assert [sign.done for sign in given[:5]] == [50, 100, 150, 200, 250]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_divergence_ends_the_run_and_keeps_good_weights(easy, optimizer):
    network = build()
    events = run(network, easy, epochs=50, batch_size=32, optimizer=optimizer, learning_rate=1e30)
    assert TrainingDiverged is type(events[-1])
    usual = "0.001" if optimizer == "adam" else "0.1"
    assert f"try a learning rate of {usual} instead of 1e+30" in events[-1].advice
    assert np.isfinite(network.loss(easy.images, easy.labels)[0])
    assert "diverged" == network.training[-1]["outcome"]


def test_a_closed_run_leaves_what_was_learnt_and_says_so(easy):
    network, state = build(), TrainingState()
    before = network.theta.copy()
    events = training(network, easy, TrainingConfig(epochs=5, batch_size=32), state=state)
    for event in events:
        if getattr(event, "step", 0) == 13 and isinstance(event, StepFinished):
            events.close()
    assert (before != network.theta).any()
    assert 13 <= state.step
    assert ("stopped", state.step) == tuple(network.training[-1][k] for k in ("outcome", "steps"))


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
        ({"train_sample": 0}, "train_sample is 0: give a whole number above zero"),
        ({"train_sample": 99.5}, "train_sample is 99.5"),
        ({"optimizer": "sdg"}, "optimizer 'sdg' is not known"),
        ({"seed": -1}, "seed is -1"),
        ({"schedule": "linear"}, "schedule 'linear' is not known: choose constant, cosine"),
        ({"augmentation": {"shift": 2}}, "augmentation is {'shift': 2}: give an Augmentation"),
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


# the training curve's images


def chosen(data, most, seed):
    """Return the training images that a run of that seed is measured on."""
    rows = np.random.default_rng([seed, 1]).choice(len(data), most, replace=False)
    return data.take(np.sort(rows))


@pytest.mark.parametrize("batch_size", [64, None])
def test_a_run_is_measured_on_as_many_training_images_as_asked_to_its_end(
    many, grouping, batch_size
):
    network, few, held_out = build(), chosen(many, 200, seed=3), many.take(slice(0, 900))
    settings = {"iterations": 5, "batch_size": batch_size, "seed": 3, "train_sample": 200}
    before = network.loss(few.images, few.labels)[0] / 200
    events = [e for e in run(network, many, held_out, **settings) if isinstance(e, Evaluated)]
    assert pytest.approx(before) == events[0].train_loss
    final = events[-1]
    for data, loss in ((few, final.train_loss), (held_out, final.val_loss)):
        assert pytest.approx(network.loss(data.images, data.labels)[0] / len(data)) == loss


def test_how_many_are_measured_changes_no_step(easy):
    np.testing.assert_array_equal(
        theta_of(easy, epochs=2), theta_of(easy, epochs=2, train_sample=7)
    )


def test_a_training_sample_larger_than_the_data_is_all_of_them(easy):
    alike = [run(build(), easy, epochs=2, train_sample=most)[-1] for most in (None, 300, 10**9)]
    assert alike[:1] * 3 == alike


def test_a_model_file_keeps_how_many_training_images_were_measured(easy, tmp_path):
    network = build()
    run(network, easy, epochs=1, train_sample=50)
    network.save(tmp_path / "model.npz")
    assert 50 == load(tmp_path / "model.npz").training[0]["config"]["train_sample"]


# the schedule


def test_a_constant_rate_stays_and_a_cosine_falls_from_all_to_nothing():
    flat, falling = (
        TrainingConfig(iterations=100, learning_rate=0.2, schedule=name)
        for name in ("constant", "cosine")
    )
    assert [0.2, 0.2] == [flat.rate_at(step, 60) for step in (1, 100)]
    expected = [0.2, 0.2 * (1 + np.sqrt(0.5)) / 2, 0.1, 0.0]
    assert pytest.approx(expected, abs=1e-3) == [
        falling.rate_at(step, 60) for step in (1, 26, 51, 100)
    ]


def test_a_cosine_spans_the_whole_run_whatever_its_length_is_given_in():
    config = TrainingConfig(epochs=2, batch_size=10, learning_rate=1.0, schedule="cosine")
    assert pytest.approx(0.5) == config.rate_at(31, 300)  # 60 steps: half of them are done


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_second_of_two_steps_is_half_as_long_along_a_cosine(easy, optimizer, dtype):
    def theta(iterations, schedule):
        network = build(dtype=dtype)
        run(
            network,
            easy,
            iterations=iterations,
            batch_size=None,
            optimizer=optimizer,
            momentum=0.0,
            learning_rate=0.01,
            schedule=schedule,
        )
        return network.theta

    first = theta(1, "cosine")
    np.testing.assert_array_equal(theta(1, "constant"), first)
    whole, half = theta(2, "constant") - first, theta(2, "cosine") - first
    np.testing.assert_allclose(half, whole / 2, atol=2e-7 if dtype == np.float32 else 1e-15)


# mini-batches


def noise(pixels, count=150, side=8):
    """Return images of random bytes: sparse, as digits are, or dense, which no list makes less."""
    rng = np.random.default_rng(6)
    images = rng.integers(1, 256, (count, side, side), np.uint8)
    if pixels == "sparse":
        images *= rng.random(images.shape) < 0.2
    return Dataset(images, rng.integers(0, 3, count))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("pixels", ["sparse", "dense"])
def test_mini_batch_runs_have_the_same_bits_for_any_number_of_threads(
    pixels, optimizer, monkeypatch
):
    """Two epochs of four batches, the last of them short, by layers that are cut into pieces."""
    data, found = noise(pixels, count=350, side=28), set()
    settings = {"epochs": 2, "batch_size": 100, "optimizer": optimizer, "learning_rate": 0.01}
    for threads in "123":
        monkeypatch.setenv("NNENGINE_THREADS", threads)
        network = Network.build([784, 80, 20, 3], rng=1)
        run(network, data, **settings)
        found.add(network.theta.tobytes())
    assert 1 == len(found)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("augmentation", [None, TURNED])
@pytest.mark.parametrize("batch_size", [7, 32, None])
def test_a_run_is_the_same_however_many_steps_are_taken_at_once(
    easy, back_end, batch_size, augmentation, optimizer
):
    config = TrainingConfig(
        iterations=80, batch_size=batch_size, evaluate_every=9, augmentation=augmentation,
        schedule="cosine", optimizer=optimizer, learning_rate=0.01,
    )  # fmt: skip
    runs = []
    for most in (1, 3, None):
        network = Network.build([64, 12, 3], rng=1)
        state = TrainingState(steps_per_call=most)
        events = [e for e in training(network, easy, config, easy, state) if type(e) in SHOWN]
        runs.append((events, network.theta.tobytes(), state.step))
    assert runs[0] == runs[1] == runs[2]
    assert 80 == runs[0][2]


def test_a_clock_that_stands_still_ends_no_run(easy, monkeypatch):
    """Firefox's goes in steps of a millisecond, in which it may take several steps of a run."""
    monkeypatch.setattr(time, "perf_counter", lambda: 1.0)
    events = run(build(), easy, epochs=2, batch_size=32)
    assert 20 == of(StepFinished, events)[-1].step


def test_between_any_two_events_weights_and_course_belong_together(easy):
    config = TrainingConfig(iterations=60, batch_size=7, evaluate_every=9)
    network, state = Network.build([64, 12, 3], rng=1), TrainingState(steps_per_call=1)
    weights = [network.theta.tobytes()]
    for event in training(network, easy, config, state=state):
        if type(event) is StepFinished:
            weights.append(network.theta.tobytes())
    network, state, ahead = Network.build([64, 12, 3], rng=1), TrainingState(), []
    for event in training(network, easy, config, state=state):
        assert weights[state.step] == network.theta.tobytes()
        if isinstance(event, Evaluated):
            assert event.step == state.step
        elif type(event) is StepFinished:
            ahead.append(state.step - event.step)
    assert 0 <= min(ahead) and max(ahead) < 9
    assert max(ahead) > 0 or kernels.name == "numpy"


@pytest.mark.parametrize("pixels", ["sparse", "dense"])
def test_a_step_of_gradient_descent_moves_as_central_differences_say(pixels, back_end, monkeypatch):
    """At the rate 1 what weights lose is their gradient; of five thousand every seventh is asked.

    Back ends that make lists do all of it in one call, and no gradient is ever seen.
    """
    if kernels.packs:
        monkeypatch.setattr(Network, "gradient", None)
    data = noise(pixels)
    network = Network.build([64, 70, 9, 3], activation=["relu", "tanh"], rng=1)
    exact = Network.from_parameters(
        {name: array.astype(np.float64) for name, array in network.parameters().items()},
        activations=network.activations,
    )
    before = exact.theta.copy()
    run(network, data, iterations=1, batch_size=150, learning_rate=1.0)
    expected = []
    for n in range(0, before.size, 7):
        losses = []
        for offset in (1e-6, -1e-6):
            exact.theta[n] = before[n] + offset
            losses.append(exact.loss(data.images, data.labels)[0] / len(data))
        exact.theta[n] = before[n]
        expected.append((losses[0] - losses[1]) / 2e-6)
    moved = (before - network.theta)[::7]
    np.testing.assert_allclose(expected, moved, rtol=0, atol=3e-7)  # float32 beside 1


# grouped images


@pytest.fixture
def grouping(monkeypatch):
    """Full batches of few images in few steps are grouped too."""
    monkeypatch.setattr(sliced, "FEWEST", 1)
    monkeypatch.setattr(sliced, "STEPS", 1)


@pytest.fixture(scope="module")
def many():
    """Four thousand sparse images in three classes: six blocks of groups, two pieces."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 4000)
    images = rng.integers(0, 256, (4000, 64)) * (rng.random((3, 64)) < 0.4)[labels]
    images *= rng.random(images.shape) < 0.7
    return Dataset(images.reshape(-1, 8, 8).astype(np.uint8), labels)


def test_full_batches_learn_the_same_from_groups_as_from_images_one_by_one(many, grouping):
    settings = {"iterations": 40, "batch_size": None, "learning_rate": 0.1}
    exact, fast = build(dtype=np.float64), build()
    run(exact, many, **settings)
    events = run(fast, many, **settings)
    np.testing.assert_allclose(fast.theta, exact.theta, atol=1e-5)
    assert pytest.approx(fast.accuracy(many)) == events[-1].train_accuracy


def test_grouped_runs_have_the_same_bits_for_any_number_of_threads(many, grouping, monkeypatch):
    found = set()
    for threads in "123":
        monkeypatch.setenv("NNENGINE_THREADS", threads)
        found.add(theta_of(many, iterations=5, batch_size=None).tobytes())
    assert 1 == len(found)


def test_a_grouped_batch_in_parts_gives_signs_of_life(many, grouping, restless, monkeypatch):
    if not kernels.packs:
        pytest.skip("NumPy does not group")
    monkeypatch.setattr(Network, "block_images", 1600)
    events = run(build(), many, iterations=2, batch_size=None)
    given = [e.done for e in of(Progressed, events) if e.step == 1 and e.total == 4000]
    assert [1536, 3072] == given[:2]


def test_grouping_gives_signs_of_life_before_the_first_measurement(many, grouping, restless):
    """60,000 images take a fifth of a second: no event is to be waited for that long."""
    if not kernels.packs:
        pytest.skip("NumPy does not group")
    fresh = Dataset(many.images.copy(), many.labels)  # nobody has grouped these
    events = run(build(), fresh, iterations=1, batch_size=None)
    first = next(n for n, event in enumerate(events) if isinstance(event, Evaluated))
    given = [(e.step, e.total, e.done) for e in of(Progressed, events[:first]) if e.total == 4000]
    assert [(0, 4000)] * len(given) == [sign[:2] for sign in given]
    done = [sign[2] for sign in given]
    assert (sorted(done), 4000) == (done, done[-1])
    assert len(done) > 4000 / 32  # every node of the tree, every eight blocks


def alternately(*works):
    """Return what generators return that are asked in turn, and how often they were asked."""
    waiting, found, asked = dict(enumerate(works)), {}, 0
    while waiting:
        for n, work in list(waiting.items()):
            asked += 1
            try:
                next(work)
            except StopIteration as end:
                found[n] = end.value
                del waiting[n]
    return [found[n] for n in range(len(works))], asked


def test_who_comes_while_images_are_being_grouped_goes_on_with_that_work(many):
    (alone,), asked = alternately(groups.slicing(many.images.copy()))
    images = many.images.copy()
    given_up = groups.slicing(images)
    next(given_up)
    first, second = groups.slicing(images), groups.slicing(images)
    next(first)
    given_up.close()
    (one, other), together = alternately(first, second)
    assert one is other
    assert together <= asked + 2  # each has to be told of the end
    for expected, found in zip(alone.lists, one.lists, strict=True):
        np.testing.assert_array_equal(expected, found)


def test_grouping_that_failed_for_one_begins_anew_for_the_next(many, monkeypatch):
    images, whole = many.images.copy(), groups._lists
    first, second = groups.slicing(images), groups.slicing(images)
    next(first)

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(groups, "_lists", full)
    with pytest.raises(MemoryError):
        alternately(first)
    monkeypatch.setattr(groups, "_lists", whole)
    (found,), _ = alternately(second)
    assert len(images) == len(found)


def begun(data, seed, train_sample=None):
    """Return the events of a run from its second step on, and what it measured before the first."""
    config = TrainingConfig(iterations=9, batch_size=None, seed=seed, train_sample=train_sample)
    events = training(build(), data, config, data)
    measured = next(event for event in events if isinstance(event, Evaluated))
    assert any(isinstance(event, StepFinished) for event in events)
    return events, measured


def memory_of_these_calls():
    """Return the traced bytes that calls from here took, not those of other threads."""
    own = tracemalloc.Filter(True, __file__, all_frames=True)
    found = tracemalloc.take_snapshot().filter_traces([own])
    return sum(trace.size for trace in found.traces)


def test_runs_on_one_data_set_share_the_lists_they_are_measured_on(many, grouping):
    if not kernels.packs:
        pytest.skip("NumPy makes no lists")
    first = begun(many, 0)  # makes them, and the rooms of the kernels
    tracemalloc.start(25)
    more = [begun(many, seed) for seed in (0, 1, 2)]
    added = memory_of_these_calls()
    tracemalloc.stop()
    one = 3 * np.count_nonzero(many.images)  # bytes; they would be six, beside a third of one a run
    assert added < 2 * one
    assert 4 == len({id(events) for events, _ in (first, *more)})


def test_runs_are_measured_on_the_sample_of_their_own_seed(many, grouping, monkeypatch):
    monkeypatch.setattr(measuring, "SAMPLE", 1000)
    (one, first), (other, second), (third, last) = (begun(many, seed) for seed in (0, 1, 0))
    assert first == last
    assert first.train_loss != second.train_loss
    for events in (one, other, third):
        events.close()


def test_runs_that_are_measured_on_more_or_fewer_images_share_no_sample(many, grouping):
    runs = [begun(many, 0, most) for most in (500, None, 500)]
    few, every, again = (measured for _, measured in runs)
    assert few == again
    assert few.train_loss != every.train_loss and few.val_loss == every.val_loss
    for events, _ in runs:
        events.close()


# augmentation

STRONGLY = Augmentation(shift=2, rotation=20, elastic=1, stroke_width=1, noise=0.2)


def theta_of(data, **settings):
    """Return the weights a fresh network has after a run."""
    network = build()
    run(network, data, **settings)
    return network.theta


@pytest.mark.parametrize("batch_size", [32, 100, None])
def test_distorted_runs_have_the_same_bits_for_any_number_of_threads(
    easy, back_end, batch_size, monkeypatch
):
    found = set()
    for threads in "123":
        monkeypatch.setenv("NNENGINE_THREADS", threads)
        settings = {"iterations": 25, "batch_size": batch_size, "augmentation": STRONGLY}
        found.add(theta_of(easy, **settings).tobytes())
    assert 1 == len(found)


def test_distortions_depend_on_the_seed_and_change_the_run(easy):
    plain, first, second = (
        theta_of(easy, epochs=1, batch_size=32, augmentation=how, seed=0)
        for how in (None, STRONGLY, STRONGLY)
    )
    assert (plain != first).any()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("batch_size", [32, None])
def test_distortions_that_never_come_leave_the_order_and_the_bits_alone(easy, back_end, batch_size):
    never = Augmentation(inversion=1e-300)
    assert never
    plain, same = (
        theta_of(easy, iterations=25, batch_size=batch_size, augmentation=how)
        for how in (None, never)
    )
    np.testing.assert_array_equal(plain, same)


def test_an_augmentation_with_nothing_on_is_none(easy):
    plain, same = (theta_of(easy, epochs=1, augmentation=how) for how in (None, Augmentation()))
    np.testing.assert_array_equal(plain, same)


def test_every_look_at_an_image_distorts_it_anew(easy, monkeypatch):
    shown, images = [], Part.images.fget

    def spy(part):
        shown.append(np.array(images(part)))
        return images(part)

    monkeypatch.setattr(Part, "images", property(spy))
    network = build(dtype=np.float64)  # whose images are not packed
    run(network, easy.take([7]), iterations=20, augmentation=STRONGLY)
    assert 20 == len(np.unique(np.concatenate(shown), axis=0))


def test_curves_are_measured_on_images_as_they_are(easy):
    rest, held_out = easy.split(0.2, rng=0)
    network = build()
    final = run(network, rest, held_out, epochs=2, augmentation=STRONGLY)[-1]
    assert pytest.approx(network.accuracy(rest)) == final.train_accuracy
    assert pytest.approx(network.accuracy(held_out)) == final.val_accuracy


def test_distorted_batches_keep_their_sizes_and_epochs_their_ends(easy):
    events = run(build(), easy, epochs=2, batch_size=64, augmentation=STRONGLY)
    steps = of(StepFinished, events)
    assert [64, 64, 64, 64, 44] * 2 == [step.images for step in steps]
    assert [1.0] == [event.epoch for event in of(EpochFinished, events)]


def test_a_distorted_full_batch_is_shown_whole_in_parts_with_signs(easy, restless, monkeypatch):
    for kind in (Reference, Gathered):
        monkeypatch.setattr(kind, "distorted_at_once", 64 * 50)
    events = run(build(), easy, iterations=3, batch_size=None, augmentation=STRONGLY)
    assert [300] * 3 == [step.images for step in of(StepFinished, events)]
    given = [e.done for e in of(Progressed, events) if e.step == 2 and e.total == 300]
    assert given[0] == 50 and all(sign % 50 == 0 for sign in given)


def test_inverted_images_are_dense_and_learnt_all_the_same(easy, back_end):
    events = run(
        build(),
        easy,
        epochs=15,
        batch_size=32,
        optimizer="adam",
        learning_rate=0.01,
        augmentation=Augmentation(inversion=1),
    )
    assert of(StepFinished, events)[-1].accuracy > 0.9
    assert events[-1].train_accuracy < 0.6  # on images as they are, which it never saw


@pytest.mark.parametrize("threads", ["1", "3"])
def test_a_closed_run_distorts_nothing_behind_anybodys_back(easy, threads, monkeypatch):
    if kernels.name == "numpy":
        pytest.skip("NumPy's kernels have no helpers")
    monkeypatch.setenv("NNENGINE_THREADS", threads)
    from nnengine.data.augment import Distorter

    at_work, calls = threading.Event(), []
    distort = Distorter.distort

    def slow(self, rows, rng):
        at_work.set()
        time.sleep(0.02)
        calls.append(len(rows))
        at_work.clear()
        return distort(self, rows, rng)

    monkeypatch.setattr(Distorter, "distort", slow)
    monkeypatch.setattr(Gathered, "distorted_at_once", 64 * 32)
    network = build()
    events = training(network, easy, TrainingConfig(epochs=9, batch_size=32, augmentation=STRONGLY))
    for event in events:
        if isinstance(event, StepFinished) and event.step == 3:
            events.close()
    assert not at_work.is_set()
    done = len(calls)
    assert done in ((3,) if threads == "1" else (3, 4))
    time.sleep(0.06)
    assert done == len(calls)
    assert ("stopped", 3) == (network.training[-1]["outcome"], network.training[-1]["steps"])


def test_a_run_that_diverges_on_distorted_images_ends_and_says_so(easy):
    network = build()
    events = run(network, easy, epochs=50, batch_size=32, learning_rate=1e30, augmentation=STRONGLY)
    assert TrainingDiverged is type(events[-1])
    assert np.isfinite(network.theta).all()


def test_the_record_of_a_distorted_run_survives_its_file(easy, tmp_path):
    network = build()
    config = TrainingConfig(epochs=1, augmentation=STRONGLY, schedule="cosine")
    list(training(network, easy, config))
    network.save(tmp_path / "bent.npz")
    record = load(tmp_path / "bent.npz").training[0]["config"]
    assert json.loads(json.dumps(config.as_dict())) == record
    assert STRONGLY == Augmentation.from_dict(record["augmentation"])
    assert "cosine" == record["schedule"]


def test_images_too_wide_to_distort_are_refused_before_the_run():
    data = Dataset(np.zeros((2, 1, 2049), np.uint8), [0, 1])
    with pytest.raises(ConfigError, match="a side has 2,048 at most"):
        training(Network.build([2049, 2]), data, TrainingConfig(augmentation=STRONGLY))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 12)])
def test_images_of_any_shape_can_be_distorted_while_training(shape, back_end):
    images = np.random.default_rng(1).integers(0, 256, (70, *shape)).astype(np.uint8)
    data = Dataset(images, np.arange(70) % 2)
    network = Network.build([images[0].size, 4, 2])
    assert TrainingFinished is type(run(network, data, epochs=2, augmentation=STRONGLY)[-1])


# making things ahead


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_things_made_ahead_come_in_order_and_end(threads, monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", threads)
    assert list(range(20)) == list(kernels.workers.ahead(n for n in range(20)))


@pytest.mark.parametrize("threads", ["1", "2"])
def test_what_fails_ahead_fails_where_it_is_asked_for(threads, monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", threads)

    def items():
        yield 1
        raise ValueError("no second one")

    ahead = kernels.workers.ahead(items())
    assert 1 == next(ahead)
    with pytest.raises(ValueError, match="no second one"):
        next(ahead)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_closing_waits_for_the_one_in_the_making_and_closes_its_maker(threads, monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", threads)
    heard = []

    def items():
        try:
            for n in range(100):
                time.sleep(0.01)
                heard.append(n)
                yield n
        finally:
            heard.append("closed")

    ahead = kernels.workers.ahead(items())
    next(ahead)
    ahead.close()
    assert "closed" == heard[-1]
    assert heard[:-1] in ([0], [0, 1])


def test_while_one_is_in_use_the_next_is_made(monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", "2")
    second = threading.Event()

    def items():
        yield 1
        second.set()
        yield 2

    ahead = kernels.workers.ahead(items())
    assert 1 == next(ahead)
    assert second.wait(60)  # without asking for it
    ahead.close()


def test_makers_that_fan_out_themselves_do_not_wait_for_each_other(monkeypatch):
    monkeypatch.setenv("NNENGINE_THREADS", "2")
    both = threading.Barrier(2, timeout=60)

    def items():
        yield 1
        both.wait()  # two makers hold both helpers, and each asks for another
        done = []
        kernels.workers.fan_out(done.append, 5)
        yield sorted(done)

    makers = [kernels.workers.ahead(items()) for _ in range(2)]
    assert [1, 1] == [next(maker) for maker in makers]
    assert [[0, 1, 2, 3, 4]] * 2 == [next(maker) for maker in makers]
    for maker in makers:
        maker.close()
