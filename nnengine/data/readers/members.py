"""Members: what the files of a zip or folder make together, be they pictures, arrays or tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import FormatError
from .. import pairing
from ..limits import MAX_UNNAMED
from ..sources import Stream, looks_like, opened
from . import choosing, cifar, libsvm, listing, mapping, shards
from .archive import Member, folder_members, zip_members
from .classes import in_folders
from .colours import alike
from .contents import Contents, in_order
from .contract import HEAD_BYTES, Format, Request, find
from .decoding import kind_of
from .gathering import Gathered
from .pictures import is_named, read_pictures
from .turned import says_upright, turned_contents

_MAPPING_BYTES = 1 << 12
_PACKED_HEAD = 1 << 12  # bytes that are more than HEAD_BYTES once unpacked
Known = tuple[Member, Format]


@dataclass
class Sorted:
    """The members of an archive by what they are, as their first bytes tell."""

    pictures: list[Member] = field(default_factory=list)
    arrays: list[Known] = field(default_factory=list)
    tables: list[Known] = field(default_factory=list)
    listings: list[Member] = field(default_factory=list)  # tables of names and labels
    records: list[tuple[Member, str]] = field(default_factory=list)  # of CIFAR, and which
    archives: list[Member] = field(default_factory=list)
    others: list[Member] = field(default_factory=list)

    def beside(self, *read: Sequence[Member] | Sequence[tuple[Member, Any]]) -> list[Member]:
        """Return all members but those of the lists that are read."""
        found = [self.others, self.listings, self.archives, self.tables, self.arrays, self.pictures]
        found = [*found, self.records]
        unread = [part for part in found if not any(part is one for one in read)]
        return [one[0] if isinstance(one, tuple) else one for part in unread for one in part]


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
    if any(member.name == "data.pkl" for member in members):
        raise FormatError(
            "a PyTorch file, which holds Python objects: none is opened here; save its arrays with "
            "numpy.savez('data.npz', x_train=..., y_train=...)"
        )
    if request.which is not None and not libsvm.is_layout(request.which):
        members = choosing.chosen(members, request.which)
        request = replace(request, which=None)
    found = _sorted(members, request)
    _check_kinds(found)
    if found.arrays and (sets := choosing.several([member for member, _ in found.arrays])):
        raise choosing.choose_one(sets)
    packed = [member for member in found.archives if member.name.lower().endswith(".npz")]
    if found.arrays or packed and not (found.tables or found.pictures):
        contents = _read_arrays(found.arrays, packed, request)
        left = [member for member in found.beside(found.arrays) if member not in packed]
    elif found.tables:
        contents, left = _read_tables(found.tables, request), found.beside(found.tables)
    elif found.pictures:
        contents, left = _read_pictures(found, request)
    elif found.records:
        beside = found.beside(found.records)
        contents, left = cifar.read_members(found.records, beside, request)
    else:
        raise FormatError(_nothing(members, found.archives))
    contents, left = _mapped(contents, left)
    return _with_note(contents, left)


def _mapped(found: Contents, left: Sequence[Member]) -> tuple[Contents, Sequence[Member]]:
    """Return the sets with classes called as EMNIST's mapping beside them says, turned right.

    So EMNIST's own archive is known; its images lie on their side, as `matrices` finds them too.
    """
    tables = [m for m in left if m.name.endswith("mapping.txt") and m.size < _MAPPING_BYTES]
    codes = (
        mapping.codes_of(tables[0].head(_MAPPING_BYTES).decode(errors="replace"))
        if tables
        else None
    )
    if codes is None or len(tables) > 1 or found.train is None:
        return found, left
    if not says_upright(found.train):
        note = "EMNIST's images lie on their side: they were turned."
        found = replace(turned_contents(found), notes=(*found.notes, note))
    return mapping.renamed(found, codes), [m for m in left if m is not tables[0]]


def _check_kinds(found: Sorted) -> None:
    """Raise FormatError where an archive holds two sets of different kinds, and not one twice."""
    if (found.arrays or found.tables) and in_folders(found.pictures):
        other = found.arrays or found.tables
        raise FormatError(
            f"{len(found.pictures):,} pictures in folders named by class, and {other[0][0].name} "
            "beside them: give the one or the other"
        )


def _sorted(members: Sequence[Member], request: Request) -> Sorted:
    """Return the members by what they are; only heads are read."""
    found = Sorted([member for member in members if is_named(member)])
    unnamed = len(members) - len(found.pictures)
    if unnamed > MAX_UNNAMED:
        raise FormatError(
            f"{unnamed:,} files that are no pictures by their names, and "
            f"{MAX_UNNAMED:,} at most are looked into: leave out what is no data, and give "
            "pictures names that end in .png or .jpg"
        )
    for member in members:
        if not is_named(member):
            request.deadline.check()
            _sort(member, found, request)
    found.pictures.sort(key=lambda member: member.path)
    return found


def _sort(member: Member, found: Sorted, request: Request) -> None:
    packed, head, known = member.head(_PACKED_HEAD), b"", None
    with suppress(FormatError), opened(packed) as stream:
        head = stream.peek(HEAD_BYTES)
        known = find(head, request.formats)
    if kind_of(packed) is not None:
        found.pictures.append(member)
    elif (known is None or known.kind == "idx") and (kind := cifar.kind_of_member(member)):
        found.records.append((member, kind))
    elif known is None:
        found.others.append(member)
    elif known.kind in ("zip", "tar"):
        found.archives.append(member)
    elif known.array is not None:
        found.arrays.append((member, known))
    elif known.kind == "csv" and listing.looks_so(head):
        found.listings.append(member)
    else:
        found.tables.append((member, known))


def _read_pictures(found: Sorted, request: Request) -> tuple[Contents, list[Member]]:
    """Return what pictures make, by a table of their labels where there is one, and what is left.

    Folders named by class go before a table.
    """
    listed: dict[str, str] = {}
    used: list[Member] = []
    for member in [] if in_folders(found.pictures) else found.listings:
        with _open(member, request) as stream:
            labels = listing.read_listing(stream, found.pictures)
        if labels and len(set(labels.values())) > 1:
            listed, used = labels | listed, [*used, member]
    contents = read_pictures(found.pictures, request, listed)
    if used:
        names = ", ".join(member.name[-60:] for member in used)
        contents = replace(contents, notes=(*contents.notes, f"Labels are those in {names}."))
    return contents, [m for m in found.beside(found.pictures) if m not in used]


@contextmanager
def _open(member: Member, request: Request) -> Iterator[Stream]:
    with (
        member.open() as file,
        opened(file, most=member.size, deadline=request.deadline) as stream,
    ):
        stream.name = member.name
        yield stream


def _nothing(members: Sequence[Member], archives: Sequence[Member]) -> str:
    if archives:
        return "archives inside the archive: unpack it and give one of them"
    shown = ", ".join(member.name[:40] for member in members[:3]) or "no file at all"
    holds = f"no data in it; it holds {shown}{', …' * (len(members) > 3)}: "
    look = looks_like(members[0].head(HEAD_BYTES)) if members else None
    if look is not None and look[0] != "plain text":
        return f"{holds}the first is {look[0]}: {look[1]}"
    return (
        f"{holds}pictures are PNG, JPEG, BMP, GIF, TIFF, WebP or AVIF in folders named by class, "
        "data are IDX, CSV or .npy files"
    )


def _with_note(found: Contents, left_out: Sequence[Member]) -> Contents:
    if not left_out:
        return found
    number = f"{len(left_out):,} other files were" if len(left_out) > 1 else "One other file was"
    note = f"{number} left out, such as {left_out[0].name[:60]}."
    return replace(found, notes=(*found.notes, note))


def _read_arrays(data: Sequence[Known], packed: Sequence[Member], request: Request) -> Contents:
    """Return the sets in arrays that lie together, in .npz files inside too."""
    gathered = Gathered(request)
    for member, known in data:
        with _open(member, request) as stream:
            gathered.add(member.path.removesuffix(".npy"), stream, known)
    for outer in packed:
        with (
            _open(outer, request) as stream,
            zip_members(stream.seekable(gathered.left)) as inside,
        ):
            for member in inside:
                known = find(member.head(HEAD_BYTES), request.formats)
                name = f"{outer.path.removesuffix('.npz')} {member.path.removesuffix('.npy')}"
                if known is not None:
                    with _open(member, request) as inner:
                        gathered.add(name, inner, known)
    return gathered.contents()


def _read_tables(data: Sequence[Known], request: Request) -> Contents:
    """Return the sets in tables that lie together; what has no labels, where that is wanted."""
    parts: dict[str, Contents] = {}
    alone: dict[str, Contents] = {}
    notes: list[str] = []
    for name, found in _tables(data, request):
        part = pairing.part_of(name)
        if found.train is None:
            alone[name] = found
        elif part not in parts:
            parts[part] = found
        elif _digests(parts[part]) == _digests(found):
            notes.append(f"{name[-60:]} is the same as another table: it was read once.")
        else:
            raise FormatError(
                f"{len(data)} tables, and nothing tells training from test: name them train.csv "
                "and test.csv, or give one (--set NAME on the command line)"
            )
    if alone and (request.unlabelled or not parts):
        return _one_alone(alone)
    notes += [
        f"{name[-60:]} has no labels, and is left out: a trained network can answer its "
        f"{len(found):,} images (nnengine predict)."
        for name, found in alone.items()
    ]
    found = _as_one(parts, data[0][1].title)
    return replace(found, notes=(*found.notes, *notes))


def _tables(data: Sequence[Known], request: Request) -> Iterator[tuple[str, Contents]]:
    """Yield each table with what it is called, its shards as one."""
    pieces: dict[tuple[str, int], dict[int, Contents]] = {}
    left = request.max_bytes
    for member, known in data:
        with _open(member, request) as stream:
            found = known.read(stream, replace(request, max_bytes=left))
        left -= found.nbytes
        name, number, count = shards.whole(member.name)
        if count == 1:
            yield member.name, found
        else:
            pieces.setdefault((name, count), {})[number] = found
    for (name, count), held in pieces.items():
        yield name, shards.joined(name, held, count)


def _digests(found: Contents) -> list[str]:
    return [data.digest for data in found.sets]


def _one_alone(alone: dict[str, Contents]) -> Contents:
    """Return the images of the only table without labels."""
    if len(alone) > 1:
        raise FormatError(f"{len(alone)} tables without labels, {', '.join(alone)}: give one")
    return next(iter(alone.values()))


def _scale(found: Contents) -> str:
    """Return what is said of the pixels' scale."""
    scaled = [note for note in found.notes if note.startswith("Pixels were from")]
    return scaled[0].rstrip(".") if scaled else "as they are"


def _as_one(parts: dict[str, Contents], title: str) -> Contents:
    """Return the tables of several parts as one; raises FormatError where their scales differ."""
    scales = {part: _scale(found) for part, found in parts.items()}
    if len(set(scales.values())) > 1:
        said = "; ".join(f"{part or 'one table'}: {scale}" for part, scale in scales.items())
        raise FormatError(
            f"the tables are of different scales ({said}): give all with pixels from 0 to 255"
        )
    order, left_out = in_order({part: len(found) for part, found in parts.items()})
    sets = shards.of_one_naming(alike([data for part in order for data in parts[part].sets]))
    notes = [note for found in parts.values() for note in found.notes]
    return Contents(
        form=f"{title}s" if len(parts) > 1 else title,
        train=sets[0],
        test=sets[1] if len(sets) > 1 else None,
        notes=tuple(dict.fromkeys((*notes, *left_out))),
    )
