"""Readers: files, tables, pictures and archives become the data sets they hold, or a sentence."""

from __future__ import annotations

import gzip
import io
import re
import struct
import sys
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnengine import read_idx
from nnengine.data import readers
from nnengine.data.dataset import Dataset
from nnengine.data.readers import Contents, archive, decoding, members, table
from nnengine.data.synthetic import digits
from nnengine.errors import FormatError
from tests.files import csv, idx, names, npy, npz, peak_memory, pictures, png, zipped

GZIP_OF_NOTHING = gzip.compress(b"", mtime=0)


def same(found: Dataset, images, labels) -> bool:
    return np.array_equal(found.images, images) and np.array_equal(found.labels, labels)


# Tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("header", [False, True])
def test_a_table_is_read_with_and_without_its_first_row(mark, header):
    first = mark.join(["label", *(f"pixel{i}" for i in range(25))]) if header else ""
    found = readers.read_sets(csv(pictures(), names(), header=first, mark=mark))
    assert same(found.train, pictures(), names())
    assert (None, ()) == (found.test, found.notes)


def test_a_row_is_worked_out_by_hand():
    raw = b"2,0,7,10\r\n255,99,100,200\r\n0,255,254,1"
    found = readers.read_sets(raw).train
    assert [2, 255, 0] == found.labels.tolist()
    assert [[[0, 7, 10]], [[99, 100, 200]], [[255, 254, 1]]] == found.images.tolist()


def test_the_label_may_stand_last_where_a_header_says_so():
    header = ",".join([*(f"p{i}" for i in range(25)), "Class"])
    found = readers.read_sets(csv(pictures(), names(), header=header, last=True))
    assert same(found.train, pictures(), names())


def test_the_label_is_found_last_where_the_first_column_never_changes():
    images = pictures()
    images[:, 0, 0] = 0
    found = readers.read_sets(csv(images, names(), last=True))
    assert same(found.train, images, names())
    assert "the last was taken for the label" in found.notes[0]


def test_a_header_may_tell_height_and_width():
    images = pictures().reshape(12, 5, 5)[:, :, :3]
    header = ",".join(["label", *(f"{r}x{c}" for r in range(1, 6) for c in range(1, 4))])
    assert (5, 3) == readers.read_sets(csv(images, names(), header=header)).train.image_shape


def test_the_counter_that_a_data_frame_adds_is_no_pixel():
    table = np.column_stack([np.arange(12), names(), pictures().reshape(12, -1)])
    header = ",".join(["", "label", *(f"p{i}" for i in range(25))])
    raw = header + "\n" + "\n".join(",".join(map(str, row)) for row in table.tolist())
    assert same(readers.read_sets(raw.encode()).train, pictures(), names())


@pytest.mark.parametrize("high", [1.0, 255.0])
def test_fractions_and_quotes_are_read_too(high):
    values = pictures() / 255 * high
    found = readers.read_sets(re.sub(rb"(?<=,)0\.0(?=,)", b'"0.0"', csv(values, names())))
    assert 1 >= np.abs(found.train.images.astype(int) - pictures()).max()
    assert 1 == len(found.notes) or high == 255.0


def test_quotes_around_more_than_one_column_are_refused():
    with pytest.raises(FormatError, match="row 7 has quotes around more than one of its 4 columns"):
        readers.read(b"owl\t1\t2\t3\n" * 6 + b'owl\t1\t"\t2')


def test_whole_numbers_up_to_16_are_stretched_and_it_is_said():
    small = pictures() % 17
    small[0, 0, 0] = 16
    found = readers.read_sets(csv(small, names()))
    assert ("Pixels were from 0 to 16: stretched to 0 to 255.",) == found.notes
    assert np.array_equal(np.rint(small * np.float32(255 / 16)), found.train.images)


def test_a_packed_table_is_unpacked():
    assert same(
        readers.read_sets(gzip.compress(csv(pictures(), names()))).train, pictures(), names()
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 2**32 - 1), st.integers(4, 64))
def test_a_table_does_not_depend_on_where_its_blocks_are_cut(rows, columns, seed, block):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (rows, 1, columns)).astype(np.uint8)
    images[0, 0, 0], labels = 255, rng.integers(0, 256, rows)
    before, table.BLOCK = table.BLOCK, block
    try:
        header = ",".join(["label"] + ["p"] * columns)
        found = readers.read_sets(csv(images, labels, header=header)).train
    finally:
        table.BLOCK = before
    assert np.array_equal(images.reshape(rows, -1), found.images.reshape(rows, -1))
    assert np.array_equal(labels, found.labels)


@pytest.mark.parametrize("count", [70, 1200])
def test_no_row_of_a_packed_table_without_a_header_is_lost(count):
    images = np.random.default_rng(5).integers(100, 256, (count, 1, 32)).astype(np.uint8)
    labels = np.full(count, 101) + np.arange(count) % 3  # each row has 132 bytes
    packed = gzip.compress(csv(images, labels), mtime=0)
    found = readers.read_sets(packed).train
    assert same(found, images, labels)


