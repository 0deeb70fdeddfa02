"""Keep what is whole: the command line has the Data page's choice for files cut short."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from nnengine.cli import main
from nnengine.data import readers
from nnengine.data.synthetic import digits
from nnengine.storage.runs import Store
from tests.files import csv, idx

DIGITS = digits(90, seed=7)
CUT = 30 * 784 + 100  # bytes that are missing: 31 images


@pytest.fixture
def files(tmp_path):
    """The words of a pair of IDX files, a table, and a table that is packed, all cut short."""
    images, labels = idx(DIGITS.images)[:-CUT], idx(DIGITS.labels)
    table = csv(DIGITS.images, DIGITS.labels)
    packed = gzip.compress(table)
    raw = {
        "images": images, "labels": labels, "table.csv": table[:-5000],
        "table.csv.gz": packed[: len(packed) // 2],
    }  # fmt: skip
    for name, data in raw.items():
        (tmp_path / name).write_bytes(data)
    where = {name: str(tmp_path / name) for name in raw}
    return {
        "pair": [where["images"], where["labels"]], "table": [where["table.csv"]],
        "packed": [where["table.csv.gz"]],
    }  # fmt: skip


def run(capsys, *words) -> tuple[int, str, str]:
    status = main(list(map(str, words)))
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize("form", ["pair", "table", "packed"])
def test_what_is_whole_is_offered_by_the_option_and_learnt_from_with_it(
    form, files, tmp_path, capsys
):
    model, words = tmp_path / "m.npz", [*files[form], "--iterations", "2", "--json"]
    status, _, err = run(capsys, "train", *words)
    assert 2 == status and "--keep-whole" in err and "keep_whole" not in err
    status, _, err = run(capsys, "train", *words, "--keep-whole", "--out", model)
    assert 0 == status and "whole" in err and "were kept" in err
    status, out, _ = run(capsys, "evaluate", model, *files[form], "--keep-whole", "--json")
    measured = json.loads(out)["count"]
    assert 0 == status and (59 == measured if form == "pair" else 0 < measured < 90)


def test_images_alone_are_answered_as_far_as_they_are_whole(files, tmp_path, capsys):
    model = tmp_path / "m.npz"
    assert 0 == run(capsys, "train", "digits", "--iterations", "1", "--out", model)[0]
    status, _, err = run(capsys, "predict", model, files["pair"][0])
    assert 2 == status and "59 images of 28x28 can be kept whole (--keep-whole)" in err
    status, out, err = run(capsys, "predict", model, files["pair"][0], "--keep-whole", "--json")
    assert (0, 59) == (status, json.loads(out)["count"])
    assert "images: It does not hold what it says: the 59 whole images were kept." in err


def test_what_is_whole_is_written_in_another_format(files, tmp_path, capsys):
    target = tmp_path / "kept.npz"
    assert 2 == run(capsys, "convert", *files["pair"], target)[0]
    assert not target.exists()
    assert 0 == run(capsys, "convert", *files["pair"], target, "--keep-whole")[0]
    found = readers.read_sets(target).train
    np.testing.assert_array_equal(DIGITS.images[:59], found.images)
    np.testing.assert_array_equal(DIGITS.labels[:59], found.labels)


def test_of_two_files_that_are_whole_nothing_is_left_out(files, tmp_path, capsys):
    (tmp_path / "more").write_bytes(idx(DIGITS.images))
    (tmp_path / "fewer").write_bytes(idx(DIGITS.labels[:80]))
    words = tmp_path / "more", tmp_path / "fewer", "--iterations", "1"
    plain = run(capsys, "train", *words)
    assert 2 == plain[0] and plain == run(capsys, "train", *words, "--keep-whole")


def test_a_kept_run_remembers_that_it_learns_from_what_is_whole(
    files, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("NNENGINE_HOME", str(tmp_path / "home"))
    words = [*files["pair"], "--keep-whole", "--keep", "mine"]
    assert 0 == run(capsys, "train", *words, "--iterations", "2")[0]
    store = Store()
    (kept,) = store.runs("")
    assert kept.request["keep_whole"] is True
    store.close()


def test_info_says_how_much_of_a_file_is_whole(files, capsys):
    status, out, _ = run(capsys, "info", files["pair"][0], "--keep-whole")
    assert 0 == status and "90 images of 28x28" in out and "whole   59 of these" in out
    status, out, _ = run(capsys, "info", files["pair"][1], "--keep-whole")
    assert 0 == status and "of these" not in out
    status, out, _ = run(capsys, "info", files["table"][0], "--keep-whole")
    assert 0 == status and "whole rows were kept" in out
