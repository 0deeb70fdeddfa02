"""JavaScript code: a network as one ES module, for browsers, Node, Deno and Bun alike."""

from __future__ import annotations

import json
import math

import numpy as np

from ..core.activations import LEAK
from ..core.network import Network
from .code import Line, in_base_64, lines_of, titled


def write(network: Network) -> bytes:
    """Return the source of a module that exports `probabilities(pixels)`, `classes` and `image`."""
    lines = lines_of(network)
    kinds = {line.kind for line in lines}
    real = "Float64Array" if network.dtype == np.float64 else "Float32Array"
    parts = [
        _HEAD.format(
            title=titled(network), real=real, scale=json.dumps(network.input_scale),
            classes=json.dumps(network.class_names), image=json.dumps(network.shape),
        ),
        *(text for kind, text in _FUNCTIONS.items() if kind in kinds),
        _ANSWER.format(
            inputs=network.inputs, images=" x ".join(map(str, network.shape)),
            lines="\n".join(f"  x = {_call(line)};" for line in lines),
        ),
    ]  # fmt: skip
    parts[1:1] = [_array(name, a) for line in lines for name, a in line.arrays.items()]
    return "\n".join(part.strip("\n") + "\n" for part in parts).encode()


def _call(line: Line) -> str:
    """Return the call that does a line."""
    names = "".join(f", {name}" for name in line.arrays)
    shapes = f"{json.dumps(line.before)}, {json.dumps(line.after)}"
    if line.kind == "dense":
        return f"dense(x{names}, {math.prod(line.after)})"
    if line.kind == "conv":
        return f"conv(x{names}, {shapes}, {list(line.window)}, {line.stride}, {line.pad})"
    if line.kind in ("pool", "average"):
        return f"{line.kind}(x, {shapes}, {list(line.window)}, {line.stride})"
    return f"norm(x{names})" if line.kind == "norm" else f"x.map({line.kind})"


def _array(name: str, array: np.ndarray) -> str:
    rows = "\n".join(in_base_64(array))
    return f"const {name} = array(`\n{rows}`); // {' x '.join(map(str, array.shape))}"


_HEAD = """
// {title}.
// import {{ probabilities, classes }} from "./FILE"; probabilities(bytes) -> numbers that sum to 1

export const classes = {classes};
export const image = {image}; // height, width, channels
const scale = {scale}; // what bytes are multiplied by
const Real = {real};
const array = (text) => // atob passes over the ends of lines
  new Real(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
"""

_FUNCTIONS = {
    "dense": """
function dense(x, w, b, units) {
  const z = Float64Array.from(b);
  for (let i = 0; i < x.length; i++)
    if (x[i]) for (let k = 0; k < units; k++) z[k] += x[i] * w[i * units + k];
  return z;
}
""",
    "conv": """
function conv(x, w, b, [height, width, channels], [rows, columns, maps], [h, v], stride, pad) {
  const z = new Float64Array(rows * columns * maps);
  for (let i = 0, at = 0; i < rows; i++)
    for (let j = 0; j < columns; j++, at += maps) {
      z.set(b, at);
      for (let p = 0; p < h; p++)
        for (let q = 0; q < v; q++) {
          const r = i * stride + p - pad, s = j * stride + q - pad;
          if (r < 0 || r >= height || s < 0 || s >= width) continue;
          for (let n = 0; n < channels; n++) {
            const pixel = x[(r * width + s) * channels + n];
            const from = ((p * v + q) * channels + n) * maps;
            if (pixel) for (let m = 0; m < maps; m++) z[at + m] += pixel * w[from + m];
          }
        }
    }
  return z;
}
""",
    "pool": """
function pool(x, [, width, channels], [rows, columns], [h, v], stride) {
  const z = new Float64Array(rows * columns * channels).fill(-Infinity);
  for (let i = 0, at = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let n = 0; n < channels; n++, at++)
        for (let p = 0; p < h; p++)
          for (let q = 0; q < v; q++)
            z[at] = Math.max(z[at], x[((i * stride + p) * width + j * stride + q) * channels + n]);
  return z;
}
""",
    "average": """
function average(x, [, width, channels], [rows, columns], [h, v], stride) {
  const z = new Float64Array(rows * columns * channels);
  for (let i = 0, at = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let n = 0; n < channels; n++, at++) {
        for (let p = 0; p < h; p++)
          for (let q = 0; q < v; q++)
            z[at] += x[((i * stride + p) * width + j * stride + q) * channels + n];
        z[at] /= h * v;
      }
  return z;
}
""",
    "norm": """
const norm = (x, factor, added) =>
  x.map((v, i) => v * factor[i % factor.length] + added[i % factor.length]);
""",
    "relu": "const relu = (v) => Math.max(v, 0);",
    "leaky_relu": f"const leaky_relu = (v) => (v < 0 ? {LEAK} * v : v);",
    "tanh": "const tanh = Math.tanh;",
    "sigmoid": "const sigmoid = (v) => (Math.tanh(v / 2) + 1) / 2;",
}

_ANSWER = """
// pixels: {images} = {inputs} numbers from 0 to 255, row by row. Returns one probability a class.
export function probabilities(pixels) {{
  if (pixels.length !== {inputs})
    throw new RangeError(`${{pixels.length}} pixels: expected {inputs}`);
  let x = Float64Array.from(pixels, (v) => v * scale);
{lines}
  const most = x.reduce((a, b) => Math.max(a, b));
  const e = x.map((v) => Math.exp(v - most)), sum = e.reduce((a, b) => a + b);
  return Array.from(e, (v) => v / sum);
}}

// The likeliest class.
export function answer(pixels) {{
  const p = probabilities(pixels);
  return classes[p.indexOf(Math.max(...p))];
}}
"""
