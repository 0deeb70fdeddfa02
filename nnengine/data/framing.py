"""Drawing: any picture of one character becomes the image MNIST's makers would have made of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..core.arithmetic import calmly
from ..errors import FormatError

SIZE = 28  # sides of MNIST's images, pixels
SIDE = 20  # longest side of the ink inside them, pixels
MAX_PIXELS = 2**24
POLARITIES = ("auto", "light on dark", "dark on light")

# Levels out of 255 between the lightest and the darkest pixel: less is a blank sheet, not ink.
MIN_CONTRAST = 20
# Share of full ink that counts. Large pictures have soft edges and the rings of JPEG around their
# strokes; in small ones each grey was put there by somebody's anti-aliasing (with FAINT for all,
# 6 % of MNIST's test images lost a pale row, and 7 in 10,000 moved by a pixel).
FAINT = 0.05
FAINT_SMALL = 0.01
# A cell of the final grid with less than this share of the fullest cell's ink is a speck.
SPECK = 0.1
# Width of the pen in pixels of the final image: nine in ten of MNIST's own lie in this range
# (measured as `_pen_width` does, on the training images). A felt tip is thinned to the upper end,
# a hairline thickened to the lower; what lies between stays as it was drawn.
PEN_RANGE = (1.9, 3.8)
BLOB = 8.0  # wider than this, in the same pixels, is no stroke of a pen and stays as it is
FINE = 4  # grid cells a final pixel, each way, on which a pen is made thinner or thicker
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@calmly
def to_image(pixels: np.ndarray, *, polarity: str = "auto") -> np.ndarray:
    """Return uint8 (28, 28): light ink on 0, longest side 20, centre of mass in the middle.

    `pixels` is grey (h, w) or (h, w, 1), grey with alpha (h, w, 2), RGB (h, w, 3) or RGBA
    (h, w, 4), values 0..255 (or bool), of any size up to 16.7 million pixels. `polarity` says
    which side is ink; "auto" takes what lies along the border for the background. Where the
    border is transparent, what is opaque is ink and `polarity` has nothing to decide.

    The steps are those of LeCun et al. 1998 ("Gradient-based learning applied to document
    recognition", III.A): fit into 20x20 with anti-aliasing, then move the centre of mass to the
    middle, here by whole pixels as in the published files (it falls within pixel (14, 14) in
    every one of them). Ink is never cut: a shift that would do so stops at the border. The
    strongest pixel becomes 255. In pictures larger than the image itself a pen far thinner or
    thicker than any of MNIST's is brought to the nearest of theirs. A blank picture gives zeros.
    Raises FormatError.
    """
    ink = _trim(_ink(pixels, polarity))
    image = np.zeros((SIZE, SIZE), dtype=np.uint8)
    if ink.size == 0:
        return image
    if max(ink.shape) > SIZE:
        ink = _with_fitting_pen(ink)
    small = _resample(ink, _fitted(ink.shape))
    small = np.rint(small * (255 / small.max())).astype(np.uint8)
    top, left = (_start(small, axis) for axis in (0, 1))
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return image


@calmly
def to_images(pictures: Iterable[np.ndarray], *, polarity: str = "auto") -> np.ndarray:
    """Return uint8 (n, 28, 28): each of n pictures as `to_image` frames it.

    pictures: an array (n, h, w) or (n, h, w, channels), or any sequence of pictures, whose sizes
    may differ. No picture gives (0, 28, 28). Raises FormatError, naming the picture by number.
    """
    images = []
    for number, pixels in enumerate(pictures):
        try:
            images.append(to_image(pixels, polarity=polarity))
        except FormatError as fault:
            raise FormatError(f"picture {number:,}: {fault}") from None
    return np.array(images, dtype=np.uint8).reshape(-1, SIZE, SIZE)


@calmly
def is_empty(pixels: np.ndarray, *, polarity: str = "auto") -> bool:
    """Return whether nothing is drawn: no pixel stands out from the background.

    Takes what `to_image` takes; raises FormatError.
    """
    return not (_ink(pixels, polarity) > FAINT).any()


@calmly
def fit(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a framed image, uint8 (h, w), at another size, for networks of other inputs.

    Exact area averages where it shrinks, linear between pixels where it grows. The same shape
    gives the same values. Raises FormatError for a shape without pixels.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise FormatError(f"shape {shape}: expected (height, width), both at least 1")
    return np.rint(_resample(image.astype(np.float32), shape)).astype(np.uint8)


def _ink(pixels: np.ndarray, polarity: str) -> np.ndarray:
    """Return float32 (h, w) in [0, 1]: how much ink each pixel carries."""
    if polarity not in POLARITIES:
        raise FormatError(f"polarity is {polarity!r}: it is one of {', '.join(POLARITIES)}")
    grey, alpha = _planes(_checked(pixels))
    if alpha is not None and alpha.min() < alpha.max():
        if np.median(_border(alpha)) < 128:
            grey, polarity = alpha, "light on dark"
        else:  # rounded corners and the like: a background of its own, with holes in it
            ground = np.median(grey[alpha >= 128])
            grey = ground + (grey - ground) * (alpha / 255)
    low, high = float(grey.min()), float(grey.max())
    if high - low < MIN_CONTRAST:
        return np.zeros(grey.shape, dtype=np.float32)
    middle = (low + high) / 2
    if polarity == "dark on light" or (polarity == "auto" and _is_light(grey, middle)):
        grey, middle = 255 - grey, 255 - middle
    return _above_ground(grey, middle)


def _above_ground(grey: np.ndarray, middle: float) -> np.ndarray:
    """Scale light ink to [0, 1] over its background, and silence the background's own noise."""
    background = grey[grey <= middle]
    ground = np.median(background)
    ink = np.clip((grey - ground) / (grey.max() - ground), 0, 1, dtype=np.float32)
    # A flat background (a canvas, MNIST itself) has no spread, and then every value is kept.
    spread = np.median(np.abs(background - ground)) / (grey.max() - ground)
    if spread > 0:
        ink[ink < min(7 * spread, 0.5)] = 0  # five standard deviations, were it Gaussian
    return ink


def _is_light(grey: np.ndarray, middle: float) -> bool:
    """Return whether the background is light, by majority of the border, else of all pixels."""
    for part in (_border(grey), grey):
        light, dark = np.count_nonzero(part > middle), np.count_nonzero(part < middle)
        if light != dark:
            return bool(light > dark)
    return False


def _border(plane: np.ndarray) -> np.ndarray:
    return np.concatenate([plane[0], plane[-1], plane[1:-1, 0], plane[1:-1, -1]])


def _trim(ink: np.ndarray) -> np.ndarray:
    """Return the part of `ink` that holds the drawing, specks outside it left behind."""
    ink = _cropped(ink, ink > FAINT_SMALL)
    if max(ink.shape) > SIZE:
        ink = _cropped(ink, ink > FAINT)
    while max(ink.shape) > SIZE:
        cells = _resample(ink, _fitted(ink.shape))
        strong = cells > SPECK * cells.max()
        rows, columns = (
            _reach(strong.any(axis=1 - axis), ink.shape[axis] / cells.shape[axis])
            for axis in (0, 1)
        )
        inner = ink[rows, columns]
        inner = _cropped(inner, inner > FAINT)
        if inner.shape == ink.shape:
            break
        ink = inner
    return ink


def _reach(strong: np.ndarray, cell_px: float) -> slice:
    """Return the pixels from the first to the last strong cell, and one cell more around."""
    found = np.flatnonzero(strong)
    return slice(max(0, int((found[0] - 1) * cell_px)), int(np.ceil((found[-1] + 2) * cell_px)))


def _cropped(ink: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return ink[:0, :0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _with_fitting_pen(ink: np.ndarray) -> np.ndarray:
    """Return `ink` as if drawn with a pen of PEN_RANGE: itself, unless its pen lies outside.

    Thinning by r on every side leaves the ends of the drawing 2 r apart the less, and it is then
    scaled up the more: r solves (pen - 2 r) * SIDE / (side - 2 r) = wanted.
    """
    side = SIDE * FINE
    fine = _resample(ink, _fitted(ink.shape, side))
    pen = _pen_width(fine)
    wanted = float(np.clip(pen / FINE, *PEN_RANGE))
    if wanted == pen / FINE or pen / FINE > BLOB:
        return ink
    r = (SIDE * pen - wanted * side) / (SIDE - wanted) / 2
    if r > 0:
        changed = _thinner(fine, r)
    else:  # thicker ink is thinner paper
        paper = np.pad(1 - fine, int(np.ceil(1 - r)), constant_values=1)
        changed = 1 - _thinner(paper, -r, outside=1)
    changed = _cropped(changed, changed > FAINT)
    return changed if changed.size else ink  # a drawing is never lost to this


def _pen_width(ink: np.ndarray) -> float:
    """Return the mean width of the strokes, in pixels: twice their area over their outline.

    The outline's length is the sum of the gradient's magnitude (the coarea formula), so soft
    edges need no threshold.
    """
    padded = np.pad(ink, 2)  # half of an edge lies outside it
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    return 2 * float(ink.sum()) / float(np.hypot(down, across).sum())


def _thinner(ink: np.ndarray, radius: float, outside: float = 0.0) -> np.ndarray:
    """Return the grey erosion of `ink` by a soft-edged disc: strokes lose `radius` on each side."""
    reach = int(np.ceil(radius + 0.5))
    padded = np.pad(ink, reach, constant_values=outside)
    rows, columns = ink.shape
    thin = ink.copy()
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            edge = float(np.hypot(x, y)) - radius + 0.5  # 0 within the disc, 1 outside it
            if edge < 1:
                part = padded[reach + y : reach + y + rows, reach + x : reach + x + columns]
                np.minimum(thin, part + max(edge, 0.0), out=thin)
    return thin


def _fitted(shape: tuple[int, ...], side: int = SIDE) -> tuple[int, int]:
    """Return the (height, width) whose longest side is `side`, proportions kept, none under 1."""
    longest = max(shape)
    height, width = (max(1, round(n * side / longest)) for n in shape)
    return height, width


def _resample(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return `plane` at another size: exact area averages smaller, linear between pixels larger."""
    rows, columns = (_weights(n, m) for n, m in zip(plane.shape, shape, strict=True))
    return rows @ plane @ columns.T


def _weights(n: int, m: int) -> np.ndarray:
    """Return float32 (m, n), rows summing to 1: the share of each of n pixels in each of m."""
    if m > n:
        centres = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
        weights = 1 - np.abs(centres[:, None] - np.arange(n))
    else:
        edges = np.arange(m + 1) * n / m
        inside = np.clip(edges[:, None] - np.arange(n), 0, 1)  # how much of a pixel lies before
        weights = np.diff(inside, axis=0) * m / n
    return np.maximum(weights, 0).astype(np.float32)


def _start(small: np.ndarray, axis: int) -> int:
    """Return where `small` begins in the image along `axis`, so that all of it lies inside."""
    n = small.shape[axis]
    mass = small.sum(axis=1 - axis, dtype=np.int64)
    # Whole numbers throughout: the centre is total / weight, and a tie falls the same way always.
    total, weight = int((mass * (2 * np.arange(n) + 1)).sum()), 2 * int(mass.sum())
    return min(max(SIZE // 2 - total // weight, 0), SIZE - n)


def _planes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (grey, alpha or None), float32 (h, w) in 0..255."""
    if pixels.ndim == 2:
        return pixels.astype(np.float32), None
    channels = pixels.shape[2]
    colours = pixels[..., : channels - 1 if channels in (2, 4) else channels]
    grey = colours.astype(np.float32) @ (LUMA if colours.shape[2] == 3 else np.ones(1, np.float32))
    alpha = pixels[..., -1].astype(np.float32) if channels in (2, 4) else None
    return grey, alpha


def _checked(pixels: np.ndarray) -> np.ndarray:
    """Return `pixels` as numbers 0..255, or raise FormatError saying what they are instead."""
    array = np.asarray(pixels)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        raise FormatError(
            f"picture of shape {array.shape}: expected (height, width) or (height, width, "
            "channels) with 1 to 4 channels; give one picture at a time"
        )
    if array.size == 0:
        raise FormatError(f"picture of shape {array.shape} has no pixels: give at least one")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise FormatError(
            f"picture of {array.shape[1]:,} x {array.shape[0]:,} pixels: at most "
            f"{MAX_PIXELS:,} are read; make it smaller first"
        )
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    return array if array.dtype == np.uint8 else _in_range(array)


def _in_range(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "uif":
        raise FormatError(f"picture holds {array.dtype} values: expected numbers from 0 to 255")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):  # also when either is not a number
        raise FormatError(
            f"picture holds values from {low:g} to {high:g}: expected 0 to 255; scale them first"
        )
    if array.dtype.kind == "f" and 0 < high <= 1:
        raise FormatError(
            f"picture holds fractions up to {high:g}: expected 0 to 255; multiply them by 255"
        )
    return array
