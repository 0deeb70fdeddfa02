"""Plain .npz: arrays of weights and biases under any usual names, in either orientation."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from ..core.network import Network
from ..data.npy import read_head, read_values
from ..data.sources import DEFLATE_RATIO
from ..errors import FormatError
from ..storage import modelfile
from ..storage.modelfile import members_of, zip_faults
from .loose import Told, network_of

MAX_MEMBERS = 1000
# Whole numbers too: a count of epochs, say.
KINDS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


def matches(head: bytes, size: int) -> bool:
    """Tell whether a file is a zip of arrays that does not begin with a header of ours."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return head.startswith(b"PK\x03\x04") and name.endswith(b".npy") and name != b"header.npy"


def read(data: bytes, told: Told) -> Network:
    """Return the network that the arrays of an .npz are; `told` says what they do not.

    Raises FormatError, and what `loose.network_of` does.
    """
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise FormatError(f"a zip with more than {MAX_MEMBERS:,} members: no model has as many")
    arrays: dict[str, np.ndarray] = {}
    if b"header.npy" in data:  # of ours, in another order
        return modelfile.load(data)
    with zip_faults(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        left = room_in(data)
        for name, info in members_of(archive).items():
            array = array_in(archive, info, left)
            left -= array.nbytes
            if array.dtype.kind != "f" and array.ndim > 0:
                raise FormatError(
                    f"a zip without header.npy, and {name[:80]!r} holds {array.dtype}: data, "
                    "or no weights: expected arrays of float32 or float64"
                )
            arrays[name] = array
    return network_of(arrays, told)


def room_in(data: bytes) -> int:
    """Return how many bytes of numbers a zip may hold: weights deflate by a tenth, as a rule."""
    return len(data) * 20 + 2**26


def array_in(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int, kinds: tuple[str, ...] = KINDS
) -> np.ndarray:
    """Return the array in a member of at most `left` bytes; halves become float32.

    Raises FormatError for what claims more than the zip can hold, before memory is set aside.
    """
    name = info.filename
    with archive.open(info) as stream:
        head = read_head(stream, name, kinds=kinds)
        size = int(np.prod(head.shape, dtype=object)) * head.dtype.itemsize
        if size > min(info.file_size, info.compress_size * DEFLATE_RATIO + 64, left):
            raise FormatError(f"{name[:80]!r} claims {size:,} bytes, which this file cannot hold")
        values = read_values(stream, head, name)
    return values.astype(np.float32) if head.dtype.str[1:] == "f2" else values
