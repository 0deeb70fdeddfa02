"""Workers: a few threads that draw fixed pieces of a kernel's work from a counter.

The caller works too, so one core needs no thread at all. The kernels they run are free of the
GIL and touch disjoint memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import count


def threads() -> int:
    """Return how many threads work: `NNENGINE_THREADS`, else the cores this process may use."""
    given = os.environ.get("NNENGINE_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell
        return os.cpu_count() or 1


@cache
def _pool(helpers: int, process: int) -> ThreadPoolExecutor:
    """Return the helpers of this process: threads do not survive a fork."""
    return ThreadPoolExecutor(helpers, thread_name_prefix="nnengine-kernel")


def fan_out(work: Callable[[int], None], pieces: int) -> None:
    """Call work(0), work(1), ... for all pieces, on all threads; return when all are done.

    Raises what a piece raised.
    """
    counter = count()  # next() on it is atomic under the GIL

    def draw() -> None:
        while (piece := next(counter)) < pieces:
            work(piece)

    helpers = min(threads(), pieces) - 1
    waiting = [_pool(threads(), os.getpid()).submit(draw) for _ in range(helpers)]
    draw()
    for helper in waiting:
        helper.result()
