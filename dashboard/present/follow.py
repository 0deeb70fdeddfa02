"""Follow: where somebody is on the way from a byte to the answer, and its numbers as HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dashboard.present import pictures
from dashboard.present.outside import html
from nnengine.analysis.corelines import Line
from nnengine.analysis.explain import Terms, Trace, Unit
from nnengine.core.network import Network

STRONGEST = 8  # terms that are written out
TEST, MISREAD, SHEET, KEPT = "test", "misread", "drawing", "kept"
SOURCES = {TEST: "Images", MISREAD: "Misread ones", SHEET: "My drawing", KEPT: "Kept drawings"}
STYLE = """<style>
.nn-open { display: grid; gap: .3rem; font-size: .9375rem; line-height: 1.45; }
.nn-open details { border: 1px solid color-mix(in srgb, currentColor 18%, transparent);
  border-radius: .5rem; padding: .3rem .75rem; }
.nn-open summary { cursor: pointer; font-variant-numeric: tabular-nums; }
.nn-open summary b { font-weight: 650; }
.nn-open p { margin: .35rem 0 .2rem; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
.nn-open code, .nn-hex { font-family: "Source Code Pro", ui-monospace, monospace; }
.nn-open code { font-size: .8125rem; overflow-wrap: anywhere; color: inherit; }
.nn-hex { overflow-x: auto; font-size: .8125rem; line-height: 1.7; white-space: pre; }
.nn-hex mark { background: #0f6e6e; color: #fff; border-radius: 3px; padding: .1rem .15rem; }
.nn-hex b { font-weight: 400; opacity: .75; }
</style>"""


@dataclass(frozen=True, slots=True)
class At:
    """Where somebody is; -1 means what the page chooses. source: one of `SOURCES`.

    image: its index in the test set, or the number of a kept drawing; layer and unit: places from
    0; label: the class that the way back is for.
    """

    source: str = TEST
    image: int = 0
    pixel: int = -1
    layer: int = 0
    unit: int = -1
    label: int = -1


NAMES = ("source", "image", "pixel", "layer", "unit", "label")


def read(said: Mapping[str, str]) -> At:
    """Return where an address says somebody is; what it does not say rightly, as ever."""
    found = At(source=said.get("source", TEST))
    for name in NAMES[1:]:
        text = said.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 10:
            found = replace(found, **{name: int(text)})
    return found if found.source in SOURCES else replace(found, source=TEST)


def address(at: At) -> dict[str, str]:
    """Return what the address of the page says; `read` reads it."""
    said = {name: str(getattr(at, name)) for name in NAMES}
    return {name: text for name, text in said.items() if text not in ("-1", "")}


def within(at: At, trace: Trace, label: int | None) -> At:
    """Return a place that there is: what was left open, or is not in this network, is chosen.

    The brightest pixel, the unit that answers most, the class that is right, or else the answer.
    """
    layers, classes = len(trace.answers), len(trace.logits)
    layer = min(max(at.layer, 0), layers - 1)
    answers, pixels = trace.answers[layer], trace.inputs
    pixel = at.pixel if 0 <= at.pixel < len(pixels) else int(pixels.argmax())
    unit = at.unit if 0 <= at.unit < len(answers) else int(np.abs(answers).argmax())
    known = int(trace.logits.argmax()) if label is None else label
    chosen = at.label if 0 <= at.label < classes else known
    return replace(at, pixel=pixel, layer=layer, unit=unit, label=chosen)


# Numbers ---------------------------------------------------------------------------------


def number(value: float) -> str:
    """Return a number with four digits that count, and a true minus."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if value == 0:
        return "0"
    text = f"{value:,.0f}" if 1000 <= size < 1e6 else f"{value:.4g}"
    return text.replace("-", "\u2212")


def signed(value: float) -> str:
    """Return a number that is added: with its sign, and a space behind it."""
    return ("\u2212 " if value < 0 else "+ ") + number(abs(value))


@dataclass(frozen=True, slots=True)
class Fact:
    """A number that can be opened: what it is called, its value, how it comes about, and where."""

    name: str
    value: str
    formula: str
    line: Line


def facts(found: Iterable[Fact]) -> str:
    """Return numbers as HTML: each opens, by a press or a key, to its formula and its line."""
    rows = "".join(
        f"<details><summary>{html(one.name)} = <b>{html(one.value)}</b></summary>"
        f"<p>{html(one.formula)}</p><p><code>{html(one.line)}<br>{html(one.line.code)}</code></p>"
        "</details>"
        for one in found
    )
    return f'{STYLE}<div class="nn-open">{rows}</div>'


def hexed(rows: Sequence[tuple[int, bytes]], offset: int) -> str:
    """Return bytes as HTML, a row each with its offset; the one at `offset` is marked."""
    lines, wide = [], max(len(f"{start:,}") for start, _ in rows)
    for start, raw in rows:
        digits = [f"{byte:02x}" for byte in raw]
        if 0 <= offset - start < len(raw):
            digits[offset - start] = f"<mark>{digits[offset - start]}</mark>"
        lines.append(f"<b>{start:>{wide},}</b>  {' '.join(digits)}")
    body = "\n".join(lines)
    return (
        f'{STYLE}<div class="nn-hex" role="region" tabindex="0" '
        f'aria-label="Bytes of the file in hexadecimal">{body}</div>'
    )


def around(image: bytes, start: int, pixel: int, width: int) -> list[tuple[int, bytes]]:
    """Return an image's bytes around a number, row upon row of it: (offset, bytes).

    At most seven rows of eleven bytes: as many as a phone shows. start: the image's offset. width:
    numbers of a row of the image.
    """
    (row, column), last = divmod(pixel, width), (len(image) - 1) // width
    top, left = max(0, min(row - 3, last - 6)), max(0, min(column - 5, width - 11))
    return [
        (start + place, image[place : place + min(width, 11)])
        for place in range(top * width + left, min(top + 7, last + 1) * width, width)
    ]


# Pictures --------------------------------------------------------------------------------


def columns_of(count: int) -> int:
    """Return how many columns so many numbers without places are laid out in."""
    return count if count <= 12 else math.ceil(math.sqrt(count))


def flat(values: np.ndarray) -> np.ndarray:
    """Return numbers as a picture (h, w): channels added up; without places, in rows."""
    if values.ndim == 3 and values.shape[0] * values.shape[1] > 1:
        return values.sum(axis=2)
    line = values.ravel()
    columns = columns_of(len(line))
    full = np.zeros(-(-len(line) // columns) * columns)
    full[: len(line)] = line
    return full.reshape(-1, columns)


def levels(values: np.ndarray) -> np.ndarray:
    """Return palette levels, uint8, of a picture on its own scale; zero is 127."""
    return pictures.map_levels(values, float(np.abs(values).max(initial=0)) or 1.0)


def product_sheet(terms: Terms, dark: bool) -> tuple[bytes, tuple[int, int]]:
    """Return inputs, weights and products side by side as one PNG, and the shape of each."""
    three = [levels(flat(part)) for part in (terms.inputs, terms.weights, terms.products)]
    picture = pictures.sheet(np.stack(three), columns=3)
    return pictures.palette_png(picture, dark=dark), three[0].shape


# Words -----------------------------------------------------------------------------------


def layer_name(network: Network, layer: int) -> str:
    """Return a layer's number, words and width: "2. dense 10 (the classes)"."""
    last = " (the classes)" * (layer == len(network.specs) - 1)
    return f"{layer + 1}. {network.specs[layer]}{last}"


def spot(place: int, shape: tuple[int, int, int]) -> str:
    """Return where a number stands: row and column from 0, its unit, channel or map from 1."""
    height, width, channels = shape
    at, channel = divmod(place, channels)
    if height * width == 1:
        return f"unit {channel + 1}"
    row, column = divmod(at, width)
    return f"row {row}, column {column}" + f", channel {channel + 1}" * (channels > 1)


def term_rows(terms: Unit, shape: tuple[int, int, int]) -> list[tuple[str, ...]]:
    """Return the strongest terms as (where, byte, input, weight, product), and what is left."""
    best = terms.strongest(STRONGEST)
    rows = []
    for i in best:
        byte = "" if terms.pixel_bytes is None else str(int(terms.pixel_bytes.flat[i]))
        parts = (terms.inputs.flat[i], terms.weights.flat[i], terms.products.flat[i])
        rows.append((spot(int(terms.places.flat[i]), shape), byte, *map(number, map(float, parts))))
    others = terms.products.size - len(best)
    if others:
        left = float(terms.products.sum(dtype=np.float64) - terms.products.flat[best].sum())
        rows.append((f"{others:,} others together", "", "", "", number(left)))
    rows.append(("bias", "", "", "", number(terms.bias)))
    rows.append(("sum z", "", "", "", number(terms.total)))
    return rows


def sum_words(terms: Terms, most: int = 3) -> str:
    """Return a sum with its strongest products written out, and its total."""
    best = terms.strongest(most)
    parts = [
        f"{number(float(terms.inputs.flat[i]))} × {number(float(terms.weights.flat[i]))}"
        for i in best
    ]
    left = float(terms.products.sum(dtype=np.float64) - terms.products.flat[best].sum())
    others = terms.products.size - len(best)
    more = [f"({others:,} more) {number(left)}"] if others else []
    bias = f" {signed(terms.bias)}" if terms.bias else ""
    return f"{' + '.join([*parts, *more]) or '0'}{bias} = {number(terms.total)}"


ACTIVATIONS = {
    "relu": "max(z, 0)", "leaky_relu": "z, or z / 100 below zero",
    "tanh": "(e^z − e^−z) / (e^z + e^−z)", "sigmoid": "1 / (1 + e^−z)", "identity": "z as it is",
}  # fmt: skip
SLOPES = {
    "relu": "1 where a > 0, else 0", "leaky_relu": "1 where a > 0, else 1 / 100",
    "tanh": "1 − a²", "sigmoid": "a (1 − a)", "identity": "1",
}  # fmt: skip
KINDS = {
    "dense": "Every input times its weight, all added up, and the bias.",
    "conv": "Every number in a small window times its weight, all added up, and the bias.",
    "pool": "The largest number of a window wins; the others do not count.",
    "average": "The mean of a window.",
    "norm": "What is left above the mean, times one number for the channel, and a shift.",
    "dropout": "Silences units in training alone: here each number passes.",
    "flatten": "The same numbers in a row: each passes.",
}
