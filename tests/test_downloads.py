"""Downloads: data sets as they really come are read right, or refused with what they deserve.

Every test makes in small what somebody downloaded, exported or packed: archives that hold a set
twice, tables with the habits of the programs that wrote them, photographs beside scans.
"""

from __future__ import annotations

import gzip
import io
import tarfile

import numpy as np
import pytest

from nnengine.data import readers
from nnengine.data.readers import tar
from nnengine.data.readers.inverted import light_ones
from nnengine.data.synthetic import digits
from nnengine.errors import FormatError
from tests.files import csv, idx, npy, npz, png, zipped

DIGITS = digits(120, seed=11)
IMAGES, LABELS = DIGITS.images, DIGITS.labels
PIXELS = ",".join(f"pixel{i}" for i in range(784))
FOUR = {
    "train-images-idx3-ubyte": idx(IMAGES[:80]), "train-labels-idx1-ubyte": idx(LABELS[:80]),
    "t10k-images-idx3-ubyte": idx(IMAGES[80:]), "t10k-labels-idx1-ubyte": idx(LABELS[80:]),
}  # fmt: skip


def unlabelled(images: np.ndarray, header: str = "") -> bytes:
    lines = [header] if header else []
    lines += [",".join(map(str, row)) for row in images.reshape(len(images), -1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def is_digits(found, start: int = 0, stop: int = 120) -> bool:
    return np.array_equal(found.images, IMAGES[start:stop]) and np.array_equal(
        found.labels, LABELS[start:stop]
    )


# Dark on light ---------------------------------------------------------------------------


def test_dark_digits_on_light_paper_are_noticed_and_others_are_not():
    assert not readers.looks_light(IMAGES)
    assert readers.looks_light(255 - IMAGES)
    assert not readers.looks_light(np.full((9, 28, 28), 255, np.uint8))  # nothing darker within
    assert not readers.looks_light(np.zeros((9, 1, 784), np.uint8))  # no border


@pytest.mark.parametrize("folder", ["mnist", "fashion-mnist"])
def test_no_published_image_looks_dark_on_light_and_all_do_inverted(data_dir, folder):
    images = readers.read_sets(data_dir / folder).test.images
    assert not readers.looks_light(images) and not light_ones(images).any()
    assert readers.looks_light(255 - images) and light_ones(255 - images).all()


def test_inverting_is_worked_out_by_hand():
    found = readers.read(idx(np.array([[[0, 255], [100, 17]]], np.uint8)))
    assert [[[255, 0], [155, 238]]] == readers.inverted_contents(found).images.tolist()


def test_dark_on_light_is_decided_by_picture_and_said_how_often():
    files = {f"{y}/{i}.png": png(255 - x if i % 3 else x) for i, (x, y) in rows(60)}
    found = readers.read_sets(zipped(files))
    order = sorted(range(60), key=lambda i: f"{LABELS[i]}/{i}.png")
    assert np.array_equal(found.train.images, IMAGES[order])
    assert "40 of 60 pictures were dark on light" in found.notes[0]


def rows(count: int):
    return enumerate(zip(IMAGES[:count], LABELS[:count], strict=True))


# Pictures and their classes ----------------------------------------------------------------


def test_pictures_without_a_class_do_not_undo_the_classes_of_the_others():
    files = {f"trainingSet/trainingSet/{y}/img_{i}.png": png(x) for i, (x, y) in rows(60)}
    files |= {f"testSet/testSet/img_{i}.png": png(x) for i, (x, _) in rows(50)}
    files |= {f"trainingSample/trainingSample/{y}/img_{i}.png": png(x) for i, (x, y) in rows(9)}
    found = readers.read_sets(zipped(files))
    assert (60, None, 10) == (len(found.train), found.test, found.train.classes)
    said = " ".join(found.notes)
    assert "50 pictures are without a class, such as testSet/testSet/img_0.png: left out" in said
    assert "trainingSample: samples of what is here itself, 9 pictures are left out" in said
    wanted = readers.read_images(zipped(files))
    assert (50, 28, 28) == wanted.images.shape


def test_pictures_of_which_many_in_one_place_have_no_class_are_refused():
    files = {f"{y}/{i}.png": png(x) for i, (x, y) in rows(40)}
    with pytest.raises(FormatError, match="x0.png: nothing tells its class, nor that of 19 others"):
        readers.read(zipped(files | {f"x{i}.png": png(IMAGES[i]) for i in range(20)}))
    found = readers.read(zipped(files | {"stray.png": png(IMAGES[0])}))
    assert (40, 10) == (len(found.train), found.train.classes)
    assert "One picture is without a class, such as stray.png: left out." in found.notes


def test_a_png_whose_size_was_damaged_is_left_out_and_no_other_is_changed():
    """Sizes are read without Pillow where the checksum behind them is right."""
    files = {f"{y}/{i:03}.png": png(x) for i, (x, y) in rows(120)}
    first = min(files)
    files[first] = files[first][:16] + b"\0\0\4\0" + files[first][20:]
    found = readers.read_sets(zipped(files))
    order = sorted(range(120), key=lambda i: f"{LABELS[i]}/{i:03}.png")[1:]
    assert np.array_equal(found.train.images, IMAGES[order])
    assert f"One picture is damaged, such as {first}: left out." in found.notes
    files[first] = png(IMAGES[0])[:16] + bytes(8) + png(IMAGES[0])[24:]
    assert 119 == len(readers.read_sets(zipped(files)).train)


def test_a_number_before_the_label_is_no_class():
    found = readers.read_sets(zipped({f"{i:05}_{y}.png": png(x) for i, (x, y) in rows(60)}))
    assert is_digits(found.train, 0, 60) and 10 == found.train.classes
    assert "The names end in their classes, such as" in found.notes[0]
    with pytest.raises(FormatError, match="nothing tells its class"):
        readers.read(zipped({f"{i:05}-{i + 7}.png": png(x) for i, (x, _) in rows(60)}))


def test_one_word_before_all_numbers_is_no_class():
    with pytest.raises(FormatError, match="img_0.png: nothing tells its class"):
        readers.read(zipped({f"img_{i}.png": png(x) for i, (x, _) in rows(9)}))


def test_where_either_end_of_a_name_may_be_the_class_it_is_said_which_was_taken():
    files = {f"{y}-{i}_{'ab'[i % 2]}.png": png(x) for i, (x, y) in rows(60)}
    assert "The names begin with their classes" in readers.read(zipped(files)).notes[0]


def test_labels_may_stand_in_a_table_beside_the_pictures():
    files = {f"images/{i}.png": png(x) for i, (x, _) in rows(60)}
    for name, start in (("images/{}.png", "file,label\n"), ("{}", "id,label\n"), ("{}.png", "")):
        table = start + "".join(f"{name.format(i)},{y}\n" for i, (_, y) in rows(60))
        found = readers.read_sets(zipped(files | {"labels.csv": table.encode()}))
        by_path = sorted(range(60), key=lambda i: f"images/{i}.png")
        assert np.array_equal(found.train.labels, LABELS[by_path])
        assert np.array_equal(found.train.images, IMAGES[by_path])
        assert ("Labels are those in labels.csv.",) == found.notes
    with pytest.raises(FormatError, match="nothing tells its class"):
        readers.read(zipped(files | {"other.csv": b"file,label\nx.png,3\n"}))


def test_a_few_damaged_pictures_are_left_out_and_many_are_refused():
    files = {f"{y}/{i}.png": png(x) for i, (x, y) in rows(120)}
    found = readers.read_sets(zipped(files | {"3/cut.png": png(IMAGES[0])[:-40]}))
    assert 120 == len(found.train)
    assert "One picture is damaged, such as 3/cut.png: left out." in found.notes
    with pytest.raises(FormatError, match="is empty|not a whole PNG"):
        readers.read(zipped(files | {"3/cut.png": png(IMAGES[0])[:-40], "4/empty.png": b""}))


@pytest.mark.parametrize("how", range(1, 9))
def test_a_photograph_is_put_upright_as_its_file_says(how):
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    from PIL import ImageOps

    picture = np.repeat(np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3) * 50, 8, 0), 8, 1)
    exif = image_module.Exif()
    exif[0x0112] = how
    raw = png(picture, "JPEG", exif=exif, quality=100)
    found = readers.read_sets(zipped({"1/a.jpg": raw, "2/b.jpg": raw})).train.images[0]
    upright = np.asarray(ImageOps.exif_transpose(image_module.open(io.BytesIO(raw))))
    assert np.array_equal(upright, found)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "WEBP", "AVIF"])
