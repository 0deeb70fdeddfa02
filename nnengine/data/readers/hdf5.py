"""HDF5 and MATLAB's .mat of version 7.3, which is HDF5: arrays by the path of their groups.

h5py finds what is where; it follows nothing that leads out of the file. A file can name others on
the same disk, as external links, external storage and virtual data sets do: who gave such a file to
a server would read what lies there. Packed chunks are unpacked here, for HDF5's own filter lets one
unpack to whatever it likes. All this is done by a process of its own: HDF5 2.0 goes down over some
damaged files.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...errors import EngineError, FormatError
from .. import apart
from ..sources import Stream
from .contents import Contents
from .contract import Request
from .matrices import assembled
from .optional import missing

MAX_ITEMS = 2_000  # groups and arrays, and names in one group
_MOST_NESTED = 6
_MOST_CHUNKS = 1 << 20
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3  # filters, by the numbers that HDF5 gives them
_MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(head: bytes) -> bool:
    """Return whether a file begins as HDF5, or as MATLAB's .mat of version 7.3."""
    return head.startswith((_MAGIC, b"MATLAB 7.3 MAT-file"))


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels in an HDF5 file; raises FormatError.

    Arrays are told apart by path and shape as those of an .npz. Those that MATLAB wrote come with
    their sides in reverse and are put back. Text, references and tables are passed over.
    """
    raw = stream.seekable(request.max_bytes).read(2 * request.max_bytes + 1)
    if len(raw) > 2 * request.max_bytes:
        raise stream.fault(
            f"more than twice the {request.max_bytes:,} bytes of values allowed: give a smaller "
            "file",
            too_large=True,
        )
    by_columns = raw.startswith(b"MATLAB")
    if not find_spec("h5py"):
        raise missing("MATLAB 7.3" if by_columns else "HDF5", "h5py")
    asked = {"max_bytes": request.max_bytes, "by_columns": by_columns}
    found, arrays = apart.read(f"{__name__}:arrays_in", raw, asked, request.deadline)
    form = "MATLAB file" if by_columns else "HDF5 file"
    return assembled(
        dict(zip(found["paths"], arrays, strict=True)),
        form=form, name=request.name, by_columns=by_columns, colours=request.colours,
    )  # fmt: skip


def arrays_in(
    file: Any, check: Callable[[], None], max_bytes: int, by_columns: bool
) -> apart.Found:
    """Return the arrays in an HDF5 file, and the path of each; raises FormatError."""
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            reader = _Reader(h5py, check, max_bytes, by_columns)
            reader.group(opened, "", 0)
            return {"paths": list(reader.arrays)}, list(reader.arrays.values())
    except (EngineError, MemoryError):
        raise
    except Exception as error:  # h5py raises OSError, RuntimeError, KeyError, ...
        said = " ".join(str(error).split())[:160]
        raise FormatError(f"the HDF5 file is damaged ({said}): download it again") from None


class _Reader:
    """The arrays as they are found, within what is allowed of bytes, items and nesting."""

    def __init__(
        self, h5py: Any, check: Callable[[], None], max_bytes: int, by_columns: bool
    ) -> None:
        self._h5py, self._check = h5py, check
        self._most, self._by_columns = max_bytes, by_columns
        self._left, self._items = max_bytes, 0
        self.arrays: dict[str, np.ndarray] = {}

    def group(self, group: Any, above: str, nested: int) -> None:
        """Take in the arrays of a group and of those inside; raises FormatError."""
        if {"model_weights", "_layer_checkpoint_dependencies"} & set(self._names(group)):
            raise FormatError("a network of Keras, not data: give images and labels")
        if nested > _MOST_NESTED:
            raise FormatError(
                f"groups lie in groups more than {_MOST_NESTED} deep: save two arrays"
            )
        for name in self._names(group):
            self._check()
            self._items += 1
            if self._items > MAX_ITEMS:
                raise _too_many()
            link = group.get(name, getlink=True)
            if name.startswith("#") or not isinstance(link, self._h5py.HardLink):
                continue  # MATLAB's own, or what may lead out of the file
            kind = group.get(name, getclass=True)
            path = f"{above}{name}"
            if kind is self._h5py.Group:
                self.group(group[name], f"{path}.", nested + 1)
            elif (
                kind is self._h5py.Dataset and (array := self._array(group[name], path)) is not None
            ):
                self.arrays[path] = array

    def _names(self, group: Any) -> list[str]:
        if len(group) > MAX_ITEMS:
            raise _too_many()
        return list(group)

    def _array(self, data: Any, path: str) -> np.ndarray | None:
        """Return the numbers of a data set, or None where it holds none."""
        if data.dtype.kind not in "biuf" or data.dtype.itemsize > 8 or not data.size:
            return None
        if data.attrs.get("MATLAB_class") in (b"char", b"cell") or "MATLAB_empty" in data.attrs:
            return None
        if data.is_virtual or data.external:
            raise FormatError(
                f"{path[-60:]} lies in another file, and that is not read: save it in this one"
            )
        wanted = math.prod(data.shape) * data.dtype.itemsize
        self._left -= wanted
        if self._left < 0:
            raise FormatError(
                f"more than the {self._most:,} bytes of values allowed: give a smaller file",
                too_large=True,
            )
        if data.chunks is not None:
            array = self._from_chunks(data, path)
        elif data.id.get_storage_size() < wanted:
            raise FormatError(
                f"{path[-60:]} promises {wanted:,} bytes and holds {data.id.get_storage_size():,}: "
                "download or save it again"
            )
        else:
            array = np.asarray(data[()])
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        return array.T if self._by_columns else array

    def _from_chunks(self, data: Any, path: str) -> np.ndarray:
        """Return a data set of chunks, each unpacked to no more than it is to hold."""
        filters = _filters(data)
        other = [name for number, name in filters if number not in (_DEFLATE, _SHUFFLE, _CHECKSUM)]
        if other:
            raise FormatError(
                f"{path[-60:]} is packed by {other[0][:20]}: save it with compression=“gzip”, or "
                "without"
            )
        steps = [range(0, side, chunk) for side, chunk in zip(data.shape, data.chunks, strict=True)]
        if math.prod(map(len, steps)) > _MOST_CHUNKS:
            raise FormatError(f"{path[-60:]} lies in too many chunks: save it in larger ones")
        dtype = data.dtype
        size = math.prod(data.chunks) * dtype.itemsize
        if size > 4 * self._most:
            raise FormatError(f"{path[-60:]} lies in chunks of {size:,} bytes: save smaller ones")
        out = np.empty(data.shape, dtype)
        out[...] = data.fillvalue if data.id.get_num_chunks() < math.prod(map(len, steps)) else 0
        for corner in itertools.product(*steps):
            self._check()
            raw = _unpacked(data, corner, size, filters, path)
            if raw is not None:
                place = tuple(slice(at, at + n) for at, n in zip(corner, data.chunks, strict=True))
                held = out[place]
                chunk = np.frombuffer(raw, dtype).reshape(data.chunks)
                held[...] = chunk[tuple(slice(0, n) for n in held.shape)]
        return out


def _filters(data: Any) -> list[tuple[int, str]]:
    """Return the filters that a chunk went through, in their order: number and name."""
    made = data.id.get_create_plist()
    found = [made.get_filter(i) for i in range(made.get_nfilters())]
    return [(one[0], one[3].decode("ascii", "replace")) for one in found]


def _unpacked(
    data: Any, corner: tuple[int, ...], size: int, filters: list[tuple[int, str]], path: str
) -> bytes | None:
    """Return the bytes of a chunk, or None of one that was never written."""
    info = data.id.get_chunk_info_by_coord(corner)
    if info.byte_offset is None or not info.size:
        return None
    if info.size > size + (size >> 3) + 4096:  # packed bytes may be a little more than unpacked
        raise _damaged(path)
    # Where a damaged file contradicts itself, HDF5 2.0 writes more than it has said a chunk to be.
    room = bytearray(max(info.size, size))
    mask, _ = data.id.read_direct_chunk(corner, out=room)
    raw = bytes(room[: info.size])
    for place, (number, _) in reversed(list(enumerate(filters))):
        if mask >> place & 1:
            continue  # was not applied to this chunk
        if number == _CHECKSUM:
            raw = raw[:-4]
        elif number == _DEFLATE:
            raw = _inflated(raw, size + 4, path)
        elif len(raw) == size:
            width = data.dtype.itemsize
            raw = np.frombuffer(raw, np.uint8).reshape(width, -1).T.tobytes()
    if len(raw) != size:
        raise _damaged(path)
    return raw


def _inflated(raw: bytes, most: int, path: str) -> bytes:
    inflate = zlib.decompressobj()
    try:
        out = inflate.decompress(raw, most)
    except zlib.error:
        raise _damaged(path) from None
    if not inflate.eof and inflate.unconsumed_tail:
        raise _damaged(path)
    return out


def _damaged(path: str) -> FormatError:
    return FormatError(f"{path[-60:]} is damaged or was cut short: download or save it again")


def _too_many() -> FormatError:
    return FormatError(f"more than {MAX_ITEMS:,} arrays and groups: save images and labels alone")
