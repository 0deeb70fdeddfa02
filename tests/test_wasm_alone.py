"""What the kernels for browsers do with what they cannot take; run in Pyodide, by test_wasm."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from nnengine import kernels
from nnengine.kernels import sources
from nnengine.kernels.wasm import entries

pytestmark = pytest.mark.skipif(
    sys.platform != "emscripten", reason="these kernels run in a browser: see test_wasm"
)


@pytest.fixture
def wasm_():
    """The back end, or a failure that says why it cannot be had."""
    assert kernels.available()["wasm"] is None
    return importlib.import_module("nnengine.kernels.wasm.module")


def test_in_a_browser_they_are_what_auto_takes(wasm_):
    kernels.use("auto")
    assert ("wasm", "the fastest that works here", 1) == (
        kernels.name, kernels.reason, kernels.threads()
    )  # fmt: skip


def test_a_module_of_other_sources_is_refused_with_words(wasm_, monkeypatch):
    monkeypatch.setattr(sources, "digest", lambda: "other sources")
    with pytest.raises(ImportError, match="not made from these sources: make site"):
        wasm_._opened(entries.FILE)


def test_a_site_without_them_says_so(wasm_, tmp_path):
    with pytest.raises(ImportError, match="did not come with the sources"):
        wasm_._opened(tmp_path / "kernels.wasm")


@pytest.mark.parametrize(
    "theta",
    [
        np.ones(4, np.float16),
        np.ones(4, np.int32),
        np.ones((2, 2), np.float32),
        np.ones(8, np.float32)[::2],
        [1.0, 1.0],
        None,
    ],
)
def test_what_a_kernel_is_not_compiled_for_is_refused_and_left_alone(wasm_, theta):
    before = np.copy(theta)
    with pytest.raises(TypeError, match="kernel sgd is not compiled for"):
        wasm_.sgd(theta, np.ones(4, np.float32), np.float32(1))
    np.testing.assert_array_equal(before, np.asarray(theta))


def test_whole_numbers_of_either_width_are_taken_where_they_are_read(wasm_):
    x = np.array([[0, 7], [5, 0]], np.uint8)
    for width in (np.int32, np.int64):
        places, values = np.empty(2, np.uint16), np.empty(2, np.uint8)
        wasm_.pack_pixels(x, np.array([0, 1, 2], width), places, values)
        assert ([1, 0], [7, 5]) == (places.tolist(), values.tolist())
    with pytest.raises(TypeError, match="count_pixels"):
        wasm_.count_pixels(x, np.zeros(3, np.int32))  # written to: a copy would be lost
