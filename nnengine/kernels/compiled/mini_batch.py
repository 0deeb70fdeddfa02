"""A mini-batch in one call: forward, back and the optimiser's step, on one thread or several.

A step has four phases: what the others need is made ready, pixel by pixel; the first layer's sums;
every image the rest of the way forward, and back; and every row of weights gathers its gradient
from all images and takes its step at once. The pieces of a phase do not know of each other:
whoever does them, the bits are the same.
"""

from __future__ import annotations

import functools

import numpy as np

from .. import workers
from ..numpy_ import ADAM, SGD, TOGETHER, aligned_zeros
from .compiling import compiled, inlined
from .first_layer import levels_of
from .gather import SPARE, weights
from .passes import ACROSS, FEW, biases_in_vectors, images, prepare, sums_of_part
from .plan import (
    COUNT,
    LEARNS,
    PARTS,
    RULE,
    SPARSE,
    THREADS,
    WIDE,
    first_weights,
    packed_plan,
    pieces_of,
)
from .queues import QUEUES, SIZE, all_done, draw, finish, open_queues
from .scratch import kept, read_only
from .simd import LANES

PREPARING, SUMS, IMAGES, WEIGHTS = 1, 2, 3, 4  # the phases
_MANY = 32  # images whose first sums are one piece
# Looks at all queues, two milliseconds, after which a helper goes home. It should outlast what
# stands between two phases and two steps, and no more: it takes a core from whatever comes next.
_PATIENCE = 250_000


@inlined
def _groups(control, plan):
    """Return in how many pieces the units, and the images, of the first layer's sums fall."""
    tiles = (plan[0, WIDE] + ACROSS - 1) // ACROSS if control[SPARSE] else 1
    return tiles, (control[COUNT] + _MANY - 1) // _MANY


@inlined
def _pieces(phase, control, plan, pieces):
    """Return how many pieces a phase has."""
    if phase == PREPARING:
        return PARTS
    if phase == SUMS:
        tiles, groups = _groups(control, plan)
        return PARTS * tiles * groups
    return (control[COUNT] + FEW - 1) // FEW if phase == IMAGES else len(pieces)


@inlined
def _do(drawn, own, control, data, network, learner, rooms, rest):
    """Do one piece that was drawn."""
    numbers, pieces, found, spares = rest
    phase, piece = drawn >> 32, drawn & 0xFFFF
    if phase == PREPARING:
        prepare(piece, control, data, network, rooms)
    elif phase == SUMS:
        tiles, groups = _groups(control, network[0])
        part, tile = piece // (tiles * groups), piece // groups % tiles
        first = piece % groups * _MANY
        end = min(first + _MANY, control[COUNT])
        sums_of_part(part, tile, first, end, control, data, network, rooms)
    elif phase == IMAGES:
        summed, right = images(piece * FEW, control, data[2], network, rooms, numbers[4])
        found[piece, 0], found[piece, 1] = summed, right
    else:
        here = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2]
        weights(here, control, network, numbers, learner, rooms, spares[own])


@inlined
def _begin(rows, labels, numbers, control, data, network, given):
    """Put where all threads find it what is to be done."""
    _, chosen, label = data
    plan, theta, wide = network[0], network[1], network[4][0]
    control[COUNT] = rows.size
    for i in range(rows.size):
        chosen[i], label[i] = rows[i], labels[i]
    for i in range(len(numbers)):
        given[i] = numbers[i]
    if control[RULE] == ADAM:
        given[1], given[2] = np.float32(1) - given[1], np.float32(1) - given[2]
    for n in range(len(plan)):
        biases_in_vectors(n, plan, theta, wide)


