"""Groups: sixteen images alike side by side, so that one instruction serves them all."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

import numpy as np

from .. import kernels
from ..core.arithmetic import read_only
from ..kernels import GROUPS, LANES, PAIR

BLOCK = LANES * GROUPS  # images whose pixels and activations stay in cache from forward to backward
_WIDEST = 1 << 16  # places are 16-bit numbers
_FEATURES = 12  # numbers by which images are compared
_SAMPLE = 2000  # images from which these are learnt, and for which they are found at a time
_PORTION = 250  # of these are multiplied at a time: 40 ms in a browser, which has no BLAS
_AT_ONCE = 8  # blocks whose lists are made at a time, 5 ms of MNIST
_KINDS = np.int64, np.uint16, np.uint8, np.int64, np.uint8, np.uint8  # of `SlicedImages`'s lists
T = TypeVar("T")
Lists = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_WHOLE = 256  # what a component's factors are multiplied by before they are rounded


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class SlicedImages:
    """n images of `inputs` pixels each, in groups of 16 and blocks of 32 groups.

    A group has a slot for every pixel that is not zero in one of its images at least: sixteen
    bytes. Group g's are slots starts[g] to starts[g + 1] of `pixels`, uint8, and stand for the
    pixels `places`, uint16. `columns` holds the same slots by block, and there by pairs of pixels
    2 j and 2 j + 1 (in a browser by pixel): pair j of block c has those from ends[k] to
    ends[k + 1], k = c * pairs + j, two at a time, which belong to the groups `members`, uint8, of
    the block. The way forward reads the former, the way back the latter: taken from the other's
    order, each slot would lie in a page of its own (8 for 4 ms).
    starts, ends: int64. `rows`, int64 (n,): which images these are. The last group may have empty
    lanes.
    """

    starts: np.ndarray
    places: np.ndarray
    pixels: np.ndarray
    ends: np.ndarray
    members: np.ndarray
    columns: np.ndarray
    inputs: int
    rows: np.ndarray
    images: np.ndarray  # what they were made from; see `_KNOWN`
    first: int = 0  # block

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> SlicedImages:
        """Return some of the blocks; everything is shared."""
        start, stop, _ = rows.indices(len(self))
        first = self.first + start // BLOCK
        return SlicedImages(*self.lists, self.inputs, self.rows[start:stop], self.images, first)

    @property
    def lists(self) -> Lists:
        """What kernels read."""
        return self.starts, self.places, self.pixels, self.ends, self.members, self.columns


_KNOWN: WeakValueDictionary[int, SlicedImages] = WeakValueDictionary()  # as in `packed`


def slice_images(images: np.ndarray) -> SlicedImages:
    """Return images, uint8 (n, ...), in groups of similar ones; whoever comes later shares them.

    Of MNIST's pixels 35 % have a slot, of Fashion-MNIST's 64 %: 37 and 67 MB for 60,000 images.
    """
    return _result(slicing(images))


def slicing(images: np.ndarray) -> Generator[int, None, SlicedImages]:
    """Do `slice_images` a few milliseconds at a time; yield about how many images are done.

    Whoever comes while others are at it goes on with their work, and has what they have.
    """
    known = _KNOWN.get(id(images))
    if known is None:
        making = _UNDER_WAY.setdefault(id(images), _Making(images))
        while making.made is None:
            yield making.go_on()
        known = making.made
    return known


class _Making:
    """Groups in the making, for all who want them: at the same time, each 90 MB of their own."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.made: SlicedImages | None = None
        self._work = _slicing(images)
        self._turn = threading.Lock()

    def go_on(self) -> int:
        """Do a few milliseconds of it; return about how many images are done."""
        with self._turn:
            try:
                return len(self.images) if self.made is not None else next(self._work)
            except StopIteration as end:
                self.made = _KNOWN[id(self.images)] = end.value
                return len(self.images)
            except BaseException:  # whoever is next begins anew
                self._work = _slicing(self.images)
                raise


_UNDER_WAY: WeakValueDictionary[int, _Making] = WeakValueDictionary()


