"""The probe: a small batch of built-in digits with starting weights, which every check begins with.

Sums are of a size that shows mistakes: some units above 6, some silent, no answer certain. Weights
are drawn as the original draws its own, evenly between -0.5 and 0.5, biases too, so that a bias
that is forgotten is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..data import synthetic
from ..errors import ConfigError

IMAGES, SIZES, SEED, RATE = 20, (784, 10, 10), 1, 0.1
MOST = 4096  # images, pixels, units


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A batch and where to begin: pixels (N, D) in [0, 1]; labels (N,); weights (D, H), (H, C)."""

    pixels: np.ndarray
    labels: np.ndarray
    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray
    rate: float = RATE

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many pixels, hidden units and classes there are."""
        return len(self.w1), len(self.b1), len(self.b2)

    def state(self) -> dict[str, np.ndarray | float]:
        """Return it by the names of `formulas`."""
        return {
            "P": self.pixels, "L": self.labels, "W1": self.w1, "b1": self.b1, "W2": self.w2,
            "b2": self.b2, "rate": self.rate,
        }  # fmt: skip

    def arrays(self, columns: bool = True) -> dict[str, np.ndarray]:
        """Return it by the names a learner uses; columns: images are columns, as the original's."""
        if columns:
            w1, w2 = self.w1.T, self.w2.T
            b1, b2, x = self.b1[:, None], self.b2[:, None], self.pixels.T
        else:
            w1, w2, b1, b2, x = self.w1, self.w2, self.b1, self.b2, self.pixels
        found = {"X": x, "Y": self.labels, "W1": w1, "b1": b1, "W2": w2, "b2": b2,
                 "learning_rate": np.asarray(self.rate)}  # fmt: skip
        return {name: np.array(array, order="C") for name, array in found.items()}


@cache
def probe(images: int = IMAGES, sizes: tuple[int, int, int] = SIZES, seed: int = SEED) -> Probe:
    """Return the probe of so many images, of (pixels, hidden units, classes), and a seed.

    Other pixels than 784 are taken evenly from the 784. Raises ConfigError for sizes that no
    probe can have.
    """
    pixels, hidden, classes = sizes
    if not 2 <= classes <= 10:
        raise ConfigError(f"{classes} classes: built-in digits have 2 to 10")
    if not 1 <= pixels <= 784 or not 1 <= hidden <= MOST or not 2 <= images <= MOST:
        raise ConfigError(
            f"{images} images of {pixels} pixels, {hidden} hidden units: a probe has 2 to {MOST:,} "
            f"images, 1 to 784 pixels and 1 to {MOST:,} units"
        )
    rng = np.random.default_rng(seed)
    data = synthetic.digits(10 * -(-images // classes), seed=seed)  # every ten hold all digits
    rows = [np.flatnonzero(data.labels == n % classes)[n // classes] for n in range(images)]
    rows = rng.permutation(rows)
    kept = np.linspace(0, 783, pixels).round().astype(int)
    flat = data.images[rows].reshape(images, -1)[:, kept]

    def drawn(*shape: int) -> np.ndarray:
        return rng.uniform(-0.5, 0.5, shape)

    return Probe(
        pixels=flat / 255.0, labels=data.labels[rows].astype(np.int64), w1=drawn(pixels, hidden),
        b1=drawn(hidden), w2=drawn(hidden, classes), b2=drawn(classes),
    )  # fmt: skip
