"""A network as the layers of Keras, and as the configs that describe these in its two dialects."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from ..core.activations import LEAK
from ..core.network import Network
from ..storage.folding import folded
from .steps import Step, steps_of

KERAS_2 = "2.15.0"  # whose dialect the older config has
_NAMES = {
    "Dense": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "BatchNormalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


class Layer(NamedTuple):
    """A layer of Keras. config: what it is made with; arrays: float32, in the order of Keras."""

    kind: str
    name: str
    config: dict[str, Any]
    arrays: tuple[np.ndarray, ...]

    @property
    def paths(self) -> list[str]:
        """What Keras 2 calls its arrays: dense_1/kernel, dense_1/bias."""
        return [f"{self.name}/{what}" for what in _NAMES.get(self.kind, ())]


def layers_of(network: Network) -> list[Layer]:
    """Return the layers from pixels to probabilities: a Rescaling first, a softmax last."""
    found: list[tuple[str, dict[str, Any], tuple[np.ndarray, ...]]] = [
        ("Rescaling", {"scale": network.input_scale, "offset": 0.0}, ())
    ]
    for step in steps_of(folded(network), channels_first=False):
        if any(step.pads):
            top, left, bottom, right = step.pads
            found.append(("ZeroPadding2D", {"padding": [[top, bottom], [left, right]]}, ()))
        found.append(_layer(step))
    found.append(("Activation", {"activation": "softmax"}, ()))
    return [
        Layer(kind, f"{snake(kind)}_{n}", config, tuple(a.astype(np.float32) for a in arrays))
        for n, (kind, config, arrays) in enumerate(found)
    ]


def _layer(step: Step) -> tuple[str, dict[str, Any], tuple[np.ndarray, ...]]:
    if step.kind == "dense":
        return "Dense", {"units": step.arrays[0].shape[1]}, step.arrays
    if step.kind == "conv":
        *window, _, maps = step.arrays[0].shape
        return "Conv2D", {"filters": maps, "kernel_size": window, "strides": [step.stride] * 2,
                          "padding": "valid"}, step.arrays  # fmt: skip
    if step.kind in ("pool", "average"):
        kind = "MaxPooling2D" if step.kind == "pool" else "AveragePooling2D"
        sides = {"pool_size": list(step.window), "strides": [step.stride] * 2}
        return kind, sides | {"padding": "valid"}, ()
    if step.kind == "norm":
        return "BatchNormalization", {"epsilon": step.epsilon}, step.arrays
    if step.name == "leaky_relu":
        return "LeakyReLU", {"negative_slope": LEAK}, ()
    return ("Flatten", {}, ()) if step.kind == "flatten" else (
        "Activation", {"activation": step.name}, ()
    )  # fmt: skip


def snake(kind: str) -> str:
    """Return what Keras calls layers of a class: Conv2D is conv2d, MaxPooling2D max_pooling2d."""
    parted = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def config_of_3(network: Network, layers: list[Layer]) -> dict[str, Any]:
    """Return what Keras 3 describes a Sequential model with."""
    shape = [None, *network.shape]
    first = {"batch_shape": shape, "dtype": "float32", "name": "pixels"}
    entries = [
        {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}
        for kind, config in [("InputLayer", first), *((la.kind, _named(la)) for la in layers)]
    ]
    return {
        "module": "keras", "class_name": "Sequential", "registered_name": None,
        "config": {"name": "network", "layers": entries}, "build_config": {"input_shape": shape},
    }  # fmt: skip


def config_of_2(network: Network, layers: list[Layer]) -> dict[str, Any]:
    """Return what Keras 2 and TensorFlow.js describe a Sequential model with.

    The shape stands in an InputLayer: in any other, Keras 3.15 takes it for one without a batch.
    """
    first = {"batch_input_shape": [None, *network.shape], "dtype": "float32", "name": "pixels"}
    entries = [{"class_name": "InputLayer", "config": first}]
    for layer in layers:
        config = _named(layer)
        if layer.kind == "LeakyReLU":
            config["alpha"] = config.pop("negative_slope")
        entries.append({"class_name": layer.kind, "config": config})
    return {"class_name": "Sequential", "config": {"name": "network", "layers": entries}}


def _named(layer: Layer) -> dict[str, Any]:
    return {"name": layer.name, "dtype": "float32", **layer.config}
