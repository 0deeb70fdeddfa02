"""Folding: a network as it answers: without layers that training alone needs."""

from __future__ import annotations

import numpy as np

from ..core.arithmetic import calmly
from ..core.description import Spec
from ..core.network import Network
from ..core.steadying import EPSILON


@calmly
def folded(network: Network) -> Network:
    """Return a network of the same answers, up to rounding, without dropout and with fewer norms.

    A norm right behind a layer with weights becomes part of these: weights * s and
    (biases - means) * s + shifts, where s = scales / sqrt(variances + 1e-5). One behind anything
    else stays. (Jacob et al. 2018, section 3.2.)
    """
    specs: list[Spec] = []
    arrays: list[list[np.ndarray]] = []
    activations: list[str] = []
    for spec, layer in zip(network.specs, network.layers, strict=True):
        if spec.kind == "dropout":
            continue
        behind = specs and specs[-1].weighs and activations[-1] == "identity"
        if spec.kind == "norm" and behind and arrays[-1]:
            arrays[-1] = _with_norm(*arrays[-1], layer)
            activations[-1] = layer.activation
            continue
        specs.append(spec)
        names = spec.arrays(layer.shape)
        arrays.append([getattr(layer, name) for name in names])
        activations.append(layer.activation)
    theta = np.concatenate([array.ravel() for several in arrays for array in several])
    return Network(
        (network.inputs, network.classes),
        activations,
        theta.astype(network.dtype),
        input_scale=network.input_scale,
        class_names=network.class_names,
        image_shape=network.image_shape,
        channels=network.channels,
        hidden=specs[:-1],
        training=network.training,
    )


def _with_norm(weights: np.ndarray, biases: np.ndarray, norm: object) -> list[np.ndarray]:
    """Return weights and biases that do what a norm behind them did, computed in float64."""
    names = ("scales", "shifts", "means", "variances")
    scales, shifts, means, variances = (getattr(norm, name).astype(float) for name in names)
    slope = scales / np.sqrt(variances + EPSILON)
    return [weights * slope, (biases - means) * slope + shifts]
