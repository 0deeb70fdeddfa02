"""Foreign: models of other libraries, as these write them, and then damaged.

Those that come as a zip of a description and numbers; what is one stream of bytes, ONNX and
safetensors, is damaged in tests/exchange.
"""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from random import Random
from typing import Any

import numpy as np

from nnengine import Network, exchange
from tests.fuzzing import torches
from tests.fuzzing.damage import as_text, dented, odd_json, zipped


def kinds() -> dict[str, Callable[[Random], bytes]]:
    """Return who makes what; Keras' files only where h5py is."""
    return {"tfjs": tfjs, "skops": skops, "torch": torches.pt} | (
        {"keras": keras} if find_spec("h5py") else {}
    )


def _members(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _networks() -> list[Network]:
    layers = "conv 2 3x3 pad 1, norm, pool 2, dropout 0.2, dense 4, norm"
    return [
        Network.build([16, 4, 3], rng=1, activation="leaky_relu"),
        Network.build(layers, image_shape=(4, 4), classes=3, rng=2, activation="tanh"),
        Network.build("average 2, flatten, norm, 4", image_shape=(4, 4), channels=3, classes=2),
    ]


@functools.cache
def _written(kind: str) -> list[bytes]:
    return [exchange.to_bytes(network, kind) for network in _networks()]


def _changed(rng: Random, members: dict[str, bytes], described: str) -> bytes:
    """Return a zip of these, what it says or what it holds made odd half of the time."""
    if rng.random() < 0.5:
        members[described] = as_text(odd_json(rng, json.loads(members[described])))
    elif rng.random() < 0.3:
        name = rng.choice(list(members))
        members[name] = dented(rng, members[name])
    raw = zipped(rng, members)
    return dented(rng, raw) if rng.random() < 0.2 else raw


def tfjs(rng: Random) -> bytes:
    """Return a layers model, its weights now and then quantised, or its model.json alone."""
    members = _members(rng.choice(_written("tfjs")))
    if rng.random() < 0.03:
        return dented(rng, members["model.json"])
    if rng.random() < 0.2:
        _quantise(rng, members)
    return _changed(rng, members, "model.json")


def _quantise(rng: Random, members: dict[str, bytes]) -> None:
    said = json.loads(members["model.json"])
    kind = rng.choice(("uint8", "uint16", "float16"))
    manifest = said["weightsManifest"][0]
    for entry in manifest["weights"]:
        entry["quantization"] = {"dtype": kind, "scale": 0.01, "min": -1, "original_dtype": "x"}
    values = np.frombuffer(members[manifest["paths"][0]], "<f4")
    members[manifest["paths"][0]] = np.abs(values * 50).astype(kind).tobytes()
    members["model.json"] = as_text(said)


def keras(rng: Random) -> bytes:
    """Return a .keras, or an .h5 with bytes in it that are false."""
    if rng.random() < 0.5:
        return _changed(rng, _members(rng.choice(_written("keras"))), "config.json")
    raw = bytearray(rng.choice(_written("h5")))
    for _ in range(rng.choice((0, 0, 1, 2, 4))):
        at = rng.randrange(len(raw))
        what = rng.choice((b"\0", b"\xff", b"\xff" * 8, rng.randbytes(1), rng.randbytes(4)))
        raw[at : at + len(what)] = what
    return dented(rng, bytes(raw)) if rng.random() < 0.2 else bytes(raw)


def skops(rng: Random) -> bytes:
    """Return an MLPClassifier as skops 0.16 keeps it, alone or behind a scaler."""
    members = dict(rng.choice(_classifiers()))
    return _changed(rng, members, "schema.json")


def _node(kind: str, loader: str, content: Any) -> dict[str, Any]:
    return {"__class__": kind, "__module__": "x", "__loader__": loader, "content": content,
            "__id__": 1}  # fmt: skip


@functools.cache
def _classifiers() -> list[dict[str, bytes]]:
    """Return members of such files; built by hand, for scikit-learn need not be there."""
    found = []
    for scaler, out in ((None, "softmax"), ("StandardScaler", "softmax"),
                        ("MinMaxScaler", "logistic")):  # fmt: skip
        members: dict[str, bytes] = {}
        network = _node("MLPClassifier", "ObjectNode", _attributes(members, out))
        if scaler:
            names = ("scale_", "min_") if scaler == "MinMaxScaler" else ("scale_", "mean_")
            held = {name: _array(members, np.full(16, 0.5)) for name in names}
            before = _node(scaler, "ObjectNode", _node("dict", "DictNode", held))
            steps = [_node("tuple", "TupleNode", [_word("x"), one]) for one in (before, network)]
            held = {"steps": _node("list", "ListNode", steps)}
            network = _node("Pipeline", "ObjectNode", _node("dict", "DictNode", held))
        members["schema.json"] = json.dumps(network).encode()
        found.append(members)
    return found


def _attributes(members: dict[str, bytes], out: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    units = 1 if out == "logistic" else 3
    sides = ((16, 4), (4, units))
    coefs = [_array(members, rng.normal(0, 0.3, side)) for side in sides]
    intercepts = [_array(members, rng.normal(0, 0.3, side[1])) for side in sides]
    held = {
        "activation": _word("relu"), "out_activation_": _word(out),
        "coefs_": _node("list", "ListNode", coefs),
        "intercepts_": _node("list", "ListNode", intercepts),
        "classes_": _array(members, np.arange(3 if units > 1 else 2)),
    }  # fmt: skip
    return _node("dict", "DictNode", held)


def _word(text: str) -> dict[str, Any]:
    return _node("str", "JsonNode", json.dumps(text)) | {"is_json": True}


def _array(members: dict[str, bytes], array: np.ndarray) -> dict[str, Any]:
    stream = io.BytesIO()
    np.save(stream, array)
    name = f"{140_000_000_000_000 + len(members)}.npy"
    members[name] = stream.getvalue()
    return _node("ndarray", "NdArrayNode", None) | {"type": "numpy", "file": name}
