"""Distortions: each image widened, moved, bent, soiled, inverted, as its row of numbers says."""

from __future__ import annotations

import functools

import numpy as np

from ..numpy_ import (
    BEND_X,
    BEND_Y,
    FAINT,
    FIELD_X,
    FIELD_Y,
    GRAIN,
    INVERT,
    NOISE,
    ONE,
    STEP,
    WIDTH,
    X0,
    XX,
    XY,
    Y0,
    YX,
    YY,
    read_only,
)
from .bits import BLOCK, copy_bytes, fetch_ahead
from .compiling import compiled, part


@part
def _fill(pixels, shade):
    """Put the shade into every pixel. A slice set to a number takes numba a second to compile."""
    for t in range(pixels.size):
        pixels[t] = shade


@part
def _frame(images, begin, size, w, framed):
    """Put an image, `size` pixels from `begin`, into framed, flat (h + 3, w + 3).

    Its corners' shade comes around it. Rows are copied in whole blocks, whose overhang the next
    row overwrites: 175 -> 30 ns for 28 rows of 28.
    """
    end, wide = begin + size, w + 3
    a, b, c, d = images[begin], images[begin + w - 1], images[end - w], images[end - 1]
    shade = min(min(max(a, b), max(c, d)), max(min(a, b), min(c, d)))  # the second darkest
    _fill(framed[: wide + 1], shade)
    start = wide + 1
    for row in range(begin, end, w):
        for j in range(0, w, BLOCK):
            if row + j + BLOCK <= images.size and start + j + BLOCK <= framed.size:
                copy_bytes(images, row + j, framed, start + j)
            else:
                for k in range(j, min(j + BLOCK, w)):
                    framed[start + k] = images[row + k]
        framed[start + w] = shade
        framed[start + w + 1] = shade
        framed[start + w + 2] = shade
        start += wide
    _fill(framed[start:], shade)


@part
def _thicken(framed, wide, part, inner):
    """Go so many 256ths of the way to the brightest of each pixel and its four neighbours.

    Sixteen bits are enough, so no more are used: 255 * 256 + 128 is the most.
    """
    up, down = framed[1:], framed[2 * wide + 1 :]
    before, here, after = framed[wide:], framed[wide + 1 :], framed[wide + 2 :]
    for t in range(inner.size):
        goal = max(max(up[t], down[t]), max(here[t], max(before[t], after[t])))
        way = np.uint16(np.uint16(goal - here[t]) * part + np.uint16(128)) >> np.uint16(8)
        inner[t] = here[t] + np.uint8(way)


@part
def _thin(framed, wide, part, inner):
    """Go so many 256ths of the way to the darkest; as `_thicken`, a half rounded up."""
    up, down = framed[1:], framed[2 * wide + 1 :]
    before, here, after = framed[wide:], framed[wide + 1 :], framed[wide + 2 :]
    for t in range(inner.size):
        goal = min(min(up[t], down[t]), min(here[t], min(before[t], after[t])))
        way = np.uint16(np.uint16(here[t] - goal) * part + np.uint16(127)) >> np.uint16(8)
        inner[t] = here[t] - np.uint8(way)


@part
def _widen(framed, spare, wide, width):
    """Put framed, flat, into spare with strokes wider or narrower; see `numpy_.widen`.

    The margins take part, because one long loop is faster than many short ones, and are put
    right afterwards. width: at most a whole step.
    """
    inner = spare[wide + 1 : spare.size - wide - 1]
    if width > 0:
        _thicken(framed, wide, np.uint16(width), inner)
    else:
        _thin(framed, wide, np.uint16(-width), inner)
    shade = framed[0]
    _fill(spare[: wide + 1], shade)
    for start in range(2 * wide - 2, spare.size - wide, wide):
        spare[start] = shade
        spare[start + 1] = shade
        spare[start + 2] = shade
    _fill(spare[spare.size - 2 * wide :], shade)


@part
def _fours(framed, wide, fours):
    """Put every pixel with its neighbours to the right and below into one number, uint32."""
    n = fours.size
    a, b = framed[:n], framed[1 : n + 1]
    c, d = framed[wide : n + wide], framed[wide + 1 : n + wide + 1]
    for t in range(n):
        top = np.uint32(a[t]) | np.uint32(b[t]) << np.uint32(8)
        below = np.uint32(c[t]) | np.uint32(d[t]) << np.uint32(8)
        fours[t] = top | below << np.uint32(16)


@part
def _across(steps, bend, strength, to_right, down, start, most, x):
    """Put into x, int32, from which column the pixels come; see `numpy_._sources`."""
    start, least, most = np.int32(start), np.int32(-ONE), np.int32(most)
    for t in range(x.size):
        column, row = np.int32(steps[t] & np.int32(0xFFFF)), np.int32(steps[t] >> np.int32(16))
        moved = np.int32(np.int32(bend[t]) * strength) >> np.int32(3)
        at = np.int32(np.int32(to_right * column) + np.int32(down * row) + moved + start)
        x[t] = min(max(at, least), most)


