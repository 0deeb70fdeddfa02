"""Copying: a network goes to another process, or is copied deep, as its numbers and settings.

Its layers are views into one vector, and would come apart where each array went for itself.
"""

from __future__ import annotations

import copyreg
from typing import Any

import numpy as np

from ..core.arithmetic import aligned_zeros
from ..core.network import Network

_SAME = ("input_scale", "class_names", "image_shape", "channels", "training")


def restored(sizes: Any, activations: Any, theta: np.ndarray, settings: Any, frozen: bool) -> Any:
    """Return the network of which `_parts` told."""
    vector = aligned_zeros(theta.shape, theta.dtype)
    vector[:] = theta
    vector.flags.writeable = not frozen
    return Network(sizes, activations, vector, **settings)


def _parts(network: Network) -> tuple[Any, ...]:
    settings = {name: getattr(network, name) for name in _SAME}
    settings["hidden"] = network.specs[:-1]
    frozen = not network.theta.flags.writeable
    return restored, (network.sizes, network.activations, network.theta, settings, frozen)


copyreg.pickle(Network, _parts)  # type: ignore[arg-type]
