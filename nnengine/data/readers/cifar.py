"""CIFAR: the binary version of CIFAR-10 and CIFAR-100, records of labels and 32 x 32 pixels.

A record is one label, of CIFAR-100 two, coarse and fine, then 1,024 bytes each of red, green and
blue (Krizhevsky 2009; cs.toronto.edu/~kriz/cifar.html, "Binary version"). Nothing at the beginning
says so: a file is one where its size is a whole number of records and every label can be one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import FormatError
from .. import pairing
from ..sources import Stream
from .archive import Member
from .contents import Contents, datasets
from .contract import Request

SIDE = 32
_PIXELS = 3 * SIDE * SIDE
# Labels in front of the pixels, and the classes of each.
_KINDS = {"CIFAR-10": (10,), "CIFAR-100": (20, 100)}
_LOOKED_AT = 50  # records that are looked at before a file is taken for one: 150 kB
_FEWEST = 5
_IDX_TYPES = tuple(bytes([code]) for code in (0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E))
_NAMES = ("batches.meta.txt", "fine_label_names.txt")
_MOST_NAMES = 1 << 12  # bytes


def kind_of(head: bytes, size: int | None) -> str | None:
    """Return "CIFAR-10" or "CIFAR-100" for a file of so many bytes that begins so, or None.

    Many begin with two zeros, a label and a black pixel, as IDX files do: those whose next bytes
    are a type and a number of dimensions are left to IDX.
    """
    if head[:2] == b"\0\0" and head[2:3] in _IDX_TYPES and 1 <= head[3] <= 4:
        return None
    for kind, classes in _KINDS.items():
        record = len(classes) + _PIXELS
        if not size or size % record or size < _FEWEST * record:
            continue
        held = np.frombuffer(head[: len(head) // record * record], np.uint8).reshape(-1, record)
        labels = held[:, : len(classes)]
        if len(held) >= _FEWEST and (labels < classes).all() and len(np.unique(labels[:, -1])) > 1:
            return kind
    return None


def kind_of_stream(stream: Stream) -> str | None:
    """Return the same for a file of which nothing has been read yet."""
    if not _may_be(stream.left):
        return None
    return kind_of(stream.peek(_LOOKED_AT * (2 + _PIXELS)), stream.left)


def kind_of_member(member: Member) -> str | None:
    """Return the same for a file of an archive."""
    if not _may_be(member.size):
        return None
    return kind_of(member.head(_LOOKED_AT * (2 + _PIXELS)), member.size)


def _may_be(size: int | None) -> bool:
    return bool(size) and any(not size % (len(one) + _PIXELS) for one in _KINDS.values())


def read(stream: Stream, request: Request) -> Contents:
    """Return the images and labels of a single file; raises FormatError."""
    kind = kind_of_stream(stream)
    if kind is None:
        raise FormatError("no file of CIFAR's: its size or a label is none that these have")
    part = _records(stream.rest(request.max_bytes), kind, request.name)
    return _made({"": [part]}, kind, request, None)


def read_members(
    found: Sequence[tuple[Member, str]], others: Sequence[Member], request: Request
) -> tuple[Contents, list[Member]]:
    """Return the sets that the files of an archive make, and which of the others were not read.

    `test_batch.bin` and `test.bin` are to be judged by, all others train. Classes are called as
    batches.meta.txt or fine_label_names.txt beside them say. Raises FormatError.
    """
    kinds = sorted({kind for _, kind in found})
    if len(kinds) > 1:
        raise FormatError(f"{' and '.join(kinds)} lie together: give one of them")
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    left = request.max_bytes
    for member, kind in found:
        request.deadline.check()
        left -= member.size
        if left < 0:
            text = f"more than the {request.max_bytes:,} bytes of values allowed"
            raise FormatError(f"{text}: give a smaller set", too_large=True)
        with member.open() as file:
            raw = file.read(member.size)
        part = pairing.TEST if pairing.part_of(member.name) == pairing.TEST else pairing.TRAIN
        parts.setdefault(part, []).append(_records(raw, kind, member.name))
    named = next((member for member in others if member.name in _NAMES), None)
    names = named and named.head(_MOST_NAMES).decode(errors="replace").split()
    return _made(parts, kinds[0], request, names), [m for m in others if m is not named]


def _records(raw: bytes, kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (n, 32, 32, 3) and labels uint8 (n,), of CIFAR-100 the fine ones."""
    classes = _KINDS[kind]
    record = len(classes) + _PIXELS
    if len(raw) % record:
        raise FormatError(f"{name}: {len(raw):,} bytes, and a record of {kind} has {record:,}")
    held = np.frombuffer(raw, np.uint8).reshape(-1, record)
    labels = held[:, len(classes) - 1]
    wrong = np.flatnonzero((held[:, : len(classes)] >= classes).any(axis=1))
    if wrong.size:
        raise FormatError(
            f"{name}: record {wrong[0]:,} has no label of {kind}: download the file again"
        )
    planes = held[:, len(classes) :].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.copy()


def _made(
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]],
    kind: str,
    request: Request,
    names: list[str] | None,
) -> Contents:
    arrays = {
        part: (np.concatenate([x for x, _ in held]), np.concatenate([y for _, y in held]))
        for part, held in parts.items()
    }
    classes, notes = _KINDS[kind], []
    if len(classes) > 1:
        notes = [f"Labels are the fine ones of {kind}; the {classes[0]} coarse ones are left out."]
    known = names if names is not None and len(names) == len(set(names)) == classes[-1] else None
    return datasets(
        arrays, form=f"{kind} records", name=request.name, notes=notes, class_names=known,
        colours=request.colours,
    )  # fmt: skip
