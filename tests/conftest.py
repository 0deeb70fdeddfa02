"""What every test may ask for: the real data, small data, each back end in turn."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import nnengine
from nnengine import kernels

ROOT = Path(__file__).resolve().parent.parent


def find_data() -> Path | None:
    """Return the folder of the real data sets, or None where there is none."""
    given = os.environ.get("NNENGINE_DATA") or str(ROOT.parent / "shared" / "data")
    for folder in map(Path, given.split(os.pathsep)):
        if (folder / "mnist" / "train-images-idx3-ubyte.gz").exists():
            return folder
    return None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder that holds mnist/ and fashion-mnist/, or a skip that says where it looked."""
    folder = find_data()
    if folder is None:
        pytest.skip("no real data: set NNENGINE_DATA to a folder that holds mnist/*.gz")
    return folder


@pytest.fixture(scope="session")
def mnist_files(data_dir: Path) -> dict[str, Path]:
    """The four published MNIST files by short names."""
    folder = data_dir / "mnist"
    return {
        "train_images": folder / "train-images-idx3-ubyte.gz",
        "train_labels": folder / "train-labels-idx1-ubyte.gz",
        "test_images": folder / "t10k-images-idx3-ubyte.gz",
        "test_labels": folder / "t10k-labels-idx1-ubyte.gz",
    }


@pytest.fixture
def stripes() -> tuple[np.ndarray, np.ndarray]:
    """300 noisy 8x8 images of three easy classes: a bright band at the top, middle or bottom."""
    rng = np.random.default_rng(3)
    labels = np.arange(300, dtype=np.uint8) % 3
    images = rng.integers(0, 60, size=(300, 8, 8)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[1 + 2 * label : 3 + 2 * label] += 150
    return images, labels


@pytest.fixture
def nothing_ships(monkeypatch):
    """An installation whose networks cannot be read."""

    def missing(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(nnengine, "shipped", missing)


@pytest.fixture(params=kernels.BACK_ENDS)
def back_end(request):
    """Each back end in turn, in use; or a skip that says why it cannot be had."""
    reason = kernels.available()[request.param]
    if reason:
        pytest.skip(f"{request.param} kernels: {reason}")
    before = kernels.name
    kernels.use(request.param)
    yield request.param
    kernels.use(before)
