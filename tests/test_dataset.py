"""Dataset: what it accepts, what it refuses and why, and that its parts add up."""

from __future__ import annotations

import gzip
import hashlib
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnengine.core.losses import check_labels
from nnengine.data.dataset import Dataset
from nnengine.data.idx import Idx1, Idx3, read_idx, write_idx
from nnengine.data.names import FASHION_NAMES
from nnengine.errors import ConfigError, FormatError


def idx_bytes(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    write_idx(target, array)
    return target.getvalue()


def numbered(count: int, labels=None, classes: int = 3, **options) -> Dataset:
    """Images of 2x2 that carry their own number, so that each can be told from the others."""
    images = np.zeros((count, 2, 2), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(count), 256)
    labels = np.arange(count) % classes if labels is None else labels
    return Dataset(images, labels, classes=classes, **options)


def numbers(images: np.ndarray) -> list[int]:
    return (images[:, 0, 0].astype(int) * 256 + images[:, 0, 1]).tolist()


# What it holds


def test_images_and_labels_are_held_as_read_only_bytes(stripes):
    dataset = Dataset(*stripes)
    assert (300, 8, 8) == dataset.images.shape
    assert (300,) == dataset.labels.shape
    assert np.uint8 == dataset.images.dtype == dataset.labels.dtype
    assert 300 == len(dataset) == dataset.count
    assert (8, 8) == dataset.image_shape
    assert 64 == dataset.inputs
    assert 3 == dataset.classes
    for array in (dataset.images, dataset.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_contiguous_images_are_not_copied_and_keep_their_own_flags(stripes):
    images, labels = stripes
    dataset = Dataset(images, labels)
    assert np.shares_memory(images, dataset.images)
    assert np.shares_memory(labels, dataset.labels)
    assert images.flags.writeable
    assert labels.flags.writeable


def test_idx_views_are_not_copied():
    images = Idx3(idx_bytes(np.zeros((3, 4, 5), np.uint8)))
    labels = Idx1(idx_bytes(np.array([0, 1, 1], np.uint8)))
    dataset = Dataset(images, labels)
    assert np.shares_memory(images.data, dataset.images)
    assert (4, 5) == dataset.image_shape
    assert [0, 1, 1] == dataset.labels.tolist()


def test_strided_images_become_contiguous():
    images = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)[:, ::2, ::-1]
    dataset = Dataset(images, [0, 1, 2])
    assert dataset.images.flags.c_contiguous
    np.testing.assert_array_equal(images, dataset.images)


def test_rows_of_pixels_become_square_images_where_they_can():
    assert (28, 28) == Dataset(np.zeros((2, 784), np.uint8), [0, 1]).image_shape
    assert (1, 783) == Dataset(np.zeros((2, 783), np.uint8), [0, 1]).image_shape


@pytest.mark.parametrize(
    "labels",
    [
        [0, 255],
        np.array([0, 255], np.int64),
        (0, 255),
        np.array([0, 255], np.uint64),
        np.array([0, 255], ">i2"),
    ],
)
def test_whole_numbers_of_any_type_become_bytes(labels):
    dataset = Dataset(np.zeros((2, 1, 1), np.uint8), labels)
    assert np.uint8 == dataset.labels.dtype
    assert [0, 255] == dataset.labels.tolist()
    assert 256 == dataset.classes


def test_classes_are_given_or_counted_by_names_or_by_the_largest_label():
    images = np.zeros((2, 1, 1), np.uint8)
    assert 5 == Dataset(images, [0, 4]).classes
    assert 7 == Dataset(images, [0, 4], classes=7).classes
    assert 6 == Dataset(images, [0, 4], class_names=list("abcdef")).classes


def test_class_names_are_given_or_numbers():
    images = np.zeros((2, 1, 1), np.uint8)
    assert ("0", "1", "2") == Dataset(images, [0, 2]).class_names
    assert ("a", "b", "c") == Dataset(images, [0, 2], class_names=["a", "b", "c"]).class_names


def test_class_counts_include_absent_classes():
    counts = Dataset(np.zeros((4, 1, 1), np.uint8), [2, 0, 2, 2], classes=5).class_counts()
    assert [1, 0, 3, 0, 0] == counts.tolist()
    assert np.int64 == counts.dtype


def test_repr_says_what_it_holds(stripes):
    assert "Dataset(300 images of 8x8, 3 classes)" == repr(Dataset(*stripes))
    assert "Dataset(bands: 300 images of 8x8, 3 classes)" == repr(Dataset(*stripes, name="bands"))


# Digest


def test_digest_is_sha256_of_the_idx_bytes(stripes):
    images, labels = stripes
    expected = hashlib.sha256(idx_bytes(images) + idx_bytes(labels)).hexdigest()
    assert expected == Dataset(images, labels).digest
    assert expected == Dataset(images.reshape(300, 64), labels.astype(int), name="x").digest


def test_digest_depends_on_images_labels_and_shape(stripes):
    images, labels = stripes
    other_images, other_labels = images.copy(), labels.copy()
    other_images[-1, -1, -1] ^= 1
    other_labels[-1] ^= 1
    digests = {
        Dataset(images, labels).digest,
        Dataset(other_images, labels).digest,
        Dataset(images, other_labels).digest,
        Dataset(images.reshape(300, 4, 16), labels).digest,
    }
    assert 4 == len(digests)


# What it refuses


def refusal(images, labels, kind=FormatError, **options) -> str:
    with pytest.raises(kind) as caught:
        Dataset(images, labels, **options)
    return str(caught.value)


IMAGES, LABELS = np.zeros((3, 2, 2), np.uint8), np.array([0, 1, 2], np.uint8)


def test_swapped_images_and_labels_are_recognised(tmp_path):
    assert "images and labels are swapped" in refusal(LABELS, IMAGES)
    write_idx(tmp_path / "a-labels", LABELS)
    write_idx(tmp_path / "a-images", IMAGES)
    said = refusal(Idx1(tmp_path / "a-labels"), Idx3(tmp_path / "a-images"))
    assert "a-labels holds labels and a-images images" in said
    assert "swapped" in refusal(Idx1(tmp_path / "a-labels"), IMAGES)


def test_counts_that_differ_name_both_files(tmp_path):
    write_idx(tmp_path / "train-images", IMAGES)
    write_idx(tmp_path / "t10k-labels", LABELS[:2])
    said = refusal(Idx3(tmp_path / "train-images"), Idx1(tmp_path / "t10k-labels"))
    assert said.startswith("3 images (train-images) but 2 labels (t10k-labels)")
    assert "both for training or both for testing" in said


def test_labels_out_of_range_name_the_first_by_index_and_value():
    assert "labels: label 2 at index 2 is out of range: with 2 classes labels go from 0 to 1" in (
        refusal(IMAGES, LABELS, classes=2)
    )
    assert "label 256 at index 1" in refusal(IMAGES, [0, 256, -1])
    assert "(2 such labels)" in refusal(IMAGES, [0, 256, -1])


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (IMAGES[:0], LABELS[:0], "no images"),
        (np.zeros((3, 0, 5), np.uint8), LABELS, "no images"),
        (np.zeros((3, 0), np.uint8), LABELS, "no images"),
        (IMAGES, [], "no labels"),
        (IMAGES / 255, LABELS, "got float64; Dataset.from_arrays takes"),
        (IMAGES.astype(int), LABELS, "got int64; Dataset.from_arrays takes"),
        (np.zeros((3, 2, 2, 2), np.uint8), LABELS, "channels come last"),
        (LABELS, LABELS, "these are labels"),
        (IMAGES, IMAGES, "these look like images"),
        (IMAGES, np.eye(3, dtype=np.uint8), "argmax"),
        (IMAGES, np.uint8(3), r"labels have shape \(count,\), got \(\)"),
        (IMAGES, LABELS.astype(float), "whole numbers from 0 to 255, got float64"),
        (IMAGES, ["0", "1", "2"], "whole numbers"),
        (IMAGES, [[0], [1, 2], []], "not an array"),
        (None, LABELS, "images have shape"),
    ],
)
def test_other_data_are_refused_with_a_way_out(images, labels, said):
    with pytest.raises(FormatError, match=said):
        Dataset(images, labels)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": 0}, "1 to 256"),
        ({"classes": 257}, "1 to 256"),
        ({"classes": 2.5}, "whole number"),
        ({"classes": True}, "whole number"),
        ({"classes": 4, "class_names": ["a", "b", "c"]}, "3 class names for 4 classes"),
        ({"class_names": []}, "at least one string"),
        ({"class_names": "abc"}, "sequence"),
        ({"class_names": [1, 2, 3]}, "string"),
    ],
)
def test_bad_classes_and_names_are_settings_to_mend(options, said):
    assert said in refusal(IMAGES, LABELS, ConfigError, **options)


