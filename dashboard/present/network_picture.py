"""Network picture: the layers of a network as columns, each with its shape and its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dashboard.present.outside import html
from dashboard.present.style import MUTED, SERIES
from nnengine.analysis.parts import Part, parts
from nnengine.core.description import Shape, Spec
from nnengine.errors import TextError

_WIDE, _HIGH = 64, 58  # of a drawing, in pixels
_SHEETS, _STEP = 5, 4  # maps drawn behind one another at most, and how far apart
_COLOURS = {
    "conv": SERIES[0], "pool": SERIES[2], "average": SERIES[2], "dense": SERIES[1],
    "classes": SERIES[1],
}  # fmt: skip
_STYLE = """<style>
.nn-net { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.25rem, 1fr));
  gap: .75rem 0; font-size: .75rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
.nn-net .column { position: relative; display: flex; flex-direction: column; align-items: center;
  text-align: center; overflow-wrap: anywhere; }
.nn-net .arrow { position: absolute; left: -.4rem; top: 1.2rem; opacity: .7; }
.nn-net .column:first-child .arrow { display: none; }
.nn-net .boxes { position: relative; display: block; width: 64px; height: 58px; }
.nn-net .boxes i { position: absolute; box-sizing: border-box; border-radius: 3px;
  border: 1.5px solid currentColor; background: color-mix(in srgb, currentColor 30%, transparent); }
.nn-net b { font-weight: 650; text-wrap: balance; }
.nn-net .more { font-size: .6875rem; opacity: .8; }
</style>"""


_POINTED = """<style>.nn-pointed { overflow-wrap: anywhere; line-height: 1.7; }
.nn-pointed code { font: .8125rem "Source Code Pro", ui-monospace, monospace; padding: 0;
  background: transparent; color: inherit; white-space: pre-wrap; }
.nn-pointed mark { background: transparent; color: inherit; font-weight: 650;
  text-decoration: underline wavy #d0556a 2px; text-underline-offset: 4px; }
.nn-pointed mark:empty::after { content: "\\2026"; }</style>"""


def pointed(fault: TextError) -> str:
    """Return a text of layers with the word at fault marked, as HTML."""
    start, end = fault.at, fault.at + fault.length
    if str(fault).startswith("layers: nothing"):  # what is marked then is what follows
        end = start
    before, word, rest = fault.text[:start], fault.text[start:end], fault.text[end:]
    text = f"{_spaced(before)}<mark>{html(word)}</mark>{_spaced(rest)}"
    said = html(f"At fault: {word or 'what is missing'}")
    named = f'class="nn-pointed" role="group" aria-label="{said}"'
    return f"{_POINTED}<div {named}><code>{text}</code></div>"


def _spaced(text: str) -> str:
    """Return text for HTML with the space that it begins or ends with."""
    ends = (text[:1].isspace(), text[-1:].isspace() and bool(text.strip()))
    return f"{' ' * ends[0]}{html(text)}{' ' * ends[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what stands in it, the shape behind it, and what only changes its numbers.

    name: the layer's words. kind: "image", or the first word of a layer. then: such as "dropout
    0.5", which follow and leave the shape as it is. parameters: of all of these.
    """

    name: str
    kind: str
    shape: Shape
    parameters: int = 0
    then: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """The shape in words: "8 maps 24 × 24", "128 units"."""
        height, width, channels = self.shape
        if self.kind == "image":
            return f"{height} × {width}{' in colour' if channels == 3 else ''}"
        if height == width == 1:
            return f"{channels:,} {'class' if self.kind == 'classes' else 'unit'}" + (
                "" if channels == 1 else "es" if self.kind == "classes" else "s"
            )
        return f"{channels:,} {'map' if channels == 1 else 'maps'} {height} × {width}"

    @property
    def sentence(self) -> str:
        """What a screen reader says of it."""
        more = f", then {', '.join(self.then)}" if self.then else ""
        count = f", {self.parameters:,} parameters" if self.parameters else ""
        return f"{self.name}: {self.size}{more}{count}"


def columns(specs: Sequence[Spec], shape: Shape) -> list[Column]:
    """Return the columns for layers, the classes' last, and images of this shape.

    Raises TextError for a window larger than what it looks at.
    """
    found = [Column(name="image", kind="image", shape=shape)]
    everyone = parts(specs, shape)
    for part in everyone:
        if part.spec.kind in ("norm", "dropout", "flatten"):
            last = found[-1]
            found[-1] = replace(
                last,
                then=(*last.then, str(part.spec)),
                parameters=last.parameters + part.parameters,
            )
        else:
            found.append(_column(part, last=part is everyone[-1]))
    return found


def _column(part: Part, *, last: bool) -> Column:
    return Column(
        name="classes" if last else str(part.spec),
        kind="classes" if last else part.spec.kind,
        shape=part.after,
        parameters=part.parameters,
    )


def picture(specs: Sequence[Spec], shape: Shape) -> str:
    """Return the network as HTML that wraps to the width there is; takes what `columns` does."""
    found = columns(specs, shape)
    said = "The network, layer by layer. " + "; ".join(column.sentence for column in found)
    largest = max(math.prod(column.shape) for column in found[1:])
    body = "".join(_drawn(column, shape, largest) for column in found)
    return f'{_STYLE}<div class="nn-net" role="img" aria-label="{html(said)}">{body}</div>'


def _drawn(column: Column, image: Shape, largest: int) -> str:
    count = f"{column.parameters:,} parameters" if column.parameters else ""
    more = [*(f"then {one}" for one in column.then), count]
    lines = "".join(f'<span class="more">{html(line)}</span>' for line in more if line)
    drawing = _bar(column, largest) if column.shape[:2] == (1, 1) else _sheets(column, image)
    return (
        f'<div class="column"><span class="arrow">→</span>{drawing}'
        f"<b>{html(column.name)}</b><span>{html(column.size)}</span>{lines}</div>"
    )


def _sheets(column: Column, image: Shape) -> str:
    """Return maps as sheets behind one another, as large as their sides beside the image's."""
    height, width, channels = column.shape
    count = min(channels, _SHEETS)
    room = _HIGH - 2 - _STEP * (_SHEETS - 1)
    scale = room / math.sqrt(max(*image[:2], height, width))
    tall, wide = (max(4.0, scale * math.sqrt(side)) for side in (height, width))
    left = (_WIDE - wide - _STEP * (count - 1)) / 2
    top = (_HIGH - tall - _STEP * (count - 1)) / 2
    boxes = [(left + _STEP * n, top + _STEP * n, wide, tall) for n in range(count)]
    return _boxes(column, boxes)


def _bar(column: Column, largest: int) -> str:
    """Return units as a bar, the longer the more there are, by their logarithm."""
    share = math.log1p(column.shape[2]) / math.log1p(max(largest, 1))
    tall = max(8.0, (_HIGH - 2) * min(share, 1.0))
    return _boxes(column, [(_WIDE / 2 - 6, (_HIGH - tall) / 2, 12.0, tall)])


def _boxes(column: Column, boxes: Sequence[tuple[float, float, float, float]]) -> str:
    """Return boxes by left, top, width and height: what pages show of HTML knows no SVG."""
    colour = _COLOURS.get(column.kind, MUTED)
    drawn = "".join(
        f'<i style="left:{left:.1f}px;top:{top:.1f}px;width:{wide:.1f}px;height:{tall:.1f}px"></i>'
        for left, top, wide, tall in boxes
    )
    return f'<span class="boxes" style="color:{colour}">{drawn}</span>'
