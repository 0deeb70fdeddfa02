"""Parts: what each layer of a network makes of an image, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import description
from ..core.description import Shape, Spec
from ..core.network import Network
from ..errors import FormatError


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One layer: its words, the shapes (height, width, channels) before and behind it, its cost.

    parameters: how many numbers it holds. multiplications: how often one of them is multiplied
    for one image; of a convolution each counts at every place of its window.
    """

    spec: Spec
    before: Shape
    after: Shape
    parameters: int
    multiplications: int

    @property
    def numbers(self) -> int:
        """How many numbers an image is behind it."""
        return math.prod(self.after)


def parts(specs: Sequence[Spec], shape: Shape) -> list[Part]:
    """Return the layers one by one, for images of this shape (height, width, channels).

    Raises TextError, which points at the word, for a window larger than what it looks at.
    """
    found = []
    for spec, before in zip(specs, description.shapes(specs, shape), strict=True):
        after = spec.after(before)
        count = sum(map(math.prod, spec.arrays(before).values()))
        places = math.prod(after[:2]) if spec.kind in ("conv", "norm") else 1
        found.append(
            Part(
                spec=spec,
                before=before,
                after=after,
                parameters=count,
                multiplications=count * places,
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a network costs: its parameters, and for one image multiplications and numbers.

    pixels: numbers of an image itself. numbers: what all layers make of it, together. dense: all
    layers are fully connected.
    """

    pixels: int
    parameters: int
    multiplications: int
    numbers: int
    dense: bool


def cost(specs: Sequence[Spec], shape: Shape) -> Cost:
    """Return what a network of these layers costs; takes and raises what `parts` does."""
    found = parts(specs, shape)
    return Cost(
        pixels=math.prod(shape),
        parameters=sum(part.parameters for part in found),
        multiplications=sum(part.multiplications for part in found),
        numbers=sum(part.numbers for part in found),
        dense=all(spec.kind == "dense" for spec in specs),
    )


def cost_of(network: Network) -> Cost:
    """Return what a network costs."""
    return cost(network.specs, network.shape)


def passage(network: Network, image: Any) -> list[np.ndarray]:
    """Return what every layer makes of one image: float (height, width, channels) each.

    image: as `Network.predict_proba` takes one; the last array is the logits. Raises FormatError
    for what is not one image that fits.
    """
    x = network.as_inputs(image)
    if len(x) != 1:
        raise FormatError(f"{len(x):,} images: give one")
    made = network.forward(x)
    found = zip(made, parts(network.specs, network.shape), strict=True)
    return [numbers.reshape(part.after) for numbers, part in found]
