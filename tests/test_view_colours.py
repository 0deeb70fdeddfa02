"""Pages on images in colour: what is asked, shown, trained, answered and said."""

from __future__ import annotations

import base64
import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from dashboard import state
from dashboard.present import pictures, samples
from dashboard.store import keepsake
from dashboard.store.networks import Entry
from nnengine.core.network import Network
from nnengine.data import readers
from nnengine.training import TrainingConfig, training
from tests.pages import click, component, new_visit, open_page, words
from tests.test_view_draw import a_stroke, draw
from tests.tinted import NAMES, npz, picture_zip, tinted


def trained(layers: str, side: int = 8) -> Network:
    network = Network.build(
        layers, rng=1, image_shape=(side, side), channels=3, classes=3, class_names=NAMES
    )
    config = TrainingConfig(epochs=20, batch_size=16, optimizer="adam", learning_rate=0.01)
    for _ in training(network, tinted(90, side=side), config):
        pass
    return network


def visitor(network: Network, **files: bytes):
    visit = new_visit({name.replace("_", "."): raw for name, raw in files.items()})
    visit.networks.keep(Entry(network.snapshot(), "mine.npz", "file", "mine.npz"))
    return visit


def until(condition, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def sheet(shown: dict) -> np.ndarray:
    """Return the picture that tiles are cut from, as RGB."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["sheet"]))).convert("RGB"))


def test_a_set_in_colour_is_shown_so_and_asked_about():
    data = tinted(30)
    visit = new_visit({"tinted.zip": picture_zip(data)})
    at = open_page("data", visit)
    assert not at.exception
    assert "tinted.zip: these are in colour. Keep the colours?" in words(at)
    assert "Pictures: 30 images of 8 × 8 in colour with labels" in words(at)
    assert ["30", "8 × 8 in colour", "3"] == [metric.value for metric in at.metric][:3]
    means = sheet(component(at, "data.means")).reshape(8, 3, 8, 3).transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(samples.class_means(data), means)
    assert means[0][..., 2].any() and not means[0][..., :2].any()  # blue stays blue
    click(at, "Keep the colours")
    assert "Keep the colours?" not in words(at)
    assert 3 == visit.files[0].contents.train.channels


def test_colours_are_taken_away_and_given_back():
    data = tinted(30)
    visit = new_visit({"tinted.npz": npz(x=data.images, y=data.labels)})
    at = open_page("data", visit)
    click(at, "Make them grey")
    assert not at.exception
    assert "Keep the colours?" not in words(at)
    assert "NumPy arrays: 30 images of 8 × 8 with labels" in words(at)
    assert "made grey" in words(at) and "Colours became grey" in words(at)
    file = visit.files[0]
    np.testing.assert_array_equal(readers.to_grey(data.images), file.contents.train.images)
    assert file.nbytes > 4 * data.images.size // 3  # the colours are kept for the way back: counted
    click(at, "Back to colours")
    np.testing.assert_array_equal(data.images, visit.files[0].contents.train.images)
    assert "Keep the colours?" in words(at)


def test_grey_files_are_asked_nothing_of_colours():
    data = tinted(30)
    grey = readers.in_colour(readers.to_grey(data.images))
    at = open_page("data", new_visit({"grey.npz": npz(x=grey, y=data.labels)}))
    assert "Keep the colours?" not in words(at)
    assert "Red, green and blue are equal in every image: they are grey." in words(at)
    assert "8 × 8" == at.metric[1].value


def test_a_grey_test_set_beside_a_training_set_in_colour_is_not_used_and_why():
    data = tinted(30)
    one = npz(x_train=data.images, y_train=data.labels)
    other = npz(x_test=readers.to_grey(data.images), y_test=data.labels)
    at = open_page("data", new_visit({"train.npz": one, "test.npz": other}))
    assert "The test images are grey, the training images in colour" in words(at)


def test_a_network_learns_colours_from_the_train_page():
    until(lambda: state.scheduler().warm)  # before that there is no preview
    visit = new_visit({"tinted.zip": picture_zip(tinted(90))})
    at = open_page("train", visit)
    assert not at.exception
    preview = sheet(component(at, "train.images"))
    assert (preview[..., 2] > preview[..., 1]).any() and (preview[..., 0] > preview[..., 2]).any()
    assert "8 × 8 in colour" in words(at)
    start = next(box for box in at.selectbox if box.label == "Start from")
    start.set_value(start.options[1]).run()
    next(f for f in at.number_input if f.label == "Images in a batch").set_value(4).run()
    click(at, "Start training")
    assert not at.exception
    (run,) = visit.runs
    until(lambda: not run.live)
    assert ("finished", 3) == (run.state, run.snapshot.channels)
    assert 1.0 == run.snapshot.accuracy(tinted(30, seed=1))


@pytest.mark.parametrize(
    ("layers", "count", "shape"), [("dense 6", 6, [8, 8]), ("conv 4 3x3, pool 2", 4, [3, 3])]
)
def test_what_looks_at_colours_is_shown_in_colours(layers, count, shape):
    data = tinted(30)
    network = trained(layers)
    at = open_page("weights", visitor(network, tinted_zip=picture_zip(data)))
    assert not at.exception
    shown = component(at, "weights.tiles")
    assert (count, shape) == (len(shown["labels"]), shown["shape"])
    weights = network.layers[0].weights.reshape(*shape, 3, -1)
    limit = pictures.weight_limit(network.layers[0].weights)
    tile = pictures.filter_colours(weights, limit)[0]
    np.testing.assert_array_equal(tile, sheet(shown)[: shape[0], : shape[1]])
    assert ["Red", "Green", "Blue"] == component(at, "weights.large")["captions"]
    assert "a middle grey is zero" in words(at)


def test_weights_in_their_own_colours_use_the_whole_range():
    weights = np.zeros((2, 2, 3, 2), np.float32)
    weights[0, 0, 0] = 1, 0.01
    own = pictures.filter_colours(weights, None)
    common = pictures.filter_colours(weights, 1.0)
    assert (255, 255) == (own[0, 0, 0, 0], own[1, 0, 0, 0])
    assert (255, 129) == (common[0, 0, 0, 0], common[1, 0, 0, 0])


@pytest.mark.parametrize("layers", ["dense 6", "conv 4 5x5, pool 2"])
def test_a_network_for_colours_reads_a_drawing_as_grey_and_says_so(layers):
    network = trained(layers, side=28)
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert not at.exception
    assert "looks at colours, and a drawing has none: it sees light grey on black" in words(at)
    seen = component(at, "draw.seen")
    assert [28, 28] == seen["shape"]
    pixels = sheet(seen)
    assert (pixels == pixels[..., :1]).all() and pixels.max() > 200
    best = NAMES[int(network.predict(pixels[None])[0])]
    assert f'<div class="name" style="font-size:2rem">{best}</div>' in words(at)


def test_what_layers_make_of_an_image_in_colour_is_shown():
    data = tinted(30)
    network = trained("conv 4 3x3, pool 2")
    at = open_page("weights", visitor(network, tinted_zip=picture_zip(data)))
    assert not at.exception
    shown = sheet(component(at, "maps.seen"))
    assert 3 == shown.shape[2] and (shown[..., 2] > shown[..., 0]).any()  # a blue one
    assert 4 == len(component(at, "maps.0")["labels"])


def test_a_network_is_judged_and_tried_on_images_in_colour():
    data = tinted(30)
    network = trained("dense 6")
    visit = visitor(network, tinted_zip=picture_zip(data))
    at = open_page("models", visit)
    click(at, "Evaluate")
    assert not at.exception and not at.error
    assert "100.00 %" == at.metric[0].value
    gallery = sheet(component(at, "models.gallery"))
    assert (gallery[..., 2] > gallery[..., 0]).any()
    at = open_page("fragility", visit)
    assert not at.exception and not at.error
    assert "training images" in words(at)
    figure = component(at, "fragility.shift")["figure"]
    (one, *_) = json.loads(figure)["layout"]["images"]
    png = base64.b64decode(one["source"].partition(",")[2])
    assert 3 == np.asarray(Image.open(io.BytesIO(png))).shape[2]


def test_a_tab_gives_files_back_with_or_without_their_colours():
    data = tinted(30)
    visit = new_visit({"tinted.npz": npz(x=data.images, y=data.labels)})
    shelf = state.registry().shelf
    file = visit.files[0]
    for one in (file, shelf.grey(file), shelf.invert(shelf.turn(shelf.grey(file)))):
        about = keepsake._file_about(one)
        back = shelf.grey(file) if about["grey"] else file
        assert one.grey == about["grey"] == back.grey
    twice = shelf.grey(shelf.invert(shelf.grey(file)))
    np.testing.assert_array_equal(255 - data.images, twice.contents.train.images)
    assert (True, False) == (twice.inverted, twice.grey)
