"""Files: small data sets as bytes of each format, made where a test needs them; what they take."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from nnengine.data.idx import write_idx


def pictures(count: int = 12, side: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side)).astype(np.uint8)


def names(count: int = 12) -> np.ndarray:
    return (np.arange(count) % 3).astype(np.uint8)


def csv(images, labels, *, header: str = "", mark: str = ",", last: bool = False) -> bytes:
    """Return images as a table, one row each, the label first or last."""
    rows = np.reshape(images, (len(images), -1))
    parts = (rows, np.reshape(labels, (-1, 1))) if last else (np.reshape(labels, (-1, 1)), rows)
    text = "\n".join(mark.join(map(str, row)) for row in np.hstack(parts).tolist())
    return (header + "\n" * bool(header) + text + "\n").encode()


def npz(**arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def zipped(files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return stream.getvalue()


def idx(array) -> bytes:
    stream = io.BytesIO()
    write_idx(stream, array)
    return stream.getvalue()


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def png(image: np.ndarray, kind: str = "PNG", **options) -> bytes:
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    stream = io.BytesIO()
    image_module.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def peak_memory(work: Callable[[], object]) -> int:
    """Return the most bytes that Python held while `work` ran: the least of three times.

    Other threads count as well, and an app of another test may be measuring its kernels.
    """
    found = []
    for _ in range(3):
        tracemalloc.start()
        try:
            work()
            found.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return min(found)
