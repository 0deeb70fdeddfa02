"""Moments: the weights of a run at some hundred of its steps, each in a few bits a weight.

A moment holds whole numbers: every weight over the width of its array's grid. The first of a chain
stands for itself, the others as what changed since the one before, deflated. Of layers that look at
images the error of a pixel is passed on to its neighbours to the right and below, half each, as
printers do with greys: neighbours are mostly lit together, so that what one is rounded up the
others are rounded down, and the sums, which the answer hangs on, hardly move. (After Floyd &
Steinberg 1976, An adaptive algorithm for spatial grey scale.)
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from ..core import description
from ..core.network import Network
from ..core.parameters import Place, places
from ..errors import FormatError

MOST = 100  # moments of a run
MARK, VERSION = b"nnmoment", 1
_CHAIN = 20  # moments that stand on one another: as many are unpacked to see the last of them
# The grid's width is the root mean square of an array over this, up to a step: in the beginning
# many answers hang by a hair. Of 784-128-10 on MNIST all of 100 moments answer alike on 99.9 % of
# the test images and more (tests/test_moments.py), with a third of this the first 20 do not.
_FINENESS = ((20, 256), (60, 128), (None, 64))
_SMALL, _FINER = 1 / 8, 8  # arrays of a smaller share of all are on a finer grid: it costs little
_BYTES_A_WEIGHT = 0.62  # at most, on average: measured on three recipes, 0.42 to 0.59
_HEAD = struct.Struct("<8sBII")  # mark, version, length of the header, of the body
_MOST_HEADER, _MOST_STEP = 1 << 20, 2**53


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment as it is kept: its step, its place in its chain, its grid, its packed numbers."""

    step: int
    place: int  # 0: it stands for itself
    widths: tuple[float, ...]  # of the grid of each array
    packed: bytes


def plan(total: int, most: int = MOST) -> list[int]:
    """Return the steps at which a run of `total` steps is kept: 0, then dense, `total` at last.

    At most `most` of them, two at least: first every step, then each further on than the one before
    by the same share of the way.
    """
    low, high = 1.0, float(max(total, 2))
    for _ in range(60):  # halved so often, nothing is between the two
        ratio = (low + high) / 2
        low, high = (ratio, high) if len(_spread(total, ratio, most)) > most else (low, ratio)
    return _spread(total, high, most)


def _spread(total: int, ratio: float, most: int) -> list[int]:
    steps = [0]
    while steps[-1] < total and len(steps) <= most:
        further = steps[-1] * ratio if len(steps) > 1 else (ratio if ratio >= total else 1)
        steps.append(min(max(steps[-1] + 1, round(further)), total))
    return steps


def most_within(parameters: int, most_bytes: int) -> int:
    """Return how many moments of a network fit into so many bytes, `MOST` at most."""
    return min(MOST, int(most_bytes / bytes_of(1, parameters)))


def bytes_of(count: int, parameters: int) -> int:
    """Return about how many bytes so many moments of a network take, packed; rather too many."""
    return math.ceil(count * parameters * _BYTES_A_WEIGHT)


