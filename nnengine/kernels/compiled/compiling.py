"""Compiling: how numba is asked to turn plain loops into machine code, and keeps it on disk.

What goes beyond numba's public functions is not relied on: where `insides`, `keeping` or `quicker`
do not fit the numba that is here, kernels are compiled in its plain way, and `remark` says so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
from types import ModuleType

import numba

from ...errors import KernelError

_OPTIONS = {
    "nogil": True,
    # Kernels allocate nothing: no references to count, 12.2 -> 11.3 s to compile. It takes
    # x.reshape(x.size) for x.ravel(), which might.
    "_nrt": False,
    "error_model": "numpy",
    # The full fastmath turns isfinite into a constant; these four flags allow vector sums and
    # fused multiply-adds and keep NaN and infinity honest.
    "fastmath": {"nsz", "contract", "reassoc", "arcp"},
}

# Kernels that no Python calls need no way in from there: a third of the time to compile them.
part = numba.njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)
# Small ones within loops over many arrays: the arguments alone would cost more than the work.
within = numba.njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)
# Kernels that only call others: written into their callers, or LLVM would go over all of it twice.
inlined = numba.njit(inline="always")

KERNELS = {}  # by name, all that are called from Python: for whoever compiles them ahead of time


# The first and the last version of numba with whose insides all kernels were tried. LLVM ends the
# process where it is led astray: those of another version are left alone.
TRIED = (0, 60), (0, 68)
_remarks: dict[str, str] = {}  # what is not as usual, by what it is about; each half a sentence
_SLOWER = "kernels may take twice as long to compile"
_ANEW = "every process compiles kernels anew"


def _beside(name: str, without: str) -> ModuleType | None:
    """Return a module that takes what is inside numba; None where this numba has it no more."""
    try:
        return importlib.import_module(f".{name}", __package__)
    except Exception as fault:
        _remarks[name] = f"numba {numba.__version__} is not as known ({in_words(fault)}): {without}"
        return None


def in_words(fault: Exception) -> str:
    """Return in one line what an exception says, which numba takes dozens for."""
    lines = [line for line in map(str.strip, str(fault).splitlines()) if line]
    words = lines[1] if len(lines) > 1 and lines[0].startswith("Failed in") else "".join(lines[:1])
    return f"{type(fault).__name__}: {words[:200]}".rstrip(": ")


def _tried() -> bool:
    """Tell whether this is a numba whose insides are known; if not, remark on it."""
    version = tuple(map(int, re.findall(r"\d+", str(numba.__version__))[:2]))
    if TRIED[0] <= version <= TRIED[1]:
        return True
    first, last = (".".join(map(str, end)) for end in TRIED)
    _remarks["insides"] = (
        f"numba {numba.__version__} is none of the versions tried, {first} to {last}: {_SLOWER}"
    )
    return False


_insides = _beside("insides", _SLOWER) if _tried() else None
_keeping = _beside("keeping", _ANEW)


def compiled(function):
    """Return the function compiled for Python to call, and kept on disk for the next process."""
    kernel = KERNELS[function.__name__] = numba.njit(**_OPTIONS, no_cfunc_wrapper=True)(function)
    kernel.compile = functools.partial(_compile, function.__qualname__, kernel.compile)
    if _keeping:
        try:
            kernel._cache = _keeping.Cache(function)
        except Exception as fault:  # nowhere to write, for one
            _remarks["keeping"] = f"nothing can be kept on disk ({in_words(fault)}): {_ANEW}"
    return kernel


def _compile(name: str, compile_, *types):
    """Have numba compile a kernel, in its plain way if need be. Raises KernelError."""
    insides, fault = _insides, None
    if insides and insides.at_work():  # within another kernel, whose caller minds the faults
        with insides.changed(name):
            return compile_(*types)
    if insides:
        try:
            with insides.changed(name):
                return compile_(*types)
        except Exception as met:
            fault = met
    try:
        found = compile_(*types)
    except Exception as met:
        raise KernelError(
            f"numba {numba.__version__} cannot compile the kernel {name} ({in_words(met)})"
        ) from met
    if fault is not None:
        _leave_insides(fault)
    return found


def _leave_insides(fault: Exception) -> None:
    """Compile in numba's plain way from now on: it can what was not to be done otherwise."""
    global _insides
    _insides = None
    _remarks["insides"] = (
        f"numba {numba.__version__} did not compile as it was told ({in_words(fault)}): {_SLOWER}"
    )


def remark() -> str:
    """Return what is not as usual with compiling here, or nothing; half a sentence."""
    kept = _keeping.remark() if _keeping else ""
    return "; ".join([*_remarks.values(), *filter(None, [kept])])


def hasten() -> None:
    """Have this process compile quicker where numba's insides are known; for helpers alone."""
    quicker = _beside("quicker", _SLOWER) if _insides else None
    if quicker:
        quicker.make_numba_quicker()


def load() -> None:
    """Have numba read all it knows of Python and NumPy, half a second before its first function.

    Under the lock that it compiles under: two threads that read at once are an error of one of
    them, "generator already executing", and a kernel that cannot be compiled.
    """
    # Where it cannot, that happens when the first one is compiled.
    with contextlib.suppress(Exception), numba.core.compiler_lock.global_compiler_lock:
        numba.core.registry.cpu_target.target_context.refresh()


def is_missing(kernel) -> bool:
    """Tell whether a kernel is not kept on disk, but would be once a process has compiled it."""
    keeps = _keeping is not None and isinstance(kernel._cache, _keeping.Cache)
    return keeps and not kernel._cache.exists() and kernel._cache.can_keep()
