"""Fragility page: what is measured is the network's accuracy, and the way out leads to Train."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest

from dashboard import state
from dashboard.present import robustness as words_of
from dashboard.present.robustness import KINDS
from dashboard.runs.recipe import PRESETS, Recipe
from dashboard.store import robustness
from dashboard.store.networks import Entry
from dashboard.store.robustness import Watch
from nnengine.analysis.robustness import distort
from nnengine.core.network import Network
from nnengine.data.augment import NONE, Augmentation
from nnengine.data.dataset import Dataset
from nnengine.training import TrainingConfig, training
from tests.pages import click, component, idx, new_visit, open_page, words

SHIFT, ROTATION, THICKNESS, NOISE, INVERSION = KINDS


class Clock:
    """A clock that goes on by a step at each look."""

    def __init__(self, step_s: float):
        self.now, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


@pytest.fixture
def data(stripes) -> Dataset:
    return Dataset(*stripes, name="Stripes")


@pytest.fixture
def network(data) -> Network:
    """A network that reads stripes."""
    made = Network.build([64, 8, 3], rng=0, image_shape=(8, 8))
    for _ in training(made, data, TrainingConfig(epochs=5, optimizer="adam", learning_rate=0.01)):
        pass
    return made.snapshot()


def another(seed: int) -> Network:
    return Network.build([64, 8, 3], rng=seed, image_shape=(8, 8)).snapshot()


# What is measured ------------------------------------------------------------------------


def test_a_line_is_the_share_of_right_answers_at_each_level(network, data):
    robustness.measure([network], data, 60)
    usual = network.accuracy(data)
    inverted = network.accuracy(255 - data.images, data.labels)
    assert [usual, inverted] == pytest.approx(robustness.line(network, data, INVERSION))
    for kind in KINDS:
        assert usual == pytest.approx(robustness.line(network, data, kind)[kind.usual])


def test_of_many_images_a_thousand_are_taken_each_once(stripes):
    images, labels = stripes
    many = Dataset(np.tile(images, (7, 1, 1)), np.tile(labels, 7))
    assert [250] * 4 == [len(piece) for piece in robustness.pieces(many)]
    few = robustness.pieces(Dataset(images, labels))
    taken = np.concatenate([piece.images for piece in few])
    assert sorted(x.tobytes() for x in images) == sorted(x.tobytes() for x in taken)


def test_measuring_goes_outwards_from_the_undistorted_level_a_piece_at_a_time(network, data):
    robustness.measure([network], data, 0)
    assert 0 == robustness.done([network], data)  # a piece of 250 is done, 50 images are left
    robustness.measure([network], data, 0)
    known = [np.isfinite(robustness.line(network, data, kind)).sum() for kind in KINDS]
    assert [1, 0, 0, 0, 0] == known
    robustness.measure([network], data, 14.5, Clock(1.0))
    around = [int(np.isfinite(robustness.line(network, data, kind)).sum()) for kind in KINDS]
    assert [2, 2, 2, 1, 1] == around


def test_what_is_measured_already_is_not_measured_again(network, data, monkeypatch):
    robustness.measure([network], data, 60)
    monkeypatch.setattr(robustness, "robustness", None)
    robustness.measure([network], data, 60)
    assert 1 == robustness.done([network], data)


def test_a_line_stays_until_newer_weights_are_measured_whole(data):
    old, new, newest = another(1), another(2), another(3)

    def held(network):
        return [Entry(network, "Run 1", "run", "1")]

    watch = Watch()
    assert [old] == watch.follow(held(old), data)
    robustness.measure([old], data, 60)
    assert [new] == watch.follow(held(new), data)
    robustness.measure([new], data, 0)
    assert [new] == watch.follow(held(newest), data)
    expected = robustness.line(old, data, SHIFT)
    np.testing.assert_array_equal(expected, watch.line(held(newest)[0], data, SHIFT))
    robustness.measure([new], data, 60)
    assert [newest] == watch.follow(held(newest), data)
    expected = robustness.line(new, data, SHIFT)
    np.testing.assert_array_equal(expected, watch.line(held(newest)[0], data, SHIFT))


def test_other_data_are_measured_anew(network, data, stripes):
    held = [Entry(network, "Run 1", "run", "1")]
    watch = Watch()
    watch.follow(held, data)
    robustness.measure([network], data, 60)
    assert [] == watch.follow(held, data)
    others = Dataset(stripes[0][:100], stripes[1][:100])
    assert [network] == watch.follow(held, others)
    assert np.isnan(watch.line(held[0], others, SHIFT)).all()


def test_the_strip_shows_the_image_itself_and_its_distortions(data):
    strip = words_of.strip(data, SHIFT, 5)
    np.testing.assert_array_equal(data.images[5], strip[0])
    np.testing.assert_array_equal(data.images[5][:, :-2], strip[2][:, 2:])
    assert (len(THICKNESS.levels), 8, 8) == words_of.strip(data, THICKNESS, 5).shape


def test_every_turn_shows_another_class(data):
    shown = [int(data.labels[words_of.pick(data, turn)]) for turn in range(3)]
    assert [2, 2, 2] == shown  # of three classes every third is the same
    digits = Dataset(np.zeros((40, 2, 2), np.uint8), np.arange(40) % 10)
    shown = [int(digits.labels[words_of.pick(digits, turn)]) for turn in range(4)]
    assert [2, 5, 8, 1] == shown


# In words --------------------------------------------------------------------------------


def test_a_chart_is_told_in_words_with_what_is_known():
    y = np.array([1.0, 0.9, 0.8, 0.45, np.nan, np.nan, np.nan])
    assert "At 3 px **45\u00a0%** are read." == words_of.fact(SHIFT, [("a", y)])
    both = words_of.fact(SHIFT, [("a", y), ("b", y * 2)])
    assert "At 3 px: a **45\u00a0%**, b **90\u00a0%**" == both
    assert "…" == words_of.fact(SHIFT, [("a", y * np.nan)])
    assert "Inverted **4\u00a0%** are read." == words_of.fact(
        INVERSION, [("a", np.array([1, 0.04]))]
    )
    said = words_of.spoken(SHIFT, [("a", y)])
    assert said.startswith("Accuracy against shift. a: 0 px 100\u00a0%, 1 px 90\u00a0%")
    assert said.endswith("3 px 45\u00a0%")


def test_levels_are_named_on_the_axis_and_in_words():
    assert ["−2", "−1", "0", "+1", "+2", "+3", "+4"] == THICKNESS.ticks
    assert "2 px thinner" == THICKNESS.level(-2)
    assert ["0", "10"] == NOISE.ticks[:2]
    assert "10\u00a0%" == NOISE.level(0.1)
    assert ["as it is", "inverted"] == INVERSION.ticks
    assert ["0°", "10°"] == ROTATION.ticks[:2]


def test_what_it_is_measured_on_and_how_far_is_said(data):
    assert "Measuring on all 300 test images: 25\u00a0%" == words_of.about(data, "test", share=0.25)
    assert "Measured on all 300 test images (Stripes)" == words_of.about(data, "test")
    live = words_of.about(data, "test", share=0.25, live=True)
    assert "Measured on all 300 test images (Stripes) · live" == live
    many = Dataset(np.zeros((2000, 2, 2), np.uint8), np.arange(2000) % 3)
    assert "Measured on 1,000 of the 2,000 training images" == words_of.about(many, "training")


def test_the_weakest_point_is_named_once_all_is_known():
    lines = {kind: np.full(len(kind.levels), 0.9) for kind in KINDS}
    lines[NOISE][3:] = 0.2
    assert NOISE is words_of.weakest(lines)
    lines[SHIFT][6] = np.nan
    assert words_of.weakest(lines) is None


# The page --------------------------------------------------------------------------------


@pytest.fixture
def visit(stripes):
    images, labels = stripes
    return new_visit(
        {
            "train-images": idx(images[:240]), "train-labels": idx(labels[:240]),
            "t10k-images": idx(images[240:]), "t10k-labels": idx(labels[240:]),
        }
    )  # fmt: skip


@pytest.fixture
def page(visit, network):
    visit.networks.keep(Entry(network, "stripes.npz", "file", "stripes.npz"))
    return measured(open_page("fragility", visit))


def measured(at):
    """Draw the page until nothing is left to measure."""
    for _ in range(200):
        if "Measuring" not in words(at):
            return at
        at.run()
    raise AssertionError("it never came to an end")


def field(elements, label: str):
    return next(element for element in elements if element.label == label)


def test_the_network_in_hand_is_measured_on_the_test_set_in_hand(page, visit, network):
    assert not page.exception
    assert "Measured on all 60 test images" in words(page)
    test = Dataset(visit.files[2].array, visit.files[3].array)
    wanted = network.accuracy(distort(test.images, "inversion", 1), test.labels)
    shown = component(page, "fragility.inversion")
    assert f"inverted {round(100 * wanted)}\u00a0%" in shown["label"] or wanted < 0.005
    assert '"y":{' in shown["figure"] or '"y":[' in shown["figure"]


def test_every_distortion_has_a_chart_and_a_way_out(page):
    assert 5 == len([button for button in page.button if button.label == "Train with this"])
    for kind in KINDS:
        assert f"Accuracy against {kind.name}" in component(page, f"fragility.{kind.name}")["label"]


def test_train_with_this_turns_the_remedy_on_and_leads_to_train(page):
    page.button(key="fragility.train.rotation").click().run()
    assert not page.exception
    assert "Train" == page.title[0].value
    assert "images turned by up to 50°" in words(page)
    assert "changed against **rotation**" in words(page)
    assert "My own" == page.radio(key=state.widget("train.images")).value


def test_a_remedy_joins_those_that_are_on_and_fits_small_images(page):
    page.button(key="fragility.train.rotation").click().run()
    page.switch_page("views/fragility.py").run()
    page.button(key="fragility.train.shift").click().run()
    assert "images moved by up to 4 px, turned by up to 50°" in words(page)
    assert not field(page.button, "Start training").disabled


def colour_of(name: str, at) -> str:
    """Return the colour that the legend has for a network."""
    return re.search(rf"background:(#\w+)\"></i>{name} reads", words(at))[1]


def test_the_rest_of_a_runs_recipe_stays_and_both_are_compared_after(visit):
    recipe = Recipe(hidden=(12, 6), optimizer="momentum", epochs=3, validation=0.2, batch_size=32,
                    augmentation=Augmentation(noise=0.1))  # fmt: skip
    at = start(open_page("train", visit), recipe)
    first = finished(visit)
    at = measured(at.switch_page("views/fragility.py").run())
    colour = colour_of("Run 1", at)
    at.button(key="fragility.train.shift").click().run()
    assert "images moved by up to 4 px, noise of up to 10%" in words(at).replace("10 %", "10%")
    click(at, "Start this run")
    second = finished(visit)
    assert recipe.hidden == second.recipe.hidden
    assert Augmentation(shift=4, noise=0.1) == second.recipe.augmentation
    assert recipe == type(recipe)(**{**fields_of(second.recipe), "augmentation":
                                     recipe.augmentation})  # fmt: skip
    at = measured(at.switch_page("views/fragility.py").run())
    assert [f"run:{first.id}"] == at.multiselect(key=state.widget("fragility.others")).value
    assert "Run 2 reads" in words(at)
    # A network that was shown before keeps its colour, though another is in hand now.
    assert colour == colour_of("Run 1", at) != colour_of("Run 2", at)
    drawn = json.loads(component(at, "fragility.shift")["figure"])["data"]
    colours = {line["name"]: line["line"]["color"] for line in drawn}
    assert {name: colour_of(name, at) for name in ("Run 1", "Run 2")} == colours
    assert "Run 1:" in component(at, "fragility.shift")["label"]


def fields_of(recipe: Recipe) -> dict:
    return {name: getattr(recipe, name) for name in Recipe.__slots__}


def start(at, recipe: Recipe):
    """Fill the form on the Train page with a recipe, as a visitor would, and start it."""
    field(at.selectbox, "Start from").set_value(list(PRESETS)[1]).run()
    field(at.text_input, "Hidden layers").set_value(", ".join(map(str, recipe.hidden))).run()
    field(at.selectbox, "Optimizer").set_value(recipe.optimizer).run()
    field(at.number_input, "Images in a batch").set_value(recipe.batch_size).run()
    field(at.number_input, "Epochs").set_value(recipe.epochs).run()
    field(at.selectbox, "Judge on").set_value(recipe.validation).run()
    at.radio(key=state.widget("train.images")).set_value("My own").run()
    at.slider(key=state.widget("train.own.noise")).set_value(10.0).run()
    assert NONE != recipe.augmentation
    return click(at, "Start training")


def finished(visit):
    """Wait for the latest run to end and return it."""
    deadline = time.monotonic() + 240
    while not visit.runs[-1].ended:
        assert time.monotonic() < deadline, "it never came to an end"
        time.sleep(0.02)
    assert "finished" == visit.runs[-1].state
    return visit.runs[-1]


def test_networks_of_other_images_are_not_offered_beside_it(visit, network):
    visit.networks.keep(Entry(network, "stripes.npz", "file", "stripes.npz"))
    other = Network.build([16, 3], rng=0, image_shape=(4, 4)).snapshot()
    visit.networks.kept.append(Entry(other, "small", "finetuned", "small"))
    at = open_page("fragility", visit)
    assert "No other network reads such images" == at.multiselect[0].placeholder


def test_a_network_that_fits_no_images_leads_to_data(visit):
    other = Network.build([16, 3], rng=0, image_shape=(4, 4)).snapshot()
    visit.networks.keep(Entry(other, "small.npz", "file", "small.npz"))
    at = open_page("fragility", visit)
    assert not at.exception
    assert "No images for this network" in words(at)


def test_without_any_network_the_page_says_where_one_comes_from(nothing_ships):
    at = open_page("fragility")
    assert not at.exception
    assert "No network yet" in words(at)
