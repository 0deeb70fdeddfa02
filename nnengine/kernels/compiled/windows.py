"""Windows: sixteen images side by side through layers that look at a small part of them, and back.

Every number is a vector of sixteen images, so any window, stride and number of channels is a loop
of whole vectors, and a weight is one number for all of them. Fully connected layers are windows of
one place. Nothing of a group is needed by another: its activations stay in the second cache.
"""

from __future__ import annotations

import math

import numpy as np

from ..numpy_ import LEAK, LEAKY_RELU, RELU, SIGMOID, TANH
from .compiling import part, within
from .simd import (
    LANES,
    PART,
    add,
    divide,
    exponential,
    load,
    load_bytes,
    multiply,
    multiply_add,
    splat,
    store,
    subtract,
    where_equal,
)
from .tiles import turn_sixteen
from .window_norms import _even, _norm_back, _norm_blame, _spread
from .window_plan import (
    ACT,
    AKEPT,
    BACK,
    BACKTILE,
    BEGINS,
    BIAS,
    BLAMED,
    DA,
    DENSE,
    DX,
    DZ,
    ENDS,
    EVENED,
    FORWARD,
    FRESH,
    GRADTILE,
    HEARD,
    INS,
    KH,
    KIND,
    KW,
    LARGEST,
    MASK,
    NOTHING,
    OUTS,
    PANEL,
    PANELS,
    PARTIAL,
    PARTIALB,
    SILENCED,
    SOURCE,
    SUMS,
    TAPS,
    TARGET,
    TILE,
    XKEPT,
    XWIDE,
    ZWIDE,
    A,
    C,
    N,
    X,
)
from .window_tiles import (
    GRADIENT_SHAPES,
    SHAPES,
    gradient_tile,
    largest,
    tile,
    total,
    where_above,
)


@within
def _answer(v, kind):
    """Return what units answer to sums."""
    if kind == RELU:
        return largest(v, splat(0))
    if kind == LEAKY_RELU:
        return where_above(v, v, multiply(v, splat(LEAK)))
    if kind == TANH or kind == SIGMOID:  # noqa: PLR1714, SIM109
        size = where_above(v, v, subtract(splat(0), v))
        if kind == SIGMOID:
            e = exponential(subtract(splat(0), size))
            below = add(splat(1), e)
            return where_above(v, divide(splat(1), below), divide(e, below))
        e = exponential(multiply(size, splat(-2)))
        far = divide(subtract(splat(1), e), add(splat(1), e))
        square = multiply(v, v)  # near zero the first terms of the series: nothing cancels
        near = multiply_add(square, splat(-17 / 315), splat(2 / 15))
        near = multiply_add(multiply_add(square, near, splat(-1 / 3)), square, splat(1))
        near = multiply(near, v)
        far = where_above(v, far, subtract(splat(0), far))
        return where_above(subtract(size, splat(0.15)), far, near)
    return v


@within
def _back(blame, a, kind):
    """Return the blame for sums, from that for what was answered to them."""
    if kind == RELU:
        return where_above(a, blame, splat(0))
    if kind == LEAKY_RELU:
        return where_above(a, blame, multiply(blame, splat(LEAK)))
    if kind == TANH:
        return multiply(blame, subtract(splat(1), multiply(a, a)))
    if kind == SIGMOID:
        return multiply(blame, multiply(a, subtract(splat(1), a)))
    return blame


@within
def _answers(a, start, size, kind):
    """Replace sums by answers, in place."""
    if kind == RELU:
        for k in range(start, start + size, LANES):
            store(a, k, largest(load(a, k), splat(0)))
    elif kind == LEAKY_RELU:
        for k in range(start, start + size, LANES):
            store(a, k, _answer(load(a, k), LEAKY_RELU))
    elif kind == TANH:
        for k in range(start, start + size, LANES):
            store(a, k, _answer(load(a, k), TANH))
    elif kind == SIGMOID:
        for k in range(start, start + size, LANES):
            store(a, k, _answer(load(a, k), SIGMOID))


# Weighted sums ------------------------------------------------------------------------------


def _weighted(shape):
    """Return a function for tiles of one shape."""
    across, places, begin, add_, store_, places_at = tile(*shape)

    @part
    def weighted(w, b, channels, window, stride, x, begins, n, z, ends):
        """Put into z, `n` places of some maps, what stands in the window at each place of x
        times w, plus b.

        w: tiles of maps, each the whole window after another; channels: of x and of z; stride:
        from one row of x to the next; begins, ends: of the places in x and z.
        """
        height, width = window
        for i in range(0, n, places):
            at, to = places_at(begins, i, n), places_at(ends, i, n)
            for first in range(0, channels[1], across):
                few = min(across, channels[1] - first)
                for lane in range(0, LANES, PART):
                    sums, k = begin(b, first), first * height * width * channels[0]
                    for row in range(height):
                        j = row * stride * channels[0] * LANES + lane
                        for _ in range(width * channels[0]):
                            sums = add_(sums, w, k, x, at, j)
                            k += across
                            j += LANES
                    store_(z, to, first * LANES + lane, few, sums)

    return weighted


