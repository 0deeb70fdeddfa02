"""Kernels compiled by numba: plain loops over arrays, free of the GIL, cached on disk.

The same names, arguments and meaning as `numpy_.py`, which explains the formulas. No kernel
allocates or touches a Python object, so that the same functions can be compiled ahead of
time; the few plain functions beside them bring arrays into the shape that kernels take. Large
dense products go to BLAS, which is a compiled kernel already.

To read: `dense` first, layer by layer; then `pixels`, `first_layer`, `rows` and `mini_batch`,
which is a whole network in one call; `full_batch` does the same for sixteen images at a time.
`simd` has the vectors, `compiling` the way to the compiler.
"""

from __future__ import annotations

import numpy as np

from . import numpy_
from .answers import probabilities
from .dense import (
    activate,
    activation_backward,
    bytes_backward,
    bytes_forward,
    dense_backward,
    dense_forward,
    softmax,
    softmax_cross_entropy,
)
from .distort import distort
from .full_batch import grouped_gradient
from .mini_batch import packed_gradient
from .pixels import count_pixels, pack_pixels
from .scratch import read_only
from .steps import adam, momentum, sgd

__all__ = [
    "activate",
    "activation_backward",
    "adam",
    "bytes_backward",
    "bytes_forward",
    "count_pixels",
    "dense_backward",
    "dense_forward",
    "distort",
    "grouped_gradient",
    "momentum",
    "pack_pixels",
    "packed_gradient",
    "probabilities",
    "sgd",
    "softmax",
    "softmax_cross_entropy",
    "warm_up",
]


def warm_up() -> None:
    """Compile what float32 networks need, or load it from the cache: 13 s or 0.3 s."""
    f, n = np.float32, 2
    x, labels = np.ones((n, 3), np.uint8), np.zeros(n, np.uint8)
    x.flags.writeable = labels.flags.writeable = False  # as the engine passes them
    z, flat = np.zeros((n, 2), f), np.zeros(4, f)
    # First what answers: a visitor who draws a digit does not wait for the rest.
    network = (3, 2, 2), (numpy_.RELU, numpy_.IDENTITY), np.zeros(14, f)
    probabilities(x, f(1), *network, z)
    starts, places, values = np.zeros(n + 1, np.int64), np.empty(6, np.uint16), np.empty(6, x.dtype)
    count_pixels(x, starts)
    pack_pixels(x, starts, places, values)
    rest = labels, f(1), f(1), *network, np.zeros(14, f)
    packed_gradient((starts, places, values), np.arange(n), *rest)
    slots = np.zeros(numpy_.GROUPS + 1, np.int64), np.zeros(0, np.uint16), x[0, :0]
    lists = tuple(map(read_only, (*slots, np.zeros(4, np.int64), x[0, :0], x[0, :0])))
    grouped_gradient(lists, 0, *rest)
    softmax_cross_entropy(z, labels, f(1), z)
    sgd(flat, flat, f(0))
    momentum(flat, flat, flat, f(0), f(0))
    adam(flat, flat, flat, flat, f(0), f(0), f(0), f(1))
    distort(
        x[None],
        np.zeros(1, np.int64),
        np.zeros((1, numpy_.NUMBERS), np.int32),
        np.zeros((1, x.size), np.int16),
        np.zeros(1, np.int8),
        np.empty((1, *x.shape), np.uint8),
    )
