"""Kernels compiled by numba: plain loops over arrays, free of the GIL, cached on disk.

The same names, arguments and meaning as `numpy_.py`, which explains the formulas. No kernel
allocates or touches a Python object, so that the same functions can be compiled ahead of
time; the few plain functions beside them bring arrays into the shape that kernels take. Large
dense products go to BLAS, which is a compiled kernel already.

To read: `dense` first, layer by layer; then `pixels`, `first_layer` and `rows`; `mini_batch` is a
whole network in one call, whose `passes` go forward and back and which then `gather`s gradients,
shared between threads by `queues`; `full_batch` does the same for sixteen images at a time.
`windows` takes sixteen images side by side through convolutions and pools, `window_plan` says where
all of that stands, and `window_steps` makes whole steps of it, with `window_norms` between groups;
`window_answers` asks it for logits.
`simd` has the vectors, `tiles` and `bits` what is built on them, `compiling` the way to the
compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import wait

import numpy as np

from .. import numpy_, workers
from ..numpy_ import read_only
from . import helpers
from .answers import _probabilities, probabilities
from .compiling import is_missing, load, remark
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
from .distort import _distort, distort
from .full_batch import _sliced_gradient, sliced_gradient
from .mini_batch import _steps, sparse_gradient, sparse_steps
from .pixels import count_pixels, pack_pixels
from .steps import adam, momentum, sgd
from .window_answers import logits
from .window_calls import window_loss, window_steps
from .window_steps import _window_steps

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
    "logits",
    "sliced_gradient",
    "momentum",
    "pack_pixels",
    "sparse_gradient",
    "sparse_steps",
    "probabilities",
    "remark",
    "sgd",
    "softmax",
    "softmax_cross_entropy",
    "warm_up",
    "window_loss",
    "window_steps",
]


def _network(x: np.ndarray) -> tuple:
    """Return what kernels of whole networks take after lists of x and labels."""
    network = (x.shape[1], 2, 2), (numpy_.RELU, numpy_.IDENTITY), np.zeros(14, np.float32)
    labels = read_only(np.zeros(len(x), np.uint8))
    return labels, np.float32(1), np.float32(1), *network, np.zeros(14, np.float32)


_IMAGES = read_only(np.ones((2, 3), np.uint8))  # as the engine passes them


def _answers() -> None:
    _, scale, _, *network, _ = _network(_IMAGES)
    probabilities(_IMAGES, scale, *network, np.zeros((2, 2), np.float32))


def _mini_batch() -> None:
    indptr, indices = np.array([0, 3, 6]), np.array([0, 1, 2, 0, 1, 2], np.uint16)
    sparse_gradient((indptr, indices, _IMAGES.ravel()), np.arange(2), *_network(_IMAGES))


def _full_batch() -> None:
    slots = np.zeros(numpy_.GROUPS + 1, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.uint8)
    columns = np.zeros(4, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.uint8)
    sliced_gradient(tuple(map(read_only, (*slots, *columns))), 0, *_network(_IMAGES))


def _losses() -> None:
    logits = np.zeros((2, 2), np.float32)
    softmax_cross_entropy(logits, read_only(np.zeros(2, np.uint8)), np.float32(1), logits)


def _optimizers() -> None:
    flat, zero = np.zeros(4, np.float32), np.float32(0)
    sgd(flat, flat, zero)
    momentum(flat, flat, flat, zero, zero)
    adam(flat, flat, flat, flat, zero, zero, zero, np.float32(1))


def _distortions() -> None:
    rows, numbers = np.zeros(1, np.int64), np.zeros((1, numpy_.NUMBERS), np.int32)
    tables = np.zeros((1, _IMAGES.size), np.int16), np.zeros(1, np.int8)
    distort(_IMAGES[None], rows, numbers, *tables, np.empty((1, *_IMAGES.shape), np.uint8))


def _windows() -> None:
    network = (numpy_.Spec("dense", 2),), (1, 1, 3), (numpy_.IDENTITY,)
    labels, theta = read_only(np.zeros(2, np.uint8)), np.zeros(8, np.float32)
    logits = np.empty((2, 2), np.float32)
    window_loss(_IMAGES, labels, np.float32(1), network, theta, logits)


# What fully connected float32 networks need. Each function has numba compile kernels for the types
# that the engine passes; the kernel beside it tells whether that has been done before.
PREPARE = {
    "answers": (_answers, _probabilities),
    "mini-batch": (_mini_batch, _steps),
    "full batch": (_full_batch, _sliced_gradient),
    "optimizers": (_optimizers, adam),
    "losses": (_losses, softmax_cross_entropy),
    "distortions": (_distortions, _distort),
}
# By two helpers, as long as each other; first what answers: a visitor who draws a digit does not
# wait for the rest.
_SHARES = ("answers", "full batch", "distortions", "losses", "optimizers"), ("mini-batch",)


# The same for what few need, and nobody waits for who does not.
LATER = {"windows": (_windows, _window_steps)}


def prepare(name: str) -> None:
    """Compile the kernels of that name, if there are any, or load them from the cache."""
    for known in (PREPARE, LATER):
        if name in known:
            known[name][0]()


def made_ready(name: str) -> Iterator[None]:
    """Have those of `LATER` ready of that name; yield 20 times a second while a helper compiles."""
    if is_missing(LATER[name][1]):
        with helpers.compiling(__name__, [[name]]) as ready:
            waiting = workers.submit(next, ready, None)
            while wait([waiting], _GLANCE_S).not_done:
                yield
    prepare(name)


_GLANCE_S = 0.05


def warm_up() -> None:
    """Have ready what float32 networks need: from the cache in 0.4 s, or compiled first.

    Another process compiles, two where there are cores, and what is ready comes in bit by bit.
    """
    shares = [[name for name in share if is_missing(PREPARE[name][1])] for share in _SHARES]
    if workers.threads() == 1:
        shares = [sum(shares, [])]
    with helpers.compiling(__name__, [share for share in shares if share]) as ready:
        load()  # while helpers do the same
        for name in ready:
            prepare(name)
    for name in PREPARE:
        prepare(name)
