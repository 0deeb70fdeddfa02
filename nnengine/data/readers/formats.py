"""Formats: all that are read, each a row; the only place that says which bytes are which."""

from __future__ import annotations

from ..sources import looks_like
from . import arrays, idx, members, table
from .contract import Format

IDX = Format(
    kind="idx",
    title="IDX file",
    matches=lambda head: head.startswith(b"\0\0"),
    read=idx.read,
    array=idx.read_array,
    header=idx.read_header,
)


def _is_csv(head: bytes) -> bool:
    # A row of 784 numbers is longer than what is looked at: its delimiter is there all the same.
    look = looks_like(head)
    return look is not None and look[0] == "a CSV table"


FORMATS = (
    Format(
        kind="zip",
        title="zip archive",
        matches=lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06")),
        read=members.read_zip,
    ),
    Format(
        kind="npy",
        title="NumPy array",
        matches=lambda head: head.startswith(b"\x93NUMPY"),
        read=arrays.read,
        array=arrays.read_array,
    ),
    IDX,
    Format(kind="csv", title="CSV table", matches=_is_csv, read=table.read),
)
