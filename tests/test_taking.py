"""A data set is made of what others hold, and handed on in native order, contiguous, unguessed."""

from __future__ import annotations

import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nnengine import Dataset, IdxDataset, Network, read_idx, write_idx
from nnengine.data import synthetic
from nnengine.errors import ConfigError, EngineError, FormatError


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return synthetic.digits(40, seed=1)


def fortran(array: np.ndarray) -> np.ndarray:
    return np.asfortranarray(array)


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x,
        lambda x: x.astype(">i2"),
        lambda x: x.astype(np.float64),
        lambda x: x / 255,
        lambda x: (x / 255).astype(np.float32),
        lambda x: (x / 255).astype(">f4"),
        lambda x: x.reshape(len(x), -1),
        lambda x: x[:, None],
        lambda x: x[..., None] / 255,
        fortran,
        lambda x: x.tolist(),
    ],
    ids="bytes shorts whole unit float32 big_endian rows first last fortran lists".split(),
)
def test_numbers_of_any_type_become_the_same_bytes(digits, made):
    found = Dataset.from_arrays(made(digits.images), digits.labels)
    assert digits.digest == found.digest
    assert found.images.flags.c_contiguous and found.images.dtype == np.uint8


def test_what_is_black_or_white_becomes_as_bright_as_it_can_be():
    for kind in (bool, np.int64, np.uint8, np.float32):
        images = np.array([[[0, 1], [1, 0]]], kind)
        assert [0, 255, 255, 0] == Dataset.from_arrays(images, [0]).images.ravel().tolist()


def test_colours_may_come_first():
    colours = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), dtype=np.uint8)
    found = Dataset.from_arrays(colours, np.arange(5))
    np.testing.assert_array_equal(colours.transpose(0, 2, 3, 1), found.images)


@pytest.mark.parametrize(
    ("labels", "expected", "names"),
    [
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        (np.array(["b", "a", "b"], object), [1, 0, 1], ("a", "b")),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], [1, 0, 2], ("0", "1", "2")),
        ([[2], [0], [1]], [2, 0, 1], ("0", "1", "2")),
        ([2.0, 0.0, 1.0], [2, 0, 1], ("0", "1", "2")),
        (np.array([2, 0, 1], ">i8"), [2, 0, 1], ("0", "1", "2")),
    ],
)
def test_labels_are_numbers_words_or_one_hot_rows(labels, expected, names):
    found = Dataset.from_arrays(np.zeros((3, 2, 2), np.uint8), labels)
    assert (expected, names) == (found.labels.tolist(), found.class_names)


