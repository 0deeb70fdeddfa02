"""Readers: who opens what is written, each answering images by its own means; and the table of it.

`python -m tests.exchange.readers` asks all that are here and prints the table of docs/formats.md.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from nnengine import Network, exchange
from tests.exchange.elsewhere import ELSEWHERE, SHOWN, Elsewhere, all_grouped, netron_lacks
from tests.exchange.nets import NETS, answers, images_for

MOST = 1e-5  # that an answer may differ by

Answers = Callable[[bytes, Network, np.ndarray, Path], np.ndarray]


@dataclass(frozen=True)
class Reader:
    """Who reads a format. needs: a module of Python, or a program; version: how to ask for it."""

    kind: str
    name: str
    needs: str
    answers: Answers
    program: bool = False
    package: str = ""

    @property
    def missing(self) -> str | None:
        """Return why it cannot be asked here, or None."""
        if self.program:
            return None if shutil.which(self.needs) else f"{self.needs} is not installed"
        try:
            found = importlib.util.find_spec(self.needs)
        except ImportError:  # of what holds it
            found = None
        return None if found else f"{self.needs} is not installed"

    @property
    def version(self) -> str:
        if not self.program:
            return metadata.version(self.package or self.needs).partition("+")[0]
        done = subprocess.run([self.needs, "--version"], capture_output=True, text=True)
        return done.stdout.splitlines()[0].split()[-1].lstrip("v")


def channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def by_ourselves(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    return answers(exchange.load(data), images)


def by_torch(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    import torch

    (folder / "a.safetensors").write_bytes(data)
    names: dict = {}
    exec(exchange.to_bytes(net, "torch").decode(), names)
    assert list(net.class_names) == names["CLASSES"]
    with torch.no_grad():
        logits = names["load"](folder / "a.safetensors")(torch.tensor(channels_first(images)))
    return torch.softmax(logits, dim=1).numpy()


def by_onnxruntime(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(data)
    assert ["pixels"] == [one.name for one in session.get_inputs()]
    assert ["probabilities"] == [one.name for one in session.get_outputs()]
    return session.run(None, {"pixels": channels_first(images)})[0]


def by_reference(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    return ReferenceEvaluator(model).run(None, {"pixels": channels_first(images)})[0]


def by_opencv(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    import cv2

    model = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    real = np.uint8 if cv2.__version__ >= "5" else np.float32  # 5.0 takes the one, 4 the other
    model.setInput(channels_first(images).astype(real))
    return model.forward()


def by_tract(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    import tract

    (folder / "net.onnx").write_bytes(data)
    found = tract.onnx().load(folder / "net.onnx").into_model().into_runnable()
    return found.run([channels_first(images)])[0].to_numpy()


def by_keras(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    (folder / "net.keras").write_bytes(data)
    model = keras.models.load_model(folder / "net.keras")
    return model.predict(images.astype(np.float32), verbose=0)


def by_numpy(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    names: dict = {"__name__": "written"}
    exec(data.decode(), names)
    assert list(net.class_names) == names["CLASSES"]
    return names["probabilities"](images)


def by_gcc(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    (folder / "net.c").write_bytes(data)
    flags = "-std=c99 -O2 -Wall -Wextra -pedantic -Werror -DNN_MAIN -o net net.c -lm".split()
    subprocess.run(["gcc", *flags], cwd=folder, check=True)
    done = subprocess.run([folder / "net"], input=images.tobytes(), capture_output=True)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    found = np.array([row[1:] for row in rows], float)
    assert [net.class_names[k] for k in found.argmax(axis=1)] == [row[0] for row in rows]
    return found


ASKING = """
import { readFileSync } from "node:fs";
import { probabilities, answer, classes, image } from "./net.mjs";
const bytes = readFileSync("images"), size = image.reduce((a, b) => a * b), rows = [];
for (let at = 0; at < bytes.length; at += size)
  rows.push(probabilities(bytes.subarray(at, at + size)));
