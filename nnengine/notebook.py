"""Notebook: what data, networks and curves look like where an object is the last word of a cell.

HTML with pictures inside: nothing is asked of any host, no script runs, and text that may have come
from outside is escaped. Colours are the page's own, so that it is read in light and dark.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from .core import description
from .core.network import Network
from .data.dataset import Dataset
from .training.events import History

_CLASSES, _SAMPLES, _SIDE = 12, 10, 48  # shown at most; pixels of a picture's longer side
_WIDE, _HIGH = 320, 150  # of a chart, in pixels
_LONGEST = 60  # letters of a name
_TRAIN, _OTHER = "#d97706", "#2563eb"


def introduce() -> None:
    """Have the three classes show themselves in notebooks."""
    for kind, shown in ((Dataset, dataset_html), (Network, network_html), (History, history_html)):
        kind._repr_html_ = shown  # type: ignore[attr-defined]


def dataset_html(data: Dataset) -> str:
    """Return the first images of each class, and how many there are."""
    counts, rows = data.class_counts(), []
    for number in range(min(data.classes, _CLASSES)):
        places = np.flatnonzero(data.labels == number)[:_SAMPLES]
        picture = _img(_strip(data.images[places])) if places.size else ""
        rows.append((_text(data.class_names[number]), f"{counts[number]:,}", picture))
    more = data.classes - _CLASSES
    note = f"<p>and {more:,} more classes</p>" if more > 0 else ""
    return _box(_text(repr(data), 200), _table(("class", "images", ""), rows) + note)


def network_html(network: Network) -> str:
    """Return a network's layers: what each makes of an image, and with how many parameters."""
    before = [*description.shapes(network.specs, network.shape)][1:]
    shapes = [*before, (1, 1, network.classes)]
    rows = [("pixels", _sides(network.shape), "", "")]
    parts = zip(network.specs, shapes, network.layers, network.activations, strict=True)
    for spec, shape, layer, activation in parts:
        arrays = spec.arrays(layer.shape)
        count = sum(math.prod(sides) for sides in arrays.values())
        acting = "" if activation == "identity" else activation
        rows.append((_text(str(spec)), _sides(shape), f"{count:,}" if count else "", acting))
    table = _table(("layer", "makes", "parameters", "activation"), rows)
    names = ", ".join(map(_text, network.class_names[:_CLASSES]))
    names += ", ..." if network.classes > _CLASSES else ""
    return _box(_text(repr(network), 300), f"{table}<p>classes: {names}</p>")


def history_html(history: History) -> str:
    """Return the curves of loss and accuracy, with their last values in words."""
    if not len(history):
        return _box("History: nothing was measured yet", "")
    charts = ""
    for what in ("loss", "accuracy"):
        lines = [getattr(history, f"{side}_{what}") for side in ("train", "val")]
        charts += _chart(what, history.epoch, lines)
    return _box(f"History: {len(history):,} points, {history.step[-1]:,} steps", charts)


def _box(title: str, inside: str) -> str:
    return f'<div class="nnengine"><p><strong>{title}</strong></p>{inside}</div>'


def _text(words: str, most: int = _LONGEST) -> str:
    """Return text from anywhere, cut and escaped."""
    return escape(words if len(words) <= most else words[: most - 1] + "…")


def _sides(shape: Sequence[int]) -> str:
    sides = [side for n, side in enumerate(shape) if n == 2 or shape[0] * shape[1] > 1]
    return " x ".join(map(str, sides[:2] if len(sides) == 3 and sides[2] == 1 else sides))


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already."""
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _strip(images: np.ndarray) -> np.ndarray:
    """Return images side by side, a dark line between; large ones with pixels left out."""
    every = -(-max(images.shape[1:3]) // _SIDE)
    small = images[:, ::every, ::every]
    edge = [(0, 0), (0, 0), (0, 1), *[(0, 0)] * (images.ndim - 3)]
    return np.concatenate(list(np.pad(small, edge)), axis=1)


def _img(pixels: np.ndarray) -> str:
    """Return uint8 (h, w) or (h, w, 3) as an image within the page."""
    data = base64.b64encode(png(pixels)).decode()
    style = "image-rendering:pixelated;vertical-align:middle"
    return f'<img alt="" style="{style}" src="data:image/png;base64,{data}">'


def png(pixels: np.ndarray) -> bytes:
    """Return uint8 (h, w) or (h, w, 3) as a PNG file (ISO/IEC 15948: no filter, no interlace)."""
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, -1)
    lines = np.zeros((height, flat.shape[1] + 1), np.uint8)  # a line begins with its filter, 0
    lines[:, 1:] = flat
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _chart(what: str, epochs: Sequence[float], lines: Sequence[Sequence[Any]]) -> str:
    """Return one chart: training and validation over epochs, where they are finite."""
    known = [
        [(x, y) for x, y in zip(epochs, line, strict=True) if y is not None and math.isfinite(y)]
        for line in lines
    ]
    every = [point for line in known for point in line]
    if not every:
        return ""
    (left, right), (low, high) = ((min(side), max(side)) for side in zip(*every, strict=True))
    said, drawn = [], ""
    for line, colour, name in zip(known, (_TRAIN, _OTHER), ("training", "validation"), strict=True):
        if line:
            value = f"{line[-1][1]:.2%}" if what == "accuracy" else f"{line[-1][1]:.4f}"
            said.append(f'<span style="color:{colour}">{name} {value}</span>')
            points = " ".join(
                f"{_at(x, left, right, _WIDE):.1f},{_HIGH - _at(y, low, high, _HIGH):.1f}"
                for x, y in line
            )
            drawn += f'<polyline fill="none" stroke="{colour}" points="{points}"/>'
    frame = f'<rect width="{_WIDE}" height="{_HIGH}" fill="none" stroke="currentColor"/>'
    ends = f"{low:.3g} to {high:.3g}, epochs {left:g} to {right:g}"
    return (
        f'<figure style="display:inline-block;margin:0 1em 0 0"><figcaption>{what}: '
        f'{", ".join(said)}</figcaption><svg role="img" aria-label="{what}" width="{_WIDE}" '
        f'height="{_HIGH}" opacity="0.9">{frame}{drawn}</svg><br><small>{ends}</small></figure>'
    )


def _at(value: float, least: float, most: float, length: int) -> float:
    """Return where on a side of this length a value is, with a margin of 5 %."""
    share = (value - least) / (most - least) if most > least else 0.5
    return length * (0.05 + 0.9 * share)
