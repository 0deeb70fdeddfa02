"""Link files: a trained network as text short enough for an address, and back.

The text is base64url of ``nn``, version, bits a weight, the CRC-32 and the length of what follows,
and a deflated body: the length of a JSON header, the header, and for each layer its scales, its
biases (both float32) and its weights as whole numbers, unit by unit or map by map. A weight is its
whole number times a scale: at 8 bits one scale a layer, at 4 bits one a unit, for a shared one
would cost accuracy there. Of version 2 are networks with other layers than dense ones, which the
header has as text, and those of images in colour; a `norm` has its four arrays as float32.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.activations import ACTIVATIONS
from ..core.description import Shape, Spec
from ..core.network import Network, check_image_shape, dense_specs
from ..core.parameters import Place, places
from ..errors import ConfigError, FormatError
from ..training import layertext

MARK, VERSION = b"nn", 2  # the newest that is read; dense networks are written as version 1
BITS = (8, 4)
MAX_CHARACTERS = 64_000  # Safari keeps 80,000 in an address, other browsers far more
_MAX_PARAMETERS = 200_000  # what compresses to so little is hardly a network
_MAX_HEADER = 8_000
_MAX_BODY = 9 * _MAX_PARAMETERS + _MAX_HEADER + 2  # nothing longer is ever unpacked
_HEAD = struct.Struct("<2sBBII")  # mark, version, bits, CRC-32, length
_BYTE_SCALE = 1 / 255
_CLIPS = np.linspace(0.4, 1, 25, dtype=np.float32)  # of the largest weight, tried in turn
# Of a training record's "novelty". Links made before had no guard's number, and lines of another.
_NOVELTY = ("line", "price", "images", "guard")
_MOST_NAMES, _MOST_TEXT = 1_000, 80
_MOST_LAYERS, _MOST_SPECS = 2_000, 100  # letters, and layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link holds: a float32 network, and what whoever made it says of it.

    bits: 8 or 4, for each weight. accuracy: share in [0, 1] before rounding, or None, on the
    images that `judged_on` names: claims, for nobody has measured them here.
    """

    network: Network
    bits: int
    name: str = ""
    accuracy: float | None = None
    judged_on: str = ""


def encode(
    network: Network,
    bits: int = 8,
    *,
    name: str = "",
    accuracy: float | None = None,
    judged_on: str = "",
) -> str:
    """Return the network as letters, digits, - and _, its weights rounded to `bits` bits.

    `name`, `accuracy` in [0, 1] and `judged_on` travel with it; see `Link`. Raises ConfigError for
    other bits than 8 and 4, weights that are not finite, and a network whose text would be longer
    than 64,000 characters.
    """
    if bits not in BITS:
        raise ConfigError(f"{bits!r} bits a weight: choose 8 or 4")
    if not np.isfinite(network.theta.astype(np.float32)).all():
        raise ConfigError("this network holds values that are not finite: train it again")
    if network.parameter_count > _MAX_PARAMETERS:
        raise _too_large(network, "")
    parts = [_header(network, name, accuracy, judged_on)]
    for spec, layer in zip(network.specs, network.layers, strict=True):
        if spec.weighs:
            weights = layer.weights.reshape(-1, spec.units).T.astype(np.float32)
            codes, scales = _quantise(weights, bits)
            parts += [scales.tobytes(), layer.biases.astype("<f4").tobytes(), _packed(codes, bits)]
            continue
        for name in spec.arrays(layer.shape):
            parts.append(getattr(layer, name).astype("<f4").tobytes())
    packed = zlib.compress(b"".join(parts), 9)
    version = 1 if network.is_dense and network.channels == 1 else VERSION
    head = _HEAD.pack(MARK, version, bits, zlib.crc32(packed), len(packed))
    text = base64.urlsafe_b64encode(head + packed).decode().rstrip("=")
    if len(text) > MAX_CHARACTERS:
        raise _too_large(network, f", these would be {len(text):,}")
    return text