def test_the_faults_of_a_set_say_whether_its_images_or_labels_have_them():
    with pytest.raises(FormatError, match="a.npz: the range of the images goes from -1 to 2"):
        readers.read(
            npz(x=np.linspace(-1, 2, 300, dtype=np.float32).reshape(12, 5, 5), y=names()),
            name="a.npz",
        )
    bad = {"x_train": pictures(), "y_train": np.full(12, 300)}
    with pytest.raises(FormatError, match="the train labels: 300 at index 0"):
        readers.read(npz(**bad))


def test_a_table_that_was_cut_short_offers_its_whole_rows():
    raw = csv(pictures(), names())
    cut = raw[: raw.rfind(b"\n", 0, -1) + 9]
    with pytest.raises(FormatError, match="cut.csv: row 12 is cut off") as caught:
        readers.read(cut, name="cut.csv")
    assert 11 == caught.value.whole_items
    kept = readers.read(cut, keep_whole=True).train
    assert same(kept, pictures()[:11], names()[:11])


def test_a_packed_table_that_breaks_off_offers_its_whole_rows():
    raw = gzip.compress(csv(pictures(400), names(400)), compresslevel=0)
    with pytest.raises(FormatError, match="the gzip data break off") as caught:
        readers.read(raw[:-4000])
    assert 0 < caught.value.whole_items < 400
    assert caught.value.whole_items == len(readers.read(raw[:-4000], keep_whole=True).train)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"1,2,3\n4,5\n1,2,3\n", "row 2 has 2 columns, the first row 3"),
        (b"label,a,b\n1,2,3\n1,x,3\n", "row 3, column 2: “x” is no number"),
        (b"1,2,300\n2,1,1\n", "goes from 1 to 300"),
        (b"1,2,-3\n2,1,1\n", "goes from -3 to 2"),
        (b"0.5,2,3\n2,1,1\n", "0.5 at index 0 is no label"),
        (b"1,nan,3\n2,1,1\n", r"no number \(NaN\), first at index 0"),
        (b"label,a,b\n", "no rows"),
        (b"p1,p2,p3,p4\n1,2,3,4\n", "no column of labels"),
        (b"1" + b",1" * 63 + b"\n", "holds images and no labels"),
        (b"label,\n1,\n", "row 2, column 2 is empty"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_place(raw, message):
    with pytest.raises(FormatError, match=message):
        readers.read_sets(raw, name="t.csv")


def test_a_table_without_an_end_is_refused_before_it_fills_the_memory():
    endless = gzip.compress(b"1," * 5_000_000)
    with pytest.raises(FormatError, match="more than 1,048,576 characters"):
        readers.read_sets(endless)
    with pytest.raises(FormatError, match="more than the 1,000 bytes"):
        readers.read_sets(csv(pictures(100), names(100)), max_bytes=1000)


def test_mnist_as_a_table_is_mnist(mnist_files):
    images, labels = (read_idx(mnist_files[f"test_{kind}"]) for kind in ("images", "labels"))
    assert same(readers.read_sets(csv(images, labels)).train, images, labels)


# Arrays ----------------------------------------------------------------------------------


def test_the_names_that_keras_gives_are_known():
    raw = npz(x_train=pictures(), y_train=names(), x_test=pictures(6, 5, 1), y_test=names(6))
    found = readers.read_sets(raw, name="mnist.npz")
    assert same(found.train, pictures(), names())
    assert same(found.test, pictures(6, 5, 1), names(6))
    assert ("mnist.npz", 3, 3) == (found.train.name, found.train.classes, found.test.classes)


@pytest.mark.parametrize(("one", "two"), [("images", "labels"), ("X", "y"), ("arr_0", "arr_1")])
def test_a_single_set_goes_by_many_names(one, two):
    assert same(
        readers.read_sets(npz(**{one: pictures(), two: names()})).train, pictures(), names()
    )


def test_three_parts_keep_the_test_part():
    parts = {f"{part}_images": pictures(9, 5, i) for i, part in enumerate(("train", "val", "test"))}
    parts |= {f"{part}_labels": names(9)[:, None] for part in ("train", "val", "test")}
    found = readers.read_sets(npz(**parts))
    assert same(found.test, parts["test_images"], names(9))
    assert "validation part is left out" in found.notes[0]


def test_one_hot_rows_become_labels_and_long_numbers_bytes():
    found = readers.read_sets(npz(x=pictures().astype(np.int64), y=np.eye(3)[names()]))
    assert same(found.train, pictures(), names())


def test_fractions_become_bytes_by_the_scale_of_both_parts():
    train, test = pictures() / 255, pictures(6, 5, 1) / 510
    found = readers.read_sets(npz(x_train=train, y_train=names(), x_test=test, y_test=names(6)))
    assert np.array_equal(pictures(), found.train.images)
    assert 128 >= found.test.images.max()
    assert ("Pixels were fractions from 0 to 1: stretched to 0 to 255.",) == found.notes


@pytest.mark.parametrize("axis", [1, 3])
def test_colours_become_grey_wherever_their_channels_stand(axis):
    colours = np.stack([pictures(), pictures(), pictures()], axis=axis)
    found = readers.read_sets(npz(images=colours, labels=names()))
    assert same(found.train, pictures(), names())
    assert "equal in every image: they are grey" in found.notes[0]


def test_arrays_that_stand_alone_wait_for_their_partner():
    images = readers.read(npz(arr_0=pictures()))
    labels = readers.read(npy(names().astype(np.int64)), name="labels.npy")
    assert np.array_equal(pictures(), images.images) and images.labels is None
    assert np.array_equal(names(), labels.labels) and labels.train is None
    with pytest.raises(FormatError, match="holds images and no labels"):
        readers.read_sets(npz(arr_0=pictures()))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": pictures() - 140.5, "y": names()}, "before they were centred or scaled"),
        ({"x": pictures(), "y": names(5)}, "12 images .* but 5 labels"),
        ({"x": pictures(), "y": np.full(12, 300)}, "300 at index 0 is no label"),
        ({"x": pictures(), "y": np.full(12, 0.5)}, "0.5 at index 0 is no label"),
        ({"x": pictures(), "images": pictures(12, 5, 1), "y": names()}, "both look like images"),
        ({"x_train": pictures(), "y_train": names(), "x_test": pictures()}, "has no labels"),
        ({"x": np.zeros((0, 5, 5)), "y": names()}, "holds nothing"),
        ({"x": np.zeros((2, 3, 4, 5, 6)), "y": names()}, "has shape 2 x 3 x 4 x 5 x 6"),
        ({"x": np.array([{}] * 12), "y": names()}, "holds Python objects"),
        ({"x": np.zeros((12, 2, 2), complex), "y": names()}, "'<c16'|no plain array"),
    ],
)
def test_what_is_wrong_with_arrays_is_said(arrays, message):
    with pytest.raises(FormatError, match=message):
        readers.read_sets(npz(**arrays), name="a.npz")


