"""Moments of a run: which are kept, how exactly, in how many bytes, and that damage is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import nnengine
from nnengine import Dataset, FormatError, Network
from nnengine.storage import moments
from nnengine.storage.moments import Moments, most_within, plan
from nnengine.training import StepFinished, TrainingConfig, training
from nnengine.training.state import TrainingState


def drifting(network: Network, count: int, rng: int = 3) -> list[np.ndarray]:
    """Return weights of so many steps in which every weight wanders a little."""
    steps = np.random.default_rng(rng).normal(0, 0.004, (count, network.theta.size))
    return list((network.theta + np.cumsum(steps, axis=0)).astype(network.dtype))


def some(count: int = 45) -> tuple[Network, list[np.ndarray], Moments]:
    network = Network.build([36, 8, 4], rng=0)
    weights = drifting(network, count)
    kept = Moments(network)
    for step, theta in enumerate(weights):
        kept.add(step, theta)
    return network, weights, kept


def test_a_short_run_is_kept_at_every_step():
    assert [0, 1, 2, 3, 4, 5] == plan(5)


@pytest.mark.parametrize("total", [101, 4690, 100_000])
@pytest.mark.parametrize("most", [2, 10, 100])
def test_a_long_run_is_kept_from_its_first_step_to_its_last(total, most):
    steps = plan(total, most)
    assert (0, total) == (steps[0], steps[-1])
    assert len(steps) <= most
    assert len(steps) >= 0.7 * most


def test_moments_are_dense_at_the_start_and_never_closer_later_on():
    steps = plan(4690)
    assert list(range(20)) == steps[:20]
    gaps = [b - a for a, b in itertools.pairwise(steps)][:-1]  # the last ends with the run
    assert gaps == sorted(gaps)


def test_a_network_of_two_million_weights_has_fewer_moments_in_as_many_bytes():
    assert (100, 9) == (most_within(101_770, 12_000_000), most_within(2_000_000, 12_000_000))


def test_every_weight_is_near_its_own():
    _, weights, kept = some()
    for number, theta in enumerate(weights):
        # An error that comes from two neighbours is at most one and a half widths of the grid.
        most = 1.5 * np.sqrt(np.mean(weights[0] ** 2)) / 32
        np.testing.assert_allclose(kept.theta(number), theta, atol=most)


def test_moments_are_the_same_in_whatever_order_they_are_looked_at():
    _, _, kept = some()
    forth = [kept.theta(n) for n in range(len(kept))]
    back = [kept.theta(n) for n in reversed(range(len(kept)))][::-1]
    np.testing.assert_array_equal(forth, back)
    np.testing.assert_array_equal(forth[7], kept.theta(7))


def test_an_error_is_passed_on_so_that_the_sum_over_an_image_stays():
    over = np.full((28, 28, 1), 0.3, np.float32)
    assert 0 == np.rint(over).sum()
    # All but what falls off the right and the lower edge: 784 * 0.3 is 235.
    assert 235 == pytest.approx(moments._diffused(over).sum(), abs=14)


def test_weights_after_the_same_step_take_the_place_of_those_before():
    network, weights, kept = some(5)
    kept.add(4, network.theta)
    assert [0, 1, 2, 3, 4] == kept.steps
    np.testing.assert_allclose(kept.theta(4), network.theta, atol=0.02)
    np.testing.assert_allclose(kept.theta(3), weights[3], atol=0.02)


def test_weights_that_are_not_finite_are_left_out():
    network, _, kept = some(3)
    kept.add(3, np.full_like(network.theta, np.nan))
    assert [0, 1, 2] == kept.steps


def test_all_of_them_come_back_from_their_bytes_and_go_on():
    network, weights, kept = some()
    again = Moments.from_bytes(kept.to_bytes(), network)
    assert kept.steps == again.steps
    kept.add(99, weights[0])
    again.add(99, weights[0])
    for number in (0, 19, 20, 44, 45):
        np.testing.assert_array_equal(kept.theta(number), again.theta(number))


def test_bytes_cut_short_or_foreign_are_refused():
    network, _, kept = some(25)
    raw = kept.to_bytes()
    for wrong in (b"", b"PK", raw[:-1], raw[:40], raw + b"x", raw.replace(b"parameters", b"p")):
        with pytest.raises(FormatError, match="moments: damaged or foreign"):
            Moments.from_bytes(wrong, network)
    with pytest.raises(FormatError, match="made for"):
        Moments.from_bytes(raw, Network.build([36, 9, 4], rng=0))


def test_a_damaged_moment_is_refused_when_it_is_looked_at():
    network, _, kept = some(25)
    raw = bytearray(kept.to_bytes())
    raw[-2 * kept.size(24) - 30] ^= 0xFF  # inside one of the packed numbers
    again = Moments.from_bytes(bytes(raw), network)
    with pytest.raises(FormatError, match="damaged"):
        [again.theta(n) for n in range(25)]


def test_a_moment_as_a_network_says_after_how_many_steps_it_was():
    network, _, kept = some(9)
    found = kept.network(7, network)
    assert 7 == found.trained_steps
    assert not found.theta.flags.writeable
    np.testing.assert_array_equal(kept.theta(7), found.theta)


def test_moments_of_convolutions_and_norms_are_near_their_weights():
    network = Network.build("conv 4 5x5, norm, pool 2", image_shape=(28, 28), classes=10, rng=0)
    kept = Moments(network)
    for step, theta in enumerate(drifting(network, 3)):
        kept.add(step, theta)
        np.testing.assert_allclose(kept.theta(step), theta, atol=0.03)


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(epochs=1, optimizer="adam", learning_rate=0.001, batch_size=64),
        TrainingConfig(iterations=600, optimizer="sgd", learning_rate=0.1, batch_size=32),
    ],
    ids=["adam", "sgd"],
)
def test_on_mnist_a_moment_is_below_60_kb_and_answers_as_its_weights_do(mnist_files, config):
    """Most of those looked at are of the first 30, where answers hang by a hair."""
    learnt, judged = (
        Dataset(
            nnengine.read_idx(mnist_files[f"{part}_images"]),
            nnengine.read_idx(mnist_files[f"{part}_labels"]),
        )
        for part in ("train", "test")
    )
    network = Network.build([784, 128, 10], activation="relu", rng=1)
    due, state, kept = plan(config.total_steps(learnt.count)), TrainingState(), Moments(network)
    exact = [network.theta.copy()]
    kept.add(0, network.theta)
    events = training(network, learnt, config, None, state)
    while len(exact) < len(due):
        state.steps_per_call = due[len(exact)] - state.step
        event = next(events)
        if type(event) is StepFinished and event.step == due[len(exact)]:
            exact.append(network.theta.copy())
            kept.add(event.step, network.theta)
    assert 100 == len(kept)
    assert sum(map(kept.size, range(100))) / 100 <= 60_000
    for number in (*range(0, 30, 3), 45, 60, 80, 99):
        network.theta[:] = exact[number]
        wanted = network.predict(judged.images)
        found = kept.network(number, network).predict(judged.images)
        assert np.mean(found == wanted) >= 0.999, f"step {kept.steps[number]}"
