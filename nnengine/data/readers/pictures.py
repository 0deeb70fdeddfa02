"""Pictures: a folder or zip of PNG or JPEG files, whose classes their places or names tell.

`train/7/00.png`, `7/00.png` or `7_00.png`: a folder named train or test says the part, the folder
that holds the picture says the class, and where folders say none the name does, up to its first
underscore or hyphen. Pillow opens the files; it is asked for here and nowhere else in the engine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ...errors import FormatError
from .. import pairing
from ..dataset import MAX_CLASSES
from .archive import Member
from .contents import Contents, datasets

MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
ENDINGS = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
LARGEST_PX = 64  # sides that are kept as they are; a wider picture has more inputs than it needs
SIDE_PX = 28
MAX_PIXELS = 2**24  # of one picture as it lies in the file
MAX_ALL_PIXELS = 2**29  # of all together: 5 to 8 s of unpacking, at 64 to 100 million a second
_NAMED = re.compile(r"([^_\-]+)[_\-].+")


def is_picture(member: Member) -> bool:
    """Return whether a member is called, or begins, like a PNG or JPEG."""
    return member.name.lower().endswith(ENDINGS) or member.head(8).startswith(MAGICS)


def read_pictures(members: Sequence[Member], *, name: str, max_bytes: int) -> Contents:
    """Return the sets that pictures make, grey, classes in the order of their names.

    Pictures of one size up to 64 x 64 stay as they are; others are brought to 28 x 28, whole and
    in proportion. Dark on light becomes light on dark, as MNIST is. Raises FormatError.
    """
    places = [_place(member) for member in members]
    classes = _classes(members, places)
    names = _ordered(classes)
    shape, framed = _one_shape(members)
    if len(members) * shape[0] * shape[1] > max_bytes:
        raise FormatError(f"{len(members):,} pictures need more than {max_bytes:,} bytes")
    images = np.empty((len(members), *shape), np.uint8)
    for image, member in zip(images, members, strict=True):
        image[...] = _grey(member, shape if framed else None)
    notes = [_FRAMED] if framed else []
    if _is_light(images):
        np.subtract(255, images, out=images)
        notes.append("Dark on light became light on dark, as MNIST is.")
    number = {label: i for i, label in enumerate(names)}
    labels = np.array([number[label] for label in classes], np.uint8)
    part = np.array([place[0] for place in places])
    parts = {str(p): (images[part == p], labels[part == p]) for p in dict.fromkeys(part)}
    return datasets(parts, form="pictures", name=name, notes=notes, class_names=names)


_FRAMED = (
    f"The pictures differ in size or are large: each was brought to {SIDE_PX} x {SIDE_PX} pixels, "
    "whole and in proportion."
)


def _place(member: Member) -> tuple[str, str]:
    """Return (part, folder that may name the class) of a picture."""
    folders = list(PurePosixPath(member.path).parts[:-1])
    part = next((p for folder in folders if (p := _part(folder))), "")
    rest = [folder for folder in folders if not _part(folder)]
    return part, rest[-1] if rest else ""


def _part(folder: str) -> str:
    """Return the part a folder stands for; "tested-by-anna" and "valley" are classes."""
    whole = re.fullmatch(
        r"(train|training|test|testing|val|valid|validation|t10k)([_\- ]?(set|images|data))?",
        folder.lower(),
    )
    return pairing.part_of(folder) if whole else ""


def _classes(members: Sequence[Member], places: Sequence[tuple[str, str]]) -> list[str]:
    folders = [folder for _, folder in places]
    if len(set(folders)) > 1 and all(folders):
        return folders
    classes = []
    for member in members:
        match = _NAMED.fullmatch(member.name.rpartition(".")[0])
        if match is None:
            raise FormatError(
                f"{member.path[-60:]}: nothing tells its class: put pictures into folders named "
                "by class (7/00.png), or begin their names with it (7_00.png)"
            )
        classes.append(match[1])
    return classes


def _ordered(classes: Sequence[str]) -> list[str]:
    """Return the distinct names: numbers by value, words by alphabet."""
    names = sorted(set(classes), key=lambda n: (not n.isdecimal(), int(n) if n.isdecimal() else n))
    if len(names) > MAX_CLASSES:
        raise FormatError(
            f"{len(names):,} classes, such as {names[0][:20]} and {names[1][:20]}: there can be "
            f"{MAX_CLASSES}; put pictures into folders named by class"
        )
    return names


def _one_shape(members: Sequence[Member]) -> tuple[tuple[int, int], bool]:
    """Return the (height, width) images will have, and whether they must be brought to it."""
    sizes, total = set(), 0
    for member in members:
        with _opened(member) as picture:
            sizes.add((picture.height, picture.width))
            total += picture.height * picture.width
            if picture.height * picture.width > MAX_PIXELS or total > MAX_ALL_PIXELS:
                raise FormatError(
                    f"{member.path[-60:]}: {picture.width:,} x {picture.height:,} pixels, with "
                    "those before it more than are read: save the pictures smaller"
                )
    if len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST_PX:
        return sizes.pop(), False
    return (SIDE_PX, SIDE_PX), True


class _opened:
    """A picture while it is open, its size known and its pixels not yet unpacked."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def __enter__(self) -> Any:
        image = _pillow()
        self._file = self._member.open()
        try:
            self._picture = image.open(self._file, formats=FORMATS)
        except Exception as error:  # Pillow raises many kinds, a bomb among them
            self._file.close()
            raise self._fault(error) from error
        return self._picture

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._picture.close()
        self._file.close()
        if isinstance(error, Exception) and not isinstance(error, (FormatError, MemoryError)):
            raise self._fault(error) from error

    def _fault(self, error: Exception) -> FormatError:
        return FormatError(
            f"{self._member.path[-60:]}: not a whole PNG or JPEG picture "
            f"({type(error).__name__}): save it again, or leave it out"
        )


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise FormatError(
            "pictures need Pillow, which is not installed: pip install pillow, or give the "
            "images as IDX, CSV or .npz"
        ) from None
    return Image


