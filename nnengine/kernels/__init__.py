"""The one seam between back ends: `NAMES` is the contract, chosen once, called by attribute.

`NNENGINE_KERNELS=auto|numpy|numba|wasm` chooses. An explicit choice that cannot be had fails
loudly; `auto` takes numba where it works, what was compiled from it ahead of time in a browser,
and says why in `reason`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Generator
from types import ModuleType
from typing import TypeVar

from ..core import arithmetic
from ..core.arithmetic import aligned_zeros
from ..errors import ConfigError
from . import workers
from .numpy_ import GROUPS, LANES, PAIR, TOGETHER
from .workers import beside

NAMES = (
    "bytes_forward",
    "bytes_backward",
    "count_pixels",
    "pack_pixels",
    "packed_gradient",
    "packed_steps",
    "grouped_gradient",
    "probabilities",
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
    "threads",
    "use",
    "warm_up",
]
T = TypeVar("T")
# In the order `auto` prefers them: numba compiles for this machine, or has compiled for a browser.
_MODULES = {"numba": ".compiled", "wasm": ".wasm.module", "numpy": ".numpy_"}
BACK_ENDS = ("wasm" if sys.platform == "emscripten" else "numba", "numpy")

name: str  # the back end in use
reason: str  # why this one
packs: bool  # True where lists of nonzero pixels are faster than the pixels themselves
warm: bool  # False while a first call may still have to wait for the compiler


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
    global name, reason, packs, warm
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
    functions = {kernel: getattr(module, kernel) for kernel in NAMES}
    globals().update(functions)
    arithmetic.use({**functions, "fan_out": fan_out, "threads": threads, "back_end": lambda: name})
    name, reason = chosen, why
    packs = chosen != "numpy"
    warm = chosen != "numba"


def _best() -> tuple[str, str]:
    """Return the best back end that works here, and why it was taken."""
    compiled = BACK_ENDS[0]
    why_not = available()[compiled]
    if why_not is None:
        return compiled, "the fastest that works here"
    return "numpy", f"{compiled} cannot be had here ({why_not})"


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
    """Have all kernels ready: from the cache, or compiled: 7 to 9 s on two cores, once."""
    global warm
    if not warm:
        _module(name).warm_up()
        warm = True


use(os.environ.get("NNENGINE_KERNELS") or "auto")
