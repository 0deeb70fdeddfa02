"""Insides: what numba does otherwise while it compiles one of our kernels, and only then.

Nothing of numba is changed when this is imported. The changes are in place for as long as a kernel
is being compiled, and go by which thread compiles it: whoever has numba compile a function of
theirs, before, after or at the same time, gets what numba makes of it by itself.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llvmlite.binding import Linkage
from numba.core.codegen import CPUCodeLibrary, JITCPUCodegen

_now = threading.local()  # name: the kernel that this thread is compiling
_turn = threading.Lock()
_kernels = 0  # being compiled, by all threads and one within the other
_in_place: list[
    tuple[type, str, Callable, Callable]
] = []  # with numba's own, and what stands there


def at_work() -> bool:
    """Tell whether this thread is compiling a kernel with the changes."""
    return getattr(_now, "name", None) is not None


@contextmanager
def changed(name: str) -> Iterator[None]:
    """Have numba compile the kernel of that name as it is done here, in this thread."""
    global _kernels
    with _turn:
        if not _kernels:
            _put_in_place()
        _kernels += 1
    before = getattr(_now, "name", None)
    _now.name = name
    try:
        yield
    finally:
        _now.name = before
        with _turn:
            _kernels -= 1
            if not _kernels:
                _take_away()


def _put_in_place() -> None:
    for place, method, change in _CHANGES:
        numbas = vars(place)[method]
        ours = _for_kernels(change, numbas)
        _in_place.append((place, method, numbas, ours))
        setattr(place, method, ours)


def _take_away() -> None:
    while _in_place:
        place, method, numbas, ours = _in_place.pop()
        if vars(place)[method] is ours:  # or somebody else has changed it since, and means it
            setattr(place, method, numbas)


def _for_kernels(change: Callable, numbas: Callable) -> Callable:
    """Return a method that is numba's own in every thread that compiles no kernel."""

    @functools.wraps(numbas)
    def method(*arguments, **options):
        if at_work():
            return change(numbas, *arguments, **options)
        return numbas(*arguments, **options)

    return method


def _optimise_once(_, library) -> None:
    """Leave the parts of a kernel as they are: they are written into it, and it is optimised whole.

    By itself numba has LLVM optimise what a function calls, and then all of that again for
    whatever calls it: 20.4 -> 14.3 s for all kernels.
    """
    if library.name != _now.name:
        return
    passes = library._codegen._module_pass_manager()
    # Since 0.62 they come with what they were built by, and want it when they run.
    passes, *builder = passes if isinstance(passes, tuple) else (passes,)
    passes.run(library._final_module, *builder)
    # What was too large to be written in is the kernel's own: or else, in the process that
    # compiles, the part as it was left would be called instead: 230 for 160 us a step.
    for function in library._final_module.functions:
        if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
            function.linkage = Linkage.internal


def _leave_functions(_, library, module) -> None:
    """Have LLVM tidy no function by itself that is about to be optimised whole."""
    module.data_layout = library._codegen._data_layout


def _emit_kernels(numbas, library) -> None:
    """Have machine code made of whole kernels: nobody calls a part by itself; 17.0 -> 16.0 s."""
    if library.name == _now.name:
        numbas(library)
    else:
        library._finalize_dynamic_globals()
        library._finalized = True


def _set_known_environment(numbas, codegen, name, environment) -> None:
    """Tell a function where its Python objects are; a part has neither code nor such objects."""
    if codegen._engine.is_symbol_defined(name):
        numbas(codegen, name, environment)


_CHANGES = (
    (CPUCodeLibrary, "_optimize_final_module", _optimise_once),
    (CPUCodeLibrary, "_optimize_functions", _leave_functions),
    (CPUCodeLibrary, "_finalize_final_module", _emit_kernels),
    (JITCPUCodegen, "set_env", _set_known_environment),
)
