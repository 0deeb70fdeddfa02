"""Checkpoints: a run that is broken off and taken up again is the run that never stopped."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from nnengine import (
    Augmentation,
    ConfigError,
    Dataset,
    FormatError,
    Network,
    StepFinished,
    TrainingConfig,
    kernels,
    training,
)
from nnengine.storage import checkpoint
from nnengine.training.record import PARTS
from nnengine.training.state import TrainingState

TURNED = Augmentation(rotation=10, shift=1)


@pytest.fixture
def easy(stripes):
    return Dataset(*stripes)


def built() -> Network:
    return Network.build([64, 12, 3], rng=1)


def broken_off(data, config, step: int, validation=None) -> bytes:
    """Train until after a step, and return the checkpoint; nothing else of the run is left."""
    network, state = built(), TrainingState(steps_per_call=1)
    events = training(network, data, config, validation, state=state)
    for event in events:
        if type(event) is StepFinished and event.step == step:
            break
    raw = checkpoint.to_bytes(network, state)
    events.close()
    return raw


def taken_up(raw: bytes, data, config, validation=None) -> tuple[Network, list]:
    network, state = checkpoint.from_bytes(raw)
    return network, list(training(network, data, config, validation, state=state))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [32, None])
@pytest.mark.parametrize("augmentation", [None, TURNED])
def test_a_run_taken_up_again_ends_with_the_same_bits(
    easy, back_end, optimizer, batch_size, augmentation
):
    """300 images in batches of 32 are 10 steps, the last one short: 25 is in the third epoch."""
    config = TrainingConfig(
        iterations=40, batch_size=batch_size, optimizer=optimizer, learning_rate=0.01,
        augmentation=augmentation, schedule="cosine",
    )  # fmt: skip
    whole = built()
    list(training(whole, easy, config))
    network, _ = taken_up(broken_off(easy, config, 25), easy, config)
    np.testing.assert_array_equal(whole.theta, network.theta)


@pytest.mark.parametrize("step", [1, 9, 10, 19, 29, 30])
@pytest.mark.parametrize("train_sample", [None, 50])
def test_its_curves_and_events_are_those_of_the_run_that_never_stopped(easy, step, train_sample):
    config = TrainingConfig(epochs=3, batch_size=32, evaluate_every=7, train_sample=train_sample)
    whole = built()
    expected = [e for e in training(whole, easy, config, easy) if type(e) is StepFinished]
    network, events = taken_up(broken_off(easy, config, step, easy), easy, config, easy)
    assert expected[step:] == [e for e in events if type(e) is StepFinished]
    (record,), (known,) = network.training, whole.training
    assert known["history"] == record["history"]
    assert ("finished", 30) == (record["outcome"], record["steps"])
    assert known["cost"]["images"] == record["cost"]["images"]


def test_a_run_recorded_before_a_setting_was_thought_of_goes_on(easy):
    config = TrainingConfig(epochs=3, batch_size=32)
    network, state = checkpoint.from_bytes(broken_off(easy, config, 12))
    del network.training[0]["config"]["train_sample"]
    list(training(network, easy, config, state=state))
    (record,) = network.training
    assert ("finished", [0, 10, 20, 30]) == (record["outcome"], record["history"]["step"])


def test_a_checkpoint_taken_twice_on_the_way_still_leads_to_the_same_end(easy):
    config = TrainingConfig(epochs=3, batch_size=32, optimizer="adam", learning_rate=0.01)
    whole = built()
    list(training(whole, easy, config))
    network, state = checkpoint.from_bytes(broken_off(easy, config, 7))
    for event in training(network, easy, config, state=state):
        if type(event) is StepFinished and event.step == 16:
            break
    network, _ = taken_up(checkpoint.to_bytes(network, state), easy, config)
    np.testing.assert_array_equal(whole.theta, network.theta)


def test_a_course_is_between_two_events_what_the_weights_are(easy):
    """Worked by hand: the first velocity is minus rate times the gradient, and is what moved."""
    network, state = built(), TrainingState()
    before = network.theta.copy()
    config = TrainingConfig(
        iterations=1, batch_size=None, optimizer="momentum", learning_rate=0.1, momentum=0.9
    )
    list(training(network, easy, config, state=state))
    gradient = np.zeros_like(before)
    first = Network.build([64, 12, 3], rng=1)
    first.gradient(easy.images, easy.labels, gradient, count=len(easy))
    assert ("velocity",) == tuple(state.arrays)
    np.testing.assert_allclose(before - 0.1 * gradient, network.theta, atol=1e-6)
    np.testing.assert_allclose(-0.1 * gradient, state.arrays["velocity"], atol=1e-6)


def test_another_data_set_than_before_is_refused_with_the_steps_it_has(easy):
    config = TrainingConfig(epochs=3, batch_size=32)
    network, state = checkpoint.from_bytes(broken_off(easy, config, 25))
    few = Dataset(easy.images[:64], easy.labels[:64])
    with pytest.raises(ConfigError, match="step 25 of 6"):
        training(network, few, config, state=state)


def test_an_optimizer_that_carries_other_arrays_is_refused(easy):
    raw = broken_off(easy, TrainingConfig(epochs=3, batch_size=32), 5)
    network, state = checkpoint.from_bytes(raw)
    with pytest.raises(FormatError, match="mean: expected float32"):
        list(training(network, easy, TrainingConfig(epochs=3, optimizer="adam"), state=state))


@pytest.mark.parametrize("place", [0, 40, 300, 2000, -30, -200])
def test_a_damaged_checkpoint_is_a_format_error(easy, place):
    raw = bytearray(broken_off(easy, TrainingConfig(epochs=1, optimizer="momentum"), 2))
    for shift in range(12):
        raw[place + shift if place >= 0 else place - shift] ^= 0xFF
    try:
        network, state = checkpoint.from_bytes(bytes(raw))
    except FormatError:
        return
    # What was hit is no claim but a name's padding or a date: then nothing may be different.
    assert 2 == state.step and network.sizes == (64, 12, 3)


@pytest.mark.parametrize("data", [b"", b"PK", bytes(200)])
def test_what_is_no_checkpoint_is_refused(data):
    with pytest.raises(FormatError, match="begin the run anew"):
        checkpoint.from_bytes(data)


def test_a_zip_that_unpacks_to_more_than_it_is_is_refused():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("course.json", bytes(10_000_000))
    with pytest.raises(FormatError, match="no checkpoint"):
        checkpoint.from_bytes(stream.getvalue())


def changed(raw: bytes, **members) -> bytes:
    """Return a checkpoint with members replaced or added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as before, zipfile.ZipFile(stream, "w") as after:
        kept = {name: before.read(name) for name in before.namelist()}
        for name, data in (kept | members).items():
            after.writestr(name, data)
    return stream.getvalue()


