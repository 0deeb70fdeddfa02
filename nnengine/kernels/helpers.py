"""Helpers: other processes that compile, so that this one neither waits nor stands still.

Compiling holds the GIL nearly all the time: two threads are no faster than one, and whoever else
is at work in this process halts for seconds. What a helper has compiled comes out of the cache.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

# The same modules must be found where they are found here. Garbage is looked for among what is new
# alone, and seldom: 2 % of the time in place of 9 %. Without that, two helpers held 520 MB at their
# end in place of 435.
_CODE = """
import gc, json, sys
gc.set_threshold(30_000, 10, 1_000_000)
sys.path[:], names = json.loads(sys.argv[1])
from nnengine.kernels import numba_
gc.freeze()
for name in names:
    numba_.prepare(name)
    print(name, flush=True)
"""


@contextlib.contextmanager
def compiling(shares: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen]]:
    """Start a process for each share of names; they end with the block at the latest."""
    started: list[subprocess.Popen] = []
    try:
        with contextlib.suppress(OSError):  # none can be had: all is done here
            for names in shares if _may_start() else ():
                started.append(_start(names))
        yield started
    finally:
        for helper in started:
            helper.kill()
            helper.communicate()


def _may_start() -> bool:
    """Tell whether this is a plain Python: a program it was built into would start once more."""
    return not getattr(sys, "frozen", False) and Path(sys.executable or "").stem.startswith("py")


def _start(names: Sequence[str]) -> subprocess.Popen:
    """Start a process that prepares the kernels of these names and says when each is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, json.dumps([sys.path, names])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
