"""skops: scikit-learn's MLPClassifier as skops keeps it, in, alone or behind a scaler.

A zip of schema.json, which says what was of which class, and arrays as .npy. Nothing is built from
what the schema names: a fixed few of its entries are read, everything else is passed over.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arithmetic import calmly
from ..core.network import Network, check_image_shape
from ..errors import FormatError
from ..storage.modelfile import zip_faults
from ..storage.modelheader import parsed
from . import weights
from .assembly import assembled
from .loose import BRIGHT, MAX_LAYERS, Told
from .steps import Step

SCHEMA = "schema.json"
MAX_SCHEMA_BYTES = 16 * 2**20
MAX_MEMBERS = 1000
_ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
_SCALERS = {"StandardScaler", "MinMaxScaler"}
_NAMES = tuple(f"U{n}" for n in range(1, 65))  # classes of text
_WAY_OUT = "save coefs_ and intercepts_ with numpy.savez and give --activation, or write ONNX"


def matches(head: bytes, size: int) -> bool:
    """Tell whether a zip begins with the schema, or with an array called by an address in memory.

    A plain .npz may be named so too: `read` knows, by the schema.
    """
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    known = name == SCHEMA.encode() or re.fullmatch(rb"\d{8,}\.npy", name) is not None
    return head.startswith(b"PK\x03\x04") and known


@calmly
def read(data: bytes, told: Told) -> Network:
    """Return the network in a .skops; of `told` counts what pixels were, and their shape.

    Raises FormatError naming what is no MLPClassifier, or stands before one.
    """
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise FormatError(
            f"a zip with more than {MAX_MEMBERS:,} members: no such model has as many"
        )
    with zip_faults(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        if SCHEMA not in archive.namelist():
            return weights.read(data, told)
        info = archive.getinfo(SCHEMA)
        if info.file_size > MAX_SCHEMA_BYTES:
            raise FormatError(f"{SCHEMA} unpacks to {info.file_size:,} bytes: too many")
        with archive.open(info) as member:
            schema = parsed(member.read(MAX_SCHEMA_BYTES), SCHEMA)
        return _network(schema, _Arrays(archive, weights.room_in(data)), told)


class _Arrays:
    """The arrays of an archive, by what a schema says of them; together no more than it holds."""

    def __init__(self, archive: zipfile.ZipFile, left: int) -> None:
        self.archive, self.left = archive, left

    def __call__(self, node: Any, what: str, kinds: tuple[str, ...] = weights.KINDS) -> np.ndarray:
        fields = node if isinstance(node, dict) else {}
        file = fields.get("file")
        if fields.get("__loader__") != "NdArrayNode" or not isinstance(file, str):
            raise FormatError(f"{what} is no array of numbers")
        try:
            info = self.archive.getinfo(file)
        except KeyError:
            raise FormatError(f"{what} lies in {file[:40]!r}, which is not in the zip") from None
        array = weights.array_in(self.archive, info, self.left, kinds)
        self.left -= array.nbytes
        return array


def _network(schema: Any, arrays: _Arrays, told: Told) -> Network:
    scalers, network = _parts(schema)
    held = _attributes(network)
    activation = _word(held, "activation")
    if activation not in _ACTIVATIONS:
        raise FormatError(f"the activation {activation[:40]!r}: expected one of "
                          f"{', '.join(_ACTIVATIONS)}")  # fmt: skip
    layers = _layers(held, arrays)
    inputs = layers[0][0].shape[0]
    shape = (*check_image_shape(told.image_shape, inputs), 1)
    steps = [_pixels(scaled := [_scaler(one, arrays, shape) for one in scalers], told), *scaled]
    steps.append(Step(kind="flatten"))
    for n, pair in enumerate(layers):
        steps.append(Step(kind="dense", arrays=pair, called=f"coefs_[{n}]"))
        if n + 1 < len(layers):
            steps.append(Step(kind="activation", name=_ACTIVATIONS[activation]))
    names = _classes(held, arrays, layers[-1][1].size)
    return assembled(steps, shape, channels_first=False, softmax=True, class_names=names)


# What the schema says ------------------------------------------------------------------------


def _kind(node: Any) -> str:
    fields = node if isinstance(node, dict) else {}
    return str(fields.get("__class__"))[:60]


def _attributes(node: Any) -> dict[str, Any]:
    """Return the nodes of an object's attributes, by name."""
    content = node.get("content") if isinstance(node, dict) else None
    held = content.get("content") if isinstance(content, dict) else None
    if not isinstance(held, dict):
        raise FormatError(f"{_kind(node)} without attributes: {SCHEMA} is damaged")
    return held


def _items(node: Any, what: str) -> list[Any]:
    held = node.get("content") if isinstance(node, dict) else None
    if not isinstance(held, list) or len(held) > MAX_LAYERS:
        raise FormatError(f"{what} is no list of at most {MAX_LAYERS}: {SCHEMA} is damaged")
    return held


