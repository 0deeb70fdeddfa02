"""Apart: a file is read by a process of its own where a library could go down over a damaged one.

A library in C that trusts a file may write where it should not, and what goes down with it on a
server is every visitor's work. So it runs beside: what it finds comes back as plain arrays, what it
takes of memory and time is bounded, and if it ends, this file alone was not read. In a browser tab,
where there are no processes, it runs in place: a tab has one visitor.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..core.arithmetic import calmly
from ..errors import FormatError
from .limits import Deadline

Found = tuple[dict[str, Any], list[np.ndarray]]  # what JSON can say, and arrays
SPARE_BYTES = 2**28  # beyond four times the file, and the values that are allowed
MOST_S = 60.0  # where nobody says less
_SIZE = struct.Struct("<Q")
_CHILD = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {} import serve; serve()"
_own = threading.local()  # the helper that this thread keeps, if it does


def read(
    work: str, raw: bytes, asked: Mapping[str, Any], deadline: Deadline | None = None
) -> Found:
    """Return what `work` finds in a file.

    work: "module:function", a function of ours, called as function(file, check, **asked) in a
    process of its own; it returns what JSON can say, and arrays. check: to be called now and then;
    where it runs in place that raises FormatError once the time is over. asked: for JSON too;
    "max_bytes" among them are of the arrays. Raises what it raises of FormatError, and FormatError
    where it takes too much memory or time, or goes down.
    """
    if not _can_start():
        return _function(work)(io.BytesIO(raw), (deadline or Deadline()).check, **asked)
    kept: Helper | None = getattr(_own, "kept", None)
    helper = kept if kept and kept.is_well else Helper()
    try:
        return helper.read(work, raw, asked, deadline or Deadline())
    finally:
        if kept is None:
            helper.close()
        elif helper is not kept:
            kept.close()
            _own.kept = helper


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Have one helper read all files of this thread, while it lasts: each costs 0.4 s to start."""
    if getattr(_own, "kept", None) or not _can_start():
        yield
        return
    _own.kept = Helper()
    try:
        yield
    finally:
        _own.kept.close()
        _own.kept = None


def _can_start() -> bool:
    return sys.platform not in ("emscripten", "wasi") and bool(sys.executable)


def _function(work: str) -> Any:
    module, _, name = work.partition(":")
    return getattr(importlib.import_module(module), name)


class Helper:
    """A process that reads files, one after another, until one brings it down."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD.format(__name__), json.dumps(sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            # It computes nothing: no kernel need be compiled, no thread of BLAS be there.
            env={**os.environ, "NNENGINE_KERNELS": "numpy", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    @property
    def is_well(self) -> bool:
        """Whether it can read another."""
        return self._process.poll() is None

    def read(self, work: str, raw: bytes, asked: Mapping[str, Any], deadline: Deadline) -> Found:
        """Do what `read` of this module does."""
        late = threading.Timer(min(deadline.left, MOST_S), self._process.kill)
        late.daemon = True
        late.start()
        try:
            _give(self._process.stdin, json.dumps([work, dict(asked)]).encode(), raw)
            return self._answer()
        except (EOFError, OSError):  # it has ended
            self.close()
            deadline.check()
            raise FormatError(
                "it is damaged: the library that reads such files broke down over it; download or "
                "save it again"
            ) from None
        finally:
            late.cancel()

    def _answer(self) -> Found:
        said = json.loads(_take(self._process.stdout))
        if "refused" in said:
            raise FormatError(said["refused"], too_large=said["too_large"])
        arrays = []
        for dtype, shape in said["arrays"]:
            values = np.frombuffer(_take(self._process.stdout), np.dtype(dtype))
            arrays.append(values.reshape(shape))
        return said["found"], arrays

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def _give(file: Any, *parts: Any) -> None:
    for part in parts:
        file.write(_SIZE.pack(len(part)))
        file.write(part)
    file.flush()


def _take(file: Any) -> bytes:
    """Return the next part; raises EOFError where there is none."""
    return _exactly(file, *_SIZE.unpack(_exactly(file, _SIZE.size)))


def _exactly(file: Any, count: int) -> bytes:
    part = file.read(count)
    if len(part) < count:
        raise EOFError
    return part


# In the other process ----------------------------------------------------------------------


def serve() -> None:
    """Read what stands in line, until there is no more."""
    given, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with contextlib.suppress(EOFError):
        while True:
            work, asked = json.loads(_take(given))
            _answer_to(out, work, _take(given), asked)


@calmly
def _answer_to(out: BinaryIO, work: str, raw: bytes, asked: dict[str, Any]) -> None:
    function = _function(work)  # which imports the library, before the bounds are set
    _bound(4 * len(raw) + asked.get("max_bytes", 0) + SPARE_BYTES)
    try:
        found, arrays = function(io.BytesIO(raw), _in_time, **asked)
    except FormatError as fault:
        said = {"refused": str(fault), "too_large": fault.too_large}
        _give(out, json.dumps(said).encode())
        return
    except MemoryError:
        said = {"refused": "it asks for more memory than its size allows: it is damaged"}
        _give(out, json.dumps({**said, "too_large": False}).encode())
        return
    shapes = [(array.dtype.str, array.shape) for array in arrays]
    _give(out, json.dumps({"found": found, "arrays": shapes}).encode())
    for array in arrays:
        _give(out, np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _in_time() -> None:
    """Go on: whoever waits for the answer ends this process once the time is over."""


def _bound(more: int) -> None:
    """Let this process have so much more memory than it has, where the system can be told."""
    with contextlib.suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + more, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
