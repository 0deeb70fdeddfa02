"""Pictures: a folder or archive of PNG, JPEG or other pictures, brought to one size, as one set.

What their places and names say of their classes is for `classes` to tell, what is in the files for
`decoding`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...errors import FormatError
from ..dataset import MAX_CLASSES
from ..framing import to_image
from ..limits import MAX_ALL_PIXELS, MAX_PICTURE_BYTES
from ..paper import writing
from ..sources import Stream
from .archive import Member
from .classes import nothing_tells, told
from .colours import in_colour, settled
from .contents import Contents, as_bytes, datasets, frozen
from .contract import Request
from .decoding import (
    KEPT,
    BrokenPictureError,
    colours,
    levels,
    lies_on_side,
    opened,
    orientation,
    pillow,
    plain_levels,
    size_of_png,
    upper_bits,
    upright,
)
from .inverted import made_light_on_dark

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif")
LARGEST_PX = 64  # sides that are kept as they are; a wider picture has more inputs than it needs
SIDE_PX = 28
MOST_BROKEN = 0.01  # share of pictures that are left out where they are damaged; more are refused


def is_named(member: Member) -> bool:
    """Return whether a member is called like a picture."""
    return member.name.lower().endswith(ENDINGS)


def read_pictures(
    members: Sequence[Member], request: Request, listed: Mapping[str, str] | None = None
) -> Contents:
    """Return the sets that pictures make, classes in the order of their names.

    Pictures of one size up to 64 x 64 stay as they are; others are brought to 28 x 28, whole and
    in proportion. Sets in colour stay so (see `colours`); in grey ones dark on light becomes light
    on dark, as MNIST is. `listed` are classes by path,
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
        parts, form="pictures", name=request.name, notes=[*found.notes, *notes], class_names=names,
        colours=request.colours,
    )  # fmt: skip


def read_one(stream: Stream, request: Request) -> Contents:
    """Return a single picture as an image to be answered, uint8 (1, h, w) or (1, h, w, 3).

    One of up to 64 x 64 pixels stays as it is, but grey becomes light on dark; a larger one is
    framed as a drawing is, 28 x 28, and one in colour whole and in proportion. Raises FormatError.
    """
    raw = stream.rest(MAX_PICTURE_BYTES)
    with opened(raw, request.name, kinds=KEPT) as picture:
        if picture.mode.startswith("I"):
            found = upper_bits(picture, lone=True)
        else:
            found = (colours if request.colours else levels)(picture)
        pixels = upright(found, orientation(raw))
    if pixels.ndim == 3:
        return _one_in_colour(pixels, request)
    if max(pixels.shape) > LARGEST_PX:
        high, wide = pixels.shape
        notes = [f"A picture of {wide:,} x {high:,} pixels, framed as MNIST's."]
        written = writing(pixels)
        if written is not pixels:
            notes.append("What lies around its paper or across it, as a desk, was left out.")
        images = frozen(to_image(written)[None])
        if not images.any():
            notes.append("Nothing stands out from its background: it counts as blank.")
        return Contents(form="picture", images=images, notes=tuple(notes))
    images = np.array(pixels[None])
    notes = made_light_on_dark(images)
    return Contents(form="picture", images=frozen(images), notes=tuple(notes))


def _one_in_colour(pixels: np.ndarray, request: Request) -> Contents:
    shape, notes = request.shape or (SIDE_PX, SIDE_PX), ()
    high, wide = pixels.shape[:2]
    if max(high, wide) > LARGEST_PX or request.shape and (high, wide) != shape:
        pixels = _framed(pixels, shape)
        notes = (
            f"A picture of {wide:,} x {high:,} pixels, brought to {shape[1]} x {shape[0]}, whole "
            "and in proportion.",
        )
    return Contents(form="picture", images=frozen(np.array(pixels[None])), notes=notes)


def _images_alone(members: Sequence[Member], request: Request) -> Contents:
    """Return pictures of which nothing tells the classes: numbers in names count as numbers."""
    ordered = sorted(members, key=lambda member: _counted(member.path))
    images, _, notes = decoded(ordered, request)
    scaled, said = as_bytes({"the pictures": images})
    scaled, done = settled(scaled, request.colours)
    last = f" to {ordered[-1].name[-40:]}" if len(ordered) > 1 else ""
    notes.append(f"Nothing tells classes: images alone, from {ordered[0].name[-40:]}{last}.")
    return Contents(
        form="pictures", images=frozen(scaled["the pictures"]), notes=tuple([*notes, *said, *done])
    )


