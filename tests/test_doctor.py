"""The training doctor: signals worked by hand, findings on records and on short real runs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import nnengine
from nnengine import Dataset, Network, TrainingConfig, training
from nnengine.analysis import datafacts, doctor
from nnengine.analysis.signals import MOST_POINTS, Recorder, probe, recorded, shifted
from nnengine.analysis.thresholds import THRESHOLDS
from nnengine.errors import FormatError
from nnengine.training import Evaluated, TrainingState


def few(labels, images=None, classes=None) -> Dataset:
    """Return a data set of these labels; images are noise unless given."""
    labels = np.asarray(labels, np.uint8)
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4), np.uint8)
    return Dataset(images, labels, classes=classes)


def run_of(data, test=None, *, sizes=None, start=None, network=None, **config):
    """Train with signals on record; return the network."""
    network = network or Network.build(sizes or [data.inputs, 16, data.classes], rng=1)
    if start:
        start(network)
    state = TrainingState()
    config = TrainingConfig(**{"epochs": 10, "batch_size": 20, "optimizer": "adam",
                               "learning_rate": 0.005, **config})  # fmt: skip
    events = training(network, data, config, test, state)
    for _ in recorded(events, network, data, test, state=state):
        pass
    return network


def found(network) -> list[str]:
    return [finding.name for finding in doctor.examine(network.training[-1])]


@pytest.fixture
def pair(stripes) -> tuple[Dataset, Dataset]:
    """The stripes, 200 to learn from and 100 to be judged by."""
    images, labels = stripes
    return Dataset(images[:200], labels[:200]), Dataset(images[200:], labels[200:])


# What is recorded --------------------------------------------------------------------------


def test_a_unit_that_answers_zero_to_every_image_is_dead():
    network = Network.build([2, 4, 2], rng=0, input_scale=1.0)
    arrays = network.parameters()
    arrays["weights_1"][:] = [[1, -1, 0, -2], [1, -1, 0, 1]]  # of these images: on, off, off, on
    arrays["biases_1"][:] = 0
    images = np.array([[1, 0], [0, 3]], np.uint8)
    assert [0.5] == probe(network, images, np.array([0, 1], np.uint8))["dead"]


def test_answers_of_tanh_are_saturated_where_their_slope_is_below_a_twentieth():
    network = Network.build([1, 2, 2], activation="tanh", rng=0, input_scale=1.0)
    arrays = network.parameters()
    arrays["weights_1"][:] = [[3.0, 0.1]]  # 1 - tanh(3)^2 = 0.0099, 1 - tanh(0.1)^2 = 0.99
    arrays["biases_1"][:] = 0
    found = probe(network, np.array([[1]], np.uint8), np.array([0], np.uint8))
    assert ([None], [0.5]) == (found["dead"], found["saturated"])


def test_the_gradient_of_a_layer_is_told_over_its_weights():
    network = Network.build([1, 2], rng=0, input_scale=1.0)
    network.parameters()["weights_1"][:] = [[3.0, 4.0]]
    network.parameters()["biases_1"][:] = [1.0, 0.0]  # logits 4, 4: a half each
    found = probe(network, np.array([[1]], np.uint8), np.array([0], np.uint8))
    # (p - y) x = (-0.5, 0.5), of length 0.7071; the weights' is 5
    assert [pytest.approx(0.7071 / 5, rel=1e-3)] == found["gradient"]


def test_answers_one_above_their_labels_are_shifted_by_one():
    assert {"by": 1, "share": 0.75} == shifted(np.array([1, 2, 0, 0]), np.array([0, 1, 2, 0]), 3)


def test_a_step_is_told_over_the_length_of_the_weights(pair):
    network = run_of(pair[0], optimizer="sgd", learning_rate=0.1, batch_size=None, iterations=1,
                     epochs=None)  # fmt: skip
    begun = Network.build([64, 16, 3], rng=1)
    first = network.training[-1]["signals"]["points"][0]
    change, weights = (network.parameters()["weights_1"] - begun.parameters()["weights_1"],
                       begun.parameters()["weights_1"])  # fmt: skip
    expected = np.linalg.norm(change) / np.linalg.norm(weights)
    assert pytest.approx(expected, rel=1e-3) == first["update"][0]


@pytest.mark.parametrize("batch_size", [20, None])
def test_a_run_that_is_watched_is_the_same_to_the_bit(pair, batch_size):
    settings = {"epochs": 6, "batch_size": batch_size, "optimizer": "adam"}
    plain = Network.build([64, 16, 3], rng=1)
    events = list(training(plain, pair[0], TrainingConfig(**settings), pair[1]))
    watched, state = Network.build([64, 16, 3], rng=1), TrainingState()
    theirs = training(watched, pair[0], TrainingConfig(**settings), pair[1], state)
    seen = list(recorded(theirs, watched, *pair, state=state))
    assert plain.theta.tobytes() == watched.theta.tobytes()
    assert state.steps_per_call is None
    measured = [e for e in seen if isinstance(e, Evaluated)]
    assert [e for e in events if isinstance(e, Evaluated)] == measured


def test_a_run_of_many_points_looks_at_all_at_first_then_at_ever_fewer_and_at_its_last(pair):
    network = run_of(pair[0], epochs=20, evaluate_every=1)
    steps = [point["step"] for point in network.training[-1]["signals"]["points"]]
    assert [0, 1, 2, 3, 4, 5, 7, 9, 12, 15, 19, 24, 30, 38] == steps[:14]
    assert 200 == steps[-1]
    assert len(steps) < MOST_POINTS


def test_of_more_points_than_are_kept_those_go_that_stand_closest(pair):
    network, state = Network.build([64, 16, 3], rng=1), TrainingState()
    recorder = Recorder(network, *pair, state)
    for step in range(0, 100 * MOST_POINTS, 100):
        recorder.measure(Evaluated(step=step, epoch=0.0, train_loss=1.0, train_accuracy=0.5))
    recorder.measure(Evaluated(step=step + 7, epoch=0.0, train_loss=1.0, train_accuracy=0.5))
    steps = [point["step"] for point in recorder.points]
    assert MOST_POINTS == len(steps)
    assert (0, step + 7) == (steps[0], steps[-1])
    assert step not in steps


def test_a_run_that_goes_on_keeps_the_points_it_had(pair):
    network, state = Network.build([64, 16, 3], rng=1), TrainingState()
    config = TrainingConfig(epochs=6, batch_size=20)
    events = recorded(
        training(network, pair[0], config, None, state), network, pair[0], state=state
    )
    while state.step < 30:
        next(events)
    events.close()
    assert "stopped" == network.training[-1]["outcome"]
    again = training(network, pair[0], config, None, state)
    for _ in recorded(again, network, pair[0], state=state):
        pass
    steps = [point["step"] for point in network.training[-1]["signals"]["points"]]
    assert [0, 10, 20, 30, 40, 50, 60] == steps


def test_signals_travel_with_a_model_file(pair, tmp_path):
    network = run_of(pair[0], learning_rate=1e-7)
    network.save(tmp_path / "m.npz")
    assert ["rate_too_low"] == found(nnengine.load(tmp_path / "m.npz"))


@pytest.mark.parametrize("signals", [7, [1], {"points": [[[[[[1]]]]]]}, {"data": "x" * 300}])
def test_a_file_with_signals_of_another_kind_is_refused(pair, tmp_path, signals):
    network = run_of(pair[0], epochs=1)
    network.training = ({**network.training[-1], "signals": signals},)
    with pytest.raises((FormatError, ValueError), match="signals"):
        network.save(tmp_path / "m.npz")
        nnengine.load(tmp_path / "m.npz")


@pytest.mark.parametrize("record", [{}, {"signals": {}}, {"signals": {"points": [], "data": {}}}])
def test_a_record_without_signals_is_refused_with_the_way_out(record):
    with pytest.raises(FormatError, match="train again"):
        doctor.examine(record)


# The data ----------------------------------------------------------------------------------


def test_images_that_stand_on_both_sides_are_counted_pixel_by_pixel():
    train = few(range(40))
    images = np.random.default_rng(1).integers(0, 256, (10, 4, 4), np.uint8)
    images[:3] = train.images[[4, 9, 31]]
    images[3] = 0  # a blank image is no copy
    blank = train.images.copy()
    blank[0] = 0
    assert 0.3 == datafacts.copies(few(range(40), blank), few(range(10), images))


def test_neighbours_agree_where_labels_follow_images_and_not_where_they_are_dealt_by_lot(stripes):
    images, labels = stripes
    data = Dataset(images, labels)
    assert datafacts.neighbours(data)["agreement"] > 0.9
    dealt = Dataset(images, np.random.default_rng(0).permutation(labels))
    by_lot = datafacts.neighbours(dealt)
    assert pytest.approx(1 / 3, abs=0.01) == by_lot["chance"]
    assert abs(by_lot["agreement"] - by_lot["chance"]) < 0.2


def test_neighbours_of_less_than_a_hundred_images_say_nothing(stripes):
    assert datafacts.neighbours(Dataset(stripes[0][:99], stripes[1][:99])) is None


# What is found -----------------------------------------------------------------------------


def test_a_healthy_run_is_accused_of_nothing(pair):
    assert [] == found(run_of(*pair))


def test_a_rate_of_100_is_said_to_be_too_high_with_one_that_learns(pair):
    network = run_of(pair[0], learning_rate=100.0, optimizer="sgd")
    first = doctor.examine(network.training[-1])[0]
    assert first.name in ("loss_exploding", "rate_too_high")
    mended = run_of(pair[0], optimizer="sgd", **first.change)
    assert mended.training[-1]["history"]["train_accuracy"][-1] > 0.95


def test_a_rate_too_low_is_told_by_the_length_of_its_steps(pair):
    first = doctor.examine(run_of(pair[0], learning_rate=1e-7).training[-1])[0]
    assert "rate_too_low" == first.name and first.change["learning_rate"] > 1e-5


def test_six_sigmoid_layers_lose_their_gradients(pair):
    network = Network.build([64, *[12] * 6, 3], activation="sigmoid", initializer="glorot", rng=0)
    sgd = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 15}
    first = doctor.examine(run_of(pair[0], network=network, **sgd).training[-1])[0]
    assert "vanishing_gradients" == first.name
    assert 7 == len(first.evidence)
    assert {"activation": "relu", "initializer": "he"} == first.change


def test_one_hidden_unit_is_too_narrow_for_three_classes():
    rng = np.random.default_rng(0)
    labels = (np.arange(600) % 10).astype(np.uint8)
    images = rng.integers(0, 60, (600, 5, 4), np.uint8)
    images.reshape(600, 20)[np.arange(600), labels * 2] += 190
    network = run_of(Dataset(images, labels), sizes=[20, 1, 10], epochs=20)
    first = doctor.examine(network.training[-1])[0]
    assert ("bottleneck", {"hidden": "dense 32"}) == (first.name, first.change)


def test_labels_that_are_all_zero_are_named_though_all_answers_are_right(pair):
    zeros = Dataset(pair[0].images, pair[0].labels * 0, classes=3)
    network = run_of(zeros)
    assert 1.0 == network.training[-1]["history"]["train_accuracy"][-1]
    assert ["one_class_of_data"] == found(network)
    assert ["one_class_of_data"] == found(run_of(Dataset(pair[0].images, pair[0].labels * 0)))


def test_classes_without_images_are_named(pair):
    train = pair[0].take(pair[0].labels != 1)
    (finding,) = [f for f in doctor.examine(run_of(train, pair[1]).training[-1])][:1]
    assert "classes_missing" == finding.name and "Class 1 has no" in finding.sentence


def test_units_that_begin_dead_are_counted_by_layer(pair):
    def low(network):
        network.parameters()["biases_1"][:] = -50

    first = doctor.examine(run_of(pair[0], start=low).training[-1])[0]
    assert "dead_units" == first.name
    assert "hidden layer 1 (dense 16): 100%" in first.evidence[0]


def test_tanh_with_large_weights_is_saturated(pair):
    network = Network.build([64, 16, 3], activation="tanh", initializer="glorot", rng=0)
    network.theta *= 200
    assert (
        "saturation" == found(run_of(pair[0], network=network, learning_rate=0.0005, epochs=2))[0]
    )


def test_weights_that_begin_as_zeros_leave_the_loss_flat(pair):
    def zero(network):
        network.theta[:] = 0

    assert ["flat_loss"] == found(run_of(pair[0], start=zero))


def test_pixels_as_they_are_and_pixels_divided_twice_are_named(pair):
    network = Network.build([64, 16, 3], rng=0, input_scale=1.0)
    assert "pixels_scaled" == found(run_of(pair[0], network=network))[0]
    dark = Dataset(pair[0].images // 128, pair[0].labels)
    assert "pixels_scaled" == found(run_of(dark))[0]


def test_test_images_that_are_inverted_or_brighter_are_told_apart(pair):
    train, test = pair
    assert "inverted" == found(run_of(train, Dataset(255 - test.images, test.labels)))[0]
    bright = Dataset(np.minimum(test.images, 205) + np.uint8(50), test.labels)
    assert "standardised" == found(run_of(train, bright))[0]


def test_labels_by_lot_and_labels_counted_from_another_class_are_told_apart(pair):
    train, test = pair
    lot = Dataset(train.images, np.random.default_rng(1).permutation(train.labels))
    assert "labels_shuffled" == found(run_of(lot, test))[0]
    counted = Dataset(train.images, (train.labels + 1) % 3)
    assert "labels_shifted" == found(run_of(counted, test))[0]


def test_test_images_among_the_training_images_are_named(pair):
    assert ["duplicates"] == found(run_of(pair[0], pair[0].take(slice(0, 50))))


def test_a_run_cut_short_wants_more_steps_and_large_batches_smaller_ones(pair):
    slow = {"optimizer": "sgd", "learning_rate": 0.01}
    short = doctor.examine(run_of(pair[0], epochs=None, iterations=8, **slow).training[-1])
    assert ("too_few_steps", {"iterations": 500}) == (short[0].name, short[0].change)
    train = pair[0].take(np.tile(np.arange(200), 3))
    large = doctor.examine(run_of(train, epochs=6, batch_size=300, **slow).training[-1])
    assert ("batch_too_large", {"batch_size": 64}) == (large[0].name, large[0].change)


# Records ------------------------------------------------------------------------------------


SLOW = {
    "train_loss": [2.3, 2.1, 1.9, 1.6, 1.3],
    "train_accuracy": [0.1, 0.2, 0.3, 0.4, 0.5],
}


def record(**changes) -> dict:
    """Return the record of a healthy run of 1,000 steps over 2,000 images of ten classes."""
    points = [
        {"step": step, "dead": [0.0], "saturated": [None], "predicted": 0.12, "named": 10,
         "right": 0.9, "weights": [0.05, 0.1], "spread": [0.05, 0.1], "gradient": [0.02, 0.1],
         "update": [0.002, 0.002], "worst": 0.8}
        for step in (0, 250, 500, 750, 1000)
    ]  # fmt: skip
    steps = [point["step"] for point in points]
    made = {
        "outcome": "finished",
        "steps": 1000,
        "config": {"batch_size": 64, "learning_rate": 0.1, "epochs": 32, "iterations": None},
        "history": {
            "step": steps,
            "train_loss": [2.3, 0.6, 0.3, 0.2, 0.1],
            "train_accuracy": [0.1, 0.8, 0.9, 0.95, 0.97],
            "val_loss": [2.3, 0.7, 0.4, 0.35, 0.34],
            "val_accuracy": [0.1, 0.8, 0.88, 0.9, 0.91],
        },
        "signals": {
            "data": {"count": 2000, "counts": [200] * 10, "mean": 0.13, "std": 0.31,
                     "largest": 1.0, "neighbours": None},
            "network": {"classes": 10, "hidden": ["dense 64"], "layers": ["dense 64", "dense 10"],
                        "activations": ["relu"], "acting": ["dense 64"], "narrowest": 64},
            "points": points,
        },
    }  # fmt: skip
    made["history"] |= changes.pop("history", {})
    made["config"] |= changes.pop("config", {})
    for point in points:
        point |= changes.get("points", {})
    changes.pop("points", None)
    return json.loads(json.dumps(made | changes))


def names(**changes) -> list[str]:
    return [finding.name for finding in doctor.examine(record(**changes))]


def test_the_record_that_the_others_differ_from_is_healthy():
    assert [] == names()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"outcome": "diverged"}, "loss_exploding"),
        ({"points": {"update": [0.5, 0.5]}, "history": {"train_loss": [2.3, 2, 1.9, 1.9, 1.8]}},
         "rate_too_high"),
        ({"points": {"dead": [0.6]}}, "dead_units"),
        ({"points": {"predicted": 1.0}}, "single_class"),
        ({"history": {"train_loss": [2.3, 2.303, 2.302, 2.302, 2.302]}}, "flat_loss"),
        ({"history": {"val_loss": [2.3, 0.4, 0.5, 0.6, 0.7],
                      "train_loss": [2.3, 0.3, 0.1, 0.05, 0.01]}}, "validation_turning"),
        ({"history": SLOW, "config": {"batch_size": 1000}},
         "batch_too_large"),
        ({"history": SLOW}, "too_few_steps"),
    ],
)  # fmt: skip
def test_one_sign_beside_the_healthy_record_is_one_finding(changes, name):
    assert [name] == names(**changes)


def test_a_run_under_way_is_not_told_that_it_ended_too_early():
    changes = {"history": SLOW}
    assert [] == names(outcome="unfinished", **changes)


def test_what_follows_from_a_rate_too_high_is_not_said_besides():
    assert ["loss_exploding"] == names(
        outcome="diverged", points={"dead": [1.0], "predicted": 1.0, "update": [9.0, 9.0]}
    )


def test_a_finding_says_how_it_is_known_and_what_helps():
    first = doctor.examine(record(points={"dead": [0.6]}))[0].as_dict()
    assert {"name", "sentence", "evidence", "remedy", "change"} == set(first)
    assert "60%" in first["evidence"][0] and {"activation": "leaky_relu"} == first["change"]
    assert first == json.loads(json.dumps(first))


def test_every_threshold_is_a_number_with_its_reason():
    for name, (value, reason) in THRESHOLDS.items():
        assert math.isfinite(value) and len(reason) > 5, name


def test_the_recorder_looks_at_no_more_images_than_there_are(pair):
    network = Network.build([64, 8, 3], rng=0)
    recorder = Recorder(network, pair[0].take(slice(0, 5)), None, TrainingState())
    assert 5 == len(recorder.sides[0][1])
