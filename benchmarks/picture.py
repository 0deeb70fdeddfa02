"""The picture of a comparison: how fast everybody was beside the best peer, case by case.

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

# Ours filled and blue, whoever is compared hollow; the order is the legend's.
STYLES = {
    "nnengine, numba": {"color": "#1565c0", "symbol": "circle", "size": 13},
    "nnengine, numpy": {"color": "#90caf9", "symbol": "circle", "size": 10},
    "PyTorch nn": {"color": "#d84315", "symbol": "diamond-open", "size": 10},
    "PyTorch by hand": {"color": "#d84315", "symbol": "cross-open", "size": 10},
    "JAX": {"color": "#6a1b9a", "symbol": "x-open", "size": 9},
    "scikit-learn": {"color": "#6d4c41", "symbol": "square-open", "size": 9},
    "NumPy float32": {"color": "#2e7d32", "symbol": "triangle-up-open", "size": 10},
    "NumPy float64": {"color": "#2e7d32", "symbol": "triangle-down-open", "size": 10},
}
TICKS = [factor * 10.0**power for power in range(-2, 3) for factor in (1, 2, 5)]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


def speeds(found: dict) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return for each of `STYLES`, by case, (speed over the best peer's, least, most).

    Whoever tried several numbers of threads is shown with the best of them.
    """
    by_style: dict[str, dict[str, tuple[float, float, float]]] = {}
    for case in found["cases"]:
        sides = case.get("sides", [])
        best = min((side["median_s"] for side in sides if not side["ours"]), default=None)
        for side in sides if best else []:
            style = next(name for name in STYLES if side["name"].startswith(name))
            speed = (
                best / side["median_s"],
                best / max(side["seconds"]),
                best / min(side["seconds"]),
            )
            points = by_style.setdefault(style, {})
            points[case["title"]] = max(points.get(case["title"], speed), speed)
    return by_style


def speed_figure(found: dict) -> go.Figure:
    """Return dots on a logarithmic axis; whiskers: the slowest and the fastest round of ours."""
    figure, shown = go.Figure(), speeds(found)
    titles = [c["title"] for c in found["cases"] if any(c["title"] in p for p in shown.values())]
    for name, style in STYLES.items():
        here = [title for title in titles if title in shown.get(name, {})]
        points = [shown[name][title] for title in here]
        whiskers = {
            "type": "data", "thickness": 1.5, "width": 4, "visible": name.startswith("nnengine"),
            "array": [most - speed for speed, _, most in points],
            "arrayminus": [speed - least for speed, least, _ in points],
        }  # fmt: skip
        if here:
            figure.add_scatter(
                name=name, x=[speed for speed, _, _ in points], y=here, mode="markers",
                marker=style, error_x=whiskers, hovertemplate="%{x:.2f} times<extra>%{y}</extra>",
            )  # fmt: skip
    figure.add_vline(x=1, line_color="#333", line_width=1)
    words = [f"{tick:g}" for tick in TICKS]
    title = "times as fast as the best peer"
    figure.update_xaxes(type="log", title=title, tickvals=TICKS, ticktext=words)
    rows = [len(titles) - 0.5, -0.5]  # the first on top
    figure.update_yaxes(type="category", categoryarray=titles, range=rows, automargin=True)
    figure.update_layout(
        template="plotly_white", width=960, height=110 + 34 * max(4, len(titles)),
        font={"size": 13}, margin={"l": 10, "r": 10, "t": 20, "b": 50},
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
