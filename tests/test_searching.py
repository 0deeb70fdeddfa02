"""A search draws settings from ranges, and lets the best go on."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingConfig, load, training
from nnengine.data import synthetic
from nnengine.errors import ConfigError
from nnengine.searching import Range, drawn, read_range, rounds, searching

RATES = Range("learning_rate", (0.001, 0.01, 0.1, 1.0))


@pytest.fixture(scope="module")
def parts() -> tuple[Dataset, Dataset]:
    return synthetic.digits(300, seed=3).split(0.2, rng=1)


def searched(*arguments, **settings):
    """Return (candidates in the order in which they came to a rest, candidates by rank)."""
    search, seen = searching(*arguments, **settings), []
    while True:
        try:
            seen.append(next(search))
        except StopIteration as end:
            return seen, end.value


@pytest.mark.parametrize(
    ("count", "epochs", "factor", "expected"),
    [
        (9, 9, 3, [(9, 1), (3, 3), (1, 9)]),
        (27, 9, 3, [(27, 1), (9, 3), (3, 9)]),  # no run can be shorter than an epoch
        (4, 100, 2, [(4, 25), (2, 50), (1, 100)]),
        (7, 5, 1, [(7, 5)]),
        (1, 5, 3, [(1, 5)]),
        (5, 10, 4, [(5, 2), (1, 10)]),
    ],
)
def test_each_round_is_as_many_times_longer_as_it_has_fewer_runs(count, epochs, factor, expected):
    assert expected == rounds(count, epochs, factor)


def test_rates_are_drawn_evenly_by_their_logarithm():
    rng, one = np.random.default_rng(0), read_range("learning-rate=0.001..0.1")
    found = np.array([one.draw(rng) for _ in range(3000)])
    assert 0.001 <= found.min() < 0.0011 and 0.09 < found.max() <= 0.1
    assert np.quantile(found, [0.25, 0.5, 0.75]) == pytest.approx(
        10 ** np.array([-2.5, -2, -1.5]), rel=0.15
    )


def test_a_range_from_zero_is_drawn_evenly_and_a_whole_setting_is_whole():
    rng = np.random.default_rng(0)
    even = [read_range("momentum=0..0.9").draw(rng) for _ in range(2000)]
    assert np.median(even) == pytest.approx(0.45, abs=0.03)
    whole = {read_range("batch_size=16..19").draw(rng) for _ in range(200)}
    assert {16, 17, 18, 19} == whole


def test_settings_that_are_drawn_differ_and_there_are_no_more_than_the_ranges_hold():
    ranges = [read_range("optimizer=adam|sgd"), read_range("batch-size=32|all")]
    found = drawn(ranges, 9, 0)
    assert 4 == len(found) == len({tuple(one.items()) for one in found})
    assert found == drawn(ranges, 9, 0) and sorted(map(str, found)) == sorted(
        map(str, drawn(ranges, 9, 1))
    )
    assert {None, 32} == {one["batch_size"] for one in found}


def test_who_goes_on_is_the_best_of_a_round_and_its_run_is_any_run(parts):
    rest, held_out = parts
    seen, ranked = searched(
        rest, held_out, [RATES], {"layers": "12"}, candidates=4, epochs=4, factor=2, seed=5
    )
    assert [4, 2, 1, 1] == [int(one.epochs) for one in ranked]
    assert [4, 2, 1] == [sum(one.rounds > n for one in ranked) for n in range(3)]
    assert 7 == len(seen)
    best = ranked[0]
    network = Network.build(
        "dense 12", rng=5, image_shape=(28, 28), class_names=rest.class_names
    )  # fmt: skip
    config = TrainingConfig(epochs=4, seed=5, learning_rate=best.settings["learning_rate"])
    *_, end = training(network, rest, config, held_out)
    np.testing.assert_array_equal(network.theta, best.network.theta)
    assert (end.val_accuracy, end.val_loss) == (best.accuracy, best.loss)


def test_losers_of_the_first_round_measured_worse(parts):
    _, ranked = searched(*parts, [RATES], candidates=4, epochs=1, factor=3)
    accuracies = [one.accuracy for one in ranked]
    assert sorted(accuracies, reverse=True) == accuracies
    assert 4 == len(ranked)


def test_a_factor_of_one_trains_everybody_to_the_end(parts):
    seen, ranked = searched(*parts, [RATES], candidates=4, epochs=2, factor=1)
    assert [2, 2, 2, 2] == [one.epochs for one in ranked]
    assert sorted(ranked, key=lambda one: one.number) == seen


def test_a_run_that_diverges_is_last_and_says_why(parts):
    ranges = [Range("learning_rate", (1e30, 0.05))]
    _, (good, bad) = searched(*parts, ranges, candidates=2, epochs=3, factor=3)
    assert 0.05 == good.settings["learning_rate"] and "try a learning rate" in bad.fault
    assert math.isnan(bad.loss) and not good.fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("learning_rate", "write NAME=LEAST..MOST"),
        ("epochs=1..3", "with a name of layers"),
        ("learning_rate=0.1..0.01", "the first number has to be the smaller one"),
        ("learning_rate=fast", "a number"),
        ("optimizer=adam|lbfgs", "adam"),
        ("layers=64|conv 8", "where there should be a window"),
    ],
)
def test_a_range_that_cannot_be_is_refused(text, fault):
    with pytest.raises(ConfigError, match=fault):
        read_range(text)


@pytest.mark.parametrize(
    ("ranges", "settings", "fault"),
    [
        ([], {}, "wants ranges, one for each setting"),
        ([RATES, RATES], {}, "wants ranges, one for each setting"),
        ([RATES], {"candidates": 0}, "candidates is 0"),
        ([RATES], {"fixed": {"depth": 3}}, "'depth' is no setting"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_trained(
    parts, ranges, settings, fault
):
    with pytest.raises(ConfigError, match=fault):
        searching(*parts, ranges, **settings)


# On the command line ------------------------------------------------------------------------

FEW = ("search", "digits", "--epochs", 2, "--candidates", 2, "--factor", 2, "--layers", "8")


@pytest.fixture
def little(monkeypatch):
    """Have the command line find few digits: a search is quick, and its answers are the same."""
    from nnengine.data import catalogue

    sets = catalogue.Sets(synthetic.digits(200, seed=1), synthetic.digits(50, seed=2))
    monkeypatch.setattr(catalogue, "load", lambda *_, **__: sets)


def test_the_command_prints_a_table_the_best_first(run, little):
    status, out, _ = run(*FEW, "--range", "learning-rate=0.01|0.1")
    assert 0 == status
    head, titles, first, second, best, test = out.splitlines()
    assert "2 candidates" in head and "rank  epochs  accuracy" in titles
    assert first.split()[:2] == ["1", "2"] and second.split()[:2] == ["2", "1"]
    assert "learning-rate=0.1" in first and "best: 784-8-10" == best and "accuracy" in test


def test_the_command_keeps_the_best_network_and_prints_json(run, little, tmp_path):
    kept = tmp_path / "best.npz"
    ranges = "--range", "learning_rate=0.01..0.1", "--range", "augment=gentle|none"
    status, out, _ = run(*FEW, *ranges, "--json", "--out", kept)
    found = json.loads(out)
    assert 0 == status and 2 == len(found["candidates"])
    assert {"learning_rate", "augmentation"} == set(found["candidates"][0]["settings"])
    test = synthetic.digits(50, seed=2)
    assert found["test_accuracy"] == pytest.approx(load(kept).accuracy(test))
    assert 2 == found["candidates"][0]["epochs"]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ((), "wants ranges"),
        (("--range", "learning_rate=0.1|0.2", "--hold-out", 1.5), "between 0 and 1"),
        (("--range", "learning_rate=1e30|1e31"), "all candidates diverged"),
    ],
)
def test_the_command_refuses_what_cannot_be(run, little, more, fault):
    status, out, err = run(*FEW, *more)
    assert (2, "") == (status, out) and fault in err and 1 == err.count("\n")


def test_the_command_counts_in_epochs(run, little):
    some = "search", "digits", "--iterations", 5, "--range", "learning_rate=0.1|0.2"
    status, _, err = run(*some)
    assert 2 == status and "give --epochs" in err
