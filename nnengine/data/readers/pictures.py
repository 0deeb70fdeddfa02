"""Pictures: a folder or archive of PNG, JPEG or other pictures, grey and of one size, as one set.

What their places and names say of their classes is for `classes` to tell, what is in the files for
`decoding`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from ..framing import to_image
from ..limits import MAX_ALL_PIXELS, MAX_PICTURE_BYTES
from ..sources import Stream
from .archive import Member
from .classes import nothing_tells, told
from .contents import Contents, as_bytes, datasets, frozen
from .contract import Request
from .decoding import (
    KEPT,
    BrokenPictureError,
    levels,
    lies_on_side,
    opened,
    orientation,
    pillow,
    plain_levels,
    size_of_png,
    upright,
)
from .inverted import light_ones

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
LARGEST_PX = 64  # sides that are kept as they are; a wider picture has more inputs than it needs
SIDE_PX = 28
MOST_BROKEN = 0.01  # share of pictures that are left out where they are damaged; more are refused


def is_named(member: Member) -> bool:
    """Return whether a member is called like a picture."""
    return member.name.lower().endswith(ENDINGS)


def read_pictures(
    members: Sequence[Member], request: Request, listed: Mapping[str, str] | None = None
) -> Contents:
    """Return the sets that pictures make, grey, classes in the order of their names.

    Pictures of one size up to 64 x 64 stay as they are; others are brought to 28 x 28, whole and
    in proportion. Dark on light becomes light on dark, as MNIST is. `listed` are classes by path,
    which a table beside them gave. Where pictures without classes are asked for, they are images
    alone, in the order of their names. Raises FormatError.
    """
    found = told(members, listed)
    if request.unlabelled and found.without:
        return _images_alone(found.without, request)
    if not found.members:
        raise nothing_tells(members[0])
    names = in_order_of_names(found.classes)
    images, whole, notes = decoded(found.members, request)
    number = {label: i for i, label in enumerate(names)}
    labels = np.array([number[label] for label in found.classes], np.uint8)[whole]
    part = np.array(found.parts)[whole]
    parts = {str(p): (images[part == p], labels[part == p]) for p in dict.fromkeys(part)}
    return datasets(
        parts, form="pictures", name=request.name, notes=[*found.notes, *notes], class_names=names
    )


def read_one(stream: Stream, request: Request) -> Contents:
    """Return a single picture as an image to be answered, uint8 (1, h, w).

    One of up to 64 x 64 pixels stays as it is, but for becoming light on dark; a larger one is
    framed as a drawing is, 28 x 28. Raises FormatError.
    """
    raw = stream.rest(MAX_PICTURE_BYTES)
    with opened(raw, request.name, kinds=KEPT) as picture:
        pixels = upright(levels(picture), orientation(raw))
    if max(pixels.shape) > LARGEST_PX:
        note = f"A picture of {pixels.shape[1]:,} x {pixels.shape[0]:,} pixels, framed as MNIST's."
        return Contents(form="picture", images=frozen(to_image(pixels)[None]), notes=(note,))
    images = np.array(pixels[None])
    notes = _made_light_on_dark(images)
    return Contents(form="picture", images=frozen(images), notes=tuple(notes))


def _images_alone(members: Sequence[Member], request: Request) -> Contents:
    """Return pictures of which nothing tells the classes: numbers in names count as numbers."""
    ordered = sorted(members, key=lambda member: _counted(member.path))
    images, _, notes = decoded(ordered, request)
    scaled, said = as_bytes({"the pictures": images})
    last = f" to {ordered[-1].name[-40:]}" if len(ordered) > 1 else ""
    notes.append(f"Nothing tells classes: images alone, from {ordered[0].name[-40:]}{last}.")
    return Contents(
        form="pictures", images=frozen(scaled["the pictures"]), notes=tuple([*notes, *said])
    )


def _counted(path: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d{1,18})", path)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def decoded(
    members: Sequence[Member], request: Request
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return images uint8 (n, h, w), which of the members are whole, bool, and what was done."""
    shape, framed, whole = _one_shape(members, request)
    if len(members) * shape[0] * shape[1] > request.max_bytes:
        text = f"{len(members):,} pictures need more than {request.max_bytes:,} bytes"
        raise FormatError(text, too_large=True)
    images = np.empty((len(members), *shape), np.uint8)
    turned = 0
    for at in np.flatnonzero(whole).tolist():
        request.deadline.check()
        try:
            images[at], how = _grey(members[at], shape, framed)
        except BrokenPictureError as error:
            _leave_out(whole, at, error)
        else:
            turned += how > 1
    left_out = [member for member, good in zip(members, whole, strict=True) if not good]
    images = images[whole] if left_out else images
    notes = [_FRAMED] if framed else []
    if turned:
        notes.append(f"{turned:,} photographs lie as their files say: they were put upright.")
    if left_out:
        number = "One picture is" if len(left_out) == 1 else f"{len(left_out):,} pictures are"
        notes.append(f"{number} damaged, such as {left_out[0].path[-60:]}: left out.")
    notes += _made_light_on_dark(images)
    return images, whole, notes


