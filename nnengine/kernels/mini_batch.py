"""A mini-batch in one call: forward, back and the optimiser's step, on one thread or several.

First every image goes forward and back through the network, a few images a piece; then every row
of weights gathers its gradient from all images, in registers, and takes its step at once, so that
no gradient is ever written. Both halves fall into fixed pieces that do not know of each other:
whoever does them, the bits are the same.
"""

from __future__ import annotations

import functools

import numpy as np

from . import workers
from .atomic import look, publish, take
from .compiling import compiled, inlined, part, within
from .dense import activate, activation_backward
from .first_layer import by_pixel, fetch_lists, levels_of, packed_forward
from .numpy_ import ADAM, SGD, TOGETHER, aligned_zeros
from .rows import rows_forward, rows_softmax
from .scratch import filled, kept, read_only
from .simd import (
    LANES,
    ROWS,
    add,
    add_products,
    add_row_products,
    load,
    multiply_add,
    no_rows,
    splat,
    store,
    store_sums,
)
from .steps import move, move_four

# Of a layer: inputs, units, units in whole vectors, activation; where its units begin in the
# rooms, to be multiplied by the rows; where in `wide`, whose layers are in whole vectors, its
# weights, its biases and its weights turned round begin; where in theta and gradient its weights
# and biases do.
FAN_IN, UNITS, WIDE, KIND, ROOM, W, B, TURNED, DW, DB = range(10)

# What threads tell each other. NOW: what is being done << 32 | how many pieces that has << 16 | how
# many have been drawn; DONE: pieces that are finished. Each in a cache line of its own.
NOW, DONE = 0, 8
COUNT, RULE, LEARNS, SPARSE = 16, 17, 18, 19  # images; the optimiser; what is to be done
CONTROL = 24
IMAGES, WEIGHTS = 1, 2  # the halves of a step
FEW = 8  # images a piece
# Looks, a millisecond, after which a helper goes home. It should outlast what stands between two
# halves and two steps: with a tenth of that every other run was slower than on one thread.
_PATIENCE = 2_000_000
_SPARE = 3 * LANES + 4 * ROWS * LANES  # floats: three vectors, and the gradients of four rows
_HELPERS = 3  # at most: a step is too short to be shared by many


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
def _panel(dz, units, width, n, first, panels):
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


@part
def _images(control, lists, chosen, label, levels, network, rooms, first, weight):
    """Take some images forward, and back if they are to be learnt from; return (loss, right)."""
    plan, theta, w, stride, wide, nothing = network
    starts, places, values = lists
    a, d, panels, pixels, _, _ = rooms
    n, last, fan_in = control[COUNT], len(plan) - 1, plan[0, FAN_IN]
    end = min(first + FEW, n)
    count, b = end - first, wide[0][plan[0, B] : plan[0, B] + plan[0, WIDE]]
    z = a[first * b.size : end * b.size]
    if control[SPARSE]:
        packed_forward(starts, places, values, chosen[first:end], levels, w, stride, b, z)
    else:
        for i in range(first, end):
            value, x = values[starts[chosen[i]] :], pixels[i * fan_in : (i + 1) * fan_in]
            for j in range(fan_in):
                x[j] = levels[value[j]]
        rows_forward(pixels[first * fan_in :], fan_in, fan_in, count, w, stride, b, z)
    at = layers_forward(plan, theta, wide, n, first, count, a)
    dz = d[at : at + count * plan[last, WIDE]]
    found = rows_softmax(a[at:], plan[last, UNITS], plan[last, WIDE], label[first:end], weight, dz)
    if control[LEARNS]:
        for m in range(last, 0, -1):
            _panel(dz, plan[m, UNITS], plan[m, WIDE], n, first, panels[plan[m, ROOM] * n :])
            width = plan[m - 1, WIDE]
            at = plan[m - 1, ROOM] * n + first * width
            back, turned = d[at : at + count * width], wide[1][plan[m, TURNED] :]
            rows_forward(
                dz, plan[m, UNITS], plan[m, WIDE], count, turned, width, nothing[:width], back
            )
            z = a[at : at + count * width]
            activation_backward(z.reshape(1, z.size), back.reshape(1, z.size), plan[m - 1, KIND])
            dz = back
        _panel(dz, plan[0, UNITS], plan[0, WIDE], n, first, panels)
    return found


