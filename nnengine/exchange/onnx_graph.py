"""ONNX, in: a file's graph as nodes, weights and the shape of its input; every claim is checked.

Read by ourselves, as far as networks like ours need it: no dependency, and nothing is run.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import FormatError
from .protobuf import Message, fields_of, floats, nested, signed, texts, wholes

MAX_NODES, MAX_TENSORS = 5_000, 10_000
_REAL = {1: "<f4", 10: "<f2", 11: "<f8"}
_WHOLE = {2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?"}


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation. attributes: numbers, lists of whole numbers, text or arrays by name."""

    op: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    strange: bool = False  # of a domain that is not ONNX's own

    def whole(self, name: str, usual: int) -> int:
        """Return an attribute that is a whole number."""
        return self._of(name, usual, int)

    def real(self, name: str, usual: float) -> float:
        """Return an attribute that is a number."""
        return self._of(name, usual, float)

    def text(self, name: str, usual: str) -> str:
        """Return an attribute that is text."""
        return self._of(name, usual, str)

    def wholes(self, name: str) -> list[int]:
        """Return an attribute that is a list of whole numbers, an empty one where it is not."""
        found = self._of(name, [], list)
        if not all(isinstance(one, int) for one in found):
            raise FormatError(f"{self.called}: {name} holds fractions")
        return found

    def _of(self, name: str, usual: Any, kind: type) -> Any:
        value = self.attributes.get(name, usual)
        if not isinstance(value, kind):
            raise FormatError(f"{self.called}: {name} is no {kind.__name__}: it is damaged")
        return value

    @property
    def called(self) -> str:
        return f"{self.op} {self.name[:60]!r}" if self.name else self.op


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A file's only graph. input: (name, kind of numbers, sides; 0 where a side is free)."""

    nodes: list[Node]
    constants: dict[str, np.ndarray]
    input: tuple[str, int, list[int]]
    metadata: dict[str, str] = field(default_factory=dict)


def matches(head: bytes, size: int) -> bool:
    """Tell whether a file begins as ONNX does: its IR version, then who made it or a graph."""
    return len(head) > 3 and head[0] == 8 and 1 <= head[1] <= 32 and head[2] in (
        0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42
    )  # fmt: skip


def graph_of(data: bytes) -> Graph:
    """Return the graph in a file. Raises FormatError for what is damaged, or lies elsewhere."""
    model = fields_of(data)
    if len(model.get(7, ())) != 1:
        raise FormatError("no graph in it: cut short, or no ONNX model")
    (graph,) = nested(model[7])
    if len(graph.get(1, ())) > MAX_NODES or len(graph.get(5, ())) > MAX_TENSORS:
        raise FormatError(f"more than {MAX_NODES:,} nodes or {MAX_TENSORS:,} arrays of weights")
    constants: dict[str, np.ndarray] = {}
    for tensor in nested(graph.get(5, ())):
        name = "".join(texts(tensor.get(8, ())))
        constants[name] = _tensor(tensor, name)
    nodes = [_node(node) for node in nested(graph.get(1, ()))]
    for node in nodes:
        if node.op == "Constant" and node.outputs:
            constants[node.outputs[0]] = _constant(node)
    inputs = [_input(value) for value in nested(graph.get(11, ()))]
    inputs = [one for one in inputs if one[0] not in constants]
    if len(inputs) != 1:
        names = ", ".join(name[:40] for name, *_ in inputs[:5]) or "none"
        raise FormatError(f"a graph of {len(inputs)} inputs ({names}): expected one, the images")
    about = {}
    for entry in nested(model.get(14, ())):
        pair = texts((entry.get(1) or [b""])[:1] + (entry.get(2) or [b""])[:1])
        about[pair[0]] = pair[1]
    return Graph([node for node in nodes if node.op != "Constant"], constants, inputs[0], about)


