"""Networks learn from tables: floats, weights and repetitions, by the engine's own steps."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingConfig, training
from nnengine.errors import ConfigError, FormatError
from nnengine.fitting import examples as fitted_examples
from nnengine.fitting.examples import Examples, as_bytes, as_floats, prepared
from nnengine.fitting.passes import Memory, mean_loss, passes, weighted

SCALED = np.float32(1 / 255)


def table(count: int = 40, inputs: int = 9, classes: int = 3, seed: int = 1) -> Examples:
    """Return random bytes with random classes."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (count, inputs), dtype=np.uint8)
    return Examples(rows, rng.integers(0, classes, count))


def network(inputs: int = 9, classes: int = 3, **settings) -> Network:
    return Network.build([inputs, 7, classes], rng=3, **settings)


def kinds(examples: Examples) -> list[tuple[int, ...]]:
    """Return each row and its class as one tuple, in order."""
    both = zip(examples.rows.tolist(), examples.codes.tolist(), strict=True)
    return sorted((*row, code) for row, code in both)


def fitted(examples: Examples, made: Network, **settings) -> np.ndarray:
    """Return what a network's parameters are after a run."""
    config = TrainingConfig(**{"epochs": 3, "batch_size": 8, "optimizer": "adam"} | settings)
    list(passes(made, examples, config, Memory()))
    return made.theta.copy()


def test_equal_rows_become_one_that_weighs_as_much_as_they():
    rows = np.array([[1, 2], [3, 4], [1, 2], [1, 2], [3, 4], [5, 6]], np.uint8)
    codes = np.array([0, 1, 0, 0, 0, 1])
    weights = np.array([1.0, 2.0, 1.5, 0.5, 1.0, 0.0])
    assert [(1, 2, 0)] * 3 + [(3, 4, 0)] + [(3, 4, 1)] * 2 == kinds(prepared(rows, codes, weights))


def test_weights_that_are_no_repetitions_have_mean_one():
    examples = table(4)
    found = prepared(examples.rows, examples.codes, np.array([1.0, 2.5, 4.0, 0.5]))
    assert [0.25, 0.5, 1.25, 2.0] == sorted(found.weights)


@pytest.mark.parametrize("rows", [table().rows, table().rows * SCALED], ids=["bytes", "floats"])
def test_order_and_the_way_to_write_repetitions_change_nothing(rows):
    codes, copies = table().codes, np.random.default_rng(0).integers(0, 5, len(rows))
    shuffled = np.random.default_rng(2).permutation(len(rows))
    first = prepared(rows[shuffled], codes[shuffled], copies[shuffled].astype(float))
    second = prepared(rows.repeat(copies, axis=0), codes.repeat(copies), None)
    assert first.rows.tobytes() == second.rows.tobytes()
    assert first.codes.tobytes() == second.codes.tobytes()
    assert np.array_equal(first.weights, second.weights)


def test_rows_whose_keys_meet_are_not_taken_for_one(monkeypatch):
    rows, codes = table().rows.repeat(2, axis=0), table().codes.repeat(2)
    expected = kinds(prepared(rows, codes, None))
    monkeypatch.setattr(fitted_examples, "_keys", lambda rows: np.zeros((len(rows), 2), np.uint64))
    assert expected == kinds(prepared(rows, codes, None))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
def test_rows_that_differ_in_any_one_bit_have_keys_of_their_own(width):
    bits = np.packbits(np.eye(8 * width, dtype=np.uint8), axis=1)
    rows = np.vstack([bits, bits ^ 255, 0 * bits[:1], 0 * bits[:1] + 255])
    keys = fitted_examples._keys(rows)
    assert len(np.unique(rows, axis=0)) == len(np.unique(keys, axis=0))


def test_nothing_that_weighs_anything_is_refused():
    with pytest.raises(ConfigError, match="all weights of examples are zero"):
        prepared(table().rows, table().codes, np.zeros(40))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_bytes_are_found_in_floats_whichever_way_they_were_divided(kind):
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for floats, factor in ((every.astype(kind), 1), (every.astype(kind) / kind(255), 255)):
        found, by = as_bytes(floats)
        assert factor == by
        np.testing.assert_array_equal(every, found)
    np.testing.assert_array_equal(every, as_bytes(every.astype(np.float32) * SCALED)[0])


@pytest.mark.parametrize("wrong", [-1.0, 0.5, 256.0, 127.5 / 255], ids=str)
def test_floats_that_are_no_bytes_stay_floats(wrong):
    floats = np.array([[1.0, 0.0], [0.0, wrong]])
    found, factor = as_bytes(floats)
    assert (np.float32, 1) == (found.dtype, factor)
    np.testing.assert_array_equal(floats.astype(np.float32), found)


