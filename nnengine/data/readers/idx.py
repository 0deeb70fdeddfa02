"""IDX files as contents: images or labels alone, with the header that says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from ..idx import read_stream
from ..idxheader import IdxHeader, read_header
from ..sources import Stream
from .arrays import Named, alone
from .contents import Contents
from .contract import Request

__all__ = ["read", "read_array", "read_header"]


def read(stream: Stream, request: Request) -> Contents:
    """Return the images or labels of an IDX file: bytes as they are, all else as those of an .npy.

    Whole numbers in one dimension are labels and stay as they are. Images of few levels, 0 to 16
    at the most, are stretched, and it is said. Of a file that was cut short, where that is asked
    for, the first whole items.
    """
    header, array = read_stream(stream, keep_whole=request.keep_whole, max_bytes=request.max_bytes)
    if array.size == 0:
        raise FormatError("holds nothing: one image or label is the least")
    cut = stream.cut or len(array) != header.count
    if array.ndim == 1 and array.dtype.kind in "ui":
        _check_order(array)
        found = Contents(form="IDX file", labels=array)
    else:
        found = alone(Named(request.name, array), "IDX file", colours=request.colours)
    return replace(
        found, header=_named(header, request.name), whole_items=len(array) if cut else None
    )


def _check_order(labels: np.ndarray) -> None:
    """Raise FormatError for labels that are small once their bytes are reversed."""
    if labels.itemsize > 1 and labels.max() >= MAX_CLASSES and labels.min() >= 0:
        swapped = labels.byteswap()
        if 0 <= swapped.min() and swapped.max() < MAX_CLASSES:
            raise FormatError(
                f"labels with their bytes reversed (little-endian), {labels.max():,} for "
                f"{swapped[labels.argmax()]}: IDX is big-endian; write the file again with "
                "write_idx"
            )


def read_array(stream: Stream, request: Request) -> np.ndarray:
    """Return the array of an IDX file among others, whatever it holds."""
    return read_stream(stream, max_bytes=request.max_bytes)[1]


def _named(header: IdxHeader, name: str) -> IdxHeader:
    return header if header.name else replace(header, name=name)
