"""Apart: what is read by a process of its own comes back whole, and that process may end."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pytest

from nnengine import FormatError
from nnengine.data import apart
from nnengine.data.limits import Deadline

HERE = "tests.test_apart:"
ARRAYS = [np.arange(6, dtype=">i2").reshape(2, 3), np.zeros((0, 4)), np.array(2.5, np.float32)]


def sums(file, check, max_bytes=0, plus=0):
    """Work: say how long the file is, and by whom it was read."""
    return {"length": len(file.read()) + plus, "process": os.getpid()}, ARRAYS


def refuses(file, check):
    raise FormatError("no file of mine", too_large=True)


def ends(file, check):
    os._exit(11)  # as a fault of memory does


def wants(file, check, count):
    return {}, [np.ones(count, np.uint8)]


def sleeps(file, check):
    time.sleep(600)


def prints(file, check):
    os.write(1, b"a library's own words\n")
    return {}, []


@pytest.fixture
def alone(monkeypatch):
    """No helper is kept: each file has a process of its own."""
    monkeypatch.setattr(apart._own, "kept", None)


def test_what_is_found_comes_back_from_another_process(alone):
    found, arrays = apart.read(HERE + "sums", b"12345", {"plus": 2})
    assert 7 == found["length"]
    assert os.getpid() != found["process"]
    for sent, came in zip(ARRAYS, arrays, strict=True):
        assert (sent.dtype, sent.shape) == (came.dtype, came.shape)
        np.testing.assert_array_equal(sent, came)


def test_a_refusal_is_the_same_as_here(alone):
    with pytest.raises(FormatError, match="^no file of mine$") as caught:
        apart.read(HERE + "refuses", b"", {})
    assert caught.value.too_large


def test_a_process_that_breaks_down_is_one_file_that_is_not_read():
    with apart.kept():
        before = apart.read(HERE + "sums", b"", {})[0]["process"]
        with pytest.raises(FormatError, match="the library that reads such files broke down"):
            apart.read(HERE + "ends", b"", {})
        after = apart.read(HERE + "sums", b"", {})[0]["process"]
    assert before != after


def test_one_that_takes_too_long_is_ended_and_the_time_is_named(alone):
    with pytest.raises(FormatError, match=r"not read within 1 s"):
        apart.read(HERE + "sleeps", b"", {}, Deadline(1))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounded on Linux alone")
def test_one_that_asks_for_more_memory_than_its_file_allows_is_refused():
    _, (array,) = apart.read(HERE + "wants", b"", {"count": 10**6})
    assert 10**6 == array.sum()
    with pytest.raises(FormatError, match="more memory than its size allows"):
        apart.read(HERE + "wants", b"", {"count": 4 * apart.SPARE_BYTES})


def test_what_a_library_prints_is_no_answer():
    assert ({}, []) == apart.read(HERE + "prints", b"", {})


def checks(file, check):
    check()
    return {}, []


def test_where_no_process_can_be_started_it_is_read_in_place_and_in_time(monkeypatch):
    monkeypatch.setattr(sys, "platform", "emscripten")
    assert os.getpid() == apart.read(HERE + "sums", b"", {})[0]["process"]
    assert ({}, []) == apart.read(HERE + "checks", b"", {}, Deadline(60))
    with pytest.raises(FormatError, match="not read within 0 s"):
        apart.read(HERE + "checks", b"", {}, Deadline(0))
