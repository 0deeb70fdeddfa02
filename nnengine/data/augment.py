"""Augment: images as other hands and other cameras would have made them, new at every look."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, cast

import numpy as np

from .. import kernels
from ..core.arithmetic import calmly, read_only
from ..errors import ConfigError, FormatError
from ..kernels import numpy_ as columns

ONE = columns.ONE  # a pixel, or the number one, in the kernel's fixed point
_WIDEST = 2048  # pixels a side: coordinates are 32-bit numbers, 16 of the bits a fraction
_BENDS = 64  # tables of smooth displacements to choose from, where they take 4 MB at most
_THINNEST = 1.0  # pixels taken from strokes at most: many are two wide, and nothing would be left
_GRAINS = 4096  # places at which a stretch of noise may begin
_SMOOTH = 4 / 28  # of the shorter side: sigma of the bends' smoothing, Simard's 4 px of 28 or so
_PIECE_PIXELS = 1 << 18  # of a call of the kernel: 334 images of MNIST's size, half a millisecond
_DRAWS = 14  # random numbers an image, whatever is switched on: no option moves another's stream

# Field: the most that can be asked for, and how a person would say it.
_FIELDS = {
    "shift": (256.0, "moved by up to {:g} px"),
    "rotation": (180.0, "turned by up to {:g}°"),
    "scale": (1.0, "sized by up to {:.0%}"),
    "shear": (1.0, "slanted by up to {:g}"),
    "elastic": (16.0, "bent by up to {:g} px"),
    "stroke_width": (8.0, "strokes up to {:g} px thicker or thinner"),
    "noise": (1.0, "noise of up to {:.0%}"),
    "inversion": (1.0, "{:.0%} of them inverted"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far images may be changed while a network trains; zero is off. Each image its own way.

    shift: pixels, each axis uniform in +-. rotation: degrees, +-. scale: share; each axis has
    its own factor, log-uniform in 1/(1+s) to 1+s. shear: tangent of the slant, +-. elastic:
    pixels by which a smooth random bend moves things, root mean square, up to so much (Simard,
    Steinkraus & Platt 2003). stroke_width: pixels by which strokes become thicker or thinner,
    thinner by one at most. noise: share of full range, uniform grey in +- on every pixel, of up
    to this strength. inversion: share of the images that are shown dark on light.

    What all this leaves fainter than a tenth of full range is black: traces cost a network
    as much time as ink. In images in colour red, green and blue are moved, bent and soiled
    alike, and thickened and left out each for itself. Raises ConfigError for what cannot be.
    """

    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    stroke_width: float = 0.0
    noise: float = 0.0
    inversion: float = 0.0

    def __post_init__(self) -> None:
        for name, (most, _) in _FIELDS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float | np.number):
                raise ConfigError(f"{name} is {value!r}: give a number from 0 to {most:g}")
            if not 0 <= value <= most:
                raise ConfigError(f"{name} is {value:g}: give a number from 0 to {most:g}")
            object.__setattr__(self, name, float(value))  # JSON knows no NumPy numbers

    def __bool__(self) -> bool:
        """Tell whether anything is switched on."""
        return any(getattr(self, name) for name in _FIELDS)

    def as_dict(self) -> dict[str, float]:
        """Return every amount by name: what `from_dict` takes, and JSON too."""
        return asdict(self)

    @classmethod
    def from_dict(cls, amounts: Mapping[str, Any]) -> Augmentation:
        """Return what `as_dict` gave; names left out are off. Raises FormatError for others."""
        known = {field.name for field in fields(cls)}
        if not isinstance(amounts, Mapping) or not set(amounts) <= known:
            raise FormatError(
                f"an augmentation is a table of {', '.join(_FIELDS)}, found {str(amounts)[:60]}"
            )
        try:
            return cls(**amounts)
        except ConfigError as error:
            raise FormatError(f"augmentation: {error}") from None

    def in_words(self) -> str:
        """Return a phrase about the images: "moved by up to 2 px, turned by up to 10°"."""
        amounts = {name: getattr(self, name) for name in _FIELDS}
        said = [_FIELDS[name][1].format(value) for name, value in amounts.items() if value]
        return ", ".join(said) or "as they are"

    def check_shape(self, shape: tuple[int, int]) -> None:
        """Raise ConfigError unless images of (height, width) pixels can be distorted."""
        height, width = shape
        if max(height, width) > _WIDEST:
            raise ConfigError(
                f"images of {height}x{width} pixels cannot be augmented: "
                f"a side has {_WIDEST:,} at most; train without"
            )


# What other hands and pens do. Noise and inversion are for those who ask.
NONE = Augmentation()
GENTLE = Augmentation(shift=1.5, rotation=8, scale=0.1, shear=0.1, elastic=0.5, stroke_width=0.5)
STRONG = Augmentation(shift=3, rotation=15, scale=0.2, shear=0.25, elastic=1, stroke_width=1.5)
PRESETS = {"none": NONE, "gentle": GENTLE, "strong": STRONG}


