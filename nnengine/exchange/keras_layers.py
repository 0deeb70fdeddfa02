"""Keras' layers, as a config lists them, as the steps of a network; what has no place is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.activations import LEAK
from ..core.description import Shape
from ..core.network import Network
from ..errors import FormatError
from .assembly import assembled
from .loose import BRIGHT, Told
from .steps import Step

Arrays = Callable[[str, str, int], list[np.ndarray]]

_ACTIVATIONS = {"linear": "identity", "relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid"}
_POOLS = {"MaxPooling2D": "pool", "AveragePooling2D": "average", "GlobalMaxPooling2D": "pool",
          "GlobalAveragePooling2D": "average"}  # fmt: skip
_STRANGE = ("LSTM", "GRU", "RNN", "Attention", "Embedding", "LayerNorm", "Transpose", "Lambda")


class Layers:
    """How far a config has been followed. arrays: gives so many arrays of a layer, by its kind."""

    def __init__(self, config: Any, arrays: Arrays, told: Told) -> None:
        self.arrays, self.told = arrays, told
        self.steps: list[Step] = []
        self.image: Shape | None = None
        self.now: tuple[int, int] = (0, 0)  # sides of what is no flat row yet
        self.pads: tuple[int, ...] = (0, 0, 0, 0)  # of a frame that the next window looks at
        self.softmax = self.came_flat = False
        self.entries = self._entries(config)

    def network(self) -> Network:
        """Return the network. Raises FormatError for what has no place here."""
        for kind, config in self.entries:
            if self.softmax:
                raise FormatError(f"{kind} behind a softmax: expected none")
            if self.image is None and (sides := _sides(config)):
                self._begin(sides)
            if kind == "InputLayer":
                continue
            if self.image is None:
                raise FormatError(f"{kind} comes first and does not say what images it takes")
            self._take(kind, config)
        if self.image is None or any(self.pads):
            raise FormatError("a model that ends before its first layer, or with a frame of zeros")
        return assembled(
            [*self._scaling(), *self.steps], self.image, channels_first=False, softmax=self.softmax
        )

    def _entries(self, config: Any) -> list[tuple[str, dict[str, Any]]]:
        """Return (class, config) of the layers, one behind the other."""
        held = config if isinstance(config, dict) else {}
        inner, kind = held.get("config"), held.get("class_name")
        layers = inner.get("layers") if isinstance(inner, dict) else inner
        if kind not in ("Sequential", "Functional", "Model") or not isinstance(layers, list):
            raise FormatError(f"a model of class {str(kind)[:40]!r}: expected Sequential, or "
                              "Functional with one path")  # fmt: skip
        if kind != "Sequential":
            _check_one_path(layers)
        found = []
        for layer in layers:
            entry = layer if isinstance(layer, dict) else {}
            if not isinstance(entry.get("config"), dict) or not isinstance(
                entry.get("class_name"), str
            ):
                raise FormatError("a layer without class and config: it is damaged")
            found.append((entry["class_name"], entry["config"]))
        return found

    def _begin(self, sides: list[Any]) -> None:
        """Take what images come in, all sides but that of the batch."""
        given = self.told.image_shape
        if len(sides) == 1 and sides[0]:
            self.came_flat, side = True, math.isqrt(sides[0])
            height, width = given or ((side, side) if side * side == sides[0] else (1, sides[0]))
            self.image = height, width, max(1, sides[0] // max(1, height * width))
        elif len(sides) in (2, 3):
            height, width = (sides[0], sides[1]) if sides[0] and sides[1] else given or (0, 0)
            self.image = height, width, (sides[2] or 1) if len(sides) == 3 else 1
        else:
            raise FormatError(f"an input of {len(sides)} sides: expected images")
        if min(self.image) < 1:
            raise FormatError(f"images of {sides}: give --image-shape 28x28 where it is free")
        self.now = self.image[:2]

    def _scaling(self) -> list[Step]:
        """Return what stands for pixels of 0 to 1, where the model does not scale them itself."""
        first = self.steps[0] if self.steps else None
        scaled = first is not None and first.kind == "affine" and first.called == "Rescaling"
        small = first is not None and scaled and float(np.abs(first.arrays[0]).max()) < BRIGHT
        white = self.told.white or (255.0 if small else 1.0)
        factor, added = white / (255 * self.told.std), -self.told.mean / self.told.std
        return [Step(kind="affine", arrays=(np.full((1, 1, 1), factor), np.full((1, 1, 1), added)))]

    def _take(self, kind: str, config: dict[str, Any]) -> None:
        name = str(config.get("name", ""))
        called = f"{kind} {name[:40]!r}" if name else kind
        if any(self.pads) and "2D" not in kind:
            raise FormatError(f"{called} behind a frame of zeros: expected a Conv2D there")
        simple = {"Dense": self._dense, "Conv2D": self._conv, "Convolution2D": self._conv,
                  "BatchNormalization": self._norm}  # fmt: skip
        if kind in simple:
            simple[kind](config, name, called)
            self._activate(config.get("activation", "linear"), called)
            return
        self.arrays(kind, name, 0)  # counts it among its kind
        if kind in _POOLS:
            self._pool(kind, config, called)
        elif kind == "Flatten":
            self.steps.append(Step(kind="flatten", called=called))
            self.now = (1, 1)
        elif kind in ("Dropout", "SpatialDropout2D"):
            self.steps.append(Step(kind="dropout", share=_number(config, "rate", 0.5)))
        elif kind == "Rescaling":
            values = (_list(config, "scale"), _list(config, "offset"))
            arrays = tuple(np.reshape(one, (1, 1, -1)) for one in values)
            self.steps.append(Step(kind="affine", arrays=arrays, called=kind))
        elif kind == "ZeroPadding2D":
            self._frame(config, called)
        elif kind == "Reshape":
            self._reshape(config, called)
        elif kind in ("Activation", "Softmax", "ReLU", "LeakyReLU"):
            self._lone_activation(kind, config, called)
        else:
            what = " (recurrence, attention and code have no place here)" * any(
                word in kind for word in _STRANGE
            )
            raise FormatError(
                f"{called}: no layer of that kind here{what}; there are Dense, Conv2D, pools, "
                "BatchNormalization, Dropout, Flatten, Rescaling and activations"
            )

    def _dense(self, config: dict[str, Any], name: str, called: str) -> None:
        flat = any(step.kind == "flatten" for step in self.steps)
        if self.now != (1, 1) and not flat and not self.came_flat:
            raise FormatError(f"{called} acts on each row of an image: expected a Flatten")
        biased = config.get("use_bias", True) is not False
        weights, *rest = self.arrays("Dense", name, 1 + biased)
        biases = rest[0] if rest else np.zeros(weights.shape[-1], weights.dtype)
        if not flat:
            self.steps.append(Step(kind="flatten"))
        self.steps.append(Step(kind="dense", arrays=(weights, biases), called=called))
        self.now = (1, 1)

    def _conv(self, config: dict[str, Any], name: str, called: str) -> None:
        biased = config.get("use_bias", True) is not False
        weights, *rest = self.arrays("Conv2D", name, 1 + biased)
        if weights.ndim != 4:
            raise FormatError(f"{called}: weights of shape {weights.shape}")
        biases = rest[0] if rest else np.zeros(weights.shape[-1], weights.dtype)
        stride, pads = self._window(config, called, weights.shape[:2], 1)
        holes = set(_pair(config, "dilation_rate", 1)) != {1}
        if config.get("groups", 1) not in (1, None) or holes:
            raise FormatError(f"{called} in groups, or with holes: expected neither")
        self.steps.append(
            Step(kind="conv", arrays=(weights, biases), stride=stride, pads=pads, called=called)
        )

    def _window(
        self, config: dict[str, Any], called: str, window: tuple[int, ...], usual: int
    ) -> tuple[int, tuple[int, ...]]:
        """Return (stride, zeros at top, left, bottom, right), and how large images are then."""
        if config.get("data_format") == "channels_first":
            raise FormatError(f"{called} has channels first: expected channels last")
        strides = _pair(config, "strides", usual)
        stride = strides[0]
        if len(set(strides)) != 1:
            raise FormatError(f"{called} with strides {strides}: expected one")
        pads, self.pads = self.pads, (0, 0, 0, 0)
        if config.get("padding", "valid") == "same":
            lacks = [
                max((-(-n // stride) - 1) * stride + k - n, 0)
                for n, k in zip(self.now, window, strict=True)
            ]
            low = [n // 2 for n in lacks]
            same = (*low, *(n - m for n, m in zip(lacks, low, strict=True)))
            pads = tuple(a + b for a, b in zip(pads, same, strict=True))
        high, wide = (
            (n + pads[i] + pads[i + 2] - k) // stride + 1
            for i, (n, k) in enumerate(zip(self.now, window, strict=True))
        )
        self.now = max(0, high), max(0, wide)
        return stride, pads

    def _pool(self, kind: str, config: dict[str, Any], called: str) -> None:
        if kind.startswith("Global"):
            self.steps.append(Step(kind=_POOLS[kind], called=called))
            self.steps.append(Step(kind="flatten"))
            self.now = (1, 1)
            return
        window = _pair(config, "pool_size", 2)
        stride, pads = self._window(config, called, window, window[0])
        self.steps.append(
            Step(kind=_POOLS[kind], window=window, stride=stride, pads=pads, called=called)
        )

    def _norm(self, config: dict[str, Any], name: str, called: str) -> None:
        scaled, centred = (config.get(key, True) is not False for key in ("scale", "center"))
        arrays = self.arrays("BatchNormalization", name, 2 + scaled + centred)
        mean, variance = arrays[-2:]
        scales = arrays[0] if scaled else np.ones_like(mean)
        shifts = arrays[scaled] if centred else np.zeros_like(mean)
        axis = config.get("axis", -1)
        if (axis[0] if isinstance(axis, list) and len(axis) == 1 else axis) not in (-1, 1, 3):
            raise FormatError(f"{called} along axis {str(axis)[:20]}: expected the last")
        epsilon = _number(config, "epsilon", 1e-3)
        self.steps.append(
            Step(kind="norm", arrays=(scales, shifts, mean, variance), epsilon=epsilon,
                 called=called)
        )  # fmt: skip

    def _frame(self, config: dict[str, Any], called: str) -> None:
        given = config.get("padding", 1)
        rows = [given] * 2 if type(given) is int else given
        ends = [[one] * 2 if type(one) is int else one for one in _as_list(rows)]
        flat = [n for end in ends if isinstance(end, list) for n in end]
        if len(flat) != 4 or not all(type(n) is int and 0 <= n < 1000 for n in flat):
            raise FormatError(f"{called} by {str(given)[:40]}")
        self.pads = flat[0], flat[2], flat[1], flat[3]

    def _reshape(self, config: dict[str, Any], called: str) -> None:
        """Take flat pixels as images, before all layers, or lay images flat."""
        sides = config.get("target_shape")
        if isinstance(sides, list) and len(sides) == 1:
            self.steps.append(Step(kind="flatten", called=called))
            self.now = (1, 1)
            return
        image = self.image or (1, 1, 1)
        count = math.prod(image)
        sides = [n for n in _as_list(sides) if type(n) is int and n > 0]
        fits = len(sides) in (2, 3) and math.prod(sides) == count
        if not fits or any(step.kind != "affine" for step in self.steps):
            raise FormatError(f"{called} to {str(sides)[:40]}: expected images, before all layers")
        height, width, *channels = sides
        self.image, self.now = (height, width, channels[0] if channels else 1), (height, width)
        self.came_flat = False

    def _activate(self, given: Any, called: str) -> None:
        if given == "softmax":
            self.softmax = True
            return
        name = _ACTIVATIONS.get(given) if isinstance(given, str) else None
        if name is None:
            raise FormatError(f"{called} with the activation {str(given)[:40]!r}: expected one of "
                              f"{', '.join(_ACTIVATIONS)}, softmax")  # fmt: skip
        if name != "identity":
            self.steps.append(Step(kind="activation", name=name))

    def _lone_activation(self, kind: str, config: dict[str, Any], called: str) -> None:
        if kind == "Activation":
            self._activate(config.get("activation"), called)
        elif kind == "Softmax":
            self._activate("softmax", called)
        elif kind == "LeakyReLU":
            slope = _number(config, "negative_slope", _number(config, "alpha", 0.3))
            if not math.isclose(slope, LEAK, rel_tol=1e-6):
                raise FormatError(f"{called} with a slope of {slope:g}: here it is {LEAK:g}")
            self.steps.append(Step(kind="activation", name="leaky_relu"))
        else:
            rest = (_number(config, "negative_slope", 0.0), _number(config, "threshold", 0.0))
            if config.get("max_value") is not None or any(rest):
                raise FormatError(f"{called} with a bound (ReLU6), slope or threshold")
            self._activate("relu", called)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _sides(config: dict[str, Any]) -> list[Any]:
    """Return the sides of what comes in, without the batch's; an empty list where none are said."""
    sides = config.get("batch_shape", config.get("batch_input_shape"))
    if not isinstance(sides, list) or not 1 < len(sides) <= 8:
        return []
    if not all(n is None or type(n) is int and 0 < n < 2**20 for n in sides):
        raise FormatError(f"images of {str(sides)[:60]}: it is damaged")
    return sides[1:]