@compiled
def _step(own, rows, labels, numbers, control, queues, data, network, learner, rooms, rest):
    """Do a mini-batch as thread 0, or help with those that come as another.

    data: the lists, which images were chosen, their labels. network: plan, theta, the first layer's
    weights and how far its rows stand apart, `wide` to write and to read, zeros in place of biases,
    what bytes are worth. learner: what is to be changed, and what the optimiser remembers of each
    parameter, twice. rooms: activations, their gradients, these in panels, pixels as floats, pixels
    in columns, sums of parts, marks in the lists. rest: the optimiser's numbers, pieces of weights,
    what was found for each piece of images, a spare for each thread.
    """
    loss, correct, phase, pieces, idle = 0.0, np.int64(0), 0, np.int64(0), 0
    if own == 0:
        _begin(rows, labels, numbers, control, data, network, rest[0])
    while True:
        drawn = draw(queues, control[THREADS], own)
        if drawn >= 0:
            idle = 0
            _do(drawn, own, control, data, network, learner, rooms, rest)
            finish(queues)
        elif own > 0:
            idle += 1
            if idle == _PATIENCE:
                return loss, correct
        elif phase == 0 or all_done(queues, pieces):
            phase += 1
            if phase > IMAGES + control[LEARNS]:
                break
            pieces = np.int64(_pieces(phase, control, network[0], rest[1]))
            open_queues(queues, control[THREADS], phase, pieces)
    for piece in range((rows.size + FEW - 1) // FEW):
        loss += rest[2][piece, 0]
        correct += np.int64(rest[2][piece, 1])
    return loss, correct


class Steps:
    """Mini-batches of at most `count` images in turn; see `packed_steps`."""

    def __init__(
        self, lists, scale, sizes, kinds, theta, target, rule, memory, count, keep, threads=1
    ) -> None:
        plan, wide, room = packed_plan(sizes, kinds)
        starts, places, values = lists = tuple(map(read_only, lists))
        sparse, learns = bool(places.size or not values.size), target.size > 0
        self.first = theta, sizes
        theta, wide = read_only(theta), keep("wide", wide)
        nothing = keep("no biases", max(sizes[1:]) + LANES)
        network = plan, theta, *first_weights(theta, sizes), (wide, read_only(wide)), nothing
        network += (levels_of(scale),)
        a, d, panels = (keep(role, count * room + LANES) for role in ("a", "d", "panels"))
        pixels = keep("pixels", LANES if sparse else count * sizes[0] + LANES)
        columns = sizes[0] * -(-count // 64) * 64 if sparse and learns else 1
        parts = keep("parts", PARTS * count * plan[0, WIDE])
        marks = np.empty((PARTS, 2, count), np.int64)
        rooms = a, d, panels, pixels, aligned_zeros(columns, np.uint8), parts, marks
        control, queues = np.zeros(THREADS + 1, np.int64), aligned_zeros(SIZE, np.int64)
        control[[RULE, LEARNS, SPARSE, THREADS]] = rule, learns, sparse, threads
        data = lists, np.empty(count, np.int64), np.empty(count, np.uint8)
        spares = keep("spares", QUEUES * SPARE).reshape(QUEUES, SPARE)
        rest = np.empty(5, np.float32), pieces_of(sizes), np.zeros((-(-count // FEW), 2)), spares
        self.arguments = control, queues, data, network, (target, *memory), rooms, rest
        self.helpers: list = [None] * (threads - 1)

    def __call__(self, rows, labels, weight, rate=-1.0, x=0.0, y=0.0, z=0.0) -> tuple[float, int]:
        """Take a step on the images `rows`; return (loss summed, right answers)."""
        if self.first[1][1] != self.arguments[3][3]:  # a copy in whole vectors, by now old
            first_weights(*self.first)
        self._call_helpers()
        numbers = float(rate), float(x), float(y), float(z), float(weight)
        return _step(0, rows, labels, numbers, *self.arguments)

    def _call_helpers(self) -> None:
        """Have other threads draw pieces too, until nothing has come for a while."""
        for n, helper in enumerate(self.helpers):
            if helper is None or helper.done():
                nobody = self.arguments[2][1][:0], _NO_LABELS, (0.0,) * 5
                self.helpers[n] = workers.submit(_step, n + 1, *nobody, *self.arguments)


_NO_LABELS = read_only(np.empty(0, np.uint8))
_NOTHING = np.empty(0, np.float32), np.empty(0, np.float32)


def packed_steps(lists, scale, sizes, kinds, theta, rule, memory, count):
    """Return what takes an optimiser's steps on images of packed lists; float32."""

    def fresh(_, size: int) -> np.ndarray:
        return aligned_zeros(size, np.float32)

    memory = (*memory, *_NOTHING)[:2]
    threads = min(workers.threads(), QUEUES)
    network = scale, sizes, kinds, theta, theta
    return Steps(lists, *network, rule, memory, count, fresh, threads)


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
