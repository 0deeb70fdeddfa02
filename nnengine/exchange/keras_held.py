"""Keras' HDF5: the weights and texts in it, taken out by a process of their own.

What is taken is what a network is made from: `model_config` and the groups of weights. No link that
leads out of the file is followed, nothing is unpacked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data import apart
from ..errors import FormatError

MAX_CONFIG_BYTES = 4 * 2**20
_HOLD_WEIGHTS = ("model_weights", "layers")  # an .h5's, and a .keras'; beside them an optimizer's
_MOST_ITEMS = 4_000
_MOST_NESTED = 8
_MOST_NAMES = 16  # that a layer lists


@dataclass(frozen=True, slots=True)
class Held:
    """What lies in the file: float arrays by path, and what groups list as `weight_names`."""

    config: str | None
    names: dict[str, list[str]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def array(self, path: str) -> np.ndarray:
        """Return the array at a path; raises FormatError where there is none."""
        if path not in self.arrays:
            raise FormatError(
                f"{path[-80:]!r} is not in the HDF5 file, holds no numbers with fractions, or lies "
                "behind a link that leads out"
            )
        return self.arrays[path]


def held_in(data: bytes) -> Held:
    """Return what lies in a whole HDF5 file; raises FormatError."""
    asked = {"max_bytes": 20 * len(data) + 2**20}
    found, arrays = apart.read(f"{__name__}:taken_from", data, asked)
    return Held(found["config"], found["names"], dict(zip(found["paths"], arrays, strict=True)))


# In the other process ----------------------------------------------------------------------


def taken_from(file: Any, check: Callable[[], None], max_bytes: int) -> apart.Found:
    """Return config, names and paths, and the arrays; raises FormatError."""
    import h5py  # pyright: ignore[reportMissingImports]

    try:
        with h5py.File(file, "r") as opened:
            taking = _Taking(h5py, check, max_bytes)
            for name in _HOLD_WEIGHTS:
                taking.below(opened, name, name, 0)
            config = _text(opened.attrs.get("model_config"), MAX_CONFIG_BYTES)
    except (FormatError, MemoryError):
        raise
    except Exception as error:  # OSError, RuntimeError, KeyError, ValueError, TypeError, ...
        raise FormatError(f"damaged HDF5 ({str(error)[:80]}): save the model again") from None
    said = {"config": config, "names": taking.names, "paths": list(taking.arrays)}
    return said, list(taking.arrays.values())


class _Taking:
    """What has been taken so far."""

    def __init__(self, h5py: Any, check: Callable[[], None], max_bytes: int) -> None:
        self._h5py, self._check, self._left, self._items = h5py, check, max_bytes, 0
        self.names: dict[str, list[str]] = {}
        self.arrays: dict[str, np.ndarray] = {}

    def below(self, group: Any, name: str, path: str, nested: int) -> None:
        """Take what a group has under a name, over links that stay within the file."""
        self._check()
        self._items += 1
        if self._items > _MOST_ITEMS or nested > _MOST_NESTED:
            raise FormatError("more groups and arrays than a network has: save the model alone")
        if not isinstance(group.get(name, getlink=True), self._h5py.HardLink):
            return
        found = group[name]
        if isinstance(found, self._h5py.Group):
            if "weight_names" in found.attrs:
                listed = np.ravel(found.attrs["weight_names"])[:_MOST_NAMES].tolist()
                self.names[path] = [text for one in listed if (text := _text(one, 1000))]
            for inside in found:
                self.below(found, inside, f"{path}/{inside}", nested + 1)
        elif isinstance(found, self._h5py.Dataset) and found.dtype.kind == "f":
            self.arrays[path] = self._array(found, path)

    def _array(self, found: Any, path: str) -> np.ndarray:
        self._left -= found.nbytes
        if found.external or found.is_virtual or self._left < 0:
            raise FormatError(
                f"{path[-80:]!r} claims {found.nbytes:,} bytes, or lies in another file"
            )
        if found.id.get_create_plist().get_nfilters():  # HDF5 lets one unpack to whatever it likes
            raise FormatError(f"{path[-80:]!r} is packed: save the model as Keras does")
        real = np.float64 if found.dtype.itemsize == 8 else np.float32
        return found[()].astype(real)


def _text(value: Any, most: int) -> str | None:
    if isinstance(value, str):  # what was no UTF-8 is in it as half a letter
        value = value.encode(errors="surrogateescape")
    text = value.decode(errors="replace") if isinstance(value, bytes) else None
    return text if text is not None and len(text) <= most else None
