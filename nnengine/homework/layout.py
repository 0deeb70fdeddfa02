"""Layout: a learner's arrays brought to rows for images and (inputs, units) for weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import FormatError
from .formulas import NODES, one_hot
from .probe import Probe, probe

WEIGHTS = ("W1", "W2")
BIASES = ("b1", "b2")
PER_IMAGE = ("X", "Z1", "A1", "Z2", "A2", "dZ2", "dA1", "dZ1", "T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What was given, brought to one layout.

    inputs: what every line may use, as `Probe.state` has it. given: the arrays that are judged, by
    node. columns: images are columns. outwards: weights are (inputs, units). tall: biases have
    two dimensions. notes: what was noticed. names: the learner's own, by node.
    """

    inputs: dict[str, Any]
    given: dict[str, np.ndarray]
    columns: bool
    outwards: bool
    tall: bool
    names: dict[str, str]
    notes: list[str] = field(default_factory=list)


def numbers(array: Any, name: str) -> np.ndarray:
    """Return an array of real numbers; raises FormatError for anything else."""
    try:
        found = np.asarray(array)
    except (ValueError, TypeError):
        raise FormatError(f"{name}: rows of different lengths: give a full array") from None
    if found.dtype.kind not in "fiub" or found.ndim > 4:
        raise FormatError(
            f"{name}: {found.dtype} in {found.ndim} dimensions: numbers in up to four are read"
        )
    if not found.size:
        raise FormatError(f"{name}: empty: leave it out")
    return found


def _sizes(held: Mapping[str, np.ndarray]) -> tuple[int, int, int, int] | None:
    """Return (N, D, H, C) as the arrays say it; None where they are those of the usual probe."""
    usual = probe()
    w1, w2 = (held.get(w, held.get("d" + w, held.get(w + "_new"))) for w in WEIGHTS)
    if w1 is None or w2 is None or w1.ndim != 2 or w2.ndim != 2:
        return None
    shared = [
        (d, h, c)
        for d, h in (w1.shape, w1.shape[::-1])
        for k, c in (w2.shape, w2.shape[::-1])
        if h == k
    ]
    if usual.sizes in shared or not shared:
        return None
    x = held.get("X")
    for d, h, c in shared:
        if x is not None and x.ndim == 2 and d in x.shape:
            return x.shape[0] if x.shape[1] == d else x.shape[1], d, h, c
    return None


def _columns(held: Mapping[str, np.ndarray], n: int, units: dict[str, int]) -> bool | None:
    """Tell whether images are columns; None where the shapes do not say."""
    votes = loose = 0
    for node in PER_IMAGE:
        array = held.get(node)
        if array is None or array.ndim != 2 or units[node] == n:
            continue
        votes += (array.shape == (units[node], n)) - (array.shape == (n, units[node]))
        loose += (array.shape[1] == n) - (array.shape[0] == n)  # whatever became of the rest
    votes = votes or loose
    return votes > 0 if votes else None


def _outwards(held: Mapping[str, np.ndarray], sizes: tuple[int, int, int]) -> bool | None:
    """Tell whether weights are (inputs, units); None where the shapes do not say."""
    d, h, c = sizes
    votes = 0
    for w, (i, o) in (("W1", (d, h)), ("W2", (h, c))):
        for node in (w, "d" + w, w + "_new"):
            array = held.get(node)
            if array is not None and i != o:
                votes += (array.shape == (i, o)) - (array.shape == (o, i))
    return votes > 0 if votes else None


def lay(
    held: Mapping[str, np.ndarray], names: Mapping[str, str], start: Probe | None,
    columns: bool | None = None, outwards: bool | None = None,
) -> Laid:  # fmt: skip
    """Return the arrays, by what they mean, in one layout.

    names: the learner's own, by meaning. start: the probe they began with; None for the usual one,
    or for what the arrays themselves say. columns, outwards: how images and weights lie, for
    shapes that do not say it. Raises FormatError where they fit nothing.
    """
    own = None if start else _sizes(held)
    begun = start or probe()
    n, *sizes = own or (len(begun.labels), *begun.sizes)
    d, h, c = sizes
    units = {"X": d, "Z1": h, "A1": h, "Z2": c, "A2": c, "dZ2": c, "dA1": h, "dZ1": h, "T": c}
    held = dict(held)
    labels = held.get("Y")
    if labels is not None and labels.ndim == 2 and min(labels.shape) > 1:
        held["T"] = held.pop("Y")
    columns = _said(_columns(held, n, units), columns)
    outwards = _said(_outwards(held, (d, h, c)), outwards)
    if columns is None:
        columns = not outwards if outwards is not None else True
    if outwards is None:
        outwards = _outwards_by_probe(held, begun, not columns)
    given: dict[str, np.ndarray] = {}
    for name, array in held.items():
        if name not in ("Y", "rate", *WEIGHTS, *BIASES):
            lies = _lies(name, array, columns, n, units)
            given[name] = _turned(name, array, lies, outwards, (h, c))
    inputs = _inputs(held, own, begun, given, outwards)
    if labels is not None and "T" not in given:
        _targets(labels.ravel(), inputs, given, c, own is not None)
    tall = any(held[b].ndim == 2 for b in (*BIASES, "db1", "db2") if b in held)
    order = {node: given[node] for node in NODES if node in given}
    return Laid(
        inputs=inputs, given=order, columns=columns, outwards=outwards, tall=tall,
        names={meaning: name for name, meaning in names.items()},
    )  # fmt: skip