def parse(text: str) -> Augmentation:
    """Return a preset by its name, or amounts written as "shift=2,rotation=10".

    Raises ConfigError that says what can be written.
    """
    if text in PRESETS:
        return PRESETS[text]
    amounts = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _FIELDS:
            raise ConfigError(
                f"augmentation {part.strip()!r} is not known: give {', '.join(PRESETS)}, or "
                f"amounts such as shift=2,rotation=10 of {', '.join(_FIELDS)}"
            )
        try:
            amounts[name] = float(value)
        except ValueError:
            raise ConfigError(f"{name} is {value!r}: write a number, as in {name}=0.5") from None
    return Augmentation(**amounts)


@calmly
def augmented(
    images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator | int
) -> np.ndarray:
    """Return new images, uint8 of the same shape, each changed its own way.

    images: uint8 (n, height, width), in colour (n, height, width, 3). rng: a Generator, or a seed
    for one. Raises ConfigError for images wider or higher than 2,048 pixels, FormatError for what
    is not such images.
    """
    images = np.asarray(images)
    fits = images.ndim == 3 or images.ndim == 4 and images.shape[3] == 3
    if images.dtype != np.uint8 or not fits or 0 in images.shape[1:]:
        raise FormatError(
            "images to augment are uint8 (n, height, width), or (n, height, width, 3) in colour, "
            f"found {images.dtype} {images.shape}: give bytes, and one image as images[None]"
        )
    rng = np.random.default_rng(rng)
    return Distorter(images, augmentation).distort(np.arange(len(images)), rng)


