"""Choosing: of several sets in an archive one is asked for, before any of them is read."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest

from nnengine.cli import main
from nnengine.data import readers
from nnengine.data.readers import hints
from nnengine.data.synthetic import digits
from nnengine.errors import FormatError
from tests.files import idx, npz, zipped

DIGITS = digits(300, seed=11)
IMAGES, LABELS = DIGITS.images, DIGITS.labels
LETTERS = "".join(f"{i} {64 + i} {96 + i}\n" for i in range(1, 27)).encode()
NUMBERS = "".join(f"{i} {48 + i}\n" for i in range(10)).encode()


def emnist(names: str = "balanced letters digits") -> dict[str, bytes]:
    """Return the files of EMNIST's gzip.zip: turned, letters from 1, a mapping a set."""
    turned = np.ascontiguousarray(IMAGES.transpose(0, 2, 1))
    files = {}
    for name in names.split():
        first = int(name == "letters")
        files[f"gzip/emnist-{name}-mapping.txt"] = LETTERS if first else NUMBERS
        for part, some in (("train", slice(0, 300)), ("test", slice(0, 40))):
            stem = f"gzip/emnist-{name}-{part}"
            files[f"{stem}-images-idx3-ubyte.gz"] = gzip.compress(idx(turned[some]), 1)
            files[f"{stem}-labels-idx1-ubyte.gz"] = gzip.compress(idx(LABELS[some] + first), 1)
    return files


def is_digits(found, count: int) -> bool:
    return np.array_equal(found.images, IMAGES[:count]) and np.array_equal(
        found.labels, LABELS[:count]
    )


def test_emnists_sets_are_named_and_none_is_read_before_one_is_chosen():
    files = emnist()
    for name in files:  # whoever read one of these would say so
        if name.endswith(".gz"):
            files[name] = files[name][:100]
    with pytest.raises(FormatError) as caught:
        readers.read(zipped(files), name="gzip.zip")
    assert (
        "gzip.zip: 3 sets, emnist-balanced, emnist-digits, emnist-letters, lie together: choose "
        "one, --set letters on the command line or which=“letters” in Python"
    ) in str(caught.value)
    found = readers.inspect(zipped(files), name="gzip.zip")
    assert ("emnist-balanced", "emnist-digits", "emnist-letters") == found.choices


@pytest.mark.parametrize("which", ["letters", "emnist-letters", "Letters"])
def test_the_chosen_set_is_turned_right_and_called_by_its_mapping(which):
    found = readers.read_sets(zipped(emnist()), which=which)
    assert is_digits(found.train, 300) and is_digits(found.test, 40)
    assert ("Aa", "Zz") == found.train.class_names[::25] == found.test.class_names[::25]
    assert {} == hints.seems(found.train, "emnist") and hints.without_images(found.train)
    said = " ".join(found.notes)
    assert "EMNIST's images lie on their side: they were turned." in said
    assert "in the file their labels begin at 1." in said


def test_one_set_alone_needs_no_choice_and_has_its_mapping():
    for name in ("letters", "digits"):
        found = readers.read_sets(zipped(emnist(name)))
        assert is_digits(found.train, 300)
    assert tuple("0123456789") == found.train.class_names
    upright = emnist("digits")
    upright["gzip/emnist-digits-train-images-idx3-ubyte.gz"] = idx(IMAGES)
    upright["gzip/emnist-digits-test-images-idx3-ubyte.gz"] = idx(IMAGES[:40])
    found = readers.read_sets(zipped(upright))
    assert is_digits(found.train, 300) and not any("on their side" in n for n in found.notes)


def test_what_cannot_be_chosen_is_said():
    raw = zipped(emnist())
    with pytest.raises(FormatError, match="3 sets, .* lie together, and none called kmnist"):
        readers.read(raw, which="kmnist")
    with pytest.raises(FormatError, match="holds one set, and none is to be chosen"):
        readers.read(npz(x=IMAGES, y=LABELS)[:0] + idx(IMAGES), which="letters")


def test_tables_without_parts_are_chosen_by_name():
    mat = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    files = {}
    for name, count in (("emnist-digits", 300), ("emnist-mnist", 200)):
        stream = io.BytesIO()
        mat.savemat(stream, {"x": IMAGES[:count].transpose(1, 2, 0), "y": LABELS[:count]})
        files[f"matlab/{name}.mat"] = stream.getvalue()
    with pytest.raises(FormatError, match="2 tables, and nothing tells .*--set NAME"):
        readers.read(zipped(files))
    assert is_digits(readers.read_sets(zipped(files), which="mnist").train, 200)


def test_mnists_own_four_files_are_one_set():
    four = {f"{p}-{k}": idx(a) for p in ("train", "t10k")
            for k, a in (("images-idx3-ubyte", IMAGES), ("labels-idx1-ubyte", LABELS))}  # fmt: skip
    found = readers.read_sets(zipped(four))
    assert is_digits(found.train, 300) and is_digits(found.test, 300)
    npzs = {f"kmnist-{p}-{k}.npz": npz(arr_0=a) for p in ("train", "test")
            for k, a in (("imgs", IMAGES), ("labels", LABELS))}  # fmt: skip
    assert is_digits(readers.read_sets(zipped(npzs)).test, 300)


def test_the_command_line_takes_the_set_that_is_asked_for(tmp_path, capsys):
    data, model = tmp_path / "gzip.zip", tmp_path / "m.nnm"
    data.write_bytes(zipped(emnist("letters digits")))
    words = ["train", str(data), "--iterations", "1", "--out", str(model)]
    assert 2 == main(words)
    assert "2 sets, emnist-digits, emnist-letters, lie together" in capsys.readouterr().err
    for other in (["info", str(data)], ["convert", str(data), str(tmp_path / "out.npz")]):
        assert 2 == main(other)
        assert "2 sets, emnist-digits, emnist-letters, lie together" in capsys.readouterr().err
    assert 0 == main(["info", str(data), "--set", "digits"])
    assert "300 images of 28x28" in capsys.readouterr().out
    assert 0 == main([*words, "--set", "letters"]) and model.exists()
    said = capsys.readouterr().err
    assert "Classes are called as its mapping says, Aa to Zz" in said
    assert "look turned" not in said
    assert 0 == main(["evaluate", str(model), str(data), "--set", "letters"])
    assert 0 == main(["predict", str(model), str(data), "--set=letters", "--index", "0"])
    capsys.readouterr()
    assert 2 == main(["train", "digits", "--set", "letters", "--iterations", "1"])
    assert "--set chooses one of the sets in an archive" in capsys.readouterr().err
