"""Elsewhere: readers in environments of their own, each asked once about all networks.

`make test-exchange` makes these beside the one that runs the tests: two versions of a library
cannot share one, nor can JavaScript's.
"""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnengine import Network, exchange
from tests.exchange.nets import images_for

PROGRAMS = Path(__file__).parent / "programs"
NODE = Path(f"{sys.prefix}-node")
TF = Path(f"{sys.prefix}-tf")
OPENCV_5 = Path(f"{sys.prefix}-cv5")


def run(*command: str | Path) -> str:
    """Return what a program prints; one that fails shows what it complained of."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def node(program: str, *words: str | Path) -> str:
    """Return what a program of ours prints under Node, which is told where modules are."""
    return run("node", PROGRAMS / program, NODE, *words)


def lacks(place: Path, package: str) -> str | None:
    """Return why a package cannot be asked in an environment, or None."""
    if place == NODE and shutil.which("node") is None:
        return "node is not installed"
    held = NODE / "node_modules" / package if place == NODE else place / "bin" / "python"
    return None if held.exists() else f"{held} is not there: make test-exchange makes it"


@dataclass(frozen=True)
class Elsewhere:
    """Who reads a format there. program: of `programs/`; words: what it is told first."""

    kind: str
    name: str
    place: Path
    package: str
    program: str
    words: tuple[str, ...] = ()

    @property
    def missing(self) -> str | None:
        return lacks(self.place, self.package)

    @property
    def version(self) -> str:
        if self.place == NODE:
            held = NODE / "node_modules" / self.package / "package.json"
            return json.loads(held.read_text(encoding="utf-8"))["version"]
        code = f"from importlib import metadata; print(metadata.version({self.package!r}))"
        return run(self.place / "bin" / "python", "-c", code).strip()

    def answers(self, nets: Mapping[str, Network], folder: Path) -> dict[str, np.ndarray]:
        """Return the probabilities for each network's 1,000 images."""
        folders = {name: folder / str(n) for n, name in enumerate(nets)}
        for name, net in nets.items():
            self._prepare(net, folders[name])
        if self.place == NODE:
            node(self.program, *self.words, *folders.values())
        else:
            python = self.place / "bin" / "python"
            run(python, PROGRAMS / self.program, *self.words, *folders.values())
        return {
            name: np.fromfile(folders[name] / "answers.f32", np.float32).reshape(-1, net.classes)
            for name, net in nets.items()
        }

    def _prepare(self, net: Network, folder: Path) -> None:
        folder.mkdir()
        data, images = exchange.to_bytes(net, self.kind), images_for(net)
        if self.kind == "tfjs":
            zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
        else:
            (folder / f"model.{self.kind}").write_bytes(data)
        if self.kind == "onnx":
            images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        (folder / "images").write_bytes(images.tobytes())
        (folder / "shape.json").write_text(json.dumps(images.shape))


ELSEWHERE = [
    Elsewhere("onnx", "ONNX Runtime Web under Node", NODE, "onnxruntime-web",
              "onnxruntime_web.mjs"),
    Elsewhere("onnx", "OpenCV 5", OPENCV_5, "opencv-python-headless", "opencv_answers.py"),
    Elsewhere("keras", "Keras on TensorFlow", TF, "keras", "keras_answers.py", ("keras",)),
    Elsewhere("h5", "Keras on TensorFlow", TF, "keras", "keras_answers.py", ("keras",)),
    Elsewhere("h5", "Keras 2 (tf_keras)", TF, "tf_keras", "keras_answers.py", ("tf_keras",)),
    Elsewhere("tfjs", "TensorFlow.js under Node", NODE, "@tensorflow/tfjs", "tfjs.mjs"),
]  # fmt: skip


# Netron --------------------------------------------------------------------------------------


def netron_lacks() -> str | None:
    """Return why Netron's parser cannot be asked, or None."""
    if importlib.util.find_spec("netron") is None:
        return "netron is not installed"
    return None if shutil.which("node") else "node is not installed"


SHOWN = ("onnx", "safetensors", "keras", "h5", "tfjs")  # what Netron draws layer by layer


def shown(net: Network, kind: str, folder: Path) -> list[list[tuple[int, ...]]]:
    """Return the shapes of the arrays of each layer that Netron shows, of those that have any."""
    data = exchange.to_bytes(net, kind)
    file = folder / f"model.{kind}"
    if kind == "tfjs":
        zipfile.ZipFile(io.BytesIO(data)).extractall(folder)
        file = folder / "model.json"
    else:
        file.write_bytes(data)
    spec = importlib.util.find_spec("netron")
    assert spec is not None and spec.origin is not None
    said = json.loads(run("node", PROGRAMS / "netron.mjs", Path(spec.origin).parent, file))
    arrays = [[tuple(shape) for shape in layer["arrays"]] for layer in said["layers"]]
    return [several for several in arrays if any(several)]


def grouped(net: Network, found: Sequence[Sequence[tuple[int, ...]]]) -> bool:
    """Tell whether each layer with weights is one node, with its biases and nothing else's.

    Of norms there may be nodes too. In which order they are drawn is for the edges to say.
    """
    weighing = [several for several in found if any(len(shape) > 1 for shape in several)]
    biases = [[shape[0] for shape in several if len(shape) == 1] for several in weighing]
    return all(len(several) == 2 for several in weighing) and sorted(biases) == sorted(
        [spec.units] for spec in net.specs if spec.weighs
    )


def all_grouped(nets: Mapping[str, Network], kind: str) -> bool:
    """Tell whether Netron shows all these networks so."""
    with tempfile.TemporaryDirectory() as folder:
        for n, net in enumerate(nets.values()):
            (place := Path(folder) / str(n)).mkdir()
            if not grouped(net, shown(net, kind, place)):
                return False
    return True
