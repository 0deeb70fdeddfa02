"""Handing out: the probe as files for every tool, and the sheet of formulas that goes with it."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping

import numpy as np

from .probe import Probe


def files(probe: Probe) -> dict[str, bytes]:
    """Return a probe as files by name: both conventions, each for NumPy, MATLAB, tables, JSON."""
    found: dict[str, bytes] = {"formulas.md": sheet(probe).encode(), "begin.py": _SNIPPET.encode()}
    for word, columns in (("columns", True), ("rows", False)):
        arrays = probe.arrays(columns)
        found[f"probe_{word}.npz"] = npz(arrays)
        found[f"probe_{word}.mat"] = mat(arrays)
        lists = {name: array.tolist() for name, array in arrays.items()}
        found[f"probe_{word}.json"] = json.dumps(lists).encode()
        for name, array in arrays.items():
            found[f"csv_{word}/{name}.csv"] = csv(array)
    return found


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as an .npz."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def csv(array: np.ndarray) -> bytes:
    """Return an array of up to two dimensions as rows of numbers, every digit kept."""
    rows = np.atleast_2d(array) if array.ndim != 1 else array[:, None]
    return "".join(",".join(repr(x) for x in row) + "\n" for row in rows.tolist()).encode()


def mat(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as a .mat file of version 5, doubles (MAT-File Format, R2023b)."""
    parts = [b"MATLAB 5.0 MAT-file, written by nnengine".ljust(124), b"\0\1IM"]
    for name, array in arrays.items():
        two = np.asarray(array, "<f8")
        two = two.reshape(1, -1) if two.ndim < 2 else two
        body = b"".join((
            _element(6, struct.pack("<II", 6, 0)),
            _element(5, struct.pack(f"<{two.ndim}i", *two.shape)),
            _element(1, name.encode("ascii")),
            _element(9, two.tobytes(order="F")),
        ))  # fmt: skip
        parts.append(_element(14, body))
    return b"".join(parts)


def _element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


_SNIPPET = '''"""One step on the probe: put your lines where the dots are, save what they make."""

import numpy as np

probe = np.load("probe_columns.npz")  # or probe_rows.npz
X, Y = probe["X"], probe["Y"]
W1, b1, W2, b2 = probe["W1"], probe["b1"], probe["W2"], probe["b2"]
learning_rate = float(probe["learning_rate"])

# ... your forward pass, your backward pass, one step ...

np.savez("mine.npz", Z1=Z1, A1=A1, Z2=Z2, A2=A2, loss=loss, dZ2=dZ2, dW2=dW2, db2=db2,
         dA1=dA1, dZ1=dZ1, dW1=dW1, db1=db1, W1_new=W1, b1_new=b1, W2_new=W2, b2_new=b2)
# Then: nnengine check mine.npz. Save what you have; none of it is needed.
'''


def sheet(probe: Probe) -> str:
    """Return the formulas with their shapes, in both conventions, as Markdown."""
    (d, h, c), n = probe.sizes, len(probe.labels)
    rows = [
        ("X", "pixels / 255", "pixels / 255", (n, d)),
        ("Z1", "W1 @ X + b1", "X @ W1 + b1", (n, h)),
        ("A1", "max(0, Z1)", "max(0, Z1)", (n, h)),
        ("Z2", "W2 @ A1 + b2", "A1 @ W2 + b2", (n, c)),
        ("A2", "exp(Z2) / sum over classes", "exp(Z2) / sum over classes", (n, c)),
        ("loss", "-mean over images of log(A2 of the label)", "the same", ()),
        ("dZ2", "A2 - one_hot(Y)", "A2 - one_hot(Y)", (n, c)),
        ("dW2", "dZ2 @ A1.T / N", "A1.T @ dZ2 / N", (h, c)),
        ("db2", "sum of dZ2 over images / N", "the same", (c,)),
        ("dA1", "W2.T @ dZ2", "dZ2 @ W2.T", (n, h)),
        ("dZ1", "dA1 * (Z1 > 0)", "dA1 * (Z1 > 0)", (n, h)),
        ("dW1", "dZ1 @ X.T / N", "X.T @ dZ1 / N", (d, h)),
        ("db1", "sum of dZ1 over images / N", "the same", (h,)),
        ("W1_new", "W1 - learning_rate * dW1", "the same; so b1, W2, b2", (d, h)),
    ]
    lines = [
        f"# One step on {n} digits",
        "",
        f"N = {n} images, {d} pixels, {h} hidden units, {c} classes, learning rate {probe.rate:g}. "
        "`.T` turns an array.",
        "",
        "| array | images are columns | shape | images are rows | shape |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, column, row, shape in rows:
        tall = shape[::-1] if len(shape) == 2 else (*shape, 1) if shape else ()
        lines.append(f"| {name} | {column} | {_shape(tall)} | {row} | {_shape(shape)} |")
    return "\n".join([*lines, ""])


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"
