"""Reports: what people met elsewhere, tried through our doors: read right, or refused in words.

Each test makes in small what somebody's bug report is about. What is read of downloads as they come
is in test_downloads.py; here is what was met besides: wrong bytes, odd pixels and words for labels.
"""

from __future__ import annotations

import gzip
import io
import pickle
import re
import struct

import numpy as np
import pytest

from nnengine import Network
from nnengine.cli import main
from nnengine.data import readers
from nnengine.data.dataset import Dataset
from nnengine.data.readers import hints
from nnengine.data.readers.decoding import plain_levels
from nnengine.data.synthetic import digits
from nnengine.errors import FormatError
from nnengine.storage import modelfile
from tests.files import csv, idx, npy, npz, png, zipped

DIGITS = digits(120, seed=11)
IMAGES, LABELS = DIGITS.images, DIGITS.labels
NAMES = "zero one two three four five six seven eight nine".split()
WORDS = np.array(NAMES)[LABELS]
PIXELS = ",".join(f"pixel{i}" for i in range(784))
HEIC = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(400)


def named(found: Dataset) -> list[str]:
    return [found.class_names[label] for label in found.labels]


def raw_idx(code: int, shape: tuple[int, ...], body: bytes, order: str = ">") -> bytes:
    return (
        struct.pack(">HBB", 0, code, len(shape))
        + struct.pack(f"{order}{len(shape)}I", *shape)
        + body
    )


def run(capsys, *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    return status, said.out, said.err


# Words for labels --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "header", "last"),
    [
        (WORDS, f"label,{PIXELS}", False), (WORDS, "", False), (WORDS, "", True),
        (WORDS, f"{PIXELS},class", True), ([f'"{w}, {w}"' for w in WORDS], "", False),
        ([f'"{w}, {w}"' for w in WORDS], f"{PIXELS},class", True),
        ([f"é {w}" for w in WORDS], "", False),
    ],
)  # fmt: skip
def test_words_may_be_labels_in_a_csv(labels, header, last):
    found = readers.read_sets(csv(IMAGES, labels, header=header, last=last)).train
    assert [label.strip('"') for label in labels] == named(found)
    assert list(found.class_names) == sorted(found.class_names)
    assert np.array_equal(IMAGES, found.images)


def test_numbers_that_turn_out_to_be_words_keep_their_names():
    mixed = np.where(LABELS < 5, LABELS.astype(str), WORDS)
    order = np.argsort(LABELS)
    for turn in (slice(None), order, order[::-1]):
        found = readers.read_sets(csv(IMAGES[turn], mixed[turn], header=f"label,{PIXELS}")).train
        assert mixed[turn].tolist() == named(found)
        assert ("0", "1", "2", "3", "4", "eight") == found.class_names[:6]


