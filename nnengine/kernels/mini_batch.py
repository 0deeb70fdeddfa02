"""A whole network for one mini-batch of packed images: small products cost less than the calls."""

from __future__ import annotations

import functools

import numpy as np

from .compiling import compiled, inlined, part
from .dense import activate, activation_backward
from .first_layer import (
    TOGETHER,
    by_pixel,
    columns_of,
    levels_of,
    packed_backward,
    packed_forward,
    panels_of,
)
from .rows import rows_backward, rows_forward, rows_softmax
from .scratch import bring_home, filled, kept, read_only
from .simd import LANES, ROWS

# Of a layer: inputs, units, units in whole vectors, activation; where its units begin in the
# rooms, to be multiplied by the rows; where in `wide`, whose layers are in whole vectors, its
# weights, its biases and its weights turned round begin; where in theta and gradient its weights
# and biases do.
FAN_IN, UNITS, WIDE, KIND, ROOM, W, B, TURNED, DW, DB = range(10)


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
def in_vectors(plan, theta, wide, turned):
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
def outputs_from(n, plan, theta, wide, a):
    """Put the activations of all layers into a, where the first one's sums are already, for n
    images; return where the logits begin."""
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
            rows_forward(a[room - before * n :], plan[m, FAN_IN], before, n, weights, b, z)
        activate(z.reshape(1, z.size), plan[m, KIND])
    return plan[len(plan) - 1, ROOM] * n


@compiled
def _packed_gradient(
    lists, rows, labels, levels, weight, plan, theta, w, stride, gradient, blame, rooms, columns
):
    """Do `packed_gradient`; see `packed_plan`. w, blame: the first layer and its gradient."""
    starts, places, values = lists
    wide, nothing, spare, a, d = rooms
    counts, users, panels = columns
    n, last = rows.size, len(plan) - 1
    in_vectors(plan, theta, wide[0], gradient.size > 0)
    b = wide[0][plan[0, B] : plan[0, B] + plan[0, WIDE]]
    packed_forward(starts, places, values, rows, levels, w, stride, b, a)
    z = a[outputs_from(n, plan, theta, wide, a) :]
    dz = d[plan[last, ROOM] * n : (plan[last, ROOM] + plan[last, WIDE]) * n]
    found = rows_softmax(z, plan[last, UNITS], plan[last, WIDE], labels, weight, dz)
    if gradient.size == 0:
        return found
    for m in range(last, 0, -1):
        units, width, stride = plan[m, UNITS], plan[m, WIDE], plan[m - 1, WIDE]
        before, back = plan[m - 1, ROOM] * n, d[plan[m - 1, ROOM] * n : plan[m, ROOM] * n]
        dw, db = gradient[plan[m, DW] :], gradient[plan[m, DB] :]
        rows_backward(a[before:], plan[m, FAN_IN], stride, n, width, dz, units, dw, db, spare)
        rows_forward(dz, units, width, n, wide[1][plan[m, TURNED] :], nothing[:stride], back)
        z = a[before : plan[m, ROOM] * n]
        activation_backward(z.reshape(1, z.size), back.reshape(1, z.size), plan[m - 1, KIND])
        dz = back
    for start in range(0, n, TOGETHER):
        some = rows[start : start + TOGETHER]
        by_pixel(starts, places, values, some, counts, users)
        panels_of(dz, start, some.size, plan[0, WIDE], panels)
        packed_backward(counts, users, some.size, levels, panels, blame[0], blame[1])
    return found


def packed_gradient(lists, rows, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient of a whole network for the images `rows` of packed lists; float32."""
    plan, wide, room = packed_plan(sizes, kinds)
    rooms = packed_rooms(sizes, len(rows), wide, room)
    theta, cut, end = read_only(theta), sizes[0] * sizes[1], (sizes[0] + 1) * sizes[1]
    shape = sizes[:2] if gradient.size else (0, sizes[1])  # only the loss is asked for
    dw, db = gradient[:cut].reshape(shape), gradient[cut:end]
    wide_dw, wide_db = filled("w", dw), filled("b", db)
    first, blame = first_weights(theta, sizes), (wide_dw.reshape(-1), wide_db)
    columns = columns_of(sizes[0], -(-sizes[1] // LANES) * LANES)
    network = plan, theta, *first, gradient, blame, rooms, columns
    found = _packed_gradient(lists, rows, labels, levels_of(scale), weight, *network)
    bring_home(wide_dw, dw)
    bring_home(wide_db, db)
    return found


@functools.lru_cache(maxsize=32)
def packed_plan(sizes: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[np.ndarray, int, int]:
    """Return int64 (layers, 10) and the floats that `wide` and a row of the rooms take."""
    table, wide, room, at = [], 0, 0, 0
    for n, (fan_in, units, kind) in enumerate(zip(sizes, sizes[1:], kinds, strict=False)):
        width = -(-units // LANES) * LANES
        b = wide + (fan_in * width if n else 0)
        turned = b + width
        table.append((fan_in, units, width, kind, room, wide, b, turned, at, at + fan_in * units))
        wide = turned + (units * table[n - 1][2] if n else 0)
        room, at = room + width, at + (fan_in + 1) * units
    return read_only(np.array(table, np.int64)), wide, room


def first_weights(theta: np.ndarray, sizes: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Return the first layer's weights, flat, and how far one row stands from the next.

    Vectors may reach over the end of a row into what follows, if anything does.
    """
    units, cut = sizes[1], sizes[0] * sizes[1]
    if theta.size - (cut - units) >= -(-units // LANES) * LANES:
        return theta, units
    wide = filled("first", theta[:cut].reshape(sizes[:2]))
    return read_only(wide.reshape(-1)), wide.shape[1]


def packed_rooms(sizes, n: int, wide: int, room: int) -> tuple[np.ndarray, ...]:
    """Return this thread's rooms for n rows: wide, to write and to read; nothing, spare, a, d."""
    keep = functools.partial(kept, sizes)
    wide, nothing = keep("wide", wide), keep("no biases", max(sizes[1:]) + LANES)
    spare, rows = keep("row", 4 * ROWS * LANES), n * room + ROWS
    return (wide, read_only(wide)), nothing, spare, keep("a rows", rows), keep("d rows", rows)