@part
def _biases(rule, numbers, panel, across, n, target, first, second, at, here, spare):
    """Sum the columns of a panel, the gradient of `here` biases from `at` on; take their step."""
    for lane in range(0, across, LANES):
        total = splat(0)
        for i in range(n):
            total = add(total, load(panel, i * across + lane))
        store(spare, 3 * LANES + lane, total)
    move(rule, numbers, target, first, second, at, here, spare, 3 * LANES, spare)


@within
def _users(j, counts, users):
    """Return where the list of the images that use pixel j begins and ends."""
    begin = j * (users.size // counts.size)
    return begin, begin + np.int64(counts[j])


@part
def _pixels(piece, counts, users, levels, panel, at, units, rule, numbers, parameters):
    """Take the step of 64 weights of every pixel; their gradients are sums over its users."""
    target, first, second = parameters
    for j in range(piece[1], piece[2]):
        begin, end = _users(j, counts, users)
        sums = no_rows()
        for t in range(begin, end):
            user = users[np.uint64(t)]
            row = np.uint64(user >> np.uint16(8)) * np.uint64(ROWS * LANES)
            sums = add_row_products(sums, splat(levels[user & np.uint16(255)]), panel, row)
        move_four(rule, numbers, target, first, second, at + j * units, sums)


@part
def _pixels_narrow(piece, counts, users, levels, panel, at, here, units, rule, numbers, rest):
    """Do the same for sixteen weights or, at the end of a layer, fewer."""
    target, first, second, spare = rest
    for j in range(piece[1], piece[2]):
        begin, end = _users(j, counts, users)
        total = splat(0)
        for t in range(begin, end):
            user = users[np.uint64(t)]
            row = np.uint64(user >> np.uint16(8)) * np.uint64(LANES)
            x = splat(levels[user & np.uint16(255)])
            total = multiply_add(x, load(panel, row), total)
        store(spare, 3 * LANES, total)
        i = at + j * units
        move(rule, numbers, target, first, second, i, here, spare, 3 * LANES, spare)


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
def _weights(control, piece, plan, levels, rooms, numbers, target, memory, spare):
    """Gather the gradient of some rows of a layer's weights, and take their step."""
    a, _, panels, pixels, counts, users = rooms
    first, second = memory
    m, begin, end = piece
    n, rule, fan_in, units = control[COUNT], control[RULE], plan[m, FAN_IN], plan[m, UNITS]
    sparse, before, stride = m == 0 and control[SPARSE], pixels, fan_in
    if m > 0:
        before, stride = a[plan[m - 1, ROOM] * n :], plan[m - 1, WIDE]
    # Not an array: or they were read anew after every weight that is written.
    numbers = numbers[0], numbers[1], numbers[2], numbers[3]
    lane = 0
    while lane < units:
        across = ROWS * LANES if lane + ROWS * LANES <= units else LANES
        here, at = min(across, units - lane), plan[m, DW] + lane
        panel = panels[(plan[m, ROOM] + lane) * n :]
        if begin == 0:
            b = plan[m, DB] + lane
            _biases(rule, numbers, panel, across, n, target, first, second, b, here, spare)
        if sparse:
            lists = counts, users, levels, panel
            if across == LANES:
                rest = target, first, second, spare
                _pixels_narrow(piece, *lists, at, here, units, rule, numbers, rest)
            else:
                parameters = target, first, second
                _pixels(piece, *lists, at, units, rule, numbers, parameters)
        else:
            for j in range(begin, end, 4):
                _gather_rows(before, j, stride, n, panel, across, spare[3 * LANES :])
                for t in range(min(4, end - j)):
                    g, i = 3 * LANES + t * across, at + (j + t) * units
                    move(rule, numbers, target, first, second, i, here, spare, g, spare)
        lane += across


@part
def _draw(control):
    """Return the next piece of what is being done, as `NOW` has it, or -1 if none is left."""
    now = look(control, NOW)
    if (now & 0xFFFF) >= (now >> 16 & 0xFFFF):
        return np.int64(-1)
    now = take(control, NOW)
    return np.int64(-1) if (now & 0xFFFF) >= (now >> 16 & 0xFFFF) else now


@inlined
def _do(drawn, control, lists, levels, chosen, label, network, target, memory, rooms, rest):
    """Do one piece that was drawn."""
    numbers, pieces, found, spares = rest
    starts, places, values = lists
    piece = drawn & 0xFFFF
    if drawn >> 32 == IMAGES:
        if piece == 0:
            if control[SPARSE] and control[LEARNS]:
                counts, users = rooms[4], rooms[5]
                by_pixel(starts, places, values, chosen[: control[COUNT]], counts, users)
        else:
            first = (piece - 1) * FEW
            summed, right = _images(
                control, lists, chosen, label, levels, network, rooms, first, numbers[4]
            )
            found[piece, 0], found[piece, 1] = summed, right
    else:
        here = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2]
        _weights(control, here, network[0], levels, rooms, numbers, target, memory, spares[piece])
    take(control, DONE)