def npy(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("1," * 65, "claims 65 dimensions"),
        (f"0, {10**17}, {10**17}", "which no array can have"),
        (f"{10**17}, {10**17}", "which no array can have"),
        ("9" * 30 + ",", "which no array can have"),
        ("1000000, 1000000", "needs 4,000,000,000,000"),
    ],
)
def test_an_array_of_a_shape_that_cannot_be_is_refused(easy, shape, message):
    raw = broken_off(easy, TrainingConfig(epochs=1), 2)
    with pytest.raises(FormatError, match=message):
        checkpoint.from_bytes(changed(raw, **{"velocity.npy": npy(shape)}))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seconds", "1", "course.json, cost, seconds: expected a number"),
        ("parts", {"cooking": 1}, "course.json, cost, parts: expected a table of preparing"),
        (
            "parts",
            dict.fromkeys(PARTS, 0.0) | {"steps": None},
            "course.json, cost, parts, steps: expected a number",
        ),
        ("threads", None, "course.json, cost, threads: expected a whole number"),
        ("kernels", "absent", "course.json, cost: expected a table with kernels"),
    ],
)
def test_what_a_run_has_cost_is_whole_and_of_its_kinds(easy, name, value, message):
    raw = broken_off(easy, TrainingConfig(epochs=1), 2)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        course = json.loads(archive.read("course.json"))
    course["cost"][name] = value
    if value == "absent":
        del course["cost"][name]
    with pytest.raises(FormatError, match=message):
        checkpoint.from_bytes(changed(raw, **{"course.json": json.dumps(course)}))


def test_a_checkpoint_of_more_bytes_than_allowed_is_refused(easy):
    raw = broken_off(easy, TrainingConfig(epochs=1), 2)
    assert checkpoint.from_bytes(raw, max_bytes=len(raw))
    with pytest.raises(FormatError, match="begin the run anew"):
        checkpoint.from_bytes(raw, max_bytes=len(raw) - 1)


def test_members_that_lie_over_each_other_are_refused(easy):
    raw = broken_off(easy, TrainingConfig(epochs=1), 2)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
        stream = io.BytesIO(raw)
        with zipfile.ZipFile(stream, "a") as twice:
            twice.filelist += [largest] * 3
            twice._didModify = True
    with pytest.raises(FormatError, match="no checkpoint"):
        checkpoint.from_bytes(stream.getvalue())


def test_the_record_of_another_run_before_it_stays(easy):
    network = built()
    list(training(network, easy, TrainingConfig(epochs=1)))
    state, config = TrainingState(steps_per_call=1), TrainingConfig(epochs=2, batch_size=32)
    for event in training(network, easy, config, state=state):
        if type(event) is StepFinished and event.step == 12:
            break
    network, _ = taken_up(checkpoint.to_bytes(network, state), easy, config)
    assert ["finished", "finished"] == [run["outcome"] for run in network.training]
    assert 12 + 8 == network.training[1]["steps"]
    assert kernels.name == network.training[1]["kernels"]
