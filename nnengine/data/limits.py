"""Limits: what reading one file may take, in bytes, members, pixels and seconds, all in one place.

Whoever reads for others says how many bytes and seconds (`max_bytes`, `seconds`); the rest are
bounds of what a decoder may be asked to do, far above what data sets have.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence

from ..errors import FormatError

MAX_BYTES = 2**31  # of a file's values, unpacked
MAX_MODEL_BYTES = 2**30  # of a model, packed and unpacked
MAX_DIMENSIONS = 32  # of an array: what the oldest NumPy that is admitted can have

MAX_MEMBERS = 150_000  # of a zip or folder: EMNIST has 131,600 pictures in its largest even part
MAX_DIRECTORY_BYTES = 2**24  # of a zip: 110 bytes a name
MAX_UNNAMED = 2_000  # members whose names say nothing, each opened to see what it is: 0.1 ms

MAX_PICTURE_BYTES = 2**26  # of one picture as it lies in the file
MAX_PIXELS = 2**24  # of one picture
MAX_ALL_PIXELS = 2**29  # of all together: 5 to 8 s of unpacking, at 64 to 100 million a second
MAX_CHUNKS = 20_000  # of a PNG: its writers make them 8 kB or longer
MAX_SCANS = 64  # of a JPEG; a progressive one has ten or so, and each goes over all its pixels
MAX_PASSES = 3 * 2**26  # pixels times scans of one picture: 2 s, at 10 ns each


class Deadline:
    """A time by which something is to be read; without seconds there is none."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, at least 0."""
        return max(self._end - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raise FormatError once the time is over."""
        if time.monotonic() > self._end:
            raise FormatError(
                f"not read within {self.seconds:g} s, the most that one file is given: give a "
                "smaller one, or the images as one array (.npy, .npz, IDX)"
            )


def is_addressable(shape: Sequence[int], item_bytes: int) -> bool:
    """Tell whether an array can have this shape, even where a zero in it leaves no values."""
    if len(shape) > MAX_DIMENSIONS:
        return False
    return math.prod(max(1, side) for side in shape) * item_bytes <= sys.maxsize