class Distorter:
    """Changes images of one array by one augmentation: made once, asked batch after batch."""

    def __init__(self, images: np.ndarray, augmentation: Augmentation) -> None:
        self.images = read_only(images)
        self.augmentation = augmentation
        height, width = images.shape[1:3]
        augmentation.check_shape((height, width))
        self.bends = bend_tables(height, width) if augmentation.elastic else None
        self.grains = _noise(height * width) if augmentation.noise else None

    def distort(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return new images, uint8 (n, height, width), or with channels behind that, from those at
        `rows`, integers (n,).

        Every image takes the same count of numbers from `rng`: how many are asked for at once
        makes no difference.
        """
        numbers = self._numbers(rng.random((len(rows), _DRAWS)))
        return distorted(self.images, rows, numbers, self.bends, self.grains)

    def skip(self, images: int, rng: np.random.Generator) -> None:
        """Leave out the numbers that so many images would take from `rng`, a PCG64."""
        cast(np.random.PCG64, rng.bit_generator).advance(images * _DRAWS)

    def _numbers(self, draws: np.ndarray) -> np.ndarray:
        """Return the kernel's int32 (n, columns.NUMBERS) for random numbers in [0, 1)."""
        limits, chance = self.augmentation, draws.T
        either = 2 * chance - 1
        reach = math.log1p(limits.scale)
        height, width = shape = self.images.shape[1:3]
        numbers = affine_numbers(
            shape,
            shift=(either[0] * limits.shift, either[1] * limits.shift),
            rotation=either[2] * limits.rotation,
            scale=(np.exp(either[3] * reach), np.exp(either[4] * reach)),
            shear=either[5] * limits.shear,
        )
        if self.bends is not None:
            fields = len(self.bends)
            numbers[:, columns.BEND_X] = np.rint(either[6] * limits.elastic * 256) * (width > 1)
            numbers[:, columns.BEND_Y] = np.rint(either[7] * limits.elastic * 256) * (height > 1)
            numbers[:, columns.FIELD_X] = chance[8] * fields
            numbers[:, columns.FIELD_Y] = chance[9] * fields
        thinner = min(limits.stroke_width, _THINNEST)
        widths = chance[10] * (limits.stroke_width + thinner) - thinner
        numbers[:, columns.WIDTH] = stroke_number(widths)
        numbers[:, columns.NOISE] = np.rint(chance[11] * limits.noise * 255)
        numbers[:, columns.GRAIN] = chance[12] * _GRAINS if limits.noise else 0
        numbers[:, columns.INVERT] = chance[13] < limits.inversion
        return numbers


def distorted(
    images: np.ndarray,
    rows: np.ndarray,
    numbers: np.ndarray,
    bends: np.ndarray | None = None,
    grains: np.ndarray | None = None,
) -> np.ndarray:
    """Return new images, uint8 (n, height, width): those at `rows`, changed as `numbers` say.

    Of images in colour, (n, height, width, 3), every channel goes the same way.
    """
    if images.ndim == 4:
        planes = np.ascontiguousarray(images[rows].transpose(0, 3, 1, 2))
        every = np.arange(3 * len(rows))
        made = distorted(
            planes.reshape(-1, *images.shape[1:3]), every, numbers.repeat(3, axis=0), bends, grains
        )
        return np.ascontiguousarray(made.reshape(planes.shape).transpose(0, 2, 3, 1))
    out = np.empty((len(rows), *images.shape[1:]), np.uint8)
    bends = np.zeros((1, out[0].size), np.int16) if bends is None else bends
    grains = np.zeros(1, np.int8) if grains is None else grains
    rows = np.asarray(rows, np.int64)
    most = max(1, _PIECE_PIXELS // max(1, out[:1].size))

    def piece(number: int) -> None:
        part = slice(number * most, (number + 1) * most)
        # Put there when a back end is chosen, which no checker of types sees.
        distort: Callable[..., None] = kernels.distort  # pyright: ignore[reportAttributeAccessIssue]
        distort(images, rows[part], numbers[part], bends, grains, out[part])

    kernels.fan_out(piece, -(-len(rows) // most))
    return out


@calmly
def affine_numbers(
    shape: tuple[int, int],
    *,
    shift: tuple[Any, Any] = (0, 0),
    rotation: Any = 0,
    scale: tuple[Any, Any] = (1, 1),
    shear: Any = 0,
) -> np.ndarray:
    """Return int32 (n, columns.NUMBERS) for the kernel: where each pixel of the answer comes from.

    An image is sized, then slanted, then turned, all about its middle, then moved. shift:
    (right, down) in pixels; rotation: degrees clockwise; scale: (width, height) factors; shear:
    pixels to the right for each pixel down. Each a number or (n,) of them. An axis of a single
    pixel has no room to move in and stays.
    """
    height, width = shape
    flat = 1 in shape
    right, down, angle, wider, higher, shear = np.broadcast_arrays(
        *shift, np.deg2rad(np.zeros_like(rotation) if flat else rotation), *scale, shear
    )
    shear = np.zeros_like(shear) if flat else shear
    cosine, sine = np.cos(angle), np.sin(angle)
    # Turned back: (c x + s y, c y - s x); then the slant taken away, then the size.
    xx, xy = (cosine + shear * sine) / wider, (sine - shear * cosine) / wider
    yx, yy = -sine / higher, cosine / higher
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = middle_x + right, middle_y + down
    x0, y0 = middle_x - xx * from_x - xy * from_y, middle_y - yx * from_x - yy * from_y
    numbers = np.zeros((right.size, columns.NUMBERS), np.int32)
    for column, value in zip(
        (columns.XX, columns.XY, columns.X0, columns.YX, columns.YY, columns.Y0),
        (xx, xy, x0, yx, yy, y0),
        strict=True,
    ):
        numbers[:, column] = np.rint(value * ONE)
    if width == 1:
        numbers[:, [columns.XX, columns.XY, columns.X0]] = 0
    if height == 1:
        numbers[:, [columns.YX, columns.YY, columns.Y0]] = 0
    return numbers


def stroke_number(pixels: Any) -> Any:
    """Return the kernel's number for strokes so many pixels thicker, or thinner where below 0.

    A step of the kernel moves both edges of a stroke by a pixel.
    """
    return np.rint(np.asarray(pixels) * (columns.STEP / 2)).astype(np.int32)


@lru_cache(maxsize=8)
@calmly
def bend_tables(height: int, width: int) -> np.ndarray:
    """Return int16 (fields, height * width): smooth random displacements, columns.BEND a pixel.

    Root mean square one pixel: white noise under a Gaussian, as Simard's is.
    """
    sigma = _SMOOTH * max(2, min(height, width))
    fields = int(np.clip((1 << 21) // (height * width), 4, _BENDS))
    margin = math.ceil(6 * sigma)  # cut off: the transform would join one edge to the other
    shape = height + margin, width + margin
    noise = np.fft.rfft2(np.random.default_rng(2003).standard_normal((fields, *shape)))
    frequencies = np.fft.fftfreq(shape[0])[:, None] ** 2 + np.fft.rfftfreq(shape[1]) ** 2
    smooth = np.fft.irfft2(noise * np.exp(-2 * (np.pi * sigma) ** 2 * frequencies), shape)
    smooth = smooth[:, :height, :width]
    table = np.rint(smooth * (columns.BEND / np.sqrt((smooth**2).mean()))).clip(-32768, 32767)
    table = table.astype(np.int16).reshape(fields, -1)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=8)
def _noise(pixels: int) -> np.ndarray:
    """Return int8 noise, uniform in -127 to 127, to take stretches of so many pixels from."""
    grains = np.random.default_rng(127).integers(-127, 128, _GRAINS + pixels).astype(np.int8)
    grains.flags.writeable = False
    return grains