def _slicing(images: np.ndarray) -> Generator[int, None, SlicedImages]:
    flat = images.reshape(len(images), -1)
    rows = yield from _sorting(flat)
    blocks = -(-len(rows) // BLOCK)
    lists = [np.empty(0, kind) for kind in _KINDS]
    for start in range(0, blocks, _AT_ONCE):
        parts: list = [None] * min(_AT_ONCE, blocks - start)

        def block(n: int, start=start, parts=parts) -> None:
            parts[n] = _lists(flat, rows[(start + n) * BLOCK : (start + n + 1) * BLOCK])

        kernels.fan_out(block, len(parts))
        for list_, more in zip(lists, zip(*parts, strict=True), strict=True):
            _append(list_, more)
        yield (len(rows) + min(len(rows), (start + len(parts)) * BLOCK)) // 2
    for n in (0, 3):  # from counts to where each begins
        lists[n] = np.cumsum(np.insert(lists[n], 0, 0), dtype=np.int64)
    made = map(read_only, lists)
    return SlicedImages(*made, inputs=flat.shape[1], rows=rows, images=images)


def _append(list_: np.ndarray, parts: Sequence[np.ndarray]) -> None:
    """Make a list longer in place: two of them at once would be 36 MB more for MNIST."""
    end = list_.size
    list_.resize(end + sum(part.size for part in parts), refcheck=False)
    for part in parts:
        list_[end : end + part.size] = part
        end += part.size


def _result(work: Generator[int, None, T]) -> T:
    """Return what a generator returns at its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def _lists(flat: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the lists of one block, with counts for `starts` and `ends`."""
    inputs = flat.shape[1]
    tile = np.zeros((GROUPS, LANES, -(-inputs // PAIR) * PAIR), np.uint8)
    tile.reshape(BLOCK, -1)[: len(rows), :inputs] = flat[rows]
    used = np.bitwise_or.reduce(tile, axis=1) != 0
    tile = tile.transpose(0, 2, 1)
    groups, places = np.nonzero(used)
    by_group = used.sum(axis=1), places.astype(np.uint16), tile[groups, places].reshape(-1)
    used, tile = (all_.reshape(GROUPS, -1, PAIR, *all_.shape[2:]) for all_ in (used, tile))
    used = used.any(axis=2).T
    pairs, groups = np.nonzero(used)
    return *by_group, used.sum(axis=1), groups.astype(np.uint8), tile[groups, pairs].reshape(-1)


def alike(flat: np.ndarray) -> np.ndarray:
    """Return an order of images, (n, inputs), int64 (n,), in which neighbours look alike.

    The images are halved again and again by that one of their twelve principal components in
    which they differ most (a k-d tree, Bentley 1975), until sixteen are left.
    """
    return _result(_sorting(flat))


def _sorting(flat: np.ndarray) -> Generator[int, None, np.ndarray]:
    """Do `alike` a few milliseconds at a time; yield half of how many images are done."""
    features = yield from _components(flat)
    done, waiting, count = [], [np.arange(len(flat))], 0
    while waiting:
        rows = waiting.pop()
        if len(rows) <= LANES:
            done.append(rows)
            count += len(rows)
            continue
        found = features[rows]
        widest = found[:, found.var(axis=0).argmax()]
        half = max(1, round(len(rows) / LANES / 2)) * LANES
        halves = np.argpartition(widest, half - 1)
        waiting += [rows[halves[half:]], rows[halves[:half]]]
        yield count // 2
    return np.concatenate(done)


def _components(flat: np.ndarray) -> Generator[int, None, np.ndarray]:
    """Return float32 (n, 12): the principal components of which of about 200 pixels are not zero.

    All sums are of whole numbers and therefore exact: the order of the images, and with it every
    bit of a run, must not depend on how many threads BLAS has.
    """
    some = flat[:, :: max(1, flat.shape[1] // 200)]
    count = min(len(flat), _SAMPLE)
    chosen = np.random.default_rng(0).choice(len(flat), count, replace=False)
    sample = (some[chosen] != 0).astype(np.float32)
    sums = sample.sum(axis=0, dtype=np.float64)
    products = np.zeros((len(sums), len(sums)))
    for start in range(0, count, _PORTION):
        part = sample[start : start + _PORTION]
        products += part.T @ part
        yield 0
    _, axes = np.linalg.eigh(count * products - np.outer(sums, sums))
    axes = axes[:, -_FEATURES:]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    axes = np.rint(axes * _WHOLE).astype(np.float32)
    features = np.empty((len(flat), axes.shape[1]), np.float32)
    for start in range(0, len(flat), _SAMPLE):
        part = slice(start, start + _SAMPLE)
        features[part] = (some[part] != 0).astype(np.float32) @ axes
        yield 0
    return features
