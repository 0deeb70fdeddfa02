"""Gather: every row of weights sums its gradient over all images, and takes its step at once.

Sums stay in registers until they are whole, so that no gradient is ever written. A piece of this
work is some rows of a layer.
"""

from __future__ import annotations

import numpy as np

from .bits import first_bit, nonzero_bits
from .compiling import part, within
from .passes import layer_in_vectors
from .plan import COUNT, DB, DW, FAN_IN, MOVES, ROOM, RULE, SIDE, SPARSE, UNITS, WIDE
from .simd import LANES, add, load, multiply_add, splat, store
from .steps import at_rest, move, move_four
from .tiles import ROWS, SIDES, add_products, add_row_products, no_rows, store_sums

SPARE = 3 * LANES + 4 * ROWS * LANES  # floats: three vectors, and the gradients of four rows


@part
def _biases(m, plan, n, panels, rule, learner, spare):
    """Sum the columns of all panels of a layer, the gradient of its biases; take their step."""
    units, lane = plan[m, UNITS], 0
    while lane < units:
        across = ROWS * LANES if lane + ROWS * LANES <= units else LANES
        panel, few = panels[lane * n :], min(across, units - lane)
        for k in range(0, across, LANES):
            total = splat(0)
            for i in range(n):
                total = add(total, load(panel, i * across + k))
            store(spare, 3 * LANES + k, total)
        move(rule, learner, plan[m, DB] + lane, few, spare, 3 * LANES, spare)
        lane += across


@within
def _use(columns, start, bits):
    """Return the lowest of the bits that are set, as the number of an image, and its value."""
    i = first_bit(bits)
    return np.int64(i), columns[np.uint64(start) + i]


@part
def _pixels_wide(rows, columns, stride, levels, panel, far, at, units, rule, learner):
    """Take the step of 128 weights of every pixel; their gradients are sums over the images that
    use it. columns: see `by_pixel`; far: from one panel to the next."""
    for j in range(rows[0], rows[1]):
        sums, more, used = no_rows(), no_rows(), False
        for start in range(j * stride, (j + 1) * stride, 64):
            bits, image = nonzero_bits(columns, start), start - j * stride
            used |= bits != 0
            while bits != 0:
                i, value = _use(columns, start, bits)
                x, row = splat(levels[value]), (image + i) * (ROWS * LANES)
                sums = add_row_products(sums, x, panel, row)
                more = add_row_products(more, x, panel, row + far)
                bits &= bits - np.uint64(1)
        if used or not at_rest(rule, learner, at + j * units, 2 * ROWS * LANES):
            move_four(rule, learner, at + j * units, sums)
            move_four(rule, learner, at + j * units + ROWS * LANES, more)


@part
def _pixels(rows, columns, stride, levels, panel, at, units, rule, learner):
    """Do the same for 64 weights."""
    for j in range(rows[0], rows[1]):
        sums, used = no_rows(), False
        for start in range(j * stride, (j + 1) * stride, 64):
            bits, image = nonzero_bits(columns, start), start - j * stride
            used |= bits != 0
            while bits != 0:
                i, value = _use(columns, start, bits)
                row = (image + i) * (ROWS * LANES)
                sums = add_row_products(sums, splat(levels[value]), panel, row)
                bits &= bits - np.uint64(1)
        if used or not at_rest(rule, learner, at + j * units, ROWS * LANES):
            move_four(rule, learner, at + j * units, sums)


@part
def _pixels_narrow(rows, columns, stride, levels, panel, at, few, units, rule, learner, spare):
    """Do the same for sixteen weights or, at the end of a layer, fewer."""
    for j in range(rows[0], rows[1]):
        total = splat(0)
        for start in range(j * stride, (j + 1) * stride, 64):
            bits, image = nonzero_bits(columns, start), start - j * stride
            while bits != 0:
                i, value = _use(columns, start, bits)
                row = load(panel, (image + i) * LANES)
                total = multiply_add(splat(levels[value]), row, total)
                bits &= bits - np.uint64(1)
        store(spare, 3 * LANES, total)
        move(rule, learner, at + j * units, few, spare, 3 * LANES, spare)


