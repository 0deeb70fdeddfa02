"""Parquet: tables as Hugging Face, pandas and Arrow write them, and what no table may ask for."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnengine.data import readers
from nnengine.data.limits import Deadline
from nnengine.data.readers.parquetpages import chunks, count
from nnengine.data.synthetic import digits
from nnengine.errors import FormatError
from tests.files import peak_memory, png, zipped

ROOT = Path(__file__).resolve().parent.parent
DIGITS = digits(120, seed=11)
IMAGES, LABELS = DIGITS.images, DIGITS.labels


def table(columns: dict, metadata: dict | None = None, **options) -> bytes:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    made = pa.table(columns)
    stream = io.BytesIO()
    pq.write_table(made.replace_schema_metadata(metadata) if metadata else made, stream, **options)
    return stream.getvalue()


def encoded(start: int = 0, stop: int = 120, **options) -> dict:
    """Return columns as Hugging Face's sets of images have them."""
    images = [{"bytes": png(x), "path": None} for x in IMAGES[start:stop]]
    return {"image": images, "label": LABELS[start:stop].astype(np.int64), **options}


def flat(**more) -> dict:
    return {f"pixel{i}": IMAGES.reshape(120, -1)[:, i] for i in range(784)} | more


def is_digits(found, start: int = 0, stop: int = 120) -> bool:
    return np.array_equal(found.images, IMAGES[start:stop]) and np.array_equal(
        found.labels, LABELS[start:stop]
    )


def refused(raw: bytes, **options) -> str:
    with pytest.raises(FormatError) as caught:
        readers.read(raw, name="t.parquet", **options)
    return str(caught.value)


# What is read ----------------------------------------------------------------------------


