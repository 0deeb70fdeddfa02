"""Kernels compiled by numba: plain loops over arrays, free of the GIL, cached on disk.

The same names, arguments and meaning as `numpy_.py`, which explains the formulas. No kernel
allocates or touches a Python object, so that the same functions can be compiled ahead of
time; the few plain functions here bring arrays into the shape that kernels take. Large dense
products go to BLAS, which is a compiled kernel already.
"""

from __future__ import annotations

import functools
import math
import threading

import numba
import numpy as np

from . import numpy_, workers

# Compiled kernels are kept by the text of this file alone: when one of these constants changes
# its value, something has to change here as well, or old kernels come out of the cache.
from .numpy_ import (
    BEND_X,
    BEND_Y,
    FAINT,
    FIELD_X,
    FIELD_Y,
    GRAIN,
    GROUPS,
    INVERT,
    LEAK,
    LEAKY_RELU,
    NOISE,
    NUMBERS,
    ONE,
    RELU,
    SIGMOID,
    STEP,
    TANH,
    WIDTH,
    X0,
    XX,
    XY,
    Y0,
    YX,
    YY,
    aligned_zeros,
)
from .simd import (
    BLOCK,
    LANES,
    ROWS,
    TILE,
    across,
    add,
    add_products,
    add_row_products,
    copy_bytes,
    count_bits,
    divide,
    exponential,
    fetch_ahead,
    first_bit,
    load,
    load_bytes,
    maximum,
    multiply,
    multiply_add,
    no_rows,
    no_sums,
    nonzero_bits,
    splat,
    store,
    store_sums,
    subtract,
)

_PIECE_BLOCKS = 4  # of grouped images, 3072, that one thread takes at a time
_AT_ONCE = 64  # images answered: their lists and activations stay in cache
_TOGETHER = 128  # images whose packed pixels are taken back at once; at most 256
_STRIDE = _TOGETHER + 32  # an odd number of cache lines, or all lists would end in the same few

# The full fastmath turns isfinite into a constant; these four flags allow vector sums and
# fused multiply-adds and keep NaN and infinity honest.
compiled = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"nsz", "contract", "reassoc", "arcp"}
)

# Kernels that no Python calls need no way in from there: a third of the time to compile them.
part = numba.njit(
    nogil=True,
    error_model="numpy",
    fastmath={"nsz", "contract", "reassoc", "arcp"},
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)
# Kernels that only call others: written into their callers, or LLVM would go over all of it twice.
inlined = numba.njit(inline="always")


@compiled
def _bytes_forward(x, scale, w, b, z):
    """Put (x * scale) @ w + b into z, skipping the zero pixels: four in five on MNIST."""
    n, fan_in = x.shape
    fan_out = w.shape[1]
    for i in range(n):
        for k in range(fan_out):
            z[i, k] = 0
        for j in range(fan_in):
            if x[i, j] != 0:
                pixel = w.dtype.type(x[i, j])
                for k in range(fan_out):
                    z[i, k] += pixel * w[j, k]
        for k in range(fan_out):
            z[i, k] = z[i, k] * scale + b[k]


@compiled
def _bytes_backward(x, scale, dz, dw, db):
    """Add (x * scale).T @ dz to dw and the column sums of dz to db, skipping zero pixels."""
    n, fan_in = x.shape
    fan_out = dw.shape[1]
    for i in range(n):
        for k in range(fan_out):
            db[k] += dz[i, k]
        for j in range(fan_in):
            if x[i, j] != 0:
                pixel = dw.dtype.type(x[i, j] * scale)
                for k in range(fan_out):
                    dw[j, k] += pixel * dz[i, k]


def bytes_forward(x, scale, w, b, z):
    """Put (x * scale) @ w + b into z. float32 goes to BLAS: what is sparse comes packed."""
    kernel = numpy_.bytes_forward if w.dtype == np.float32 else _bytes_forward
    kernel(x, scale, w, b, z)


def bytes_backward(x, scale, dz, dw, db):
    """Add (x * scale).T @ dz to dw and the column sums of dz to db; as `bytes_forward`."""
    kernel = numpy_.bytes_backward if dw.dtype == np.float32 else _bytes_backward
    kernel(x, scale, dz, dw, db)


@part
def _nonzero_pixels(flat, start, end):
    """Return uint64: which of the 64 pixels from `start` on, but before `end`, are not zero."""
    if start + 64 <= flat.size:
        bits = nonzero_bits(flat, start)
        if start + 64 > end:
            bits &= (np.uint64(1) << np.uint64(end - start)) - np.uint64(1)
        return bits
    bits = np.uint64(0)
    for j in range(end - start):
        bits |= np.uint64(flat[start + j] != 0) << np.uint64(j)
    return bits


@compiled
def count_pixels(x, starts):
    """Put into starts[i + 1] how many pixels of images 0..i are not zero."""
    flat, pixels = x.ravel(), x.shape[1]
    total = np.int64(0)
    starts[0] = 0
    for i in range(x.shape[0]):
        for start in range(i * pixels, (i + 1) * pixels, 64):
            total += np.int64(count_bits(_nonzero_pixels(flat, start, (i + 1) * pixels)))
        starts[i + 1] = total


@compiled
def pack_pixels(x, starts, places, values):
    """List the nonzero pixels of every image: where they stand, and their values."""
    flat, pixels = x.ravel(), x.shape[1]
    t = 0
    for i in range(x.shape[0]):
        for start in range(i * pixels, (i + 1) * pixels, 64):
            bits = _nonzero_pixels(flat, start, (i + 1) * pixels)
            while bits != 0:
                at = start + np.int64(first_bit(bits))
                places[t] = at - i * pixels
                values[t] = flat[at]
                t += 1
                bits &= bits - np.uint64(1)


