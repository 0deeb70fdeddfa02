"""Cost: where a run's time went, told by its record and the command line."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest

from nnengine import Dataset, Network, TrainingConfig, kernels, training
from nnengine.cli.report import cost_lines
from nnengine.training import record
from nnengine.training.record import PARTS, Timings


def test_only_the_time_in_which_an_event_is_asked_for_counts(monkeypatch):
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(record, "time", clock)

    def slow():
        for n in range(3):
            clock.now += 2.0
            yield n

    cost = Timings()
    for _ in cost.timed(slow()):
        clock.now += 5.0
    assert 6.0 == cost.seconds


def test_closing_a_timed_stream_closes_what_it_times():
    closed = []

    def events():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    timed = Timings().timed(events())
    next(timed)
    timed.close()
    assert [True] == closed


@pytest.fixture
def dotted():
    """Images of which a quarter of the pixels are not zero."""
    images = np.zeros((400, 8, 8), np.uint8)
    images[:, ::2, ::2] = 9
    return Dataset(images, np.arange(400) % 3)


def record_of(data, **settings):
    network = Network.build([64, 12, 3], rng=1)
    list(training(network, data, TrainingConfig(**settings)))
    return network.training[-1]


@pytest.mark.parametrize("batch_size", [None, 32])
def test_the_record_says_what_the_run_cost_and_its_parts_fit_in_the_whole(dotted, batch_size):
    cost = record_of(dotted, iterations=30, batch_size=batch_size)["cost"]
    shown = 30 * 400 if batch_size is None else 2 * 400 + 4 * 32
    assert (shown, kernels.name) == (cost["images"], cost["kernels"])
    assert set(PARTS) == set(cost["parts"])
    spent = sum(cost["parts"].values())
    assert 0 < spent < cost["seconds"]
    assert pytest.approx(1 - spent / cost["seconds"], abs=1e-3) == cost["outside_kernels"]
    whole = 0.5  # it is rounded, and where kernels are compiled first it is a small number
    assert pytest.approx(shown / cost["seconds"], rel=1e-3, abs=whole) == cost["images_per_s"]


def test_the_record_says_how_dense_the_images_are_and_how_they_were_read(dotted):
    if not kernels.packs:
        pytest.skip("NumPy reads all images whole")
    sparse = record_of(dotted, epochs=1)["data"]
    assert ("as lists of nonzero pixels", 0.25) == (sparse["path"], sparse["density"])
    dense = Dataset(np.full((400, 8, 8), 7, np.uint8), np.arange(400) % 3)
    found = record_of(dense, epochs=1)["data"]
    assert ("whole, zeros and all", 1.0) == (found["path"], found["density"])


def test_a_saved_run_leaves_its_cost_behind_so_that_the_same_run_gives_the_same_bytes(dotted):
    files = []
    for _ in range(2):
        network = Network.build([64, 12, 3], rng=1)
        list(training(network, dotted, TrainingConfig(epochs=1)))
        file = io.BytesIO()
        network.save(file)
        files.append(file.getvalue())
    assert files[0] == files[1]


def test_the_lines_of_a_cost_add_up_to_all_of_the_time():
    cost = {
        "images_per_s": 1234567,
        "seconds": 2.0,
        "parts": dict(zip(PARTS, (0.25, 0.5, 0.5, 0.25, 0.25), strict=True)),
        "kernels": "numba",
        "threads": 1,
    }
    lines = list(cost_lines(cost, {"path": "whole, zeros and all", "density": 0.5}))
    assert "1,234,567 images/s, numba kernels, up to 1 thread" == lines[0].strip()
    assert "50% of the pixels" in lines[1]
    shares = ["12.5%", "25.0%", "25.0%", "12.5%", "12.5%", "12.5%"]
    assert shares == [line.split()[-1] for line in lines[2:]]


def test_measuring_is_a_part_of_every_run_that_is_watched(stripes, back_end):
    network, data = Network.build([64, 12, 3], rng=1), Dataset(*stripes)
    for _ in training(network, data, TrainingConfig(epochs=2), data):
        pass
    assert network.training[-1]["cost"]["parts"]["measuring"] > 0
