"""Data sets of Hugging Face's library and of PyTorch are ours, and ours theirs."""

from __future__ import annotations

import numpy as np
import pytest

from nnengine import Dataset, IdxDataset, write_idx
from nnengine.data import synthetic


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return synthetic.digits(50, seed=1)


def test_a_table_of_the_datasets_library_is_taken_with_its_classes(digits):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    image_module = pytest.importorskip("PIL.Image")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list("abcdefghij"))}
    )
    pictures = [image_module.fromarray(image) for image in digits.images]
    columns = {"image": pictures, "label": digits.labels.tolist()}
    table = datasets.Dataset.from_dict(columns, features=features)
    found = Dataset.from_huggingface(table)
    assert (digits.digest, tuple("abcdefghij")) == (found.digest, found.class_names)
    with pytest.raises(ValueError, match="such as dataset.* of train"):
        Dataset.from_huggingface(datasets.DatasetDict({"train": table}))


def test_a_tensor_data_set_holds_the_same_digits(digits):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    images, labels = digits.to_torch().tensors
    assert (torch.float32, torch.int64) == (images.dtype, labels.dtype)
    assert (50, 1, 28, 28) == tuple(images.shape)
    np.testing.assert_allclose(images.numpy()[:, 0], digits.images / 255, atol=1e-7)
    images += 1  # theirs: a copy
    assert digits.digest == Dataset.from_torchvision(digits.to_torch(scale=None)).digest
    assert digits.digest == Dataset.from_torchvision(digits.to_torch()).digest


@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_loader_reads_idx_files(digits, tmp_path, workers):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    write_idx(tmp_path / "images", digits.images)
    write_idx(tmp_path / "labels", digits.labels)
    theirs = IdxDataset(tmp_path / "images", tmp_path / "labels")
    loader = torch.utils.data.DataLoader(
        theirs, batch_size=20, num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
    )  # fmt: skip
    batches = [(images.numpy(), labels.numpy()) for images, labels in loader]
    assert [(20, 1, 28, 28), (20, 1, 28, 28), (10, 1, 28, 28)] == [x.shape for x, _ in batches]
    images = np.concatenate([x for x, _ in batches])
    np.testing.assert_allclose(images[:, 0], digits.images / 255, atol=1e-7)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), digits.labels)