def decode(text: str) -> Link:
    """Return what `encode` was given; white space and signs that chat programs add do not matter.

    Raises FormatError that says whether the text is foreign, cut short, damaged or of a newer
    version. Nothing is believed before it is checked, and no more is unpacked than a link may hold.
    """
    version, bits, packed = _opened(text)
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(packed, _MAX_BODY)
    except zlib.error as error:
        raise FormatError(f"this link is damaged ({error}): ask for it again") from None
    if not unpacker.eof or unpacker.unused_data:
        raise FormatError("this link unpacks to more, or to less, than it may hold")
    return _read(body, version, bits)


def _too_large(network: Network, found: str) -> ConfigError:
    return ConfigError(
        f"{network.parameter_count:,} parameters do not fit into a link of {MAX_CHARACTERS:,} "
        f"characters{found}: save the network as a file and send that, or train one with fewer "
        "hidden units"
    )


# Weights ---------------------------------------------------------------------------------


def _quantise(weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (int8 codes, float32 scales (1,) or (units,)) of weights (units, inputs)."""
    top = 2 ** (bits - 1) - 1
    if bits == 8:
        largest = np.abs(weights).max(keepdims=True)
        scales = largest / top
    else:
        largest = np.abs(weights).max(axis=1, keepdims=True)
        scales = _best_scales(weights, largest, top)
    scales = np.maximum(scales, np.finfo(np.float32).tiny)  # of a unit without any weight
    codes = np.clip(np.rint(weights / scales), -top, top).astype(np.int8)
    return codes, scales.ravel().astype("<f4")


def _best_scales(weights: np.ndarray, largest: np.ndarray, top: int) -> np.ndarray:
    """Return (units, 1): the scales of least squared error; a few rare weights may be cut off."""
    best, least = largest / top, np.full(largest.shape, np.inf)
    for clip in _CLIPS:
        scales = np.maximum(clip * largest / top, np.finfo(np.float32).tiny)
        rounded = np.clip(np.rint(weights / scales), -top, top) * scales
        error = np.square(weights - rounded, dtype=np.float64).sum(axis=1, keepdims=True)
        better = error < least
        best, least = np.where(better, scales, best), np.where(better, error, least)
    return best


def _packed(codes: np.ndarray, bits: int) -> bytes:
    if bits == 8:
        return codes.tobytes()
    nibbles = (codes.ravel() + 8).astype(np.uint8)
    if nibbles.size % 2:
        nibbles = np.append(nibbles, np.uint8(8))
    return (nibbles[::2] << 4 | nibbles[1::2]).tobytes()


def _unpacked(raw: bytes, bits: int, count: int) -> np.ndarray:
    if bits == 8:
        return np.frombuffer(raw, np.int8)
    pairs = np.frombuffer(raw, np.uint8)
    return np.stack([pairs >> 4, pairs & 15], axis=1).ravel()[:count].astype(np.int8) - 8


# Head and header -------------------------------------------------------------------------


def _header(network: Network, name: str, accuracy: float | None, judged_on: str) -> bytes:
    """Return the length of the JSON header and the header; what goes without saying is left out."""
    height, width = network.image_shape
    classes = list(network.class_names)
    fields = {
        "sizes": list(network.sizes if network.is_dense else (network.inputs, network.classes)),
        "layers": "" if network.is_dense else network.description,
        "channels": 0 if network.channels == 1 else network.channels,
        "activations": list(network.activations[:-1]),
        "scale": None if network.input_scale == _BYTE_SCALE else network.input_scale,
        "shape": None if height == width else [height, width],
        "classes": None if classes == [str(i) for i in range(len(classes))] else classes,
        "name": name[:_MOST_TEXT],
        "steps": network.trained_steps,
        "accuracy": None if accuracy is None else round(float(accuracy), 4),
        "on": judged_on[:_MOST_TEXT],
        "none": _line(network),
    }
    kept = {key: value for key, value in fields.items() if value}
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > _MAX_HEADER:
        raise ConfigError(
            f"sizes and class names take {len(text):,} bytes, a link has room for {_MAX_HEADER:,}: "
            "save the network as a file and send that"
        )
    return struct.pack("<H", len(text)) + text


def _line(network: Network) -> list[float] | None:
    """Return what stands on record of the images that look like none, in the order of _NOVELTY."""
    found = network.training[-1].get("novelty") if network.training else None
    return [found[name] for name in _NOVELTY] if found and "guard" in found else None


def _records(fields: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    record = {"steps": fields["steps"]} if fields["steps"] or fields["none"] else {}
    if fields["none"] and len(fields["none"]) == len(_NOVELTY):
        record["novelty"] = dict(zip(_NOVELTY, fields["none"], strict=True))
    return (record,) if record else ()


def _opened(text: str) -> tuple[int, int, bytes]:
    """Return (version, bits, the deflated body) of a link's text, after checking it whole."""
    text = re.sub(r"\s", "", text[: 2 * MAX_CHARACTERS]).rstrip(".,;:!?)>]}\"'=")
    if len(text) > MAX_CHARACTERS:
        raise FormatError(f"more than {MAX_CHARACTERS:,} characters: no link of ours is so long")
    if not re.fullmatch("[A-Za-z0-9_-]+", text):
        raise FormatError("this link holds no network: it has signs that none of ours has")
    # One character alone stands for no byte: it is what a cut has left of three.
    whole = text[:-1] if len(text) % 4 == 1 else text
    raw = base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4))
    if raw[:2] != MARK:
        raise FormatError("this link holds no network: it does not begin as ours do")
    if len(raw) < _HEAD.size:
        raise FormatError("this link was cut short: copy the whole of it")
    _, version, bits, checksum, length = _HEAD.unpack_from(raw)
    packed = raw[_HEAD.size :]
    if not 1 <= version <= VERSION:
        raise FormatError(
            f"this link is of version {version}, and version 1 to {VERSION} is read here: a newer "
            "nnengine may open it"
        )
    if len(packed) < length:
        raise FormatError(
            f"this link was cut short: {len(packed):,} of {length:,} bytes arrived; copy the whole "
            "of it"
        )
    if bits not in BITS or len(packed) > length or zlib.crc32(packed) != checksum:
        raise FormatError("this link is damaged: its checksum does not fit; ask for it again")
    return version, bits, packed