_one_wide, _one, _some, _some_deep = map(_weighted, SHAPES)


@part
def _sums(kind, w, b, channels, window, stride, x, begins, n, z, ends):
    """Do it with tiles of that number."""
    if kind == 0:
        _one_wide(w, b, channels, window, stride, x, begins, n, z, ends)
    elif kind == 1:
        _one(w, b, channels, window, stride, x, begins, n, z, ends)
    elif kind == 2:
        _some(w, b, channels, window, stride, x, begins, n, z, ends)
    else:
        _some_deep(w, b, channels, window, stride, x, begins, n, z, ends)


def _gradient(shape):
    """Return a function for tiles of gradients of one shape."""
    down, across = shape
    no_sums, places_at, add_, store_ = gradient_tile(down, across)

    @part
    def gradient(x, taps, begins, dz, blamed, maps, spare, out):
        """Put into out, (taps, maps), the sums over all places and images of x times dz."""
        for t in range(0, taps.size, down):
            at = places_at(taps, t, taps.size)
            for first in range(0, maps, across):
                for lane in range(0, LANES, PART):
                    sums = no_sums()
                    for i in range(begins.size):
                        k = begins[i] + lane
                        sums = add_(sums, x, at, k, dz, blamed[i] + first * LANES + lane)
                    store_(spare, lane, sums)
                for j in range(min(down, taps.size - t)):
                    for m in range(min(across, maps - first)):
                        out[(t + j) * maps + first + m] = total(
                            load(spare, (j * across + m) * LANES)
                        )

    return gradient


_gradients = tuple(map(_gradient, GRADIENT_SHAPES))
_gradient_0, _gradient_1, _gradient_2 = _gradients


@part
def _weights_gradient(kind, x, taps, begins, dz, blamed, maps, spare, out):
    """Do it with tiles of that number."""
    if kind == 0:
        _gradient_0(x, taps, begins, dz, blamed, maps, spare, out)
    elif kind == 1:
        _gradient_1(x, taps, begins, dz, blamed, maps, spare, out)
    else:
        _gradient_2(x, taps, begins, dz, blamed, maps, spare, out)


@part
def _bias_gradient(dz, blamed, maps, out):
    """Put into out, (maps,), the sums over all places and images of dz."""
    for m in range(maps):
        sums = splat(0)
        for i in range(blamed.size):
            sums = add(sums, load(dz, blamed[i] + m * LANES))
        out[m] = total(sums)


# Pools --------------------------------------------------------------------------------------


@part
def _pool(row, x, begins, a, ends):
    """Put the largest, or the mean, of each window of x into a."""
    kh, kw, c = row[KH], row[KW], row[C]
    down = row[XWIDE] * c * LANES
    share = splat(np.float32(1) / np.float32(kh * kw))
    for i in range(begins.size):
        for m in range(0, c * LANES, LANES):
            at = begins[i] + m
            if row[KIND] == LARGEST:
                found = load(x, at)
                for j in range(kh):
                    for k in range(kw):
                        found = largest(found, load(x, at + j * down + k * c * LANES))
                store(a, ends[i] + m, found)
            else:
                sums = splat(0)
                for j in range(kh):
                    for k in range(kw):
                        sums = add(sums, load(x, at + j * down + k * c * LANES))
                store(a, ends[i] + m, multiply(sums, share))


@part
def _pool_back(row, x, begins, a, ends, da, dx):
    """Put into dx the blame for each window at its first largest number, or shared out evenly."""
    kh, kw, c = row[KH], row[KW], row[C]
    down = row[XWIDE] * c * LANES
    share = splat(np.float32(1) / np.float32(kh * kw))
    if row[FRESH]:  # windows that overlap: their blame adds up
        for k in range(0, row[INS] * c * LANES, LANES):
            store(dx, k, splat(0))
    for i in range(begins.size):
        for m in range(0, c * LANES, LANES):
            left, most = load(da, i * c * LANES + m), load(a, ends[i] + m)
            if row[KIND] != LARGEST:
                left = multiply(left, share)
            for j in range(kh):
                for k in range(kw):
                    at = begins[i] + m + j * down + k * c * LANES
                    here = left
                    if row[KIND] == LARGEST:
                        value = load(x, at)
                        here = where_equal(value, most, left, splat(0))
                        left = where_equal(value, most, splat(0), left)
                    if row[FRESH]:
                        here = add(load(dx, at), here)
                    store(dx, at, here)


# A group ------------------------------------------------------------------------------------


