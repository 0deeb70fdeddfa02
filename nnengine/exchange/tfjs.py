"""TensorFlow.js: layers models, in and out: model.json and its shards of weights, in one zip.

model.json describes the layers in the dialect of Keras 2; its weightsManifest lists which array
lies where in the shards, one behind the other, little-endian, whole or as numbers of 8 or 16 bits.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from .._version import __version__
from ..core.arithmetic import calmly
from ..core.network import Network
from ..data.sources import Source
from ..errors import FormatError
from ..storage.modelfile import zip_faults
from ..storage.modelheader import parsed
from .keras_layers import Layers
from .keras_out import KERAS_2, config_of_2, layers_of
from .loose import Told
from .weights import room_in

MODEL, SHARD = "model.json", "group1-shard1of1.bin"
MAX_CONFIG_BYTES = 4 * 2**20
MAX_SHARDS, MAX_ARRAYS, MAX_MEMBERS = 1000, 1000, 2000
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_TYPES = {"float32": "<f4", "float16": "<f2", "uint8": "<u1", "uint16": "<u2"}
_ORDER = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


def matches(head: bytes, size: int) -> bool:
    """Tell whether a file begins as a zip of such a model, or as the model.json of one."""
    if head.startswith(b"PK\x03\x04"):
        name = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode(errors="replace")
        last = name.rpartition("/")[2]
        shard = re.fullmatch(r"(group\d+-shard\d+of\d+|[\w.-]*weights[\w.-]*)\.bin", last)
        return last == MODEL or bool(shard) or not last and b"/" + MODEL.encode() in head
    begins = head.lstrip()
    keys = (b'"modelTopology"', b'"weightsManifest"', b'"layers-model"', b'"graph-model"')
    return begins.startswith(b"{") and any(key in begins for key in keys)


def gathered(source: Source, max_bytes: int) -> tuple[bytes, str] | None:
    """Return (zip, name) of a folder with a model.json, or of such a file with its shards beside.

    None for every other source, which is read as it is. Raises FormatError where a shard is
    missing or all together are too large, and OSError.
    """
    if not isinstance(source, str | os.PathLike):
        return None
    path = Path(source)
    if path.is_dir() and (path / MODEL).is_file():
        path, name = path / MODEL, path.name
    elif path.suffix.lower() == ".json" and path.is_file():
        name = path.name
    else:
        return None
    with open(path, "rb") as file:
        text = file.read(MAX_CONFIG_BYTES + 1)
    if not matches(text, len(text)):
        return None
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(MODEL, text)
        for shard in _shards(_said(text)) if len(text) <= MAX_CONFIG_BYTES else []:
            beside = path.parent / shard
            if not beside.is_file():
                raise FormatError(f"{name}: its weights lie in {shard!r}, which is not beside it")
            if stream.tell() + beside.stat().st_size > max_bytes:
                raise FormatError(
                    f"{name}: more than {max_bytes:,} bytes, the most a model may have",
                    too_large=True,
                )
            archive.write(beside, shard)
    return stream.getvalue(), name


# Reading -----------------------------------------------------------------------------------


@calmly
def read(data: bytes, told: Told) -> Network:
    """Return the network in a zip of model.json and its shards; of `told` counts what pixels were.

    Raises FormatError naming what has no place here, or what is missing.
    """
    if not data.startswith(b"PK"):
        shards = ", ".join(_shards(_said(data))[:3]) or "files beside it"
        raise FormatError(
            f"a model.json alone, its weights lie in {shards}: give a zip of the folder, or on "
            "the command line the folder itself"
        )
    if data.count(b"PK\x01\x02") > MAX_MEMBERS:
        raise FormatError(f"a zip with more than {MAX_MEMBERS:,} members: no model has as many")
    with zip_faults(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        inner = [info for info in archive.infolist() if PurePosixPath(info.filename).name == MODEL]
        if len(inner) != 1:
            raise FormatError(f"a zip with {len(inner)} files {MODEL}: expected one")
        said = _said(_member(archive, inner[0], MAX_CONFIG_BYTES))
        folder = inner[0].filename.removesuffix(MODEL)
        left, parts = room_in(data), []
        for shard in _shards(said):
            try:
                info = archive.getinfo(folder + shard)
            except KeyError:
                raise FormatError(
                    f"its weights lie in {shard!r}, which is not in the zip"
                ) from None
            parts.append(_member(archive, info, left))
            left -= len(parts[-1])
    arrays = _arrays(said, b"".join(parts))
    return Layers(_topology(said), _by_name(arrays), told).network()


def _said(text: bytes) -> dict[str, Any]:
    """Return what a model.json says."""
    if len(text) > MAX_CONFIG_BYTES:
        raise FormatError(f"{MODEL} is longer than {MAX_CONFIG_BYTES:,} bytes, the most read")
    said = parsed(text, MODEL)
    if not isinstance(said, dict):
        raise FormatError(f"{MODEL} is no object: it is damaged")
    if said.get("format") == "graph-model":
        raise FormatError(
            "a graph model, whose layers are no longer there: convert the Keras model itself, "
            "tensorflowjs_converter --input_format keras, or give that one"
        )
    return said


def _groups(said: dict[str, Any]) -> list[dict[str, Any]]:
    groups = said.get("weightsManifest")
    if not isinstance(groups, list) or not all(isinstance(one, dict) for one in groups):
        raise FormatError(f"{MODEL} without a weightsManifest: no weights, or damaged")
    return groups


def _shards(said: dict[str, Any]) -> list[str]:
    """Return the names of all files of weights, none of which leads out of the folder."""
    found = []
    for path in (path for group in _groups(said) for path in _listed(group, "paths")):
        name = path.removeprefix("./") if isinstance(path, str) else ""
        if not re.fullmatch(r"\w[\w. -]*", name):
            raise FormatError(f"weights in {str(path)[:60]!r}: expected a file beside {MODEL}")
        found.append(name)
    if len(found) > MAX_SHARDS or len(set(found)) < len(found):
        raise FormatError(f"{len(found):,} files of weights: at most {MAX_SHARDS:,}, each once")
    return found


def _listed(held: dict[str, Any], key: str) -> list[Any]:
    value = held.get(key)
    if not isinstance(value, list):
        raise FormatError(f"{key} of the weightsManifest is no list: {MODEL} is damaged")
    return value


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    if info.file_size > most:
        raise FormatError(
            f"{info.filename[-60:]!r} unpacks to {info.file_size:,} bytes, at most {most:,} are "
            "read"
        )
    with archive.open(info) as member:
        return member.read(info.file_size)


def _arrays(said: dict[str, Any], raw: bytes) -> dict[str, np.ndarray]:
    """Return all arrays by name, after checking every claim against the bytes that are there."""
    entries = [entry for group in _groups(said) for entry in _listed(group, "weights")]
    if len(entries) > MAX_ARRAYS:
        raise FormatError(f"{len(entries):,} arrays: at most {MAX_ARRAYS:,} are read")
    found, at = {}, 0
    for entry in entries:
        name, shape, real, packing = _checked(entry)
        size = math.prod(shape) * real.itemsize
        if at + size > len(raw):
            raise FormatError(
                f"{name[:60]!r} of shape {shape} ends at byte {at + size:,} of {len(raw):,}: a "
                "shard is missing or cut short"
            )
        values = np.frombuffer(raw, real, math.prod(shape), at).reshape(shape)
        if name in found:
            raise FormatError(f"{name[:60]!r} is there twice")
        found[name] = _unpacked(values, packing, name)
        at += size
    if at != len(raw):
        raise FormatError(f"{len(raw):,} bytes of weights, the manifest lists {at:,}: damaged")
    return found


def _checked(entry: Any) -> tuple[str, list[int], np.dtype, dict[str, Any]]:
    """Return (name, shape, type as it lies there, how it is quantised) of an array."""
    fields = entry if isinstance(entry, dict) else {}
    name, shape, kind = (fields.get(key) for key in ("name", "shape", "dtype"))
    packing = fields.get("quantization", {})
    if not isinstance(name, str) or not isinstance(shape, list) or not isinstance(packing, dict):
        raise FormatError(f"an array without name and shape in the weightsManifest: {MODEL} is "
                          "damaged")  # fmt: skip
    if len(shape) > 8 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise FormatError(f"{name[:60]!r}: {str(shape)[:60]} is no shape of an array")
    stored = packing.get("dtype", kind)
    allowed = ("float16", "uint8", "uint16") if packing else ("float32",)
    if kind != "float32" or stored not in allowed:
        raise FormatError(
            f"{name[:60]!r} holds {str(kind)[:20]!r}, stored as {str(stored)[:20]!r}: expected "
            "float32, plain or quantised to float16, uint8 or uint16"
        )
    return name, shape, np.dtype(_TYPES[str(stored)]), packing


def _unpacked(values: np.ndarray, packing: dict[str, Any], name: str) -> np.ndarray:
    """Return float32 values: of whole numbers, each times the scale, and the least added."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    said = [packing.get(name) for name in ("scale", "min")]
    found = [float(one) for one in said if isinstance(one, int | float) and abs(one) < 1e30]
    if len(found) != len(said):
        raise FormatError(f"{name[:60]!r} is quantised without a scale and a min: damaged")
    return (values * found[0] + found[1]).astype(np.float32)


