"""Classes: what the places and names of pictures tell of their part and class, before one is read.

`train/7/00.png`, `7/00.png` or `7_00.png`: a folder named train or test says the part, the folder
that holds the picture says the class, and where folders say none the name does, up to its first
underscore or hyphen, or from its last where what it begins with is a number of the picture. A
picture that nothing tells anything of never takes the classes from the others: it is left out,
which is said, or all are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ...errors import FormatError
from .. import pairing
from .archive import Member

_PART = re.compile(
    r"(train|training|test|testing|val|valid|validation|t10k)"
    r"(?:[_\- ]?(set|images|data|samples?))?"
)
_NAMED = re.compile(r"([^_\-]+)[_\-](?:.*[_\-])?([^_\-]*)")
MOST_WITHOUT = 0.1  # share of one part's pictures that may be without a class beside those with one


@dataclass(frozen=True, slots=True)
class Place:
    """What the folders of a picture say: its part, the class it may have, whether a sample."""

    part: str
    folder: str
    sample: bool


@dataclass(frozen=True, slots=True)
class Told:
    """The pictures whose classes are told, with part and class each; those without; and notes."""

    members: Sequence[Member]
    parts: Sequence[str]
    classes: Sequence[str]
    without: Sequence[Member] = ()
    notes: list[str] = field(default_factory=list)


def told(members: Sequence[Member], listed: Mapping[str, str] | None = None) -> Told:
    """Return what is told of these pictures; `listed` are classes by path, from a table beside.

    Without a single class all of them are `without`. Raises FormatError where some are told and
    others are not, and nothing says which of them to leave.
    """
    places = _places(members)
    notes: list[str] = []
    if listed:
        classes = [listed.get(member.path, "") for member in members]
    elif len({place.folder for place in places} - {""}) > 1:
        classes = [place.folder for place in places]
    else:
        classes, said = _by_name([member.name.rpartition(".")[0] for member in members])
        notes += said
    if not any(classes):
        return Told((), (), (), without=members)
    kept, said = _without_samples(members, places, classes)
    notes += said
    _check_rest(members, places, classes, kept)
    with_class = [i for i in kept if classes[i]]
    without = [i for i in kept if not classes[i]]
    if without:
        notes.append(
            f"{_pictures(len(without))} without a class, such as {members[without[0]].path[-60:]}: "
            "left out."
        )
    return Told(
        members=[members[i] for i in with_class],
        parts=[places[i].part for i in with_class],
        classes=[classes[i] for i in with_class],
        without=[members[i] for i in without],
        notes=notes,
    )


def in_folders(members: Sequence[Member]) -> bool:
    """Return whether these are a set of their own: many pictures in folders named by class."""
    folders = {place.folder for place in _places(members)} - {""}
    return len(folders) > 1 and len(members) >= 5 * len(folders)


def nothing_tells(member: Member) -> FormatError:
    """Return the refusal of pictures of which nothing tells the classes, by the first of them."""
    return FormatError(
        f"{member.path[-60:]}: nothing tells its class: put pictures into folders named "
        "by class (7/00.png), or begin their names with it (7_00.png)"
    )


def _pictures(count: int) -> str:
    return "One picture is" if count == 1 else f"{count:,} pictures are"


def _places(members: Sequence[Member]) -> list[Place]:
    folders = [PurePosixPath(member.path).parts[:-1] for member in members]
    above = {path[:end] for path in set(folders) for end in range(1, len(path))}
    return [_place(path, path in above) for path in folders]


def _place(folders: Sequence[str], holds_others: bool) -> Place:
    """Return what folders say; one that holds folders of pictures itself is no class."""
    part, sample, rest = "", False, ""
    for folder in folders:
        whole = _PART.fullmatch(folder.lower())
        if whole is None:
            rest = folder
            continue
        part = part or pairing.part_of(folder)
        sample = sample or (whole[2] or "").startswith("sample")
    last_says_part = bool(folders) and _PART.fullmatch(folders[-1].lower()) is not None
    return Place(part, "" if holds_others and not last_says_part else rest, sample)


def _by_name(stems: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the classes that names begin with, or end in, and what is to be said of it.

    `7_00` and `00001_7`: a class comes back in many names, the number of a picture does not. All
    are empty where neither end tells any class.
    """
    matches = [_NAMED.fullmatch(stem) for stem in stems]
    first = [match[1] if match else "" for match in matches]
    last = [match[2] if match else "" for match in matches]
    one, other = len(set(first) - {""}), len(set(last) - {""})
    count = len(stems) - first.count("")
    comes_back = 2 <= other <= count / 2
    if comes_back and (one == 1 or one > count / 2 and one > 2 * other):
        at = next(i for i, match in enumerate(matches) if match)
        note = f"The names end in their classes, such as {last[at][:20]} in {stems[at][-40:]}."
        return last, [note]
    if one == 1 and count > 1 or one > count / 2 and count > 20:
        return [""] * len(stems), []  # all of one kind, or a number each: no class
    if comes_back:  # a writer and a digit, in whichever order
        at = next(i for i, match in enumerate(matches) if match)
        note = f"The names begin with their classes, such as {first[at][:20]} in {stems[at][-40:]}."
        return first, [note]
    return first, []


def _without_samples(
    members: Sequence[Member], places: Sequence[Place], classes: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Return the places of pictures that are no sample of a part which is there itself."""
    whole = {place.part for place in places if not place.sample}
    samples = [i for i, place in enumerate(places) if place.sample and place.part in whole]
    if not samples:
        return list(range(len(members))), []
    first = members[samples[0]].path.partition("/")[0][:40]
    note = f"{first}: samples of what is here itself, {_pictures(len(samples))} left out."
    left = set(samples)
    return [i for i in range(len(members)) if i not in left], [note]


def _check_rest(
    members: Sequence[Member], places: Sequence[Place], classes: Sequence[str], kept: Sequence[int]
) -> None:
    """Raise FormatError where a part has pictures with a class and many without one."""
    for part in {places[i].part for i in kept}:
        inside = [i for i in kept if places[i].part == part]
        without = [i for i in inside if not classes[i]]
        if len(without) < len(inside) and len(without) > MOST_WITHOUT * len(inside):
            raise FormatError(
                f"{members[without[0]].path[-60:]}: nothing tells its class, nor that of "
                f"{len(without) - 1:,} others, while {len(inside) - len(without):,} pictures have "
                "one: put all into folders named by class (7/00.png), or take those away"
            )
