"""ONNX, followed: where a walk along a graph stands, and how numbers lie there."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ..core.description import Shape
from ..errors import FormatError
from .loose import BRIGHT, Told
from .onnx_graph import Graph, Node
from .steps import Step

_REAL_KINDS = (1, 10, 11)
_SHAPES = {"Shape", "Gather", "Concat", "Slice", "Unsqueeze", "Squeeze", "Cast", "Reshape", "Mul"}


class Walk:
    """How far a graph has been followed, from its input on."""

    def __init__(self, graph: Graph, told: Told) -> None:
        self.told, self.constants = told, dict(graph.constants)
        self.at, self.kind, sides = graph.input
        self.steps: list[Step] = []
        self.shape_only: set[str] = set()  # values that are sides of arrays
        self.ended = self.done = self.came_flat = False  # ended: by a softmax
        self.channels_first = True
        self.layout = "NCHW"  # of what is not flat; "NHW" where channels are still to come
        self.image: Shape = self._image(sides)
        self.now: Shape | None = None if self.came_flat else self.image  # None: flat

    def _image(self, sides: list[int]) -> Shape:
        """Return (height, width, channels) of the images that go in."""
        given = self.told.image_shape
        if len(sides) == 4:
            channels_last = sides[3] in (1, 3) and sides[1] not in (1, 3)
            self.layout = "NHWC" if channels_last else "NCHW"
            *around, channels = sides[1:] if channels_last else (*sides[2:], sides[1])
            height, width = around if min(around) > 0 else given or around
            shape = height, width, channels or 1
        elif len(sides) == 3:
            self.layout = "NHW"
            shape = (*((sides[1], sides[2]) if min(sides[1:]) > 0 else given or (0, 0)), 1)
        elif len(sides) == 2:
            self.came_flat = True
            side = math.isqrt(sides[1])
            pixels = given or ((side, side) if side * side == sides[1] else (1, sides[1]))
            shape = (*pixels, max(1, sides[1]) // max(1, math.prod(pixels)))
        else:
            raise FormatError(f"an input of {len(sides)} sides: expected images, 2 to 4")
        if min(shape) < 1 or math.prod(shape) > 1 << 24:
            raise FormatError(f"images of {sides[1:]}: give --image-shape 28x28 where it is free")
        return shape[0], shape[1], shape[2]

    def scaling(self) -> list[Step]:
        """Return what floats mean: pixels of 0 to 1, unless the graph itself scales them."""
        if self.kind not in _REAL_KINDS:
            return []
        factor = 1.0
        for step in itertools.takewhile(
            lambda step: step.kind in ("affine", "flatten"), self.steps
        ):
            factor *= float(np.abs(step.arrays[0]).mean()) if step.arrays else 1.0
        white = self.told.white or (255.0 if 0 < factor < BRIGHT else 1.0)
        factor, added = white / (255 * self.told.std), -self.told.mean / self.told.std
        arrays = np.full((1, 1, 1), factor), np.full((1, 1, 1), added)
        return [Step(kind="affine", arrays=arrays, called=f"pixels of 0 to {white:g}")]

    def take(self, node: Node) -> None:
        """Follow one node. Raises FormatError for one that has no place here."""
        if all(name in self.constants or not name for name in node.inputs):
            self._constant(node)
            return
        of_shape = [name for name in node.inputs if name in self.shape_only]
        if node.op == "Shape" or of_shape and self.at not in node.inputs:
            if node.op not in _SHAPES and node.op != "Shape":
                raise FormatError(f"{node.called} works on the sides of an array: not read here")
            self.shape_only |= set(node.outputs)
            return
        if self.at not in node.inputs or node.inputs.count(self.at) > 1:
            raise FormatError(
                f"{node.called} does not follow what is before it: two paths, as in a residual "
                "network, have no place here"
            )
        self.follow(node)
        if not node.outputs:
            raise FormatError(f"{node.called} gives nothing")
        self.at = node.outputs[0]

    def follow(self, node: Node) -> None:
        """Add what a node does to the steps."""
        raise NotImplementedError

    # Constants ---------------------------------------------------------------------------

    def _constant(self, node: Node) -> None:
        """Work out what changes how weights lie."""
        values = [self.constants[name] for name in node.inputs if name]
        if node.op in ("Identity", "Cast") and values:
            found = values[0]
        elif node.op == "Transpose" and values:
            order = node.wholes("perm") or list(range(values[0].ndim))[::-1]
            if sorted(order) != list(range(values[0].ndim)):
                raise FormatError(f"{node.called}: sides {order} of an array of {values[0].shape}")
            found = values[0].transpose(order)
        elif node.op == "Reshape" and len(values) == 2:
            sides = self.listed(node, "shape", 1)
            try:
                found = values[0].reshape(sides)
            except ValueError:
                raise FormatError(f"{node.called}: {values[0].shape} as {sides}") from None
        else:
            raise FormatError(f"{node.called} computes weights from weights: not read here")
        if node.outputs:
            self.constants[node.outputs[0]] = found

    def weights_at(self, node: Node, place: int, ndim: int | None = None) -> np.ndarray:
        """Return an input that must be a constant of floats."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        array = self.constants.get(name)
        wrong = array is None or not array.size or array.dtype.kind != "f"
        if array is None or wrong or ndim is not None and array.ndim != ndim:
            found = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise FormatError(f"{node.called}: {found} where weights of the file are expected")
        return array

    def listed(self, node: Node, name: str, place: int) -> list[int]:
        """Return a list of whole numbers: an attribute in older files, an input in newer ones."""
        found = node.wholes(name)
        if not found and place < len(node.inputs):
            array = self.constants.get(node.inputs[place])
            if array is not None and array.dtype.kind == "i":
                found = array.ravel()[:16].tolist()
        return found

    def add_step(self, node: Node, kind: str, **more: Any) -> None:
        self.steps.append(Step(kind=kind, called=node.called, **more))

    # What changes nothing, or only how numbers lie -----------------------------------------

    def identity(self, node: Node) -> None:
        """Pass it over."""

    def cast(self, node: Node) -> None:
        if node.whole("to", 0) not in _REAL_KINDS:
            raise FormatError(f"{node.called} turns numbers into whole ones")

    def dropout(self, node: Node) -> None:
        share = node.real("ratio", 0.5)
        if len(node.inputs) > 1 and node.inputs[1] in self.constants:
            share = float(self.weights_at(node, 1).flat[0])
        self.add_step(node, "dropout", share=share)

    def flatten(self, node: Node) -> None:
        if node.whole("axis", 1) != 1:
            raise FormatError(f"{node.called} along axis {node.whole('axis', 1)}: expected 1")
        self.lay_flat(node)

    def lay_flat(self, node: Node) -> None:
        if self.now is not None:
            self.channels_first = self.layout == "NCHW"
            self.add_step(node, "flatten")
            self.now = None

    def reshape(self, node: Node) -> None:
        name = node.inputs[1] if len(node.inputs) > 1 else ""
        sides = self.listed(node, "shape", 1)
        if len(sides) == 2 or name in self.shape_only:
            self.lay_flat(node)
            return
        layers = any(step.kind not in ("affine", "flatten") for step in self.steps)
        if not layers and len(sides) in (3, 4) and self.image[2] == 1:
            self._as_image(node, sides)
            return
        raise FormatError(f"{node.called} to {sides or 'sides that are not written down'}")

    def _as_image(self, node: Node, sides: list[int]) -> None:
        """Take flat pixels as images of one channel."""
        count = math.prod(self.image)
        rest = [side for side in sides[1:] if side != -1]
        whole = [count // max(1, math.prod(rest)) if side == -1 else side for side in sides[1:]]
        if math.prod(whole) != count or len(whole) == 3 and 1 not in (whole[0], whole[2]):
            raise FormatError(f"{node.called} to {sides}: not images of {count:,} pixels")
        if len(whole) == 2:
            self.layout = "NHW"
        else:
            self.layout = "NCHW" if whole[0] == 1 else "NHWC"
            whole = whole[1:] if whole[0] == 1 else whole[:2]
        self.image = self.now = (whole[0], whole[1], 1)
        self.steps = [step for step in self.steps if step.kind != "flatten"]
        self.came_flat = False

    def unsqueeze(self, node: Node) -> None:
        axes = self.listed(node, "axes", 1)
        if self.layout != "NHW" or axes not in ([1], [-1], [3]):
            raise FormatError(f"{node.called} along {axes}")
        self.layout = "NCHW" if axes == [1] else "NHWC"

    def squeeze(self, node: Node) -> None:
        if self.now is None or self.now[:2] != (1, 1):
            raise FormatError(f"{node.called} of what is no single pixel")
        self.lay_flat(node)

    def transpose(self, node: Node) -> None:
        """Take channels first or last: numbers here lie by pixel anyway."""
        turns: dict[tuple[str, tuple[int, ...]], str] = {
            ("NHWC", (0, 3, 1, 2)): "NCHW",
            ("NCHW", (0, 2, 3, 1)): "NHWC",
        }
        found = turns.get((self.layout, tuple(node.wholes("perm"))))
        if found is None or self.now is None:
            raise FormatError(f"{node.called} by {node.wholes('perm')}")
        self.layout = found

    # Arithmetic with constants ---------------------------------------------------------------

    def mul(self, node: Node) -> None:
        self._affine(node, self._other(node), 0.0)

    def div(self, node: Node) -> None:
        other = self._other(node)
        if node.inputs[0] != self.at or not other.all():
            raise FormatError(f"{node.called} by what goes in, or by zero")
        self._affine(node, 1 / other, 0.0)

    def sub(self, node: Node) -> None:
        sign = 1.0 if node.inputs[0] == self.at else -1.0
        self._affine(node, np.full((1,), sign), -sign * self._other(node))

    def add(self, node: Node) -> None:
        other = self._other(node)
        last = self.steps[-1] if self.steps else None
        if last is not None and last.kind in ("dense", "conv"):
            units = last.arrays[1].size
            fits = other.size == units and (
                last.kind == "dense" or other.shape[-3:] == (units, 1, 1)
            )
            if fits or other.size == 1:
                weights, biases = last.arrays
                self.steps[-1] = Step(
                    kind=last.kind, arrays=(weights, biases + other.ravel()), pads=last.pads,
                    stride=last.stride, called=last.called,
                )  # fmt: skip
                return
        self._affine(node, np.ones(1), other)

    def _other(self, node: Node) -> np.ndarray:
        place = 1 if node.inputs[0] == self.at else 0
        if node.inputs[place] not in self.constants:
            raise FormatError(f"{node.called}: two paths joined, as in a residual network: no "
                              "network here has any")  # fmt: skip
        return self.weights_at(node, place).astype(float)

    def _affine(self, node: Node, factor: Any, added: Any) -> None:
        both = (np.asarray(one, float) for one in (factor, added))
        arrays = tuple(self._as_channels_last(node, one) for one in both)
        self.add_step(node, "affine", arrays=arrays)

    def _as_channels_last(self, node: Node, array: np.ndarray) -> np.ndarray:
        """Return a constant of a graph as one that fits (height, width, channels)."""
        if array.size == 1:
            return array.reshape(1, 1, 1)
        if self.now is None:
            layers = any(step.kind not in ("affine", "flatten") for step in self.steps)
            if not layers and self.image[2] == 1 and array.size == math.prod(self.image):
                return array.reshape(self.image)
            if layers:
                return array.reshape(1, 1, -1)
        elif array.ndim <= 4 and array.size <= math.prod(self.now):
            whole = array.reshape((1,) * (4 - array.ndim) + array.shape)
            if whole.shape[0] == 1:
                first = self.layout == "NCHW"
                found = whole[0].transpose(1, 2, 0) if first else whole[0]
                found = found.reshape(*found.shape[1:], 1) if self.layout == "NHW" else found
                if all(s in (1, n) for s, n in zip(found.shape, self.now, strict=True)):
                    return found
        raise FormatError(f"{node.called} with an array of {array.shape}: it fits no image here")