def _read(body: bytes, version: int, bits: int) -> Link:
    (length,) = struct.unpack_from("<H", body.ljust(2, b"\0"))
    fields = _checked(body[2 : 2 + length])
    if (version > 1) != bool(fields["layers"] or fields["channels"] > 1):
        raise FormatError("this link is damaged: its version does not fit; ask for it again")
    specs, shape = _layers(fields)
    found = list(places(specs, shape))
    expected = 2 + length + sum(_bytes_of(place, bits) for place in found)
    if expected != len(body):
        what = fields["layers"] or "-".join(map(str, fields["sizes"]))
        raise FormatError(
            f"a network of {what} needs {expected:,} bytes, this link holds {len(body):,}"
        )
    return _made(_arrays(body, 2 + length, found, bits), fields, specs, bits)


def _layers(fields: dict[str, Any]) -> tuple[list[Spec], Shape]:
    """Return all layers and the images' shape; raises FormatError for what makes no network."""
    sizes, channels = fields["sizes"], fields["channels"]
    try:
        shape = *check_image_shape(fields["shape"], sizes[0], channels), channels
        if fields["layers"]:
            ends, hidden = layertext.read(fields["layers"])
            if ends or len(sizes) != 2:
                raise ConfigError("layers are said twice")
            specs = [*hidden, *dense_specs(sizes)]
        else:
            specs = dense_specs(sizes)
        count = sum(math.prod(place.sides) for place in places(specs, shape))
    except ConfigError as error:
        raise FormatError(f"this link makes no network: {error}") from None
    if count > _MAX_PARAMETERS or len(specs) > _MOST_SPECS:
        raise FormatError(f"this link says {count:,} parameters, more than any link of ours holds")
    return specs, shape


