"""The picture of a comparison: how often as fast as its best peer this engine was, case by case.

    python benchmarks/picture.py results/bench.json [--svg docs/bench.svg]

Drawn by Plotly from the JSON file that `bench.py` writes. The page holds all it needs; the SVG is
drawn by a Chromium on this machine, which asks nothing of the network.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
from pathlib import Path

import plotly.graph_objects as go

COLOURS = ("#1f77b4", "#9ecae1", "#bdbdbd")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


def ratios(found: dict) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return for each of this engine's settings, by case, (ratio, least, most)."""
    settings: dict[str, dict[str, tuple[float, float, float]]] = {}
    for case in found["cases"]:
        for side in case.get("sides", ()):
            if side["ours"] and "ratio" in side:
                low, high = side["ratio_range"]
                points = settings.setdefault(side["name"], {})
                points[case["title"]] = (side["ratio"], low, high)
    return settings


def speed_figure(found: dict) -> go.Figure:
    """Return bars of ratios to the best peer on a logarithmic axis; whiskers: all rounds."""
    figure = go.Figure()
    titles = [c["title"] for c in found["cases"] if any(s["ours"] for s in c.get("sides", ()))]
    compiled = {name: p for name, p in ratios(found).items() if "numba" in name}
    shown = compiled or ratios(found)
    for (name, points), colour in zip(shown.items(), COLOURS, strict=False):
        here = [title for title in titles if title in points]
        middle = [points[title][0] for title in here]
        figure.add_bar(
            name=name, x=middle, y=here, orientation="h", marker_color=colour,
            text=[f"{value:.1f}" for value in middle], textposition="inside",
            error_x={
                "type": "data", "color": "#555", "thickness": 1, "width": 3,
                "array": [points[t][2] - points[t][0] for t in here],
                "arrayminus": [points[t][0] - points[t][1] for t in here],
            },
        )  # fmt: skip
    figure.add_vline(x=1, line_color="#333", line_width=1)
    figure.update_xaxes(type="log", title="times as fast as the best peer", dtick="D1")
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(
        template="plotly_white", barmode="group", width=900, height=110 + 46 * max(1, len(titles)),
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        margin={"l": 10, "r": 20, "t": 40, "b": 50}, font={"size": 13},
    )  # fmt: skip
    return figure


def write_page(figure: go.Figure, path: Path) -> Path:
    """Write a page that needs no network; return its path."""
    figure.write_html(path, include_plotlyjs=True, include_mathjax=False)
    return path


def cannot_draw() -> str:
    """Return why no SVG can be drawn here, or nothing."""
    if importlib.util.find_spec("kaleido") is None:
        return "kaleido is not installed"
    return "" if any(map(shutil.which, BROWSERS)) else "there is no Chromium or Chrome here"


def write_image(figure: go.Figure, path: Path) -> Path:
    """Write an SVG or PNG; return its path. Raises RuntimeError where `cannot_draw`."""
    if reason := cannot_draw():
        raise RuntimeError(f"no picture: {reason}")
    import kaleido
    import plotly

    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    # Kaleido would fetch a formula typesetter from the network; there are no formulas here.
    page = kaleido.PageGenerator(plotly=script, mathjax=False)
    kaleido.write_fig_sync(figure, path, kopts={"page_generator": page, "n": 1})
    return path


def main() -> None:
    """Draw the picture of a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("json", type=Path)
    parser.add_argument("--svg", type=Path, help="where the picture goes (beside the JSON file)")
    options = parser.parse_args()
    figure = speed_figure(json.loads(options.json.read_text()))
    print(write_page(figure, options.json.with_suffix(".html")))
    print(write_image(figure, options.svg or options.json.with_suffix(".svg")))


if __name__ == "__main__":
    main()