def _topology(said: dict[str, Any]) -> Any:
    """Return the config of the layers: TensorFlow.js keeps it bare, its converter within more."""
    topology = said.get("modelTopology")
    held = topology.get("model_config", topology) if isinstance(topology, dict) else None
    if isinstance(held, str):
        held = parsed(held.encode("utf-8", "replace"), "model_config")
    if not isinstance(held, dict):
        raise FormatError(f"{MODEL} without a modelTopology: weights alone, which do not say what "
                          "they are of")  # fmt: skip
    return held


def _by_name(arrays: dict[str, np.ndarray]) -> Any:
    """Return what gives the arrays of a layer: those whose path ends in its name and a part's."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for path, array in arrays.items():
        *above, part = path.removesuffix(":0").split("/")
        found.setdefault(above[-1] if above else "", {})[part] = array

    def of_layer(kind: str, name: str, count: int) -> list[np.ndarray]:
        if not count:
            return []
        held = found.get(name, {})
        parts = [part for part in _ORDER if part in held]
        if len(parts) != count or len(held) != count:
            raise FormatError(
                f"layer {name[:60]!r} has the arrays {', '.join(held)[:80] or 'none'}: expected "
                f"{count} of {', '.join(_ORDER)}"
            )
        return [held[part] for part in parts]

    return of_layer


# Writing -----------------------------------------------------------------------------------


def write(network: Network) -> bytes:
    """Return the network as a zip of model.json and one shard, which TensorFlow.js reads unpacked.

    Pixels of 0 to 255 (n, height, width, channels) to probabilities, as in `keras.write`.
    """
    layers = layers_of(network)
    pairs = [pair for la in layers for pair in zip(la.paths, la.arrays, strict=True)]
    weights = [
        {"name": path, "shape": list(array.shape), "dtype": "float32"} for path, array in pairs
    ]
    model = {
        "format": "layers-model",
        "generatedBy": f"nnengine {__version__}",
        "convertedBy": None,
        "modelTopology": {
            "keras_version": KERAS_2, "backend": "tensorflow",
            "model_config": config_of_2(network, layers),
        },
        "weightsManifest": [{"paths": [SHARD], "weights": weights}],
    }  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(MODEL, _ZIP_DATE), json.dumps(model))
        shard = b"".join(array.astype("<f4").tobytes() for _, array in pairs)
        archive.writestr(zipfile.ZipInfo(SHARD, _ZIP_DATE), shard)
    return packed.getvalue()
