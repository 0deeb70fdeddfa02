"""Passes: a few images of a mini-batch forward through the network, and back.

The first layer's sums come first, a part of the pixels at a time: so two threads can each keep to
pixels of their own, whose weights then stay in its own cache from step to step.
"""

from __future__ import annotations

import numpy as np

from .compiling import part, within
from .dense import activate, activation_backward
from .first_layer import by_pixel, fetch_lists, find_part, part_forward
from .plan import (
    COUNT,
    DB,
    DW,
    FAN_IN,
    KIND,
    LEARNS,
    NEXT,
    PARTS,
    ROOM,
    SIDE,
    SPARSE,
    TURNED,
    UNITS,
    WIDE,
    B,
    W,
)
from .rows import rows_forward, rows_softmax
from .simd import LANES, add, load, store
from .tiles import ROWS, SIDES, turn_sixteen

FEW = 12  # images a piece: twice the rows that share every weight
ACROSS = SIDES * ROWS * LANES  # units whose sums stand in registers together


@part
def _turn(w, rows, columns, stride, out):
    """Put w, (rows, columns), turned round into out, whose rows have `stride`."""
    whole = columns - columns % LANES
    for j in range(0, rows, LANES):
        few = min(LANES, rows - j)
        if few == LANES:
            for k in range(0, whole, LANES):
                turn_sixteen(w, j * columns + k, columns, out, k * stride + j, stride)
        for k in range(whole if few == LANES else 0, columns):
            for i in range(j, j + few):
                out[k * stride + i] = w[i * columns + k]


@part
def biases_in_vectors(n, plan, theta, wide):
    """Put the biases of layer n into whole vectors."""
    for k in range(plan[n, UNITS]):
        wide[plan[n, B] + k] = theta[plan[n, DB] + k]


@part
def weights_in_vectors(n, begin, end, turned, plan, theta, wide):
    """Put rows of weights of layer n into whole vectors where their width is none; and turned
    round, if asked."""
    units, width = plan[n, UNITS], plan[n, WIDE]
    weights = theta[plan[n, DW] : plan[n, DB]]
    if units != width:
        for j in range(begin, end):
            row = wide[plan[n, W] + j * width :]
            for k in range(units):
                row[k] = weights[j * units + k]
    if turned:
        here, out = weights[begin * units :], wide[plan[n, TURNED] + begin :]
        _turn(here, end - begin, units, plan[n - 1, WIDE], out)


@part
def layers_forward(plan, theta, wide, n, first, count, a):
    """Put the activations of images first, first + 1, ... of n into a, where the sums of the
    first layer are already; return where their logits begin."""
    at = 0
    for m in range(len(plan)):
        before, width = at, plan[m, WIDE]
        at = plan[m, ROOM] * n + first * width
        z = a[at : at + width * count]
        if m > 0:
            weights = wide[1][plan[m, W] : plan[m, B]]
            if plan[m, UNITS] == width:
                weights = theta[plan[m, DW] : plan[m, DB]]
            b = wide[0][plan[m, B] : plan[m, B] + width]
            fan_in, stride = plan[m, FAN_IN], plan[m - 1, WIDE]
            rows_forward(a[before:], fan_in, stride, count, weights, width, b, z)
        activate(z.reshape(1, z.size), plan[m, KIND])
    return at


