"""Helpers: other processes that compile, so that this one neither waits nor stands still.

Compiling holds the GIL nearly all the time: two threads are no faster than one, and whoever else
is at work in this process halts for seconds. What a helper has compiled comes out of the cache.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

# The same modules must be found where they are found here. Garbage is looked for among what is new
# alone, and seldom: 2 % of the time in place of 9 %. numba takes a second to be read and made
# ready: a helper for several shares does so once, and its copies end when it ends.
_CODE = """
import contextlib, ctypes, gc, importlib, json, os, signal, sys
gc.set_threshold(30_000, 10, 1_000_000)
sys.path[:], (names, *others), modules = json.loads(sys.argv[1])
kernels, compiling = map(importlib.import_module, modules)
compiling.hasten()
compiling.load()
gc.freeze()
for share in others:
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # when the first one ends
        names = share
        break
for name in names:
    kernels.prepare(name)
    print(name, flush=True)
with contextlib.suppress(ChildProcessError):
    while sys.platform == "linux":
        os.wait()
os._exit(0)  # whoever reads what is ready would wait 0.3 s for an orderly end
"""
_COPIES = sys.platform == "linux"  # elsewhere a copy of a process is not safe, or cannot be had


@contextlib.contextmanager
def compiling(kernels: str, shares: Sequence[Sequence[str]]) -> Iterator[Iterator[str]]:
    """Have every share of names compiled beside the others, and give each name when it is ready.

    kernels: the name of the module whose `prepare` takes these names. Helpers end with the block
    at the latest.
    """
    started: list[subprocess.Popen] = []
    reading, writing = os.pipe()
    with open(reading) as names:
        try:
            with contextlib.suppress(OSError), open(writing, "wb") as to:
                if shares and _may_start():  # or else none is had, and all is done here
                    groups = [shares] if _COPIES else [[share] for share in shares]
                    started.extend(_start(kernels, group, to) for group in groups)
            yield map(str.strip, names)
        finally:
            for helper in started:
                helper.kill()
                helper.wait()


def _may_start() -> bool:
    """Tell whether this is a plain Python: a program it was built into would start once more."""
    return not getattr(sys, "frozen", False) and Path(sys.executable or "").stem.startswith("py")


def _start(kernels: str, shares: Sequence[Sequence[str]], to) -> subprocess.Popen:
    """Start a process that prepares the kernels of these names and says when each is ready."""
    modules = kernels, f"{__package__}.compiling"
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, json.dumps([sys.path, shares, modules])],
        stdin=subprocess.DEVNULL,
        stdout=to,
        stderr=subprocess.DEVNULL,
    )
