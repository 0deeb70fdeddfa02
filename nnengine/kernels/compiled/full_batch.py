"""A whole network for all images at once, sixteen alike side by side: one image in each lane.

Tiles of sums are done for as many lanes at a time as vectors have: sixteen, or four in a browser,
where ten sums of sixteen do not fit into registers (54 -> 35 ms an iteration of the original).
Of unit k and group g stand the values at (g * width + k) * 16, one a lane. Weights are padded to
whole tiles of units.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .. import numpy_, workers
from ..numpy_ import GROUPS, PAIR
from .compiling import compiled, inlined, part
from .dense import activate, activation_backward
from .scratch import kept
from .simd import (
    LANES,
    PART,
    add,
    divide,
    exponential,
    load,
    load_part,
    load_part_bytes,
    maximum,
    multiply,
    splat,
    splat_part,
    store,
    subtract,
    where_equal,
)
from .tiles import TILE, across, add_products, add_row_products, no_part_sums, store_sums

_PIECE_BLOCKS = 6  # of grouped images, 3072, that one thread takes at a time

# Of a layer: inputs, units, units in whole tiles, activation; where its units begin in the rooms;
# where in theta its weights, its biases and its weights turned round begin; where in blame the
# gradients of weights and biases.
FAN_IN, UNITS, WIDE, KIND, ROOM, W, B, TURNED, DW, DB = range(10)


@part
def _slots_forward(indptr, indices, pixels, first, groups, w, b, z):
    """z = x @ w + b for `groups` groups from `first` on; see `Grouped`. w: flat, scaled."""
    width = b.size
    for g in range(groups):
        start, end = indptr[first + g], indptr[first + g + 1]
        place, pixel = indices[start:end], pixels[start * LANES : end * LANES]
        for k in range(0, width, TILE):
            for lane in range(0, LANES, PART):
                sums = add_products(no_part_sums(), splat_part(1), b, k)
                for t in range(place.size):
                    x = load_part_bytes(pixel, t * LANES + lane)
                    sums = add_products(sums, x, w, np.int64(place[t]) * width + k)
                store_sums(z, (g * width + k) * LANES + lane, sums)


@part
def _slots_backward(ends, members, pixels, block, inputs, width, dz, dw):
    """dw += x.T @ dz for one block. dw: flat, sixteen numbers for every tile and pixel.

    Two pixels share a list, and what is loaded of dz: MNIST 4.0 -> 3.8 ms, Fashion-MNIST
    6.8 -> 6.2 ms. An odd pixel's fellow is all zeros and changes nothing.
    """
    pairs = (inputs + PAIR - 1) // PAIR
    for k in range(0, width, TILE):
        for j in range(pairs):
            start, end = ends[block * pairs + j], ends[block * pairs + j + 1]
            if start == end:  # a third of MNIST's: 4.3 -> 4.2 ms
                continue
            member, pixel = members[start:end], pixels[start * PAIR * LANES : end * PAIR * LANES]
            sums, others = no_part_sums(), no_part_sums()
            for t in range(member.size):
                row = (np.int64(member[t]) * width + k) * LANES
                for lane in range(0, LANES, PART):
                    x = load_part_bytes(pixel, t * PAIR * LANES + lane)
                    sums = add_row_products(sums, x, dz, row + lane)
                    if PAIR > 1:
                        x = load_part_bytes(pixel, (t * PAIR + 1) * LANES + lane)
                        others = add_row_products(others, x, dz, row + lane)
            at = (k // TILE * inputs + j * PAIR) * LANES
            store(dw, at, add(load(dw, at), across(sums)))
            if PAIR > 1:
                store(dw, at + LANES, add(load(dw, at + LANES), across(others)))


@part
def _lanes_forward(a, fan_in, stride, groups, w, b, z):
    """z = a @ w + b. a: `fan_in` units of `stride` a group."""
    width = b.size
    for g in range(groups):
        for k in range(0, width, TILE):
            for lane in range(0, LANES, PART):
                sums = add_products(no_part_sums(), splat_part(1), b, k)
                for j in range(fan_in):
                    x = load_part(a, (g * stride + j) * LANES + lane)
                    sums = add_products(sums, x, w, j * width + k)
                store_sums(z, (g * width + k) * LANES + lane, sums)


@part
def _lanes_backward(a, fan_in, stride, groups, width, dz, dw):
    """dw += a.T @ dz."""
    for k in range(0, width, TILE):
        for j in range(fan_in):
            sums = no_part_sums()
            for g in range(groups):
                for lane in range(0, LANES, PART):
                    x = load_part(a, (g * stride + j) * LANES + lane)
                    sums = add_row_products(sums, x, dz, (g * width + k) * LANES + lane)
            at = (k // TILE * fan_in + j) * LANES
            store(dw, at, add(load(dw, at), across(sums)))


@part
def _lanes_biases(groups, width, dz, db):
    """db += column sums of dz; sixteen numbers for every tile."""
    for k in range(0, width, TILE):
        sums = no_part_sums()
        for g in range(groups):
            for lane in range(0, LANES, PART):
                sums = add_row_products(sums, splat_part(1), dz, (g * width + k) * LANES + lane)
        at = k // TILE * LANES
        store(db, at, add(load(db, at), across(sums)))


@part
def _truths(labels, truths):
    """Put labels into truths as numbers, sixteen; -1 into the lanes that hold no image."""
    for lane in range(labels.size):
        truths[lane] = labels[lane]
    for lane in range(labels.size, LANES):
        truths[lane] = -1


@part
def _lanes_softmax(z, classes, width, labels, weight, spare, dz):
    """Put the gradients of logits z into dz; return (loss, right). spare: 48 floats.

    What depends on a lane's label is chosen in all lanes at once: 1.1 -> 0.3 ms for 60,000
    images and ten classes, where a branch for each label was mostly guessed wrong.
    """
    truths, gaps, totals = spare[:LANES], spare[LANES : 2 * LANES], spare[2 * LANES :]
    loss, right, empty = 0.0, splat(0), splat(-1)
    for first in range(0, labels.size, LANES):
        logits, odds = z[first * width :], dz[first * width :]
        _truths(labels[first : first + LANES], truths)
        truth, top = load(truths, 0), load(logits, 0)
        for k in range(1, classes):
            top = maximum(load(logits, k * LANES), top)
        total, best, own = splat(0), splat(0), top
        for k in range(classes - 1, -1, -1):  # so that the first of equals is the best
            logit, this = load(logits, k * LANES), splat(k)
            best = where_equal(logit, top, this, best)
            own = where_equal(truth, this, logit, own)
            odd = exponential(subtract(logit, top))
            store(odds, k * LANES, odd)
            total = add(total, odd)
        right = add(right, where_equal(truth, best, splat(1), splat(0)))
        whole = where_equal(truth, empty, splat(0), splat(weight))
        share = divide(whole, total)
        for k in range(classes):
            odd = multiply(load(odds, k * LANES), share)
            odd = where_equal(truth, splat(k), subtract(odd, whole), odd)
            store(odds, k * LANES, odd)
        store(gaps, 0, subtract(top, own))
        store(totals, 0, where_equal(truth, empty, splat(1), total))
        # The logarithm of a product is the sum of the logarithms, and one is cheaper than sixteen.
        product = 1.0
        for lane in range(LANES):
            loss += gaps[lane]
            product *= totals[lane]
        loss += math.log(product)
    store(gaps, 0, right)
    correct = 0
    for lane in range(LANES):
        correct += np.int64(gaps[lane])
    return loss, correct


@inlined
def _forward_block(lists, block, groups, plan, theta, a):
    """Put the activations of all layers into a, for one block."""
    indptr, indices, pixels, _, _, _ = lists
    for n in range(len(plan)):
        wide, room = plan[n, WIDE], plan[n, ROOM]
        w, b = theta[plan[n, W] : plan[n, B]], theta[plan[n, B] : plan[n, B] + wide]
        z = a[room : room + groups * wide * LANES]
        if n == 0:
            _slots_forward(indptr, indices, pixels, block * GROUPS, groups, w, b, z)
        else:
            before = a[plan[n - 1, ROOM] :]
            _lanes_forward(before, plan[n, FAN_IN], plan[n - 1, WIDE], groups, w, b, z)
        activate(z.reshape(1, z.size), plan[n, KIND])


@inlined
def _backward_block(lists, block, groups, plan, theta, nothing, a, d, blame):
    """Add the gradients of all layers to blame. d: gradients for a, of which the last are there."""
    _, _, _, ends, members, pixels = lists
    for n in range(len(plan) - 1, -1, -1):
        fan_in, wide, room = plan[n, FAN_IN], plan[n, WIDE], plan[n, ROOM]
        size = groups * wide * LANES
        z, dz = a[room : room + size], d[room : room + size]
        activation_backward(z.reshape(1, size), dz.reshape(1, size), plan[n, KIND])
        dw, db = blame[plan[n, DW] :], blame[plan[n, DB] :]
        _lanes_biases(groups, wide, dz, db)
        if n == 0:
            _slots_backward(ends, members, pixels, block, fan_in, wide, dz, dw)
        else:
            stride, before = plan[n - 1, WIDE], plan[n - 1, ROOM]
            _lanes_backward(a[before:], fan_in, stride, groups, wide, dz, dw)
            turned = theta[plan[n, TURNED] :]
            _lanes_forward(dz, plan[n, UNITS], wide, groups, turned, nothing[:stride], d[before:])


@compiled
def _sliced_gradient(lists, first, labels, weight, plan, theta, nothing, spare, a, d, blame):
    """Do `sliced_gradient` with everything in whole tiles; see `_plan`."""
    loss, correct, last = 0.0, 0, len(plan) - 1
    classes, wide, room = plan[last, UNITS], plan[last, WIDE], plan[last, ROOM]
    for start in range(0, labels.size, GROUPS * LANES):
        label = labels[start : start + GROUPS * LANES]
        groups, block = (label.size + LANES - 1) // LANES, first + start // (GROUPS * LANES)
        _forward_block(lists, block, groups, plan, theta, a)
        logits, dz = a[room:], d[room:]
        summed, right = _lanes_softmax(logits, classes, wide, label, weight, spare, dz)
        loss, correct = loss + summed, correct + right
        _backward_block(lists, block, groups, plan, theta, nothing, a, d, blame)
    return loss, correct


def _tiles(units: int) -> int:
    """Return the units in whole tiles."""
    return -(-units // TILE) * TILE


@functools.lru_cache(maxsize=32)
def _plan(sizes: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return int64 (layers, 10), and how many floats theta, nothing, spare, rooms, blame take."""
    rows, before, theta, room, blame = [], 0, 0, 0, 0
    for fan_in, units, kind in zip(sizes, sizes[1:], kinds, strict=False):
        wide = _tiles(units)
        b = theta + fan_in * wide
        db = blame + fan_in * wide // TILE * LANES
        rows.append((fan_in, units, wide, kind, room, theta, b, b + wide, blame, db))
        theta = b + wide + units * before
        room += GROUPS * wide * LANES
        blame = db + wide // TILE * LANES
        before = wide
    plan = np.array(rows, np.int64)
    plan.flags.writeable = False
    return plan, (theta, _tiles(max(sizes[1:])), 3 * LANES, room, blame)


