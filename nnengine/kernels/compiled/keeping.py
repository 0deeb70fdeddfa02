"""Keeping: what was compiled stays on disk, for exactly these sources and this numba.

Where nothing can be written, or the disk is full, it stays in a temporary folder of this user's,
and where that cannot be either, it goes: both are said once, and kernels work all the same.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import llvmlite
import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.serialize import dumps, loads

from .. import sources
from . import folders

log = logging.getLogger(__name__)
_WAY_OUT = "set NUMBA_CACHE_DIR to a folder that can be written"
_said: dict[str, str] = {}  # what is not as usual; half a sentence each


@functools.cache
def _version() -> str:
    """Return the name of the folder for what these sources, as they are now, compile to.

    An entry of another numba is there and useless: nobody would think of starting helpers.
    """
    return f"nnengine-{sources.digest()[:16]}-{numba.__version__}-{llvmlite.__version__}"


def remark() -> str:
    """Return what is not as usual with keeping, or nothing; half a sentence."""
    return "; ".join(_said.values())


def _say(what: str, words: str) -> None:
    """Remember half a sentence, and put it into the log once."""
    if what not in _said:
        _said[what] = words
        log.warning("%s", words)


class _Temporary(_CacheLocator):
    """The last place that numba asks for, where it can write to none of its own."""

    def __init__(self, folder: Path, function) -> None:
        self._folder, self._code = folder, function.__code__
        self._py_file = self._code.co_filename  # numba names it in a warning

    @classmethod
    def from_function(cls, function, file):
        """Return a place for a function, or None."""
        folder = folders.temporary()
        return cls(folder, function) if folder else None

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Return what changes with the sources."""
        return _version()

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self._code.co_firstlineno)


class _Places(CompileResultCacheImpl):
    """Where numba keeps a kernel, and how."""

    _locator_classes = [*CompileResultCacheImpl._locator_classes, _Temporary]


class Cache(FunctionCache):
    """numba's own cache, with files of ours: one for a kernel and the types it was compiled for.

    By itself numba asks only whether the file has changed in which a function stands: it would
    go on using what was compiled with the old constants, vectors and loops of other files. It runs
    what it finds, be it damaged. And of two processes that keep a kernel for different types, one
    may put its code under the name of the other's. Raises RuntimeError where there is no place.
    """

    _impl_class = _Places

    def __init__(self, function) -> None:
        super().__init__(function)
        self._name = self._impl.filename_base
        last = folders.temporary()
        places = [Path(self._cache_path), *([last] if last else [])]
        self._written = [place / _version() for place in dict.fromkeys(places)]  # in this order
        # Who installed these sources may have compiled them for all who cannot write there.
        beside = Path(function.__code__.co_filename).parent / "__pycache__"
        read = [places[0], *([] if config.CACHE_DIR else [beside])]
        self._read = [place / _version() for place in read]
        self._cache_path = str(self._written[0])

    def exists(self) -> bool:
        """Tell whether anything is kept of this kernel that is of use."""
        return any(folders.read(file) is not None for file in self._files())

    def can_keep(self) -> bool:
        """Tell whether this kernel would be kept if it were compiled now."""
        return not all(map(folders.why_not, self._written))

    def flush(self) -> None:
        """Forget what is kept of this kernel."""
        for file in self._files():
            _remove(file)

    def _folders(self) -> Iterator[Path]:
        """Yield where this kernel may be kept."""
        yield from self._read
        if folders.why_not(self._written[0]):
            yield from self._written[1:]

    def _files(self) -> Iterator[Path]:
        """Yield the files that are kept of this kernel."""
        for folder in self._folders():
            with contextlib.suppress(OSError):
                yield from [p for p in folder.iterdir() if p.name.startswith(f"{self._name}.")]

    def _file(self, key) -> str:
        """Return the name of a file: numba's for the kernel, and a digest for types and processor.

        Should two of them have one name, the file knows whose it is.
        """
        return f"{self._name}.{hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()}.nbc"

    def _load_overload(self, signature, context):
        """Return what was kept, or None: also where it is of no use, which makes room for new."""
        key = self._index_key(signature, context.codegen())
        for folder in self._folders():
            file = folder / self._file(key)
            if (body := folders.read(file)) is None:
                continue
            try:
                known, data = loads(body)
                if known == key:
                    self._note(folder)
                    return self._impl.rebuild(context, data)
            except Exception:  # whatever numba and LLVM say of what they do not know
                _remove(file)
        return None

    def _save_overload(self, signature, data) -> None:
        """Keep what was compiled, where that can be."""
        if not self._impl.check_cachable(data):
            return
        key, why = self._index_key(signature, data.codegen), []
        body = dumps((key, self._impl.reduce(data)))
        for folder in self._written:
            fault = folders.why_not(folder) or folders.write(folder / self._file(key), body)
            if not fault:
                self._note(folder)
                return
            why.append(fault)
        _say("nowhere", f"every process compiles kernels anew ({'; '.join(why)}): {_WAY_OUT}")

    def _note(self, folder: Path) -> None:
        """Say where the kernel is kept, if that is not as usual."""
        if folder.parent == folders.temporary():
            why = folders.why_not(self._written[0]) or "no other folder can be written"
            _say("elsewhere", f"kernels are kept in {folder.parent} for now ({why}): {_WAY_OUT}")


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()
