"""Mini-batches in one call, one after another: forward, back and the optimizer's step of each, on
one thread or several.

A step has three phases: the first layer's sums, pixel by pixel; every image the rest of the way
forward, and back; and every row of weights gathers its gradient from all images and takes its step
at once. What the next batch needs and no weights go into, its lists pixel by pixel, is made ready
during the second. The pieces of a phase do not know of each other: whoever does them, the bits are
the same; and so they are however many batches come in a call.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .. import workers
from ..numpy_ import ADAM, SGD, TOGETHER, aligned_zeros, read_only
from .compiling import compiled, inlined, part
from .first_layer import levels_of
from .gather import SPARE, weights
from .passes import ACROSS, FEW, images, look_ahead, prepare, sums_of_part
from .plan import (
    COUNT,
    LEARNS,
    MOVES,
    NEXT,
    PARTS,
    RULE,
    SIDE,
    SPARSE,
    THREADS,
    UNITS,
    WIDE,
    overrun,
    pieces_of,
    plan_of,
)
from .queues import QUEUES, SIZE, all_done, draw, finish, open_queues
from .scratch import kept
from .simd import LANES

PREPARING, SUMS, IMAGES, WEIGHTS = 1, 2, 3, 4  # the phases; the first once a call
_MANY = 32  # images whose first sums are one piece
# Looks at all queues, two milliseconds, after which a helper goes home. It should outlast what
# stands between two calls, and no more: it takes a core from whatever comes next.
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
    ahead = PARTS if control[SPARSE] and control[NEXT] else 0
    return (control[COUNT] + FEW - 1) // FEW + ahead if phase == IMAGES else len(pieces)


@part
def _part_behind(piece, control):
    """Return how many parts of the next batch's lists stand before a piece of `IMAGES`, and whether
    it is such a part itself: they are spread among the images, each beside its own weights."""
    groups, before = (control[COUNT] + FEW - 1) // FEW, 0
    if not (control[SPARSE] and control[NEXT]):
        return before, False
    while piece > groups * (before + 1) // PARTS + before:
        before += 1
    return before, piece == groups * (before + 1) // PARTS + before


@inlined
def _do(drawn, own, control, source, network, learner, rooms, rest):
    """Do one piece that was drawn."""
    numbers, pieces, found, spares = rest
    phase, piece = drawn >> 32, drawn & 0xFFFF
    before, ahead = piece, phase == PREPARING
    if phase == IMAGES:
        before, ahead = _part_behind(piece, control)
    if phase == PREPARING:
        prepare(piece, control, network)
    if ahead:
        if control[SPARSE]:
            look_ahead(before, control, source, network, rooms)
    elif phase == SUMS:
        tiles, groups = _groups(control, network[0])
        part, tile = piece // (tiles * groups), piece // groups % tiles
        first = piece % groups * _MANY
        end = min(first + _MANY, control[COUNT])
        sums_of_part(part, tile, first, end, control, source, network, rooms)
    elif phase == IMAGES:
        n, label = piece - before, source[2][control[SIDE]]
        summed, right = images(n * FEW, control, label, network, rooms, numbers[4])
        found[n, 0], found[n, 1] = summed, right
    else:
        here = pieces[piece, 0], pieces[piece, 1], pieces[piece, 2]
        weights(here, control, network, numbers, learner, rooms, spares[own])


@part
def _put_next(n, batches, control, source):
    """Put where all threads find it which images batch n has; none if there is no such batch."""
    rows, labels, ends, _ = batches
    side, begin, end = 1 - control[SIDE], 0, 0
    if n < ends.size:
        begin, end = ends[n - 1] if n > 0 else 0, ends[n]
    control[NEXT] = end - begin
    for i in range(begin, end):
        source[1][side, i - begin], source[2][side, i - begin] = rows[i], labels[i]


@part
def _begin(n, batches, control, source, given):
    """Go on to batch n, which is ready, and put the one behind it next."""
    control[SIDE] = 1 - control[SIDE]
    control[COUNT] = control[NEXT]
    for i in range(given.size):
        given[i] = batches[3][n, i]
    if control[RULE] == ADAM:
        given[1], given[2] = np.float32(1) - given[1], np.float32(1) - given[2]
    _put_next(n + 1, batches, control, source)


@part
def _sum_up(n, control, found, losses, right):
    """Put the loss of batch n, and how many were right, where the caller finds them."""
    loss, correct = 0.0, np.int64(0)
    for piece in range((control[COUNT] + FEW - 1) // FEW):
        loss += found[piece, 0]
        correct += np.int64(found[piece, 1])
    losses[n], right[n] = loss, correct


@compiled
def _steps(own, batches, losses, right, control, queues, source, network, learner, rooms, rest):
    """Take the steps of some batches as thread 0, or help with those that come as another; return
    how many were taken.

    batches: the images of all, their labels, where each batch ends, and a row of numbers for each:
    the optimizer's four, and what an image weighs. losses, right: to be filled, batch by batch.
    data: the lists; twice, for this batch and the next, which images were chosen and their labels.
    network: plan, theta, the first layer's weights and how far its rows stand apart, `wide` to
    write and to read, zeros in place of biases, what bytes are worth. learner: what is to be
    changed, and what the optimizer remembers of each parameter, twice. rooms: activations, their
    gradients, these in panels, pixels as floats, twice pixels in columns, sums of parts, twice
    marks in the lists. rest: the optimizer's numbers, pieces of weights, what was found for each
    piece of images, a spare for each thread.
    """
    step, phase, pieces, idle = np.int64(-1), 0, np.int64(0), 0
    if own == 0:
        _put_next(0, batches, control, source)
    while True:
        drawn = draw(queues, control[THREADS], own)
        if drawn >= 0:
            idle = 0
            _do(drawn, own, control, source, network, learner, rooms, rest)
            finish(queues, own)
        elif own > 0:
            idle += 1
            if idle == _PATIENCE:
                return (step,)
        elif phase == 0 or all_done(queues, control[THREADS], pieces):
            phase += 1
            if phase > IMAGES + control[LEARNS]:
                _sum_up(step, control, rest[2], losses, right)
                if step + 1 == losses.size or not math.isfinite(losses[step]):
                    return (step + 1,)
                phase = SUMS
            if phase == SUMS:
                step += 1
                _begin(step, batches, control, source, rest[0])
            pieces = np.int64(_pieces(phase, control, network[0], rest[1]))
            open_queues(queues, control[THREADS], phase, pieces)


class Steps:
    """Mini-batches of at most `count` images in turn; see `sparse_steps`."""

    def __init__(
        self, lists, scale, sizes, kinds, theta, target, rule, memory, count, keep, threads=1
    ) -> None:
        plan, wide, room = plan_of(sizes, kinds)
        indptr, indices, data = lists = tuple(map(read_only, lists))
        sparse, learns = bool(indices.size or not data.size), target.size > 0
        moves, theta, wide = target is theta, read_only(theta), keep("wide", wide)
        nothing = keep("no biases", max(sizes[1:]) + LANES)
        first = (read_only(wide), plan[0, WIDE]) if overrun(sizes) else (theta, plan[0, UNITS])
        network = plan, theta, *first, (wide, read_only(wide)), nothing, levels_of(scale)
        a, d, panels = (keep(role, count * room + LANES) for role in ("a", "d", "panels"))
        pixels = keep("pixels", LANES if sparse else count * sizes[0] + LANES)
        columns = sizes[0] * -(-count // 64) * 64 if sparse and learns else 64
        parts = keep("parts", PARTS * count * plan[0, WIDE])
        marks = np.empty((2, PARTS, 2, count), np.int64)
        rooms = a, d, panels, pixels, aligned_zeros((2, columns), np.uint8), parts, marks
        control, queues = np.zeros(THREADS + 1, np.int64), aligned_zeros(SIZE, np.int64)
        control[[RULE, LEARNS, MOVES, SPARSE, THREADS]] = rule, learns, moves, sparse, threads
        source = lists, np.empty((2, count), np.int64), np.empty((2, count), np.uint8)
        spares = keep("spares", QUEUES * SPARE).reshape(QUEUES, SPARE)
        rest = np.empty(5, np.float32), pieces_of(sizes), np.zeros((-(-count // FEW), 2)), spares
        self.arguments = control, queues, source, network, (target, *memory), rooms, rest
        self.helpers: list = [None] * (threads - 1)

    def __call__(self, rows, labels, ends, numbers) -> tuple[np.ndarray, np.ndarray]:
        """Take a step on each batch; see `sparse_steps`."""
        table = np.zeros((len(ends), NUMBERS))
        table[:, : numbers.shape[1]] = numbers
        table[0, -1], table[1:, -1] = ends[0], ends[1:] - ends[:-1]
        table[:, -1] = 1 / table[:, -1]
        return self.weighted(rows, labels, ends, table)

    def weighted(self, *batches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Do the same with numbers that are complete: see `_steps`."""
        for n, helper in enumerate(self.helpers):
            if helper is None or helper.done():  # one goes home when nothing has come for a while
                self.helpers[n] = workers.submit(_steps, n + 1, *_NOBODY, *self.arguments)
        losses, right = np.empty(len(batches[2])), np.empty(len(batches[2]), np.int64)
        (taken,) = _steps(0, tuple(map(read_only, batches)), losses, right, *self.arguments)
        return losses[:taken], right[:taken]


