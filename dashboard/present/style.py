"""Style: the colours, the frame and the numbers in words that charts and pictures share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dashboard.present.outside import apart, label

# Every colour below has at least 3:1 contrast on both page backgrounds (tests/test_figures.py),
# and neighbours differ in lightness or in blue-yellow, which colour-blind eyes keep.
SERIES = (
    "#1f8a8a",
    "#cf6a2b",
    "#5b7fd1",
    "#b3589a",
    "#8c8a1f",
    "#9b6a4a",
    "#4f9a4f",
    "#d0556a",
)
MUTED = "#8f887d"

# Blue is negative, orange is positive: the pair that survives all three kinds of colour
# blindness. The middle is the page's paper in light and its slate in dark.
LIGHT_STOPS = (
    "#10305c", "#2563a8", "#6fa5d6", "#c0d8ec", "#f5f2ec",
    "#f6d2b3", "#e9995d", "#c4561a", "#75290a",
)  # fmt: skip
DARK_STOPS = (
    "#c9e6ff", "#74b5f2", "#3d7fc2", "#2b4a6b", "#2b2824",
    "#63402a", "#b96731", "#f29c58", "#ffdcb8",
)  # fmt: skip
LEVELS = 255  # odd, so that zero has a level of its own; and one byte holds a level


def _palette(stops: Sequence[str]) -> np.ndarray:
    """Return uint8 (LEVELS, 3): the stops joined by straight lines."""
    rgb = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops], float)
    at = np.linspace(0, len(stops) - 1, LEVELS)
    channels = [np.interp(at, np.arange(len(stops)), channel) for channel in rgb.T]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


_PALETTES = {False: _palette(LIGHT_STOPS), True: _palette(DARK_STOPS)}


def palette(*, dark: bool = False) -> np.ndarray:
    """Return the diverging palette, uint8 (255, 3); row 127 is the neutral colour of zero."""
    return _PALETTES[dark].copy()


def colour_scale(dark: bool) -> list[list[object]]:
    stops = DARK_STOPS if dark else LIGHT_STOPS
    return [[i / (len(stops) - 1), stop] for i, stop in enumerate(stops)]


def layout(**more: object) -> dict:
    """Return what all charts share: no title, tight margins, no colours of their own."""
    base: dict = {
        "template": None,
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"align": "left"},
        "dragmode": False,
    }
    return base | more


def axis(title: str = "", **more: object) -> dict:
    """Return an axis that makes room for its own labels."""
    return {"title": {"text": title}, "automargin": True, "zeroline": False} | more


def rows(class_names: Sequence[str]) -> list[str]:
    # Plotly reads "0", "1" as numbers and equal names as one row; both would merge or move bars.
    return apart([label(name) for name in class_names])


def levels_of(values: np.ndarray) -> np.ndarray:
    """Return int (n,): the rows of `palette` that paint n values in [-1, 1]."""
    return np.rint((np.clip(values, -1, 1).ravel() + 1) / 2 * (LEVELS - 1)).astype(int)


def ink_on(values: np.ndarray, *, dark: bool = False) -> list[str]:
    """Return for each value in [-1, 1] the text colour that reads best on its palette colour.

    At least 4.5:1 everywhere (WCAG 2.2, relative luminance); Plotly's own choice falls to 4.3.
    """
    light = luminance(palette(dark=dark)[levels_of(values)])
    on_dark, on_light = 1.05 / (light + 0.05), (light + 0.05) / 0.05
    return np.where(on_dark > on_light, "#ffffff", "#000000").tolist()


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Return the relative luminance (WCAG 2.2) of colours uint8 (..., 3), in [0, 1]."""
    c = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def bar_frame(names: Sequence[str], across: dict) -> dict:
    """Return the layout of horizontal bars, one a name, from top to bottom."""
    down = axis(type="category", autorange="reversed", dtick=1, showgrid=False)
    height = 26 * len(names) + 56
    return layout(xaxis=across, yaxis=down, bargap=0.25, height=height, showlegend=False)


def signed(value: float) -> str:
    """Return two decimals with a true minus, and no minus before what rounds to zero."""
    words = f"{value:.2f}"
    return "0.00" if words == "-0.00" else words.replace("-", "\u2212")
