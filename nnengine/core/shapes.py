"""Shapes: which sizes, activations, names and arrays make a network, and which do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from ..errors import ConfigError, FormatError
from .activations import kind_of


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes as whole numbers. Raises ConfigError unless two or more, all positive."""
    whole = tuple(int(size) for size in sizes)
    if len(whole) < 2 or any(size < 1 for size in whole) or whole != tuple(sizes):
        raise ConfigError(
            f"layer sizes {list(sizes)} make no network: "
            "give two or more whole numbers above zero, inputs first and classes last"
        )
    return whole


def count_parameters(sizes: Sequence[int]) -> int:
    """Return how many weights and biases dense layers of these sizes have."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def check_activations(activations: Sequence[str], sizes: Sequence[int]) -> tuple[str, ...]:
    """Return one known activation a layer, the last of them "identity", or raise ConfigError."""
    names = tuple(activations)
    for name in names:
        kind_of(name)
    if len(names) != len(sizes) - 1:
        raise ConfigError(
            f"{len(names) - 1} activations for {len(sizes) - 2} hidden layers: give one name, "
            "or one for each hidden layer"
        )
    if names[-1] != "identity":
        raise ConfigError(
            f"the last layer's activation is {names[-1]!r}: it must be 'identity', "
            "softmax belongs to the loss"
        )
    return names


def check_class_names(names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """Return a name for each class, its number where none is given, or raise ConfigError."""
    if names is None:
        return tuple(map(str, range(classes)))
    if len(names) != classes:
        raise ConfigError(f"{len(names)} class names for {classes} outputs: give one for each")
    return tuple(map(str, names))


def check_image_shape(shape: Sequence[int] | None, inputs: int) -> tuple[int, int]:
    """Return (height, width): as given, else a square where the inputs make one, else a row."""
    if shape is None:
        side = int(inputs**0.5 + 0.5)
        return (side, side) if side * side == inputs else (1, inputs)
    height, width = map(int, shape)
    if height < 1 or height * width != inputs:
        raise ConfigError(f"image shape {height}x{width} does not hold {inputs:,} inputs")
    return height, width


def check_parameters(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays in layer order, or raise FormatError naming the first that is off."""
    depth = len(parameters) // 2
    names = [f"{kind}_{n + 1}" for n in range(depth) for kind in ("weights", "biases")]
    if not depth or set(names) != set(parameters):
        raise FormatError(
            f"parameters {sorted(parameters)} make no network: expected weights_1, biases_1, ..."
        )
    arrays = {name: np.asarray(parameters[name]) for name in names}
    kinds = {array.dtype for array in arrays.values()}
    if len(kinds) > 1 or kinds.pop() not in (np.float32, np.float64):
        raise FormatError("parameters must be all float32 or all float64")
    fan_in = None
    for n in range(1, depth + 1):
        weights, biases = arrays[f"weights_{n}"], arrays[f"biases_{n}"]
        if weights.ndim != 2 or 0 in weights.shape or fan_in not in (None, weights.shape[0]):
            expected = f"({fan_in or 'inputs'}, units)"
            raise FormatError(f"weights_{n}: expected shape {expected}, found {weights.shape}")
        fan_in = weights.shape[1]
        if biases.shape != (fan_in,):
            raise FormatError(f"biases_{n}: expected shape ({fan_in},), found {biases.shape}")
    return arrays