def test_pictures_of_other_kinds_are_read_whatever_they_are_called(kind):
    features = pytest.importorskip("PIL.features", reason="Pillow is not installed")
    if kind in ("WEBP", "AVIF") and kind.lower() not in features.get_supported():
        pytest.skip(f"this Pillow reads no {kind}")
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}.get(kind, {})
    files = {f"{y}/{i}.png": png(x, kind, **options) for i, (x, y) in rows(40)}
    found = readers.read_sets(zipped(files)).train
    by_path = sorted(range(40), key=lambda i: f"{LABELS[i]}/{i}.png")
    assert np.array_equal(IMAGES[by_path], found.images)
    other = {name.replace(".png", f".{kind.lower()}"): raw for name, raw in files.items()}
    assert found.digest == readers.read_sets(zipped(other)).train.digest


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "AVIF"])
def test_a_file_of_several_pictures_is_refused(kind):
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    if kind == "AVIF" and "avif" not in pytest.importorskip("PIL.features").get_supported():
        pytest.skip("this Pillow reads no AVIF")
    one, two = (image_module.fromarray(x) for x in IMAGES[:2])
    stream = io.BytesIO()
    one.save(stream, kind, save_all=True, append_images=[two])
    with pytest.raises(FormatError, match="holds several pictures: save each as a file"):
        readers.read(zipped({"1/a.png": stream.getvalue(), "2/b.png": png(IMAGES[0])}))