def _number(config: dict[str, Any], key: str, usual: float) -> float:
    value = config.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise FormatError(f"{key} is {str(value)[:40]}: expected a number")
    return float(value)


def _list(config: dict[str, Any], key: str) -> list[float]:
    value = config.get(key, 0.0)
    found = value if isinstance(value, list) else [value]
    if not 1 <= len(found) <= 4 or not all(isinstance(one, int | float) for one in found):
        raise FormatError(f"{key} is {str(value)[:40]}: expected one number, or one a channel")
    return [float(one) for one in found]


def _pair(config: dict[str, Any], key: str, usual: int) -> tuple[int, int]:
    value = config.get(key)
    value = usual if value is None else value
    found = value if isinstance(value, list) else [value] * 2
    if len(found) != 2 or not all(type(n) is int and 0 < n < 10_000 for n in found):
        raise FormatError(f"{key} is {str(value)[:40]}: expected whole numbers above 0")
    return found[0], found[1]


def _check_one_path(layers: list[Any]) -> None:
    """Refuse a functional model whose layers do not stand one behind the other."""
    before = None
    for layer in layers:
        entry = layer if isinstance(layer, dict) else {}
        said = str(entry.get("inbound_nodes", ""))
        config = entry.get("config")
        name = config.get("name") if isinstance(config, dict) else None
        nodes = entry.get("inbound_nodes")
        if before is not None:
            uses = _as_list(nodes)
            if len(uses) != 1 or f"'{before}'" not in said or _tensors(uses[0]) != 1:
                raise FormatError(
                    f"layer {str(name)[:40]!r} does not follow {str(before)[:40]!r} alone: models "
                    "of several paths have no place here"
                )
        before = name


def _tensors(node: Any) -> int:
    """Return how many tensors one use of a layer takes, in the dialects of Keras 2 and 3."""
    if isinstance(node, dict):
        return str(node.get("args")).count("keras_history")
    return len(node) if isinstance(node, list) else 0