@part
def _sixteen(images, rows, first, count, levels, spare, x, begins):
    """Put images first, ..., rows of `images`, side by side into x as levels[1] times their bytes.

    Lanes behind the last of `count` images are zeros. begins: where each pixel of an image goes.
    """
    flat, pixels = images.reshape(images.size), images.shape[1]
    few, factor = min(LANES, count - first), splat(levels[1])
    whole = pixels - pixels % LANES
    for lane in range(few, LANES):
        store(spare, lane * LANES, splat(0))
    for start in range(0, whole, LANES):
        for lane in range(few):
            at = rows[first + lane] * pixels + start
            store(spare, lane * LANES, multiply(load_bytes(flat, at), factor))
        turn_sixteen(spare, 0, LANES, spare, LANES * LANES, LANES)
        for k in range(LANES):
            store(x, begins[start + k], load(spare, (LANES + k) * LANES))
    for j in range(whole, pixels):
        store(x, begins[j], splat(0))
        for lane in range(few):
            x[begins[j] + lane] = np.float32(flat[rows[first + lane] * pixels + j]) * levels[1]


@part
def _in_lanes(heard, first, count, begin, share, mask):
    """Put which numbers of images first, ... are heard side by side into mask, times a share."""
    few = min(LANES, count - first)
    for k in range(mask.size // LANES):
        store(mask, k * LANES, splat(0))
        for lane in range(few):
            mask[k * LANES + lane] = np.float32(heard[first + lane, begin + k]) * share


@part
def _forward(begin, end, first, count, heard, plan, room, kept):
    """Take a group forward through layers begin, ..., end - 1; what these see is there."""
    table, places, shares, packed = plan
    for n in range(begin, end):
        row = table[n]
        x = kept[row[X] :] if row[XKEPT] else room[row[X] :]
        a = kept[row[A] :] if row[AKEPT] else room[row[A] :]
        ends = places[row[ENDS] : row[ENDS] + row[OUTS]]
        if row[KIND] == SUMS:
            w, b = packed[row[FORWARD] :], packed[row[BIAS] :]
            window, channels = (row[KH], row[KW]), (row[C], row[N])
            begins = places[row[BEGINS] : row[BEGINS] + row[OUTS]]
            _sums(row[TILE], w, b, channels, window, row[XWIDE], x, begins, row[OUTS], a, ends)
            for i in range(row[OUTS]):
                _answers(a, ends[i], row[N] * LANES, row[ACT])
        elif row[KIND] == SILENCED:
            across = row[N] * LANES
            mask = room[row[MASK] : row[MASK] + row[OUTS] * across]
            if heard.size:
                _in_lanes(heard, first, count, row[HEARD], shares[n], mask)
            for i in range(row[OUTS]):
                for k in range(0, across, LANES):
                    value = load(x, i * across + k)
                    if heard.size:
                        value = multiply(value, load(mask, i * across + k))
                    store(a, ends[i] + k, value)
        elif row[KIND] == EVENED:
            _even(row, x, a, ends, packed[row[FORWARD] :])
            for i in range(row[OUTS]):
                _answers(a, ends[i], row[N] * LANES, row[ACT])
        else:
            begins = places[row[BEGINS] : row[BEGINS] + row[OUTS]]
            _pool(row, x, begins, a, ends)


@part
def _forward_to_norm(n, few, plan, room, spare, partial):
    """Find mean and squares of what a group of `few` images brings to layer n, a norm."""
    row = plan[0][n]
    _spread(row, room[row[X] :], few, spare, partial[row[PARTIAL] :])


@part
def _softmax(logits, classes, labels, targets, weight, dz):
    """Put the blame for logits, side by side, into dz; return (loss, right) of these images.

    targets: of each class, what is wanted of it for every image, and more for those that are it.
    """
    few, loss, right, every = labels.size, 0.0, np.int64(0), 0.0
    for k in range(classes):
        every += targets[0, k]
    most = load(logits, 0)
    for k in range(1, classes):
        most = largest(most, load(logits, k * LANES))
    sums = splat(0)
    for k in range(classes):
        value = exponential(subtract(load(logits, k * LANES), most))
        sums = add(sums, value)
        store(dz, k * LANES, value)
    store(dz, classes * LANES, sums)
    for lane in range(few):
        label, best = np.int64(labels[lane]), np.int64(0)
        for k in range(1, classes):
            if logits[k * LANES + lane] > logits[best * LANES + lane]:
                best = k
        right += best == label
        top = logits[best * LANES + lane]
        log = math.log(np.float64(dz[classes * LANES + lane]))
        loss += targets[1, label] * (log - np.float64(logits[label * LANES + lane] - top))
        if every != 0:
            for k in range(classes):
                loss += targets[0, k] * (log - np.float64(logits[k * LANES + lane] - top))
    factor = splat(weight)
    for k in range(classes):
        store(dz, k * LANES, divide(load(dz, k * LANES), sums))
    for lane in range(few):
        label = np.int64(labels[lane])
        whole = np.float32(every + targets[1, label])
        for k in range(classes):
            here = np.float32(targets[0, k])
            dz[k * LANES + lane] = dz[k * LANES + lane] * whole - here
        dz[label * LANES + lane] -= np.float32(targets[1, label])
    for k in range(classes):
        store(dz, k * LANES, multiply(load(dz, k * LANES), factor))
        for lane in range(few, LANES):
            dz[k * LANES + lane] = 0
    return loss, right


@part
def _in_panels(first, count, dz, units, panels):
    """Put the blame for a dense layer's units image by image, into panels of 64 units, and of 16
    for the rest: each has all `count` images one after another."""
    wide = units - units % PANEL
    for unit in range(0, units, LANES):
        begin, across = unit - unit % PANEL, PANEL
        if unit >= wide:
            begin, across = unit, LANES
        at = begin * count + first * across + unit - begin
        turn_sixteen(dz, unit * LANES, LANES, panels, at, across)


@part
def _backward(begin, end, first, count, heard, trained, plan, room, kept, partial, panels, spare):
    """Take the blame for what a group made of layers begin, ..., end - 1 back through these; put
    what weights are to blame for into `partial`, or into panels.

    What comes into layer `trained` is not to blame for anything.
    """
    table, places, _, packed = plan
    padded = (count + LANES - 1) // LANES * LANES
    for n in range(end - 1, begin - 1, -1):
        row = table[n]
        x = kept[row[X] :] if row[XKEPT] else room[row[X] :]
        a = kept[row[A] :] if row[AKEPT] else room[row[A] :]
        da, dx = room[row[DA] :], room[row[DX] :]
        ends = places[row[ENDS] : row[ENDS] + row[OUTS]]
        begins = places[row[BEGINS] : row[BEGINS] + row[OUTS]]
        across = row[N] * LANES
        if row[KIND] == SILENCED:
            mask = room[row[MASK] :]
            for k in range(0, row[INS] * across, LANES):
                value = load(da, k)
                if heard.size:
                    value = multiply(value, load(mask, k))
                store(dx, k, value)
        elif row[KIND] == EVENED:
            if n > trained:
                few = min(LANES, count - first)
                _norm_back(row, x, da, few, count, packed[row[FORWARD] :], spare, dx)
        elif row[KIND] != SUMS:
            _pool_back(row, x, begins, a, ends, da, dx)
        else:
            dz, blamed = room[row[DZ] :], places[row[BLAMED] : row[BLAMED] + row[OUTS]]
            for i in range(row[OUTS]):
                for k in range(0, across, LANES):
                    blame = _back(load(da, i * across + k), load(a, ends[i] + k), row[ACT])
                    store(dz, blamed[i] + k, blame)
            _bias_gradient(dz, blamed, row[N], partial[row[PARTIALB] :])
            if row[DENSE]:
                _in_panels(first, padded, dz, row[N], panels[row[PANELS] * padded :])
            else:
                _conv_gradient(row, x, begins, dz, blamed, spare, partial[row[PARTIAL] :], places)
            if n > trained:
                source = places[row[SOURCE] : row[SOURCE] + row[INS]]
                target = places[row[TARGET] : row[TARGET] + row[INS]]
                w, nothing = packed[row[BACK] :], packed[row[NOTHING] :]
                window, channels = (row[KH], row[KW]), (row[N], row[C])
                wide, kind = row[ZWIDE], row[BACKTILE]
                _sums(kind, w, nothing, channels, window, wide, dz, source, row[INS], dx, target)


@part
def _back_to_norm(n, plan, room, kept, partial):
    """Find what a group's answers of layer n, a norm, blame on sums, and these on scales."""
    table, places, _, packed = plan
    row = table[n]
    a, da = kept[row[A] :] if row[AKEPT] else room[row[A] :], room[row[DA] :]
    ends, across = places[row[ENDS] : row[ENDS] + row[OUTS]], row[N] * LANES
    for i in range(row[OUTS]):
        for k in range(0, across, LANES):
            blame = _back(load(da, i * across + k), load(a, ends[i] + k), row[ACT])
            store(da, i * across + k, blame)
    _norm_blame(row, room[row[X] :], da, packed[row[FORWARD] :], partial[row[PARTIAL] :])


@part
def _conv_gradient(row, x, begins, dz, blamed, spare, out, places):
    """Put the gradients of a convolution's weights into out."""
    taps = places[row[TAPS] : row[TAPS] + row[KH] * row[KW] * row[C]]
    _weights_gradient(row[GRADTILE], x, taps, begins, dz, blamed, row[N], spare, out)