class Moments:
    """The moments of one run, oldest first. One thread adds, any number look.

    network: what it trains, of which nothing but the layers is kept.
    """

    def __init__(self, network: Network) -> None:
        self._specs, self._shape, self._dtype = network.specs, network.shape, network.dtype
        self._places = tuple(places(self._specs, self._shape))
        self._looked_at = description.shapes(self._specs, self._shape)
        self._parameters = network.parameter_count
        self._kept: list[Moment] = []
        # The one that came last or was looked at last, with its numbers: the next is one step away.
        self._seen: tuple[Moment, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def steps(self) -> list[int]:
        """The steps after which they were taken, ascending."""
        return [one.step for one in list(self._kept)]

    @property
    def nbytes(self) -> int:
        """How many bytes they take, packed, and one of them that lies unpacked."""
        return self.packed_bytes + (self._seen[1].nbytes if self._seen else 0)

    @property
    def packed_bytes(self) -> int:
        """How many bytes all of them take, packed."""
        return sum(len(one.packed) for one in list(self._kept))

    def size(self, number: int) -> int:
        """Return how many bytes one of them takes."""
        return len(self._kept[number].packed)

    def add(self, step: int, theta: np.ndarray) -> None:
        """Keep the weights after `step`; those of the last step kept take the place of its own.

        theta: float (parameters,). Weights that are not finite are left out. Raises ValueError for
        a step before the last, or a vector of another length.
        """
        if theta.shape != (self._parameters,):
            raise ValueError(f"{theta.shape[0]} weights: expected {self._parameters}")
        if self._kept and step < self._kept[-1].step:
            raise ValueError(f"step {step} comes before step {self._kept[-1].step}")
        if not np.isfinite(theta).all():
            return
        kept = list(self._kept)
        if kept and kept[-1].step == step:
            kept.pop()
        fineness = _fineness(step)
        before = kept[-1] if kept else None
        if before and before.place + 1 < _CHAIN and _fineness(before.step) == fineness:
            place, widths, changed = before.place + 1, before.widths, self._numbers(len(kept) - 1)
        else:
            place, widths, changed = 0, self._widths(theta, fineness), None
        numbers = self._rounded(theta, widths)
        kept.append(Moment(step, place, widths, _packed(numbers, changed)))
        self._kept, self._seen = kept, (kept[-1], numbers)

    def theta(self, number: int) -> np.ndarray:
        """Return the weights of one of them, frozen: float (parameters,), rounded to its grid.

        Raises FormatError where it came from a file and is damaged.
        """
        widths, numbers = self._kept[number].widths, self._numbers(number)
        theta = np.empty(self._parameters, self._dtype)
        for place, width in zip(self._places, widths, strict=True):
            np.multiply(numbers[place.where], width, out=theta[place.where], casting="unsafe")
        theta.flags.writeable = False
        return theta

    def network(self, number: int, like: Network) -> Network:
        """Return the network of one of them, frozen, with the names and settings of `like`."""
        found = like.copy()
        found.theta[:] = self.theta(number)
        found.training = ({"steps": self._kept[number].step},)
        return found.snapshot()

    def _numbers(self, number: int) -> np.ndarray:
        """Return a moment's whole numbers, int32 (parameters,), from the nearest of its chain.

        Nobody may change them.
        """
        kept, seen = self._kept, self._seen
        at = number - kept[number].place
        near = next((n for n in range(at, len(kept)) if seen and kept[n] is seen[0]), None)
        chained = near is not None and near - kept[near].place == at
        if seen and near is not None and chained and abs(near - number) <= number - at:
            at, numbers = near, seen[1].copy()
        else:
            numbers = _unpacked(kept[at].packed, self._parameters)
        for one in kept[at + 1 : number + 1]:
            numbers += _unpacked(one.packed, self._parameters)
        for one in kept[number + 1 : at + 1]:
            numbers -= _unpacked(one.packed, self._parameters)
        self._seen = kept[number], numbers
        return numbers

    def _widths(self, theta: np.ndarray, fineness: int) -> tuple[float, ...]:
        usual = _rms(theta) or 1.0  # of biases that are all zero yet
        found = []
        for place in self._places:
            values = theta[place.where]
            small = values.size < _SMALL * theta.size
            width = (_rms(values) or usual) / fineness / (_FINER if small else 1)
            # What is far out must fit into 31 bits, and nothing is to be divided by nothing.
            most = float(np.abs(values).max(initial=0))
            found.append(max(width, most / 2**28, float(np.finfo(np.float32).tiny)))
        return tuple(found)

    def _rounded(self, theta: np.ndarray, widths: tuple[float, ...]) -> np.ndarray:
        numbers = np.empty(theta.size, np.int32)
        for place, width in zip(self._places, widths, strict=True):
            over = theta[place.where] / theta.dtype.type(width)
            height, across, _ = self._seen_by(place)
            if height * across > 1:
                over = _diffused(over.reshape(height, across, -1)).ravel()
            numbers[place.where] = np.rint(over)
        return numbers

    def _seen_by(self, place: Place) -> tuple[int, int, int]:
        """Return the shape of what an array's weights look at, (1, 1, 0) where it is no image."""
        dense = self._specs[place.layer].kind == "dense" and place.name.startswith("weights")
        return self._looked_at[place.layer] if dense else (1, 1, 0)

    # As bytes ----------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return all of them in one piece: mark, version, a JSON header, and what is packed."""
        kept = list(self._kept)
        about = {
            "parameters": self._parameters,
            "moments": [[one.step, one.place, list(one.widths), len(one.packed)] for one in kept],
        }
        header, body = json.dumps(about).encode(), b"".join(one.packed for one in kept)
        return _HEAD.pack(MARK, VERSION, len(header), len(body)) + header + body

    @classmethod
    def from_bytes(cls, raw: bytes, network: Network) -> Moments:
        """Return what `to_bytes` gave, for a network of the same layers.

        Raises FormatError for anything else; what a moment unpacks to is checked when it is looked
        at, and never more than its network has weights.
        """
        found = cls(network)
        try:
            mark, version, header, body = _HEAD.unpack_from(raw)
            rest = raw[_HEAD.size :]
            if mark != MARK or version != VERSION or header > _MOST_HEADER:
                raise ValueError("no moments of a run, or of a later version")
            if len(rest) != header + body:
                raise ValueError(f"{len(rest):,} bytes, {header + body:,} are promised")
            about = json.loads(rest[:header])
            if about["parameters"] != found._parameters:
                raise ValueError(f"made for {about['parameters']} weights")
            found._kept = list(_read(about["moments"], rest[header:], len(found._places)))
        except (struct.error, ValueError, KeyError, TypeError, RecursionError) as fault:
            raise FormatError(
                f"moments: damaged or foreign ({fault}): train the run anew"
            ) from None
        return found


def _read(listed: list, body: bytes, arrays: int) -> list[Moment]:
    """Return the moments that a header lists. Raises ValueError or TypeError where it is off."""
    found: list[Moment] = []
    start = 0
    for step, place, widths, length in listed:
        ascending = (found[-1].step if found else -1) < step <= _MOST_STEP
        chained = place == 0 or bool(found) and place == found[-1].place + 1 < _CHAIN
        grid = tuple(map(float, widths))
        fits = len(grid) == arrays and all(math.isfinite(w) and w > 0 for w in grid)
        if not (ascending and chained and fits and 0 < length <= len(body) - start):
            raise ValueError(f"moment {len(found)} is off")
        found.append(Moment(int(step), int(place), grid, body[start : start + length]))
        start += length
    return found


def _fineness(step: int) -> int:
    return next(fine for before, fine in _FINENESS if before is None or step < before)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _diffused(over: np.ndarray) -> np.ndarray:
    """Return whole numbers near `over`, float (h, w, units), each error passed on to neighbours.

    Places on one diagonal do not hear of one another and are rounded together: 55 turns for 784.
    """
    height, across, units = over.shape
    left = np.zeros((height + 1, across + 1, units), over.dtype)  # what falls off the edges as well
    left[:-1, :-1] = over
    flat, found = left.reshape(-1, units), np.empty((height * across, units), over.dtype)
    for diagonal in range(height + across - 1):
        down = np.arange(max(0, diagonal - across + 1), min(height, diagonal + 1))
        here = down * across + diagonal  # (across + 1) a row, less one for each row down
        error = flat[here]
        found[down * (across - 1) + diagonal] = whole = np.rint(error)
        error -= whole
        error *= over.dtype.type(0.5)
        flat[here + 1] += error
        flat[here + across + 1] += error
    return found


def _packed(numbers: np.ndarray, before: np.ndarray | None) -> bytes:
    """Return whole numbers, or what changed of them, deflated: a plane for each byte they need."""
    change = numbers if before is None else numbers - before
    folded = ((change << 1) ^ (change >> 31)).view(np.uint32)  # small ones of either sign are small
    planes = max(1, -(-int(folded.max(initial=0)).bit_length() // 8))
    raw = b"".join((folded >> 8 * n).astype(np.uint8).tobytes() for n in range(planes))
    # Runs are looked for and no other repetition, which weights have none of: 784-128-10 in 46 kB
    # a moment and 14 ms, against 51 kB and 59 ms (zlib's level 6).
    squeezer = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    return squeezer.compress(raw) + squeezer.flush()


def _unpacked(packed: bytes, count: int) -> np.ndarray:
    """Return int32 (count,) of what `_packed` gave. Raises FormatError where it is damaged."""
    opener = zlib.decompressobj()
    try:
        raw = opener.decompress(packed, 4 * count + 1)
    except zlib.error as fault:
        raise FormatError(f"a moment is damaged ({fault}): train the run anew") from None
    planes, rest = divmod(len(raw), count)
    if rest or not 1 <= planes <= 4 or not opener.eof:
        raise FormatError("a moment is damaged (it has another length): train the run anew")
    folded = np.zeros(count, np.uint32)
    for n, plane in enumerate(np.frombuffer(raw, np.uint8).reshape(planes, count)):
        folded |= plane.astype(np.uint32) << np.uint32(8 * n)
    return (folded >> 1).view(np.int32) ^ -(folded & 1).view(np.int32)
