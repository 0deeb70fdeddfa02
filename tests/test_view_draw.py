"""Draw page: a drawing in, an answer out; and a picture file in its place."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from dashboard.picturefile import read_picture
from dashboard.visits import HeldNetwork
from nnengine import FormatError, Network
from nnengine.drawing import to_image
from tests.pages import new_visit, open_page, words


def a_stroke() -> np.ndarray:
    """A light bar on a black pad, RGBA (280, 280, 4)."""
    pixels = np.zeros((280, 280, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[40:240, 130:150, :3] = 255
    return pixels


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def visitor(network: Network):
    visit = new_visit({})
    visit.held = HeldNetwork(network.snapshot(), "mine.npz", "file")
    return visit


def draw(at, pixels: np.ndarray):
    """Put pixels on the pad, as the canvas would send them."""
    data = "data:image/png;base64," + base64.b64encode(png(pixels)).decode()
    raw = {"version": "4.4.0", "objects": [], "background": "#000000"}
    at.session_state["drawing-pad-0"] = {
        "drawing": {"raw": raw, "data": data}, "backgroundFit": None,
    }  # fmt: skip
    return at.run()


@pytest.fixture
def network() -> Network:
    return Network.build([784, 12, 10], rng=4)


def test_without_a_network_one_can_draw_and_is_led_on():
    at = open_page("draw")
    assert not at.exception
    assert {"Start a run", "Restore a model"} <= {link.proto.label for link in at.get("page_link")}


def test_a_drawing_gets_the_answer_the_engine_gives(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert not at.exception
    expected = network.predict_proba(to_image(a_stroke()))[0]
    said = words(at)
    assert "The network answers" in said
    assert f">{expected.argmax()}</div>" in said
    assert f"{100 * expected.max():.0f}" in said.split("</div>\n<div")[2]


def test_an_empty_pad_is_not_answered(network):
    at = open_page("draw", visitor(network))
    assert "The network answers" not in words(at)
    assert "Draw a digit" in words(at)


def test_what_the_network_sees_stands_beside_the_drawing(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert any("What the network sees" in e.proto.json for e in at.get("bidi_component"))


def test_the_drawing_is_kept_across_pages(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    at.switch_page("views/models.py").run()
    at.switch_page("views/draw.py").run()
    assert "The network answers" in words(at)


def test_a_network_for_other_images_says_which_drawings_it_reads():
    at = open_page("draw", visitor(Network.build([6, 3], image_shape=(2, 3))))
    assert not at.exception
    assert "a drawing cannot be put into that shape" in words(at)


def test_a_picture_file_is_answered_in_place_of_the_canvas(network):
    at = open_page("draw", visitor(network))
    next(g for g in at.get("button_group") if "Picture file" in str(g.proto)).set_value(
        "Picture file"
    ).run()
    at.file_uploader[0].set_value(("seven.png", png(255 - a_stroke()[..., :3]), "image/png")).run()
    assert not at.exception
    assert "The network answers" in words(at)


def test_a_file_that_is_no_picture_is_told_so(network):
    at = open_page("draw", visitor(network))
    next(g for g in at.get("button_group") if "Picture file" in str(g.proto)).set_value(
        "Picture file"
    ).run()
    at.file_uploader[0].set_value(("notes.txt", b"hello", "text/plain")).run()
    assert "notes.txt: not a PNG or JPEG picture" in words(at)


@pytest.mark.parametrize("raw", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"x" * 50])
def test_pictures_that_cannot_be_read_raise_format_errors_alone(raw):
    with pytest.raises(FormatError, match="picture.png"):
        read_picture("picture.png", raw)


def test_a_large_photograph_is_read_small():
    assert max(read_picture("big.png", png(np.zeros((3000, 10, 3), np.uint8))).shape) <= 1024