def _counted(path: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d{1,18})", path)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def decoded(
    members: Sequence[Member], request: Request
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return images uint8 (n, h, w), in colour (n, h, w, 3); which of the members are whole, bool;
    and what was done.
    """
    shape, framed, whole = _one_shape(members, request)
    if len(members) * shape[0] * shape[1] > request.max_bytes:
        text = f"{len(members):,} pictures need more than {request.max_bytes:,} bytes"
        raise FormatError(text, too_large=True)
    notes = [_FRAMED.format(shape[1], shape[0])] if framed else []
    try:
        images, turned = _all(members, whole, shape, framed, request)
    except _TooLargeInColourError:
        request = replace(request, colours=False)
        images, turned = _all(members, whole, shape, framed, request)
        notes.append(
            f"In colour they would need more than {request.max_bytes:,} bytes: they became grey."
        )
    left_out = [members[at] for at in np.flatnonzero(~whole).tolist()]
    images = images[whole] if left_out else images
    if turned:
        notes.append(f"{turned:,} photographs lie as their files say: they were put upright.")
    if left_out:
        number = "One picture is" if len(left_out) == 1 else f"{len(left_out):,} pictures are"
        notes.append(f"{number} damaged, such as {left_out[0].path[-60:]}: left out.")
    images, done = settled({"": images})
    if images[""].ndim == 3:
        done += made_light_on_dark(images[""])
    return images[""], whole, notes + done


class _TooLargeInColourError(Exception):
    """Pictures have colours, and there is no room for three channels."""


def _all(
    members: Sequence[Member],
    whole: np.ndarray,
    shape: tuple[int, int],
    framed: bool,
    request: Request,
) -> tuple[np.ndarray, int]:
    """Return the images of the members that are whole, and how many of them were put upright.

    Channels come with the first picture that has colours, and those before it are equal in all.
    """
    images, turned = np.empty((len(members), *shape), np.uint8), 0
    for at in np.flatnonzero(whole).tolist():
        request.deadline.check()
        try:
            pixels, how = _pixels(members[at], shape, framed, request.colours)
        except BrokenPictureError as error:
            _leave_out(whole, at, error)
            continue
        if pixels.ndim > images.ndim - 1:
            if 3 * images.size > request.max_bytes:
                raise _TooLargeInColourError
            images = in_colour(images)
        images[at] = pixels if pixels.ndim == images.ndim - 1 else pixels[..., None]
        turned += how > 1
    return images, turned


def _leave_out(whole: np.ndarray, at: int, error: FormatError) -> None:
    """Count a picture as damaged; raises the error where too many are."""
    whole[at] = False
    if (~whole).sum() > MOST_BROKEN * len(whole):
        raise error


_FRAMED = (
    "The pictures differ in size or are large: each was brought to {} x {} pixels, whole and in "
    "proportion."
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
    return (request.colours and request.shape) or (SIDE_PX, SIDE_PX), True, whole


def _raw(member: Member) -> bytes:
    """Return the bytes of a picture's file, after a look at how many it claims."""
    if member.size > MAX_PICTURE_BYTES:
        raise FormatError(
            f"{member.path[-60:]}: a picture of {member.size:,} bytes, and {MAX_PICTURE_BYTES:,} "
            "are read: save it smaller"
        )
    with member.open() as file:
        return file.read(MAX_PICTURE_BYTES)


def _pixels(
    member: Member, shape: tuple[int, int], framed: bool, in_colours: bool
) -> tuple[np.ndarray, int]:
    """Return a picture as uint8 of this shape, upright, brought to it where it is to be framed.

    With channels where it has colours and these are wanted. And what its file says of how it lies,
    as Exif counts.
    """
    raw = _raw(member)
    plain = None if framed else plain_levels(raw, shape)
    if plain is not None:
        return plain, 1
    how = orientation(raw)
    with opened(raw, member.path[-60:], kinds=KEPT) as picture:
        if framed:  # a large JPEG is unpacked smaller
            picture.draft("RGB" if in_colours else "L", (4 * shape[1], 4 * shape[0]))
        pixels = upright((colours if in_colours else levels)(picture), how)
        if not framed and pixels.shape[:2] != shape:
            raise BrokenPictureError("not of the size that it says: save it again")
        return (_framed(pixels, shape) if framed else pixels), how


def _framed(pixels: np.ndarray, frame: tuple[int, int]) -> np.ndarray:
    """Return the whole picture in proportion in the middle of `frame`, on its border's colour."""
    image = pillow().fromarray(np.ascontiguousarray(pixels))
    scale = min(frame[0] / image.height, frame[1] / image.width)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = np.asarray(image.resize(size, pillow().Resampling.BOX if scale < 1 else None))
    out = np.empty((*frame, *pixels.shape[2:]), np.uint8)
    out[:] = np.median(_border(pixels), axis=0)
    top, left = (frame[0] - small.shape[0]) // 2, (frame[1] - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