def test_numbers_that_float32_cannot_hold_are_refused():
    with pytest.raises(FormatError, match="beyond 3e38"):
        as_floats(np.array([[1e300]]))


def test_a_weighted_loss_is_worked_by_hand():
    """Two rows of equal logits cost log 2 each; by weights 3 and 1 their mean gradient is this."""
    examples = Examples(np.zeros((2, 1), np.uint8), np.array([0, 1]), np.array([3.0, 1.0]))
    loss, right, gradient = weighted(examples, 2)(np.zeros((2, 2)), np.array([0, 1]))
    assert (pytest.approx(4 * np.log(2)), 1) == (loss, right)
    np.testing.assert_allclose([[-0.75, 0.75], [0.25, -0.25]], gradient)


def test_a_weighted_gradient_is_the_slope_of_the_loss(back_end):
    examples = Examples(table().rows, table().codes, np.random.default_rng(4).random(40))
    made, rows, step = network(dtype=np.float64), np.arange(40), 1e-6
    loss, gradient = weighted(examples, 3, 0.1), np.zeros_like(made.theta)
    made.gradient(examples.rows, rows, gradient, descended=loss)
    for place in range(0, made.theta.size, 5):
        sides = []
        for sign in (1, -1):
            made.theta[place] += sign * step
            sides.append(loss(made.logits(examples.rows), rows)[0] / 40)
            made.theta[place] -= sign * step
        assert gradient[place] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)


def test_bytes_of_equal_weight_are_learnt_from_as_any_run_learns(back_end):
    examples, settings = table(), {"epochs": 3, "batch_size": 8, "optimizer": "adam", "seed": 5}
    expected = network()
    list(training(expected, Dataset(examples.rows, examples.codes), TrainingConfig(**settings)))
    np.testing.assert_array_equal(expected.theta, fitted(examples, network(), **settings))


def test_floats_are_learnt_from_as_the_bytes_that_they_are(back_end):
    examples = table()
    floats = Examples(examples.rows * SCALED, examples.codes)
    expected = fitted(examples, network())
    np.testing.assert_allclose(expected, fitted(floats, network(input_scale=1.0)), atol=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_row_of_weight_three_moves_weights_as_three_rows_do(back_end, optimizer):
    examples, copies = table(), np.tile([3, 1], 20)
    many = Examples(examples.rows.repeat(copies, axis=0), examples.codes.repeat(copies))
    one = Examples(examples.rows, examples.codes, copies / copies.mean())
    settings = {"batch_size": None, "optimizer": optimizer}
    expected = fitted(many, network(), **settings)
    np.testing.assert_allclose(expected, fitted(one, network(), **settings), atol=1e-5)
    assert mean_loss(network(), many) == pytest.approx(mean_loss(network(), one), rel=1e-6)


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "rmsprop"])
def test_an_optimizer_goes_on_where_it_was(optimizer):
    examples, whole, memory, parts = table(), network(), Memory(), network()
    settings = {"batch_size": None, "optimizer": optimizer, "learning_rate": 0.01}
    list(passes(whole, examples, TrainingConfig(epochs=4, **settings), Memory()))
    for _ in range(2):
        list(passes(parts, examples, TrainingConfig(epochs=2, **settings), memory))
    assert 4 == memory.steps
    np.testing.assert_array_equal(whole.theta, parts.theta)


def test_windows_learn_from_tables_too(back_end):
    examples = table(30, 36)
    text = {"image_shape": (6, 6), "classes": 3}
    losses = []
    for some in (examples, Examples(examples.rows, examples.codes, np.linspace(0.5, 1.5, 30))):
        made = Network.build("conv 4 3x3, pool 2, dense 8", rng=1, **text)
        config = TrainingConfig(epochs=120, batch_size=10, optimizer="adam", learning_rate=0.01)
        losses.append(list(passes(made, some, config, Memory())))
    for loss in losses:
        assert 120 == len(loss) and loss[-1] < loss[0] / 2


def test_a_run_that_diverges_says_what_to_try():
    with pytest.raises(ConfigError, match="try a learning rate"):
        fitted(table(), network(), optimizer="sgd", learning_rate=1e30, epochs=20)


def test_without_scikit_learn_the_estimator_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import nnengine.estimator"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "nnengine[estimator]"' in done.stderr.splitlines()[-1]
