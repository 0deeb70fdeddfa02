"""Window calls: what brings arrays into the shape window steps take, and keeps it for later."""

from __future__ import annotations

import numpy as np

from .. import workers
from ..numpy_ import SGD, aligned_zeros, read_only
from .first_layer import levels_of
from .queues import QUEUES, SIZE
from .scratch import own
from .simd import LANES
from .window_plan import window_plan
from .window_steps import (
    INPUT,
    LEARNS,
    MOVES,
    NORMS,
    NUMBERS,
    PACKED,
    RULE,
    SPARE,
    THREADS,
    TRAINED,
    _window_steps,
)

_AT_ONCE = 4 * LANES  # images measured in one call: enough that the way into it counts little
_ALL = np.empty((0, 0), np.uint8)  # where dropout silences nothing


class WindowSteps:
    """Steps on batches of at most `count` images, one after another; see `window_steps`.

    What threads share, in the order of `_window_steps`: numbers of a step; queues; the images,
    which of them a batch has, their labels, what of them dropout lets through, what bytes are
    worth, what is wanted of classes, and room for logits; the plan, theta and the weights in
    tiles; what is to be changed, and what the optimizer remembers, twice; rooms of threads and
    groups, gradients of groups, panels and spares; the optimizer's numbers, pieces of weights,
    and what was found.
    """

    def __init__(self, images, scale, network, theta, target, learns, count, threads) -> None:
        plan, (rule, memory, targets) = window_plan(*network), learns or _NOT_AT_ALL
        groups, classes = -(-count // LANES), network[0][-1].units
        control, queues = np.zeros(NORMS + 1, np.int64), aligned_zeros(SIZE, np.int64)
        control[[RULE, LEARNS, MOVES, THREADS]] = rule, bool(learns), target is theta, threads
        # Where nothing is learnt no layer needs its weights turned round.
        control[[TRAINED, INPUT]] = plan.trained if learns else len(plan.table), plan.input
        control[NORMS] = plan.norms if learns else 0
        partial = (groups, plan.partial) if learns else (1, LANES)
        roomy = groups if control[NORMS] else threads  # what groups hold while they wait
        rooms = tuple(
            aligned_zeros(shape, np.float32)
            for shape in (
                (roomy, plan.room), (groups, plan.kept), partial,
                plan.panels * groups * LANES if learns else LANES, (threads, SPARE),
            )
        )  # fmt: skip
        if targets is None:
            targets = np.stack([np.zeros(classes), np.ones(classes)])
        source = (
            read_only(images), np.empty(count, np.int64), np.empty(count, np.uint8),
            np.empty((count, plan.heard), np.uint8), levels_of(scale), read_only(targets),
            np.empty((0 if learns else count, classes), np.float32),
        )  # fmt: skip
        packed = aligned_zeros(plan.packed, np.float32)
        made_of = plan.table, plan.places, plan.shares, read_only(theta), packed
        self.rest = np.empty(5, np.float32), plan.pieces, np.zeros((groups, 2))
        learner = target, *(*memory, *_NOTHING)[:2]
        self.shared = control, queues, source, made_of, learner, rooms, self.rest
        self.helpers: list = [None] * (threads - 1)
        self.bits: np.ndarray | None = None  # of the weights in tiles, where nothing is learnt

    def __call__(self, rows, labels, ends, numbers, weights, heard=_ALL):
        """Take a step on each batch; see `window_steps`."""
        table = np.zeros((len(ends), NUMBERS))
        table[:, : numbers.shape[1]], table[:, -1] = numbers, weights
        for n, helper in enumerate(self.helpers):
            if helper is None or helper.done():  # one goes home when nothing has come for a while
                self.helpers[n] = workers.submit(_window_steps, n + 1, *_NOBODY, *self.shared)
        losses, right = np.empty(len(ends)), np.empty(len(ends), np.int64)
        batches = tuple(map(read_only, (rows, labels, ends, table, heard)))
        (taken,) = _window_steps(0, batches, losses, right, *self.shared)
        return losses[:taken], right[:taken]

    def take_up(self, theta):
        """Give `logits` from now on by these weights, which are as they are until then.

        61,706 of them are compared with those in tiles in 10 us, and brought there in 50.
        """
        control, queues, source, made_of, *others = self.shared
        self.shared = control, queues, source, (*made_of[:3], theta, made_of[4]), *others
        bits = theta.view(np.int32)
        if self.bits is None or not np.array_equal(self.bits, bits):
            self.bits, control[PACKED] = bits.copy(), False

    def logits(self, images, labels):
        """Return (loss, right answers, logits) of at most `count` images; on one thread alone."""
        control, queues, source, *others = self.shared
        source, count = (read_only(images), *source[1:]), len(images)
        self.shared = control, queues, source, *others
        rows, ends, weights = np.arange(count, dtype=np.int64), np.array([count]), np.ones(1)
        losses, right = self(rows, labels, ends, np.zeros((1, 1)), weights)
        control[PACKED] = True
        return float(losses[0]), int(right[0]), source[6][:count]


_NONE = np.empty(0, np.int64)
_EMPTY = _NONE, np.empty(0, np.uint8), _NONE, np.empty((0, NUMBERS)), _ALL
_NOBODY = tuple(map(read_only, _EMPTY)), np.empty(0), _NONE
_NOTHING = np.empty(0, np.float32), np.empty(0, np.float32)
_NOT_AT_ALL = SGD, (), None


def window_steps(images, scale, network, theta, target, rule, memory, count, targets):
    """Return what takes an optimizer's steps on images side by side; float32."""
    learns, threads = (rule, memory, targets), min(workers.threads(), QUEUES)
    return WindowSteps(images, scale, network, theta, target, learns, count, threads)


def window_loss(images, labels, scale, network, theta, logits):
    """Return (loss, right answers) of images; put their logits where there is room; float32."""
    key, loss, right = (scale, network), 0.0, 0
    known = own.__dict__.get("windows")
    if known is None or known[0] != key:
        made = WindowSteps(images[:0], scale, network, theta, _NOTHING[0], None, _AT_ONCE, 1)
        known = own.__dict__["windows"] = key, made
    known[1].take_up(read_only(theta))
    for begin in range(0, len(images), _AT_ONCE):
        end = begin + _AT_ONCE
        summed, correct, found = known[1].logits(images[begin:end], labels[begin:end])
        loss, right = loss + summed, right + correct
        if len(logits):
            logits[begin:end] = found
    return loss, right