@part
def _packed_forward(starts, places, values, rows, levels, w, stride, b, z):
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
def _by_pixel(starts, places, values, rows, counts, users):
    """List for every pixel the images that use it: users[j * _STRIDE + t] = image << 8 | value."""
    for j in range(counts.size):
        counts[j] = 0
    for i in range(rows.size):
        place = places[starts[rows[i]] : starts[rows[i] + 1]]
        value = values[starts[rows[i]] : starts[rows[i] + 1]]
        for t in range(place.size):
            j = np.uint64(place[t])
            users[j * np.uint64(_STRIDE) + np.uint64(counts[j])] = i << 8 | value[t]
            counts[j] += np.uint16(1)


@part
def _packed_backward(counts, users, n, levels, dz, dw, db):
    """dw += (x * scale).T @ dz, db += column sums; dw and db as for `_packed_forward`.

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
            user = users[j * _STRIDE : j * _STRIDE + counts[j]]
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
            user = users[j * _STRIDE : j * _STRIDE + counts[j]]
            total = load(dw, j * width + lane)
            for t in range(user.size):
                row = np.int64(user[t] >> np.uint16(8)) * LANES
                x = splat(levels[user[t] & np.uint16(255)])
                total = multiply_add(x, load(panel, row), total)
            store(dw, j * width + lane, total)


@part
def _panels(dz, first, n, width, out):
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
def _levels(scale: np.float32) -> np.ndarray:
    """Return float32 (256,): what each byte is worth."""
    return np.arange(256, dtype=np.float32) * scale


def _columns(fan_in: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return room of this thread for `_by_pixel` and `_panels`."""
    known = _scratch.__dict__.get("columns")
    if known is None or known[0] != (fan_in, width):
        counts, users = np.empty(fan_in, np.uint16), np.empty(fan_in * _STRIDE, np.uint16)
        panels = aligned_zeros(width * _TOGETHER, np.float32)
        known = _scratch.columns = (fan_in, width), (counts, users, panels)
    return known[1]


@part
def _fill(pixels, shade):
    """Put the shade into every pixel. A slice set to a number takes numba a second to compile."""
    for t in range(pixels.size):
        pixels[t] = shade


@part
def _frame(images, begin, size, w, framed):
    """Put an image, `size` pixels from `begin`, into framed, flat (h + 3, w + 3).

    Its corners' shade comes around it. Rows are copied in whole blocks, whose overhang the next
    row overwrites: 175 -> 30 ns for 28 rows of 28.
    """
    end, wide = begin + size, w + 3
    a, b, c, d = images[begin], images[begin + w - 1], images[end - w], images[end - 1]
    shade = min(min(max(a, b), max(c, d)), max(min(a, b), min(c, d)))  # the second darkest
    _fill(framed[: wide + 1], shade)
    start = wide + 1
    for row in range(begin, end, w):
        for j in range(0, w, BLOCK):
            if row + j + BLOCK <= images.size and start + j + BLOCK <= framed.size:
                copy_bytes(images, row + j, framed, start + j)
            else:
                for k in range(j, min(j + BLOCK, w)):
                    framed[start + k] = images[row + k]
        framed[start + w] = shade
        framed[start + w + 1] = shade
        framed[start + w + 2] = shade
        start += wide
    _fill(framed[start:], shade)


@part
def _thicken(framed, wide, part, inner):
    """Go so many 256ths of the way to the brightest of each pixel and its four neighbours.

    Sixteen bits are enough, so no more are used: 255 * 256 + 128 is the most.
    """
    up, down = framed[1:], framed[2 * wide + 1 :]
    before, here, after = framed[wide:], framed[wide + 1 :], framed[wide + 2 :]
    for t in range(inner.size):
        goal = max(max(up[t], down[t]), max(here[t], max(before[t], after[t])))
        way = np.uint16(np.uint16(goal - here[t]) * part + np.uint16(128)) >> np.uint16(8)
        inner[t] = here[t] + np.uint8(way)


@part
def _thin(framed, wide, part, inner):
    """Go so many 256ths of the way to the darkest; as `_thicken`, a half rounded up."""
    up, down = framed[1:], framed[2 * wide + 1 :]
    before, here, after = framed[wide:], framed[wide + 1 :], framed[wide + 2 :]
    for t in range(inner.size):
        goal = min(min(up[t], down[t]), min(here[t], min(before[t], after[t])))
        way = np.uint16(np.uint16(here[t] - goal) * part + np.uint16(127)) >> np.uint16(8)
        inner[t] = here[t] - np.uint8(way)


@part
def _widen(framed, spare, wide, width):
    """Put framed, flat, into spare with strokes wider or narrower; see `numpy_.widen`.

    The margins take part, because one long loop is faster than many short ones, and are put
    right afterwards. width: at most a whole step.
    """
    inner = spare[wide + 1 : spare.size - wide - 1]
    if width > 0:
        _thicken(framed, wide, np.uint16(width), inner)
    else:
        _thin(framed, wide, np.uint16(-width), inner)
    shade = framed[0]
    _fill(spare[: wide + 1], shade)
    for start in range(2 * wide - 2, spare.size - wide, wide):
        spare[start] = shade
        spare[start + 1] = shade
        spare[start + 2] = shade
    _fill(spare[spare.size - 2 * wide :], shade)


@part
def _fours(framed, wide, fours):
    """Put every pixel with its neighbours to the right and below into one number, uint32."""
    n = fours.size
    a, b = framed[:n], framed[1 : n + 1]
    c, d = framed[wide : n + wide], framed[wide + 1 : n + wide + 1]
    for t in range(n):
        top = np.uint32(a[t]) | np.uint32(b[t]) << np.uint32(8)
        below = np.uint32(c[t]) | np.uint32(d[t]) << np.uint32(8)
        fours[t] = top | below << np.uint32(16)


