"""Workers: a few threads that draw fixed pieces of a kernel's work from a counter.

The caller works too, so one core needs no thread at all. The kernels they run are free of the
GIL and touch disjoint memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")


def threads() -> int:
    """Return how many threads work: `NNENGINE_THREADS`, else the cores this process may use.

    `OMP_NUM_THREADS` sets a bound to these: joblib, Dask and Ray tell their workers so what each
    may use. In a browser it is one, and work is done in turn.
    """
    if sys.platform == "emscripten":
        return 1
    given = os.environ.get("NNENGINE_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell
        cores = os.cpu_count() or 1
    bound = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # 4,2: on two levels
    return min(cores, int(bound)) if bound.isdigit() and int(bound) else cores


@cache
def _pool(helpers: int, process: int) -> ThreadPoolExecutor:
    """Return the helpers of this process: threads do not survive a fork."""
    return ThreadPoolExecutor(helpers, thread_name_prefix="nnengine-kernel")


def submit(work: Callable, *arguments) -> Future:
    """Have a helper call work(*arguments), as soon as one is free."""
    return _pool(threads(), os.getpid()).submit(work, *arguments)


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
        if not helper.cancel():  # one that has not begun has nothing left to do
            helper.result()


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Have a helper do `work` during the block, which ends when both are done.

    With one thread it is done first. Raises what `work` raises.
    """
    if threads() < 2:
        work()
        yield
        return
    waiting = _pool(threads(), os.getpid()).submit(work)
    try:
        yield
    finally:
        wait([waiting])
    waiting.result()


def ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the same items, each made by a helper while its forerunner is in use.

    With one thread they are made when asked for. Closed, it waits for the one in the making and
    closes `items`: nothing goes on behind anybody's back. Raises what `items` raises.
    """
    if threads() < 2:
        yield from items
        return
    end: Any = object()
    waiting: Future | None = None
    try:
        while True:
            item = next(items, end) if waiting is None else waiting.result()
            if item is end:
                return
            waiting = _pool(threads(), os.getpid()).submit(next, items, end)
            yield item
    finally:
        if waiting is not None:
            wait([waiting])
        items.close()
