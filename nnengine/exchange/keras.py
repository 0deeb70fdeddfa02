"""Keras: `.keras` of Keras 3 and whole models in `.h5`, in and out; h5py opens what holds weights.

A .keras is a zip of config.json, metadata.json and model.weights.h5, where weights lie by the kinds
of layers, in the order of config.json: layers/dense/vars/0, layers/dense_1/vars/0. An .h5 names
each array itself. No link in HDF5 that leads out of the file is followed, no code in a config run.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from typing import Any

import numpy as np

from ..core.arithmetic import calmly
from ..core.network import Network
from ..errors import ConfigError, FormatError
from ..storage.modelfile import zip_faults
from ..storage.modelheader import parsed
from .keras_held import MAX_CONFIG_BYTES, Held, held_in
from .keras_layers import Layers
from .keras_out import KERAS_2, config_of_2, config_of_3, layers_of, snake
from .loose import Told

HDF5 = b"\x89HDF\r\n\x1a\n"
_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_MOST_ATTRIBUTE = 64_000  # bytes that an attribute of HDF5 can have


def matches(head: bytes, size: int) -> bool:
    """Tell whether a file begins as HDF5, or as a zip whose first member is one of Keras'."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")].decode(errors="replace")
    return head.startswith(HDF5) or head.startswith(b"PK\x03\x04") and name in _MEMBERS


# Reading -----------------------------------------------------------------------------------


@calmly
def read(data: bytes, told: Told) -> Network:
    """Return the network in a .keras or .h5 file; of `told` counts what pixels were.

    Raises FormatError naming what has no place here.
    """
    if data.startswith(HDF5):
        held = held_in(data)
        if held.config is None:
            raise FormatError(
                "HDF5 without a model_config: weights alone, or no model of Keras: save the "
                "whole model, model.save('model.keras')"
            )
        return Layers(parsed(held.config.encode(), "model_config"), _by_name(held), told).network()
    with zip_faults(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        config, weights = (_member(archive, name, len(data)) for name in _MEMBERS[::2])
    return Layers(parsed(config, "config.json"), _by_kind(held_in(weights)), told).network()


def _member(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise FormatError(f"a zip without {name}: no whole .keras file") from None
    most = MAX_CONFIG_BYTES if name.endswith(".json") else 20 * size + 2**20
    if info.file_size > most:
        raise FormatError(f"{name} unpacks to {info.file_size:,} bytes, at most {most:,} are read")
    with archive.open(info) as member:
        return member.read(most + 1)


def _by_kind(held: Held) -> Any:
    """Return what gives the arrays of a layer in a .keras: by how many of its kind came before."""
    seen: Counter[str] = Counter()

    def arrays(kind: str, name: str, count: int) -> list[np.ndarray]:
        word = snake(kind)
        place = f"{word}_{seen[word]}" if seen[word] else word
        seen[word] += 1
        return [held.array(f"layers/{place}/vars/{n}") for n in range(count)]

    return arrays


def _by_name(held: Held) -> Any:
    """Return what gives the arrays of a layer in an .h5, which lists their names."""

    def arrays(kind: str, name: str, count: int) -> list[np.ndarray]:
        if not count:
            return []
        place = f"model_weights/{name}"
        paths = held.names.get(place, [])
        if len(paths) != count:
            raise FormatError(f"layer {name[:60]!r} has {len(paths)} arrays, expected {count}")
        return [held.array(f"{place}/{path.strip('/')}") for path in paths]

    return arrays


# Writing -----------------------------------------------------------------------------------


def write(network: Network) -> bytes:
    """Return the network as .keras: pixels (n, height, width, channels) to probabilities.

    The scale of bytes is a Rescaling; dropout is left out, norms are folded where that is possible.
    """
    import h5py  # pyright: ignore[reportMissingImports]

    stream = io.BytesIO()
    layers = layers_of(network)
    seen: Counter[str] = Counter()
    with h5py.File(stream, "w") as file:
        for layer in layers:
            word = snake(layer.kind)
            place = f"layers/{word}_{seen[word]}" if seen[word] else f"layers/{word}"
            seen[word] += 1
            group = file.create_group(f"{place}/vars")
            for n, array in enumerate(layer.arrays):
                group.create_dataset(str(n), data=array)
    parts = (config_of_3(network, layers), {"keras_version": "3.0.0", "date_saved": ""})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, part in zip(_MEMBERS, parts, strict=False):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), json.dumps(part))
        archive.writestr(zipfile.ZipInfo(_MEMBERS[2], _ZIP_DATE), stream.getvalue())
    return packed.getvalue()


def write_old(network: Network) -> bytes:
    """Return the network as .h5, as Keras 2 saved whole models: pixels and answers as in `write`.

    Raises ConfigError for more layers than HDF5 holds the description of.
    """
    import h5py  # pyright: ignore[reportMissingImports]

    layers = layers_of(network)
    config = json.dumps(config_of_2(network, layers))
    if len(config) > _MOST_ATTRIBUTE:
        raise ConfigError(
            f"{len(layers)} layers are more than a .h5 file describes (64 kB of text in HDF5): "
            "take keras or onnx"
        )
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group("model_weights")
        for one in (file, group):
            one.attrs["keras_version"], one.attrs["backend"] = KERAS_2.encode(), b"tensorflow"
        file.attrs["model_config"] = config.encode()
        group.attrs["layer_names"] = np.array([layer.name.encode() for layer in layers])
        for layer in layers:
            held = group.create_group(layer.name)
            names = [f"{path}:0" for path in layer.paths]
            held.attrs["weight_names"] = np.array([name.encode() for name in names], "S")
            for name, array in zip(names, layer.arrays, strict=True):
                held.create_dataset(name, data=array)
    return stream.getvalue()
