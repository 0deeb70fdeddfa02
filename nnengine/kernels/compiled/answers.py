"""Answers: the probabilities of a whole network for bytes, straight from the pixels."""

from __future__ import annotations

import weakref

import numpy as np

from ..numpy_ import read_only
from .bits import nonzero_bits
from .compiling import compiled, part
from .first_layer import levels_of, part_forward
from .passes import biases_in_vectors, layers_forward, weights_in_vectors
from .pixels import count_pixels, pack_pixels
from .plan import FAN_IN, UNITS, WIDE, B, answer_rooms, first_weights, plan_of
from .scratch import kept, own
from .simd import LANES, add, exponential, load, load_bytes, splat, store, subtract
from .tiles import TILE, across, add_row_products, no_sums

_AT_ONCE = 64  # images answered: their lists and activations stay in cache
_TILES_FROM = 32  # images: for fewer it does not pay to bring the weights into tiles


@part
def _in_tiles(w, stride, units, levels, tiles):
    """Put w * scale, rows of `stride`, into tiles: 16 pixels for unit 0, for unit 1 ..."""
    for j in range(tiles.size // TILE):
        at = j // LANES * LANES * TILE + j % LANES
        for k in range(units):
            tiles[at + k * LANES] = w[j * stride + k] * levels[1]


@part
def _in_use(flat, first, second, pixels, used):
    """List where 16 pixels begin of which one of two images needs any; return how many do."""
    count = 0
    for start in range(0, pixels, 4 * LANES):
        bits = np.uint64(0xFFFFFFFFFFFFFFFF)  # the last ones, where 64 bytes would reach too far
        if start + 4 * LANES <= pixels:
            bits = nonzero_bits(flat, first + start) | nonzero_bits(flat, second + start)
        for at in range(start, min(start + 4 * LANES, pixels), LANES):
            used[count] = at
            count += (bits & np.uint64(0xFFFF)) != 0
            bits >>= np.uint64(LANES)
    return count


@part
def _tiles_forward(x, tiles, b, used, z):
    """z = (x * scale) @ w + b for at most TILE units. The lanes are pixels.

    Sixteen pixels meet the weights of all units at once, unless all of them are zero; two images
    share the weights that come from memory: 10,000 of MNIST's take 1.25 ms on one core, and
    1.9 ms one by one. z: flat, rows of 16.
    """
    flat, pixels = x.reshape(x.size), x.shape[1]
    for i in range(0, x.shape[0], 2):
        other = min(i + 1, x.shape[0] - 1)
        sums, others = no_sums(), no_sums()
        for t in range(_in_use(flat, i * pixels, other * pixels, pixels, used)):
            at = np.int64(used[t])
            sums = add_row_products(sums, load_bytes(flat, i * pixels + at), tiles, at * TILE)
            them = load_bytes(flat, other * pixels + at)
            others = add_row_products(others, them, tiles, at * TILE)
        store(z, i * LANES, add(across(sums), load(b, 0)))
        store(z, other * LANES, add(across(others), load(b, 0)))


@part
def _lists_forward(indptr, indices, data, marks, levels, w, stride, b, z):
    """z = (x * scale) @ w + b for images as lists; marks: room for two numbers of each."""
    width = b.size
    for i in range(marks.shape[1]):
        marks[0, i], marks[1, i] = indptr[i], indptr[i + 1]
    part_forward(indices, data, marks, levels, w, stride, (np.int64(0), width), width, z)
    for i in range(marks.shape[1]):
        for lane in range(0, width, LANES):
            store(z, i * width + lane, add(load(z, i * width + lane), load(b, lane)))


@part
def _row_probabilities(logits, width, out):
    """Put softmax of rows of logits, flat, into out (n, classes). The logits are used up."""
    for i in range(out.shape[0]):
        row, odds, total = logits[i * width : (i + 1) * width], out[i], np.float32(0)
        most = row[0]
        for k in range(1, odds.size):
            most = max(most, row[k])
        for lane in range(0, width, LANES):
            store(row, lane, exponential(subtract(load(row, lane), splat(most))))
        for k in range(odds.size):
            total += row[k]
        for k in range(odds.size):
            odds[k] = row[k] / total


@compiled
def _probabilities(x, levels, plan, theta, w, stride, wide, lists, marks, tiles, a, out):
    """Do `probabilities`, so many images at a time as lists and marks have room for."""
    indptr, indices, data = lists
    last = len(plan) - 1
    b = wide[0][plan[0, B] : plan[0, B] + plan[0, WIDE]]
    for n in range(len(plan)):
        biases_in_vectors(n, plan, theta, wide[0])
        if n > 0:
            # Not a plain False: numba would compile everything once more for the literal.
            weights_in_vectors(n, 0, plan[n, FAN_IN], np.int64(0), plan, theta, wide[0])
    _in_tiles(w, stride, plan[0, UNITS], levels, tiles)
    for begin in range(0, x.shape[0], marks.shape[1]):
        images = x[begin : begin + marks.shape[1]]
        count = images.shape[0]
        if tiles.size:
            _tiles_forward(images, tiles, b, indices, a)
        else:
            count_pixels(images, indptr)
            pack_pixels(images, indptr, indices, data)
            _lists_forward(indptr, indices, data, marks[:, :count], levels, w, stride, b, a)
        logits = a[layers_forward(plan, theta, wide, count, np.int64(0), count, a) :]
        _row_probabilities(logits, plan[last, WIDE], out[begin : begin + count])


def probabilities(x, scale, sizes, kinds, theta, out):
    """Put the probabilities of a whole network into out, for bytes x (n, inputs); float32."""
    key = sizes, kinds, scale, min(len(x), _AT_ONCE), len(x) < _TILES_FROM
    known = own.__dict__.get("answers")
    if known is None or known[0]() is not theta or known[1] != key:
        known = weakref.ref(theta), key, _arguments(*key, theta)
        # Weights that are too few for whole vectors were copied, and are copied anew next time.
        own.answers = known if known[2][3] is known[2][2] else None
    _probabilities(x, *known[2], out)


def _arguments(sizes, kinds, scale, count: int, few: bool, theta: np.ndarray) -> tuple:
    """Return what `_probabilities` takes between x and out; a third of a call if made each time."""
    plan, wide, room = plan_of(sizes, kinds)
    size = count * sizes[0]
    lists = np.empty(count + 1, np.int64), np.empty(size, np.uint16), np.empty(size, np.uint8)
    in_tiles = not few and sizes[1] <= TILE and sizes[0] % LANES == 0
    tiles = kept(sizes, "tiles", sizes[0] * TILE if in_tiles else 0)
    wide, a = answer_rooms(sizes, count, wide, room)
    theta = read_only(theta)
    network = plan, theta, *first_weights(theta, sizes), wide
    marks = np.empty((2, count), np.int64)
    return levels_of(scale), *network, lists, marks, tiles, a