def _node(node: Message) -> Node:
    domain = "".join(texts(node.get(7, ())))
    attributes = {}
    for one in nested(node.get(5, ())):
        name = "".join(texts(one.get(1, ())))
        attributes[name] = _attribute(one, name)
    return Node(
        "".join(texts(node.get(4, ()))), "".join(texts(node.get(3, ()))),
        texts(node.get(1, ())), texts(node.get(2, ())), attributes, domain not in ("", "ai.onnx"),
    )  # fmt: skip


def _attribute(one: Message, name: str) -> Any:
    """Return an attribute's value by the field that it stands in, None for other kinds."""
    if 5 in one:
        (tensor,) = nested(one[5][:1])
        return _tensor(tensor, name)
    if 8 in one:
        return wholes(one[8])
    if 7 in one:
        return floats(one[7], "<f4").tolist()
    if 4 in one:
        return texts(one[4][:1])[0]
    if 2 in one:
        raw = bytes(one[2][0]) if not isinstance(one[2][0], int) else b""
        return struct.unpack("<f", raw)[0] if len(raw) == 4 else None
    if 3 in one and isinstance(one[3][0], int):
        return signed(one[3][0])
    kind = one.get(20, [0])[0]  # what is 0 or empty need not be written at all
    return {1: 0.0, 2: 0, 3: "", 6: [], 7: []}.get(kind)


def _constant(node: Node) -> np.ndarray:
    for name, value in node.attributes.items():
        if name in ("value", "value_float", "value_int", "value_ints", "value_floats"):
            return np.asarray(value)
    raise FormatError(f"{node.called} holds no numbers")


def _tensor(tensor: Message, name: str) -> np.ndarray:
    """Return an array, halves as float32; its claims are held to the bytes that there are."""
    what = repr(name[:80])
    if 13 in tensor or tensor.get(14, [0])[0] == 1:
        raise FormatError(
            f"the weights {what} lie in a second file, mostly called .onnx.data: put them into one "
            "with onnx.save(onnx.load('model.onnx'), 'whole.onnx')"
        )
    sides, kind = wholes(tensor.get(1, ())), tensor.get(2, [0])[0]
    if any(side < 0 for side in sides) or len(sides) > 8:
        raise FormatError(f"{what} of shape {sides[:8]} is no array")
    count = math.prod(sides)
    if kind in _REAL:
        values = _reals(tensor, kind)
    elif kind in _WHOLE:
        values = _wholes(tensor, kind)
    else:
        raise FormatError(f"{what} holds numbers of kind {kind}: expected float32, 16 or 64")
    if values.size != count:
        raise FormatError(
            f"{what} of shape {sides} promises {count:,} numbers, {values.size:,} are there: cut "
            "short or damaged"
        )
    return values.reshape(sides)


def _reals(tensor: Message, kind: int) -> np.ndarray:
    if 9 in tensor:
        values = floats(tensor[9], _REAL[kind])
    elif kind == 10:  # halves as whole numbers
        values = np.array(wholes(tensor.get(5, ()), 1 << 20), np.uint16).view(np.float16)
    else:
        values = floats(tensor.get(4 if kind == 1 else 10, ()), _REAL[kind])
    return values.astype(np.float64 if kind == 11 else np.float32)


def _wholes(tensor: Message, kind: int) -> np.ndarray:
    if 9 in tensor:
        return floats(tensor[9], _WHOLE[kind]).astype(np.int64)
    return np.array(wholes(tensor.get(7 if kind == 7 else 5, ()), 1 << 16), np.int64)


def _input(value: Message) -> tuple[str, int, list[int]]:
    """Return name, kind of numbers and sides of an input."""
    name, kind, sides = "".join(texts(value.get(1, ()))), 0, []
    for held in nested(value.get(2, ())[:1]):
        for tensor in nested(held.get(1, ())[:1]):
            kind = tensor.get(1, [0])[0]
            for shape in nested(tensor.get(2, ())[:1]):
                sides = [side.get(1, [0])[0] for side in nested(shape.get(1, ())[:16])]
    if not all(isinstance(side, int) and 0 <= side < 2**31 for side in [kind, *sides]):
        raise FormatError(f"the input {name[:80]!r} has sides of {sides[:8]}")
    return name, kind, sides