def test_labels_in_range_pass_and_nothing_else_does():
    check_labels(np.arange(10), 10, what="labels")
    check_labels(np.array([], int), 10, what="labels")
    with pytest.raises(FormatError, match="^test.gz: label 10 at index 1 .* 0 to 9"):
        check_labels(np.array([0, 10]), 10, what="test.gz")
    with pytest.raises(FormatError, match="label -1 at index 0"):
        check_labels(np.array([-1, 3], np.int8), 10, what="labels")
    with pytest.raises(FormatError, match="label nan at index 1"):
        check_labels(np.array([0, np.nan]), 10, what="labels")


# Taking, splitting, batching


def test_taking_keeps_order_classes_names_and_name():
    dataset = numbered(9, class_names=["a", "b", "c"], name="nine")
    taken = dataset.take([7, 1, 1, -1])
    assert [7, 1, 1, 8] == numbers(taken.images)
    assert [1, 1, 1, 2] == taken.labels.tolist()
    assert ("a", "b", "c") == taken.class_names
    assert "nine" == taken.name
    assert 3 == dataset.take([0]).classes


def test_taking_by_mask_and_by_slice():
    dataset = numbered(9)
    assert [1, 4, 7] == numbers(dataset.take(dataset.labels == 1).images)
    assert [2, 3] == numbers(dataset.take(slice(2, 4)).images)
    assert np.shares_memory(dataset.images, dataset.take(slice(2, 4)).images)


