"""Compiling: how numba is asked to turn plain loops into machine code, and keeps it on disk."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import threading
from pathlib import Path

import numba
from llvmlite.binding import Linkage
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import CPUCodeLibrary, JITCPUCodegen
from numba.core.registry import cpu_target

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


def compiled(function):
    """Return the function compiled for Python to call, and kept on disk for the next process."""
    kernel = KERNELS[function.__name__] = numba.njit(**_OPTIONS, no_cfunc_wrapper=True)(function)
    kernel.compile = functools.partial(_compile, function.__qualname__, kernel.compile)
    with contextlib.suppress(RuntimeError):  # nowhere to write: every process compiles for itself
        kernel._cache = _Cache(function)
    return kernel


_now = threading.local()  # name: the kernel that this thread is compiling
_optimise = CPUCodeLibrary._optimize_final_module
_optimise_functions = CPUCodeLibrary._optimize_functions
_emit = CPUCodeLibrary._finalize_final_module
_set_environment = JITCPUCodegen.set_env


def _compile(name: str, compile_, *types):
    """Have numba compile a kernel, and LLVM go over it once."""
    before = getattr(_now, "name", None)
    _now.name = name
    try:
        return compile_(*types)
    finally:
        _now.name = before


def _optimise_once(library) -> None:
    """Leave the parts of a kernel as they are: they are written into it, and it is optimised whole.

    By itself numba has LLVM optimise what a function calls, and then all of that again for
    whatever calls it: 20.4 -> 14.3 s for all kernels.
    """
    kernel = getattr(_now, "name", None)
    if kernel is None:
        _optimise(library)
    elif kernel == library.name:
        passes, builder = library._codegen._module_pass_manager()
        passes.run(library._final_module, builder)
        # What was too large to be written in is the kernel's own: or else, in the process that
        # compiles, the part as it was left would be called instead: 230 for 160 us a step.
        for function in library._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal


def _leave_functions(library, module) -> None:
    """Have LLVM tidy no function by itself that is about to be optimised whole."""
    if getattr(_now, "name", None) is None:
        _optimise_functions(library, module)
    else:
        module.data_layout = library._codegen._data_layout


def _emit_kernels(library) -> None:
    """Have machine code made of whole kernels: nobody calls a part by itself; 17.0 -> 16.0 s."""
    if getattr(_now, "name", None) in (None, library.name):
        _emit(library)
    else:
        library._finalize_dynamic_globals()
        library._finalized = True


def _set_known_environment(codegen, name, environment) -> None:
    """Tell a function where its Python objects are; a part has neither code nor such objects."""
    if codegen._engine.is_symbol_defined(name):
        _set_environment(codegen, name, environment)


CPUCodeLibrary._optimize_final_module = _optimise_once
CPUCodeLibrary._optimize_functions = _leave_functions
CPUCodeLibrary._finalize_final_module = _emit_kernels
JITCPUCodegen.set_env = _set_known_environment


def load() -> None:
    """Have numba read all it knows of Python and NumPy, half a second before its first function."""
    cpu_target.target_context.refresh()


def is_kept(kernel) -> bool:
    """Tell whether a process has compiled this version of the kernel before."""
    return isinstance(kernel._cache, _Cache) and kernel._cache.exists()


@functools.cache
def _version() -> str:
    """Return the name of the folder for what these sources, as they are now, compile to."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return "nnengine-" + hashlib.sha256(b"".join(map(Path.read_bytes, sources))).hexdigest()[:16]


class _Cache(FunctionCache):
    """numba's own cache, in a folder for this version of all kernels.

    By itself numba asks only whether the file has changed in which a function stands: it would
    go on using what was compiled with the old constants, vectors and loops of other files.
    """

    def __init__(self, function) -> None:
        super().__init__(function)
        self._cache_path = os.path.join(self._cache_path, _version())
        name = self._impl.filename_base
        self._cache_file = IndexDataCacheFile(self._cache_path, name, _version())

    def exists(self) -> bool:
        """Tell whether anything is kept of this kernel."""
        return os.path.exists(self._cache_file._index_path)

    def _save_overload(self, signature, data) -> None:
        """Keep what was compiled, and nothing of other versions."""
        if not os.path.isdir(self._cache_path):
            for old in Path(self._cache_path).parent.glob("nnengine-*"):
                shutil.rmtree(old, ignore_errors=True)
            os.makedirs(self._cache_path, exist_ok=True)
        super()._save_overload(signature, data)
