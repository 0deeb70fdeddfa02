"""Answers: the probabilities of a whole network for bytes, straight from the pixels."""

from __future__ import annotations

import functools

import numpy as np

from .compiling import compiled
from .first_layer import levels_of
from .mini_batch import UNITS, WIDE, first_weights, in_vectors, outputs, packed_plan, packed_rooms
from .pixels import count_pixels, pack_pixels
from .scratch import own, read_only
from .simd import LANES, exponential, load, splat, store, subtract

_AT_ONCE = 64  # images answered: their lists and activations stay in cache


@compiled
def _probabilities(x, levels, plan, theta, w, stride, wide, lists, rows, a, out):
    """Do `probabilities`, so many images at a time as lists and rows have room for."""
    starts, places, values = lists
    last = len(plan) - 1
    width, classes = plan[last, WIDE], plan[last, UNITS]
    in_vectors(plan, theta, wide[0], False)
    for begin in range(0, x.shape[0], rows.size):
        images = x[begin : begin + rows.size]
        some = rows[: images.shape[0]]
        count_pixels(images, starts)
        pack_pixels(images, starts, places, values)
        logits = a[outputs(lists, some, levels, plan, theta, w, stride, wide, a) :]
        for i in range(some.size):
            row = logits[i * width : (i + 1) * width]
            most = row[0]
            for k in range(1, classes):
                most = max(most, row[k])
            for lane in range(0, width, LANES):
                store(row, lane, exponential(subtract(load(row, lane), splat(most))))
            total = np.float32(0)
            for k in range(classes):
                total += row[k]
            for k in range(classes):
                out[begin + i, k] = row[k] / total


def probabilities(x, scale, sizes, kinds, theta, out):
    """Put the probabilities of a whole network into out, for bytes x (n, inputs); float32."""
    plan, wide, room = packed_plan(sizes, kinds)
    count = min(len(x), _AT_ONCE)
    known = own.__dict__.get("lists")
    if known is None or known[0].size <= count or known[1].size < count * sizes[0]:
        size = count * sizes[0]
        lists = np.empty(count + 1, np.int64), np.empty(size, np.uint16), np.empty(size, np.uint8)
        known = own.lists = lists
    wide, _, _, a, _ = packed_rooms(sizes, count, wide, room)
    theta = read_only(theta)
    network = plan, theta, *first_weights(theta, sizes), wide
    _probabilities(x, levels_of(scale), *network, known, _rows(count), a, out)


@functools.lru_cache(maxsize=_AT_ONCE)
def _rows(count: int) -> np.ndarray:
    """Return int64 0 to count - 1."""
    return np.arange(count, dtype=np.int64)