@part
def _across(steps, bend, strength, to_right, down, start, most, x):
    """Put into x, int32, from which column the pixels come; see `numpy_._sources`."""
    start, least, most = np.int32(start), np.int32(-ONE), np.int32(most)
    for t in range(x.size):
        column, row = np.int32(steps[t] & np.int32(0xFFFF)), np.int32(steps[t] >> np.int32(16))
        moved = np.int32(np.int32(bend[t]) * strength) >> np.int32(3)
        at = np.int32(np.int32(to_right * column) + np.int32(down * row) + moved + start)
        x[t] = min(max(at, least), most)


@part
def _down(steps, bend, strength, to_right, down, start, most, wide, x, at):
    """Put into at between which four pixels each comes from; see `numpy_._sources`.

    x: from which columns, and afterwards the way between the four, 0 to 255 each.
    """
    start, least, most = np.int32(start), np.int32(-ONE), np.int32(most)
    first, low = np.int32(wide + 1), np.int32(255)
    for t in range(x.size):
        column, row = np.int32(steps[t] & np.int32(0xFFFF)), np.int32(steps[t] >> np.int32(16))
        moved = np.int32(np.int32(bend[t]) * strength) >> np.int32(3)
        y = np.int32(np.int32(to_right * column) + np.int32(down * row) + moved + start)
        y = np.int32(min(max(y, least), most))
        at[t] = np.int32((y >> np.int32(16)) * wide) + (x[t] >> np.int32(16)) + first
        x[t] = (x[t] & np.int32(0xFF00)) | (y >> np.int32(8) & low)


@part
def _fetch(fours, at, found):
    """Put into found the four pixels at each place: the one loop that jumps about, so alone."""
    for t in range(at.size):
        found[t] = fours[np.uint32(at[t])]


@part
def _blend(found, between, out):
    """Put into out the grey of each pixel between its four; see `numpy_._move`."""
    # Thirty-two bits all the way, or LLVM takes twice the lanes: 920 instead of 180 ns.
    byte, eight = np.uint32(255), np.int32(8)
    for t in range(out.size):
        four, way = found[t], between[t]
        fx, fy = np.int32(way >> eight), np.int32(way & np.int32(255))
        a, b = np.int32(four & byte), np.int32(four >> np.uint32(8) & byte)
        c, d = np.int32(four >> np.uint32(16) & byte), np.int32(four >> np.uint32(24))
        top = np.int32((a << eight) + (b - a) * fx)
        below = np.int32((c << eight) + (d - c) * fx)
        grey = np.int32((top << eight) + (below - top) * fy + np.int32(1 << 15)) >> np.int32(16)
        keep = (grey >= FAINT) | (way == 0)
        out[t] = np.uint8(grey) if keep else np.uint8(0)


@part
def _soil(out, grains, noise):
    """Add noise to one image, flat; see `numpy_._soil`."""
    for t in range(out.size):
        grey = np.int32(out[t] + (np.int32(grains[t] * noise + 64) >> 7))
        out[t] = np.uint8(min(grey, 255)) if grey >= FAINT else np.uint8(0)


@compiled
def _distort(images, rows, numbers, bends, grains, steps, rooms, wide, out):
    """Do `distort`; everything flat but numbers. Long loops without a branch, one after the other,
    are what LLVM vectorises: 8.6 us an image of MNIST in one loop, 1.1 us this way."""
    framed, spare, fours, found, x, at = rooms
    size, half = x.size, 128  # of the 256 parts of a pixel: rounds to the nearest
    w = wide - 3
    h = size // w
    for n in range(rows.size):
        number = numbers[n]
        if n + 1 < rows.size:  # shuffled rows stand anywhere in 47 MB: 1.5 -> 1.1 us
            for line in range(rows[n + 1] * size, (rows[n + 1] + 1) * size, 64):
                fetch_ahead(images, line)
        flat = out[n * size : (n + 1) * size]
        _frame(images, rows[n] * size, size, w, framed)
        left = number[WIDTH]
        while left != 0:
            part = min(max(left, -STEP), STEP)
            _widen(framed, spare, wide, part)
            framed, spare = spare, framed
            left -= part
        _fours(framed, wide, fours)
        bend = bends[number[FIELD_X] * size : (number[FIELD_X] + 1) * size]
        xx, xy, x0 = number[XX], number[XY], number[X0] + half
        _across(steps, bend, number[BEND_X], xx, xy, x0, w << 16, x)
        bend = bends[number[FIELD_Y] * size : (number[FIELD_Y] + 1) * size]
        yx, yy, y0 = number[YX], number[YY], number[Y0] + half
        _down(steps, bend, number[BEND_Y], yx, yy, y0, h << 16, wide, x, at)
        _fetch(fours, at, found)
        _blend(found, x, flat)
        if number[NOISE] != 0:
            _soil(flat, grains[number[GRAIN] : number[GRAIN] + size], number[NOISE])
        if number[INVERT] != 0:
            for t in range(size):
                flat[t] = 255 - flat[t]


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return a view that cannot be written, so that one compiled kernel serves all callers."""
    view = array.view()
    view.flags.writeable = False
    return view


@functools.lru_cache(maxsize=8)
def _steps(h: int, w: int) -> np.ndarray:
    """Return int32 (h * w,): row << 16 | column of every pixel."""
    return (np.arange(h)[:, None] << 16 | np.arange(w)).astype(np.int32).ravel()


def distort(images, rows, numbers, bends, grains, out):
    """Put the images at `rows` into out, each changed as its row of `numbers` says."""
    h, w = out.shape[1:]
    given = images.reshape(-1), rows, numbers, bends.reshape(-1), grains
    given = map(_read_only, given)
    framed, spare = np.empty((2, (h + 3) * (w + 3)), np.uint8)
    fours, found = np.empty((h + 2) * (w + 3) - 1, np.uint32), np.empty(h * w, np.uint32)
    rooms = framed, spare, fours, found, *np.empty((2, h * w), np.int32)
    wide, steps = np.int32(w + 3), _steps(h, w)
    _distort(*given, steps, rooms, wide, out.reshape(-1))


def dense_forward(x, w, b, z):
    """Put x @ w + b into z, by BLAS, which is a compiled kernel already."""
    numpy_.dense_forward(x, w, b, z)


def dense_backward(x, w, dz, dw, db, dx):
    """Add x.T @ dz to dw and the column sums of dz to db; put dz @ w.T into dx; by BLAS."""
    numpy_.dense_backward(x, w, dz, dw, db, dx)


_scratch = threading.local()


def _room(role: str, array: np.ndarray) -> np.ndarray:
    """Return an array of the same rows in whole vectors of sixteen: itself where they are.

    Else scratch of this thread, which begins at a cache line (vectors that straddle two cost a
    third more) and is used again: 3.6 of 34 ms an iteration went into fresh zeros. Its spare
    lanes stay zero, since whatever is stored there is a sum of zeros.
    """
    width = array.shape[-1]
    if width % LANES == 0:
        return array
    rows, wide = array.size // width, -(-width // LANES) * LANES
    known = _scratch.__dict__.get((role, wide))
    if known is None or len(known) < rows:
        known = aligned_zeros((rows, wide), np.float32)
        _scratch.__dict__[role, wide] = known
    return known[:rows].reshape(*array.shape[:-1], wide)


def _filled(role: str, array: np.ndarray) -> np.ndarray:
    """Return `_room` that holds the array's values."""
    wide = _room(role, array)
    if wide is not array:
        wide[..., : array.shape[-1]] = array
    return wide


