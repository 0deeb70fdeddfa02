"""IDX: a header says which numbers follow, and nothing it says is believed before it is checked.

The format (LeCun, Cortes & Burges, "The MNIST database"): two zero bytes, one for the element
type, one for the number of dimensions, a big-endian 32-bit size for each dimension, then the
elements row by row, big-endian. Memory grows with the bytes that arrive, never with a promise.
"""

from __future__ import annotations

import gzip
import math
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import FormatError
from . import writing
from .idxheader import IdxHeader, encode_header, read_header
from .limits import MAX_BYTES, is_addressable
from .sources import BinaryFile, Source, Stream, fault, left_in_place, opened

LABELS_MAGIC, IMAGES_MAGIC, COLOURS_MAGIC = 0x0801, 0x0803, 0x0804

_CHUNK = 1 << 18
_UNSEEN_BYTES = 1 << 20  # memory set aside before anything shows that the promised bytes will come
_LIKELY_RATIO = 8  # gzip shrinks MNIST 4.8 times, Fashion-MNIST 1.8: up to here no regrowing


def read_idx(source: Source, *, keep_whole: bool = False, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Return the array in an IDX file: 1 to 4 dimensions, native byte order, read-only.

    ``source`` is a path, the bytes themselves or a binary file (seekable or not, read from where it
    stands). Gzip is recognised by content. A path that is missing is also looked for in the other
    ordinary spellings (``-idx3-ubyte``, ``.idx3-ubyte``, with and without ``.gz``).

    ``keep_whole=True`` keeps the whole items of a truncated file, provided there is one. Data of
    more than ``max_bytes`` (unpacked) are refused before memory is set aside for them.

    Raises FormatError for every fault of the file; OSError where a path cannot be opened.
    """
    return _load(source, keep_whole, max_bytes)[1]


def describe(source: Source) -> IdxHeader:
    """Return the header alone, without reading the data or checking that they are there.

    A seekable file is left where it stood. Raises FormatError where there is no IDX header.
    """
    with left_in_place(source), opened(source) as stream:
        return read_header(stream)


def write_idx(target: str | os.PathLike[str] | BinaryFile, array: np.ndarray) -> None:
    """Write ``array`` (1 to 4 dimensions, one of the six IDX types) so that it reads back exactly.

    A path that ends in ``.gz`` is packed with gzip, with no time stamp: equal arrays give equal
    bytes. A binary file gets plain IDX bytes whatever its name, as it may pack them itself.
    A path is written whole or not at all. Raises ConfigError for an array that IDX cannot hold,
    before anything is opened.
    """
    array = np.asarray(array)
    header = encode_header(array)
    if not isinstance(target, (str, os.PathLike)):
        _write(target, header, array)
        return
    with writing.whole(target) as file:
        if not os.fspath(target).endswith(".gz"):
            _write(file, header, array)
            return
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            _write(packed, header, array)


def _write(file: Any, header: bytes, array: np.ndarray) -> None:
    file.write(header)
    big_endian = array.dtype.newbyteorder(">")
    item_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    step = max(1, _CHUNK // max(1, item_bytes))  # in pieces: no second copy of the whole
    for start in range(0, len(array), step):
        file.write(array[start : start + step].astype(big_endian, copy=False).tobytes())


def _load(
    source: Source,
    keep_whole: bool,
    max_bytes: int,
    check: Callable[[IdxHeader], None] | None = None,
) -> tuple[IdxHeader, np.ndarray]:
    with opened(source) as stream:
        return read_stream(stream, keep_whole=keep_whole, max_bytes=max_bytes, check=check)


def read_stream(
    stream: Stream,
    *,
    keep_whole: bool = False,
    max_bytes: int = MAX_BYTES,
    check: Callable[[IdxHeader], None] | None = None,
) -> tuple[IdxHeader, np.ndarray]:
    """Return header and array of the IDX file that a stream brings; as `read_idx` does.

    ``check`` may refuse the header before anything is read on its word.
    """
    header = read_header(stream)
    if check is not None:
        check(header)
    data = _read_data(stream, header, keep_whole, min(max_bytes, sys.maxsize))
    return header, _as_array(data, header)


def _read_data(stream: Stream, header: IdxHeader, keep_whole: bool, limit: int) -> np.ndarray:
    """Return the data as flat uint8: all that was promised, or the whole items when asked."""
    promised, held = header.data_bytes, stream.left
    if held is not None and held > promised and not (keep_whole and _lost_count(header, held)):
        raise _trailing(header, held)
    if held is not None and held < promised and not keep_whole:
        raise _truncated(header, held, cut=False)
    wanted = promised if held is None else held
    searching = keep_whole and held is None  # the promise may be false and the rest worth keeping
    if (wanted > limit and not searching) or _is_unaddressable(header):
        raise _too_large(stream, header, limit)
    data = _fill(stream, header, min(wanted, limit))
    if stream.read(1):
        complete = data.size == promised
        raise _trailing(header, None) if complete else _too_large(stream, header, limit)
    if data.size == promised and not stream.cut:
        return data
    items = _whole_items(header, data.size)
    if not keep_whole or items == 0:
        raise _truncated(header, data.size, cut=stream.cut)
    return data[: items * header.item_bytes]


def _fill(stream: Stream, header: IdxHeader, wanted: int) -> np.ndarray:
    """Return up to ``wanted`` bytes of ``stream``; memory grows with what has really come."""
    in_memory = stream.take_rest()
    if in_memory is not None:
        return np.frombuffer(in_memory, np.uint8) if in_memory else np.empty(0, np.uint8)
    likely = wanted if stream.left is not None else _UNSEEN_BYTES
    likely = max(likely, _LIKELY_RATIO * (stream.packed_bytes or 0))
    try:
        return _collect(stream, wanted, min(wanted, likely))
    except MemoryError as error:
        raise fault(
            header.name,
            f"{header.items(header.count)} ({header.file_bytes:,} bytes) do "
            "not fit into this machine's memory: give a smaller file",
        ) from error


def _collect(stream: Stream, wanted: int, likely: int) -> np.ndarray:
    data = np.empty(likely, np.uint8)
    filled = 0
    while filled < wanted and (part := stream.read(min(_CHUNK, wanted - filled))):
        end = filled + len(part)
        if end > data.size:
            data.resize(min(wanted, max(end, 2 * data.size)), refcheck=False)
        data[filled:end] = np.frombuffer(part, np.uint8)
        filled = end
    if filled < data.size:
        data.resize(filled, refcheck=False)
    return data


def _as_array(data: np.ndarray, header: IdxHeader) -> np.ndarray:
    array = data.view(header.dtype)
    if header.dtype.itemsize > 1 and sys.byteorder == "little":
        if not array.flags.writeable:  # a window on the caller's bytes, which stay as they are
            array = array.copy()
        array.byteswap(inplace=True)
    return _frozen(array.reshape(_whole_items(header, data.size), *header.shape[1:]))


def _whole_items(header: IdxHeader, held: int) -> int:
    return held // header.item_bytes if header.item_bytes else header.count


def _is_unaddressable(header: IdxHeader) -> bool:
    """Tell whether NumPy refuses the shape even where a zero in it makes the data empty."""
    return header.data_bytes == 0 and not is_addressable(header.shape, header.dtype.itemsize)


def _promise(header: IdxHeader) -> str:
    return f"header promises {header.items(header.count)} ({header.file_bytes:,} bytes)"


def _truncated(header: IdxHeader, held: int, *, cut: bool) -> FormatError:
    items = _whole_items(header, held)
    if not cut and _fits_reversed(header, held):
        sizes = "x".join(map(str, _reversed(header.shape)))
        text = f"sizes with their bytes reversed (little-endian): {sizes} fits what follows them"
        return fault(header.name, f"{text}; IDX is big-endian; write the file again with write_idx")
    reason = "the gzip data break off" if cut else "the download or upload was cut short"
    if header.gzipped and not cut:  # its checksum was right: nothing was lost on the way here
        reason = "the data were cut short before they were packed, or the header is wrong"
    if cut and held == header.data_bytes:
        reason = "only the checksum at the end of the gzip data is missing"
    remedy = f"{header.items(items)} can be kept whole (keep_whole=True), or download it again"
    if items == 0:
        remedy = "not one is whole, download it again"
    unpacked = " once unpacked" if header.gzipped else ""
    return fault(
        header.name,
        f"{_promise(header)}, file holds "
        f"{len(header.header_bytes) + held:,}{unpacked}: {reason}; {remedy}",
        whole_items=items,
    )


def _reversed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int.from_bytes(size.to_bytes(4, "big"), "little") for size in shape)


def _fits_reversed(header: IdxHeader, held: int) -> bool:
    """Tell whether somebody wrote the sizes little-endian behind a right magic."""
    return 0 < held == math.prod(_reversed(header.shape)) * header.dtype.itemsize


def _lost_count(header: IdxHeader, held: int) -> int:
    """Return how many whole images there are where the count lacks its upper bits alone, else 0.

    Converters have kept it in 8 or 16 bits; images alone tell, for any bytes are whole labels.
    """
    if len(header.shape) < 2 or not header.item_bytes or held % header.item_bytes:
        return 0
    items = held // header.item_bytes
    return items if header.count in (items % 2**8, items % 2**16) else 0


def _trailing(header: IdxHeader, held: int | None) -> FormatError:
    if held is not None and (items := _lost_count(header, held)):
        return fault(
            header.name,
            f"{_promise(header)}, file holds {header.items(items)} exactly: the count in the "
            "header has lost its upper bits; all can be kept (keep_whole=True), or write the file "
            "again with write_idx",
            whole_items=items,
        )
    total = f"{len(header.header_bytes) + held:,}" if held is not None else "more"
    return fault(
        header.name,
        f"{_promise(header)}, file holds {total}: trailing bytes, so the "
        "header is wrong or something was appended; download it again, or cut it to "
        f"{header.file_bytes:,} bytes",
    )


def _too_large(stream: Stream, header: IdxHeader, limit: int) -> FormatError:
    too_large = False
    if _is_unaddressable(header):
        text = "a size that no array can have: the header is wrong; download the file again"
    elif stream.packed_bytes is not None and header.data_bytes > (stream.most or 0):
        text = (
            f"but {stream.packed_bytes:,} bytes of gzip can hold at most {stream.most:,}: the "
            "header is wrong or the file was cut short; download it again"
        )
    else:
        too_large = True
        text = (
            f"more than the {limit:,} allowed: give a smaller file, or raise max_bytes if "
            "this one can be trusted"
        )
    return stream.fault(f"{_promise(header)}, {text}", too_large=too_large)


class _Idx:
    """What Idx1 and Idx3 share: one file, checked to be of the kind, held read-only."""

    __slots__ = ("_header", "_data")
    _magic: int

    def __init__(
        self, source: Source, *, keep_whole: bool = False, max_bytes: int = MAX_BYTES
    ) -> None:
        self._header, self._data = _load(source, keep_whole, max_bytes, self._check_kind)

    @classmethod
    def _check_kind(cls, header: IdxHeader) -> None:
        if header.magic == cls._magic:
            return
        kinds = {LABELS_MAGIC: ("labels", "Idx1"), IMAGES_MAGIC: ("images", "Idx3")}
        wanted, _ = kinds[cls._magic]
        found, reader = kinds.get(header.magic, (None, "read_idx"))
        if found is None:
            holds = f"{header.items(header.count)} of {header.dtype.name}"
            text = f"wrong magic {header.magic}: it holds {holds}, {wanted} have magic {cls._magic}"
        else:
            text = (
                f"holds {found} (magic {header.magic}), not {wanted} (magic {cls._magic}): "
                "images and labels are swapped"
            )
        raise fault(header.name, f"{text}; {reader} reads this file")

    @property
    def header(self) -> IdxHeader:
        """The header as the file gives it."""
        return self._header

    @property
    def name(self) -> str | None:
        """The file's name without its folder, where known."""
        return self._header.name

    @property
    def magic(self) -> int:
        """2049 for labels, 2051 for images, 2052 for those in colour."""
        return self._header.magic

    @property
    def count(self) -> int:
        """Number of labels or images held."""
        return len(self._data)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of ``data``."""
        return self._data.shape

    @property
    def data(self) -> np.ndarray:
        """Everything as one read-only uint8 array."""
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: Any) -> Any:
        found = self._data[index]
        return int(found) if np.ndim(found) == 0 else _frozen(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and dtype is not None and np.dtype(dtype) != self._data.dtype:
            raise ValueError(f"{self._data.dtype} cannot become {np.dtype(dtype)} without a copy")
        return self._data.astype(dtype or self._data.dtype, copy=bool(copy))

    def _summary(self) -> str:
        return self._header.items(self.count)

    def __repr__(self) -> str:
        name = f"{self.name}: " if self.name else ""
        return f"{type(self).__name__}({name}{self._summary()})"


class Idx1(_Idx):
    """The labels of an IDX file (uint8, one dimension, magic 2049), immutable.

    ``[i]`` gives an int, a slice or index array a read-only uint8 array.
    Raises FormatError for every other file, and says so when it is one of images.
    """

    __slots__ = ()
    _magic = LABELS_MAGIC

    def __iter__(self) -> Iterator[int]:
        return map(int, self._data)

    def _summary(self) -> str:
        if not self.count:
            return super()._summary()
        return f"{super()._summary()} from {self._data.min()} to {self._data.max()}"


class Idx3(_Idx):
    """The images of an IDX file (uint8, count x height x width, magic 2051), immutable.

    Those of a set in colour have a fourth side of three, red, green and blue (magic 2052).
    ``[i]`` gives one read-only uint8 image (height, width) or (height, width, 3), a slice or index
    array several. Raises FormatError for every other file, and says so when it is one of labels.
    """

    __slots__ = ()
    _magic = IMAGES_MAGIC

    @classmethod
    def _check_kind(cls, header: IdxHeader) -> None:
        if header.magic != COLOURS_MAGIC or header.shape[3] != 3:
            super()._check_kind(header)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._data)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