def test_a_webp_that_claims_a_vast_size_is_refused_unopened(monkeypatch):
    sides = (16_382).to_bytes(3, "little") * 2
    head = b"RIFF\x16\0\0\0WEBPVP8X\n\0\0\0" + bytes(4) + sides
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    monkeypatch.setattr(image_module, "open", None)
    with pytest.raises(FormatError, match="1/a.webp: 16,383 x 16,383 pixels, more than"):
        readers.read(zipped({"1/a.webp": head, "2/a.webp": head}))


def test_backslashes_of_windows_are_slashes():
    files = {f"digits/{y}/{i}.png": png(x) for i, (x, y) in rows(40)}
    packed = bytearray(zipped({name.replace("/", "!"): raw for name, raw in files.items()}))
    for name in files:
        changed = name.replace("/", "!").encode()
        packed = packed.replace(changed, name.replace("/", "\\").encode())
    assert 10 == readers.read_sets(bytes(packed)).train.classes


def test_pictures_without_any_class_are_there_to_be_answered_in_the_order_of_their_numbers():
    files = {f"all/{i}.png": png(x) for i, (x, _) in rows(12)}
    with pytest.raises(FormatError, match="nothing tells its class"):
        readers.read(zipped(files))
    found = readers.read_images(zipped(files))
    assert np.array_equal(IMAGES[:12], found.images)
    assert ("Nothing tells classes: images alone, from 0.png to 11.png.",) == found.notes


def test_one_picture_is_there_to_be_answered():
    assert readers.is_picture(png(IMAGES[0])) and not readers.is_picture(idx(IMAGES))
    for raw in (png(IMAGES[0]), png(255 - IMAGES[0]), gzip.compress(png(IMAGES[0], "BMP"))):
        assert np.array_equal(IMAGES[:1], readers.read_images(raw).images)
    sheet = np.kron(255 - IMAGES[0], np.ones((8, 8), np.uint8))
    found = readers.read_images(png(sheet))
    assert (1, 28, 28) == found.images.shape and "framed as MNIST's" in found.notes[0]
    assert np.abs(found.images[0].astype(int) - IMAGES[0]).mean() < 12
    with pytest.raises(FormatError, match="a PNG picture, not a data set"):
        readers.read(png(IMAGES[0]))


