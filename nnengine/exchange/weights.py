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
_WHOLE = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")  # a count of epochs, say


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
        left = len(data) * 20 + 2**26  # weights deflate by a tenth, zeros a thousandfold
        for name, info in members_of(archive).items():
            with archive.open(info) as stream:
                head = read_head(stream, name, kinds=("f2", "f4", "f8", *_WHOLE))
                size = int(np.prod(head.shape, dtype=object)) * head.dtype.itemsize
                most = min(info.file_size, info.compress_size * DEFLATE_RATIO + 64)
                left -= size
                if size > most or left < 0:
                    raise FormatError(
                        f"{name[:80]!r} claims {size:,} bytes, which this file cannot hold"
                    )
                if head.dtype.kind != "f" and len(head.shape) > 0:
                    raise FormatError(
                        f"a zip without header.npy, and {name[:80]!r} holds {head.dtype}: data, "
                        "or no weights: expected arrays of float32 or float64"
                    )
                values = read_values(stream, head, name)
            arrays[name] = values.astype(np.float32) if head.dtype.itemsize == 2 else values
    return network_of(arrays, told)
