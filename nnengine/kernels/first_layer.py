"""The first layer of packed images: only pixels that are not zero meet their weights."""

from __future__ import annotations

import functools

import numpy as np

from .compiling import part
from .simd import (
    LANES,
    ROWS,
    add,
    add_row_products,
    fetch_ahead,
    load,
    multiply_add,
    no_rows,
    splat,
    store,
    store_sums,
)

_LINE = 64  # bytes of a cache line


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
def fetch_lists(starts, places, values, rows):
    """Ask for the lists of all these images at once: they lie scattered, and each would be waited
    for by itself."""
    for i in range(rows.size):
        begin, end = starts[rows[i]], starts[rows[i] + 1]
        for t in range(begin, end, _LINE):
            fetch_ahead(values, t)
        if places.size:
            for t in range(begin, end, _LINE // 2):
                fetch_ahead(places, t)


@part
def by_pixel(starts, places, values, rows, counts, users):
    """List for every pixel the images that use it: users[j * stride + t] = image << 8 | value.

    rows: 256 at most; users: uint16, flat, of room for all of them at every pixel.
    """
    stride = np.uint64(users.size // counts.size)
    for j in range(counts.size):
        counts[j] = 0
    for i in range(rows.size):
        place = places[starts[rows[i]] : starts[rows[i] + 1]]
        value = values[starts[rows[i]] : starts[rows[i] + 1]]
        for t in range(place.size):
            j = np.uint64(place[t])
            users[j * stride + np.uint64(counts[j])] = i << 8 | value[t]
            counts[j] += np.uint16(1)


@functools.lru_cache(maxsize=8)
def levels_of(scale: np.float32) -> np.ndarray:
    """Return float32 (256,): what each byte is worth."""
    return np.arange(256, dtype=np.float32) * scale
