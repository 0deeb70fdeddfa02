"""Saying: a line of code in a learner's own convention, and how a wrong array is wrong."""

from __future__ import annotations

import re

import numpy as np

from .formulas import Terms
from .layout import Laid
from .mistake import Mistake

# Rows for images, weights (inputs, units); `{n}` and `{m}` are what the terms make of them.
_LINES = {
    "X": "X = pixels / 255",
    "T": "Y = np.eye(C)[labels]",
    "Z1": "Z1 = X @ W1 + b1",
    "Z2": "Z2 = A1 @ W2 + b2",
    "dA1": "dA1 = dZ2 @ W2.T",
    "dW2": "dW2 = {m}A1.T @ dZ2{n}",
    "dW1": "dW1 = {m}X.T @ dZ1{n}",
    "db2": "db2 = {m}dZ2.sum(axis=0){n}",
    "db1": "db1 = {m}dZ1.sum(axis=0){n}",
    "loss": "loss = -np.sum(Y * np.log(A2)) / N",
}
_ACTIVATED = {
    "relu": ("np.maximum(0, Z1)", "(Z1 > 0)"),
    "sigmoid": ("1 / (1 + np.exp(-Z1))", "A1 * (1 - A1)"),
    "tanh": ("np.tanh(Z1)", "(1 - A1**2)"),
    "leaky_relu": ("np.where(Z1 > 0, Z1, 0.01 * Z1)", "np.where(Z1 > 0, 1, 0.01)"),
}
_WRAPPED = re.compile(r"\.(sum|max|mean|std)\(axis=(\d)\)")
_OF_WEIGHTS = re.compile(r"(dW[12]|W[12]_new) = (.*)$")
_OF_IMAGES = re.compile(r"\b(?:X|d?[AZ][12])\b")
_CODE = re.compile(r"[^\W\d]\w*(\[[-:, 0-9]+\](\[:, None\])?)?")  # a name, or a part of an array
_PRODUCT = re.compile(r"([\w.]+|\([^()]*\)(?:\.T)?) @ ([\w.]+|\([^()]*\)(?:\.T)?)")


def right_line(node: str, terms: Terms, laid: Laid) -> str:
    """Return the line to write for an array, as this learner writes."""
    over = " / N" if terms.share == "gradient" else ""
    minus = "-" if terms.sign == "gradient" else ""
    if node == "A1":
        line = "A1 = " + _ACTIVATED[terms.activation][0]
    elif node == "dZ1":
        line = "dZ1 = dA1 * " + _ACTIVATED[terms.activation][1]
    elif node == "A2":
        line = "E = np.exp(Z2 - Z2.max(axis=1)); A2 = E / E.sum(axis=1)"
        if terms.output == "sigmoid":
            line = "A2 = 1 / (1 + np.exp(-Z2))"
    elif node == "dZ2":
        line = "Y - A2" if terms.sign == "delta" else "A2 - Y"
        if terms.loss == "squared":
            line = f"({line}) * A2 * (1 - A2)"
        line = f"dZ2 = ({line}) / N" if terms.share == "delta" else f"dZ2 = {line}"
    elif node.endswith("_new"):
        w = node.removesuffix("_new")
        step = "m_hat / (np.sqrt(v_hat) + 1e-8)" if terms.optimizer == "adam" else f"d{w}"
        if terms.share == "step" and terms.optimizer == "sgd":
            step += " / N"
        line = f"{node} = {w} {'+' if terms.sign else '-'} rate * {step}"
    else:
        line = _LINES[node].format(n=over, m=minus)
    return own_way(line, laid)


def line_to_write(mistake: Mistake, terms: Terms, laid: Laid) -> str:
    """Return the line to write in the place of a mistake's, as this learner writes."""
    return own_way(mistake.right, laid) if mistake.right else right_line(mistake.node, terms, laid)


