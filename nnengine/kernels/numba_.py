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

from . import numpy_
from .numpy_ import (
    BEND_X,
    BEND_Y,
    FAINT,
    FIELD_X,
    FIELD_Y,
    GRAIN,
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
from .simd import LANES, add, load, multiply_add, splat, store

_SMALL = 2048  # weights: up to here a dense product is faster than the way to BLAS

# The full fastmath turns isfinite into a constant; these four flags allow vector sums and
# fused multiply-adds and keep NaN and infinity honest.
compiled = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"nsz", "contract", "reassoc", "arcp"}
)


@compiled
def bytes_forward(x, scale, w, b, z):
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
def bytes_backward(x, scale, dz, dw, db):
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


@compiled
def count_pixels(x, starts):
    """Put into starts[i + 1] how many pixels of images 0..i are not zero."""
    total = 0
    starts[0] = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total += x[i, j] != 0
        starts[i + 1] = total


@compiled
def pack_pixels(x, starts, places, values):
    """List the nonzero pixels of every image: where they stand, and their values."""
    t = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] != 0:
                places[t] = j
                values[t] = x[i, j]
                t += 1


@compiled
def _packed_forward(starts, places, values, rows, levels, w, b, z):
    """z = (x * scale) @ w + b. The lanes are units: each pixel brings its row of weights.

    w, flat (fan_in * width,), b (width,) and z (n, width), with width a multiple of 16. levels:
    float32 (256,), what each byte is worth: one look-up goes to all lanes at once, where a
    conversion would first pass the one port that also spreads it. Four sums run side by side
    because an addition takes four cycles and one can begin in each.
    """
    width = b.size
    flat = z.ravel()
    for i in range(rows.size):
        # Slices: numba need not ask of each index whether it counts from the end.
        place = places[starts[rows[i]] : starts[rows[i] + 1]]
        value = values[starts[rows[i]] : starts[rows[i] + 1]]
        whole = place.size - place.size % 4
        for lane in range(0, width, LANES):
            s0 = splat(0)
            s1 = s0
            s2 = s0
            s3 = s0
            for t in range(0, whole, 4):
                at0 = np.int64(place[t]) * width + lane
                at1 = np.int64(place[t + 1]) * width + lane
                at2 = np.int64(place[t + 2]) * width + lane
                at3 = np.int64(place[t + 3]) * width + lane
                s0 = multiply_add(splat(levels[value[t]]), load(w, at0), s0)
                s1 = multiply_add(splat(levels[value[t + 1]]), load(w, at1), s1)
                s2 = multiply_add(splat(levels[value[t + 2]]), load(w, at2), s2)
                s3 = multiply_add(splat(levels[value[t + 3]]), load(w, at3), s3)
            for t in range(whole, place.size):
                at = np.int64(place[t]) * width + lane
                s0 = multiply_add(splat(levels[value[t]]), load(w, at), s0)
            total = add(add(s0, s1), add(s2, s3))
            store(flat, i * width + lane, add(total, load(b, lane)))


@compiled
def _packed_backward(starts, places, values, rows, levels, dz, dw, db):
    """dw += (x * scale).T @ dz, db += column sums; arrays as for `_packed_forward`."""
    width = db.size
    flat = dz.ravel()
    for i in range(rows.size):
        place = places[starts[rows[i]] : starts[rows[i] + 1]]
        value = values[starts[rows[i]] : starts[rows[i] + 1]]
        for lane in range(0, width, LANES):
            d = load(flat, i * width + lane)
            store(db, lane, add(load(db, lane), d))
            for t in range(place.size):
                at = np.int64(place[t]) * width + lane
                store(dw, at, multiply_add(splat(levels[value[t]]), d, load(dw, at)))


@functools.lru_cache(maxsize=8)
def _levels(scale: np.float32) -> np.ndarray:
    """Return float32 (256,): what each byte is worth."""
    return np.arange(256, dtype=np.float32) * scale


def packed_forward(starts, places, values, rows, scale, w, b, z):
    """Put (x * scale) @ w + b into z, for the images `rows` of packed lists; float32."""
    lists = starts, places, values, rows
    wide_w, wide_b, wide_z = _filled("w", w), _filled("b", b), _room("z", z)
    _packed_forward(*lists, _levels(scale), wide_w.reshape(-1), wide_b, wide_z)
    _bring_home(wide_z, z)