def _bring_home(wide: np.ndarray, array: np.ndarray) -> None:
    """Copy what was computed in `_room` back to where it belongs."""
    if wide is not array:
        array[:] = wide[..., : array.shape[-1]]


# Sixteen images side by side, for whole passes over the data. Of unit k and group g stand the
# values at (g * width + k) * 16, one a lane. Weights are padded to whole tiles of units.


@part
def _slots_forward(starts, places, pixels, first, groups, w, b, z):
    """z = x @ w + b for `groups` groups from `first` on; see `Grouped`. w: flat, scaled."""
    width = b.size
    for g in range(groups):
        start, end = starts[first + g], starts[first + g + 1]
        place, pixel = places[start:end], pixels[start * LANES : end * LANES]
        for k in range(0, width, TILE):
            sums = add_products(no_sums(), splat(1), b, k)
            for t in range(place.size):
                x = load_bytes(pixel, t * LANES)
                sums = add_products(sums, x, w, np.int64(place[t]) * width + k)
            store_sums(z, (g * width + k) * LANES, sums)


@part
def _slots_backward(ends, members, pixels, block, inputs, width, dz, dw):
    """dw += x.T @ dz for one block. dw: flat, sixteen numbers for every tile and pixel."""
    for k in range(0, width, TILE):
        for j in range(inputs):
            start, end = ends[block * inputs + j], ends[block * inputs + j + 1]
            member, pixel = members[start:end], pixels[start * LANES : end * LANES]
            sums = no_sums()
            for t in range(member.size):
                x = load_bytes(pixel, t * LANES)
                sums = add_row_products(sums, x, dz, (np.int64(member[t]) * width + k) * LANES)
            at = (k // TILE * inputs + j) * LANES
            store(dw, at, add(load(dw, at), across(sums)))


@part
def _lanes_forward(a, fan_in, stride, groups, w, b, z):
    """z = a @ w + b. a: `fan_in` units of `stride` a group."""
    width = b.size
    for g in range(groups):
        for k in range(0, width, TILE):
            sums = add_products(no_sums(), splat(1), b, k)
            for j in range(fan_in):
                x = load(a, (g * stride + j) * LANES)
                sums = add_products(sums, x, w, j * width + k)
            store_sums(z, (g * width + k) * LANES, sums)


@part
def _lanes_backward(a, fan_in, stride, groups, width, dz, dw):
    """dw += a.T @ dz."""
    for k in range(0, width, TILE):
        for j in range(fan_in):
            sums = no_sums()
            for g in range(groups):
                x = load(a, (g * stride + j) * LANES)
                sums = add_row_products(sums, x, dz, (g * width + k) * LANES)
            at = (k // TILE * fan_in + j) * LANES
            store(dw, at, add(load(dw, at), across(sums)))


@part
def _lanes_biases(groups, width, dz, db):
    """db += column sums of dz; sixteen numbers for every tile."""
    for k in range(0, width, TILE):
        sums = no_sums()
        for g in range(groups):
            sums = add_row_products(sums, splat(1), dz, (g * width + k) * LANES)
        at = k // TILE * LANES
        store(db, at, add(load(db, at), across(sums)))


@part
def _is_first_of_most(logits, lane, here):
    """Tell whether a lane has nothing larger than at `here`, nor as large before it."""
    most = logits[here]
    for at in range(lane, logits.size, LANES):
        if logits[at] > most or (logits[at] == most and at < here):
            return False
    return True


@part
def _lanes_softmax(z, classes, width, labels, weight, spare, dz):
    """Put the gradients of logits z into dz; return (loss, right). spare: sixteen floats."""
    loss, correct = 0.0, 0
    for first in range(0, labels.size, LANES):
        begin, end = first * width, first * width + classes * LANES
        logits, odds, label = z[begin:end], dz[begin:end], labels[first : first + LANES]
        top = load(logits, 0)
        for at in range(LANES, logits.size, LANES):
            top = maximum(load(logits, at), top)
        total = splat(0)
        for at in range(0, logits.size, LANES):
            part = exponential(subtract(load(logits, at), top))
            store(odds, at, part)
            total = add(total, part)
        share = divide(splat(weight), total)
        for at in range(0, odds.size, LANES):
            store(odds, at, multiply(load(odds, at), share))
        store(spare, 0, top)
        for lane in range(label.size):
            at = np.int64(label[lane]) * LANES + lane
            loss -= logits[at] - spare[lane]
            correct += _is_first_of_most(logits, lane, at)
            odds[at] -= weight
        # The logarithm of a product is the sum of the logarithms, and one is cheaper than sixteen.
        store(spare, 0, total)
        product = 1.0
        for lane in range(label.size):
            product *= spare[lane]
        loss += math.log(product)
        for lane in range(label.size, LANES):  # lanes of the last group that hold no image
            for at in range(lane, odds.size, LANES):
                odds[at] = 0
    return loss, correct


# Of a layer: inputs, units, units in whole tiles, activation; where its units begin in the rooms;
# where in theta its weights, its biases and its weights turned round begin; where in blame the
# gradients of weights and biases.
FAN_IN, UNITS, WIDE, KIND, ROOM, W, B, TURNED, DW, DB = range(10)


@inlined
def _forward_block(lists, block, groups, plan, theta, a):
    """Put the activations of all layers into a, for one block."""
    starts, places, pixels, _, _, _ = lists
    for n in range(len(plan)):
        wide, room = plan[n, WIDE], plan[n, ROOM]
        w, b = theta[plan[n, W] : plan[n, B]], theta[plan[n, B] : plan[n, B] + wide]
        z = a[room : room + groups * wide * LANES]
        if n == 0:
            _slots_forward(starts, places, pixels, block * GROUPS, groups, w, b, z)
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
def _grouped_gradient(lists, first, labels, weight, plan, theta, nothing, spare, a, d, blame):
    """Do `grouped_gradient` with everything in whole tiles; see `_plan`."""
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
    plan = np.array(rows)
    plan.flags.writeable = False
    return plan, (theta, _tiles(max(sizes[1:])), LANES, room, blame)


def grouped_gradient(lists, first, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient for whole blocks of grouped images, on all threads; float32."""
    plan, (count, nothing, spare, rooms, blame) = _plan(sizes, kinds)
    size = _PIECE_BLOCKS * GROUPS * LANES
    pieces = -(-len(labels) // size)
    kept = functools.partial(_kept, sizes)
    tiles, nothing = kept("theta", count), kept("nothing", nothing)
    blame = kept("blame", pieces * blame).reshape(pieces, blame)
    _lay_out(plan, tiles, scale, numpy_.layers_of(theta, sizes))
    found = [(0.0, 0)] * pieces

    def piece(n: int) -> None:
        blame[n] = 0
        part = labels[n * size : (n + 1) * size]
        rest = kept("spare", spare), kept("a", rooms), kept("d", rooms), blame[n]
        start = first + n * _PIECE_BLOCKS
        found[n] = _grouped_gradient(lists, start, part, weight, plan, tiles, nothing, *rest)

    workers.fan_out(piece, pieces)
    for part in blame[1:]:  # always in this order, whoever came by them first
        blame[0] += part
    _bring_in(plan, blame[0], scale, numpy_.layers_of(gradient, sizes))
    return sum(loss for loss, _ in found), sum(correct for _, correct in found)


def _kept(sizes: tuple[int, ...], role: str, count: int) -> np.ndarray:
    """Return float32 (count,) of this thread, with the values it had when last asked for.

    Zeros at first, which is all that `nothing`, the spare columns of theta and the rooms ever are.
    """
    known = _scratch.__dict__.get(role)
    if known is None or known[0] != sizes or known[1].size < count:
        known = _scratch.__dict__[role] = sizes, aligned_zeros(count, np.float32)
    return known[1][:count]


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
            part = blame[at : at + fan_in * LANES].reshape(fan_in, LANES)[:, :here]
            dw[:, k : k + here] += part * scale if n == 0 else part
            at = int(plan[n, DB]) + k // TILE * LANES
            db[k : k + here] += blame[at : at + here]


# A whole network for one mini-batch of packed images: small products cost less than the calls.


@part
def _rows_forward(a, fan_in, stride, n, w, b, z):
    """z = a @ w + b for n rows; all flat. Rows of a have `stride`, those of w and z b.size.

    Four rows and 64 units at a time: sixteen sums in registers, and every weight that was fetched
    serves four of them. The last rows are done again where n is no multiple of four.
    """
    width = b.size
    wide = width - width % (ROWS * LANES)
    for lane in range(0, wide, ROWS * LANES):
        start = add_row_products(no_rows(), splat(1), b, lane)
        for i in range(0, n, 4):
            r0, r1, r2, r3 = i, min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
            s0, s1, s2, s3 = start, start, start, start
            for j in range(fan_in):
                at = j * width + lane
                s0 = add_row_products(s0, splat(a[r0 * stride + j]), w, at)
                s1 = add_row_products(s1, splat(a[r1 * stride + j]), w, at)
                s2 = add_row_products(s2, splat(a[r2 * stride + j]), w, at)
                s3 = add_row_products(s3, splat(a[r3 * stride + j]), w, at)
            store_sums(z, r0 * width + lane, s0)
            store_sums(z, r1 * width + lane, s1)
            store_sums(z, r2 * width + lane, s2)
            store_sums(z, r3 * width + lane, s3)
    for lane in range(wide, width, LANES):
        for i in range(0, n, 4):
            r0, r1, r2, r3 = i, min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)
            s0 = load(b, lane)
            s1 = s0
            s2 = s0
            s3 = s0
            for j in range(fan_in):
                row = load(w, j * width + lane)
                s0 = multiply_add(splat(a[r0 * stride + j]), row, s0)
                s1 = multiply_add(splat(a[r1 * stride + j]), row, s1)
                s2 = multiply_add(splat(a[r2 * stride + j]), row, s2)
                s3 = multiply_add(splat(a[r3 * stride + j]), row, s3)
            store(z, r0 * width + lane, s0)
            store(z, r1 * width + lane, s1)
            store(z, r2 * width + lane, s2)
            store(z, r3 * width + lane, s3)


@part
def _rows_backward(a, fan_in, stride, n, width, dz, units, dw, db, spare):
    """dw += a.T @ dz, db += column sums. dw: rows of `units`; spare: 256 floats."""
    wide = width - width % (ROWS * LANES)
    for lane in range(0, width, LANES):
        total = splat(0)
        for i in range(n):
            total = add(total, load(dz, i * width + lane))
        store(spare, 0, total)
        for k in range(min(LANES, units - lane)):
            db[lane + k] += spare[k]
    for j in range(0, fan_in, 4):
        for lane in range(0, wide, ROWS * LANES):
            s0, s1, s2, s3 = no_rows(), no_rows(), no_rows(), no_rows()
            for i in range(n):
                at, row = i * stride + j, i * width + lane
                s0 = add_row_products(s0, splat(a[at]), dz, row)
                s1 = add_row_products(s1, splat(a[at + 1]), dz, row)
                s2 = add_row_products(s2, splat(a[at + 2]), dz, row)
                s3 = add_row_products(s3, splat(a[at + 3]), dz, row)
            store_sums(spare, 0, s0)
            store_sums(spare, ROWS * LANES, s1)
            store_sums(spare, 2 * ROWS * LANES, s2)
            store_sums(spare, 3 * ROWS * LANES, s3)
            _add_rows(spare, ROWS * LANES, min(4, fan_in - j), lane, units, dw[j * units :])
        for lane in range(wide, width, LANES):
            sums = no_rows()
            for i in range(n):
                sums = add_products(sums, load(dz, i * width + lane), a, i * stride + j)
            store_sums(spare, 0, sums)
            _add_rows(spare, LANES, min(4, fan_in - j), lane, units, dw[j * units :])


@part
def _add_rows(sums, width, rows, lane, units, dw):
    """Add rows of sums to dw, at units from `lane` on; spare lanes are left out."""
    here = min(width, units - lane)
    for t in range(rows):
        target, source = dw[t * units + lane : t * units + lane + here], sums[t * width :]
        for k in range(here):
            target[k] += source[k]


@part
def _rows_softmax(z, classes, width, labels, weight, dz):
    """Put the gradients of logits z into dz, zeros in spare lanes; return (loss, right)."""
    loss, correct, product = 0.0, 0, 1.0
    for i in range(labels.size):
        row, odds, label = z[i * width :], dz[i * width : (i + 1) * width], np.int64(labels[i])
        most, first = row[label], True
        for k in range(classes):
            first &= row[k] < most or (row[k] == most and k >= label)
            most = max(most, row[k])
        correct += first
        loss += most - row[label]
        for lane in range(0, width, LANES):
            store(odds, lane, exponential(subtract(load(row, lane), splat(most))))
        whole = np.float32(0)
        for k in range(classes):
            whole += odds[k]
        for k in range(classes, width):
            odds[k] = 0
        product *= np.float64(whole)
        if not product < 1e100 or i == labels.size - 1:
            # The logarithm of a product is the sum of the logarithms, and one is cheaper than many.
            loss += math.log(product)
            product = 1.0
        share = splat(weight / whole)
        for lane in range(0, width, LANES):
            store(odds, lane, multiply(load(odds, lane), share))
        odds[label] -= weight
    return loss, correct


@part
def _turn(w, rows, columns, stride, out):
    """Put w, (rows, columns), turned round into out, whose rows have `stride`; in squares of 16,
    or each number written would fetch a cache line of its own."""
    for j0 in range(0, rows, 16):
        for k0 in range(0, columns, 16):
            for k in range(k0, min(k0 + 16, columns)):
                for j in range(j0, min(j0 + 16, rows)):
                    out[k * stride + j] = w[j * columns + k]


@part
def _in_vectors(plan, theta, wide, turned):
    """Put biases, and weights of odd widths, into whole vectors; and turned round, if asked."""
    for n in range(len(plan)):
        fan_in, units, width = plan[n, FAN_IN], plan[n, UNITS], plan[n, WIDE]
        for k in range(units):
            wide[plan[n, B] + k] = theta[plan[n, DB] + k]
        if n > 0:
            weights = theta[plan[n, DW] : plan[n, DB]]
            if units != width:
                for j in range(fan_in):
                    row = wide[plan[n, W] + j * width :]
                    for k in range(units):
                        row[k] = weights[j * units + k]
            if turned:
                _turn(weights, fan_in, units, plan[n - 1, WIDE], wide[plan[n, TURNED] :])


@inlined
def _outputs(lists, rows, levels, plan, theta, w, stride, wide, a):
    """Put the activations of all layers into a, and return where the logits begin."""
    starts, places, values = lists
    n = rows.size
    b = wide[0][plan[0, B] : plan[0, B] + plan[0, WIDE]]
    _packed_forward(starts, places, values, rows, levels, w, stride, b, a)
    for m in range(len(plan)):
        width, room = plan[m, WIDE], plan[m, ROOM] * n
        z = a[room : room + width * n]
        if m > 0:
            before, at = plan[m - 1, WIDE], plan[m, B]
            if plan[m, UNITS] == width:
                weights = theta[plan[m, DW] : plan[m, DB]]
            else:
                weights = wide[1][plan[m, W] : at]
            b = wide[0][at : at + width]
            _rows_forward(a[room - before * n :], plan[m, FAN_IN], before, n, weights, b, z)
        activate(z.reshape(1, z.size), plan[m, KIND])
    return plan[len(plan) - 1, ROOM] * n


@compiled
def _probabilities(x, levels, plan, theta, w, stride, wide, lists, rows, a, out):
    """Do `probabilities`, so many images at a time as lists and rows have room for."""
    starts, places, values = lists
    last = len(plan) - 1
    width, classes = plan[last, WIDE], plan[last, UNITS]
    _in_vectors(plan, theta, wide[0], False)
    for begin in range(0, x.shape[0], rows.size):
        images = x[begin : begin + rows.size]
        some = rows[: images.shape[0]]
        count_pixels(images, starts)
        pack_pixels(images, starts, places, values)
        logits = a[_outputs(lists, some, levels, plan, theta, w, stride, wide, a) :]
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


@compiled
def _packed_gradient(
    lists, rows, labels, levels, weight, plan, theta, w, stride, gradient, blame, rooms, columns
):
    """Do `packed_gradient`; see `_packed_plan`. w, blame: the first layer and its gradient."""
    starts, places, values = lists
    wide, nothing, spare, a, d = rooms
    counts, users, panels = columns
    n, last = rows.size, len(plan) - 1
    _in_vectors(plan, theta, wide[0], gradient.size > 0)
    z = a[_outputs(lists, rows, levels, plan, theta, w, stride, wide, a) :]
    dz = d[plan[last, ROOM] * n : (plan[last, ROOM] + plan[last, WIDE]) * n]
    found = _rows_softmax(z, plan[last, UNITS], plan[last, WIDE], labels, weight, dz)
    if gradient.size == 0:
        return found
    for m in range(last, 0, -1):
        units, width, stride = plan[m, UNITS], plan[m, WIDE], plan[m - 1, WIDE]
        before, back = plan[m - 1, ROOM] * n, d[plan[m - 1, ROOM] * n : plan[m, ROOM] * n]
        dw, db = gradient[plan[m, DW] :], gradient[plan[m, DB] :]
        _rows_backward(a[before:], plan[m, FAN_IN], stride, n, width, dz, units, dw, db, spare)
        _rows_forward(dz, units, width, n, wide[1][plan[m, TURNED] :], nothing[:stride], back)
        z = a[before : plan[m, ROOM] * n]
        activation_backward(z.reshape(1, z.size), back.reshape(1, z.size), plan[m - 1, KIND])
        dz = back
    for start in range(0, n, _TOGETHER):
        some = rows[start : start + _TOGETHER]
        _by_pixel(starts, places, values, some, counts, users)
        _panels(dz, start, some.size, plan[0, WIDE], panels)
        _packed_backward(counts, users, some.size, levels, panels, blame[0], blame[1])
    return found


@functools.lru_cache(maxsize=32)
def _packed_plan(sizes: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[np.ndarray, int, int]:
    """Return int64 (layers, 10) and the floats that `wide` and a row of the rooms take.

    Columns as for `_plan`, but W, B, TURNED: where in `wide`, whose layers are in whole vectors;
    DW, DB: where in theta and gradient; ROOM: to be multiplied by the number of rows.
    """
    table, wide, room, at = [], 0, 0, 0
    for n, (fan_in, units, kind) in enumerate(zip(sizes, sizes[1:], kinds, strict=False)):
        width = -(-units // LANES) * LANES
        b = wide + (fan_in * width if n else 0)
        turned = b + width
        table.append((fan_in, units, width, kind, room, wide, b, turned, at, at + fan_in * units))
        wide = turned + (units * table[n - 1][2] if n else 0)
        room, at = room + width, at + (fan_in + 1) * units
    return _read_only(np.array(table)), wide, room


def packed_gradient(lists, rows, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient of a whole network for the images `rows` of packed lists; float32."""
    plan, wide, room = _packed_plan(sizes, kinds)
    rooms = _packed_rooms(sizes, len(rows), wide, room)
    theta, cut, end = _read_only(theta), sizes[0] * sizes[1], (sizes[0] + 1) * sizes[1]
    shape = sizes[:2] if gradient.size else (0, sizes[1])  # only the loss is asked for
    dw, db = gradient[:cut].reshape(shape), gradient[cut:end]
    wide_dw, wide_db = _filled("w", dw), _filled("b", db)
    first, blame = _first_weights(theta, sizes), (wide_dw.reshape(-1), wide_db)
    columns = _columns(sizes[0], -(-sizes[1] // LANES) * LANES)
    network = plan, theta, *first, gradient, blame, rooms, columns
    found = _packed_gradient(lists, rows, labels, _levels(scale), weight, *network)
    _bring_home(wide_dw, dw)
    _bring_home(wide_db, db)
    return found


def _first_weights(theta: np.ndarray, sizes: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Return the first layer's weights, flat, and how far one row stands from the next.

    Vectors may reach over the end of a row into what follows, if anything does.
    """
    units, cut = sizes[1], sizes[0] * sizes[1]
    if theta.size - (cut - units) >= -(-units // LANES) * LANES:
        return theta, units
    wide = _filled("first", theta[:cut].reshape(sizes[:2]))
    return _read_only(wide.reshape(-1)), wide.shape[1]


def probabilities(x, scale, sizes, kinds, theta, out):
    """Put the probabilities of a whole network into out, for bytes x (n, inputs); float32."""
    plan, wide, room = _packed_plan(sizes, kinds)
    count = min(len(x), _AT_ONCE)
    known = _scratch.__dict__.get("lists")
    if known is None or known[0].size <= count or known[1].size < count * sizes[0]:
        size = count * sizes[0]
        lists = np.empty(count + 1, np.int64), np.empty(size, np.uint16), np.empty(size, np.uint8)
        known = _scratch.lists = lists
    wide, _, _, a, _ = _packed_rooms(sizes, count, wide, room)
    theta = _read_only(theta)
    network = plan, theta, *_first_weights(theta, sizes), wide
    _probabilities(x, _levels(scale), *network, known, _rows(count), a, out)


@functools.lru_cache(maxsize=_AT_ONCE)
def _rows(count: int) -> np.ndarray:
    """Return int64 0 to count - 1."""
    return np.arange(count)


def _packed_rooms(sizes, n: int, wide: int, room: int) -> tuple[np.ndarray, ...]:
    """Return this thread's rooms for n rows: wide, to write and to read; nothing, spare, a, d."""
    kept = functools.partial(_kept, sizes)
    wide, nothing = kept("wide", wide), kept("no biases", max(sizes[1:]) + LANES)
    spare, rows = kept("row", 4 * ROWS * LANES), n * room + ROWS
    return (wide, _read_only(wide)), nothing, spare, kept("a rows", rows), kept("d rows", rows)


@compiled
def activate(z, kind):
    """Replace z by its activation, in place."""
    n, width = z.shape
    for i in range(n):
        for k in range(width):
            v = z[i, k]
            if kind == RELU:
                z[i, k] = v if v > 0 or v != v else z.dtype.type(0)
            elif kind == LEAKY_RELU:
                z[i, k] = v * z.dtype.type(LEAK) if v < 0 else v
            elif kind == TANH:
                z[i, k] = math.tanh(v)
            elif kind == SIGMOID:
                half = z.dtype.type(0.5)
                z[i, k] = half * math.tanh(half * v) + half


@compiled
def activation_backward(a, da, kind):
    """Multiply da, in place, by the activation's slope, found from its output a."""
    n, width = a.shape
    one = a.dtype.type(1)  # a plain 1 would lift float32 to float64
    for i in range(n):
        for k in range(width):
            y = a[i, k]
            if kind == RELU:
                if not y > 0:
                    da[i, k] = 0
            elif kind == LEAKY_RELU:
                if y <= 0:
                    da[i, k] *= a.dtype.type(LEAK)
            elif kind == TANH:
                da[i, k] *= one - y * y
            elif kind == SIGMOID:
                da[i, k] *= y * (one - y)


@compiled
def softmax(logits, probabilities):
    """Put softmax(logits) into probabilities (may be the same array); rows sum to 1."""
    n, classes = logits.shape
    for i in range(n):
        top = logits[i, 0]
        for k in range(1, classes):
            top = max(top, logits[i, k])
        total = logits.dtype.type(0)
        for k in range(classes):
            probabilities[i, k] = math.exp(logits[i, k] - top)
            total += probabilities[i, k]
        for k in range(classes):
            probabilities[i, k] /= total


@compiled
def softmax_cross_entropy(logits, labels, weight, gradient):
    """Put (softmax(logits) - onehot(labels)) * weight into gradient; return (loss, right)."""
    n, classes = logits.shape
    loss = 0.0
    correct = 0
    for i in range(n):
        best = 0
        for k in range(1, classes):
            if logits[i, k] > logits[i, best]:
                best = k
        top = logits[i, best]
        label = labels[i]
        correct += best == label
        total = logits.dtype.type(0)
        for k in range(classes):
            gradient[i, k] = math.exp(logits[i, k] - top)
            total += gradient[i, k]
        loss += math.log(total) - (logits[i, label] - top)
        for k in range(classes):
            gradient[i, k] = gradient[i, k] / total * weight
        gradient[i, label] -= weight
    return loss, correct


@compiled
def sgd(theta, gradient, rate):
    """theta -= rate * gradient, in place."""
    for i in range(theta.size):
        theta[i] -= rate * gradient[i]


@compiled
def momentum(theta, gradient, velocity, rate, decay):
    """velocity = decay * velocity - rate * gradient; theta += velocity, in place."""
    for i in range(theta.size):
        velocity[i] = decay * velocity[i] - rate * gradient[i]
        theta[i] += velocity[i]


@compiled
def adam(theta, gradient, mean, square, rate, beta1, beta2, epsilon):
    """One step of Adam, in place. rate and epsilon carry the bias corrections already."""
    one = theta.dtype.type(1)
    for i in range(theta.size):
        g = gradient[i]
        mean[i] += (one - beta1) * (g - mean[i])
        square[i] += (one - beta2) * (g * g - square[i])
        theta[i] -= rate * mean[i] / (math.sqrt(square[i]) + epsilon)


def warm_up() -> None:
    """Compile what float32 networks need, or load it from the cache: 13 s or 0.3 s."""
    f, n = np.float32, 2
    x, labels = np.ones((n, 3), np.uint8), np.zeros(n, np.uint8)
    x.flags.writeable = labels.flags.writeable = False  # as the engine passes them
    z, flat = np.zeros((n, 2), f), np.zeros(4, f)
    # First what answers: a visitor who draws a digit does not wait for the rest.
    network = (3, 2, 2), (RELU, numpy_.IDENTITY), np.zeros(14, f)
    probabilities(x, f(1), *network, z)
    starts, places, values = np.zeros(n + 1, np.int64), np.empty(6, np.uint16), np.empty(6, x.dtype)
    count_pixels(x, starts)
    pack_pixels(x, starts, places, values)
    rest = labels, f(1), f(1), *network, np.zeros(14, f)
    packed_gradient((starts, places, values), np.arange(n), *rest)
    slots = np.zeros(GROUPS + 1, np.int64), np.zeros(0, np.uint16), x[0, :0]
    lists = tuple(map(_read_only, (*slots, np.zeros(4, np.int64), x[0, :0], x[0, :0])))
    grouped_gradient(lists, 0, *rest)
    softmax_cross_entropy(z, labels, f(1), z)
    sgd(flat, flat, f(0))
    momentum(flat, flat, flat, f(0), f(0))
    adam(flat, flat, flat, flat, f(0), f(0), f(0), f(1))
    slots = np.zeros(GROUPS + 1, np.int64), np.zeros(0, np.uint16), x[0, :0]
    lists = tuple(map(_read_only, (*slots, np.zeros(4, np.int64), x[0, :0], x[0, :0])))
    grouped_gradient(lists, 0, *rest)
    distort(
        x[None],
        np.zeros(1, np.int64),
        np.zeros((1, NUMBERS), np.int32),
        np.zeros((1, x.size), np.int16),
        np.zeros(1, np.int8),
        np.empty((1, *x.shape), np.uint8),
    )
