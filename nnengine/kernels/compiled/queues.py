"""Queues: each thread's own share of a step's pieces, and of the others' when its own is done.

The same pieces come to the same thread step after step, so that the weights it changes are still
in its cache when it needs them next. A queue is one number, in a cache line of its own: what is
being done << 32 | the last piece and one << 16 | the next piece to be drawn.
"""

from __future__ import annotations

import numpy as np

from .atomic import look, publish, take
from .compiling import part

QUEUES = 4  # threads at most: a step is too short to be shared by many
_LINE = 8  # numbers of 64 bits
DONE = QUEUES * _LINE  # where each thread counts, in a line of its own too, what it has finished
SIZE = 2 * DONE


@part
def open_queues(queues, count, phase, pieces):
    """Share out that many pieces of what is to be done next; nothing else may be under way."""
    for n in range(count):
        publish(queues, DONE + n * _LINE, 0)
    for n in range(count):
        begin, end = pieces * n // count, pieces * (n + 1) // count
        publish(queues, n * _LINE, phase << 32 | end << 16 | begin)


@part
def draw(queues, count, own):
    """Return a piece, phase << 32 | number, from one's own queue or another's; -1: none is left."""
    for n in range(count):
        at = (own + n) % count * _LINE
        now = look(queues, at)
        if (now & 0xFFFF) < (now >> 16 & 0xFFFF):
            now = take(queues, at)
            if (now & 0xFFFF) < (now >> 16 & 0xFFFF):
                return now >> 32 << 32 | now & 0xFFFF
    return np.int64(-1)


@part
def finish(queues, own):
    """Count a piece as done, and with it all that was written for it."""
    at = DONE + own * _LINE
    publish(queues, at, look(queues, at) + 1)


@part
def all_done(queues, count, pieces):
    """Tell whether that many pieces are finished."""
    done = np.int64(0)
    for n in range(count):
        done += look(queues, DONE + n * _LINE)
    return done == pieces