console.log(JSON.stringify({ rows, classes, first: answer(bytes.subarray(0, size)) }));
"""


def by_node(data: bytes, net: Network, images: np.ndarray, folder: Path) -> np.ndarray:
    (folder / "net.mjs").write_bytes(data)
    (folder / "ask.mjs").write_text(ASKING)
    (folder / "images").write_bytes(images.tobytes())
    done = subprocess.run(["node", "ask.mjs"], cwd=folder, capture_output=True, check=True)
    said = json.loads(done.stdout)
    assert list(net.class_names) == said["classes"]
    assert net.class_names[np.argmax(said["rows"][0])] == said["first"]
    return np.array(said["rows"])


READERS = [
    Reader("safetensors", "nnengine", "nnengine", by_ourselves),
    Reader("safetensors", "PyTorch, safetensors", "safetensors.torch", by_torch, package="torch"),
    Reader("onnx", "nnengine", "nnengine", by_ourselves),
    Reader("onnx", "ONNX Runtime", "onnxruntime", by_onnxruntime),
    Reader("onnx", "onnx.reference, checker", "onnx", by_reference),
    Reader("onnx", "OpenCV", "cv2", by_opencv, package="opencv-python-headless"),
    Reader("onnx", "tract", "tract", by_tract),
    Reader("keras", "nnengine, h5py", "h5py", by_ourselves),
    Reader("keras", "Keras on PyTorch", "keras", by_keras),
    Reader("h5", "nnengine, h5py", "h5py", by_ourselves),
    Reader("tfjs", "nnengine", "nnengine", by_ourselves),
    Reader("numpy", "NumPy", "numpy", by_numpy),
    Reader("c", "gcc", "gcc", by_gcc, program=True),
    Reader("js", "Node", "node", by_node, program=True),
]

NETRON = "Netron's parser"
ALL: list[Reader | Elsewhere] = [*READERS, *ELSEWHERE]


def rows() -> Iterator[str]:
    """Yield the table, asking every reader about every network."""
    yield "| format | read by | version | furthest answer, of 1,000 images a network |"
    yield "| --- | --- | --- | --- |"
    for kind, name in listed():
        title = exchange.FORMS[kind].title
        reader = next((r for r in ALL if (r.kind, r.name) == (kind, name)), None)
        reason = netron_lacks() if reader is None else reader.missing
        if reason:
            print(f"{title}, {name}: {reason}", file=sys.stderr)
            continue
        if reader is None:
            verdict = "a node a layer" if all_grouped(NETS, kind) else "WRONG: layers torn apart"
            version = metadata.version("netron")
        else:
            worst = furthest(reader)
            verdict = f"{worst:.1g} off" if worst < MOST else f"WRONG: {worst:.1g} off"
            ours = isinstance(reader, Reader) and reader.needs == "nnengine"
            version = "" if ours else reader.version
        yield f"| {title} | {name} | {version} | {verdict} |"


def listed() -> list[tuple[str, str]]:
    """Return (kind, name) of all that the table lists, format by format."""
    every = [(reader.kind, reader.name) for reader in ALL] + [(kind, NETRON) for kind in SHOWN]
    return sorted(every, key=lambda row: list(exchange.FORMS).index(row[0]))


def furthest(reader: Reader | Elsewhere) -> float:
    """Return by how much a reader's answers differ at most from the networks' own."""
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(reader, Elsewhere):
            found = reader.answers(NETS, Path(folder))
        else:
            found = {}
            for n, (name, net) in enumerate(NETS.items()):
                (place := Path(folder) / str(n)).mkdir()
                data = exchange.to_bytes(net, reader.kind)
                found[name] = reader.answers(data, net, images_for(net), place)
    own = {name: answers(net, images_for(net)) for name, net in NETS.items()}
    return max(float(np.abs(own[name] - found[name]).max()) for name in NETS)


if __name__ == "__main__":
    for row in rows():
        print(row, flush=True)
