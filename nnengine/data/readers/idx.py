"""IDX files as contents: images or labels alone, with the header that says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import FormatError
from ..idx import read_stream
from ..idxheader import IdxHeader, read_header
from ..sources import Stream
from .contents import Contents, frozen, grey
from .contract import Request

__all__ = ["read", "read_array", "read_header"]


def read(stream: Stream, request: Request) -> Contents:
    """Return the images or labels of an IDX file, as they are: never scaled.

    Of a file that was cut short, where that is asked for, the first whole items.
    """
    header, array = read_stream(stream, keep_whole=request.keep_whole, max_bytes=request.max_bytes)
    images = array.ndim in (2, 3) and array.dtype == np.uint8
    if not images and not (array.ndim == 1 and array.dtype.kind in "ui"):
        raise FormatError(_neither(array))
    cut = stream.cut or len(array) < header.count
    return Contents(
        form="IDX file",
        images=frozen(grey(array, request.name)[0]) if images else None,
        labels=None if images else array,
        header=_named(header, request.name),
        whole_items=len(array) if cut else None,
    )


def read_array(stream: Stream, request: Request) -> np.ndarray:
    """Return the array of an IDX file among others, whatever it holds."""
    return read_stream(stream, max_bytes=request.max_bytes)[1]


def _named(header: IdxHeader, name: str) -> IdxHeader:
    return header if header.name else replace(header, name=name)


def _neither(array: np.ndarray) -> str:
    shape = " x ".join(f"{n:,}" for n in array.shape)
    return (
        f"holds {array.dtype} numbers of shape {shape}: images are unsigned bytes in "
        "three dimensions and labels whole numbers in one"
    )
