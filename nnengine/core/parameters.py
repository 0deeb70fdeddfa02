"""Parameters: which arrays make a network, and which do not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import FormatError


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
