"""The first layer of packed images: only pixels that are not zero meet their weights."""

from __future__ import annotations

import functools

import numpy as np

from .bits import PLACES, bits_below, count_bits, fetch_ahead
from .compiling import part, within
from .simd import LANES, add, load, multiply_add, splat, store
from .tiles import ROWS, SIDES, add_row_products, no_rows, no_sides, store_sums

_LINE = 64  # bytes of a cache line


@within
def _row_sums(place, value, levels, w, stride, lane, sums):
    """Return a tile of sums with what some pixels add to them."""
    for t in range(place.size):
        x = splat(levels[value[t]])
        sums = add_row_products(sums, x, w, np.int64(place[t]) * stride + lane)
    return sums


@within
def _one_vector(place, value, levels, w, stride, lane):
    """Return the sums of sixteen units over some pixels, four pixels at a time."""
    whole = place.size - place.size % 4
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
    return add(add(s0, s1), add(s2, s3))


@part
def fetch_lists(indptr, indices, data, rows):
    """Ask for the lists of all these images at once: they lie scattered, and each would be waited
    for by itself."""
    for i in range(rows.size):
        begin, end = indptr[rows[i]], indptr[rows[i] + 1]
        for t in range(begin, end, _LINE):
            fetch_ahead(data, t)
        if indices.size:
            for t in range(begin, end, _LINE // 2):
                fetch_ahead(indices, t)


@part
def up_to(indices, begin, end, pixel):
    """Return how many of indices[begin:end], which ascend, are below `pixel`."""
    count, rest = np.uint64(0), (end - begin) % PLACES
    for t in range(begin, end - rest, PLACES):
        count += count_bits(bits_below(indices, t, pixel))
    if end >= PLACES:  # the last ones with what stands before them, which is not counted
        bits = bits_below(indices, end - PLACES, pixel)
        return np.int64(count + count_bits(bits >> np.uint64(PLACES - rest)))
    for t in range(end - rest, end):
        count += np.uint64(indices[t] < pixel)
    return np.int64(count)


@part
def find_part(indptr, indices, rows, pixels, marks):
    """Put into marks, int64 (2, images), where in an image's list some pixels begin and end.

    pixels: the first, the last and one, and how many there are in all.
    """
    for i in range(rows.size):
        at, end = indptr[rows[i]], indptr[rows[i] + 1]
        marks[0, i] = at + up_to(indices, at, end, pixels[0]) if pixels[0] > 0 else at
        marks[1, i] = at + up_to(indices, at, end, pixels[1]) if pixels[1] < pixels[2] else end


@part
def part_forward(indices, data, marks, levels, w, stride, lanes, width, z):
    """z = (x * scale) @ w for some of the pixels and of the units, without biases.

    The lanes of vectors are units: each pixel brings its row of weights. w, rows of `stride`, and
    z, rows of `width`, are flat; width is a multiple of 16, and lanes beyond the stride come to
    hold what follows their row and are for nobody. marks: where in the lists the pixels are, see
    `find_part`; lanes: the first, a multiple of 64, and the last and one. levels: float32 (256,),
    what each byte is worth: one look-up goes to all lanes at once, where a conversion would first
    pass the one port that also spreads it.

    An addition takes four cycles and two can begin in each. 128 units side by side are 1.2 times as
    fast as twice 64; where there are but sixteen, four pixels are summed at a time.
    """
    lane, end = lanes
    while lane < end:
        across = SIDES * ROWS * LANES
        while lane + across > end and across > LANES:
            across //= 2 if across > ROWS * LANES else ROWS
        for i in range(marks.shape[1]):
            place, value = indices[marks[0, i] : marks[1, i]], data[marks[0, i] : marks[1, i]]
            at = i * width + lane
            if across == LANES:
                store(z, at, _one_vector(place, value, levels, w, stride, lane))
            elif across == ROWS * LANES:
                store_sums(z, at, _row_sums(place, value, levels, w, stride, lane, no_rows()))
            else:
                store_sums(z, at, _row_sums(place, value, levels, w, stride, lane, no_sides()))
        lane += across


@part
def by_pixel(indices, data, marks, pixels, stride, columns):
    """Put the values of images, uint8, into columns, flat: those of pixel j, a byte each, zeros
    too, begin at j * stride. Only some of the pixels are looked at: see `find_part`.
    """
    begin, end = np.uint64(pixels[0]) * stride, np.uint64(pixels[1]) * stride
    for t in range(begin, end):
        columns[t] = 0
    for i in range(marks.shape[1]):
        first, last = marks[0, i], marks[1, i]
        place, value = indices[first:last], data[first:last]
        for t in range(place.size):
            columns[np.uint64(place[t]) * stride + np.uint64(i)] = value[t]


@functools.lru_cache(maxsize=8)
def levels_of(scale: np.float32) -> np.ndarray:
    """Return float32 (256,): what each byte is worth."""
    return np.arange(256, dtype=np.float32) * scale
