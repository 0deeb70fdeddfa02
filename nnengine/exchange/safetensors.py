"""safetensors: weights under PyTorch's names and in its orientation, with all else as metadata.

Eight bytes of length, little-endian; so many bytes of JSON, padded with blanks to a multiple of
eight: for each tensor its type, shape and where its bytes begin and end; then the bytes. Written
by ourselves: safetensors 0.8.0 scrambles arrays that do not lie row by row. Our own header, that of
an .npz, stands in the metadata: PyTorch passes over it, and with it all comes back to the bit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

import numpy as np

from ..core.network import Network
from ..errors import FormatError
from ..storage.modelheader import MAX_HEADER_BYTES, Header, parsed
from .loose import Told, network_of
from .steps import Step, steps_of

OURS = "nnengine"  # of our header in the metadata
MAX_TENSORS = 10_000
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "U8": "u1"}
_NORM = ("weight", "bias", "running_mean", "running_var")


def matches(head: bytes, size: int) -> bool:
    """Tell whether a file of so many bytes begins as such a file does; it may be cut short."""
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= 100 * max(size, 2**20) and head[8:10] == b'{"'


def write(network: Network) -> bytes:
    """Return the network as safetensors: "1.weight" (units, inputs), "1.bias", ...

    Numbered as the layers of `torch_code` are. Raises ConfigError as an .npz does.
    """
    tensors = state_dict(network)
    head: dict[str, Any] = {"__metadata__": {OURS: Header.of(network).to_json().decode()}}
    start = 0
    for name, array in tensors.items():
        kind = "F64" if array.dtype == np.float64 else "F32"
        ends = [start, start + array.nbytes]
        head[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": ends}
        start = ends[1]
    text = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    raw = (array.astype(array.dtype.newbyteorder("<")).tobytes() for array in tensors.values())
    return b"".join([len(text).to_bytes(8, "little"), text, *raw])


def state_dict(network: Network) -> dict[str, np.ndarray]:
    """Return the arrays of `torch.nn.Sequential` by name: weights are (units, inputs).

    Of convolutions (maps, channels, height, width); of norms weight, bias and running statistics.
    """
    steps = steps_of(network, channels_first=True)
    return {
        name: np.ascontiguousarray(torch_order(array))
        for n, step in enumerate(steps)
        for name, array in zip(_names(n, step), step.arrays, strict=True)
    }


def _names(number: int, step: Step) -> list[str]:
    """Return what PyTorch calls the arrays of a step."""
    return [f"{number}.{name}" for name in _NORM[: len(step.arrays)]]


def torch_order(array: np.ndarray) -> np.ndarray:
    """Return weights as PyTorch has them: outputs, inputs, then the sides of a window."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


# Reading -----------------------------------------------------------------------------------


def read(data: bytes, told: Told) -> Network:
    """Return the network in such a file.

    One that was written here comes back as it was; of others, which hold weights alone, `told`
    has to say what stands between the layers. Raises FormatError, and what `loose.network_of` does.
    """
    metadata, tensors = tensors_of(data)
    if OURS in metadata:
        return _ours(metadata[OURS], tensors)
    return network_of(tensors, told)


def tensors_of(data: bytes) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return (metadata, arrays by name) after checking every claim against the file's length."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise FormatError(
            f"promises {length:,} bytes of header, {max(0, len(data) - 8):,} follow: cut short"
        )
    if length > MAX_HEADER_BYTES:
        raise FormatError(f"a header of {length:,} bytes: at most {MAX_HEADER_BYTES:,} are read")
    head = parsed(data[8 : 8 + length], "the header")
    if not isinstance(head, dict) or len(head) > MAX_TENSORS:
        raise FormatError(f"the header is no object of at most {MAX_TENSORS:,} tensors")
    metadata = head.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise FormatError("__metadata__ is no object of strings")
    body = memoryview(data)[8 + length :]
    arrays, end = {}, 0
    spans = {name: _checked(name, entry, len(body)) for name, entry in head.items()}
    for name, (start, stop) in sorted(spans.items(), key=lambda item: item[1]):
        if start != end:
            raise FormatError(
                f"{name[:80]!r} begins at byte {start:,}, the tensor before it ends at {end:,}: "
                "tensors lie one behind the other in such files"
            )
        end = stop
        arrays[name] = _array(head[name], body[start:stop])
    if end != len(body):
        raise FormatError(f"{len(body):,} bytes of numbers, its tensors take {end:,}")
    return metadata, {name: arrays[name] for name in sorted(arrays)}


def _checked(name: str, entry: Any, size: int) -> tuple[int, int]:
    """Return where a tensor begins and ends, if it can be so."""
    what = repr(name[:80])
    fields = entry if isinstance(entry, dict) else {}
    kind, shape, ends = (fields.get(key) for key in ("dtype", "shape", "data_offsets"))
    if kind not in _TYPES:
        raise FormatError(
            f"{what} has the type {str(kind)[:20]!r}; expected one of {', '.join(_TYPES)}"
        )
    if not (_wholes(shape) and _wholes(ends) and len(shape) <= 8 and len(ends) == 2):
        raise FormatError(
            f"{what}: shape {str(shape)[:60]}, offsets {str(ends)[:60]} make no array"
        )
    wanted = math.prod(shape) * np.dtype(_TYPES[kind]).itemsize
    if not ends[0] <= ends[1] <= size or ends[1] - ends[0] != wanted:
        raise FormatError(
            f"{what} of shape {shape} takes {wanted:,} bytes, and is said to lie from {ends[0]:,} "
            f"to {ends[1]:,} of {size:,}: cut short or damaged"
        )
    return ends[0], ends[1]