@pytest.mark.parametrize(
    "indices", [[], [9], [-10], [0.5], [[0]], np.zeros(9, bool), np.ones(8, bool), slice(5, 5), 3]
)
def test_taking_what_is_not_there_is_refused(indices):
    with pytest.raises(ConfigError):
        numbered(9).take(indices)


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=120),
    st.floats(0, 1, exclude_min=True, exclude_max=True),
    st.integers(0, 2**32),
)
def test_a_split_is_disjoint_complete_and_gives_each_class_its_share(labels, share, seed):
    dataset = numbered(len(labels), labels, classes=5)
    rest, held_out = dataset.split(share, rng=seed)
    assert list(range(len(labels))) == sorted(numbers(rest.images) + numbers(held_out.images))
    assert 1 <= len(held_out) < len(labels)
    assert abs(len(held_out) - share * len(labels)) <= 1
    assert np.all(np.abs(held_out.class_counts() - share * dataset.class_counts()) <= 1)
    for part in (rest, held_out):
        assert [labels[number] for number in numbers(part.images)] == part.labels.tolist()
        assert 5 == part.classes


def test_a_split_worked_by_hand():
    labels = [0] * 10 + [1] * 5 + [2] * 3  # shares of 0.3: 3, 1.5, 0.9; in all round(5.4) = 5
    _, held_out = numbered(18, labels).split(0.3)
    assert [3, 1, 1] == held_out.class_counts().tolist()


