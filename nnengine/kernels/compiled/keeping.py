"""Keeping: what was compiled stays on disk, for exactly these sources and this numba."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

import llvmlite
import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from .. import sources


@functools.cache
def _version() -> str:
    """Return the name of the folder for what these sources, as they are now, compile to.

    An index of another numba is there and useless: nobody would think of starting helpers.
    """
    return f"nnengine-{sources.digest()[:16]}-{numba.__version__}-{llvmlite.__version__}"


class Cache(FunctionCache):
    """numba's own cache, in a folder for this version of all kernels.

    By itself numba asks only whether the file has changed in which a function stands: it would
    go on using what was compiled with the old constants, vectors and loops of other files.
    Raises RuntimeError where there is no place to write.
    """

    def __init__(self, function) -> None:
        super().__init__(function)
        self._cache_path = os.path.join(self._cache_path, _version())
        self._name = self._impl.filename_base
        self._cache_file = IndexDataCacheFile(self._cache_path, self._name, _version())

    def exists(self) -> bool:
        """Tell whether anything is kept of this kernel."""
        return os.path.exists(os.path.join(self._cache_path, f"{self._name}.nbi"))

    def _load_overload(self, signature, context):
        """Return what was kept, or None: also where it is damaged, which makes room for new."""
        try:
            return super()._load_overload(signature, context)
        except Exception:  # whatever unpickling and LLVM say of half a file
            self.flush()
            return None

    def _save_overload(self, signature, data) -> None:
        """Keep what was compiled, and nothing of other versions."""
        if not os.path.isdir(self._cache_path):
            for old in Path(self._cache_path).parent.glob("nnengine-*"):
                shutil.rmtree(old, ignore_errors=True)
            os.makedirs(self._cache_path, exist_ok=True)
        super()._save_overload(signature, data)
