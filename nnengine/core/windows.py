"""Windows: layers that look at a small part of an image at a time: convolution and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .arithmetic import formula
from .layers import Layer, Pass, product

_COLUMNS = 1 << 18  # numbers that windows are laid out in at a time: a megabyte, within cache


@dataclass(frozen=True, slots=True, eq=False)
class Convolution(Layer):
    """The same weighted sums at every place of an image (LeCun et al. 1998, section II).

    weights: float (height, width, channels, maps) of the window; biases: float (maps,). Images
    are framed by `pad` zeros; windows begin every `stride` pixels.
    """

    weights: np.ndarray
    biases: np.ndarray

    def sums(self, x: np.ndarray, way: Pass) -> np.ndarray:
        x, shape = self.images(x, way)
        z = np.empty(shape, self.real)
        way.by.convolve(x, self.weights, self.biases, self.spec.stride, self.spec.pad, z)
        return z

    def blame(self, x: np.ndarray, a: np.ndarray, da: np.ndarray, gradient: Any, way: Pass) -> Any:
        wanted, (x, shape) = x.dtype != np.uint8, self.images(x, way)
        dx = np.empty(x.shape if wanted else (len(x), 0, 0, 0), self.real)
        made_of = x, self.weights, self.spec.stride, self.spec.pad, da.reshape(shape)
        way.by.convolve_backward(*made_of, gradient.weights, gradient.biases, dx)
        return dx


@dataclass(frozen=True, slots=True, eq=False)
class Pool(Layer):
    """The largest number of each window, or the mean: `spec.kind` is "pool" or "average"."""

    def sums(self, x: np.ndarray, way: Pass) -> np.ndarray:
        x, shape = self.images(x, way)
        a = np.empty(shape, self.real)
        getattr(way.by, self.spec.kind)(x, self.spec.window, self.spec.stride, a)
        return a

    def blame(self, x: np.ndarray, a: np.ndarray, da: np.ndarray, gradient: Any, way: Pass) -> Any:
        x, shape = self.images(x, way)
        a, da, dx = a.reshape(shape), da.reshape(shape), np.zeros_like(x)
        back = getattr(way.by, f"{self.spec.kind}_backward")
        back(x, a, da, self.spec.window, self.spec.stride, dx)
        return dx


# The sums ----------------------------------------------------------------------------------


@formula
def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: int, pad: int, z: Any) -> None:
    """z[n, i, j] = sum over the window at (i, j) of x[n] * w, plus b.

    x: float (n, h, w, c); w: (kh, kw, c, maps); z: float (n, oh, ow, maps).
    """
    maps = w.shape[-1]
    for rows in _portions(z, w):
        columns = _columns(_framed(x[rows], pad), w.shape, stride)
        z[rows] = product(columns, w.reshape(-1, maps)).reshape(z[rows].shape)
    z += b


@formula
def convolve_backward(
    x: np.ndarray, w: np.ndarray, stride: int, pad: int, dz: Any, dw: Any, db: Any, dx: Any
) -> None:
    """dw += each window times the blame for it; db += all blame; dx = blame times w, where it fell.

    dx may be empty, and is then not found.
    """
    kh, kw, channels, maps = w.shape
    db += dz.sum(axis=(0, 1, 2))
    for rows in _portions(dz, w):
        framed, blame = _framed(x[rows], pad), dz[rows].reshape(-1, maps)
        dw += product(_columns(framed, w.shape, stride).T, blame).reshape(w.shape)
        if dx.size:
            spread = product(blame, w.reshape(-1, maps).T)
            spread = spread.reshape(*dz[rows].shape[:3], kh, kw, channels)
            back = np.zeros_like(framed)
            for i, j, part in _offsets(back, (kh, kw), stride, dz.shape):
                part += spread[:, :, :, i, j]
            height, width = x.shape[1:3]
            dx[rows] = back[:, pad : pad + height, pad : pad + width]


@formula
def pool(x: np.ndarray, window: tuple[int, int], stride: int, a: np.ndarray) -> None:
    """a = the largest of each window; pixels at the far sides that no window reaches are left."""
    a.fill(-np.inf)
    for _, _, part in _offsets(x, window, stride, a.shape):
        np.maximum(a, part, out=a)


@formula
def pool_backward(x: Any, a: Any, da: Any, window: tuple[int, int], stride: int, dx: Any) -> None:
    """dx += the blame for each window, at the first place of its largest number."""
    left = da.copy()
    parts = _offsets(x, window, stride, a.shape), _offsets(dx, window, stride, a.shape)
    for (_, _, part), (_, _, back) in zip(*parts, strict=True):
        here = np.where(part == a, left, 0)
        back += here
        left -= here


@formula
def average(x: np.ndarray, window: tuple[int, int], stride: int, a: np.ndarray) -> None:
    """a = the mean of each window."""
    a.fill(0)
    for _, _, part in _offsets(x, window, stride, a.shape):
        a += part
    a *= a.dtype.type(1 / (window[0] * window[1]))


@formula
def average_backward(x: Any, a: Any, da: Any, window: Any, stride: int, dx: Any) -> None:
    """dx += the blame for each window, shared out evenly."""
    share = da * da.dtype.type(1 / (window[0] * window[1]))
    for _, _, back in _offsets(dx, window, stride, da.shape):
        back += share


def _offsets(
    x: np.ndarray, window: tuple[int, int], stride: int, shape: tuple[int, ...]
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield (i, j, view): for each place of a window, the pixels there of all windows."""
    height, width = (stride * (n - 1) + 1 for n in shape[1:3])
    for i in range(window[0]):
        for j in range(window[1]):
            yield i, j, x[:, i : i + height : stride, j : j + width : stride]


def _portions(z: np.ndarray, w: np.ndarray) -> Iterator[slice]:
    """Yield the images in portions whose windows stay in cache when they are laid out."""
    each = int(np.prod(z.shape[1:3])) * (w.size // w.shape[-1])
    most = max(1, _COLUMNS // each)
    for start in range(0, len(z), most):
        yield slice(start, start + most)


def _framed(x: np.ndarray, pad: int) -> np.ndarray:
    """Return images within a frame of zeros."""
    return np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))) if pad else x


def _columns(x: np.ndarray, shape: tuple[int, ...], stride: int) -> np.ndarray:
    """Return float (windows, kh * kw * c): the numbers of every window in a row."""
    windows = sliding_window_view(x, shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, shape[0] * shape[1] * shape[2])
