"""The curve in a text: a log as a program prints it, a list, or a table, with a header or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import FormatError
from . import fromcurve, reading

Curve = tuple[list[float], list[float] | None]  # losses in order, and accuracies
_VALUE = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf)"
_BEHIND = rf"[^\d\n+\-nNiI.]{{0,12}}?({_VALUE})"
_LOSS = re.compile(rf"(?:loss|cost)\w*{_BEHIND}", re.IGNORECASE)
_RIGHT = re.compile(rf"acc\w*{_BEHIND}", re.IGNORECASE)
_HEADER = re.compile(r"[^\d\n]*(?:loss|cost)[^\d\n]*", re.IGNORECASE)


def read(text: str, name: str = "run") -> Curve:
    """Return losses and accuracies of a log, a list or a table; raises FormatError for none."""
    logged = [(_LOSS.search(line), _RIGHT.search(line)) for line in text.splitlines()]
    losses = [float(loss[1]) for loss, _ in logged if loss]
    if len(losses) > 1:
        shares = [float(right[1]) for loss, right in logged if loss and right]
        return losses, shares if len(shares) == len(losses) else None
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and _HEADER.fullmatch(lines[0]):
        return _whole(*fromcurve.curve_in(_columns(lines)))
    if text.lstrip().startswith("["):
        text = f"{name} = {text}"
    arrays = reading.read(text.encode(errors="replace"), name)
    if len(arrays) == 1:  # a file called losses.csv is no list of that name
        arrays = {"": next(iter(arrays.values()))}
    return _whole(*fromcurve.curve_in(arrays))


def read_files(files: Sequence[str | Path]) -> Curve:
    """Return the curve in files: in one text, or among the arrays of several; see `read`."""
    if len(files) == 1 and Path(files[0]).is_file():
        path = Path(files[0])
        if path.stat().st_size <= reading.MAX_BYTES and b"\0" not in (raw := path.read_bytes()):
            return read(raw.decode("utf-8-sig", errors="replace"), path.stem)
    return _whole(*fromcurve.curve_in(reading.read_files(files)))


def _columns(lines: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the columns of a table by the words of its header."""
    mark = next((m for m in (",", ";", "\t") if m in lines[0]), None)
    names = [name.strip().strip("\"'") or f"column {n}" for n, name in
             enumerate(lines[0].split(mark), 1)]  # fmt: skip
    rows = [line.split(mark) for line in lines[1:]]
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise FormatError(
                f"row {number} has {len(row)} columns, the header {len(names)}: give whole rows"
            )
    try:
        table = np.array([[float(cell or "nan") for cell in row] for row in rows])
    except ValueError as fault:
        raise FormatError(f"a word stands among the numbers ({fault}): leave it out") from None
    return dict(zip(names, table.T, strict=True))


def _whole(losses: np.ndarray, right: np.ndarray | None) -> Curve:
    if not np.isfinite(losses).any():
        raise FormatError("no loss of it is a number: give those before it failed too")
    return losses.tolist(), None if right is None else right.tolist()
