"""Draw page: a drawing in, an answer out; and a picture file in its place."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from dashboard.picturefile import read_picture
from dashboard.visits import HeldNetwork
from nnengine import FormatError, Network
from nnengine.drawing import fit, to_image
from tests.pages import click, component, new_visit, open_page, words


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


def test_a_blank_picture_is_told_to_be_blank(network):
    at = open_page("draw", visitor(network))
    next(g for g in at.get("button_group") if "Picture file" in str(g.proto)).set_value(
        "Picture file"
    ).run()
    assert "Choose a picture" in words(at)
    sheet = png(np.full((90, 90), 250, np.uint8))
    at.file_uploader[0].set_value(("sheet.png", sheet, "image/png")).run()
    assert "Nothing stands out in this picture" in words(at)


def test_a_cleared_pad_forgets_the_drawing_for_good(network):
    at = draw(open_page("draw", visitor(network)), a_stroke())
    click(at, "Clear")
    assert "The network answers" not in words(at)
    at.switch_page("views/models.py").run()
    at.switch_page("views/draw.py").run()
    assert "The network answers" not in words(at)


def test_a_network_for_images_of_another_size_gets_the_drawing_at_that_size():
    network = Network.build([64, 5, 3], rng=1, image_shape=(8, 8))
    at = draw(open_page("draw", visitor(network)), a_stroke())
    assert [8, 8] == component(at, "draw.seen")["shape"]
    expected = network.predict(fit(to_image(a_stroke()), (8, 8)))[0]
    assert f">{expected}</div>" in words(at)


def test_the_canvas_has_words_for_those_who_cannot_see_it():
    label = component(open_page("draw"), "drawing-pad-name")["label"]
    assert "Drawing area" in label and "Picture file" in label


@pytest.mark.parametrize("raw", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"x" * 50])
def test_pictures_that_cannot_be_read_raise_format_errors_alone(raw):
    with pytest.raises(FormatError, match="picture.png"):
        read_picture("picture.png", raw)


def test_a_picture_that_declares_more_pixels_than_are_read_is_refused_unread():
    raw = bytearray(png(np.zeros((4, 4), np.uint8)))
    raw[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height in the header
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    with pytest.raises(FormatError, match="big.png: .* pixels"):
        read_picture("big.png", bytes(raw))


def test_sixteen_bits_a_pixel_and_transparency_are_read():
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(file, "PNG")
    assert [0, 255] == read_picture("deep.png", file.getvalue())[0, :, 0].tolist()
    clear = np.zeros((2, 2, 4), np.uint8)
    assert (2, 2, 4) == read_picture("clear.png", png(clear)).shape


def test_a_photograph_on_its_side_is_set_upright():
    file, tag = io.BytesIO(), Image.Exif()
    tag[0x0112] = 6  # orientation: to be turned a quarter
    Image.fromarray(np.zeros((10, 30, 3), np.uint8)).save(file, "JPEG", exif=tag)
    assert (30, 10) == read_picture("phone.jpg", file.getvalue()).shape[:2]


def test_a_large_photograph_is_read_small():
    assert max(read_picture("big.png", png(np.zeros((3000, 10, 3), np.uint8))).shape) <= 1024
