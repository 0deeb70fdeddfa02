"""Choosing: which of the sets in an archive is wanted, where names tell that several lie in it.

EMNIST comes so: 24 files of six sets, emnist-letters-train-images-idx3-ubyte.gz and so on. None is
read before one was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...errors import FormatError
from .archive import Member

_REST = re.compile(
    r"(?:^|[-_.])(?:train(?:ing)?|tests?(?:ing)?|t10k|val(?:id(?:ation)?)?|images?|imgs?|labels?|"
    r"x|y|mapping)(?:[-_.]|$).*",
    re.IGNORECASE,
)
_SHOWN = 8


class SeveralSetsError(FormatError):
    """Several sets lie together, `names`, and none was chosen; or a file can be read in several
    ways, and `asked` is the question, without the file's name.
    """

    def __init__(self, text: str, names: Sequence[str], asked: str = "") -> None:
        super().__init__(text)
        self.names = tuple(names)
        self.asked = asked


def set_of(member: Member) -> str:
    """Return what a file's name calls its set: all before its part, its kind and its ending."""
    name = re.sub(r"(\.[A-Za-z0-9]{1,7}){0,2}$", "", member.name) or member.name
    return _REST.sub("", name)


def several(arrays: Sequence[Member]) -> list[str]:
    """Return the sets that arrays make by their names, where each has images and labels."""
    kinds: dict[str, set[str]] = {}
    for member in arrays:
        called = "labels" if re.search("label", member.name, re.IGNORECASE) else "images"
        kinds.setdefault(set_of(member), set()).add(called)
    whole = [name for name, found in kinds.items() if len(found) == 2]
    return whole if len(whole) > 1 and len(whole) == len(kinds) else []


def chosen(members: Sequence[Member], which: str) -> list[Member]:
    """Return the files of one set: called so, or the only one whose name ends in that.

    Raises FormatError where there is none, or more than one.
    """
    names = list(dict.fromkeys(filter(None, map(set_of, members))))
    found = [name for name in names if name.lower() == which.lower()]
    found = found or [n for n in names if re.split("[-_. ]", n.lower())[-1] == which.lower()]
    if len(found) != 1:
        what = "none" if not found else f"{len(found)} of them"
        raise FormatError(f"{_listed(names)} lie together, and {what} called {which[:40]}")
    return [member for member in members if set_of(member) == found[0]]


def choose_one(names: Sequence[str]) -> SeveralSetsError:
    """Return the question which of several sets is wanted, as an error."""
    short = re.split("[-_. ]", names[-1])[-1]
    return SeveralSetsError(
        f"{_listed(names)} lie together: choose one, --set {short} on the command line or "
        f"which=“{short}” in Python; or give the files of one alone",
        names,
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[-40:] for name in names[:_SHOWN])
    return f"{len(names):,} sets, {shown}{', …' * (len(names) > _SHOWN)},"
