"""Members: what the files of a zip or folder make together, be they pictures, arrays or tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ...errors import FormatError
from .. import pairing
from ..dataset import Dataset
from ..sources import Stream, opened
from .archive import Member, folder_members, zip_members
from .arrays import Named, assemble
from .contents import Contents, in_order
from .contract import HEAD_BYTES, Format, Request, find
from .pictures import is_picture, read_pictures

Known = Sequence[tuple[Member, Format]]


def read_zip(stream: Stream, request: Request) -> Contents:
    """Return what a zip holds, an .npz among them."""
    with zip_members(stream.seekable(request.max_bytes)) as members:
        return read_members(members, request)


def read_folder(folder: Path, request: Request) -> Contents:
    """Return what a folder holds, with all that lies beneath it."""
    return read_members(folder_members(folder), request)


def read_members(members: Sequence[Member], request: Request) -> Contents:
    """Return what the members of a zip or folder make together; raises FormatError."""
    if {"header.npy", "weights_1.npy"} <= {member.path for member in members}:
        raise FormatError("a trained network, not data: open it with nnengine.load, or on Models")
    pictures, data, archives, others = _sorted(members, request)
    if pictures and not any(known.array for _, known in data):
        found = read_pictures(pictures, name=request.name, max_bytes=request.max_bytes)
        left_out = others + archives + [member for member, _ in data]
    elif data:
        found = _read_data(data, request)
        left_out = others + archives + pictures
    else:
        raise FormatError(_nothing(members, archives))
    return _with_note(found, left_out)


def _sorted(
    members: Sequence[Member], request: Request
) -> tuple[list[Member], list[tuple[Member, Format]], list[Member], list[Member]]:
    """Return (pictures, data with their formats, archives, others)."""
    pictures, data, archives, others = [], [], [], []
    for member in members:
        known = None
        if is_picture(member):
            pictures.append(member)
            continue
        with suppress(FormatError), _open(member) as stream:
            known = find(stream.peek(HEAD_BYTES), request.formats)
        if known is None:
            others.append(member)
        elif known.kind == "zip":
            archives.append(member)
        else:
            data.append((member, known))
    return pictures, data, archives, others


@contextmanager
def _open(member: Member) -> Iterator[Stream]:
    with member.open() as file, opened(file, most=member.size) as stream:
        stream.name = member.name
        yield stream


def _nothing(members: Sequence[Member], archives: Sequence[Member]) -> str:
    if archives:
        return "archives inside the archive: unpack it and give one of them"
    shown = ", ".join(member.name[:40] for member in members[:3]) or "no file at all"
    return (
        f"no data in it; it holds {shown}{', …' * (len(members) > 3)}: pictures are PNG or JPEG "
        "in folders named by class, data are IDX, CSV or .npy files"
    )


def _with_note(found: Contents, left_out: Sequence[Member]) -> Contents:
    if not left_out:
        return found
    number = f"{len(left_out):,} other files were" if len(left_out) > 1 else "One other file was"
    note = f"{number} left out, such as {left_out[0].name[:60]}."
    return replace(found, notes=(*found.notes, note))


def _read_data(data: Known, request: Request) -> Contents:
    """Return the sets in files of data that lie together: arrays, or tables of whole sets."""
    arrays = [known.array is not None for _, known in data]
    if all(arrays):
        return _read_arrays(data, request)
    if any(arrays):
        raise FormatError("tables and arrays together: give the one or the other")
    return _read_tables(data, request)


def _read_arrays(data: Known, request: Request) -> Contents:
    arrays, left = [], request.max_bytes
    for member, known in data:
        with _open(member) as stream:
            array = known.array(stream, replace(request, max_bytes=left)) if known.array else None
        if array is not None:
            left -= array.nbytes
            arrays.append(Named(member.path.removesuffix(".npy"), array))
    titles = {known.title for _, known in data}
    form = f"{titles.pop()}s" if len(titles) == 1 else "arrays"
    return assemble(arrays, form=form, name=request.name)


def _read_tables(data: Known, request: Request) -> Contents:
    parts: dict[str, Contents] = {}
    left = request.max_bytes
    for member, known in data:
        part = pairing.part_of(member.name)
        if part in parts:
            raise FormatError(
                f"{len(data)} tables, and nothing tells training from test: name them train.csv "
                "and test.csv, or give one"
            )
        with _open(member) as stream:
            parts[part] = known.read(stream, replace(request, max_bytes=left))
        left -= parts[part].nbytes
    return _as_one(parts, data[0][1].title)


def _as_one(parts: dict[str, Contents], title: str) -> Contents:
    """Return the tables of several parts as one."""
    order, left_out = in_order({part: len(found) for part, found in parts.items()})
    sets = [data for part in order for data in parts[part].sets]
    classes = max(data.classes for data in sets)  # the smaller part may lack the last of them
    sets = [Dataset(d.images, d.labels, classes=classes, name=d.name) for d in sets]
    notes = [note for found in parts.values() for note in found.notes]
    return Contents(
        form=f"{title}s" if len(parts) > 1 else title,
        train=sets[0],
        test=sets[1] if len(sets) > 1 else None,
        notes=tuple(dict.fromkeys((*notes, *left_out))),
    )
