"""ONNX, in: a graph's nodes as the steps of a network, one by one, or named in a refusal."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from ..core.activations import LEAK
from ..core.arithmetic import calmly
from ..core.network import Network
from ..errors import FormatError
from .assembly import assembled
from .loose import Told
from .onnx_graph import Node, graph_of
from .onnx_walk import Walk

_ACTIVATIONS = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
_STRANGE = {
    "LSTM": "a recurrent layer", "GRU": "a recurrent layer", "RNN": "a recurrent layer",
    "Attention": "attention", "MultiHeadAttention": "attention", "Einsum": "attention, mostly",
    "LayerNormalization": "a layer norm", "InstanceNormalization": "a norm over each image",
    "GroupNormalization": "a group norm", "ConvTranspose": "a transposed convolution",
    "Loop": "a loop", "If": "a branch", "Scan": "a loop", "Gelu": "GELU", "Elu": "ELU",
    "HardSwish": "hard swish", "PRelu": "PReLU", "TreeEnsembleClassifier": "a forest of trees",
    "QLinearConv": "whole numbers for weights", "QLinearMatMul": "whole numbers for weights",
    "DequantizeLinear": "whole numbers for weights", "Concat": "two paths joined",
}  # fmt: skip


@calmly
def read(data: bytes, told: Told) -> Network:
    """Return the network in an ONNX file.

    Of `told`, image_shape counts where the file has free sides, and mean and std where pixels of 0
    to 1 go in. Raises FormatError naming what has no place here.
    """
    graph = graph_of(data)
    walk = _Layers(graph, told)
    for node in graph.nodes:
        if not walk.done:
            walk.take(node)
    names = _names(graph.metadata.get("class_names", ""))
    steps = [*walk.scaling(), *walk.steps]
    network = assembled(
        steps, walk.image, channels_first=walk.channels_first, flat=walk.came_flat,
        softmax=walk.ended,
    )  # fmt: skip
    if names and len(names) == network.classes:
        network.class_names = names
    return network


def _names(text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text) if len(text) < 1 << 20 else None
    except (ValueError, RecursionError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


class _Layers(Walk):
    """A walk that knows what each operation is among the steps of a network."""

    def follow(self, node: Node) -> None:
        method = _OPS.get(node.op)
        if node.strange or method is None:
            what = _STRANGE.get(node.op, "an operation that has no place here")
            raise FormatError(
                f"{node.called}: {what}; layers here are fully connected, convolutions, pools, "
                "batch norms and dropout"
            )
        method(self, node)

    def _gemm(self, node: Node) -> None:
        weights = self.weights_at(node, 1, 2)
        if node.whole("transA", 0) or node.inputs[0] != self.at:
            raise FormatError(f"{node.called} turns what goes in")
        weights = weights.T if node.whole("transB", 0) else weights
        if (alpha := node.real("alpha", 1.0)) != 1:
            weights = weights * np.float32(alpha)
        biases = np.zeros(weights.shape[1], weights.dtype)
        if len(node.inputs) > 2 and node.inputs[2]:
            given = self.weights_at(node, 2).ravel() * np.float32(node.real("beta", 1.0))
            if given.size not in (1, len(biases)):
                raise FormatError(f"{node.called}: {given.size} biases for {len(biases)} units")
            biases = biases + given
        self._dense(node, weights, biases)

    def _matmul(self, node: Node) -> None:
        weights = self.weights_at(node, 1, 2)
        self._dense(node, weights, np.zeros(weights.shape[1], weights.dtype))

    def _dense(self, node: Node, weights: np.ndarray, biases: np.ndarray) -> None:
        if self.now is not None and self.now[:2] != (1, 1):
            raise FormatError(f"{node.called} acts on each row of an image: expected a Flatten")
        self.add_step(node, "dense", arrays=(weights, biases))
        self.now = None

    def _conv(self, node: Node) -> None:
        weights = self.weights_at(node, 1, 4)
        maps, channels, *window = weights.shape
        if node.whole("group", 1) != 1:
            raise FormatError(f"{node.called} in {node.whole('group', 1)} groups: expected one")
        biases = self.weights_at(node, 2, 1) if len(node.inputs) > 2 and node.inputs[2] else None
        if biases is None:
            biases = np.zeros(maps, weights.dtype)
        stride, pads = self._window(node, window)
        weights = weights.transpose(2, 3, 1, 0)
        self.add_step(node, "conv", arrays=(weights, biases), stride=stride, pads=pads)
        self._after(window, stride, pads, maps)

    def _window(self, node: Node, window: list[int]) -> tuple[int, tuple[int, ...]]:
        """Return (stride, zeros at top, left, bottom, right) of a window over images."""
        if self.now is None or self.layout != "NCHW":
            raise FormatError(f"{node.called} behind a Flatten, or on channels last")
        strides, holes = node.wholes("strides") or [1], node.wholes("dilations") or [1]
        if len(set(strides)) != 1 or set(holes) != {1}:
            raise FormatError(
                f"{node.called} with strides {strides} and dilations {holes}: expected one stride "
                "and no holes"
            )
        stride, auto = strides[0], node.text("auto_pad", "NOTSET")
        pads = node.wholes("pads") or [0] * 4
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            lacks = [
                max((-(-side // max(1, stride)) - 1) * stride + k - side, 0)
                for side, k in zip(self.now[:2], window, strict=True)
            ]
            low = [n // 2 for n in lacks]
            high = [n - m for n, m in zip(lacks, low, strict=True)]
            pads = [*low, *high] if auto == "SAME_UPPER" else [*high, *low]
        if len(pads) != 4 or min(pads) < 0 or max(pads) > 1000 or stride < 1:
            raise FormatError(f"{node.called} with pads {pads} and stride {stride}")
        return stride, tuple(pads)

    def _after(self, window: Any, stride: int, pads: Any, channels: int) -> None:
        height, width, _ = self.now or (1, 1, 1)
        high = (height + pads[0] + pads[2] - window[0]) // stride + 1
        wide = (width + pads[1] + pads[3] - window[1]) // stride + 1
        self.now = max(0, high), max(0, wide), channels

    def _pool(self, node: Node, kind: str) -> None:
        window = node.wholes("kernel_shape")
        if len(window) != 2 or min(window) < 1:
            raise FormatError(f"{node.called} with a window of {window}")
        stride, pads = self._window(node, window)
        height, width, channels = self.now or (1, 1, 1)
        rests = [(side - k) % stride for side, k in zip((height, width), window, strict=True)]
        if node.whole("ceil_mode", 0) and any(rests):
            raise FormatError(f"{node.called} goes beyond the edge (ceil_mode): train it without")
        self.add_step(node, kind, window=tuple(window), stride=stride, pads=pads)
        self._after(window, stride, pads, channels)

    def _maxpool(self, node: Node) -> None:
        self._pool(node, "pool")

    def _averagepool(self, node: Node) -> None:
        self._pool(node, "average")

    def _globalaveragepool(self, node: Node, kind: str = "average") -> None:
        if self.now is None or self.layout != "NCHW":
            raise FormatError(f"{node.called} behind a Flatten, or on channels last")
        self.add_step(node, kind)
        self.now = 1, 1, self.now[2]

    def _globalmaxpool(self, node: Node) -> None:
        self._globalaveragepool(node, "pool")

    def _reducemean(self, node: Node) -> None:
        if sorted(self.listed(node, "axes", 1)) not in ([2, 3], [-2, -1]):
            raise FormatError(f"{node.called}: expected the mean over an image's places")
        self._globalaveragepool(node)

    def _batchnormalization(self, node: Node) -> None:
        arrays = tuple(self.weights_at(node, place, 1) for place in (1, 2, 3, 4))
        epsilon = node.real("epsilon", 1e-5)
        if not 0 <= epsilon < 1:
            raise FormatError(f"{node.called} with an epsilon of {epsilon:g}")
        self.add_step(node, "norm", arrays=arrays, epsilon=epsilon)

    # Activations -------------------------------------------------------------------------

    def _activation(self, node: Node) -> None:
        self.add_step(node, "activation", name=_ACTIVATIONS[node.op])

    def _leakyrelu(self, node: Node) -> None:
        slope = node.real("alpha", 0.01)
        if not math.isclose(slope, LEAK, rel_tol=1e-6):
            raise FormatError(f"{node.called} with a slope of {slope:g}: here it is {LEAK:g}")
        self.add_step(node, "activation", name="leaky_relu")

    def _clip(self, node: Node) -> None:
        raise FormatError(f"{node.called}: ReLU with an upper bound (ReLU6) has no place here")

    def _softmax(self, node: Node) -> None:
        if node.whole("axis", -1) not in (1, -1):
            raise FormatError(f"{node.called} along axis {node.whole('axis', -1)}: expected 1")
        self.ended = self.done = True

    def _argmax(self, node: Node) -> None:
        """Stop: what comes then only looks for the largest."""
        self.done = True


_OPS = {
    "Identity": _Layers.identity, "Cast": _Layers.cast, "Dropout": _Layers.dropout,
    "Flatten": _Layers.flatten, "Reshape": _Layers.reshape, "Unsqueeze": _Layers.unsqueeze,
    "Squeeze": _Layers.squeeze, "Transpose": _Layers.transpose, "Mul": _Layers.mul,
    "Div": _Layers.div, "Sub": _Layers.sub, "Add": _Layers.add, "Gemm": _Layers._gemm,
    "MatMul": _Layers._matmul, "Conv": _Layers._conv, "MaxPool": _Layers._maxpool,
    "AveragePool": _Layers._averagepool, "GlobalAveragePool": _Layers._globalaveragepool,
    "GlobalMaxPool": _Layers._globalmaxpool, "ReduceMean": _Layers._reducemean,
    "BatchNormalization": _Layers._batchnormalization, "Relu": _Layers._activation,
    "Tanh": _Layers._activation, "Sigmoid": _Layers._activation, "LeakyRelu": _Layers._leakyrelu,
    "Clip": _Layers._clip, "Softmax": _Layers._softmax, "LogSoftmax": _Layers._softmax,
    "ArgMax": _Layers._argmax,
}  # fmt: skip
