"""Pairing: which labels belong to which images, which pair trains and which one judges.

Asked wherever images and labels lie in files or arrays of their own: names and counts tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

IMAGES, LABELS = "images", "labels"
TRAIN, TEST, VAL = "train", "test", "val"
# Searched for anywhere in a name, in this order: "train-test-split" trains.
_WORDS = ((TRAIN, ("train", "learn")), (TEST, ("test", "t10k")), (VAL, ("val", "dev")))


class Half(Protocol):
    """Images or labels that may have a partner."""

    @property
    def name(self) -> str:
        """What its file is called."""
        ...

    @property
    def kind(self) -> str:
        """`IMAGES` or `LABELS`; anything else is passed over."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def promised(self) -> int:
        """How many there were before the file was cut short."""
        ...


H = TypeVar("H", bound=Half)


def part_of(name: str) -> str:
    """Return "train", "test" or "val" where a name says so, else nothing."""
    lower = name.lower()
    return next((part for part, words in _WORDS if any(word in lower for word in words)), "")


def by_count(images: Half, labels: Half) -> bool:
    """Return whether the two belong together by count.

    Of a file that was cut short the first items are left, in their order: it fits what it would
    fit were it whole.
    """
    return images.count == labels.count or images.promised == labels.promised


def by_part(images: Half, labels: Half) -> bool:
    """Return whether the two belong to the same part by name."""
    return part_of(images.name) == part_of(labels.name)


def match(
    found: Sequence[H], fits: Callable[[Half, Half], bool] = by_count
) -> tuple[list[tuple[H, H]], list[H]]:
    """Return (images, labels) in the order of the images, and what found no partner.

    Where several labels fit, those of the same count, part and beginning of the name are taken.
    """
    free = [half for half in found if half.kind == LABELS]
    pairs, unpaired = [], []
    for images in found:
        if images.kind != IMAGES:
            continue
        fitting = [labels for labels in free if fits(images, labels)]
        if not fitting:
            unpaired.append(images)
            continue
        # max() keeps the first of equals: files dropped in order stay together.
        labels = max(fitting, key=lambda half: _likeness(images, half))
        free = [half for half in free if half is not labels]
        pairs.append((images, labels))
    return pairs, unpaired + free


def _likeness(images: Half, labels: Half) -> tuple[bool, bool, int]:
    letters = zip(images.name, labels.name, strict=False)
    shared = next((i for i, (a, b) in enumerate(letters) if a != b), None)
    if shared is None:
        shared = min(len(images.name), len(labels.name))
    return images.count == labels.count, by_part(images, labels), shared


def choose(pairs: Sequence[tuple[str, int]]) -> tuple[int | None, int | None]:
    """Return which of the pairs trains and which judges: places in `pairs`, or None.

    pairs: the part that a pair's name claims ("train", "test", "val" or nothing) and how many
    images it has. Of two that claim one part the later has it; "val" judges where nothing claims
    "test"; what is left fills the places that are free, the larger first. A single pair trains.
    """
    claims = {part: place for place, (part, _) in enumerate(pairs) if part}
    chosen = {TRAIN: claims.get(TRAIN), TEST: claims.get(TEST, claims.get(VAL))}
    left = [place for place in range(len(pairs)) if place not in chosen.values()]
    for place in sorted(left, key=lambda place: -pairs[place][1]):
        free = next((part for part in (TRAIN, TEST) if chosen[part] is None), None)
        if free:
            chosen[free] = place
    if chosen[TRAIN] is None:
        return chosen[TEST], None
    return chosen[TRAIN], chosen[TEST]