def test_tables_that_were_scaled_apart_are_refused():
    files = {"train.csv": csv(IMAGES // 16, LABELS), "test.csv": csv(IMAGES // 16 + 1, LABELS)}
    with pytest.raises(FormatError, match="of different scales .test: Pixels were from 0 to 16"):
        readers.read(zipped(files))


# Archives ----------------------------------------------------------------------------------


def test_a_competition_is_trained_on_and_its_test_images_are_there_to_be_answered():
    files = {
        "train.csv": csv(IMAGES[:80], LABELS[:80], header=f"label,{PIXELS}"),
        "test.csv": unlabelled(IMAGES[80:], PIXELS),
        "sample_submission.csv": b"ImageId,Label\n" + b"".join(b"%d,0\n" % i for i in range(1, 41)),
    }
    found = readers.read_sets(zipped(files))
    assert is_digits(found.train, 0, 80) and found.test is None
    assert "test.csv has no labels, and is left out" in found.notes[0]
    assert "One other file was left out, such as sample_submission.csv." in found.notes
    assert np.array_equal(IMAGES[80:], readers.read_images(zipped(files)).images)
    assert np.array_equal(IMAGES[80:], readers.read_images(files["test.csv"]).images)
    with pytest.raises(FormatError, match="only labels: each row needs the pixels"):
        readers.read(files["sample_submission.csv"])


def test_what_an_archive_holds_twice_is_read_once():
    packed = {f"MNIST/raw/{name}.gz": gzip.compress(raw) for name, raw in FOUR.items()}
    plain = {f"MNIST/raw/{name}": raw for name, raw in FOUR.items()}
    dotted = {name.replace("-idx", ".idx"): raw for name, raw in plain.items()}
    found = readers.read_sets(zipped(plain | packed | dotted))
    assert is_digits(found.train, 0, 80) and is_digits(found.test, 80)
    assert (
        "is the same as" in found.notes[0] and "and 7 others are there twice too" in found.notes[0]
    )


def test_labels_that_are_equal_belong_each_to_their_images():
    labels = np.sort(np.arange(40) % 10).astype(np.uint8)
    files = {
        "train-images-idx3": idx(IMAGES[:40]), "train-labels-idx1": idx(labels),
        "t10k-images-idx3": idx(IMAGES[40:80]), "t10k-labels-idx1": idx(labels),
    }  # fmt: skip
    found = readers.read_sets(zipped(files))
    assert np.array_equal(labels, found.train.labels) and np.array_equal(labels, found.test.labels)


def test_an_archive_of_tables_and_idx_files_gives_the_idx_files():
    tables = {"fashion_train.csv": csv(IMAGES, LABELS), "fashion_test.csv": csv(IMAGES, LABELS)}
    found = readers.read_sets(zipped(tables | FOUR))
    assert (80, 40) == (len(found.train), len(found.test))
    assert ("2 other files were left out, such as fashion_test.csv.",) == found.notes


def test_a_poster_beside_tables_is_no_data_and_a_set_of_pictures_is():
    table = {"sign_train.csv": csv(IMAGES, LABELS, header=f"label,{PIXELS}")}
    poster = png(np.full((30, 40, 3), 200, np.uint8))
    found = readers.read_sets(
        zipped(table | {"amer_sign2.png": poster, "american_sign.png": poster})
    )
    assert is_digits(found.train)
    assert ("2 other files were left out, such as amer_sign2.png.",) == found.notes
    many = {f"{y % 2}/{i}.png": png(x) for i, (x, y) in rows(20)}
    for other in (table, {"means.npy": npy(IMAGES)}):
        with pytest.raises(FormatError, match="20 pictures in folders named by class, and"):
            readers.read(zipped(many | other))


def test_archives_of_numpy_inside_an_archive_are_data():
    files = {
        f"kmnist-{part}-{kind}.npz": npz(arr_0=array)
        for part, kind, array in (
            ("train", "imgs", IMAGES[:80]), ("train", "labels", LABELS[:80]),
            ("test", "imgs", IMAGES[80:]), ("test", "labels", LABELS[80:]),
        )
    }  # fmt: skip
    found = readers.read_sets(zipped(files))
    assert is_digits(found.train, 0, 80) and is_digits(found.test, 80)


def test_further_arrays_are_left_out_unless_they_are_the_images():
    more = {"mean": IMAGES.mean(axis=0), "seed": np.array(7), "ids": np.arange(120)}
    words = {"class_list": np.array(["zero", "one"])}
    found = readers.read_sets(npz(x=IMAGES, y=LABELS, **more, **words))
    assert is_digits(found.train)
    said = " ".join(found.notes)
    assert "left out: ids, mean, seed" in said and "left out: class_list" in said
    with pytest.raises(FormatError, match="holds Python objects"):
        readers.read(npz(x=np.array([IMAGES[0], IMAGES[1, :20]], object), y=LABELS[:2]))


def test_a_file_a_class_is_a_class_a_file():
    parts = {f"full_numpy_bitmap_{name}.npy": k for k, name in enumerate(("cat", "dog"))}
    arrays = {name: IMAGES[LABELS == k].reshape(-1, 784) for name, k in parts.items()}
    found = readers.read_sets(zipped({name: npy(array) for name, array in arrays.items()}))
    assert ("cat", "dog") == found.train.class_names
    assert list(map(len, arrays.values())) == found.train.class_counts().tolist()
    assert ("Each array was taken for a class: cat, dog.",) == found.notes


def tarred(files: dict[str, bytes], **options) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **options) as archive:
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return stream.getvalue()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_archive_holds_what_a_zip_does(form):
    deep = "x" * 90 + "/" + "y" * 90
    files = {f"./{deep}/{y}/{i}.png": png(x) for i, (x, y) in rows(40)}
    raw = tarred(files, format=form)
    assert "tar" == readers.recognise(raw)
    expected = readers.read_sets(zipped(files)).train
    for packed in (raw, gzip.compress(raw)):
        assert expected.digest == readers.read_sets(packed).train.digest
    found = readers.read_sets(gzip.compress(tarred(FOUR, format=form)))
    assert is_digits(found.train, 0, 80) and is_digits(found.test, 80)


def test_a_tar_archive_that_was_cut_short_anywhere_is_refused(monkeypatch):
    raw = tarred({name: raw[:700] for name, raw in FOUR.items()})
    ended = raw.rstrip(b"\0")
    for end in range(300, len(ended), 97):
        with pytest.raises(FormatError):
            readers.read(raw[:end])
    monkeypatch.setattr(tar, "MAX_MEMBERS", 1)
    with pytest.raises(FormatError, match="3 files, and"):
        readers.read(raw)


def test_links_and_endless_names_in_a_tar_archive_are_no_files():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        link = tarfile.TarInfo("train.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(FormatError, match="no file at all"):
        readers.read(stream.getvalue())
    with pytest.raises(FormatError, match="has no end"):
        readers.read(tarred({"n" * 70_000: b"1"}, format=tarfile.GNU_FORMAT))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        *((bytes([0x80, n]) + b"cnumpy\n", "a Python pickle") for n in (2, 3, 4, 5)),
        (b"% Author: A, B\n%\n@RELATION mnist_784\n", "an ARFF without its line @DATA"),
        (b"@relation 'a, b'\n@data\n1,2\n", "an ARFF without an attribute"),
        (b"6 128:3 129:18 130:126\n", "a LIBSVM table"),
        (zipped({"archive/data.pkl": b"\x80\x02.", "archive/data/0": bytes(64)}), "a PyTorch file"),
    ],
)
def test_what_is_not_opened_is_called_what_it_is(raw, message):
    assert message in readers.inspect(raw).fault
    with pytest.raises(FormatError, match=message):
        readers.read(raw)


