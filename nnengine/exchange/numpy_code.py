"""NumPy code: a network as one readable Python file that needs nothing but NumPy."""

from __future__ import annotations

import numpy as np

from ..core.activations import LEAK
from ..core.network import Network
from .code import Line, in_base_64, lines_of, titled


def write(network: Network) -> bytes:
    """Return the source of a module with `probabilities(pixels)`."""
    lines = lines_of(network)
    kinds = {line.kind for line in lines}
    if kinds & {"conv", "pool", "average"}:
        kinds.add("windows")
    real = "<f8" if network.dtype == "float64" else "<f4"
    parts = [
        _HEAD.format(
            title=titled(network), classes=list(network.class_names), image=network.shape,
            scale=repr(network.input_scale), real=real,
        ),
        *(text for kind, text in _FUNCTIONS.items() if kind in kinds),
        _ANSWER.format(
            images=" x ".join(map(str, network.shape)),
            lines="\n".join(f"    x = {_call(line)}" for line in lines),
        ),
        *(_array(name, array) for line in lines for name, array in line.arrays.items()),
        _MAIN,
    ]  # fmt: skip
    return "\n\n".join(part.strip("\n") + "\n" for part in parts).encode()


def _call(line: Line) -> str:
    """Return the call that does a line."""
    names = "".join(f", {name}" for name in line.arrays)
    if line.kind == "dense":
        return f"dense(x{names})"
    if line.kind == "conv":
        return f"conv(x{names}, stride={line.stride}, pad={line.pad})"
    if line.kind in ("pool", "average"):
        return f"{line.kind}(x, {line.window[0]}, {line.window[1]}, stride={line.stride})"
    if line.kind == "norm":
        factor, added = line.arrays
        flat = ".reshape(len(x), -1)" if line.before[:2] == (1, 1) else ""
        return f"x{flat} * {factor} + {added}"
    return f"{line.kind}(x)"


def _array(name: str, array: np.ndarray) -> str:
    text = "\n".join(in_base_64(array))
    return f'{name} = array({tuple(array.shape)}, """\n{text}\n""")'


_HEAD = '''
"""{title}.

`probabilities(pixels)` answers images; from a shell: python FILE images.npy
"""

import base64
import sys

import numpy as np

CLASSES = {classes!r}
IMAGE = {image}  # height, width, channels
SCALE = {scale}  # what bytes are multiplied by
REAL = np.dtype("{real}")


def array(shape, text):
    return np.frombuffer(base64.b64decode(text), REAL).reshape(shape)
'''

_FUNCTIONS = {
    "dense": """
def dense(x, w, b):
    return x.reshape(len(x), -1) @ w + b
""",
    "windows": """
def windows(x, height, width, stride):
    found = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(1, 2))
    return found[:, ::stride, ::stride]  # images, rows, columns, channels, and the window
""",
    "conv": """
def conv(x, w, b, stride, pad):
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return np.tensordot(windows(x, *w.shape[:2], stride), w, axes=((4, 5, 3), (0, 1, 2))) + b
""",
    "pool": """
def pool(x, height, width, stride):
    return windows(x, height, width, stride).max(axis=(4, 5))
""",
    "average": """
def average(x, height, width, stride):
    return windows(x, height, width, stride).mean(axis=(4, 5))
""",
    "relu": """
def relu(x):
    return np.maximum(x, 0)
""",
    "leaky_relu": f"""
def leaky_relu(x):
    return np.where(x < 0, {LEAK} * x, x)
""",
    "tanh": """
def tanh(x):
    return np.tanh(x)
""",
    "sigmoid": """
def sigmoid(x):
    return (np.tanh(x / 2) + 1) / 2  # 1 / (1 + e^-x), without overflow
""",
}

_ANSWER = '''
def probabilities(pixels):
    """Return (n, classes) for pixels 0 to 255, (n, ...) of {images} each; rows sum to 1."""
    pixels = np.asarray(pixels)
    x = pixels.reshape(-1, *IMAGE).astype(REAL) * REAL.type(SCALE)
{lines}
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
'''

_MAIN = """
if __name__ == "__main__":
    for row in probabilities(np.load(sys.argv[1])):
        print(CLASSES[row.argmax()], f"{row.max():.4f}")
"""