def test_a_split_is_shuffled_and_repeats_with_its_seed():
    dataset = numbered(60)
    first, again, other = (dataset.split(0.25, rng=seed) for seed in (5, 5, 6))
    for part in (0, 1):
        assert numbers(first[part].images) == numbers(again[part].images)
        assert numbers(first[part].images) != numbers(other[part].images)
        assert numbers(first[part].images) != sorted(numbers(first[part].images))


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), None, "0.1", True])
def test_a_share_outside_nought_to_one_is_refused(share):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        numbered(9).split(share)


def test_one_image_cannot_be_split():
    with pytest.raises(ConfigError, match="at least two"):
        numbered(1).split(0.5)


@given(st.integers(1, 50), st.integers(1, 60), st.none() | st.integers(0, 2**32))
def test_batches_bring_every_image_once_with_its_label(count, size, rng):
    dataset = numbered(count)
    batches = list(dataset.batches(size, rng=rng))
    seen = [number for images, _ in batches for number in numbers(images)]
    assert list(range(count)) == sorted(seen)
    assert [size] * (count // size) == [len(labels) for _, labels in batches][: count // size]
    for images, labels in batches:
        assert [number % 3 for number in numbers(images)] == labels.tolist()
        assert np.uint8 == images.dtype


def test_batches_in_order_are_views():
    dataset = numbered(5)
    batches = list(dataset.batches(2))
    assert [[0, 1], [2, 3], [4]] == [numbers(images) for images, _ in batches]
    assert all(np.shares_memory(dataset.images, images) for images, _ in batches)


def test_batches_are_shuffled_by_a_seed_and_go_on_with_a_generator():
    dataset = numbered(100)

    def order(rng) -> list[int]:
        return [number for images, _ in dataset.batches(30, rng=rng) for number in numbers(images)]

    generator = np.random.default_rng(4)
    assert order(4) == order(4) == order(generator)
    assert order(4) != order(generator)
    assert order(4) != order(5)


@pytest.mark.parametrize("size", [0, -1, 2.0, None, True])
def test_a_bad_batch_size_is_refused_at_once(size):
    with pytest.raises(ConfigError, match="at least 1"):
        numbered(9).batches(size)


@pytest.mark.parametrize("rng", [-1, "seed", 0.5])
def test_a_bad_seed_is_refused(rng):
    with pytest.raises(ConfigError, match="rng"):
        numbered(9).split(0.5, rng=rng)
    with pytest.raises(ConfigError, match="rng"):
        numbered(9).batches(2, rng=rng)


# The real data


def test_mnist_is_held_without_copies_and_with_the_digest_of_its_files(mnist_files):
    images, labels = Idx3(mnist_files["test_images"]), Idx1(mnist_files["test_labels"])
    tracemalloc.start()
    try:
        dataset = Dataset(images, labels)
        names, digest = dataset.class_names, dataset.digest
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert tuple("0123456789") == names
    assert "18489308deedfe2f7bd3a11e599a597126f161d991b1ffcffb71642aa76f7f62" == digest
    assert [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009] == (
        dataset.class_counts().tolist()
    )


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_fashion_mnist_knows_the_names_of_its_classes(data_dir, part):
    folder = data_dir / "fashion-mnist"
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    images = np.zeros((len(labels), 1, 1), np.uint8)  # the labels are enough to know it by
    dataset = Dataset(images, labels)
    assert FASHION_NAMES == dataset.class_names
    assert FASHION_NAMES == dataset.split(0.1)[1].class_names
    assert ("Trouser", "Ankle boot") == (dataset.class_names[1], dataset.class_names[9])
    assert tuple("0123456789") == Dataset(images[1:], labels[1:]).class_names


def test_fashion_mnist_digest_is_that_of_its_files(data_dir):
    folder = data_dir / "fashion-mnist"
    paths = [folder / f"t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    expected = hashlib.sha256(b"".join(gzip.decompress(p.read_bytes()) for p in paths)).hexdigest()
    assert expected == Dataset(*map(read_idx, paths)).digest