def arff(images, labels, *, kind: str = "{0,1,2,3,4,5,6,7,8,9}", mark: str = "") -> bytes:
    """Return a table as OpenML's mnist_784 is written: comments, attributes, rows."""
    lines = ["% Author: A, B, C", "%", "@RELATION mnist_784", ""]
    lines += [f"@ATTRIBUTE pixel{i} real" for i in range(1, 785)]
    lines += [f"@ATTRIBUTE 'class' {kind}", "", "@DATA"]
    rows = images.reshape(len(images), -1).tolist()
    pairs = zip(rows, labels, strict=True)
    lines += [",".join([*map(str, row), f"{mark}{label}{mark}"]) for row, label in pairs]
    return ("\n".join(lines) + "\n").encode()


def test_an_arff_is_a_table_with_its_label_last():
    for raw in (arff(IMAGES, LABELS), arff(IMAGES, LABELS, mark="'").replace(b"\n", b"\r\n")):
        assert "arff" == readers.recognise(raw)
        found = readers.read(raw)
        assert is_digits(found.train) and "ARFF table" == found.form
    assert is_digits(readers.read(gzip.compress(arff(IMAGES, LABELS))).train)
    assert is_digits(readers.read(arff(IMAGES, LABELS, kind="numeric")).train)
    named = arff(IMAGES, LABELS).replace(b"'class'", b"x")
    assert is_digits(readers.read(named).train)
    assert is_digits(readers.read(zipped({"mnist.arff": arff(IMAGES, LABELS)})).train)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"{0,1,2,3,4,5,6,7,8,9}", b"{cat,'dog'}"), "row 792: “0” is none of the words"),
        ((b"pixel7 real", b"pixel7 {cat,'dog'}"), "its attribute pixel7 has words, such as cat"),
        ((b"pixel7 real", b"pixel7 string"), "its attribute pixel7 is of type string"),
        ((b"@DATA\n", b"@DATA\n{0 1, 784 5}\n"), "a sparse ARFF"),
        ((b"@DATA\n", b"@DATA\n1,2,3\n"), "row 792 has 3 columns, the first row 785"),
    ],
)
def test_an_arff_that_is_no_table_of_numbers_is_refused(change, message):
    raw = arff(IMAGES[:5], LABELS[:5])
    assert change[0] in raw
    with pytest.raises(FormatError, match=message):
        readers.read(raw.replace(*change))


