"""Activations: what a unit answers to its sum, and the slope of that answer from the answer."""

from __future__ import annotations

from ..errors import ConfigError
from ..kernels import numpy_

# The number is what the kernels take; the name is what people write.
KINDS = {
    "relu": numpy_.RELU,
    "leaky_relu": numpy_.LEAKY_RELU,
    "tanh": numpy_.TANH,
    "sigmoid": numpy_.SIGMOID,
    "identity": numpy_.IDENTITY,
}
ACTIVATIONS = tuple(KINDS)


def kind_of(activation: str) -> int:
    """Return the kernels' number for an activation's name. Raises ConfigError if unknown."""
    try:
        return KINDS[activation]
    except (KeyError, TypeError):
        raise ConfigError(
            f"activation {activation!r} is not known: choose one of {', '.join(ACTIVATIONS)}"
        ) from None