def _word(held: dict[str, Any], name: str) -> str:
    """Return a string that the schema keeps as JSON within JSON."""
    node = held.get(name)
    text = node.get("content") if isinstance(node, dict) else None
    try:
        found = json.loads(text) if isinstance(text, str) and len(text) < 1000 else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, str):
        raise FormatError(f"no {name}: a network that was never fitted, or damaged")
    return found


def _parts(schema: Any) -> tuple[list[Any], Any]:
    """Return (scalers before it, MLPClassifier); whatever else there is, is refused by name."""
    steps = [schema]
    if _kind(schema) == "Pipeline":
        pairs = _items(_attributes(schema).get("steps"), "steps of the Pipeline")
        steps = [_items(pair, "a step of the Pipeline")[-1] for pair in pairs if pair]
    *before, last = steps or [schema]
    strange = [_kind(one) for one in before if _kind(one) not in _SCALERS]
    if _kind(last) != "MLPClassifier" or strange:
        raise FormatError(
            f"holds {(strange or [_kind(last)])[0]!r}: an MLPClassifier is read, alone or in a "
            f"Pipeline behind StandardScaler or MinMaxScaler; {_WAY_OUT}"
        )
    return before, last


# What the arrays are -------------------------------------------------------------------------


def _layers(held: dict[str, Any], arrays: _Arrays) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (weights, biases) of the layers; one number that tells two classes becomes two."""
    parts = [_items(held.get(name), name) for name in ("coefs_", "intercepts_")]
    if not parts[0] or len(parts[0]) != len(parts[1]):
        raise FormatError(f"{len(parts[0])} coefs_ and {len(parts[1])} intercepts_: no network")
    pairs = [
        (arrays(w, f"coefs_[{n}]", ("f4", "f8")), arrays(b, f"intercepts_[{n}]", ("f4", "f8")))
        for n, (w, b) in enumerate(zip(*parts, strict=True))
    ]
    for n, (w, b) in enumerate(pairs):
        if w.ndim != 2 or not w.size or b.shape != w.shape[1:]:
            raise FormatError(f"coefs_[{n}] {w.shape} and intercepts_[{n}] {b.shape}: no layer")
    out, classes = _word(held, "out_activation_"), pairs[-1][1].size
    if out == "logistic" and classes == 1:  # of z is softmax of (0, z)
        w, b = pairs[-1]
        pairs[-1] = np.hstack([np.zeros_like(w), w]), np.append(np.zeros_like(b), b)
    elif out != "softmax":
        raise FormatError(f"answers by {out[:20]!r}, {classes} at once: several labels an image")
    return pairs


def _scaler(node: Any, arrays: _Arrays, shape: tuple[int, int, int]) -> Step:
    """Return what a scaler does to each pixel, as a factor and what is added."""
    held, kind = _attributes(node), _kind(node)
    count = shape[0] * shape[1]

    def of(name: str, flag: str, usual: float) -> np.ndarray:
        if _said(held.get(flag)) == "false":  # mean_ may be there all the same
            return np.full(shape, usual)
        array = arrays(held.get(name), f"{name} of {kind}", ("f4", "f8"))
        if array.size != count:
            raise FormatError(f"{name} of {kind} has {array.size:,} numbers, expected {count:,}")
        return array.reshape(shape).astype(float)

    scale = of("scale_", "with_std", 1.0)
    if kind == "MinMaxScaler":
        if _said(held.get("clip")) not in ("false", None):
            raise FormatError("MinMaxScaler with clip=True: bounds have no place here")
        return Step(kind="affine", arrays=(scale, of("min_", "", 0.0)), called=kind)
    if not scale.all():
        raise FormatError(f"scale_ of {kind} has a zero: it is damaged")
    return Step(
        kind="affine", arrays=(1 / scale, -of("mean_", "with_mean", 0.0) / scale), called=kind
    )


def _said(node: Any) -> Any:
    return node.get("content") if isinstance(node, dict) else None


def _pixels(scalers: list[Step], told: Told) -> Step:
    """Return what stands for pixels of 0 to 1, unless a scaler makes so little of them.

    Of pixels of 0 to 255 the spread is tens; of those that never change, scikit-learn says 1.
    """
    small = bool(scalers) and float(np.abs(scalers[0].arrays[0]).min()) < BRIGHT
    white = told.white or (255.0 if small else 1.0)
    factor, added = white / (255 * told.std), -told.mean / told.std
    return Step(kind="affine", arrays=(np.full((1, 1, 1), factor), np.full((1, 1, 1), added)))


def _classes(held: dict[str, Any], arrays: _Arrays, count: int) -> list[str] | None:
    """Return what classes are called, None where they are numbers that count from zero."""
    try:
        found = arrays(held.get("classes_"), "classes_", (*weights.KINDS, *_NAMES)).ravel()
    except FormatError:
        return None  # of objects: kept as JSON, and no part of what it answers
    names: Callable[[Any], str] = lambda one: str(one)[:200]  # noqa: E731
    whole = found.dtype.kind in "iu" and np.array_equal(found, np.arange(count))
    return None if whole or found.size != count else list(map(names, found.tolist()))