@part
def _panel(first, dz, units, width, n, panels):
    """Put rows of dz, of images `first` and on, into panels of 64 units, and of 16 for the rest.

    A panel holds all n images one after another, so that it stays in the first cache.
    """
    wide = units - units % (ROWS * LANES)
    for i in range(dz.size // width):
        for lane in range(0, width, LANES):
            begin, across = lane - lane % (ROWS * LANES), ROWS * LANES
            if lane >= wide:
                begin, across = lane, LANES
            at = begin * n + (first + i) * across + lane - begin
            store(panels, at, load(dz, i * width + lane))


@within
def _rows_of(fan_in, part):
    """Return the first of a part of the rows, and the last and one."""
    return fan_in * part // PARTS, fan_in * (part + 1) // PARTS


@part
def layer_in_vectors(m, begin, end, control, network):
    """Put rows of weights of layer m, and with the first of them its biases, into whole vectors
    where they are read from there."""
    plan, theta, wide = network[0], network[1], network[4][0]
    if begin == 0:
        biases_in_vectors(m, plan, theta, wide)
    if m > 0 or network[3] != plan[0, UNITS]:
        weights_in_vectors(m, begin, end, m > 0 and control[LEARNS], plan, theta, wide)


@part
def prepare(part, control, network):
    """Make ready of a part of every layer's weights what the next phases need."""
    plan = network[0]
    for m in range(len(plan)):
        begin, end = _rows_of(plan[m, FAN_IN], part)
        layer_in_vectors(m, begin, end, control, network)


@part
def look_ahead(part, control, source, network, rooms):
    """Find where a part of the pixels stands in the next images' lists, and put it in columns."""
    (indptr, indices, data), chosen, _ = source
    plan, side = network[0], 1 - control[SIDE]
    columns, rows, pixels = rooms[4][side], chosen[side, : control[NEXT]], plan[0, FAN_IN]
    begin, end = _rows_of(pixels, part)
    here = rooms[6][side, part, :, : rows.size]
    find_part(indptr, indices, rows, (begin, end, pixels), here)
    if control[LEARNS]:
        by_pixel(indices, data, here, (begin, end), np.uint64(columns.size // pixels), columns)


@part
def _fetch_share(part, first, end, control, source):
    """Ask for some of the next images' lists, which come while sums are made.

    Half of the parts are one thread's where there are two, and either reads all lists.
    """
    (indptr, indices, data), chosen, _ = source
    half, count = max(1, PARTS // 2), control[COUNT]
    begin, last = part % half * count + first, part % half * count + end
    rows = chosen[1 - control[SIDE], : control[NEXT]]
    begin, last = begin * rows.size // (half * count), last * rows.size // (half * count)
    fetch_lists(indptr, indices, data, rows[begin:last])


@part
def sums_of_part(part, tile, first, end, control, source, network, rooms):
    """Put what a part of the pixels adds to the first layer's sums into its room: for a tile of
    units, or for all where images are whole, and for images first, ..., end - 1."""
    (indptr, indices, data), chosen, _ = source
    plan, w, stride, nothing, levels = network[0], network[2], network[3], network[5], network[6]
    n, width, parts, side = control[COUNT], plan[0, WIDE], rooms[5], control[SIDE]
    z = parts[(part * n + first) * width : (part * n + end) * width]
    if control[SPARSE]:
        lanes = tile * ACROSS, min((tile + 1) * ACROSS, width)
        here = rooms[6][side, part, :, first:end]
        if tile == 0:
            _fetch_share(part, first, end, control, source)
        part_forward(indices, data, here, levels, w, stride, lanes, width, z)
        return
    fan_in, (begin, last) = plan[0, FAN_IN], _rows_of(plan[0, FAN_IN], part)
    pixels = rooms[3][first * fan_in : end * fan_in]
    for i in range(end - first):
        value, x = data[indptr[chosen[side, first + i]] :], pixels[i * fan_in : (i + 1) * fan_in]
        for j in range(begin, last):
            x[j] = levels[value[j]]
    x, b = pixels[begin:], nothing[:width]
    rows_forward(x, last - begin, fan_in, end - first, w[begin * stride :], stride, b, z)


@part
def _add_parts(first, count, n, parts, b, a):
    """Put the first layer's sums over all parts of the pixels, and biases, into a; of n images."""
    width = b.size
    for i in range(first, first + count):
        for lane in range(0, width, LANES):
            total = load(b, lane)
            for k in range(PARTS):
                total = add(total, load(parts, (k * n + i) * width + lane))
            store(a, i * width + lane, total)


@part
def images(first, control, label, network, rooms, weight):
    """Take some images forward, and back if they are to be learnt from; return (loss, right)."""
    plan, theta, wide, nothing = network[0], network[1], network[4], network[5]
    a, d, panels, parts = rooms[0], rooms[1], rooms[2], rooms[5]
    n, last, end = control[COUNT], len(plan) - 1, min(first + FEW, control[COUNT])
    count, b = end - first, wide[0][plan[0, B] : plan[0, B] + plan[0, WIDE]]
    _add_parts(first, count, n, parts, b, a)
    at = layers_forward(plan, theta, wide, n, first, count, a)
    dz = d[at : at + count * plan[last, WIDE]]
    found = rows_softmax(a[at:], plan[last, UNITS], plan[last, WIDE], label[first:end], weight, dz)
    if control[LEARNS]:
        for m in range(last, 0, -1):
            _panel(first, dz, plan[m, UNITS], plan[m, WIDE], n, panels[plan[m, ROOM] * n :])
            width = plan[m - 1, WIDE]
            at = plan[m - 1, ROOM] * n + first * width
            back, turned = d[at : at + count * width], wide[1][plan[m, TURNED] :]
            rows_forward(
                dz, plan[m, UNITS], plan[m, WIDE], count, turned, width, nothing[:width], back
            )
            z = a[at : at + count * width]
            activation_backward(z.reshape(1, z.size), back.reshape(1, z.size), plan[m - 1, KIND])
            dz = back
        _panel(first, dz, plan[0, UNITS], plan[0, WIDE], n, panels)
    return found