def test_a_trained_network_is_not_taken_for_data():
    raw = npz(header=np.zeros(3, np.uint8), weights_1=np.ones((4, 2)), biases_1=np.ones(2))
    with pytest.raises(FormatError, match="a trained network, not data"):
        readers.read(raw)


# Pictures --------------------------------------------------------------------------------


def test_pictures_in_folders_named_by_class():
    files = {f"set/train/{k}/{i}.png": png(pictures(12)[i]) for i, k in enumerate(names())}
    files |= {f"set/test/{k}/{i}.png": png(pictures(6, 5, 1)[i]) for i, k in enumerate(names(6))}
    found = readers.read_sets(zipped(files))
    order = sorted(range(12), key=lambda i: f"{names()[i]}/{i}.png")
    images = pictures()[order]
    light = np.median(np.hstack([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]))
    assert same(found.train, 255 - images if light > 127 else images, names()[order])
    assert (6, ("0", "1", "2")) == (len(found.test), found.test.class_names)


def test_pictures_that_begin_with_their_class(tmp_path):
    for i in range(6):
        (tmp_path / f"{(10, 9, 'z')[i % 3]}_{i:03}.png").write_bytes(png(pictures()[i] // 4))
    (tmp_path / "readme.txt").write_text("how they were made")
    (tmp_path / ".DS_Store").write_bytes(b"clutter")
    found = readers.read_sets(tmp_path)
    assert ("9", "10", "z") == found.train.class_names
    assert [0, 0, 1, 1, 2, 2] == sorted(found.train.labels)
    assert ("One other file was left out, such as readme.txt.",) == found.notes


def test_dark_on_light_becomes_light_on_dark():
    paper = np.full((6, 6), 250, np.uint8)
    paper[2:4, 2:4] = 10
    found = readers.read_sets(zipped({f"{i}/a.png": png(paper) for i in range(3)}))
    assert (5, 245) == (found.train.images[0, 0, 0], found.train.images[0, 2, 2])
    assert ("Dark on light became light on dark, as MNIST is.",) == found.notes


def test_strokes_on_nothing_are_light_on_dark_whatever_their_colour():
    for level in (0, 255):
        picture = np.full((6, 6, 4), level, np.uint8)
        picture[..., 3] = 0
        picture[2:4, 2:4, 3] = 255
        found = readers.read_sets(zipped({"1/a.png": png(picture), "2/b.png": png(picture)}))
        assert (0, 255) == (found.train.images[0, 0, 0], found.train.images[0, 2, 2])


def test_pictures_of_several_sizes_are_framed_whole():
    wide = np.zeros((40, 120), np.uint8)
    wide[:, 60:] = 200
    found = readers.read_sets(zipped({"1/a.png": png(wide), "2/b.jpg": png(wide[:20], "JPEG")}))
    assert (28, 28) == found.train.image_shape
    rows = np.flatnonzero(found.train.images[0].max(axis=1) > 100)
    assert (9, 9) == (rows[0], len(rows))  # 28 wide, so 28 * 40 / 120 high, in the middle
    assert "brought to 28 x 28" in found.notes[0]


def test_a_picture_whose_class_nothing_tells_is_named():
    with pytest.raises(FormatError, match=r"all/7.png: nothing tells its class"):
        readers.read_sets(zipped({"all/7.png": png(pictures()[0])}))


def test_a_picture_that_is_cut_short_is_named():
    raw = png(pictures(1, 40)[0])
    files = {"1/good.png": raw, "2/bad.png": raw[: len(raw) // 2]}
    with pytest.raises(FormatError, match=r"2/bad.png: not a whole PNG"):
        readers.read_sets(zipped(files))


def test_a_picture_that_claims_a_vast_size_is_refused_unopened():
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    bomb += struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(FormatError, match="1/a.png"):
        readers.read_sets(zipped({"1/a.png": bomb, "2/a.png": bomb}))


def of_many(kind: str) -> bytes:
    """Return a picture that its format calls whole, of far more parts than any needs."""
    whole = png(pictures(1, 8)[0], kind)
    if kind == "PNG":
        empty = struct.pack(">L4sL", 0, b"IDAT", zlib.crc32(b"IDAT"))
        return whole[:33] + empty * (decoding.MAX_CHUNKS + 1) + whole[33:]
    comment = b"\xff\xfe\0\2"
    return whole[:2] + comment * (decoding.MAX_CHUNKS + 1) + whole[2:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_of_countless_parts_is_refused_unopened(kind, monkeypatch):
    raw = of_many(kind)
    monkeypatch.setattr(decoding, "pillow", lambda: None)
    with pytest.raises(FormatError, match="a/0.png: more than 20,000 (chunks|segments)"):
        readers.read(zipped({"a/0.png": raw, "b/0.png": raw}))


def test_a_picture_whose_scans_go_over_it_again_and_again_is_refused(monkeypatch):
    raw = png(pictures(1, 40)[0], "JPEG")
    monkeypatch.setattr(decoding, "MAX_SCANS", 0)
    with pytest.raises(FormatError, match="more than 0 scans"):
        readers.read(zipped({"a/0.jpg": raw, "b/0.jpg": raw}))
    monkeypatch.undo()
    monkeypatch.setattr(decoding, "MAX_PASSES", 40 * 40 - 1)
    with pytest.raises(FormatError, match="40 x 40 pixels in 1 scans, more than are gone over"):
        readers.read(zipped({"a/0.jpg": raw, "b/0.jpg": raw}))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_without_what_makes_no_pixel_is_the_same_picture(options):
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    stream = io.BytesIO()
    coloured = np.random.default_rng(3).integers(0, 256, (20, 30, 3), np.uint8)
    image_module.fromarray(coloured).save(
        stream, "JPEG", comment=b"hello", icc_profile=b"x" * 200, exif=exif(6), **options
    )
    raw = stream.getvalue()
    kept, scans = decoding.essential(raw)
    assert len(kept) < len(raw) - 200 and (scans > 1) == bool(options.get("progressive"))
    assert np.array_equal(*(np.asarray(image_module.open(io.BytesIO(r))) for r in (raw, kept)))


def exif(turned: int) -> bytes:
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, turned, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)


@pytest.mark.parametrize("turned", [1, 3, 6, 8])
def test_how_a_picture_is_to_be_turned_is_read_from_its_file(turned):
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    stream = io.BytesIO()
    image_module.fromarray(pictures(1)[0]).save(stream, "JPEG", exif=exif(turned))
    assert turned == decoding.orientation(stream.getvalue())
    assert 1 == decoding.orientation(png(pictures(1)[0]))
    assert 1 == decoding.orientation(stream.getvalue()[:40])


def test_texts_and_further_frames_of_a_png_never_reach_the_decoder():
    raw = png(pictures(1)[0])
    text = struct.pack(">L", 4) + b"tEXta\0bc" + struct.pack(">L", zlib.crc32(b"tEXta\0bc"))
    assert raw == decoding.essential(raw[:33] + text + raw[33:])[0]


def test_a_picture_of_16_bits_becomes_grey_without_ever_being_wide():
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    wide = np.full((1200, 1000), 65535, np.uint16)
    wide[3, 4] = 257
    picture = image_module.fromarray(wide)
    tracemalloc.start()
    try:
        grey = decoding.levels(picture)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (255, 1) == (grey[0, 0], grey[3, 4])
    assert peak < 8 * wide.size  # as many bytes as a single wide copy would take


def test_without_pillow_pictures_are_refused_in_plain_words(monkeypatch):
    raw = zipped({f"{k}/a.png": png(pictures()[k]) for k in range(2)})
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(FormatError, match="pictures need Pillow"):
        readers.read_sets(raw)


# Archives --------------------------------------------------------------------------------


def test_what_is_exported_comes_back_and_is_the_same_each_time():
    one = Dataset(pictures(), names(), name="one")
    two = Dataset(pictures(6, 5, 1), names(6), classes=3)
    raw = readers.idx_zip(one, two)
    assert raw == readers.idx_zip(one, two)
    found = readers.read_sets(raw)
    assert (one.digest, two.digest) == (found.train.digest, found.test.digest)
    assert ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"] == zipfile.ZipFile(
        io.BytesIO(readers.idx_zip(one))
    ).namelist()


def test_a_folder_of_published_files_is_read(mnist_files):
    found = readers.read_sets(mnist_files["test_images"].parent)
    assert (60_000, 10_000) == (len(found.train), len(found.test))


def test_tables_in_an_archive_are_told_apart_by_name():
    files = {
        "mnist_train.csv": csv(pictures(), names()),
        "mnist_test.csv": csv(pictures(6), names(6)),
    }
    found = readers.read_sets(zipped(files))
    assert same(found.train, pictures(), names()) and same(found.test, pictures(6), names(6))


def test_an_archive_of_many_sets_asks_for_one():
    sets = enumerate(("letters", "digits"))
    files = {f"{kind}-train-images-idx3": idx(pictures(12, 5, i)) for i, kind in sets}
    files["letters-train-labels-idx1"] = idx(names())
    with pytest.raises(FormatError, match="2 sets lie together, digits, letters: give one set"):
        readers.read_sets(zipped(files))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"hello"}, "no data in it; it holds a.txt"),
        ({}, "no file at all"),
        ({"inner.zip": b"PK\x03\x04" + bytes(40)}, "archives inside the archive"),
    ],
)
def test_an_archive_without_data_says_what_it_holds(files, message):
    with pytest.raises(FormatError, match=message):
        readers.read_sets(zipped(files))


