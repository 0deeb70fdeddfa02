"""In a notebook data show samples, networks their layers, histories their curves: safely."""

from __future__ import annotations

import base64
import io
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from nnengine import Dataset, EpochFinished, History, Network
from nnengine.data import synthetic
from nnengine.notebook import png

EVIL = '<script src="https://example.org/x.js">alert(1)</script>" onload="alert(2)'
VOID = {"img", "br", "rect", "polyline"}


class Page(HTMLParser):
    """What a piece of HTML holds; its elements have to be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.attributes, self.open, self.words = [], [], [], ""
        self.feed(text)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        self.words += f"{data} "


def pictures(text: str) -> list[np.ndarray]:
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def curves(*losses: float, val: float | None = 0.5) -> History:
    history = History()
    for step, loss in enumerate(losses):
        measured = {"train_loss": loss, "train_accuracy": 0.25, "val_loss": val}
        history.record(EpochFinished(step=step, epoch=float(step), val_accuracy=val, **measured))
    return history


@pytest.mark.parametrize("shape", [(3, 5), (28, 28), (4, 6, 3), (1, 1)])
def test_a_png_holds_the_pixels_as_pillow_reads_them(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(png(pixels)))))


def test_data_show_the_first_images_of_every_class_and_how_many_there_are():
    data = synthetic.digits(300, seed=1)
    text = data._repr_html_()
    strips, words = pictures(text), Page(text).words
    assert 10 == len(strips) and "300 images of 28x28" in words
    seven = data.images[data.labels == 7]
    np.testing.assert_array_equal(seven[1], strips[7][:, 29:57])
    for count in data.class_counts():
        assert f" {count} " in words


def test_many_classes_large_images_and_colours_stay_small():
    rng = np.random.default_rng(0)
    data = Dataset(rng.integers(0, 256, (200, 100, 70, 3), dtype=np.uint8), np.arange(200) % 100)
    text = data._repr_html_()
    assert 12 == len(pictures(text)) and "88 more classes" in text
    assert all(max(one.shape[0], 48) <= 48 and 3 == one.shape[2] for one in pictures(text))
    assert len(text) < 300_000


def test_a_class_without_images_has_no_picture():
    data = Dataset(np.zeros((2, 3, 3), np.uint8), [0, 2], classes=3)
    assert 2 == len(pictures(data._repr_html_()))


def test_a_network_shows_what_each_layer_makes_and_its_parameters():
    made = Network.build("conv 4 5x5, pool 2, dense 8", image_shape=(28, 28), classes=10)
    rows = re.findall(r"<tr>((?:<td>[^<]*</td>)+)</tr>", made._repr_html_())
    cells = [re.findall(r"<td>([^<]*)</td>", row) for row in rows]
    assert [
        ["pixels", "28 x 28", "", ""],
        ["conv 4 5x5", "24 x 24 x 4", "104", "relu"],
        ["pool 2", "12 x 12 x 4", "", ""],
        ["dense 8", "8", "4,616", "relu"],
        ["dense 10", "10", "90", ""],
    ] == cells
    assert made.parameter_count == sum(int(row[2].replace(",", "") or 0) for row in cells)


def test_a_history_shows_its_curves_and_their_last_values():
    text = curves(2.0, 1.0, 0.75)._repr_html_()
    page = Page(text)
    assert 2 == page.elements.count("svg") and 4 == page.elements.count("polyline")
    assert "training 0.7500" in page.words and "validation 50.00%" in page.words
    first = re.search(r'points="([^"]+)"', text)[1].split()
    xs, ys = zip(*(map(float, point.split(",")) for point in first), strict=True)
    assert sorted(xs) == list(xs) and sorted(ys) == list(ys), "a loss that falls goes down"
    assert 0 <= min(xs) and max(xs) <= 320 and 0 <= min(ys) and max(ys) <= 150


@pytest.mark.parametrize(
    "history",
    [History(), curves(1.0), curves(math.nan, math.inf), curves(1.0, 0.5, val=None)],
    ids=["nothing", "one point", "not finite", "no validation"],
)
def test_a_history_with_little_in_it_is_shown_too(history):
    text = history._repr_html_()
    Page(text)
    assert not re.search(r"\b(nan|inf|None)\b", text)


@pytest.mark.parametrize("what", ["data", "network"])
def test_text_from_outside_is_escaped_and_nothing_is_asked_of_any_host(what):
    data = Dataset(np.zeros((2, 3, 3), np.uint8), [0, 1], class_names=["a", EVIL], name=EVIL)
    made = Network.build([9, 2], class_names=["a", EVIL * 50])
    page = Page(text := (data if what == "data" else made)._repr_html_())
    assert not {"script", "iframe", "link", "style"} & set(page.elements)
    assert "<script" not in text and "script" in page.words
    addresses = [value for name, value in page.attributes if name in ("src", "href")]
    assert all(value.startswith("data:image/png;base64,") for value in addresses)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in text and len(text) < 3000