@inlined
def _begin(rows, labels, numbers, control, lists, chosen, label, network, given):
    """Put where all threads find it what is to be done."""
    control[COUNT] = rows.size
    for i in range(rows.size):
        chosen[i], label[i] = rows[i], labels[i]
    fetch_lists(lists[0], lists[1], lists[2], rows)
    for i in range(len(numbers)):
        given[i] = numbers[i]
    if control[RULE] == ADAM:
        given[1], given[2] = np.float32(1) - given[1], np.float32(1) - given[2]
    plan, theta, _, _, wide, _ = network
    in_vectors(plan, theta, wide[0], control[LEARNS])


@compiled
def _step(
    helping,
    rows,
    labels,
    numbers,
    control,
    lists,
    levels,
    chosen,
    label,
    network,
    target,
    memory,
    rooms,
    rest,
):
    """Do a mini-batch, or help with those that come."""
    loss, correct, half, pieces, idle = 0.0, np.int64(0), 0, 0, 0
    images = 1 + (rows.size + FEW - 1) // FEW
    if not helping:
        _begin(rows, labels, numbers, control, lists, chosen, label, network, rest[0])
    while True:
        drawn = _draw(control)
        if drawn >= 0:
            idle = 0
            _do(drawn, control, lists, levels, chosen, label, network, target, memory, rooms, rest)
        elif helping:
            idle += 1
            if idle == _PATIENCE:
                return loss, correct
        elif half == 0 or look(control, DONE) == pieces:
            half += 1
            if half > IMAGES + control[LEARNS]:
                break
            pieces = images if half == IMAGES else len(rest[1])
            publish(control, DONE, 0)
            publish(control, NOW, half << 32 | pieces << 16)
    for piece in range(1, images):
        loss += rest[2][piece, 0]
        correct += np.int64(rest[2][piece, 1])
    return loss, correct