NUMBERS = 5  # of each batch: the optimizer's four, and what an image weighs
_NONE = np.empty(0, np.int64)
_NOBODY = (
    tuple(map(read_only, (_NONE, np.empty(0, np.uint8), _NONE, np.empty((0, NUMBERS))))),
    np.empty(0),
    _NONE,
)
_NOTHING = np.empty(0, np.float32), np.empty(0, np.float32)


def sparse_steps(lists, scale, sizes, kinds, theta, rule, memory, count):
    """Return what takes an optimizer's steps on images of packed lists; float32."""

    def fresh(_, size: int) -> np.ndarray:
        return aligned_zeros(size, np.float32)

    memory = (*memory, *_NOTHING)[:2]
    threads = min(workers.threads(), QUEUES)
    network = scale, sizes, kinds, theta, theta
    return Steps(lists, *network, rule, memory, count, fresh, threads)


def sparse_gradient(lists, rows, labels, scale, weight, sizes, kinds, theta, gradient):
    """Add the gradient of a whole network for the images `rows` of packed lists; float32."""
    count, loss, right, done = min(len(rows), TOGETHER), 0.0, 0, 0
    keep = functools.partial(kept, (sizes, count))
    # Gradient descent at the rate -1, of a gradient instead of weights, adds to it.
    step = Steps(lists, scale, sizes, kinds, theta, gradient, SGD, _NOTHING, count, keep)
    while done < len(rows):  # a call ends where a loss is not finite
        left = len(rows) - done
        ends = np.minimum(np.arange(count, left + count, count), left)
        numbers = np.tile((-1.0, 0, 0, 0, float(weight)), (len(ends), 1))
        found = step.weighted(rows[done:], labels[done:], ends, numbers)
        for here, correct in zip(*map(np.ndarray.tolist, found), strict=True):
            loss, right = loss + here, right + correct
        done += int(ends[len(found[0]) - 1])
    return loss, right
