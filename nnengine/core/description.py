"""Description: what a network's layers are, each with a few words: `conv 8 5x5`, `pool 2`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import TextError

Shape = tuple[int, int, int]  # height, width, channels; behind a dense layer (1, 1, units)


@dataclass(frozen=True, slots=True)
class Spec:
    """One layer as a text has it. kind: its first word; units: of a dense layer, or maps."""

    kind: str
    units: int = 0
    window: tuple[int, int] = (0, 0)
    stride: int = 1
    pad: int = 0
    share: float = 0.0

    @property
    def weighs(self) -> bool:
        """Whether it has weights, and an activation behind them."""
        return self.kind in ("dense", "conv")

    def after(self, shape: Shape) -> Shape:
        """Return the shape behind this layer; a side below 1 where its window does not fit."""
        if self.kind in ("dense", "flatten"):
            return 1, 1, self.units or math.prod(shape)
        if not self.window[0]:
            return shape
        sides = zip(shape[:2], self.window, strict=True)
        height, width = ((n + 2 * self.pad - k) // self.stride + 1 for n, k in sides)
        return height, width, self.units or shape[2]

    def arrays(self, shape: Shape) -> dict[str, tuple[int, ...]]:
        """Return the shapes of its parameters by name, for what comes in."""
        if self.weighs:
            seen = (math.prod(shape),) if self.kind == "dense" else (*self.window, shape[2])
            return {"weights": (*seen, self.units), "biases": (self.units,)}
        names = ("scales", "shifts", "means", "variances") if self.kind == "norm" else ()
        return dict.fromkeys(names, (shape[2],))

    def __str__(self) -> str:
        (height, width), pools = self.window, self.kind in ("pool", "average")
        words = {
            "units": f"{self.units}" * bool(self.units),
            "window": (f"{height}" if pools and height == width else f"{height}x{width}"),
            "share": f"{self.share:.12f}".rstrip("0").rstrip("."),
        }
        more = [f"stride {self.stride}"] * (self.stride != (height if pools else 1))
        more += [f"pad {self.pad}"] * bool(self.pad)
        return " ".join([self.kind, *(words[name] for name in FIELDS[self.kind]), *more])


FIELDS: dict[str, tuple[str, ...]] = {  # the words behind the first, in this order
    "dense": ("units",), "conv": ("units", "window"), "pool": ("window",), "average": ("window",),
    "dropout": ("share",), "norm": (), "flatten": (),
}  # fmt: skip


def write(specs: Sequence[Spec]) -> str:
    """Return hidden layers as a text, which `training.layertext` reads."""
    return ", ".join(map(str, specs))


def shapes(specs: Sequence[Spec], shape: Shape) -> list[Shape]:
    """Return the shape before each layer. Raises TextError where a window is larger than that."""
    found = []
    for n, spec in enumerate(specs):
        found.append(shape)
        shape = spec.after(shape)
        if min(shape) < 1:
            at, (height, width) = len(write(specs[:n])) + 2 * bool(n), found[-1][:2]
            why = f"layers: images are {height}x{width} pixels before '{spec}': make it smaller"
            raise TextError(why, write(specs), at, len(str(spec)))
    return found
