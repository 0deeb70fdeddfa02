"""Teaching: the taught image is right afterwards, little is forgotten, the teacher is unharmed."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import ConfigError, Dataset, FormatError, Network, TrainingConfig, training
from nnengine.analysis import finetuning as teaching_module
from nnengine.analysis.finetuning import FineTuning, FineTuningStep, fine_tune, fine_tuning
from nnengine.data.synthetic import digits
from nnengine.storage.modelfile import load


@pytest.fixture(scope="module")
def memory() -> Dataset:
    return digits(3_000, seed=0)


@pytest.fixture(scope="module")
def held_out() -> Dataset:
    return digits(1_000, seed=1)


@pytest.fixture(scope="module")
def network(memory) -> Network:
    """A network that reads the built-in digits, frozen as the page has it."""
    network = Network.build([784, 48, 10], rng=2)
    config = TrainingConfig(epochs=6, optimizer="adam", learning_rate=0.002)
    for _ in training(network, memory, config):
        pass
    return network.snapshot()


@pytest.fixture(scope="module")
def odd(held_out) -> Dataset:
    """Four digits as nobody writes them: on their side, so that a network gets them wrong."""
    rows = [int(np.flatnonzero(held_out.labels == digit)[0]) for digit in (2, 3, 4, 7)]
    return Dataset(np.rot90(held_out.images[rows], axes=(1, 2)), held_out.labels[rows], classes=10)


def test_odd_digits_are_wrong_before_and_right_after_and_little_is_forgotten(
    back_end, network, odd, memory, held_out
):
    lesson = fine_tune(network, odd, memory, test=held_out, budget_s=30)
    assert lesson.right_before <= 1
    assert 4 == lesson.right_after
    np.testing.assert_array_equal(odd.labels, lesson.network.predict(odd))
    assert lesson.remembered_after > lesson.remembered_before - 0.03


def test_one_digit_alone_does_not_become_the_fashion(network, odd, memory, held_out):
    """Without memories the network would soon answer this digit to everything."""
    lesson = fine_tune(network, odd.take([3]), memory, test=held_out, budget_s=30)
    assert [7] == lesson.after.tolist()
    more = (lesson.network.predict(held_out) == 7).mean() - (network.predict(held_out) == 7).mean()
    assert abs(more) < 0.03


def test_variants_of_the_taught_digit_are_read_as_well(network, odd, memory):
    from nnengine.data.augment import GENTLE, augmented

    mine = odd.take([0])
    variants = augmented(np.repeat(mine.images, 100, axis=0), GENTLE, rng=99)
    lesson = fine_tune(network, mine, memory, budget_s=30)
    assert (lesson.network.predict(variants) == mine.labels[0]).mean() > 0.8


def test_the_figures_of_a_lesson_are_those_of_its_networks(network, odd, memory, held_out):
    lesson = fine_tune(network, odd, memory, test=held_out, steps=5)
    np.testing.assert_array_equal(network.predict(odd), lesson.before)
    np.testing.assert_array_equal(lesson.network.predict(odd), lesson.after)
    assert network.accuracy(held_out) == lesson.remembered_before
    assert lesson.network.accuracy(held_out) == lesson.remembered_after
    assert 5 == lesson.steps


def test_the_network_that_is_taught_from_stays_as_it_was(network, odd, memory):
    before, record = network.theta.copy(), network.training
    lesson = fine_tune(network, odd, memory, steps=3)
    np.testing.assert_array_equal(before, network.theta)
    assert record == network.training
    assert not lesson.network.theta.flags.writeable
    assert (lesson.network.theta != before).any()


def test_the_same_seed_gives_the_same_lesson_and_another_another(back_end, network, odd, memory):
    one, same, other = (
        fine_tune(network, odd, memory, steps=4, budget_s=60, rng=seed).network.theta
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_lesson_tells_how_far_it_is_and_ends_with_what_it_made(network, odd, memory):
    *steps, lesson = fine_tuning(network, odd, memory, steps=12, budget_s=60)
    assert all(isinstance(event, FineTuningStep) for event in steps)
    assert [8, 12] == [event.step for event in steps]
    assert {12} == {event.steps for event in steps}
    assert isinstance(lesson, FineTuning)
    assert lesson.right_after == steps[-1].right


def test_a_lesson_ends_at_once_where_there_is_nothing_to_learn(network, memory):
    sure = network.predict_proba(memory).max(axis=1) > 0.999
    right = network.predict(memory) == memory.labels
    mine = memory.take(np.flatnonzero(sure & right)[:3])
    assert fine_tune(network, mine, memory, budget_s=60).steps < 100


def test_a_budget_that_is_spent_ends_the_lesson_after_a_step(network, odd, memory):
    lesson = fine_tune(network, odd, memory, budget_s=1e-9)
    assert 1 == lesson.steps


def test_a_stubborn_image_gets_three_times_the_budget(network, odd, memory, monkeypatch):
    """A clock that goes a second a look: two seconds are over after two steps, six after six."""
    clock = iter(range(1_000))
    monkeypatch.setattr(teaching_module.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(teaching_module, "_RATE", 1e-9)  # it learns nothing
    *steps, lesson = fine_tuning(network, odd, memory, budget_s=2)
    assert 7 == lesson.steps == steps[-1].step
    assert lesson.right_after < 4


def test_a_small_network_that_yields_slowly_is_pressed_harder(memory):
    """One bar, which the memories call a 1, is to be a 5."""
    network = Network.build([784, 16, 10], rng=0)
    for _ in training(network, memory, TrainingConfig(epochs=3, optimizer="adam")):
        pass
    bar = np.zeros((1, 28, 28), np.uint8)
    bar[0, 4:24, 13:15] = 255
    lesson = fine_tune(network, Dataset(bar, [5], classes=10), memory, budget_s=60)
    assert ([5], True) == (lesson.after.tolist(), lesson.before.tolist() != [5])


def test_a_lesson_may_be_left_half_way(network, odd, memory):
    events = fine_tuning(network, odd, memory, budget_s=60)
    assert 8 == next(events).step
    events.close()
    assert [] == list(events)


def test_the_lesson_is_on_record_and_is_saved_with_the_network(network, odd, memory, tmp_path):
    lesson = fine_tune(network, odd, memory, steps=3)
    lesson.network.save(tmp_path / "taught.npz")
    record = load(tmp_path / "taught.npz").training[-1]
    assert ("taught", 3, 4) == (record["outcome"], record["steps"], record["own_images"])
    assert odd.digest == record["own_digest"]
    assert network.trained_steps + 3 == lesson.network.trained_steps


def test_without_a_test_set_nothing_is_said_of_forgetting(network, odd, memory):
    lesson = fine_tune(network, odd, memory, steps=1)
    assert (None, None) == (lesson.remembered_before, lesson.remembered_after)


def test_double_precision_and_other_sizes_are_taught_too(stripes):
    images, labels = stripes
    easy = Dataset(images, labels)
    network = Network.build([64, 12, 3], rng=1, dtype=np.float64)
    for _ in training(network, easy, TrainingConfig(epochs=10, optimizer="adam")):
        pass
    mine = Dataset(images[:1].transpose(0, 2, 1), [2], classes=3)
    lesson = fine_tune(network, mine, easy, test=easy, budget_s=60, steps=2_000)
    assert [2] == lesson.after.tolist()
    assert np.float64 == lesson.network.dtype
    assert lesson.remembered_after > 0.9


@pytest.mark.parametrize("which", ["mine", "memory", "test"])
def test_images_of_another_size_are_refused_by_name(network, odd, memory, which):
    small = Dataset(np.zeros((2, 8, 8), np.uint8), [0, 1], classes=10)
    parts = {"mine": odd, "memory": memory, "test": None} | {which: small}
    with pytest.raises(ConfigError, match="images have 64 pixels, the network takes 784"):
        fine_tuning(network, **parts)


def test_labels_the_network_has_no_class_for_are_refused(network, odd, memory):
    letters = Dataset(odd.images, [10, 11, 12, 25], classes=26)
    with pytest.raises(FormatError, match="own labels: label 10"):
        fine_tuning(network, letters, memory)


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"steps": 2.5}, {"steps": True}, {"budget_s": 0}, {"budget_s": -1}]
)
def test_lengths_that_cannot_be_are_refused(network, odd, memory, settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        fine_tuning(network, odd, memory, **settings)
