"""Sketches: small line drawings of what a word means, as pictures that a page can show."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from dashboard.present.style import MUTED

_SIDES = 'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 56" width="96" height="56"'
_LINES = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"'


def _svg(inside: str) -> str:
    """Return a picture of SVG; as SVG itself Streamlit would take it out of a page's HTML.

    Its lines have the one grey that stands out from both papers, and cannot have the text's.
    """
    drawn = f"<svg {_SIDES} {_LINES}>{inside}</svg>".replace("currentColor", MUTED)
    raw = b64encode(drawn.encode()).decode("ascii")
    return f'<img alt="" width="96" height="56" src="data:image/svg+xml;base64,{raw}">'


def _line(*points: tuple[float, float], more: str = "") -> str:
    return f'<polyline points="{" ".join(f"{x},{y}" for x, y in points)}" {more}/>'


def _dot(x: float, y: float, r: float = 4) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{r}" fill="currentColor" stroke="none"/>'


def _square(x: float, y: float, side: float, ink: float) -> str:
    """Return a square filled by `ink` in [0, 1], with a frame."""
    return (
        f'<rect x="{x}" y="{y}" width="{side}" height="{side}" stroke-width="1" '
        f'fill="currentColor" fill-opacity="{ink}"/>'
    )


def _links(left: Sequence[tuple[float, float]], right: Sequence[tuple[float, float]]) -> str:
    return "".join(_line(a, b, more='stroke-width="1" opacity=".5"') for a in left for b in right)


_FAINT = 'stroke-width="1" opacity=".5"'
_AXES = _line((10, 4), (10, 50), (90, 50), more=_FAINT)
_FIRST, _MIDDLE, _LAST = (
    [(14, y) for y in (10, 28, 46)], [(48, y) for y in (10, 28, 46)], [(82, y) for y in (19, 37)]
)  # fmt: skip

NETWORK = _svg(
    _links(_FIRST, _MIDDLE) + _links(_MIDDLE, _LAST)
    + "".join(_dot(*at) for at in (*_FIRST, *_MIDDLE, *_LAST))
)  # fmt: skip
LAYER = _svg(
    _links([(14, y) for y in (19, 37)], _MIDDLE)
    + "".join(_dot(*at) for at in _MIDDLE)
    + '<rect x="38" y="2" width="20" height="52" rx="6" stroke-width="1"/>'
)
UNIT = _svg(
    "".join(_line(at, (48, 28)) for at in _FIRST)
    + _line((60, 28), (86, 28))
    + '<circle cx="52" cy="28" r="11" fill="none"/>'
    + _line((47, 28), (57, 28)) + _line((52, 23), (52, 33))
)  # fmt: skip
RELU = _svg(
    _line((8, 44), (88, 44), more=_FAINT)
    + _line((48, 4), (48, 52), more=_FAINT)
    + _line((10, 44), (48, 44), (86, 8), more='stroke-width="3"')
)
CONVOLUTION = _svg(
    "".join(_square(8 + 9 * i, 6 + 9 * j, 9, 0.0) for i in range(5) for j in range(5))
    + '<rect x="17" y="15" width="27" height="27" stroke-width="3"/>'
    + _line((46, 28), (70, 28), more=_FAINT)
    + _square(74, 23, 10, 0.7)
)
POOLING = _svg(
    "".join(
        _square(12 + 16 * i, 12 + 16 * j, 16, ink)
        for i, j, ink in ((0, 0, 0.1), (1, 0, 0.8), (0, 1, 0.3), (1, 1, 0.0))
    )
    + _line((50, 28), (64, 28), more=_FAINT)
    + _square(70, 20, 16, 0.8)
)
SOFTMAX = _svg("".join(
    f'<rect x="{12 + 15 * i}" y="{50 - high}" width="9" height="{high}" fill="currentColor" '
    'stroke="none"/>' for i, high in enumerate((3, 6, 42, 4, 9))
))  # fmt: skip
RISING = _svg(_AXES + _line((12, 48), (20, 26), (32, 15), (50, 10), (88, 8)))
FALLING = _svg(_AXES + _line((12, 8), (20, 28), (32, 38), (50, 44), (88, 47)))
APART = _svg(
    _AXES
    + _line((12, 8), (24, 28), (44, 40), (88, 47))
    + _line((12, 9), (26, 26), (44, 31), (60, 27), (88, 14), more='stroke-dasharray="4 4"')
)
CONFUSION = _svg("".join(
    _square(22 + 13 * i, 2 + 13 * j, 13, 0.75 if i == j else 0.15 if (i, j) == (2, 1) else 0.0)
    for i in range(4) for j in range(4)
))  # fmt: skip
SLOPE = _svg(
    '<path d="M10 8 Q 34 52 58 46 T 88 20"/>' + _line((10, 19), (42, 51), more='stroke-width="3"')
    + _dot(26, 35)
)  # fmt: skip
VALLEY = _svg(
    '<path d="M8 6 Q 48 96 88 6" opacity=".5"/>'
    + _line((14, 16), (26, 33), (38, 45), (46, 49)) + _dot(14, 16) + _dot(26, 33) + _dot(38, 45)
)  # fmt: skip
BATCH = _svg("".join(
    _square(8 + 13 * i, 9 + 13 * j, 10, 0.7 if j == 1 else 0.05) for i in range(6) for j in range(3)
))  # fmt: skip