def sliced_gradient(lists, first, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient for whole blocks of grouped images, on all threads; float32."""
    plan, (count, nothing, spare, rooms, blame) = _plan(sizes, kinds)
    size = _PIECE_BLOCKS * GROUPS * LANES
    pieces = -(-len(labels) // size)
    room = functools.partial(kept, sizes)
    tiles, nothing = room("theta", count), room("nothing", nothing)
    blame = room("blame", pieces * blame).reshape(pieces, blame)
    _lay_out(plan, tiles, scale, numpy_.layers_of(theta, sizes))
    found = [(0.0, 0)] * pieces

    def piece(n: int) -> None:
        blame[n] = 0
        label = labels[n * size : (n + 1) * size]
        rest = room("spare", spare), room("a", rooms), room("d", rooms), blame[n]
        start = first + n * _PIECE_BLOCKS
        found[n] = _sliced_gradient(lists, start, label, weight, plan, tiles, nothing, *rest)

    workers.fan_out(piece, pieces)
    for sums in blame[1:]:  # always in this order, whoever came by them first
        blame[0] += sums
    _bring_in(plan, blame[0], scale, numpy_.layers_of(gradient, sizes))
    return sum(loss for loss, _ in found), sum(correct for _, correct in found)


def _lay_out(plan: np.ndarray, theta: np.ndarray, scale: np.float32, layers) -> None:
    """Put weights and biases into theta: in whole tiles, the rest zeros, the first ones scaled."""
    before = 0
    for n, (w, b) in enumerate(layers):
        fan_in, units = w.shape
        wide, at, end = (int(plan[n, column]) for column in (WIDE, W, B))
        room = theta[at:end].reshape(fan_in, wide)[:, :units]
        np.multiply(w, scale, out=room) if n == 0 else np.copyto(room, w)
        theta[end : end + units] = b
        if n:
            at = int(plan[n, TURNED])
            theta[at : at + units * before].reshape(units, before)[:, :fan_in] = w.T
        before = wide


def _bring_in(plan: np.ndarray, blame: np.ndarray, scale: np.float32, gradients) -> None:
    """Add what stands in blame, tile by tile, to the gradients of weights and biases."""
    for n, (dw, db) in enumerate(gradients):
        fan_in, units = dw.shape
        for k in range(0, units, TILE):
            here, at = min(TILE, units - k), int(plan[n, DW]) + k // TILE * fan_in * LANES
            sums = blame[at : at + fan_in * LANES].reshape(fan_in, LANES)[:, :here]
            dw[:, k : k + here] += sums * scale if n == 0 else sums
            at = int(plan[n, DB]) + k // TILE * LANES
            db[k : k + here] += blame[at : at + here]