class Steps:
    """Mini-batches of at most `count` images in turn; see `packed_steps`."""

    def __init__(
        self, lists, scale, sizes, kinds, theta, target, rule, memory, count, keep
    ) -> None:
        plan, wide, room = packed_plan(sizes, kinds)
        starts, places, values = lists = tuple(map(read_only, lists))
        sparse, learns = bool(places.size or not values.size), target.size > 0
        self.first = theta, sizes
        theta, wide = read_only(theta), keep("wide", wide)
        nothing = keep("no biases", max(sizes[1:]) + LANES)
        network = plan, theta, *first_weights(theta, sizes), (wide, read_only(wide)), nothing
        a, d, panels = (keep(role, count * room + LANES) for role in ("a", "d", "panels"))
        pixels = keep("pixels", LANES if sparse else count * sizes[0] + LANES)
        # An odd number of cache lines, or all lists would end in the same few of the cache.
        users = (-(-count // 32) | 1) * 32 if sparse and learns else 1
        users = np.empty(sizes[0] * users, np.uint16)
        rooms = a, d, panels, pixels, np.empty(sizes[0], np.uint16), users
        pieces, found = pieces_of(sizes), np.zeros((1 + -(-count // FEW), 2))
        spares = keep("spares", len(pieces) * _SPARE).reshape(len(pieces), _SPARE)
        control = np.zeros(CONTROL, np.int64)
        control[[RULE, LEARNS, SPARSE]] = rule, learns, sparse
        chosen, label = np.empty(count, np.int64), np.empty(count, np.uint8)
        rest = np.empty(5, np.float32), pieces, found, spares
        self.arguments = control, lists, levels_of(scale), chosen, label, network, target
        self.arguments += memory, rooms, rest
        self.helpers: list = [None] * min(workers.threads() - 1, _HELPERS)

    def __call__(self, rows, labels, weight, rate=-1.0, x=0.0, y=0.0, z=0.0) -> tuple[float, int]:
        """Take a step on the images `rows`; return (loss summed, right answers)."""
        if self.first[1][1] != self.arguments[5][3]:  # a copy in whole vectors, by now old
            first_weights(*self.first)
        numbers = float(rate), float(x), float(y), float(z), float(weight)
        return _step(0, rows, labels, numbers, *self.arguments)

    def call_helpers(self) -> None:
        """Have other threads draw pieces too, until nothing has come for a while."""
        for n, helper in enumerate(self.helpers):
            if helper is None or helper.done():
                nobody = self.arguments[3][:0], self.nothing, (0.0,) * 5
                self.helpers[n] = workers.submit(_step, 1, *nobody, *self.arguments)

    nothing = read_only(np.empty(0, np.uint8))


class _Shared(Steps):
    """Steps on all threads."""

    def __call__(self, *step) -> tuple[float, int]:
        self.call_helpers()
        return super().__call__(*step)


_NOTHING = np.empty(0, np.float32), np.empty(0, np.float32)


def packed_steps(lists, scale, sizes, kinds, theta, rule, memory, count):
    """Return what takes an optimiser's steps on images of packed lists; float32."""

    def fresh(_, size: int) -> np.ndarray:
        return aligned_zeros(size, np.float32)

    memory = (*memory, *_NOTHING)[:2]
    kind = _Shared if workers.threads() > 1 else Steps
    return kind(lists, scale, sizes, kinds, theta, theta, rule, memory, count, fresh)


def packed_gradient(lists, rows, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient of a whole network for the images `rows` of packed lists; float32."""
    count, loss, right = min(len(rows), TOGETHER), 0.0, 0
    keep = functools.partial(kept, (sizes, count))
    # Gradient descent at the rate -1, of a gradient instead of weights, adds to it.
    step = Steps(lists, scale, sizes, kinds, theta, gradient, SGD, _NOTHING, count, keep)
    for start in range(0, len(rows), count or 1):
        part = slice(start, start + count)
        found = step(rows[part], labels[part], weight)
        loss, right = loss + found[0], right + found[1]
    return loss, right


@functools.lru_cache(maxsize=32)
def pieces_of(sizes: tuple[int, ...]) -> np.ndarray:
    """Return int64 (pieces, 3): layer, first row, last row and one, of every piece of weights."""
    pieces = []
    for n, (fan_in, units) in enumerate(zip(sizes, sizes[1:], strict=False)):
        rows = max(4, -(-fan_in // 16 // 4) * 4, -(-4096 // units // 4) * 4)
        pieces += [(n, j, min(j + rows, fan_in)) for j in range(0, fan_in, rows)]
    return read_only(np.array(pieces, np.int64))


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


def answer_rooms(sizes, n: int, wide: int, room: int) -> tuple[tuple, np.ndarray]:
    """Return this thread's rooms for n answers: `wide`, to write and to read; the activations."""
    wide, a = kept(sizes, "wide", wide), kept(sizes, "a rows", n * room + ROWS)
    return (wide, read_only(wide)), a
