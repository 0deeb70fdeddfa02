"""Parameters: which arrays make a network, and where they stand in its one vector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import FormatError
from .description import Shape, Spec, shapes


class Place(NamedTuple):
    """Where an array stands in the vector, its shape, and which layer's it is, counted from 0."""

    name: str
    where: slice
    sides: tuple[int, ...]
    layer: int


def places(specs: Sequence[Spec], shape: Shape) -> Iterator[Place]:
    """Yield the places of all arrays, as they follow one another in the vector.

    Named by what they are and the number of their layer among those that have any: "weights_1",
    "biases_1", "weights_2", ... shape: that of the images.
    """
    start = number = 0
    for layer, (spec, before) in enumerate(zip(specs, shapes(specs, shape), strict=True)):
        arrays = spec.arrays(before)
        number += bool(arrays)
        for name, sides in arrays.items():
            end = start + math.prod(sides)
            yield Place(f"{name}_{number}", slice(start, end), sides, layer)
            start = end


def check_arrays(given: Mapping[str, Any], specs: Sequence[Spec], shape: Shape) -> dict[str, Any]:
    """Return the arrays in these layers' order, or raise FormatError naming what is off."""
    wanted = {place.name: place.sides for place in places(specs, shape)}
    if set(wanted) != set(given):
        raise FormatError(f"parameters {sorted(given)}: expected {', '.join(wanted)}")
    arrays = {name: np.asarray(given[name]) for name in wanted}
    for name, array in arrays.items():
        if array.shape != wanted[name]:
            raise FormatError(f"{name}: expected shape {wanted[name]}, found {array.shape}")
    if {array.dtype.type for array in arrays.values()} not in ({np.float32}, {np.float64}):
        raise FormatError("parameters must be all float32 or all float64")
    return arrays


def dense_sizes(given: Mapping[str, np.ndarray]) -> list[int]:
    """Return the widths of a network of dense layers alone, or raise FormatError."""
    depth = len(given) // 2
    names = [f"{kind}_{n + 1}" for n in range(depth) for kind in ("weights", "biases")]
    if not depth or set(names) != set(given):
        raise FormatError(
            f"parameters {sorted(given)} make no network: expected weights_1, biases_1, ..."
        )
    found = [np.shape(given[f"weights_{n + 1}"]) for n in range(depth)]
    for n, shape in enumerate(found, 1):
        if len(shape) != 2 or 0 in shape:
            raise FormatError(f"weights_{n}: expected shape (inputs, units), found {shape}")
    return [found[0][0], *(shape[1] for shape in found)]