@pytest.mark.parametrize("packing", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_pictures_and_labels_of_hugging_face_are_read_however_they_are_packed(packing):
    raw = table(encoded(), compression=packing, row_group_size=50)
    assert "parquet" == readers.recognise(raw)
    found = readers.read(raw)
    assert is_digits(found.train) and "Parquet table" == found.form and () == found.notes


def test_classes_are_called_as_hugging_faces_description_says_those_without_an_image_too():
    names = ["nil", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    said = json.dumps({"info": {"features": features}}).encode()
    found = readers.read(table(encoded(), {"huggingface": said})).train
    assert is_digits(found) and tuple(names) == found.class_names
    for wrong in (b"{", b"[]", said.replace(b'"ten"', b'"nil"'), b"[" * 100_000):
        found = readers.read(table(encoded(), {"huggingface": wrong})).train
        assert is_digits(found) and 10 == found.classes


def test_a_pixel_a_column_is_read_as_the_same_csv_is():
    assert is_digits(readers.read(table({"label": LABELS} | flat())).train)
    found = readers.read(table(flat(**{"class": LABELS, "__index_level_0__": np.arange(120)})))
    assert is_digits(found.train)
    alone = readers.read(table(flat()))
    assert alone.train is None and np.array_equal(IMAGES, alone.images)
    scaled = {name: column / np.float32(255) for name, column in flat().items()}
    found = readers.read(table({"label": LABELS} | scaled))
    assert is_digits(found.train) and "fractions from 0 to 1" in found.notes[0]


def test_words_are_labels_whatever_the_pixels_lie_in():
    words = np.array([f"digit {label}" for label in LABELS])
    lists = IMAGES.reshape(120, -1).tolist()
    for columns in (flat(label=words), encoded() | {"label": words}, {"x": lists, "y": words}):
        found = readers.read(table(columns)).train
        assert is_digits(found)
        assert tuple(f"digit {i}" for i in range(10)) == found.class_names


def test_lists_of_pixels_and_lists_of_rows_are_images():
    for lists in (IMAGES.tolist(), IMAGES.reshape(120, -1).tolist(), IMAGES[..., None].tolist()):
        assert is_digits(readers.read(table({"image": lists, "label": LABELS})).train)
    assert "its images differ in size" in refused(table({"image": [[1, 2], [3]], "label": [0, 1]}))
    uneven = table({"image": [[1, 2, 3], [4]], "label": [0, 1]})  # four pixels, two images
    assert "its images differ in size" in refused(uneven)


def test_training_test_and_all_shards_of_each_are_found_in_a_folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    for name, start, stop in (
        ("train-00000-of-00002", 0, 30),
        ("train-00001-of-00002", 30, 80),
        ("test-00000-of-00001", 80, 120),
    ):
        (tmp_path / "data" / f"{name}.parquet").write_bytes(table(encoded(start, stop)))
    found = readers.read_sets(tmp_path)
    assert is_digits(found.train, 0, 80) and is_digits(found.test, 80, 120)
    (tmp_path / "data" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(FormatError, match="train.parquet comes in 2 files, and 1 of them are not"):
        readers.read_sets(tmp_path)


def test_classes_keep_their_names_in_shards_that_lack_some_of_them():
    words = np.array([f"digit {label}" for label in LABELS])
    shards = {
        f"{i:05}": {"image": encoded(60 * i, 60 * i + 60)["image"], "label": part}
        for i, part in enumerate((np.full(60, "digit 9"), words[60:]))
    }
    files = {f"a-{i}-of-00002.parquet": table(columns) for i, columns in shards.items()}
    found = readers.read(zipped(files)).train
    assert ["digit 9"] * 60 == [found.class_names[i] for i in found.labels[:60]]
    assert words[60:].tolist() == [found.class_names[i] for i in found.labels[60:]]


def test_images_without_labels_are_there_to_be_answered():
    for columns in ({"image": encoded()["image"]}, encoded() | {"label": np.full(120, -1)}):
        found = readers.read(table(columns))
        assert found.train is None and np.array_equal(IMAGES, found.images)
    assert "All labels are -1: images without labels." in found.notes


def test_a_broken_picture_in_a_hundred_is_left_out_with_its_label():
    columns = encoded()
    columns["image"][7] = {"bytes": None, "path": None}
    found = readers.read(table(columns))
    assert np.array_equal(np.delete(LABELS, 7), found.train.labels)
    assert "One picture is damaged, such as row 8: left out." in found.notes


def test_which_column_the_labels_are_is_said_where_none_is_called_so():
    pictures = {"img": encoded()["image"]}
    found = readers.read(table(pictures | {"fine_label": LABELS, "coarse_label": LABELS // 5}))
    assert is_digits(found.train) and "Labels are those of the column fine_label." in found.notes
    found = readers.read(table(pictures | {"n": LABELS, "who": ["x"] * 120}))
    assert is_digits(found.train) and "Labels are those of the column n." in found.notes
    text = refused(table(pictures | {"m": LABELS, "n": LABELS}))
    assert "t.parquet: no column of labels: beside images there are m, n: call it" in text


# What is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"text": ["a", "b"], "label": [0, 1]}, "its column text holds no numbers"),
        ({"image": [[1]] * 2, "label": [0, None]}, "a label is missing"),
        ({"a": [[1, None]], "label": [0]}, "a pixel is missing"),
        ({"label": [0, 1, 1], "p0": [1, None, 3]}, "its column p0 has empty cells"),
        ({"a": [b"x"], "b": [b"y"]}, "several columns may be the images, a, b"),
        ({"image": [], "label": []}, "has no rows"),
    ],
)
def test_a_table_that_makes_no_set_is_refused_with_the_reason(columns, text):
    assert text in refused(table(columns))


def test_paths_without_their_pictures_are_refused():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    paths = pa.array([{"bytes": None, "path": "a.png"}] * 3, kind)
    assert "holds no pictures, at the most their paths" in refused(table({"image": paths}))


def test_a_table_that_was_cut_short_or_damaged_is_refused():
    raw = table(encoded())
    assert "its end" not in refused(raw[:-100]) and "it was cut short" in refused(raw[:-100])
    said = (len(raw)).to_bytes(4, "little")
    assert "is damaged or was cut short" in refused(raw[:-8] + said + b"PAR1")
    assert "is damaged" in refused(raw[:4] + bytes(9000) + raw[9004:])


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch):
    raw = b"PAR1\0\1\0\0\0PAR1"  # with a footer that says nothing
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    text = refused(raw)
    assert "Parquet needs pyarrow, which is not installed: pip install 'nnengine[formats]'" in text
    monkeypatch.setattr(sys, "platform", "emscripten")  # in a browser's tab
    assert "is not installed: open it with nnengine on a machine, or give" in refused(raw)


# Bounds ----------------------------------------------------------------------------------


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no /proc")
def test_pictures_are_unpacked_a_batch_at_a_time_within_twice_the_sets_bytes(tmp_path):
    """Beyond the set itself, of a process that has read such a table before."""
    images = [{"bytes": png(x), "path": None} for x in IMAGES] * 100
    for name, rows in (("small", 20), ("train", len(images))):
        columns = {"image": images[:rows], "label": np.tile(LABELS, 100)[:rows]}
        (tmp_path / f"{name}.parquet").write_bytes(table(columns, use_dictionary=False))
    words = [sys.executable, "benchmarks/reading_formats.py", "--hold", tmp_path / "train.parquet"]
    # One pool for all, or what is measured is how two allocators keep what they were given back.
    calm = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
    said = subprocess.run(
        words, cwd=ROOT, check=True, capture_output=True, text=True, env=calm
    ).stdout
    more, size = map(float, said.split())
    assert 12_000 * (784 + 1) == size
    assert more <= 3 * size  # the set, and twice as much; 3.9 where all pictures were held


def test_a_dictionary_of_one_large_value_makes_no_more_of_it_than_is_allowed():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    one = pa.array([bytes(1 << 19)], pa.binary())
    many = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), one)
    stream = io.BytesIO()
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    pq.write_table(pa.table({"image": many}), stream, store_schema=False)
    raw = stream.getvalue()
    assert len(raw) < 200_000  # and 10 GB once unpacked
    assert "more than 16,777,216 bytes of pictures" in refused(raw, max_bytes=1 << 24)
    assert peak_memory(lambda: refused(raw, max_bytes=1 << 24)) < 1 << 27


def test_columns_that_unpack_to_more_than_is_allowed_are_refused_before_they_do():
    zeros = {f"p{i}": np.zeros(100_000, np.uint8) for i in range(64)}
    raw = table(zeros)
    assert len(raw) < 100_000
    assert "more than the 1,000,000 bytes of values allowed" in refused(raw, max_bytes=10**6)
    assert peak_memory(lambda: refused(raw, max_bytes=10**6)) < 1 << 24
    long = table({"image": [[0] * 3_000_000], "label": [0]})
    assert "more than the 1,000,000 bytes of values allowed" in refused(long, max_bytes=10**6)


def test_a_page_that_says_it_unpacks_to_gigabytes_is_refused():
    """The first page of a column: its type, then the bytes that it unpacks to, zigzag."""
    one_page = {"use_dictionary": False, "compression": "none", "store_schema": False}
    raw = table({"image": [bytes(range(256)) * 4000] * 3}, **one_page)
    assert b"\x15\x00\x15" == raw[4:7] and all(byte > 127 for byte in raw[7:10])
    said = b"\xfe\xff\xff\x0f"  # 2**24 more or less, in as many bytes
    assert raw[10] < 128
    false = raw[:7] + said + raw[11:]
    assert "more than the 10,000,000 bytes of values allowed" in refused(false, max_bytes=10**7)


def test_pages_are_counted_as_they_are():
    raw = table({"n": np.arange(1000), "m": np.arange(1000)}, use_dictionary=False,
                compression="none", row_group_size=300, data_page_version="2.0")  # fmt: skip
    held = chunks(io.BytesIO(raw))
    assert [0, 1] * 4 == [chunk.column for chunk in held] and 4 == held[0].start
    found = count(io.BytesIO(raw), [c for c in held if c.column == 0], Deadline(), 10**6)
    assert (1000, 2403) == (found.values, found.largest)
    assert 8000 + 4 * 3 == found.unpacked  # eight bytes a number, three of levels a page


def test_a_deadline_is_kept_in_a_long_table():
    raw = table(encoded())
    assert "not read within 0 s" in refused(raw, seconds=0)