def _arrays(body: bytes, at: int, found: Sequence[Place], bits: int) -> dict[str, np.ndarray]:
    """Return the arrays that stand in the body from there on, in the order of their places."""
    waiting, arrays = None, {}
    for place in found:
        if place.name.startswith("weights"):  # its biases stand between its scales and itself
            waiting = place
            continue
        units = place.sides[0]
        scales = 0
        if waiting is not None:
            scales = 1 if bits == 8 else units
        numbers = np.frombuffer(body, "<f4", scales + units, at)
        at += numbers.nbytes
        if waiting is not None:
            count = math.prod(waiting.sides)
            codes = _unpacked(body[at : at + (count * bits + 7) // 8], bits, count)
            at += (count * bits + 7) // 8
            with np.errstate(all="ignore"):  # a sum that is not finite is told below
                weights = codes.reshape(units, -1) * numbers[:scales, np.newaxis]
            arrays[waiting.name] = weights.T.astype(np.float32).reshape(waiting.sides)
        arrays[place.name] = numbers[scales:].astype(np.float32)
        waiting = None
    return arrays


def _bytes_of(place: Place, bits: int) -> int:
    """Return the bytes that an array takes, those of its scales among them."""
    count = math.prod(place.sides)
    if not place.name.startswith("weights"):
        return 4 * count
    return (count * bits + 7) // 8 + 4 * (1 if bits == 8 else place.sides[-1])


def _made(
    parameters: dict[str, np.ndarray], fields: dict[str, Any], specs: Sequence[Spec], bits: int
) -> Link:
    if not all(np.isfinite(array).all() for array in parameters.values()):
        raise FormatError("this link holds values that are not finite: no network of use")
    try:
        network = Network.from_parameters(
            parameters,
            activations=(*fields["activations"], "identity"),
            input_scale=fields["scale"],
            image_shape=fields["shape"],
            class_names=fields["classes"],
            channels=fields["channels"],
            hidden=specs[:-1],
            sizes=fields["sizes"],
            training=_records(fields),
        )
    except ConfigError as error:
        raise FormatError(f"this link makes no network: {error}") from None
    return Link(
        network=network,
        bits=bits,
        name=fields["name"],
        accuracy=fields["accuracy"],
        judged_on=fields["on"],
    )


def _checked(text: bytes) -> dict[str, Any]:
    """Return every field of the header, or raise FormatError naming the first that is off."""
    try:
        given = json.loads(text.decode())
        json.dumps(given, ensure_ascii=False).encode()  # half a surrogate breaks every printer
    except (ValueError, RecursionError):
        raise FormatError("this link's header cannot be read: ask for it again") from None
    if not isinstance(given, dict):
        raise FormatError("this link's header is no table: ask for it again")
    found = {}
    for name, (default, good) in _FIELDS.items():
        value = found[name] = given.get(name, default)
        if not good(value):
            raise FormatError(f"this link says {name} is {repr(value)[:60]}, which cannot be")
    return found


def _list_of(kind: type, value: Any, most: int) -> bool:
    # type() and not isinstance: to Python, true is a whole number.
    return isinstance(value, list) and len(value) <= most and all(type(v) is kind for v in value)


def _sides(value: Any, least: int, most: int) -> bool:
    return (
        _list_of(int, value, most)
        and len(value) >= least
        and all(1 <= side <= _MAX_PARAMETERS for side in value)
    )


def _number(value: Any, least: float, most: float) -> bool:
    return type(value) in (int, float) and least <= value <= most  # NaN is neither


def _is_line(value: Any) -> bool:
    if not isinstance(value, list) or len(value) not in (len(_NOVELTY) - 1, len(_NOVELTY)):
        return False
    line, price, *counts = value
    whole = all(type(count) is int and _number(count, 0, 2**53) for count in counts)
    return _number(line, -1e3, 1e3) and _number(price, 0, 1) and whole


def _short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_TEXT


# Name: what it is where nothing is said, and what it may be.
_FIELDS = {
    "sizes": (None, lambda v: _sides(v, 2, _MOST_SPECS)),
    "layers": ("", lambda v: isinstance(v, str) and len(v) <= _MOST_LAYERS),
    "channels": (1, lambda v: type(v) is int and v in (1, 3)),
    "activations": ([], lambda v: _list_of(str, v, 100) and set(v) <= set(ACTIVATIONS)),
    "scale": (_BYTE_SCALE, lambda v: _number(v, 1e-30, 1e30)),
    "shape": (None, lambda v: v is None or _sides(v, 2, 2)),
    "classes": (None, lambda v: v is None or _list_of(str, v, _MOST_NAMES)),
    "name": ("", _short),
    "steps": (0, lambda v: type(v) is int and 0 <= v < 2**53),
    "accuracy": (None, lambda v: v is None or _number(v, 0, 1)),
    "on": ("", _short),
    "none": (None, lambda v: v is None or _is_line(v)),
}