def own_way(line: str, laid: Laid) -> str:
    """Return a line that is written for rows as this learner would write it."""
    if laid.columns:
        line = _PRODUCT.sub(r"\2 @ \1", line)
    if laid.columns == laid.outwards:  # images and weights lie differently
        line = _with_weights_turned(line)
    keep = "axis={}, keepdims=True"

    def axis(found: re.Match[str]) -> str:
        number = 1 - int(found[2]) if laid.columns else int(found[2])
        bias = re.match(r"db\d = ", line) and not laid.tall
        return f".{found[1]}({f'axis={number}' if bias else keep.format(number)})"

    line = _WRAPPED.sub(axis, line)
    own = {node: name for node, name in laid.names.items() if _CODE.fullmatch(name)}
    return re.sub(r"\b[A-Za-z]\w*\b", lambda found: own.get(found[0], found[0]), line)


def _with_weights_turned(line: str) -> str:
    """Return a line with its weights turned; what is made of weights alone stays as it is."""
    made = _OF_WEIGHTS.match(line)
    if made and not _OF_IMAGES.search(made[2]):
        return line
    line = re.sub(r"\b([dW]*W[12])(_new)?(\.T)?(?= |$|\))(?! =)", _toggled, line)
    made = _OF_WEIGHTS.match(line)
    return f"{made[1]} = ({made[2]}).T" if made else line


def _toggled(found: re.Match[str]) -> str:
    name = found[1] + (found[2] or "")
    return name if found[3] else name + ".T"


def how(found: np.ndarray, right: np.ndarray) -> str:
    """Return in what way an array is wrong, as far as its numbers say it, and no further."""
    if found.shape != right.shape:
        return f"its shape is {found.shape}, {right.shape} is right (images as rows)"
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).sum())
        return f"{bad:,} of {found.size:,} numbers are NaN or infinite"
    if not found.any():
        return "it is all zero"
    factor = _factor(found, right)
    if factor is not None:
        if abs(factor + 1) < 1e-4:
            return "its sign is wrong, all else is right"
        return f"it is {factor:.6g} times what is right, everywhere"
    scale = max(float(np.abs(right).max()), 1e-300)
    off = np.abs(found - right) > 1e-5 * scale
    if np.allclose(np.abs(found), np.abs(right), rtol=1e-5, atol=1e-7 * scale):
        return f"the sign of {off.sum():,} of {off.size:,} numbers is wrong"
    if right.ndim == 2:
        for axis, word in ((1, "row"), (0, "column")):
            lines = off.any(axis=axis)
            if 0 < lines.sum() < 0.6 * lines.size:
                which = ", ".join(map(str, np.flatnonzero(lines)[:6]))
                return f"only some {word}s are wrong (images as rows, from 0): {which}"
        if found.size <= 40_000 and _permuted(found, right):
            return "its rows are right and stand in another order"
        if found.size <= 40_000 and _permuted(found.T, right.T):
            return "its columns are right and stand in another order"
    if found.size > 1 and np.allclose(np.sort(found, None), np.sort(right, None), rtol=1e-5,
                                      atol=1e-7 * scale):  # fmt: skip
        return "all its numbers are right and stand in other places"
    difference = found - right
    if found.size > 3 and np.ptp(difference) < 1e-5 * max(abs(float(difference.mean())), 1e-300):
        return f"it is right but for {difference.mean():.6g}, which is added everywhere"
    if off.sum() < 0.5 * off.size:
        return f"{off.sum():,} of {off.size:,} numbers are wrong"
    return "most of its numbers are wrong"


def _factor(found: np.ndarray, right: np.ndarray) -> float | None:
    """Return by what one number the array is a multiple of what is right; None for none."""
    square = float((right * right).sum())
    if square == 0 or not np.isfinite(square):
        return None
    factor = float((found * right).sum() / square)
    near = np.abs(found - factor * right).max() <= 1e-4 * np.abs(factor * right).max()
    return factor if near and factor else None


def _permuted(found: np.ndarray, right: np.ndarray) -> bool:
    def ordered(a: np.ndarray) -> np.ndarray:
        return a[np.lexsort(np.round(a, 5).T[::-1])]

    return np.allclose(ordered(found), ordered(right), rtol=1e-4, atol=1e-6)
