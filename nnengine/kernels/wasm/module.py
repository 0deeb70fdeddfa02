"""Kernels compiled ahead of time: `compiled` as it is, with a WebAssembly module in numba's place.

What brings arrays into the shape that kernels take is read from the same files as on a server;
where these would have numba compile a kernel, they are given the module's (see `entries`).
Works in Pyodide alone, where NumPy's memory is the module's too.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np

from .. import NAMES, sources
from . import entries
from .entries import ARGUMENTS, ENTRIES, FITS, FOUND, GIVES, KIND, MISFIT

_COPY = "nnengine.kernels.compiled_in_wasm"  # the kernels' files, read a second time, without numba


def _opened(file: Path) -> ctypes.CDLL:
    """Return the module ready to be called; raises ImportError, which says why it cannot be."""
    if sys.platform != "emscripten":
        raise ImportError("these kernels run in a browser alone")
    if not file.is_file():
        raise ImportError(f"{file.name} did not come with the sources: make site compiles it")
    if entries.made_from(file.read_bytes()) != sources.digest():
        raise ImportError(f"{file.name} is not made from these sources: make site compiles it anew")
    if not _laid_out_as_known():
        raise ImportError(f"NumPy {np.__version__} lays out its arrays in another way")
    return ctypes.CDLL(str(file))


def _laid_out_as_known() -> bool:
    """Tell whether arrays are in memory what the module takes them for."""
    array = np.zeros((2, 3), np.int16)
    data, sides, shape = struct.unpack("iii", ctypes.string_at(id(array) + 8, 12))
    known = data == array.ctypes.data and sides == 2
    return known and (2, 3) == struct.unpack("ii", ctypes.string_at(shape, 8))


_words = (ctypes.c_int64 * entries.WORDS)()  # one call at a time: there are no threads
_words[KIND] = id(np.ndarray)
_block = ctypes.addressof(_words)


def _flat(types: tuple, each: str) -> Callable:
    """Return a function that takes a kernel's arguments and gives them as one flat tuple.

    each: what to do with an array, such as "id({})". Made as text, for it is a third as dear.
    """

    def items(inner: tuple | str, place: str) -> str:
        if isinstance(inner, str):
            return (each if ":" in inner else "{}").format(place) + ", "
        return "".join(items(item, f"{place}[{n}]") for n, item in enumerate(inner))

    names = [f"a{n}" for n in range(len(types))]
    body = "".join(map(items, types, names))
    return eval(f"lambda {', '.join(names)}: ({body})")


class _Variant:
    """A kernel of the module for one list of types."""

    def __init__(self, library: ctypes.CDLL, name: str, number: int) -> None:
        self.types = ENTRIES[name][number]
        flat = entries.flat(self.types)
        form = "".join("d" if t in ("f4", "f8") else "q" for t in flat)
        self.pack = struct.Struct(f"<{form}").pack_into
        self.words, self.items = _flat(self.types, "id({})"), _flat(self.types, "{}")
        self.run = getattr(library, entries.symbol(name, number))

    def __call__(self, arguments: tuple) -> bool:
        """Run the kernel and return True, or False if it is for other types."""
        return self._run(self.words(*arguments))

    def widened(self, arguments: tuple) -> bool:
        """Run the kernel with whole numbers as int64: NumPy's own have 32 bits here."""
        items, types = list(self.items(*arguments)), entries.flat(self.types)
        for n, (item, kind) in enumerate(zip(items, types, strict=True)):
            if kind.startswith("int:") and isinstance(item, np.ndarray) and item.dtype == np.int32:
                items[n] = item.astype(np.int64)
        return self._run(
            id(item) if ":" in kind else item for item, kind in zip(items, types, strict=True)
        )

    def _run(self, words: Iterable) -> bool:
        self.pack(_words, ARGUMENTS * 8, *words)
        if self.run(_block):
            raise RuntimeError(f"kernel {self.run.__name__} found arrays whose sizes do not agree")
        return _words[MISFIT] == FITS


def _kernel(library: ctypes.CDLL, name: str) -> Callable:
    """Return a kernel of the module, to be called as numba's would be."""
    variants = [_Variant(library, name, number) for number in range(len(ENTRIES[name]))]
    found = struct.Struct(f"<{GIVES.get(name, '')}").unpack_from

    def kernel(*arguments):
        for variant in variants:
            if variant(arguments) or variant.widened(arguments):
                return found(_words, FOUND * 8) if name in GIVES else None
        shown = [f"{a.dtype}{a.shape}" if isinstance(a, np.ndarray) else type(a) for a in arguments]
        raise TypeError(f"kernel {name} is not compiled for {shown}: see kernels/entries.py")

    vars(kernel)["compile"] = None  # as numba's has, for `compiling`: nothing is to be done
    return kernel


class _Nothing:
    """Stands for whatever is asked of numba and LLVM while files are read, and does nothing."""

    def __init__(self, *_, **__) -> None:
        pass

    def __call__(self, *given, **_):
        return given[0] if given else self  # a decorator returns what it is put on

    def __getattr__(self, name: str):
        return _Nothing()


class _StandIn(MetaPathFinder, Loader):
    """Finds modules of numba's and llvmlite's names, in which kernels are the module's."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *_) -> None:
        sys.meta_path.remove(self)
        for name in [name for name in sys.modules if self.stands_for(name)]:
            del sys.modules[name]

    def stands_for(self, name: str) -> bool:
        """Tell whether a module of that name is not here and not needed."""
        return name.partition(".")[0] in ("numba", "llvmlite")

    def find_spec(self, fullname: str, path=None, target=None) -> ModuleSpec | None:
        """Answer for numba and llvmlite, and whatever they hold."""
        known = self.stands_for(fullname)
        return ModuleSpec(fullname, self, is_package=True) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return a module that has everything, except what Python asks of modules itself."""
        module = ModuleType(spec.name)
        vars(module).update(njit=self.njit, __getattr__=lambda name: _Nothing())
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is."""

    def njit(self, *functions, **_):
        """Give a function's place to the kernel of its name; those without one are never called."""
        if not functions:
            return self.njit
        name = functions[0].__name__
        return _kernel(self.library, name) if name in ENTRIES else functions[0]


def _read_again(library: ctypes.CDLL) -> ModuleType:
    """Return `compiled`, read with kernels of the module where numba would have compiled some."""
    folder = Path(__file__).parents[1] / "compiled"
    spec = spec_from_file_location(
        _COPY, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec and spec.loader  # None for names that are no file's
    copy = sys.modules[_COPY] = module_from_spec(spec)
    with _StandIn(library):
        spec.loader.exec_module(copy)
    return copy


_numba = _read_again(_opened(entries.FILE))
globals().update({name: getattr(_numba, name) for name in NAMES})