def packed_backward(starts, places, values, rows, scale, dz, dw, db):
    """Add the gradients for w and b to dw and db, for the images `rows`; float32."""
    lists = starts, places, values, rows
    wide_dz, wide_dw, wide_db = _filled("z", dz), _filled("w", dw), _filled("b", db)
    _packed_backward(*lists, _levels(scale), wide_dz, wide_dw.reshape(-1), wide_db)
    _bring_home(wide_dw, dw)
    _bring_home(wide_db, db)


@compiled
def _frame(image, framed):
    """Put the image into the middle of framed, (h + 3, w + 3), and its corners' shade around."""
    h, w = image.shape
    a, b = image[0, 0], image[0, w - 1]
    c, d = image[h - 1, 0], image[h - 1, w - 1]
    shade = min(max(a, b), max(c, d), max(min(a, b), min(c, d)))  # the second darkest
    for j in range(w + 3):
        framed[0, j] = shade
        framed[h + 1, j] = shade
        framed[h + 2, j] = shade
    for i in range(h):
        framed[i + 1, 0] = shade
        framed[i + 1, w + 1] = shade
        framed[i + 1, w + 2] = shade
        for j in range(w):
            framed[i + 1, j + 1] = image[i, j]


@compiled
def _widen(framed, spare, width):
    """Have strokes wider or narrower, in place; see `numpy_.widen`. spare: as framed."""
    h, w = framed.shape[0] - 2, framed.shape[1] - 2
    left = abs(width)
    while left > 0:
        part = min(left, STEP)
        left -= part
        for i in range(h + 2):
            for j in range(w + 2):
                spare[i, j] = framed[i, j]
        for i in range(1, h + 1):
            for j in range(1, w + 1):
                p, q, r = spare[i - 1, j], spare[i, j - 1], spare[i, j]
                s, t = spare[i, j + 1], spare[i + 1, j]
                goal = max(p, q, r, s, t) if width > 0 else min(p, q, r, s, t)
                inner = np.int32(r)
                framed[i, j] = inner + ((goal - inner) * part + STEP // 2 >> 8)


@compiled
def _move(framed, number, bends, out):
    """Put into out what stands where each of its pixels comes from; see `numpy_._move`."""
    h, w = out.shape
    wide = bends.shape[1]
    flat = bends.ravel()
    for i in range(h):
        for j in range(w):
            x = number[XX] * j + number[XY] * i + number[X0]
            y = number[YX] * j + number[YY] * i + number[Y0]
            x += flat[number[FIELD_X] + i * wide + j] * number[BEND_X] >> 3
            y += flat[number[FIELD_Y] + i * wide + j] * number[BEND_Y] >> 3
            x = min(max(x + 128, -ONE), w << 16)
            y = min(max(y + 128, -ONE), h << 16)
            fx, fy = x >> 8 & 255, y >> 8 & 255
            column, row = (x >> 16) + 1, (y >> 16) + 1
            top = (framed[row, column] * (256 - fx)) + framed[row, column + 1] * fx
            below = (framed[row + 1, column] * (256 - fx)) + framed[row + 1, column + 1] * fx
            grey = top * (256 - fy) + below * fy + (1 << 15) >> 16
            out[i, j] = grey if grey >= FAINT or fx | fy == 0 else 0


@compiled
def _distort(images, rows, numbers, bends, grains, framed, spare, out):
    """Do `distort`, with room for two framed images."""
    for n in range(rows.size):
        number = numbers[n]
        _frame(images[rows[n]], framed)
        if number[WIDTH] != 0:
            _widen(framed, spare, number[WIDTH])
        _move(framed, number, bends, out[n])
        flat = out[n].ravel()
        if number[NOISE] != 0:
            for j in range(flat.size):
                grain = grains[number[GRAIN] + j] * number[NOISE] + 64 >> 7
                flat[j] = min(max(flat[j] + grain, 0), 255)
        if number[INVERT] != 0:
            for j in range(flat.size):
                flat[j] = 255 - flat[j]


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return a view that cannot be written, so that one compiled kernel serves all callers."""
    view = array.view()
    view.flags.writeable = False
    return view


def distort(images, rows, numbers, bends, grains, out):
    """Put the images at `rows` into out, each changed as its row of `numbers` says."""
    h, w = out.shape[1:]
    if bends.size == 1:  # one stretch for all who have no bend
        bends = np.zeros((h, w), np.int16)
    images, bends, grains = map(_read_only, (images, bends, grains))
    framed, spare = np.empty((2, h + 3, w + 3), np.uint8)
    _distort(images, rows, numbers, bends, grains, framed, spare, out)


@compiled
def _product(x, w, b, z):
    """z = x @ w + b; w, flat (fan_in * width,), b and z as for `_packed_forward`."""
    width = b.size
    flat = z.ravel()
    for i in range(x.shape[0]):
        for lane in range(0, width, LANES):
            total = load(b, lane)
            for j in range(x.shape[1]):
                total = multiply_add(splat(x[i, j]), load(w, j * width + lane), total)
            store(flat, i * width + lane, total)


@compiled
def _outer_sum(x, dz, dw, db):
    """dw += x.T @ dz, db += column sums; arrays as for `_packed_backward`.

    Units that gave zero are not skipped: guessing which they are costs more than their sums.
    """
    width = db.size
    flat = dz.ravel()
    for i in range(x.shape[0]):
        for lane in range(0, width, LANES):
            d = load(flat, i * width + lane)
            store(db, lane, add(load(db, lane), d))
            for j in range(x.shape[1]):
                at = j * width + lane
                store(dw, at, multiply_add(splat(x[i, j]), d, load(dw, at)))


def dense_forward(x, w, b, z):
    """Put x @ w + b into z. Large products go to BLAS, which is a compiled kernel already."""
    if w.size > _SMALL or w.dtype != np.float32:
        numpy_.dense_forward(x, w, b, z)
        return
    wide_z = _room("z", z)
    _product(x, _filled("w", w).reshape(-1), _filled("b", b), wide_z)
    _bring_home(wide_z, z)


def dense_backward(x, w, dz, dw, db, dx):
    """Add x.T @ dz to dw and the column sums of dz to db; put dz @ w.T into dx."""
    if w.size > _SMALL or w.dtype != np.float32:
        numpy_.dense_backward(x, w, dz, dw, db, dx)
        return
    wide_dw, wide_db = _filled("w", dw), _filled("b", db)
    _outer_sum(x, _filled("z", dz), wide_dw.reshape(-1), wide_db)
    _bring_home(wide_dw, dw)
    _bring_home(wide_db, db)
    dense_forward(dz, np.ascontiguousarray(w.T), np.zeros(len(w), w.dtype), dx)


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
    """Compile every kernel for float32, or load it from the cache: 10 s or 1 s."""
    f, n = np.float32, 2
    x, labels = np.ones((n, 3), np.uint8), np.zeros(n, np.uint8)
    x.flags.writeable = labels.flags.writeable = False  # as the engine passes them
    w, b, z = np.ones((3, 2), f), np.zeros(2, f), np.zeros((n, 2), f)
    flat = np.zeros(4, f)
    starts, places, values = np.zeros(n + 1, np.int64), np.empty(6, np.uint16), np.empty(6, x.dtype)
    count_pixels(x, starts)
    pack_pixels(x, starts, places, values)
    lists = starts, places, values, np.arange(n)
    packed_forward(*lists, f(1), w, b, z)
    packed_backward(*lists, f(1), z, w, b)
    distort(
        x[None],
        np.zeros(1, np.int64),
        np.zeros((1, NUMBERS), np.int32),
        np.zeros((1, 1), np.int16),
        np.zeros(1, np.int8),
        np.empty((1, *x.shape), np.uint8),
    )
    bytes_forward(x, f(1), w, b, z)
    dense_forward(z, w[:2], b, z.copy())
    dense_backward(z, w[:2], z.copy(), w[:2], b, z.copy())
    activate(z, RELU)
    softmax(z, z)
    softmax_cross_entropy(z, labels, f(1), z)
    activation_backward(z, z, RELU)
    bytes_backward(x, f(1), z, w, b)
    sgd(flat, flat, f(0))
    momentum(flat, flat, flat, f(0), f(0))
    adam(flat, flat, flat, flat, f(0), f(0), f(0), f(1))
