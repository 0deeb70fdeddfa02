"""The first layer of packed images: only pixels that are not zero meet their weights."""

from __future__ import annotations

import functools

import numpy as np

from .compiling import part
from .numpy_ import aligned_zeros
from .scratch import own
from .simd import (
    LANES,
    ROWS,
    add,
    add_row_products,
    load,
    multiply_add,
    no_rows,
    splat,
    store,
    store_sums,
)

TOGETHER = 128  # images whose packed pixels are taken back at once; at most 256
STRIDE = TOGETHER + 32  # an odd number of cache lines, or all lists would end in the same few


@part
def packed_forward(starts, places, values, rows, levels, w, stride, b, z):
    """z = (x * scale) @ w + b. The lanes are units: each pixel brings its row of weights.

    w, rows of `stride`, b (width,) and z are flat; width is a multiple of 16, and lanes beyond the
    stride come to hold what follows their row and are for nobody. levels:
    float32 (256,), what each byte is worth: one look-up goes to all lanes at once, where a
    conversion would first pass the one port that also spreads it. Four sums run side by side
    because an addition takes four cycles and one can begin in each: those of 64 units for each
    pixel in turn, or of 16 units for four pixels at a time.
    """
    width = b.size
    wide = width - width % (ROWS * LANES)
    for i in range(rows.size):
        # Slices: numba need not ask of each index whether it counts from the end.
        place = places[starts[rows[i]] : starts[rows[i] + 1]]
        value = values[starts[rows[i]] : starts[rows[i] + 1]]
        for lane in range(0, wide, ROWS * LANES):
            sums = add_row_products(no_rows(), splat(1), b, lane)
            for t in range(place.size):
                x = splat(levels[value[t]])
                sums = add_row_products(sums, x, w, np.int64(place[t]) * stride + lane)
            store_sums(z, i * width + lane, sums)
        whole = place.size - place.size % 4
        for lane in range(wide, width, LANES):
            s0 = splat(0)
            s1 = s0
            s2 = s0
            s3 = s0
            for t in range(0, whole, 4):
                at0 = np.int64(place[t]) * stride + lane
                at1 = np.int64(place[t + 1]) * stride + lane
                at2 = np.int64(place[t + 2]) * stride + lane
                at3 = np.int64(place[t + 3]) * stride + lane
                s0 = multiply_add(splat(levels[value[t]]), load(w, at0), s0)
                s1 = multiply_add(splat(levels[value[t + 1]]), load(w, at1), s1)
                s2 = multiply_add(splat(levels[value[t + 2]]), load(w, at2), s2)
                s3 = multiply_add(splat(levels[value[t + 3]]), load(w, at3), s3)
            for t in range(whole, place.size):
                at = np.int64(place[t]) * stride + lane
                s0 = multiply_add(splat(levels[value[t]]), load(w, at), s0)
            total = add(add(s0, s1), add(s2, s3))
            store(z, i * width + lane, add(total, load(b, lane)))


@part
def by_pixel(starts, places, values, rows, counts, users):
    """List for every pixel the images that use it: users[j * STRIDE + t] = image << 8 | value."""
    for j in range(counts.size):
        counts[j] = 0
    for i in range(rows.size):
        place = places[starts[rows[i]] : starts[rows[i] + 1]]
        value = values[starts[rows[i]] : starts[rows[i] + 1]]
        for t in range(place.size):
            j = np.uint64(place[t])
            users[j * np.uint64(STRIDE) + np.uint64(counts[j])] = i << 8 | value[t]
            counts[j] += np.uint16(1)


@part
def packed_backward(counts, users, n, levels, dz, dw, db):
    """dw += (x * scale).T @ dz, db += column sums; dw and db as for `packed_forward`.

    dz: flat, panels of 64 or 16 units after another, of n images each, so that a panel stays in
    the first cache; a row of dw stays in registers while all images add to it.
    """
    width = db.size
    wide = width - width % (ROWS * LANES)
    for lane in range(0, wide, ROWS * LANES):
        panel = dz[lane * n : (lane + ROWS * LANES) * n]
        sums = add_row_products(no_rows(), splat(1), db, lane)
        for i in range(n):
            sums = add_row_products(sums, splat(1), panel, i * ROWS * LANES)
        store_sums(db, lane, sums)
        for j in range(counts.size):
            user = users[j * STRIDE : j * STRIDE + counts[j]]
            sums = add_row_products(no_rows(), splat(1), dw, j * width + lane)
            for t in range(user.size):
                row = np.int64(user[t] >> np.uint16(8)) * (ROWS * LANES)
                sums = add_row_products(sums, splat(levels[user[t] & np.uint16(255)]), panel, row)
            store_sums(dw, j * width + lane, sums)
    for lane in range(wide, width, LANES):
        panel = dz[lane * n : (lane + LANES) * n]
        total = load(db, lane)
        for i in range(n):
            total = add(total, load(panel, i * LANES))
        store(db, lane, total)
        for j in range(counts.size):
            user = users[j * STRIDE : j * STRIDE + counts[j]]
            total = load(dw, j * width + lane)
            for t in range(user.size):
                row = np.int64(user[t] >> np.uint16(8)) * LANES
                x = splat(levels[user[t] & np.uint16(255)])
                total = multiply_add(x, load(panel, row), total)
            store(dw, j * width + lane, total)


@part
def panels_of(dz, first, n, width, out):
    """Put n rows of dz, flat, into panels of 64 units, and of 16 for the rest; all lanes whole."""
    wide = width - width % (ROWS * LANES)
    at = 0
    for lane in range(0, wide, ROWS * LANES):
        for i in range(first, first + n):
            for k in range(0, ROWS * LANES, LANES):
                store(out, at, load(dz, i * width + lane + k))
                at += LANES
    for lane in range(wide, width, LANES):
        for i in range(first, first + n):
            store(out, at, load(dz, i * width + lane))
            at += LANES


@functools.lru_cache(maxsize=8)
def levels_of(scale: np.float32) -> np.ndarray:
    """Return float32 (256,): what each byte is worth."""
    return np.arange(256, dtype=np.float32) * scale


def columns_of(fan_in: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return room of this thread for `by_pixel` and `panels_of`."""
    known = own.__dict__.get("columns")
    if known is None or known[0] != (fan_in, width):
        counts, users = np.empty(fan_in, np.uint16), np.empty(fan_in * STRIDE, np.uint16)
        panels = aligned_zeros(width * TOGETHER, np.float32)
        known = own.columns = (fan_in, width), (counts, users, panels)
    return known[1]