def _said(by_shape: bool | None, hint: bool | None) -> bool | None:
    return by_shape if by_shape is not None else hint


def _lies(name: str, array: np.ndarray, columns: bool, n: int, units: dict[str, int]) -> bool:
    """Tell whether images are columns in one array: it may lie otherwise, and as rightly."""
    if name not in units or name == "T" or n == units[name]:
        return columns
    other_way = (n, units[name]) if columns else (units[name], n)
    return columns != (array.shape == other_way)


def flat(name: str, array: np.ndarray) -> np.ndarray:
    """Return an array without what only wraps it: images as squares, lists of one column each."""
    if name == "X" and array.ndim >= 3:
        return array.reshape(len(array), -1)
    if array.ndim == 3 and 1 in array.shape[1:] and name.strip("d_new") not in WEIGHTS:
        return array.reshape(len(array), -1)
    return array


def _outwards_by_probe(held: Mapping[str, np.ndarray], begun: Probe, likely: bool) -> bool:
    w2 = held.get("W2")
    if w2 is not None and w2.shape == begun.w2.shape:
        for way, turned in ((True, w2), (False, w2.T)):
            if turned.shape == begun.w2.shape and np.allclose(
                turned, begun.w2, rtol=1e-3, atol=1e-3
            ):
                return way
    return likely


def _turned(
    name: str, array: np.ndarray, columns: bool, outwards: bool, widths: tuple[int, int]
) -> np.ndarray:
    """Return one judged array in the layout, whatever shape a mistake has given it."""
    core = name.removeprefix("d").removesuffix("_new")
    if core in WEIGHTS:
        if array.ndim == 3:  # image by image
            array = array.sum(axis=0)
        return array if outwards else array.T
    if core in BIASES:
        if array.ndim == 3:
            array = array.sum(axis=0)
        if array.ndim == 2 and 1 in array.shape:
            return array.ravel() if array.size > 1 else array.reshape(())
        if array.size == 1 and widths[BIASES.index(core)] > 1:
            return array.reshape(())
        return array.T if columns and array.ndim == 2 else array
    if name == "loss":
        return array.ravel() if array.size > 1 else array.reshape(())
    return array.T if columns and array.ndim == 2 else array


def _inputs(
    held: Mapping[str, np.ndarray],
    own: tuple[int, ...] | None,
    begun: Probe,
    given: dict[str, np.ndarray],
    outwards: bool,
) -> dict[str, Any]:
    """Return what the lines begin with: the probe's, the learner's own where sizes are theirs."""
    inputs = dict(begun.state())
    if own is not None:
        missing = [name for name in ("X", "Y", *WEIGHTS, *BIASES) if name not in held]
        if missing == ["Y"] and "T" in given:
            missing = []
        if missing:
            raise FormatError(
                f"sizes of your own need {', '.join(missing)} besides: give all of X, Y, W1, b1, "
                "W2 and b2"
            )
        inputs["P"] = given.pop("X").astype(np.float64)
        if "T" in given:
            inputs["L"] = given.pop("T").argmax(axis=1)
    for w in WEIGHTS:
        if w in held:
            inputs[w] = (held[w] if outwards else held[w].T).astype(np.float64)
    for b in BIASES:
        if b in held:
            inputs[b] = held[b].ravel().astype(np.float64)
    if "rate" in held and held["rate"].size == 1:
        inputs["rate"] = float(held["rate"].ravel()[0])
    return inputs


def _targets(
    labels: np.ndarray, inputs: dict[str, Any], given: dict[str, np.ndarray], c: int, own: bool
) -> None:
    """Take labels in: of the learner's own batch as they are, of the probe to be judged."""
    if own:
        inputs["L"] = labels.astype(np.int64)
        return
    if len(labels) == len(inputs["L"]) and not np.array_equal(labels, inputs["L"]):
        given["T"] = one_hot(labels, c)