def _leave_out(whole: np.ndarray, at: int, error: FormatError) -> None:
    """Count a picture as damaged; raises the error where too many are."""
    whole[at] = False
    if (~whole).sum() > MOST_BROKEN * len(whole):
        raise error


def _made_light_on_dark(images: np.ndarray) -> list[str]:
    """Invert, in place, the images that are dark on light; return what is to be said of it."""
    light = light_ones(images)
    if light.all():
        np.subtract(255, images, out=images)
        return ["Dark on light became light on dark, as MNIST is."]
    if not light.any():
        return []
    np.subtract(255, images, out=images, where=light[:, None, None])
    return [
        f"{light.sum():,} of {len(images):,} pictures were dark on light: they became light on "
        "dark, as MNIST is."
    ]


_FRAMED = (
    f"The pictures differ in size or are large: each was brought to {SIDE_PX} x {SIDE_PX} pixels, "
    "whole and in proportion."
)


def in_order_of_names(classes: Sequence[str]) -> list[str]:
    """Return the distinct names: numbers by value, words by alphabet."""
    names = sorted(set(classes), key=_by_value)
    if len(names) > MAX_CLASSES:
        raise FormatError(
            f"{len(names):,} classes, such as {names[0][:20]} and {names[1][:20]}: there can be "
            f"{MAX_CLASSES}; put pictures into folders named by class"
        )
    return names


def _by_value(name: str) -> tuple[bool, int, str]:
    number = name.isdecimal() and len(name) <= 18  # what is longer is no number that anybody counts
    return not number, int(name) if number else 0, name


def _one_shape(
    members: Sequence[Member], request: Request
) -> tuple[tuple[int, int], bool, np.ndarray]:
    """Return the (height, width) images will have, whether they must be brought to it, and which
    can be opened, bool (n,).
    """
    sizes, total, whole = set(), 0, np.ones(len(members), bool)
    for at, member in enumerate(members):
        request.deadline.check()
        raw = _raw(member)
        size = size_of_png(raw)
        try:
            if size is None:
                with opened(raw, member.path[-60:], kinds=KEPT) as picture:
                    size = picture.height, picture.width
                    sizes |= {size[::-1]} if lies_on_side(picture) else set()
        except BrokenPictureError as error:
            _leave_out(whole, at, error)
            continue
        sizes.add(size[::-1] if orientation(raw) > 4 else size)
        total += size[0] * size[1]
        if total > MAX_ALL_PIXELS:
            raise FormatError(
                f"{member.path[-60:]}: {size[1]:,} x {size[0]:,} pixels, with those before it more "
                f"than the {MAX_ALL_PIXELS:,} that are read: save the pictures smaller"
            )
    if len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST_PX:
        return sizes.pop(), False, whole
    return (SIDE_PX, SIDE_PX), True, whole


def _raw(member: Member) -> bytes:
    """Return the bytes of a picture's file, after a look at how many it claims."""
    if member.size > MAX_PICTURE_BYTES:
        raise FormatError(
            f"{member.path[-60:]}: a picture of {member.size:,} bytes, and {MAX_PICTURE_BYTES:,} "
            "are read: save it smaller"
        )
    with member.open() as file:
        return file.read(MAX_PICTURE_BYTES)


def _grey(member: Member, shape: tuple[int, int], framed: bool) -> tuple[np.ndarray, int]:
    """Return a picture as uint8 of this shape, upright, brought to it where it is to be framed.

    And what its file says of how it lies, as Exif counts.
    """
    raw = _raw(member)
    plain = None if framed else plain_levels(raw, shape)
    if plain is not None:
        return plain, 1
    how = orientation(raw)
    with opened(raw, member.path[-60:], kinds=KEPT) as picture:
        if framed:
            picture.draft("L", (4 * shape[1], 4 * shape[0]))  # a large JPEG is unpacked smaller
        pixels = upright(levels(picture), how)
        if not framed and pixels.shape != shape:
            raise BrokenPictureError("not of the size that it says: save it again")
        return (_framed(pixels, shape) if framed else pixels), how


def _framed(pixels: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """Return the whole picture in proportion in the middle of `frame`, on its border's colour."""
    image = pillow().fromarray(np.ascontiguousarray(pixels))
    scale = min(frame[0] / image.height, frame[1] / image.width)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = np.asarray(image.resize(size, pillow().Resampling.BOX if scale < 1 else None))
    out = np.full(frame, np.median(_border(pixels)), np.uint8)
    top, left = (frame[0] - small.shape[0]) // 2, (frame[1] - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
