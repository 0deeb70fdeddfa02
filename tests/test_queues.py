"""Queues: pieces of a step that threads draw, each from its own queue first."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nnengine import kernels

PHASE = 3

if reason := kernels.available()["numba"]:
    pytest.skip(f"numba kernels: {reason}", allow_module_level=True)

import numba  # noqa: E402

from nnengine.kernels.compiled import queues  # noqa: E402
from nnengine.kernels.compiled.plan import pieces_of  # noqa: E402


@numba.njit(nogil=True)
def opened(line, threads, pieces):
    queues.open_queues(line, threads, PHASE, pieces)


@numba.njit(nogil=True)
def drawn(line, threads, own, most, out):
    """Draw and finish pieces until none is left or `most` are in out; return how many are."""
    count = 0
    while count < most:
        piece = queues.draw(line, threads, own)
        if piece < 0:
            break
        out[count] = piece
        count += 1
        queues.finish(line, own)
    return count


@numba.njit
def over(line, threads, pieces):
    return queues.all_done(line, threads, pieces)


def open_line(threads: int, pieces: int) -> np.ndarray:
    line = np.zeros(queues.SIZE, np.int64)
    opened(line, threads, pieces)
    return line


def taken(line: np.ndarray, threads: int, own: int, most: int = 1 << 16) -> list[int]:
    """Return the pieces that one thread draws, having looked at what they are of."""
    out = np.zeros(most, np.int64)
    found = out[: drawn(line, threads, own, most, out)]
    assert set() == set(found >> 32) - {PHASE}
    return list(found & 0xFFFFFFFF)


def test_a_thread_takes_its_own_pieces_in_turn_and_then_the_others():
    line = open_line(3, 9)
    assert [3, 4, 5, 6, 7, 8, 0, 1, 2] == taken(line, 3, own=1)
    assert [] == taken(line, 3, own=0)


def test_what_one_thread_has_begun_of_its_queue_another_ends():
    line = open_line(2, 8)
    assert [0, 1] == taken(line, 2, own=0, most=2)
    assert [4, 5, 6, 7, 2, 3] == taken(line, 2, own=1)


def test_a_phase_is_over_when_its_last_piece_is_finished_and_not_before():
    line = open_line(2, 5)
    taken(line, 2, own=0, most=4)
    assert not over(line, 2, 5)
    taken(line, 2, own=1)
    assert over(line, 2, 5)


def test_a_phase_without_pieces_is_over_at_once():
    line = open_line(4, 0)
    assert [] == taken(line, 4, own=2)
    assert over(line, 4, 0)


@pytest.mark.parametrize("pieces", [1, 7, 65_000])
def test_threads_that_draw_at_once_get_every_piece_once(pieces):
    count = queues.QUEUES
    line, found = open_line(count, pieces), [None] * count
    gate = threading.Barrier(count)

    def work(own):
        gate.wait()
        found[own] = taken(line, count, own)

    workers = [threading.Thread(target=work, args=(own,)) for own in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert list(range(pieces)) == sorted(sum(found, []))
    assert over(line, count, pieces)


@pytest.mark.parametrize("sizes", [(784, 128, 10), (784, 10, 10), (400_000, 2048, 1500, 10)])
def test_the_pieces_of_any_network_are_few_enough_to_be_counted_and_hold_every_row(sizes):
    pieces = pieces_of(sizes)
    assert len(pieces) < 65_000
    for n, rows in enumerate(sizes[:-1]):
        held = [np.arange(first, end) for layer, first, end in pieces if layer == n]
        np.testing.assert_array_equal(np.arange(rows), np.concatenate(held))