def test_a_zip_that_unpacks_to_too_much_is_refused():
    raw = npz(x=np.zeros((3000, 28, 28), np.uint8), y=names(3000))
    with pytest.raises(FormatError, match="more than the 100,000 allowed"):
        readers.read_sets(raw, max_bytes=100_000)


def test_a_member_that_claims_more_than_it_can_hold_is_refused():
    raw = bytearray(zipped({"x.npy": npy(pictures())}))
    at = raw.rfind(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<L", 2**31)
    with pytest.raises(FormatError, match="no zip can hold"):
        readers.read_sets(bytes(raw))


def test_a_shape_that_promises_more_than_the_member_holds_is_refused():
    raw = npy(np.zeros((10, 10, 10), np.uint8)).replace(b"(10, 10, 10)", b"(90, 90, 90)")
    with pytest.raises(FormatError, match="promises 729,000 bytes of values and cannot hold"):
        readers.read_sets(zipped({"x.npy": raw, "y.npy": npy(names(90))}, zipfile.ZIP_STORED))


def head(shape: str, kind: str = "|u1") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("1," * 65, "claims 65 dimensions; arrays of up to 32 are read"),
        (f"0, {10**17}, {10**17}", "which no array can have"),
        (f"{2**31}, {2**31}, 2", "which no array can have"),
        ("9" * 19 + ",", "which no array can have"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_head_of_a_shape_that_cannot_be_is_refused(shape, message, packed):
    raw = head(shape) + b"\0"
    with pytest.raises(FormatError, match=message):
        readers.read(gzip.compress(raw) if packed else raw)
    with pytest.raises(FormatError, match=message):
        readers.read(zipped({"x.npy": raw, "y.npy": raw}))


def test_more_files_than_are_looked_into_are_refused(monkeypatch):
    monkeypatch.setattr(members, "MAX_UNNAMED", 3)
    with pytest.raises(FormatError, match="4 files that are no pictures by their names, and 3"):
        readers.read(zipped({f"{i}.txt": b"" for i in range(4)}))
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    with pytest.raises(FormatError, match="4 files, and 3 at most are read"):
        readers.read(zipped({f"{i}.png": b"" for i in range(4)}))


def test_members_that_lie_over_each_other_are_refused():
    stream = io.BytesIO(zipped({"a.csv": csv(pictures(), names())}, zipfile.ZIP_STORED))
    with zipfile.ZipFile(stream, "a") as twice:
        twice.filelist += twice.filelist * 2
        twice._didModify = True
    with pytest.raises(FormatError, match="lie over each other"):
        readers.read(stream.getvalue())


def peak_bytes(raw: bytes, **options) -> int:
    return peak_memory(lambda: readers.inspect(raw, **options))


def test_reading_takes_four_times_the_bytes_allowed_at_most():
    """Each of these unpacks to as many bytes as are allowed, or to more."""
    most = 4_000_000
    zeros = np.zeros((most // 100, 10, 10), np.uint8)
    row, text = b"0," * 99, io.BytesIO()
    np.save(text, np.zeros(most // 8, np.int64))
    files = {
        "idx": gzip.compress(idx(zeros), 1),
        "cut": gzip.compress(idx(zeros), 1)[:-9],
        "more": gzip.compress(idx(zeros[:1]) + bytes(5 * most), 1),
        "long labels": gzip.compress(text.getvalue(), 1),
        "table": gzip.compress((row + b"0\n") * (most // 100), 1),
        "fractions": gzip.compress((row + b"0\n") * (most // 400) + (row + b".5\n") * 9, 1),
        "arrays": npz(x_train=zeros[: most // 200], y_train=np.zeros(most // 200)),
    }
    room = 3_000_000  # of a block of text, and of what NumPy makes of it
    peaks = {name: peak_bytes(raw, max_bytes=most) for name, raw in files.items()}
    assert {} == {name: peak for name, peak in peaks.items() if peak > 4 * most + 10 * room}


def test_a_directory_too_large_for_memory_is_refused_unread():
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 9, 9, 2**25, 4, 0)
    with pytest.raises(FormatError, match="the directory of the zip alone has 33,554,432 bytes"):
        readers.read_sets(b"PK\x03\x04" + bytes(100) + end)


GOOD = {
    "npz": npz(x=pictures(), y=names()),
    "zip": readers.idx_zip(Dataset(pictures(), names())),
    "csv": csv(pictures(), names()),
    "npy": npy(pictures()),
    "gz": gzip.compress(csv(pictures(), names())),
}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 2**32 - 1), st.booleans())
def test_whatever_happens_to_a_file_only_format_errors_come_of_it(kind, seed, cut):
    raw, rng = bytearray(GOOD[kind]), np.random.default_rng(seed)
    if cut:
        raw = raw[: rng.integers(0, len(raw))]
    for at in rng.integers(0, max(len(raw), 1), 3 * (not cut)):
        raw[at] = rng.integers(0, 256)
    try:
        found = readers.read(bytes(raw), max_bytes=10**6)
    except FormatError as error:
        assert str(error).startswith("the data: ")
    else:
        assert found.nbytes > 0


@pytest.mark.parametrize("kind", ["npz", "zip", "npy"])
def test_a_file_that_is_cut_short_anywhere_is_refused(kind):
    raw = GOOD[kind]
    for end in range(0, len(raw), 7):
        with pytest.raises(FormatError):
            readers.read(raw[:end])


def test_a_kind_is_told_by_content_and_a_file_stays_where_it_stood(tmp_path):
    expected = {"npz": "zip", "zip": "zip", "csv": "csv", "npy": "npy", "gz": "csv"}
    assert expected == {kind: readers.recognise(raw) for kind, raw in GOOD.items()}
    assert "idx" == readers.recognise(gzip.compress(idx(pictures())))
    assert "folder" == readers.recognise(tmp_path)
    assert (None, None) == (readers.recognise(b""), readers.recognise(b"<html>,"))
    file = io.BytesIO(b"skip" + GOOD["csv"])
    file.seek(4)
    readers.recognise(file)
    assert 4 == file.tell()


def test_other_files_are_named_for_what_they_are():
    with pytest.raises(FormatError, match="page: an HTML page, not a data set"):
        readers.read_sets(b"<!DOCTYPE html><title>404</title>", name="page")
    with pytest.raises(FormatError, match="an IDX file, which holds images or labels alone"):
        readers.read_sets(idx(pictures()))


# Turned ----------------------------------------------------------------------------------


def test_exchanged_rows_and_columns_are_noticed_and_put_right():
    good = digits(1000, seed=3)
    bad = Dataset(readers.turned(good.images), good.labels)
    assert (False, True) == (readers.looks_turned(good), readers.looks_turned(bad))
    assert np.array_equal(good.images, readers.turned(bad.images))


def test_turning_is_worked_out_by_hand():
    assert [[[1, 3, 5], [2, 4, 6]]] == readers.turned(np.array([[[1, 2], [3, 4], [5, 6]]])).tolist()


def test_a_file_sorted_by_class_is_judged_as_well():
    good = digits(3000, seed=4)
    order = np.argsort(good.labels, kind="stable")
    bad = Dataset(readers.turned(good.images[order]), good.labels[order])
    assert readers.looks_turned(bad)


@pytest.mark.parametrize("folder", ["mnist", "fashion-mnist"])
def test_published_sets_are_asked_about_only_when_they_are_turned(data_dir, folder):
    test = readers.read_sets(data_dir / folder).test
    turned = Dataset(readers.turned(test.images), test.labels)
    assert (False, folder == "mnist") == (readers.looks_turned(test), readers.looks_turned(turned))


def test_letters_are_asked_about_by_name_or_labels():
    images, labels = pictures(60, 28), np.arange(60) % 26 + 1
    assert readers.looks_turned(Dataset(images, labels))
    assert not readers.looks_turned(Dataset(images, labels - 1))
    assert readers.looks_turned(Dataset(images, labels - 1), name="emnist-letters-train")


# Contents --------------------------------------------------------------------------------


def test_an_idx_file_is_contents_like_any_other():
    images = readers.read(gzip.compress(idx(pictures())), name="x.gz")
    labels = readers.read(idx(names()))
    assert ("images", 12, "IDX file") == (images.kind, len(images), images.form)
    assert np.array_equal(pictures(), images.images) and not images.images.flags.writeable
    assert (True, "x.gz", 2051) == (images.header.gzipped, images.header.name, images.header.magic)
    assert ("labels", names().tolist()) == (labels.kind, labels.labels.tolist())


def test_bytes_of_an_idx_file_stay_as_they_are_unless_they_are_of_few_levels():
    assert np.array_equal(pictures() % 18, readers.read(idx(pictures() % 18)).images)
    found = readers.read(idx(pictures() % 2))
    assert np.array_equal(pictures() % 2 * 255, found.images)
    assert ("Pixels were from 0 to 1: stretched to 0 to 255.",) == found.notes


def test_rows_of_pixels_in_an_idx_file_are_images_and_can_be_turned():
    found = readers.read(idx(pictures().reshape(12, 25)))
    assert np.array_equal(pictures(), found.images)
    turned = readers.turned_contents(found)
    assert np.array_equal(pictures().transpose(0, 2, 1), turned.images)


def test_plain_bytes_in_memory_are_looked_at_and_not_copied():
    raw = idx(pictures())
    assert np.shares_memory(np.frombuffer(raw, np.uint8), readers.read(raw).images)


@pytest.mark.parametrize("kind", ["idx", "idx.gz", "npy", "npz", "csv", "zip", "pictures"])
def test_what_only_is_too_large_is_known_from_what_is_wrong(kind):
    raw = {
        "idx": idx(pictures(50)),
        "idx.gz": gzip.compress(idx(pictures(50))),
        "npy": npy(pictures(50)),
        "npz": npz(x=pictures(50), y=names(50)),
        "csv": csv(pictures(50), names(50)),
        "zip": readers.idx_zip(Dataset(pictures(50), names(50))),
        "pictures": zipped({f"{i % 2}/{i}.png": png(image) for i, image in enumerate(pictures(9))}),
    }[kind]
    found = readers.inspect(raw, name="f", max_bytes=100)
    assert found.too_large and "100" in found.fault
    assert readers.inspect(raw, name="f").fault is None
    assert not readers.inspect(raw[: len(raw) // 2], name="f").too_large


def test_inspecting_never_refuses_and_says_why_read_would():
    found = readers.inspect(idx(np.full((3, 2), -5, np.float32)), name="f")
    assert ("nothing", 0, None) == (found.kind, len(found), found.rescued)
    assert found.fault.startswith("f: the range of f goes from -5 to -5")
    assert (("f", (3, 2))) == (found.header.name, found.header.shape)
    assert readers.inspect(b"", name="e").fault.startswith("e: is empty (0 bytes)")
    assert "not an IDX file but an HTML page" in readers.inspect(b"<html>").fault
    assert None is readers.inspect(csv(pictures(), names())).fault


@pytest.mark.parametrize("packed", [False, True])
def test_a_cut_idx_file_is_inspected_with_its_header_and_what_is_whole(packed):
    raw = idx(pictures(50))
    cut = gzip.compress(raw, 0)[:-200] if packed else raw[:-40]
    found = readers.inspect(cut, name="cut")
    assert 50 == found.header.count and "keep_whole" in found.fault
    assert 0 < len(found.rescued) == found.rescued.whole_items < 50
    assert np.array_equal(pictures(50)[: len(found.rescued)], found.rescued.images)
    beside = found.nbytes - found.rescued.images.nbytes  # a head, a part of an image
    assert 0 <= beside < 16 + 25


def test_what_is_held_is_counted_though_a_part_of_it_is_used():
    raw = idx(pictures(50))
    images = readers.read(raw).images
    assert len(raw) == Contents(form="", images=images[:1]).nbytes
    rescued = Contents(form="", images=images)
    assert len(raw) == Contents(form="", images=images[:1], rescued=rescued).nbytes


def test_a_file_that_takes_longer_than_it_may_is_refused():
    for raw in (gzip.compress(idx(pictures())), csv(pictures(), names()), GOOD["npz"]):
        found = readers.inspect(raw, name="slow", seconds=0)
        assert found.fault.startswith("slow: not read within 0 s")
        assert found.rescued is None


def test_gzip_of_a_million_members_that_hold_nothing_ends_in_time():
    with pytest.raises(FormatError, match="not read within"):
        readers.read(GZIP_OF_NOTHING * 10**6, seconds=0.2)


def test_gzip_that_gives_a_byte_at_a_time_is_read_like_any():
    text = csv(pictures(40), names(40))
    slow = b"".join(gzip.compress(bytes([one])) for one in text)
    assert np.array_equal(pictures(40), readers.read_sets(slow).train.images)


def test_a_cut_table_is_inspected_with_its_whole_rows():
    found = readers.inspect(csv(pictures(), names())[:-20])
    assert ("set", 11, 11) == (found.rescued.kind, len(found.rescued), found.rescued.whole_items)
    assert None is readers.read(csv(pictures(), names()), keep_whole=True).whole_items


def test_a_zip_comes_from_an_open_file_wherever_it_stands():
    class Pipe:
        def __init__(self, raw):
            self.read = io.BytesIO(raw).read

    file = io.BytesIO(b"skip" + GOOD["npz"])
    file.seek(4)
    for source in (file, Pipe(GOOD["npz"]), gzip.compress(GOOD["npz"])):
        assert same(readers.read_sets(source).train, pictures(), names())
    with pytest.raises(FormatError, match="more than the 500 bytes allowed"):
        readers.read(Pipe(GOOD["npz"]), max_bytes=500)


def test_arrays_of_several_formats_lie_together():
    raw = zipped(
        {"images.npy": npy(pictures()), "labels-idx1-ubyte.gz": gzip.compress(idx(names()))}
    )
    found = readers.read(raw)
    assert same(found.train, pictures(), names())
    assert "arrays" == found.form


def test_the_test_table_has_the_classes_of_the_training_table():
    files = {"train.csv": csv(pictures(), names()), "test.csv": csv(pictures(2), names(2))}
    found = readers.read_sets(zipped(files))
    assert (3, 3) == (found.train.classes, found.test.classes)


def test_a_third_table_is_left_out_with_a_word():
    files = {f"{part}.csv": csv(pictures(), names()) for part in ("train", "val", "test")}
    assert "validation part is left out" in readers.read_sets(zipped(files)).notes[0]


def test_validation_images_train_where_there_are_none_but_test_images():
    found = readers.read_sets(
        npz(x_val=pictures(9), y_val=names(9), x_test=pictures(6), y_test=names(6))
    )
    assert (9, 6, ()) == (len(found.train), len(found.test), found.notes)


def test_a_new_format_is_a_row_that_archives_know_too():
    def read(stream, request):
        text = stream.rest(request.max_bytes).decode().split("\n")
        array = np.array([[int(n) for n in line.split()] for line in text[1:]], np.uint8)
        return readers.arrays.assemble(
            [
                readers.arrays.Named("labels", array[:, 0]),
                readers.arrays.Named("images", array[:, 1:]),
            ],
            form="toy table",
            name=request.name,
        )

    toy = readers.Format(
        kind="toy", title="toy table", matches=lambda head: head.startswith(b"toy\n"), read=read
    )
    request = readers.Request(name="t", max_bytes=10**6, formats=(toy, *readers.FORMATS))
    raw = b"toy\n1 0 50 100 200\n0 9 9 9 255"
    with readers.opened(zipped({"a.toy": raw})) as stream:
        found = readers.members.read_zip(stream, request)
    assert [1, 0] == found.train.labels.tolist()
    assert [[[0, 50], [100, 200]], [[9, 9], [9, 255]]] == found.train.images.tolist()


def test_a_fault_of_a_reader_is_not_called_a_damaged_zip():
    def read(stream, request):
        raise LookupError("ours")

    broken = readers.Format(kind="x", title="x", matches=lambda head: True, read=read)
    request = readers.Request(name="t", max_bytes=10**6, formats=(broken,))
    with readers.opened(zipped({"a": b"1"})) as stream, pytest.raises(LookupError, match="ours"):
        readers.members.read_zip(stream, request)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*sorted(GOOD), "idx", "idx.gz"]), st.integers(0, 2**32 - 1), st.booleans())
def test_inspecting_whatever_happened_to_a_file_raises_nothing(kind, seed, cut):
    whole = {"idx": idx(pictures()), "idx.gz": gzip.compress(idx(pictures()), mtime=0)} | GOOD
    raw, rng = bytearray(whole[kind]), np.random.default_rng(seed)
    if cut:
        raw = raw[: rng.integers(0, len(raw))]
    for at in rng.integers(0, max(len(raw), 1), 3 * (not cut)):
        raw[at] = rng.integers(0, 256)
    found = readers.inspect(bytes(raw), name="f", max_bytes=10**6)
    if found.fault is None:
        assert found.kind != "nothing" and found.rescued is None
    else:
        assert found.fault.startswith("f: ") and found.kind == "nothing"


def test_every_format_has_a_kind_of_its_own_and_says_what_it_is():
    assert all(known.offers and known.title for known in readers.FORMATS)
    kinds = [known.kind for known in readers.FORMATS]
    assert len(set(kinds)) == len(kinds)