def _wholes(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**53 for n in value)


def _array(entry: Mapping[str, Any], raw: memoryview) -> np.ndarray:
    """Return a tensor; halves as float32, bfloat16 by putting its 16 bits in front."""
    values = np.frombuffer(raw, _TYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    real = np.float32 if entry["dtype"] in ("F16", "BF16") else values.dtype.newbyteorder("=")
    return values.astype(real).reshape(entry["shape"])


def _ours(text: str, tensors: dict[str, np.ndarray]) -> Network:
    """Return the network that our header describes, from arrays in PyTorch's order."""
    header = Header.from_json(text.encode())
    settings = header.settings()
    held = sum(array.size for array in tensors.values())
    if header.count() > held:  # asked before memory is set aside for what it claims
        raise FormatError(
            f"its metadata mean a network of {header.count():,} parameters, the file holds "
            f"{held:,}: other tools have changed one of the two"
        )
    theta = np.zeros(header.count(), header.dtype)
    network = Network(header.sizes, header.activations, theta, **settings)
    places = list(_places(network))
    if {name: to.shape for name, to, _ in places} != {n: a.shape for n, a in tensors.items()}:
        names = ", ".join(list(tensors)[:6])
        raise FormatError(
            f"holds {names}, and its own metadata mean {', '.join(n for n, *_ in places[:6])}: "
            "other tools have changed one of the two"
        )
    for name, to, order in places:
        if not np.isfinite(tensors[name]).all():
            raise FormatError(f"{name} holds values that are not finite: train again")
        if name.endswith("running_var") and (tensors[name] < 0).any():
            raise FormatError(f"{name} holds a variance below zero: no network has one")
        to[..., slice(None) if order is None else order] = tensors[name]
    return network


def _places(network: Network) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Yield (name, view into the network as PyTorch has it, order of its last side)."""
    for n, step in enumerate(steps_of(network, channels_first=True)):
        for k, (name, place) in enumerate(zip(_names(n, step), step.places, strict=True)):
            moved = step.kind == "norm" or k == 0  # biases stay where they are
            yield name, torch_order(place), step.order if moved else None


# PyTorch's side ----------------------------------------------------------------------------

_ACTIVATIONS = {
    "relu": "ReLU()", "leaky_relu": "LeakyReLU(0.01)", "tanh": "Tanh()", "sigmoid": "Sigmoid()",
}  # fmt: skip


def torch_code(network: Network) -> bytes:
    """Return the source of a `torch.nn.Module` that loads what `write` gives."""
    lines, flat = [], False
    for step in steps_of(network, channels_first=True):
        flat = flat or step.kind == "flatten"
        lines.append(f"            nn.{_layer(step, flat)},")
    height, width, channels = network.shape
    real = "double" if network.dtype == np.float64 else "float"
    return _TORCH.format(
        layers="\n".join(lines), scale=repr(network.input_scale), channels=channels,
        height=height, width=width, classes=", ".join(map(repr, network.class_names)), real=real,
        cast=".double()" if real == "double" else "",
    ).encode()  # fmt: skip


def _layer(step: Step, flat: bool) -> str:
    """Return the constructor of a layer, as PyTorch writes it."""
    if step.kind == "activation":
        return _ACTIVATIONS[step.name]
    if step.kind == "dense":
        return "Linear({}, {})".format(*step.arrays[0].shape)
    if step.kind == "norm":
        return f"BatchNorm{1 if flat else 2}d({len(step.arrays[0])}, eps={step.epsilon})"
    if step.kind == "conv":
        *window, channels, maps = step.arrays[0].shape
        more = f", stride={step.stride}, padding={step.pads[0]}"
        return f"Conv2d({channels}, {maps}, {tuple(window)}{more})"
    if step.kind in ("pool", "average"):
        name = "MaxPool2d" if step.kind == "pool" else "AvgPool2d"
        return f"{name}({step.window}, stride={step.stride})"
    return f"Dropout({step.share})" if step.kind == "dropout" else "Flatten()"


_TORCH = '''"""A network of nnengine for PyTorch: net = load("model.safetensors"); net(pixels)."""

from safetensors.torch import load_file
from torch import nn

CLASSES = [{classes}]


class Net(nn.Sequential):
    """Pixels 0 to 255, (n, {channels}, {height}, {width}), to logits (n, classes)."""

    def __init__(self):
        super().__init__(
{layers}
        )

    def forward(self, pixels):
        return super().forward(pixels.{real}() * {scale})


def load(path):
    net = Net(){cast}
    net.load_state_dict(load_file(path))
    return net.eval()
'''