@within
def _gather_rows(a, j, stride, n, panel, across, spare):
    """Put the gradients of four units' weights into spare, one after another."""
    if across == LANES:
        sums = no_rows()
        for i in range(n):
            sums = add_products(sums, load(panel, i * LANES), a, i * stride + j)
        store_sums(spare, 0, sums)
        return
    s0, s1, s2, s3 = no_rows(), no_rows(), no_rows(), no_rows()
    for i in range(n):
        at, row = i * stride + j, i * ROWS * LANES
        s0 = add_row_products(s0, splat(a[at]), panel, row)
        s1 = add_row_products(s1, splat(a[at + 1]), panel, row)
        s2 = add_row_products(s2, splat(a[at + 2]), panel, row)
        s3 = add_row_products(s3, splat(a[at + 3]), panel, row)
    store_sums(spare, 0, s0)
    store_sums(spare, ROWS * LANES, s1)
    store_sums(spare, 2 * ROWS * LANES, s2)
    store_sums(spare, 3 * ROWS * LANES, s3)


@part
def weights(piece, control, network, numbers, learner, rooms, spare):
    """Gather the gradient of a piece of a layer's weights, and take their step; have them ready
    for the next one while they are in cache.

    piece: layer, first row, last row and one.
    """
    plan, n, m = network[0], control[COUNT], piece[0]
    # Not an array: or they were read anew after every weight that is written.
    rule = control[RULE], numbers[0], numbers[1], numbers[2], numbers[3]
    panels, sparse = rooms[2][plan[m, ROOM] * n :], m == 0 and control[SPARSE]
    if piece[1] == 0:
        _biases(m, plan, n, panels, rule, learner, spare)
    if sparse:
        columns = rooms[4][control[SIDE]]
        _weights_of_pixels(piece, plan, n, columns, network[6], panels, rule, learner, spare)
    elif m == 0:
        _weights_of_rows(piece, plan, n, rooms[3], plan[0, FAN_IN], panels, rule, learner, spare)
    else:
        a = rooms[0][plan[m - 1, ROOM] * n :]
        _weights_of_rows(piece, plan, n, a, plan[m - 1, WIDE], panels, rule, learner, spare)
    if control[MOVES]:
        layer_in_vectors(m, piece[1], piece[2], control, network)


@part
def _weights_of_pixels(piece, plan, n, columns, levels, panels, rule, learner, spare):
    """Do `weights` for the first layer, where zeros are skipped."""
    rows, units = (piece[1], piece[2]), plan[0, UNITS]
    lists, lane = (columns, columns.size // plan[0, FAN_IN], levels), 0
    while lane < units:
        panel, at, left = panels[lane * n :], plan[0, DW] + lane, units - lane
        if SIDES == 2 and left >= 2 * ROWS * LANES:
            _pixels_wide(rows, *lists, panel, ROWS * LANES * n, at, units, rule, learner)
            lane += 2 * ROWS * LANES
        elif left >= ROWS * LANES:
            _pixels(rows, *lists, panel, at, units, rule, learner)
            lane += ROWS * LANES
        else:
            few = min(LANES, left)
            _pixels_narrow(rows, *lists, panel, at, few, units, rule, learner, spare)
            lane += LANES


@part
def _weights_of_rows(piece, plan, n, a, stride, panels, rule, learner, spare):
    """Do `weights` for rows of a, which have `stride`: every number counts."""
    (m, begin, end), lane = piece, 0
    units = plan[m, UNITS]
    while lane < units:
        across = ROWS * LANES if lane + ROWS * LANES <= units else LANES
        panel, at, few = panels[lane * n :], plan[m, DW] + lane, min(across, units - lane)
        for j in range(begin, end, 4):
            _gather_rows(a, j, stride, n, panel, across, spare[3 * LANES :])
            for t in range(min(4, end - j)):
                i = at + (j + t) * units
                move(rule, learner, i, few, spare, 3 * LANES + t * across, spare)
        lane += across