@pytest.mark.parametrize(
    ("images", "labels", "fault"),
    [
        (np.full((2, 2, 2), 300), [0, 1], "go from 300 to 300"),
        (np.array([[[-1.0, 1.0]]]), [0], "normalized"),
        (np.array([[[np.nan, 1.0]]]), [0], "go from nan"),
        (np.array([[[0.5, 200.0]]]), [0], "are not whole"),
        (np.zeros((2, 5, 4, 4)), [0, 1], "neither one nor three channels"),
        (np.array([["a", "b"]]), [0], "images are numbers"),
        (np.zeros((2, 2, 2)), [[1, 1], [0, 1]], "not one-hot rows"),
        (np.zeros((2, 2, 2)), [0.5, 1], "no whole numbers"),
        (np.zeros((300, 2, 2)), [f"word {n}" for n in range(300)], "there can be 256 classes"),
        (np.zeros((2, 2, 2)), [0, -1], "out of range"),
        (np.zeros((2, 2, 2)), [0], "2 images"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(images, labels, fault):
    with pytest.raises(FormatError, match=fault):
        Dataset.from_arrays(images, labels)


# Other libraries' data sets, by what these libraries' objects have; the real ones: tests/exchange


class Table(list):
    """Rows as a `datasets.Dataset` has them, which is asked for a column by its name."""

    def __init__(self, rows, **features) -> None:
        super().__init__(rows)
        self.features = features

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


def kind(name: str, **has):
    return type(name, (), has)()


def pictures(images: np.ndarray, mode: str) -> list[Image.Image]:
    return [Image.fromarray(image).convert(mode) for image in images]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_a_table_of_pictures_and_classes_is_found_by_its_kinds(digits, mode):
    rows = [
        {"picture": picture, "digit": int(label)}
        for picture, label in zip(pictures(digits.images, mode), digits.labels, strict=True)
    ]
    names = [f"n{n}" for n in range(10)]
    table = Table(rows, picture=kind("Image"), digit=kind("ClassLabel", names=names))
    found = Dataset.from_huggingface(table, name="digits of a table")
    assert (tuple(names), "digits of a table") == (found.class_names, found.name)
    np.testing.assert_array_equal(digits.labels, found.labels)
    shown = found.images if found.channels == 1 else found.images[..., 1]
    np.testing.assert_array_equal(digits.images, shown)


def test_a_table_that_does_not_fit_is_refused_with_what_to_say(digits):
    two = {"a": kind("Image"), "b": kind("Image"), "label": kind("Value")}
    with pytest.raises(ConfigError, match="say image= which"):
        Dataset.from_huggingface(Table([], **two))
    with pytest.raises(ConfigError, match="no column 'photo': there are a, b, label"):
        Dataset.from_huggingface(Table([], **two), image="photo")
    with pytest.raises(ConfigError, match="such as dataset.* of train, test"):
        Dataset.from_huggingface({"train": 1, "test": 2})
    sizes = [{"image": np.zeros((n, 2), np.uint8), "label": 0} for n in (2, 3)]
    with pytest.raises(FormatError, match="picture 1 is uint8 of .3, 2., the first"):
        Dataset.from_huggingface(Table(sizes, image=kind("Image"), label=kind("Value")))


def test_a_set_that_keeps_its_images_in_one_array_is_taken_whole(digits):
    theirs = SimpleNamespace(data=digits.images, targets=list(map(int, digits.labels)))
    theirs.classes = [f"{n} - name" for n in range(10)]
    found = Dataset.from_torchvision(theirs, name="theirs")
    assert (digits.digest, "3 - name") == (found.digest, found.class_names[3])


def test_letters_whose_first_class_stands_for_nothing_begin_at_zero(digits):
    theirs = SimpleNamespace(data=digits.images, targets=digits.labels.astype(int) + 1)
    theirs.classes = ["N/A", *"abcdefghij"]
    found = Dataset.from_torchvision(theirs)
    assert tuple("abcdefghij") == found.class_names
    np.testing.assert_array_equal(digits.labels, found.labels)


def test_a_set_of_pairs_is_asked_for_each(digits):
    for images in (pictures(digits.images, "L"), digits.images[:, None] / np.float32(255)):
        pairs = [*zip(images, digits.labels.tolist(), strict=True)]
        assert digits.digest == Dataset.from_torchvision(pairs).digest


# Files for PyTorch's DataLoader


@pytest.fixture
def files(digits, tmp_path):
    write_idx(tmp_path / "images.gz", digits.images)
    write_idx(tmp_path / "labels", digits.labels)
    return tmp_path / "images.gz", tmp_path / "labels"


def test_items_of_an_idx_data_set_are_floats_with_a_channel_and_whole_numbers(digits, files):
    found = IdxDataset(*files)
    assert 40 == len(found) == len(list(found))
    image, label = found[3]
    assert ((1, 28, 28), np.float32, int) == (image.shape, image.dtype, type(label))
    np.testing.assert_allclose(digits.images[3] / 255, image[0], atol=1e-7)
    assert digits.labels[3] == label == found[-37][1]
    with pytest.raises(IndexError):
        found[40]


def test_items_of_a_set_in_colour_have_three_channels_first(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    write_idx(tmp_path / "images", colours)
    write_idx(tmp_path / "labels", np.arange(4, dtype=np.uint8))
    image, _ = IdxDataset(tmp_path / "images", tmp_path / "labels")[2]
    assert ((3, 5, 6), np.float32) == (image.shape, image.dtype) and image.flags.c_contiguous
    np.testing.assert_allclose(colours[2].transpose(2, 0, 1) / 255, image, atol=1e-7)
    whole = IdxDataset(tmp_path / "images", tmp_path / "labels", transform=np.shape)
    assert (5, 6, 3) == whole[0][0]


def test_transforms_are_given_bytes_that_they_may_change(files):
    def darken(image: np.ndarray) -> np.ndarray:
        image //= 2
        return image

    found = IdxDataset(*files, transform=darken, target_transform=str)
    image, label = found[0]
    again, _ = found[0]
    assert (np.uint8, str) == (image.dtype, type(label))
    np.testing.assert_array_equal(image, again)


def test_an_idx_data_set_refuses_what_its_readers_refuse(files):
    with pytest.raises(FormatError, match="labels"):
        IdxDataset(*files[::-1])


def test_without_pytorch_one_is_told_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from nnengine.data import synthetic\n"
        "try: synthetic.digits(3).to_torch()\n"
        "except Exception as fault: print(type(fault).__name__, fault)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("ConfigError to_torch wants PyTorch")
    assert "pip install torch" in done.stdout and issubclass(ConfigError, EngineError)


# What is handed out


@pytest.mark.parametrize("code", ["i2", "i4", "f4", "f8"])
def test_what_is_read_of_idx_is_native_and_in_rows(tmp_path, code):
    array = np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype(f">{code}"))
    write_idx(tmp_path / "a", array)
    found = read_idx(tmp_path / "a")
    assert found.dtype.isnative and found.flags.c_contiguous
    np.testing.assert_array_equal(array, found)


@pytest.mark.parametrize("code", [">f4", ">f8"])
def test_a_network_made_of_others_arrays_hands_out_native_rows(code):
    made = Network.build([4, 3, 2], dtype=np.dtype(code).newbyteorder("="), rng=2)
    theirs = {name: fortran(array.astype(code)) for name, array in made.parameters().items()}
    found = Network.from_parameters(theirs, activations=made.activations)
    np.testing.assert_array_equal(made.theta, found.theta)
    x = fortran(np.random.default_rng(0).random((5, 4))).astype(">f8")
    given = [*found.parameters().values(), found.predict_proba(x), found.logits(x)]
    assert all(array.dtype.isnative and array.flags.c_contiguous for array in given)
    stream = io.BytesIO()
    np.savez(stream, **found.parameters())
    assert b"'fortran_order': True" not in stream.getvalue()


def test_a_data_set_hands_out_native_rows_whatever_it_was_given():
    theirs = fortran(np.zeros((3, 4, 5), np.uint8))
    data = Dataset(theirs, np.array([0, 1, 2], ">i4"))
    given = [data.images, data.labels, data.class_counts(), data.take([1, 2]).images]
    given += [part for batch in data.batches(2, rng=1) for part in batch]
    assert all(array.dtype.isnative and array.flags.c_contiguous for array in given)