# IDX files of every type ---------------------------------------------------------------------


def test_the_first_of_qmnists_eight_columns_is_the_digit():
    columns = np.zeros((120, 8), np.int32)
    columns[:, 0], columns[:, 4] = LABELS, LABELS + 48
    found = readers.read(idx(columns), name="qmnist-train-labels-idx2-int.gz")
    assert np.array_equal(LABELS, found.labels) and "eight columns" in found.notes[0]


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (LABELS[:, None], "a"), (LABELS.astype(np.float32), "a"), (LABELS[:, None, None], "a"),
        (np.eye(10, dtype=np.uint8)[LABELS], "labels-idx2-ubyte"), (LABELS.astype(np.int16), "a"),
    ],
)  # fmt: skip
def test_idx_labels_of_any_shape_are_read_as_those_of_an_npy(array, name):
    found = readers.read(idx(array), name=name)
    assert found.images is None and np.array_equal(LABELS, found.labels)


@pytest.mark.parametrize(
    "array",
    [
        (IMAGES / 255).astype(np.float32), IMAGES[:, None], np.stack([IMAGES] * 3, axis=-1),
        IMAGES.reshape(120, 784), IMAGES.astype(np.int16), (IMAGES / 127.5 - 1).astype(np.float64),
    ],
)  # fmt: skip
def test_idx_images_of_any_type_are_read_as_those_of_an_npy(array):
    assert np.array_equal(IMAGES, readers.read(idx(array)).images)


# Tables and their habits ---------------------------------------------------------------------

