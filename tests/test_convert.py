"""Convert: a data set comes out of every format as it went in, and nothing that is read is lost."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from nnengine import shipped
from nnengine.cli import main
from nnengine.data import readers, writing
from nnengine.data.dataset import Dataset
from nnengine.data.readers import writers
from nnengine.data.readers.writers import Part
from nnengine.data.synthetic import digits
from nnengine.errors import ConfigError
from tests.files import csv, idx, npz, png

ROOT = Path(__file__).resolve().parent.parent
DIGITS = digits(60, seed=11)
IMAGES, LABELS = DIGITS.images, DIGITS.labels
FORMATS = ["out.npz", "out.zip", "out --to png", "out --to idx", "out --to npz", "out --to csv"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.npz").write_bytes(
        npz(x_train=IMAGES[:40], y_train=LABELS[:40], x_test=IMAGES[40:], y_test=LABELS[40:])
    )
    return tmp_path


def run(line: str) -> int:
    return main(["convert", *line.split()])


def same(found, start: int = 0, stop: int = 60) -> bool:
    """Return whether these are the images with their labels, in whichever order."""

    def keys(images, labels):
        return sorted((x.tobytes(), int(y)) for x, y in zip(images, labels, strict=True))

    return keys(found.images, found.labels) == keys(IMAGES[start:stop], LABELS[start:stop])


def without_pyarrow(line: str) -> None:
    if "parquet" in line:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")


# There and back ----------------------------------------------------------------------------


@pytest.mark.parametrize("line", [*FORMATS, "out --to parquet"])
def test_a_training_and_a_test_set_come_back_from_every_format(here, line, capsys):
    without_pyarrow(line)
    assert 0 == run(f"in.npz {line}")
    assert "40 train, 20 test" in capsys.readouterr().out
    found = readers.read_sets(here / line.split()[0])
    assert same(found.train, 0, 40) and same(found.test, 40)
    assert sorted(["in.npz", line.split()[0]]) == sorted(file.name for file in here.iterdir())


@pytest.mark.parametrize("target", ["out.csv", "out.csv.gz", "out.parquet", "out.npz", "pictures"])
def test_one_part_comes_back_from_every_format(here, target):
    without_pyarrow(target)
    assert 0 == run(f"in.npz {target} --part test")
    found = readers.read_sets(here / target)
    assert found.test is None and same(found.train, 40)


def test_images_without_labels_stay_in_their_order(here):
    (here / "images").write_bytes(idx(IMAGES))
    for target in ("out.npz", "out.csv", "pictures", "out.zip"):
        assert 0 == run(f"images {target}")
        assert np.array_equal(IMAGES, readers.read_images(here / target).images), target


def test_a_pair_of_idx_files_and_a_set_by_its_name_are_data(here, capsys):
    (here / "images").write_bytes(idx(IMAGES))
    (here / "labels").write_bytes(idx(LABELS))
    assert 0 == run("images labels out.csv")
    assert (
        csv(IMAGES, LABELS, header=",".join(["label", *(f"pixel{i}" for i in range(784))]))
        == (here / "out.csv").read_bytes()
    )
    assert 0 == run("digits out.npz --json")
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"train": 12000, "test": 2000} == said["parts"]


def test_equal_data_make_equal_files(here):
    for target in ("out.npz", "out.zip"):
        run(f"in.npz {target}")
        first = (here / target).read_bytes()
        run(f"in.npz {target}")
        assert first == (here / target).read_bytes()


def test_names_of_classes_are_kept_where_there_is_room_and_said_where_there_is_none(here, capsys):
    words = np.array(["cat", "dog/wolf", "owl"])[LABELS % 3]
    for i, word in enumerate(words):
        (here / "in" / word.replace("/", "-")).mkdir(parents=True, exist_ok=True)
        (here / "in" / word.replace("/", "-") / f"{i}.png").write_bytes(png(IMAGES[i]))
    assert 0 == run("in out.csv")
    assert "left behind, as csv has no room for them: class names" in capsys.readouterr().out
    assert 0 == run("in out")
    assert ("cat", "dog-wolf", "owl") == readers.read_sets(here / "out").train.class_names
    without_pyarrow("parquet")
    assert 0 == run("in out.parquet")
    assert ("cat", "dog-wolf", "owl") == readers.read_sets(here / "out.parquet").train.class_names


def test_images_are_put_right_as_they_are_written(here, capsys):
    (here / "dark").write_bytes(npz(x=255 - IMAGES.transpose(0, 2, 1), y=LABELS))
    assert 0 == run("dark out.npz")
    said = capsys.readouterr().err
    assert "--invert puts it right" in said
    assert 0 == run("dark out.npz --invert --turn")
    assert same(readers.read_sets(here / "out.npz").train)


def test_data_go_through_pipes_both_ways(here):
    command = [sys.executable, "-m", "nnengine", "convert", "-", "/dev/stdout"]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}

    def piped(data: bytes, *more: str) -> bytes:
        done = subprocess.run([*command, *more], input=data, capture_output=True, env=settings)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    given = (here / "in.npz").read_bytes()
    found = readers.read_sets(piped(piped(given, "--to", "idx")))
    assert same(found.train, 0, 40) and same(found.test, 40)
    table = piped(given, "--to", "csv", "--part", "test")
    assert table.startswith(b"label,pixel0,") and same(readers.read_sets(table).train, 40)
    assert ["in.npz"] == [file.name for file in here.iterdir()]


# Refused -----------------------------------------------------------------------------------


def test_nothing_that_is_read_is_written_over(here, capsys):
    before = (here / "in.npz").read_bytes()
    assert 2 == run("in.npz in.npz") and "would be lost" in capsys.readouterr().err
    assert before == (here / "in.npz").read_bytes()
    run("in.npz pictures")
    for line in ("pictures pictures/more", "pictures pictures"):
        assert 2 == run(line)
    said = capsys.readouterr().err
    assert "lies in pictures, which is read" in said
    assert 2 == run("in.npz pictures")
    assert "Directory not empty: give the name of a new folder" in capsys.readouterr().err
    assert same(readers.read_sets(here / "pictures").train, 0, 40)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("in.npz out.csv", "a .csv holds one set, and there are two: --part train or --part test"),
        ("in.npz out.txt", "the ending says how to save data"),
        ("in.npz out.csv --to npz", "ends as csv does, and --to says npz"),
        ("in.npz out.csv --part images", "the data have no such part, only train, test"),
        ("in.npz in.npz in.npz out.csv", "convert takes IMAGES LABELS or one word"),
        ("labels out.csv", "holds labels and no images"),
        ("model.npz out.nnm --to csv", "--to is for data, and model.npz is a model"),
        ("nothing.npz out.csv", "nothing.npz"),
    ],
)
def test_what_cannot_be_converted_is_said_and_leaves_nothing(here, line, said, capsys):
    (here / "labels").write_bytes(idx(LABELS))
    shipped("drawing").save(here / "model.npz")
    before = sorted(here.iterdir())
    assert 2 == run(line)
    assert said in capsys.readouterr().err
    assert before == sorted(here.iterdir())


def test_a_folder_that_could_not_be_written_whole_is_not_there(here, monkeypatch):
    def fails(image):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writers, "png", fails)
    assert 2 == run("in.npz pictures")
    assert ["in.npz"] == [file.name for file in here.iterdir()]
    (here / "empty").mkdir()
    with writing.whole_folder(here / "empty") as folder:
        (folder / "a").write_bytes(b"1")
        assert not any((here / "empty").iterdir())
    assert ["a"] == [file.name for file in (here / "empty").iterdir()]


# What is written ---------------------------------------------------------------------------


def test_a_png_is_worked_out_by_hand_and_read_by_pillow():
    image = np.array([[0, 255, 7], [1, 2, 3]], np.uint8)
    raw = writers.png(image)
    assert b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\3\0\0\0\2\10\0\0\0\0" == raw[:29]
    at = raw.index(b"IDAT") + 4
    assert b"\0\0\xff\7\0\1\2\3" == zlib.decompress(raw[at : raw.index(b"IEND") - 8])
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for pixels in (image, np.dstack([image] * 3)):
        with pillow.open(io.BytesIO(writers.png(pixels))) as picture:
            assert np.array_equal(pixels, np.asarray(picture))


def test_a_csv_is_worked_out_by_hand():
    stream = io.BytesIO()
    part = Part(
        np.array([[[0, 9], [10, 255]], [[99, 100], [1, 0]]], np.uint8), np.array([3, 0], "u1")
    )
    writers.to_csv(stream, part)
    assert b"label,pixel0,pixel1,pixel2,pixel3\n3,0,9,10,255\n0,99,100,1,0\n" == stream.getvalue()
    with pytest.raises(ConfigError, match="has no colours"):
        writers.to_csv(stream, Part(np.zeros((2, 3, 3, 3), np.uint8)))


def test_a_parquet_is_one_of_hugging_faces():
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    stream = io.BytesIO()
    names = ("nil", *map(str, range(1, 10)))
    writers.to_parquet(stream, Part.of(Dataset(IMAGES, LABELS, class_names=names)))
    found = pq.read_table(io.BytesIO(stream.getvalue()))
    assert "struct<bytes: binary, path: string>" == str(found.schema.field("image").type)
    assert LABELS.tolist() == found["label"].to_pylist()
    assert writers.png(IMAGES[7]) == found["image"][7].as_py()["bytes"]
    said = json.loads(found.schema.metadata[b"huggingface"])["info"]["features"]
    assert {"names": list(names), "_type": "ClassLabel"} == said["label"]


def test_folders_are_called_as_every_disk_takes_it():
    names = ["T-shirt/top", "a.", "CON", "train", "ok", ":"]
    assert ["T-shirt-top", "a", "class CON", "class train", "ok", "-"] == writers.folder_names(
        names
    )
    with pytest.raises(ConfigError, match="two classes would lie in one folder"):
        writers.folder_names(["a", "A"])


def test_a_packed_csv_has_no_time_stamp(here):
    run("in.npz out.csv.gz --part train")
    raw = (here / "out.csv.gz").read_bytes()
    assert b"\0\0\0\0" == raw[4:8] and gzip.decompress(raw).startswith(b"label,pixel0,")