@part
def _down(steps, bend, strength, to_right, down, start, most, wide, x, at):
    """Put into at between which four pixels each comes from; see `numpy_._sources`.

    x: from which columns, and afterwards the way between the four, 0 to 255 each.
    """
    start, least, most = np.int32(start), np.int32(-ONE), np.int32(most)
    first, low = np.int32(wide + 1), np.int32(255)
    for t in range(x.size):
        column, row = np.int32(steps[t] & np.int32(0xFFFF)), np.int32(steps[t] >> np.int32(16))
        moved = np.int32(np.int32(bend[t]) * strength) >> np.int32(3)
        y = np.int32(np.int32(to_right * column) + np.int32(down * row) + moved + start)
        y = np.int32(min(max(y, least), most))
        at[t] = np.int32((y >> np.int32(16)) * wide) + (x[t] >> np.int32(16)) + first
        x[t] = (x[t] & np.int32(0xFF00)) | (y >> np.int32(8) & low)


@part
def _fetch(fours, at, found):
    """Put into found the four pixels at each place: the one loop that jumps about, so alone."""
    for t in range(at.size):
        found[t] = fours[np.uint32(at[t])]


@part
def _blend(found, between, out):
    """Put into out the grey of each pixel between its four; see `numpy_._move`."""
    # Thirty-two bits all the way, or LLVM takes twice the lanes: 920 instead of 180 ns.
    byte, eight = np.uint32(255), np.int32(8)
    for t in range(out.size):
        four, way = found[t], between[t]
        fx, fy = np.int32(way >> eight), np.int32(way & np.int32(255))
        a, b = np.int32(four & byte), np.int32(four >> np.uint32(8) & byte)
        c, d = np.int32(four >> np.uint32(16) & byte), np.int32(four >> np.uint32(24))
        top = np.int32((a << eight) + (b - a) * fx)
        below = np.int32((c << eight) + (d - c) * fx)
        grey = np.int32((top << eight) + (below - top) * fy + np.int32(1 << 15)) >> np.int32(16)
        keep = (grey >= FAINT) | (way == 0)
        out[t] = np.uint8(grey) if keep else np.uint8(0)


@part
def _soil(out, grains, noise):
    """Add noise to one image, flat; see `numpy_._soil`."""
    for t in range(out.size):
        grey = np.int32(out[t] + (np.int32(grains[t] * noise + 64) >> 7))
        out[t] = np.uint8(min(grey, 255)) if grey >= FAINT else np.uint8(0)


@compiled
def _distort(images, rows, numbers, bends, grains, steps, rooms, wide, out):
    """Do `distort`; everything flat but numbers. Long loops without a branch, one after the other,
    are what LLVM vectorises: 8.6 us an image of MNIST in one loop, 1.1 us this way."""
    framed, spare, fours, found, x, at = rooms
    size, half = x.size, 128  # of the 256 parts of a pixel: rounds to the nearest
    w = wide - 3
    h = size // w
    for n in range(rows.size):
        number = numbers[n]
        if n + 1 < rows.size:  # shuffled rows stand anywhere in 47 MB: 1.5 -> 1.1 us
            for line in range(rows[n + 1] * size, (rows[n + 1] + 1) * size, 64):
                fetch_ahead(images, line)
        flat = out[n * size : (n + 1) * size]
        _frame(images, rows[n] * size, size, w, framed)
        left = number[WIDTH]
        while left != 0:
            part = min(max(left, -STEP), STEP)
            _widen(framed, spare, wide, part)
            framed, spare = spare, framed
            left -= part
        _fours(framed, wide, fours)
        bend = bends[number[FIELD_X] * size : (number[FIELD_X] + 1) * size]
        xx, xy, x0 = number[XX], number[XY], number[X0] + half
        _across(steps, bend, number[BEND_X], xx, xy, x0, w << 16, x)
        bend = bends[number[FIELD_Y] * size : (number[FIELD_Y] + 1) * size]
        yx, yy, y0 = number[YX], number[YY], number[Y0] + half
        _down(steps, bend, number[BEND_Y], yx, yy, y0, h << 16, wide, x, at)
        _fetch(fours, at, found)
        _blend(found, x, flat)
        if number[NOISE] != 0:
            _soil(flat, grains[number[GRAIN] : number[GRAIN] + size], number[NOISE])
        if number[INVERT] != 0:
            for t in range(size):
                flat[t] = 255 - flat[t]


@functools.lru_cache(maxsize=8)
def _steps(h: int, w: int) -> np.ndarray:
    """Return int32 (h * w,): row << 16 | column of every pixel."""
    return (np.arange(h)[:, None] << 16 | np.arange(w)).astype(np.int32).ravel()


def distort(images, rows, numbers, bends, grains, out):
    """Put the images at `rows` into out, each changed as its row of `numbers` says."""
    h, w = out.shape[1:]
    given = images.reshape(-1), rows, numbers, bends.reshape(-1), grains
    given = map(read_only, given)
    framed, spare = np.empty((2, (h + 3) * (w + 3)), np.uint8)
    fours, found = np.empty((h + 2) * (w + 3) - 1, np.uint32), np.empty(h * w, np.uint32)
    rooms = framed, spare, fours, found, *np.empty((2, h * w), np.int32)
    wide, steps = np.int32(w + 3), _steps(h, w)
    _distort(*given, steps, rooms, wide, out.reshape(-1))