PLAIN = csv(IMAGES, LABELS)
NUMBERS = ",".join(map(str, range(785)))


def numbered(table: bytes, header: str = "") -> bytes:
    lines = [b"%d,%s" % (i, line) for i, line in enumerate(table.split(b"\n")[:-1])]
    return b"\n".join([*([header.encode()] if header else []), *lines]) + b"\n"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(NUMBERS.encode() + b"\n" + PLAIN, id="pandas-without-index"),
        pytest.param(numbered(PLAIN, f",{NUMBERS}"), id="pandas"),
        pytest.param(numbered(PLAIN), id="pandas-without-header"),
        pytest.param(PLAIN.replace(b"\n", b",\n"), id="comma-behind"),
        pytest.param(PLAIN.replace(b"\n", b"\r"), id="old-mac"),
        pytest.param(b"\r\n\n" + PLAIN.replace(b"\n", b"\r\n"), id="blank-lines-first"),
        pytest.param(b"sep=;\r\n" + PLAIN.replace(b",", b";"), id="excel"),
        pytest.param(PLAIN.replace(b",", b" "), id="blanks"),
        pytest.param(PLAIN.replace(b",", b"   ").replace(b"\n", b" \n "), id="more-blanks"),
        pytest.param(PLAIN[:-1], id="no-last-end"),
        pytest.param(PLAIN.replace(b",", b" ")[:-1] + b" ", id="blank-for-an-end"),
        pytest.param(PLAIN.decode().encode("utf-16"), id="powershell"),
        pytest.param(("\ufeff" + PLAIN.decode()).encode("utf-16-be"), id="utf-16-be"),
        pytest.param(gzip.compress(PLAIN.decode().encode("utf-16")), id="utf-16-packed"),
        pytest.param(gzip.compress(PLAIN), id="packed"),
    ],
)
def test_a_table_is_read_with_the_habits_of_whoever_wrote_it(raw):
    assert is_digits(readers.read_sets(raw).train)


def test_a_table_cut_within_the_habit_of_a_comma_behind_is_cut():
    with pytest.raises(FormatError, match="row 120 is cut off"):
        readers.read(PLAIN.replace(b"\n", b",\n")[:-2])


def test_ten_columns_with_a_single_one_a_row_are_the_label():
    behind = np.hstack([IMAGES.reshape(120, -1), np.eye(10, dtype=int)[LABELS]])
    before = np.hstack([np.eye(10, dtype=int)[LABELS], IMAGES.reshape(120, -1)])
    header = ",".join([PIXELS, *(f"is_{k}" for k in range(10))])
    for table, first in ((behind, ""), (before, ""), (behind, header)):
        found = readers.read_sets(unlabelled(table, first))
        assert is_digits(found.train)
        assert "10 columns have a single 1 in each row" in found.notes[0]
    twice = behind.copy()
    twice[5, -10:] = 1
    with pytest.raises(
        FormatError, match="no column of labels: beside pixels the header names is_0"
    ):
        readers.read(unlabelled(twice, header))


def test_the_one_column_with_another_name_is_the_label():
    for last in (False, True):
        header = f"{PIXELS},emotion" if last else f"emotion,{PIXELS}"
        assert is_digits(readers.read_sets(csv(IMAGES, LABELS, header=header, last=last)).train)


def test_pixels_from_minus_one_to_one_are_stretched_with_a_word():
    usps = IMAGES / 127.5 - 1
    lines = [
        f"{y:.4f} " + " ".join(f"{v:.4f}" for v in x.ravel()) + " \n"
        for x, y in zip(usps, LABELS, strict=True)
    ]
    found = readers.read_sets("".join(lines).encode())
    assert np.abs(found.train.images.astype(int) - IMAGES).max() <= 1
    assert ("Pixels were from -1 to 1: stretched to 0 to 255.",) == found.notes
    with pytest.raises(FormatError, match="goes from -0.9 to 1"):
        readers.read(npz(x=np.maximum(usps, -0.9), y=LABELS))
