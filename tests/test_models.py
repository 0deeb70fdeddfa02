"""The networks that ship: what their cards say of them is what they do."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

import nnengine
from nnengine import ConfigError, Dataset, models, read_idx
from nnengine.analysis.calibration import calibration_error
from nnengine.data import framing, pen, synthetic

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(params=models.NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture
def measure(monkeypatch):
    """The module that draws the pen strokes, found where its command is."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import pen_strokes

    yield pen_strokes
    sys.modules.pop("pen_strokes", None)


def test_all_files_that_ship_are_under_a_megabyte_together():
    assert sum(file.stat().st_size for file in models.FOLDER.glob("*.n*")) < 1_000_000


def test_a_card_belongs_to_the_file_beside_it(name):
    card, raw = models.card(name), (models.FOLDER / models.FILES[name]).read_bytes()
    network = nnengine.load(raw)
    assert (card["sha256"], card["bytes"]) == (hashlib.sha256(raw).hexdigest(), len(raw))
    assert (card["layers"], card["parameters"]) == (list(network.sizes), network.parameter_count)


def test_a_shipped_network_is_shared_and_cannot_be_changed_by_accident(name):
    network = models.shipped(name)
    assert network is nnengine.shipped(name)
    with pytest.raises(ValueError, match="read-only"):
        network.theta[0] = 1
    assert network.copy().theta.flags.writeable


def test_a_name_that_does_not_ship_is_refused_with_those_that_do():
    for ask in (models.shipped, models.card):
        with pytest.raises(ConfigError, match="'mnist' ships .*'original', 'drawing'"):
            ask("mnist")


def test_the_original_is_the_originals_network():
    network = models.shipped("original")
    assert ((784, 10, 10), ("relu", "identity")) == (network.sizes, network.activations)
    assert b"\x93NUMPY" == (models.FOLDER / "original.nnm").read_bytes()[:6]


def test_the_card_says_what_the_network_does_with_built_in_digits(name):
    said = models.card(name)["measured"]["built-in digits"]
    digits = synthetic.digits(said["images"], seed=7)
    network = models.shipped(name)
    assert said["accuracy"] == pytest.approx(network.accuracy(digits), abs=3e-4)
    error = calibration_error(network.predict_proba(digits), digits.labels)
    assert said["calibration_error"] == pytest.approx(error, abs=1e-3)


def test_the_card_says_what_the_network_does_with_mnists_test_images(name, mnist_files):
    said = models.card(name)["measured"]["MNIST test images"]
    images, labels = (read_idx(mnist_files[part]) for part in ("test_images", "test_labels"))
    test = Dataset(images, labels)
    assert said["accuracy"] == pytest.approx(models.shipped(name).accuracy(test), abs=3e-4)
    assert said["accuracy"] >= {"original": 0.93, "drawing": 0.985}[name]


@pytest.mark.parametrize("place", ["small", "large"])
def test_the_drawing_network_reads_pen_strokes_of_people_it_never_saw(data_dir, measure, place):
    """Every fifth of the 7,494 digits; `python benchmarks/pen_strokes.py` measures them all."""
    if not (data_dir / measure.FILE).exists():
        pytest.skip(f"no {measure.FILE} in {data_dir}")
    strokes, labels = pen.read_unipen(data_dir / measure.FILE)
    sheets = [pen.draw(measure._placed(digit, place)) for digit in strokes[::5]]
    network = models.shipped("drawing")
    found = network.predict_proba(framing.to_images(sheets))
    assert (found.argmax(axis=1) == labels[::5]).mean() >= 0.96
    assert calibration_error(found, labels[::5]) < 0.025


@pytest.mark.parametrize("pen_px", [8, 14, 22, 32])
def test_a_drawn_seven_is_read_whatever_the_pen(pen_px):
    seven = [np.array([(90, 70), (190, 70), (130, 215)], float)]
    answer = models.shipped("drawing").predict_proba(
        framing.to_image(pen.draw(seven, pen_px=pen_px))
    )
    assert 7 == answer.argmax()
    assert answer.max() > 0.9
