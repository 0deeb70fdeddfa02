"""The same seed gives the same bits as it always has, by whatever way a run takes its steps."""

from __future__ import annotations

import pytest

from nnengine import kernels
from tests import digests


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", digests.kinds())
def test_a_run_ends_at_the_weights_it_always_has(kind, threads, back_end, monkeypatch):
    expected = digests.known().get(digests.machine())
    if expected is None:
        pytest.skip(f"no digests for {digests.machine()}: python -m tests.digests adds them")
    if threads > 1 and back_end != "numba":
        pytest.skip(f"{back_end} kernels know one thread")
    monkeypatch.setenv("NNENGINE_THREADS", str(threads))
    assert expected[kind] == digests.digest(digests.kinds()[kind])


def test_every_kind_of_run_is_on_record_for_every_machine():
    assert all(set(digests.kinds()) == set(row) for row in digests.known().values())


def test_a_back_end_is_told_apart(back_end):
    assert digests.machine().startswith(kernels.name)
