"""Lists of nonzero pixels: four in five of MNIST's are zero and nobody need look at them again."""

from __future__ import annotations

import numpy as np

from .bits import count_bits, first_bit, nonzero_bits
from .compiling import compiled, part


@part
def nonzero_pixels(flat, start, end):
    """Return uint64: which of the 64 pixels from `start` on, but before `end`, are not zero."""
    if start + 64 <= flat.size:
        bits = nonzero_bits(flat, start)
        if start + 64 > end:
            bits &= (np.uint64(1) << np.uint64(end - start)) - np.uint64(1)
        return bits
    bits = np.uint64(0)
    for j in range(end - start):
        bits |= np.uint64(flat[start + j] != 0) << np.uint64(j)
    return bits


@compiled
def count_pixels(x, indptr):
    """Put into indptr[i + 1] how many pixels of images 0..i are not zero."""
    flat, pixels = x.reshape(x.size), x.shape[1]
    total = np.int64(0)
    indptr[0] = 0
    for i in range(x.shape[0]):
        for start in range(i * pixels, (i + 1) * pixels, 64):
            total += np.int64(count_bits(nonzero_pixels(flat, start, (i + 1) * pixels)))
        indptr[i + 1] = total


@compiled
def pack_pixels(x, indptr, indices, data):
    """List the nonzero pixels of every image: where they stand, and their values."""
    flat, pixels = x.reshape(x.size), x.shape[1]
    t = 0
    for i in range(x.shape[0]):
        for start in range(i * pixels, (i + 1) * pixels, 64):
            bits = nonzero_pixels(flat, start, (i + 1) * pixels)
            while bits != 0:
                at = start + np.int64(first_bit(bits))
                indices[t] = at - i * pixels
                data[t] = flat[at]
                t += 1
                bits &= bits - np.uint64(1)
