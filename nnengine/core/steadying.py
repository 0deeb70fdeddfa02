"""Steadying: layers that training alone needs: numbers brought to one spread, units silenced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .layers import Layer, Pass

EPSILON = 1e-5  # beside a variance


@dataclass(frozen=True, slots=True, eq=False)
class Norm(Layer):
    """Batch normalisation, channel by channel (Ioffe & Szegedy 2015, Algorithm 1).

    a = scales (x - mean) / sqrt(variance + 1e-5) + shifts. In training mean and variance are those
    of the images that are taken together, a piece of a large batch (Hoffer et al. 2017);
    answers are given by running ones, `means` and `variances`, which go a tenth of the way with
    each step: `Network.settle`. All four float (channels,).
    """

    scales: np.ndarray
    shifts: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def sums(self, x: np.ndarray, way: Pass) -> np.ndarray:
        x, mean, variance = self.columns(x, way), self.means, self.variances
        if way.rng:
            mean = x.mean(axis=0, dtype=np.float64).astype(self.real)
            variance = np.square(x - mean).mean(axis=0, dtype=np.float64).astype(self.real)
        slope = 1 / np.sqrt(variance + self.real.type(EPSILON))
        way.notes.append((mean, variance, slope))
        return (x - mean) * (self.scales * slope) + self.shifts

    def blame(self, x: np.ndarray, a: np.ndarray, da: np.ndarray, gradient: Any, way: Pass) -> Any:
        """Add to the gradients of scales and shifts; return that of x (the paper's section 3)."""
        x, da = self.columns(x, way), self.columns(da, way)
        mean, variance, slope = way.notes.pop()
        even, n = (x - mean) * slope, len(x)
        dscales, dshifts = (da * even).sum(axis=0), da.sum(axis=0)
        gradient.scales[:] += dscales
        gradient.shifts[:] += dshifts
        if way.rng:
            gradient.means[:] += way.share * mean
            gradient.variances[:] += way.share * variance * (n / max(1, n - 1))
            da = da - (dshifts + even * dscales) / self.real.type(n)
        return da * (slope * self.scales)

    def columns(self, x: np.ndarray, way: Pass) -> np.ndarray:
        """Return rows as float (n * height * width, channels)."""
        return way.floats(x, self.real).reshape(-1, len(self.scales))


@dataclass(frozen=True, slots=True, eq=False)
class Dropout(Layer):
    """Inverted dropout (Srivastava et al. 2014, section 10), in training alone.

    Each number is zero with a chance of `share`, and the others are 1 / (1 - share) times as large.
    """

    def sums(self, x: np.ndarray, way: Pass) -> np.ndarray:
        x = way.floats(x, self.real)
        if not way.rng:
            return x
        heard = (way.rng.random(x.shape, np.float32) >= self.spec.share).astype(self.real)
        heard *= self.real.type(1 / (1 - self.spec.share))
        way.notes.append(heard)
        return x * heard

    def blame(self, x: np.ndarray, a: np.ndarray, da: np.ndarray, gradient: Any, way: Pass) -> Any:
        return da * way.notes.pop() if way.rng else da
