"""AVIF: read as Pillow reads it, turned as it says, and never larger than its stream says."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from nnengine.data import readers
from nnengine.data.readers import avif, decoding
from nnengine.data.synthetic import digits
from nnengine.errors import FormatError
from tests.files import png, zipped

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
features = pytest.importorskip("PIL.features", reason="Pillow is not installed")
able = pytest.mark.skipif(
    "avif" not in features.get_supported(), reason="this Pillow reads no AVIF"
)
DIGITS = digits(30, seed=3)
STRANGE = struct.pack(">I", 28) + b"ftypavif" + bytes(300)


def saved(pixels: np.ndarray, **options) -> bytes:
    return png(pixels, "AVIF", **options)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 256, shape).astype(np.uint8)


def in_two(raw: bytes) -> bytes:
    return zipped({"0/a.avif": raw, "1/b.avif": raw})


def test_a_pillow_without_avif_says_which_one_has_it(monkeypatch):
    monkeypatch.setitem(features.modules, "avif", ("PIL._none", None))
    with pytest.raises(FormatError, match="Pillow reads from 11.3 on.*or save it as PNG"):
        readers.read(in_two(STRANGE))


@able
@pytest.mark.parametrize("shape", [(28, 28), (40, 30, 3), (31, 29, 4), (1, 1)])
@pytest.mark.parametrize("more", [{}, {"quality": 100}, {"range": "limited"}])
def test_the_file_built_anew_has_the_pixels_of_the_old_one(shape, more):
    raw = saved(noise(*shape), **more)
    still = avif.gone_through(raw)
    before, after = (np.asarray(Image.open(io.BytesIO(one))) for one in (raw, still.file))
    np.testing.assert_array_equal(before, after)
    assert (still.height, still.width) == shape[:2]
    assert still.file == avif.gone_through(still.file).file


@able
@pytest.mark.parametrize("how", range(1, 9))
def test_an_avif_that_lies_is_put_upright(how):
    exif, image = Image.Exif(), DIGITS.images[0][:20]
    exif[0x0112] = how
    found = readers.read_images(saved(image, exif=exif, quality=100)).images[0]
    np.testing.assert_array_equal(decoding.upright(image, how), found)


@able
def test_nothing_but_pixels_reaches_the_decoder():
    exif = Image.Exif()
    exif[0x010E] = "of a desk"
    raw = saved(noise(9, 9), exif=exif, xmp=b"<x/>", icc_profile=b"1" * 9)
    file = avif.gone_through(raw + struct.pack(">I4s", 16, b"free") + bytes(8)).file
    words = (b"of a desk", b"<x/>", b"1111")
    assert all(word in raw for word in words)
    assert not any(word in file for word in (*words, b"free", b"Exif"))


def false(raw: bytes, width: int, height: int) -> bytes:
    """Return a picture that says another size around its stream."""
    at = raw.index(b"ispe") + 8
    return raw[:at] + struct.pack(">2I", width, height) + raw[at + 8 :]


@able
def test_a_vast_picture_is_refused_before_its_decoder_is_asked(monkeypatch):
    """The decoder believes the stream: 28 x 28 said outside were unpacked at 4096 x 4096."""
    vast = saved(np.zeros((4096, 4096), np.uint8), speed=10)
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(FormatError, match="4,096 x 4,096 pixels, more than the 8,388,608"):
        readers.read_images(vast)
    with pytest.raises(FormatError, match="several sizes, 28 x 28, 4,096 x 4,096"):
        readers.read_images(false(vast, 28, 28))


@able
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: raw[:-9], "ends too soon"),
        (lambda raw: raw.replace(b"pitm", b"pitn"), "has no pitm"),
        (lambda raw: raw.replace(b"av01", b"grid"), "made of several parts"),
        (lambda raw: raw.replace(b"irot", b"clap"), "shows a part of itself alone"),
        (lambda raw: raw.replace(b"irot", b"a1op"), "with layers"),
        (lambda raw: raw.replace(b"\x12\0\x0a\x08\x18", b"\x12\0\x0a\x08\x00"), "several frames"),
        (lambda raw: raw.replace(b"\x12\0\x0a\x08\x18", b"\x12\0\x42\x08\x18"), "out of order"),
        (lambda raw: raw.replace(b"\x12\0\x0a\x08\x18", b"\x12\0\x0e\x08\x18"), "cut short"),
    ],
)
def test_what_is_not_as_writers_write_it_is_refused_with_its_fault(change, said):
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = change(saved(noise(9, 9), exif=exif))
    with pytest.raises(FormatError, match=said):
        readers.read_images(raw)


@able
def test_a_stream_of_two_frames_is_never_handed_on():
    raw = avif.gone_through(saved(noise(9, 9))).file
    at = raw.index(b"mdat") + 4
    (_, head), (_, frame) = [(kind, whole) for kind, whole, _ in avif._obus(raw[at:])][1:]
    for stream, frames in ((head + 2 * frame, 2), (head, 0)):
        with pytest.raises(avif.DamagedError, match=f"holds {frames} frames"):
            avif._stream(stream)


@able
def test_one_damaged_picture_of_many_is_left_out():
    files = {f"{n % 3}/{n}.avif": saved(noise(9, 9)) for n in range(150)}
    files["0/0.avif"] = files["0/0.avif"][:-9]
    found = readers.read_sets(zipped(files))
    assert 149 == found.train.count and "One picture is damaged" in " ".join(found.notes)
