"""Course: settings that change on the way of a run, and what its record keeps of that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dashboard.present.units import record_rows
from nnengine import Dataset, FormatError, Network, StepFinished, TrainingConfig, training
from nnengine.cli.report import run_line
from nnengine.storage import checkpoint, records
from nnengine.training import course
from nnengine.training.state import TrainingState

BEGUN = TrainingConfig(epochs=3, batch_size=32, optimizer="adam", learning_rate=0.01)
SLOWER = replace(BEGUN, learning_rate=0.001)


@pytest.fixture
def easy(stripes) -> Dataset:
    return Dataset(*stripes)


def built() -> Network:
    return Network.build([64, 12, 3], rng=1)


def on_the_way(data, config, step, network=None, state=None) -> tuple[Network, TrainingState]:
    """Return a run as it stands after a step."""
    network, state = network or built(), state or TrainingState()
    state.steps_per_call = 1
    events = training(network, data, config, data, state=state)
    next(e for e in events if type(e) is StepFinished and e.step == step)
    kept = network.copy(), TrainingState(state.step, {n: a.copy() for n, a in state.arrays.items()})
    events.close()
    return kept


def gone_on(data, config, network, state) -> Network:
    list(training(network, data, config, data, state=state))
    return network


def test_two_steps_at_two_rates_are_those_worked_by_hand(easy):
    """Gradient descent on all images: each step is the rate times the gradient there."""
    begun = TrainingConfig(iterations=2, batch_size=None, learning_rate=0.5)
    after = replace(begun, learning_rate=0.125)
    network, state = on_the_way(easy, begun, 1)
    course.turn(network, after, 1)
    gone_on(easy, after, network, state)
    expected = Network.build([64, 12, 3], rng=1)
    for rate in (0.5, 0.125):
        gradient = np.zeros_like(expected.theta)
        expected.gradient(easy.images, easy.labels, gradient, count=len(easy))
        expected.theta[:] -= np.float32(rate) * gradient
    np.testing.assert_allclose(expected.theta, network.theta, atol=1e-6)


def test_a_rate_changed_on_the_way_moves_what_comes_and_not_what_was(easy):
    whole = gone_on(easy, BEGUN, built(), TrainingState())
    network, state = on_the_way(easy, BEGUN, 15)
    course.turn(network, SLOWER, 15)
    gone_on(easy, SLOWER, network, state)
    same, other = whole.training[-1]["history"], network.training[-1]["history"]
    assert same["step"] == other["step"] == [0, 10, 20, 30]
    assert same["train_loss"][:2] == other["train_loss"][:2]
    assert same["train_loss"][2] != other["train_loss"][2]


def test_the_record_says_after_which_step_the_rate_became_what(easy):
    network, state = on_the_way(easy, BEGUN, 15)
    course.turn(network, SLOWER, 15)
    (record,) = gone_on(easy, SLOWER, network, state).training
    change = {"step": 15, "settings": {"learning_rate": [0.01, 0.001]}}
    assert ([change], 0.001) == (record["changes"], record["config"]["learning_rate"])
    assert "learning rate 0.01 → 0.001 after step 15" == course.in_words(change)
    assert "learning rate 0.01 → 0.001 after step 15" in run_line(record)
    assert (
        "learning rate 0.01 → 0.001 after step 15"
        == dict(record_rows(record))["Changed on the way"]
    )


def test_what_a_run_went_by_is_found_again_from_its_record(easy):
    network, state = on_the_way(easy, BEGUN, 5)
    course.turn(network, SLOWER, 5)
    network, state = on_the_way(easy, SLOWER, 15, network, state)
    smoother = replace(SLOWER, label_smoothing=0.1)
    course.turn(network, smoother, 15)
    expected = [(0, BEGUN.as_dict()), (5, SLOWER.as_dict()), (15, smoother.as_dict())]
    assert expected == course.legs(network.training[-1])


def test_settings_that_stay_as_they_are_leave_no_trace(easy):
    network, state = on_the_way(easy, BEGUN, 15)
    course.turn(network, BEGUN, 15)
    (record,) = gone_on(easy, BEGUN, network, state).training
    assert "changes" not in record
    assert [(0, BEGUN.as_dict())] == course.legs(record)


def test_a_run_that_has_ended_is_not_said_to_have_changed(easy):
    network = gone_on(easy, BEGUN, built(), TrainingState())
    course.turn(network, SLOWER, 30)
    assert 0.01 == network.training[-1]["config"]["learning_rate"]


def test_a_checkpoint_keeps_the_change_and_leads_to_the_same_bits(easy):
    network, state = on_the_way(easy, BEGUN, 15)
    course.turn(network, SLOWER, 15)
    whole = gone_on(easy, SLOWER, network.copy(), replace(state, arrays=dict(state.arrays)))
    network, state = on_the_way(easy, SLOWER, 22, network, state)
    again = gone_on(easy, SLOWER, *checkpoint.from_bytes(checkpoint.to_bytes(network, state)))
    np.testing.assert_array_equal(whole.theta, again.theta)
    assert whole.training[-1]["changes"] == again.training[-1]["changes"]
    assert whole.training[-1]["history"] == again.training[-1]["history"]


@pytest.mark.parametrize(
    "changes",
    [
        7,
        [{"step": 3}],
        [{"step": -1, "settings": {}}],
        [{"step": 3, "settings": {"learning_rate": [0.1]}}],
        [{"step": 3, "settings": {"learning_rate": [0.1, -2]}}],
        [{"step": 3, "settings": {"learning_rate": [0.1, "fast"]}}],
    ],
)
def test_a_file_whose_changes_are_of_another_kind_is_refused(changes):
    with pytest.raises(FormatError, match="m.npz, changes"):
        records.checked({"outcome": "stopped", "changes": changes}, "m.npz")
