"""The one seam between back ends: `NAMES` is the contract, chosen once, called by attribute.

`NNENGINE_KERNELS=auto|numpy|numba|wasm` chooses. An explicit choice that cannot be had fails
loudly; `auto` takes numba where it works, what was compiled from it ahead of time in a browser,
and says why in `reason`. Where numba turns out to be unable to compile a kernel, at the first call
of it and in the middle of a run, NumPy does that call and whatever comes after it.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from types import ModuleType
from typing import TypeVar

import numpy as np

from ..core import arithmetic
from ..core.arithmetic import aligned_zeros
from ..errors import ConfigError, KernelError
from . import numpy_, workers
from .numpy_ import GROUPS, LANES, PAIR, TOGETHER
from .workers import beside

NAMES = (
    "bytes_forward",
    "bytes_backward",
    "count_pixels",
    "pack_pixels",
    "sparse_gradient",
    "sparse_steps",
    "sliced_gradient",
    "probabilities",
    "logits",
    "distort",
    "dense_forward",
    "dense_backward",
    "activate",
    "activation_backward",
    "softmax",
    "softmax_cross_entropy",
    "sgd",
    "momentum",
    "adam",
    "window_steps",
    "window_loss",
)
__all__ = [
    "GROUPS",
    "LANES",
    "NAMES",
    "PAIR",
    "TOGETHER",
    "ahead",
    "aligned_zeros",
    "available",
    "beside",
    "fan_out",
    "made_ready",
    "remark",
    "threads",
    "use",
    "warm_up",
]
log = logging.getLogger(__name__)
T = TypeVar("T")
# In the order `auto` prefers them: numba compiles for this machine, or has compiled for a browser.
_MODULES = {"numba": ".compiled", "wasm": ".wasm.module", "numpy": ".numpy_"}
BACK_ENDS = ("wasm" if sys.platform == "emscripten" else "numba", "numpy")

_falling = threading.Lock()
_asked: str  # the back end asked for, or auto
name: str  # the back end in use
reason: str  # why this one
packs: bool  # True where lists of nonzero pixels are faster than the pixels themselves
warm: bool  # False while a first call may still have to wait for the compiler
# Of NAMES, those that are called by attribute; what a network is made of asks `core.arithmetic`.
count_pixels: Callable[..., None]
pack_pixels: Callable[..., None]
sparse_gradient: Callable[..., tuple[float, int]]
sparse_steps: Callable[..., Callable[..., tuple[np.ndarray, np.ndarray]]]
sliced_gradient: Callable[..., tuple[float, int]]
distort: Callable[..., None]
window_steps: Callable[..., Callable[..., tuple[np.ndarray, np.ndarray]]]
window_loss: Callable[..., tuple[float, int]]


def _module(back_end: str) -> ModuleType:
    """Import one back end; raises ImportError, or what numba says when it cannot start."""
    return importlib.import_module(_MODULES[back_end], __package__)


def available() -> dict[str, str | None]:
    """Return for every back end None, or the reason it cannot be had here."""
    reasons: dict[str, str | None] = {}
    for back_end in BACK_ENDS:
        try:
            _module(back_end)
        except Exception as error:  # numba fails in many ways: a missing LLVM, an old NumPy
            reasons[back_end] = f"{type(error).__name__}: {error}"
        else:
            reasons[back_end] = None
    return reasons


def use(back_end: str = "auto") -> None:
    """Choose the back end for everything computed from now on.

    Raises ConfigError when `back_end` is not auto or one of BACK_ENDS, or cannot be had.
    """
    global _asked, name, reason, packs, warm
    if back_end not in ("auto", *BACK_ENDS):
        raise ConfigError(
            f"NNENGINE_KERNELS is {back_end!r}: choose auto, {' or '.join(BACK_ENDS)}"
        )
    chosen, why = (back_end, "asked for") if back_end != "auto" else _best()
    try:
        module = _module(chosen)
    except Exception as error:
        raise ConfigError(
            f"kernels {chosen!r} cannot be had here ({error}): "
            f"{'install numba, or ' if chosen == 'numba' else ''}set NNENGINE_KERNELS=auto"
        ) from error
    kernels = {kernel: getattr(module, kernel) for kernel in NAMES}
    if chosen == "numba" and back_end == "auto":
        kernels = {kernel: _or_numpy(kernel, function) for kernel, function in kernels.items()}
    globals().update(kernels)
    arithmetic.use({**kernels, "fan_out": fan_out, "threads": threads, "back_end": lambda: name})
    _asked, name, reason = back_end, chosen, why
    packs = chosen != "numpy"
    warm = chosen != "numba"


def _best() -> tuple[str, str]:
    """Return the best back end that works here, and why it was taken."""
    compiled = BACK_ENDS[0]
    why_not = available()[compiled]
    if why_not is None:
        return compiled, "the fastest that works here"
    return "numpy", f"{compiled} cannot be had here ({why_not})"


def _or_numpy(kernel: str, function: Callable) -> Callable:
    """Return a kernel whose call NumPy does from the start should it turn out not to compile.

    numba compiles before anything of a call is done. One more call from Python: 0.05 us.
    """

    def call(*arguments):
        try:
            return function(*arguments)
        except KernelError as fault:
            _fall_back(fault)
            return getattr(numpy_, kernel)(*arguments)

    def steps(*arguments):
        return _steps_or_numpy(kernel, function(*arguments), arguments)

    return steps if kernel.endswith("_steps") else call


def _steps_or_numpy(kernel: str, take: Callable, arguments: tuple) -> Callable:
    """Return what `sparse_steps` and `window_steps` do, with NumPy behind it: such things compile
    at the first step."""

    def step(*given):
        nonlocal take
        try:
            return take(*given)
        except KernelError as fault:
            _fall_back(fault)
            take = getattr(numpy_, kernel)(*arguments)
        return take(*given)

    return step


def _fall_back(fault: Exception) -> None:
    """Take NumPy's kernels from now on; say so once, in `reason` and in the log."""
    global reason
    with _falling:
        if name == "numpy":  # another thread has met the fault before
            return
        use("numpy")
        reason = getattr(fault, "fact", f"numba failed ({type(fault).__name__}: {fault})")
    log.warning("%s: NumPy computes instead", reason)


