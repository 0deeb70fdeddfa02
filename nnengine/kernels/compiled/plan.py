"""Plan: where in flat memory the layers of a network have their weights, sums and gradients."""

from __future__ import annotations

import functools

import numpy as np

from ..numpy_ import read_only
from .scratch import filled, kept
from .simd import LANES, PART
from .tiles import ROWS

# Of a layer: inputs, units, units in whole vectors, activation; where its units begin in the
# rooms, to be multiplied by the rows; where in `wide`, whose layers are in whole vectors, its
# weights, its biases and its weights turned round begin; where in theta and gradient its weights
# and biases do.
FAN_IN, UNITS, WIDE, KIND, ROOM, W, B, TURNED, DW, DB = range(10)

# Of a step: images, and those of the next one; in which of two rooms the present one's data is; the
# optimizer, whether it learns, and by changing its own weights; whether zeros are skipped; threads.
COUNT, NEXT, SIDE, RULE, LEARNS, MOVES, SPARSE, THREADS = range(8)
_ROWS_IN_FOURS = 1 << 17  # rows of weights of all layers, from which a piece has more than four
# Of a layer's rows; each is mostly worked on by one thread, and browsers have no more than that.
PARTS = 4 if PART == LANES else 1


@functools.lru_cache(maxsize=32)
def plan_of(sizes: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[np.ndarray, int, int]:
    """Return int64 (layers, 10) and the floats that `wide` and a row of the rooms take."""
    table, wide, room, at = [], 0, 0, 0
    for n, (fan_in, units, kind) in enumerate(zip(sizes, sizes[1:], kinds, strict=False)):
        width = -(-units // LANES) * LANES
        b = wide + (fan_in * width if n or overrun(sizes) else 0)
        turned = b + width
        table.append((fan_in, units, width, kind, room, wide, b, turned, at, at + fan_in * units))
        wide = turned + (units * table[n - 1][2] if n else 0)
        room, at = room + width, at + (fan_in + 1) * units
    return read_only(np.array(table, np.int64)), wide, room


@functools.lru_cache(maxsize=32)
def pieces_of(sizes: tuple[int, ...]) -> np.ndarray:
    """Return int64 (pieces, 3): layer, first row, last row and one, of each piece of weights.

    Those of one part of the rows stand side by side: see `queues`.
    """
    pieces, fewest = [], 4 * (1 + sum(sizes) // _ROWS_IN_FOURS)
    for part in range(PARTS):
        for n, (fan_in, units) in enumerate(zip(sizes, sizes[1:], strict=False)):
            begin, end = fan_in * part // PARTS, fan_in * (part + 1) // PARTS
            rows = max(fewest, -(-4096 // units // 4) * 4)
            pieces += [(n, j, min(j + rows, end)) for j in range(begin, end, rows)]
    return read_only(np.array(pieces, np.int64))


def overrun(sizes: tuple[int, ...]) -> bool:
    """Tell whether whole vectors of the first layer's last row would reach beyond all weights.

    Over the end of a row they may reach, into what follows.
    """
    behind = sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False)) - sizes[0] * sizes[1]
    return behind < -sizes[1] % LANES


def first_weights(theta: np.ndarray, sizes: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Return the first layer's weights, flat, and how far one row stands from the next."""
    if not overrun(sizes):
        return theta, sizes[1]
    wide = filled("first", theta[: sizes[0] * sizes[1]].reshape(sizes[:2]))
    return read_only(wide.reshape(-1)), wide.shape[1]


def answer_rooms(sizes, n: int, wide: int, room: int) -> tuple[tuple, np.ndarray]:
    """Return this thread's rooms for n answers: `wide`, to write and to read; the activations."""
    wide, a = kept(sizes, "wide", wide), kept(sizes, "a rows", n * room + ROWS)
    return (wide, read_only(wide)), a