def test_words_of_many_blocks_and_in_the_middle_are_labels(monkeypatch):
    from nnengine.data.readers import table

    monkeypatch.setattr(table, "BLOCK", 5_000)
    flat = IMAGES.reshape(120, -1).astype(str)
    rows = np.hstack([flat[:, :3], WORDS[:, None], flat[:, 3:]])
    header = ["p", "p1", "p2", "label", *(f"q{i}" for i in range(781))]
    raw = "\n".join(",".join(row) for row in [header, *rows.tolist()]).encode() + b"\n"
    found = readers.read_sets(gzip.compress(raw)).train
    assert WORDS.tolist() == named(found) and np.array_equal(IMAGES, found.images)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.where(np.arange(120) == 5, "", WORDS), "row 6 has no label"),
        ([f"w{i}" for i in range(120)] * 3, "more than 256 words|row 257"),
    ],
)
def test_words_that_cannot_be_labels_are_refused(labels, said):
    images = np.concatenate([IMAGES] * (len(labels) // 120))
    labels = [f"{word}{i}" for i, word in enumerate(labels)] if len(labels) > 120 else labels
    with pytest.raises(FormatError, match=said):
        readers.read(csv(images, labels))


def arff(labels, kind: str, mark: str = "") -> bytes:
    lines = [
        "@RELATION x",
        *(f"@ATTRIBUTE p{i} real" for i in range(784)),
        f"@ATTRIBUTE class {kind}",
    ]
    rows = IMAGES.reshape(120, -1).tolist()
    pairs = zip(rows, labels, strict=True)
    lines += ["@DATA", *(",".join([*map(str, row), f"{mark}{word}{mark}"]) for row, word in pairs)]
    return ("\n".join(lines) + "\n").encode()


def test_words_may_be_labels_in_an_arff_and_keep_its_order():
    kind = "{" + ", ".join([*NAMES, "'ten'"]) + "}"
    for mark in ("", "'"):
        found = readers.read_sets(arff(WORDS, kind, mark)).train
        assert WORDS.tolist() == named(found)
        assert (*NAMES, "ten") == found.class_names  # one that no row has is a class as well
    with pytest.raises(FormatError, match="is none of the words that its header names"):
        readers.read(arff(WORDS, "{zero,one}"))


def test_a_test_set_that_lacks_a_class_is_measured_by_the_numbers_that_were_learnt(
    tmp_path, capsys
):
    """Words are numbered as each file has them: what lacks the first has all others moved."""
    train, test, model = tmp_path / "train.csv", tmp_path / "test.csv", tmp_path / "m.npz"
    train.write_bytes(csv(IMAGES, WORDS))
    late = WORDS > "nine"
    test.write_bytes(csv(IMAGES[late], WORDS[late]))
    setting = ("--layers", "784,30,10", "--epochs", "60", "--seed", "1")
    status, out, _ = run(capsys, "train", train, "--test", test, *setting, "--out", model)
    assert 0 == status and "test   accuracy 100.00%" in out
    status, out, _ = run(capsys, "evaluate", model, test)
    assert 0 == status and "100.00%" in out
    test.write_bytes(csv(IMAGES[:40], [f"no. {w}" for w in WORDS[:40]]))
    for words in (("evaluate", model, test), ("train", train, "--test", test, *setting)):
        status, _, err = run(capsys, *words)
        assert 2 == status and "a class is called no. eight, and none is called so" in err


def test_the_data_page_measures_by_the_numbers_that_were_learnt():
    from dashboard.store.files import Shelf, pair

    shelf = Shelf()
    late = WORDS > "nine"
    train = shelf.load("train.csv", csv(IMAGES, WORDS))
    test = shelf.load("test.csv", csv(IMAGES[late], WORDS[late]))
    found = pair([train, test])
    learnt = shelf.dataset(*found.training)
    measured = shelf.dataset(*found.test, like=learnt)
    assert WORDS[late].tolist() == named(measured) and learnt.class_names == measured.class_names
    assert measured is shelf.dataset(*found.test, like=learnt)


# Tables ------------------------------------------------------------------------------------


def test_a_first_row_with_an_empty_cell_is_no_header():
    raw = csv(IMAGES, LABELS).replace(b",0,0,0,", b",,0,0,", 1)
    with pytest.raises(FormatError, match="row 1, column 2 is empty: each image has all"):
        readers.read(raw)


def test_decimal_commas_are_named():
    raw = csv(np.round(IMAGES / 255, 3), LABELS, mark=";").replace(b".", b",")
    with pytest.raises(FormatError, match="row 1: “0,0” has a comma for its decimal point"):
        readers.read(raw)
    with pytest.raises(FormatError, match="row 2: “0,0” has a comma for its decimal point"):
        readers.read(b"label;" + PIXELS.replace(",", ";").encode() + b"\n" + raw)


# IDX files that were written otherwise -----------------------------------------------------


def test_sizes_with_their_bytes_reversed_are_seen_to_fit():
    raw = raw_idx(8, IMAGES.shape, IMAGES.tobytes(), order="<")
    with pytest.raises(FormatError, match=r"reversed \(little-endian\): 120x28x28 fits"):
        readers.read(raw)


def test_labels_with_their_bytes_reversed_are_told():
    raw = raw_idx(0x0C, (120,), LABELS.astype("<i4").tobytes())
    with pytest.raises(FormatError, match=r"reversed \(little-endian\), 150,994,944 for 9"):
        readers.read(raw)
    plain = raw_idx(0x0C, (120,), LABELS.astype(">i4").tobytes())
    assert np.array_equal(LABELS, readers.read(plain).labels)


def test_a_count_that_lost_its_upper_bits_costs_no_image():
    images = np.concatenate([IMAGES] * 3)
    raw = raw_idx(8, (360 - 256, 28, 28), images.tobytes())
    with pytest.raises(FormatError, match="file holds 360 images of 28x28 exactly: the count"):
        readers.read(raw)
    assert np.array_equal(images, readers.inspect(raw).rescued.images)
    with pytest.raises(FormatError, match="trailing bytes"):  # 99 is no such count
        readers.read(raw_idx(8, (99, 28, 28), images.tobytes()))


def test_a_line_s_end_behind_labels_is_told_with_what_to_cut():
    with pytest.raises(FormatError, match="holds 129: trailing bytes.*cut it to 128 bytes"):
        readers.read(idx(LABELS) + b"\n")


# Pixels ------------------------------------------------------------------------------------


def test_pixels_of_sixteen_bits_are_brought_to_eight():
    wide = IMAGES.astype(np.uint16) * 257
    found = readers.read_sets(npz(x=wide, y=LABELS))
    assert np.array_equal(IMAGES, found.train.images)
    assert ("Pixels were of 16 bits, from 0 to 65,535: brought to 0 to 255.",) == found.notes
    with pytest.raises(FormatError, match="goes from 0 to 65534"):
        readers.read(npz(x=np.minimum(wide, 65_534), y=LABELS))


def test_what_is_no_number_and_signed_bytes_are_told():
    holes = (IMAGES / 255).astype(np.float32)
    holes[3, 4, 5] = np.nan
    with pytest.raises(
        FormatError, match=r"images hold what is no number \(NaN\), first at index 3"
    ):
        readers.read(npz(x=holes, y=LABELS))
    with pytest.raises(FormatError, match="are signed bytes from -128 to 127, .* type 0x08"):
        readers.read(raw_idx(9, IMAGES.shape, IMAGES.tobytes()))


def test_blank_images_and_copies_are_counted():
    images = IMAGES.copy()
    images[3:5], images[7] = 0, images[8]
    said = hints.remarks(Dataset(images, LABELS))
    assert ["2 images are blank.", "2 images are copies of others."] == said
    blank = Dataset(np.zeros_like(IMAGES), LABELS)
    assert ["All images are blank: there is nothing to learn from."] == hints.remarks(blank)
    assert [] == hints.remarks(DIGITS)


def test_bytes_that_count_by_columns_are_noticed():
    by_columns = np.frombuffer(IMAGES.tobytes(order="F"), np.uint8).reshape(IMAGES.shape)
    (said,) = hints.remarks(Dataset(by_columns, LABELS))
    assert "look like noise" in said and "a.reshape(28, 28, -1).T" in said
    assert np.array_equal(IMAGES, by_columns.reshape(28, 28, -1).T)  # as it says
    for images in (IMAGES.transpose(0, 2, 1), 255 - IMAGES):
        assert [] == hints.remarks(Dataset(np.ascontiguousarray(images), LABELS))
    noise = np.random.default_rng(0).integers(0, 256, (120, 28, 28)).astype(np.uint8)
    assert [] == hints.remarks(Dataset(noise, LABELS))


def test_labels_from_one_to_ten_are_told_with_both_meanings(tmp_path, capsys):
    data = tmp_path / "d.npz"
    data.write_bytes(npz(x=IMAGES, y=np.where(LABELS == 0, 10, LABELS)))
    for command in (("train", data, "--iterations", "1"), ("info", data)):
        said = "".join(run(capsys, *command)[1:])
        assert "Labels begin at 1: class 0 has no image" in said and "labels % 10" in said


@pytest.mark.parametrize("folder", ["mnist", "fashion-mnist"])
def test_of_published_images_there_is_nothing_to_remark(data_dir, folder):
    found = readers.read_sets(data_dir / folder)
    assert [] == hints.remarks(found.train) and [] == hints.remarks(found.test)


# A class a file ----------------------------------------------------------------------------


def test_arrays_that_are_a_class_each_may_be_given_as_words(tmp_path, capsys):
    files = []
    for k, name in enumerate(("cat", "dog", "pizza")):
        files.append(tmp_path / f"full_numpy_bitmap_{name}.npy")
        files[-1].write_bytes(npy(IMAGES[LABELS == k].reshape(-1, 784)))
    for words in (files, files[:2]):
        status, _, err = run(
            capsys, "train", *words, "--iterations", "1", "--out", tmp_path / "m.npz"
        )
        assert 0 == status and "Each array was taken for a class: cat, dog" in err
        network = modelfile.load(tmp_path / "m.npz")
        assert ("cat", "dog", "pizza")[: len(words)] == network.class_names
    status, _, err = run(capsys, "train", files[0], "--iterations", "1")
    assert 2 == status and "holds images and no labels" in err


def test_the_data_page_says_where_files_that_are_a_class_each_go():
    from dashboard.store.files import Shelf, pair

    files = [
        Shelf().load(f"{name}.npy", npy(IMAGES[:40].reshape(40, -1))) for name in ("cat", "dog")
    ]
    said = " ".join(pair(files).sentences)
    assert "Files that are a class each, as Quick, Draw!'s, go into one zip." in said


# What is no data set is called what it is --------------------------------------------------


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'
FOREIGN = {
    "mnist.pkl.gz": (gzip.compress(pickle.dumps([1, 2], 2)), "a Python pickle"),
    "old.pkl": (pickle.dumps([np.zeros(2)], 0), "a Python pickle"),
    "page.gz": (b"<!DOCTYPE html><html>", "an HTML page: the download gave a web page"),
    "seven.svg": (SVG, "an SVG picture"),
    "ragged.npy": (npy(np.array([IMAGES[0], [1]], object)), "Python objects, as arrays of unequal"),
    "fields.npy": (npy(np.zeros(9, [("image", "u1", 784), ("label", "u1")])), "fields with names"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(90), "a 7z archive: unpack it"),
    "photo.heic": (HEIC, "a HEIC picture.*Most Compatible"),
    "twice.gz": (gzip.compress(gzip.compress(b"1")), "gzip inside gzip"),
    "nothing": (b"", "is empty"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_data_is_called_what_it_is_by_every_command(name, tmp_path, capsys):
    raw, said = FOREIGN[name]
    file, model = tmp_path / name, tmp_path / "m.npz"
    file.write_bytes(raw)
    modelfile.save(Network.build([784, 10, 10], rng=0), model)
    for words in (
        ("train", file),
        ("predict", model, file),
        ("info", file),
        ("evaluate", model, file),
    ):
        status, _, err = run(capsys, *words)
        assert 2 == status
        assert re.search(said, err), (words[0], err)


def test_a_zip_that_is_neither_data_nor_a_model_is_told_as_data(tmp_path, capsys):
    inner = zipped({"x.csv": csv(IMAGES[:9], LABELS[:9])})
    for raw, said in (
        (zipped({"data.zip": inner}), "archives inside the archive"),
        (zipped({"a.heic": HEIC}), "the first is a HEIC picture"),
        (npz(x=IMAGES, y=LABELS * 300.0), "is no label"),
    ):
        (tmp_path / "d.zip").write_bytes(raw)
        status, _, err = run(capsys, "info", tmp_path / "d.zip")
        assert 2 == status and said in err


# Pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "BMP", "GIF", "TIFF"])
def test_a_picture_of_another_kind_is_a_drawing_too(kind):
    features = pytest.importorskip("PIL.features", reason="Pillow is not installed")
    if kind in ("WEBP", "AVIF") and kind.lower() not in features.get_supported():
        pytest.skip(f"this Pillow reads no {kind}")
    from dashboard.store.picturefile import read_picture

    sheet = np.kron(255 - IMAGES[0], np.ones((4, 4), np.uint8))
    raw = png(sheet, kind, **{"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}.get(kind, {}))
    assert np.array_equal(sheet, read_picture(f"a.{kind}", raw)[..., 0])
    with pytest.raises(FormatError, match="a HEIC picture.*Most Compatible"):
        read_picture("photo.heic", HEIC)


@pytest.mark.parametrize("times", [2, 9])  # kept as it is, and framed
def test_one_picture_of_12_bits_in_16_is_no_blank_one(times):
    from dashboard.store.picturefile import read_picture

    sheet = np.kron(IMAGES[0], np.ones((times, times), np.uint8))
    raw = png(sheet.astype(np.uint16) * 16)
    assert np.array_equal(sheet, read_picture("deep.png", raw)[..., 0])
    found, plain = readers.read_images(raw), readers.read_images(png(sheet))
    assert np.array_equal(plain.images, found.images) and found.images.any()


def test_one_picture_without_ink_is_said_to_be_blank():
    found = readers.read_images(png(np.full((99, 99), 200, np.uint8)))
    assert not found.images.any() and "it counts as blank" in found.notes[-1]


def test_a_small_png_is_read_as_pillow_opens_it_whatever_is_done_to_it():
    """Plain ones go through Pillow's decoder alone; what is odd is opened, and told there."""
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    noise = np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)
    for image in (*IMAGES[:40], *noise):
        assert np.array_equal(image, plain_levels(png(image), (28, 28)))
    raw = png(IMAGES[0])
    for at in range(len(raw)):
        given = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        found = plain_levels(given, (28, 28))
        if found is not None:
            with image_module.open(io.BytesIO(given)) as picture:
                assert np.array_equal(found, np.asarray(picture))
    other = image_module.fromarray(IMAGES[0])
    for odd in (raw[:-1], raw + b"x", png(IMAGES[0, :20]), png(np.asarray(other.convert("RGB")))):
        assert plain_levels(odd, (28, 28)) is None


# Archives ----------------------------------------------------------------------------------


def test_a_member_that_is_not_what_the_directory_says_is_damage_however_it_is_read():
    """Small members are read without zipfile: name, size and checksum are held to all the same."""
    raw = zipped(
        {f"{y}/{i:03}.png": png(x) for i, (x, y) in enumerate(zip(IMAGES, LABELS, strict=True))}
    )
    first = raw.index(b"PK\3\4", 40)
    for at in (first + 30, first + 60):  # a letter of the name, a byte of the picture
        broken = bytearray(raw)
        broken[at] ^= 1
        with pytest.raises(FormatError, match="the zip is damaged"):
            readers.read(bytes(broken))


def test_a_member_that_is_said_to_begin_before_the_file_is_damage():
    raw = bytearray(zipped({"a.csv": csv(IMAGES[:9], LABELS[:9])}))
    end = raw.rindex(b"PK\5\6")
    raw[end + 16 : end + 20] = (raw.index(b"PK\1\2") + 99).to_bytes(4, "little")
    with pytest.raises(FormatError, match="the zip is damaged"):
        readers.read(bytes(raw))