def remark() -> str:
    """Return why kernels are not what they could be, as one sentence; nothing where they are.

    Somebody who asked for NumPy has what they wanted.
    """
    found = reason if name == "numpy" and reason != "asked for" else ""
    if name == "numba":
        found = _module(name).remark()
    return f"{found[:1].upper()}{found[1:]}." if found else ""


def fan_out(work: Callable[[int], None], pieces: int) -> None:
    """Call work(0), work(1), ... for all pieces: on all threads where kernels are free of the GIL.

    NumPy's own products bring threads of their own and would fight these; browsers have none.
    """
    if name != "numba":
        for piece in range(pieces):
            work(piece)
    else:
        workers.fan_out(work, pieces)


def ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Return the same items, made one ahead by another thread where kernels are free of the GIL."""
    return workers.ahead(items) if name == "numba" else items


def threads() -> int:
    """Return how many threads kernels may use; NumPy's own products may bring more."""
    return workers.threads() if name == "numba" else 1


def warm_up() -> None:
    """Have all kernels ready: from the cache, or compiled: 7 to 9 s on two cores, once.

    Raises KernelError where numba was asked for and cannot compile them.
    """
    global warm
    if not warm:
        try:
            _module(name).warm_up()
        except Exception as fault:
            if _asked != "auto":
                raise
            _fall_back(fault)
        warm = True


def made_ready(what: str) -> Iterator[None]:
    """Have kernels ready that few need: from the cache, or compiled by another process; yield now
    and then meanwhile. what: "windows", those of convolutions and pools.

    Raises KernelError where numba was asked for and cannot compile them.
    """
    if name != "numba":
        return
    try:
        yield from _module(name).made_ready(what)
    except Exception as fault:
        if _asked != "auto":
            raise
        _fall_back(fault)


use(os.environ.get("NNENGINE_KERNELS") or "auto")
