"""Examples: rows, classes and weights, in a form that says the same thing in one way alone.

Rows that are equal become one that weighs as much as they, and order is forgotten: an example
twice, and one of weight 2, or a table and the same table shuffled, then train the same network to
the last bit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, FormatError

_AT_ONCE = 4096  # rows looked at, so that no second table of floats is needed
_HASHED = 1024  # rows: what is made of them stays in the cache
_ROUNDING = 3e-5  # of 255: what float32 leaves of a byte that was divided by 255
_COPIES = 2  # as many rows at most, repeated, instead of weights: compiled steps know none


@dataclass(frozen=True, slots=True)
class Examples:
    """What a network learns from.

    rows: uint8 or float32 (n, inputs), C-ordered; codes: int64 (n,), the number of each row's
    class; weights: float64 (n,) with mean 1, or None where all weigh the same.
    """

    rows: np.ndarray
    codes: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, chosen: np.ndarray) -> Examples:
        """Return some of them, with the weights they had."""
        weights = None if self.weights is None else self.weights[chosen]
        return Examples(self.rows[chosen], self.codes[chosen], weights)


def prepared(rows: np.ndarray, codes: np.ndarray, weights: np.ndarray | None) -> Examples:
    """Return the same examples in the one form that stands for all ways to write them.

    rows: as `Examples` has them; weights: float64 (n,), none below zero. Raises ConfigError where
    nothing weighs anything.
    """
    if weights is not None:
        kept = np.flatnonzero(weights)
        if not kept.size:
            raise ConfigError("all weights of examples are zero: give some above it")
        rows, codes, weights = rows[kept], codes[kept], weights[kept]
    first, totals = _merged(rows, codes, np.ones(len(codes)) if weights is None else weights)
    shares = totals / totals.min()
    if np.all(shares == np.rint(shares)) and shares.sum() <= _COPIES * len(shares):
        copies = np.repeat(first, shares.astype(np.int64))
        return Examples(rows[copies], codes[copies])
    return Examples(rows[first], codes[first], totals / totals.mean())


def _merged(
    rows: np.ndarray, codes: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (the first of each kind of row, what all of the kind weigh), in an order of ours."""
    found = _by(_keys(rows), codes, weights)
    if not _alike(rows, *found):  # by chance once in 1e10 tables as large as MNIST
        digests = b"".join(hashlib.blake2b(row, digest_size=16).digest() for row in rows)
        found = _by(np.frombuffer(digests, "<u8").reshape(-1, 2), codes, weights)
    order, starts = found
    return order[starts], np.add.reduceat(weights[order], starts)


def _by(keys: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (order of rows by their keys and classes, where in it each kind begins)."""
    order = np.lexsort((weights, codes, keys[:, 0], keys[:, 1]))
    named = np.column_stack((keys[order], codes[order].astype(np.uint64)))
    return order, np.flatnonzero(np.r_[True, (named[1:] != named[:-1]).any(axis=1)])


def _alike(rows: np.ndarray, order: np.ndarray, starts: np.ndarray) -> bool:
    """Tell whether the rows of each kind are equal, byte for byte."""
    again = np.delete(np.arange(len(order)), starts)  # whose kind has one before them
    return all(
        rows[order[one]].tobytes() == rows[order[one - 1]].tobytes() for one in again.tolist()
    )


def _keys(rows: np.ndarray) -> np.ndarray:
    """Return uint64 (n, 2): numbers that tell rows apart, by their bytes alone.

    Multilinear hashing of words of 32 bits with factors of 64 (Lemire & Kaser 2014), six times as
    fast as BLAKE2 on MNIST's rows; whoever knows the factors can have two rows meet.
    """
    size = rows.shape[1] * rows.itemsize
    factors = np.random.default_rng(7).integers(0, 2**64, (-(-size // 4), 2), np.uint64)
    keys = np.empty((len(rows), 2), np.uint64)
    for start in range(0, len(rows), _HASHED):
        some = np.ascontiguousarray(rows[start : start + _HASHED]).view(np.uint8)
        padded = np.pad(some, ((0, 0), (0, -size % 4)))
        keys[start : start + _HASHED] = padded.view("<u4").astype(np.uint64) @ factors
    return keys


def as_bytes(rows: np.ndarray, factors: tuple[int, ...] = (1, 255)) -> tuple[np.ndarray, int]:
    """Return (bytes, factor) where rows times a factor are bytes; else (float32 rows, 1).

    rows: uint8 or float (n, inputs). Pixels mostly are bytes, divided by 255 or not, whatever type
    they come in, and the engine is quickest at these. Raises FormatError where float32 cannot hold
    the numbers.
    """
    if rows.dtype == np.uint8:
        return rows, 1
    for factor in factors:
        found = _bytes_of(rows, factor)
        if found is not None:
            return found, factor
    return as_floats(rows), 1


def as_floats(rows: np.ndarray, factor: int = 1) -> np.ndarray:
    """Return rows times a factor as float32; raises FormatError where they become infinite."""
    with np.errstate(over="ignore"):
        floats = np.asarray(rows, np.float32)
        floats = floats * np.float32(factor) if factor != 1 else floats + np.float32(0)  # no -0
    if not np.isfinite(floats).all():
        raise FormatError("X has numbers beyond 3e38: scale them, float32 cannot hold them")
    return np.ascontiguousarray(floats)


def _bytes_of(rows: np.ndarray, factor: int) -> np.ndarray | None:
    """Return uint8 of the same shape, or None where rows times the factor are no bytes."""
    found = np.empty(rows.shape, np.uint8)
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        if some.min() < 0 or some.max() * factor > 255 + _ROUNDING:
            return None
        some = some * some.dtype.type(factor)
        whole = np.rint(some)
        if np.abs(some - whole).max() > (_ROUNDING if factor > 1 else 0):
            return None
        found[start : start + _AT_ONCE] = whole
    return found
