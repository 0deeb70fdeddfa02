"""ONNX, out: one graph from bytes to probabilities, as old as readers of all kinds take it.

IR 8 and opset 17: onnx 1.23 writes 14 and 28 by itself, which onnxruntime-web 1.30 refuses. One
output, for OpenCV 4 and 5 disagree which of two is meant. Weights are floats within the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._version import __version__
from ..core.activations import LEAK
from ..core.network import Network
from ..storage.folding import folded
from .protobuf import message
from .safetensors import torch_order
from .steps import Step, steps_of

IR_VERSION, OPSET = 8, 17
FLOAT, UINT8 = 1, 2
_FLOAT, _INT, _INTS = 1, 2, 7  # kinds of attributes
_OPS = {"relu": "Relu", "leaky_relu": "LeakyRelu", "tanh": "Tanh", "sigmoid": "Sigmoid",
        "pool": "MaxPool", "average": "AveragePool"}  # fmt: skip


def write(network: Network) -> bytes:
    """Return the network as ONNX: `pixels`, uint8 (N, channels, height, width), to `probabilities`.

    float32 (N, classes); rows sum to 1, N is free. Norms and what only training needs are folded
    into weights where that is possible. Names of classes stand in the metadata.
    """
    graph = _Graph(network)
    return message(
        (1, IR_VERSION),
        (2, "nnengine"),
        (3, __version__),
        (7, graph.bytes()),
        (8, message((1, ""), (2, OPSET))),
        (14, message((1, "class_names"), (2, json.dumps(network.class_names)))),
    )


class _Graph:
    """Nodes and weights of a network."""

    def __init__(self, network: Network) -> None:
        self.nodes: list[bytes] = []
        self.weights: list[bytes] = []
        self.at = "pixels"
        height, width, channels = network.shape
        self.ends = (
            _value("pixels", UINT8, (channels, height, width)),
            _value("probabilities", FLOAT, (network.classes,)),
        )
        self.add("Cast", to=FLOAT)
        scale = np.array(network.input_scale, np.float32)
        self.add("Mul", self.weight("input_scale", scale))
        for n, step in enumerate(steps_of(folded(network), channels_first=True)):
            self.step(n, step)
        self.add("Softmax", axis=1)

    def step(self, n: int, step: Step) -> None:
        """Add the node of a step."""
        names = (
            ("scale", "shift", "mean", "variance") if step.kind == "norm" else ("weight", "bias")
        )
        arrays = [
            self.weight(f"{n}.{name}", torch_order(array).astype(np.float32))
            for name, array in zip(names, step.arrays, strict=False)
        ]
        window = {"kernel_shape": list(step.window), "strides": [step.stride] * 2}
        if step.kind == "dense":
            self.add("Gemm", *arrays, transB=1)
        elif step.kind == "conv":
            self.add("Conv", *arrays, pads=list(step.pads), **window)
        elif step.kind == "norm":
            self.add("BatchNormalization", *arrays, epsilon=step.epsilon)
        elif step.kind == "flatten":
            self.add("Flatten", axis=1)
        elif step.kind == "activation":
            alpha = {"alpha": float(LEAK)} if step.name == "leaky_relu" else {}
            self.add(_OPS[step.name], **alpha)
        else:
            self.add(_OPS[step.kind], **window)

    def add(self, op: str, *others: str, **attributes: Any) -> None:
        """Add a node behind the last one."""
        number = len(self.nodes)
        out = "probabilities" if op == "Softmax" else f"x{number}"
        self.nodes.append(
            message(
                (1, [self.at, *others]), (2, out), (3, f"{op.lower()}_{number}"), (4, op),
                (5, [_attribute(name, value) for name, value in attributes.items()]),
            )
        )  # fmt: skip
        self.at = out

    def weight(self, name: str, array: np.ndarray) -> str:
        """Enter an array under a name, which is returned."""
        raw = np.ascontiguousarray(array).astype("<f4").tobytes()
        self.weights.append(message((1, list(array.shape)), (2, FLOAT), (8, name), (9, raw)))
        return name

    def bytes(self) -> bytes:
        """Return the graph as a message."""
        pixels, probabilities = self.ends
        return message(
            (1, self.nodes), (2, "network"), (5, self.weights), (11, pixels), (12, probabilities)
        )


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    if isinstance(value, float):
        return message((1, name), (2, value), (20, _FLOAT))
    if isinstance(value, int):
        return message((1, name), (3, value), (20, _INT))
    return message((1, name), (8, list(value)), (20, _INTS))


def _value(name: str, kind: int, sides: tuple[int, ...]) -> bytes:
    """Return an input or output of N times these sides."""
    free = message((1, message((2, "N"))))
    shape = free + message((1, [message((1, side)) for side in sides]))
    return message((1, name), (2, message((1, message((1, kind), (2, shape))))))
