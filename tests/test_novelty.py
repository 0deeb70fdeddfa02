"""Novelty: what looks like none of the digits, from where on, and what that is kept in."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

import nnengine
from nnengine import ConfigError, Dataset, Network, TrainingConfig, models, training, write_idx
from nnengine.analysis import novelty
from nnengine.cli import main
from nnengine.data import framing, pen, synthetic
from nnengine.storage import links, modelfile

LINE = novelty.Line(value=-1.25, price=0.0075, images=2_000)


def taught(names=None) -> Network:
    """Return a network with a run on record."""
    network = Network.build([784, 4, 10], rng=1, class_names=names)
    data = synthetic.digits(60, seed=3)
    for _ in training(network, Dataset(data.images, data.labels), TrainingConfig(iterations=1)):
        pass
    return network


def noise(count: int = 50) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (count, 28, 28), np.uint8)


def test_a_network_that_was_taught_a_hand_refuses_no_drawing_of_it():
    network = nnengine.shipped("original").copy()
    assert novelty.line_of(network) is not None
    network.training = (*network.training, {"outcome": "taught"})
    assert novelty.line_of(network) is None


def test_built_in_digits_stay_below_the_guard_s_line_and_noise_above():
    line = novelty.line_of(nnengine.shipped("original"))
    assert line is not None and not line.own
    digits = synthetic.digits(400, seed=77).images
    assert 0.02 > (novelty.strangeness(digits) > line.value).mean()
    assert (novelty.strangeness(noise()) > line.value).all()


SHEETS = {
    "an M": ["60,220 60,60 140,160 220,60 220,220"],
    "a K": ["80,60 80,220", "190,60 80,140 200,220"],
    "an E": ["190,60 80,60 80,220 190,220", "80,140 170,140"],
    "a star": ["140,50 195,220 50,115 230,115 85,220 140,50"],
    "a house": ["60,220 60,130 140,60 220,130 220,220 60,220", "120,220 120,170 160,170 160,220"],
    "hatching": [f"{x},60 {x - 30},220" for x in (80, 120, 160, 200, 240)],
}


@pytest.mark.parametrize("what", SHEETS)
def test_what_is_drawn_on_the_pad_and_is_no_digit_is_refused(what):
    strokes = [
        np.array([point.split(",") for point in stroke.split()], float) for stroke in SHEETS[what]
    ]
    line = novelty.line_of(nnengine.shipped("drawing"))
    assert novelty.strangeness(framing.to_image(pen.draw(strokes)))[0] > line.value


def test_a_picture_of_a_thing_is_refused():
    y, x = np.mgrid[:28, :28]
    disc = (x - 13) ** 2 + (y - 14) ** 2 < 120
    trapezoid = np.abs(x - 13.5) < 4 + y / 4
    things = np.stack([np.where(mask, 90 + 5 * x, 0) for mask in (disc, trapezoid)])
    line = novelty.line_of(nnengine.shipped("drawing"))
    assert (novelty.strangeness(things.astype(np.uint8)) > line.value).all()


def test_a_blank_image_is_as_strange_as_can_be():
    blank = np.stack([np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)])
    assert np.isinf(novelty.strangeness(blank)).all()


def test_strangeness_is_the_log_odds_of_the_guard_s_last_class():
    images = synthetic.digits(5, seed=8).images
    p = models.guard().predict_proba(images).astype(float)[:, -1]
    np.testing.assert_allclose(np.log(p / (1 - p)), novelty.strangeness(images), rtol=1e-3)


def test_colours_and_other_sizes_are_looked_at_in_grey_and_in_28_pixels():
    image = synthetic.digits(1, seed=8).images
    grey = novelty.strangeness(image)
    np.testing.assert_allclose(grey, novelty.strangeness(np.repeat(image[..., None], 3, -1)), 1e-3)
    assert (1,) == novelty.strangeness(image.repeat(2, 1).repeat(2, 2)).shape


def test_a_line_refuses_at_most_its_price_of_the_images_it_is_fitted_on():
    images = synthetic.digits(400, seed=5).images
    line = novelty.fit_line(images)
    assert line.images == 400
    assert line.price == (novelty.strangeness(images) > line.value).mean() <= novelty.PRICE
    assert novelty.FIRST <= line.value <= novelty.LAST


def test_no_line_is_drawn_by_too_few_images_or_by_what_the_guard_takes_for_none():
    assert novelty.fit_line(synthetic.digits(199, seed=5).images) is None
    assert novelty.fit_line(noise(300)) is None


def test_networks_of_other_classes_have_no_line():
    assert novelty.line_of(Network.build([784, 11])) is None
    assert novelty.line_of(Network.build([784, 10], class_names=list("abcdefghij"))) is None
    assert novelty.line_of(Network.build([49, 10])) is None


def test_a_line_goes_with_the_record_into_npz_files_and_links_and_not_into_nnm():
    network = novelty.with_line(taught(), LINE)
    assert LINE == novelty.line_of(modelfile.load(modelfile.to_bytes(network)))
    assert LINE == novelty.line_of(links.decode(links.encode(network)).network)
    assert not novelty.line_of(modelfile.load(modelfile.to_bytes(network, "nnm"))).own


@pytest.mark.parametrize("guard", [{}, {"guard": 1}, {"guard": novelty.GUARD + 1}])
def test_a_line_that_was_fitted_for_another_guard_is_not_this_ones(guard, monkeypatch):
    network = taught()
    network.training = ({"steps": 1, "novelty": {"line": 0, "price": 0, "images": 9} | guard},)
    for found in (network, modelfile.load(modelfile.to_bytes(network))):
        assert novelty.line_of(found) == novelty.line_of(models.shipped("original"))
        assert not novelty.line_of(found).own
    assert not novelty.line_of(links.decode(links.encode(network)).network).own
    monkeypatch.setattr(links, "_line", lambda network: [0, 0, 9])  # as in links made before
    old = links.encode(network)
    assert not novelty.line_of(links.decode(old).network).own


def test_a_new_guard_has_a_new_number():
    digest = hashlib.sha256(models.guard().theta.tobytes()).hexdigest()
    assert {2: "d9a92ae91aa80f0f"} == {novelty.GUARD: digest[:16]}


def test_a_network_without_a_record_has_no_room_for_a_line():
    with pytest.raises(ConfigError, match="no record of its training"):
        novelty.with_line(Network.build([784, 10]), LINE)


def test_a_file_or_a_link_whose_line_is_no_number_is_refused():
    network = taught()
    network.training = (
        {"steps": 1, "novelty": {"line": "far", "price": 0.0, "images": 1, "guard": 2}},
    )
    with pytest.raises(nnengine.EngineError, match="novelty, line: expected a number"):
        modelfile.to_bytes(network)
    with pytest.raises(nnengine.FormatError, match="this link says none is"):
        links.decode(links.encode(network))


def test_the_built_in_drawing_network_has_its_own_line_and_still_reads_what_it_read():
    line = novelty.line_of(models.shipped("drawing"))
    assert line.own and novelty.MOST == line.images and line.price <= 0.01


def test_predict_marks_what_looks_like_none_and_says_what_that_costs(tmp_path, capsys):
    digits = synthetic.digits(5, seed=7).images
    file = tmp_path / "images.idx"
    write_idx(file, np.concatenate([digits, noise(1)]))
    model = tmp_path / "m.nnm"
    models.shipped("original").save(model)
    assert 0 == main(["predict", str(model), str(file)])
    said = capsys.readouterr().out
    assert 1 == said.count("looks like none of its digits\n")
    assert "1 of 6 look like none of its digits: of real ones, of MNIST held out, " in said
    assert 0 == main(["predict", str(model), str(file), "--json"])
    assert [False] * 5 + [True] == json.loads(capsys.readouterr().out)["none"]