def _grey(member: Member, frame: tuple[int, int] | None) -> np.ndarray:
    """Return a picture as uint8 (h, w), brought to `frame` where one is given."""
    with _opened(member) as picture:
        if frame:
            picture.draft("L", (4 * frame[1], 4 * frame[0]))  # a large JPEG is unpacked smaller
        pixels = _levels(picture)
        return _framed(pixels, frame) if frame else pixels


def _levels(picture: Any) -> np.ndarray:
    if picture.mode.startswith("I"):  # 16 bits a pixel: the upper 8 are enough
        return (np.asarray(picture).astype(np.int64) // 257).clip(0, 255).astype(np.uint8)
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    pixels = np.asarray(picture.convert("LA")).astype(np.float32)
    level, alpha = pixels[..., 0], pixels[..., 1] / 255
    seen = alpha.sum()
    # What is transparent is paper, of the colour that the strokes stand out from.
    ground = 255.0 if not seen or (level * alpha).sum() / seen < 128 else 0.0
    return np.rint(ground + (level - ground) * alpha).astype(np.uint8)


def _framed(pixels: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """Return the whole picture in proportion in the middle of `frame`, on its border's colour."""
    image = _pillow().fromarray(pixels)
    scale = min(frame[0] / image.height, frame[1] / image.width)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = np.asarray(image.resize(size, _pillow().Resampling.BOX if scale < 1 else None))
    out = np.full(frame, np.median(_border(pixels)), np.uint8)
    top, left = (frame[0] - small.shape[0]) // 2, (frame[1] - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _is_light(images: np.ndarray) -> bool:
    """Return whether most pictures have a light border."""
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    return bool((np.median(edges, axis=1) > 127).mean() > 0.5)
