"""Figures: arrays in, charts out; `curves` has those of runs, `pictures` has pixels and weights.

Charts are `go.Figure` without a template, so that whoever shows them (Streamlit's theme or
`components.live_plot`) gives them the page's own colours.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.present.outside import label
from dashboard.present.pictures import png
from dashboard.present.style import (
    LEVELS,
    MUTED,
    SERIES,
    axis,
    bar_frame,
    colour_scale,
    ink_on,
    layout,
    rows,
    signed,
)
from nnengine.training.rates import Tried, suggested

MOST_CELLS = 10_000  # of a heatmap: 160 kB as JSON; 1,024 units on 1,024 others were 5 MB a tick


def framed(figure: go.Figure, frame: dict) -> go.Figure:
    """Give a chart its whole layout: 3 ms, of which update_layout would make 9.

    Here a template of None means Plotly's own, so that is taken off afterwards.
    """
    figure.layout = frame
    figure.layout["template"] = None
    return figure


_STRIP_PX, _PLOT_PX = 44, 140  # of a robustness chart: the images below, the curves above


def robustness(
    lines: Sequence[tuple[str, np.ndarray]],
    images: np.ndarray,
    names: Sequence[str],
    *,
    usual: int,
    colours: Sequence[str] = SERIES,
) -> go.Figure:
    """Draw accuracy (levels,) in [0, 1] at each level of a distortion, a colour a line.

    Below each level stands its image, uint8 (levels, h, w), and its name. `usual` is the level
    at which nothing is distorted: a dotted line marks it. Not a number: not measured yet. Levels
    are spaced evenly, so that their images have room; accuracy always goes from 0 to 1, so that
    charts can be compared.
    """
    at = np.arange(len(names))
    across = axis(
        tickvals=at, ticktext=list(names), range=[-0.6, len(names) - 0.4], showgrid=False,
        automargin=False, fixedrange=True, tickangle=0,
    )  # fmt: skip
    up = axis(
        range=[0, 1.04], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%", automargin=False,
        fixedrange=True,
    )  # fmt: skip
    # add_vline would do the same; it goes through every trace and axis first.
    mark = {
        "type": "line", "x0": usual, "x1": usual, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": MUTED, "width": 1, "dash": "dot"},
    }  # fmt: skip
    frame = layout(
        xaxis=across, yaxis=up, showlegend=False, hovermode="x unified", shapes=[mark],
        height=_PLOT_PX + _STRIP_PX + 36, images=_strip(images),
        margin={"l": 42, "r": 8, "t": 8, "b": _STRIP_PX + 28},
    )  # fmt: skip
    return framed(go.Figure(_lines(at, lines, colours)), frame)


def _lines(
    at: np.ndarray, lines: Sequence[tuple[str, np.ndarray]], colours: Sequence[str]
) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=at,
            y=np.asarray(accuracies, np.float64),
            mode="lines+markers",
            name=label(name),
            line={"color": colours[i % len(colours)], "width": 2},
            marker={"size": 5},
            hovertemplate=f"{label(name)} %{{y:.1%}}<extra></extra>",
        )
        for i, (name, accuracies) in enumerate(lines)
    ]


def _strip(images: np.ndarray) -> list[dict]:
    """Return one layout image below each place of a chart, enlarged so that its pixels show."""
    return [
        {
            "source": "data:image/png;base64," + base64.b64encode(png(image)).decode("ascii"),
            "xref": "x", "yref": "paper", "x": i, "y": -26 / _PLOT_PX, "xanchor": "center",
            "yanchor": "top", "sizex": 0.92, "sizey": _STRIP_PX / _PLOT_PX, "sizing": "contain",
        }
        for i, image in enumerate(np.repeat(np.repeat(images, 3, axis=1), 3, axis=2))
    ]  # fmt: skip


def rate_curve(tried: Sequence[Tried]) -> go.Figure:
    """Draw the loss over the rate, on a logarithmic axis, with a line at the suggested rate."""
    rates = np.array([one.rate for one in tried])
    smoothed = np.array([one.smoothed for one in tried])
    figure = go.Figure()
    figure.add_scatter(
        x=rates, y=np.array([one.loss for one in tried]), mode="markers", name="Each batch",
        marker={"color": MUTED, "size": 4}, hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=rates, y=smoothed, mode="lines", name="Smoothed",
        line={"color": SERIES[0], "width": 2},
        hovertemplate="loss %{y:.3f} at rate %{x:.2g}<extra></extra>",
    )  # fmt: skip
    rate, top = suggested(tried), 1.5 * float(smoothed[0])  # what blows up would press all flat
    if rate is not None:
        figure.add_scatter(
            x=[rate, rate], y=[0, top], mode="lines", name="Suggested", hoverinfo="skip",
            line={"color": SERIES[1], "width": 2, "dash": "dash"},
        )  # fmt: skip
    return framed(
        figure,
        layout(
            xaxis=axis("Learning rate", type="log", dtick=1, tickformat=".0e"),
            yaxis=axis("Loss", range=[0, top]),
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        ),
    )


def class_balance(counts: np.ndarray, class_names: Sequence[str]) -> go.Figure:
    """Draw how many items each class has, counts (classes,), as bars from top to bottom."""
    counts = np.asarray(counts)
    share = counts / max(int(counts.sum()), 1)
    figure = go.Figure(
        go.Bar(
            x=counts,
            y=rows(class_names),
            orientation="h",
            marker={"color": SERIES[0], "line": {"width": 0}},
            text=[f"{int(c):,}" for c in counts],
            textposition="auto",
            textangle=0,
            customdata=share,
            hovertemplate="%{y}: %{x:,} images, %{customdata:.1%}<extra></extra>",
        )
    )
    across = axis("Images", tickformat="~s", rangemode="tozero")
    return framed(figure, bar_frame(class_names, across))


def weight_bars(weights: np.ndarray, names: Sequence[str], *, dark: bool = False) -> go.Figure:
    """Draw one unit's outgoing weights (targets,): orange speaks for a target, blue against it."""
    w = np.asarray(weights, dtype=np.float64).ravel()
    stops = colour_scale(dark)
    against, speaks = (stops[2][1], stops[6][1]) if dark else (stops[1][1], stops[7][1])
    figure = go.Figure(
        go.Bar(
            x=w,
            y=rows(names),
            orientation="h",
            marker={"color": [speaks if v > 0 else against for v in w], "line": {"width": 0}},
            text=[f"{v:+.2f}".replace("-", "\u2212") for v in w],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:+.4f}<extra></extra>",
        )
    )
    most = 1.35 * (float(np.abs(w).max(initial=0)) or 1.0)  # room for the numbers beyond the bars
    across = axis(range=[-most, most], zeroline=True, nticks=5)
    return framed(figure, bar_frame(names, across))


def confusion(
    matrix: np.ndarray,
    class_names: Sequence[str],
    *,
    chosen: tuple[int, int] | None = None,
    dark: bool = False,
) -> go.Figure:
    """Draw counts (classes, classes), [true, predicted], as squares; `chosen` has a frame.

    Right answers are blue by their share of the class. Errors are orange by their share of the
    class beside the greatest such share, so that the few errors of a good network still show.
    Trace 0 paints; trace 1 holds the counts and one square marker a cell with customdata [true,
    predicted, count], because a heatmap reports no selection.
    """
    counts, names = np.asarray(matrix, dtype=np.int64), rows(class_names)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    painted = right_and_wrong(share)
    figure = go.Figure()
    figure.add_heatmap(
        z=painted, x=names, y=names, zmin=-1, zmax=1, colorscale=colour_scale(dark),
        showscale=False, xgap=1, ygap=1, hoverinfo="skip",
    )  # fmt: skip
    _add_counts(figure, counts, share, names, ink_on(painted, dark=dark))
    end = len(names) - 0.5
    still = {"type": "category", "dtick": 1, "showgrid": False, "showspikes": False}
    frame = layout(
        xaxis=axis("Predicted", range=[-0.5, end], **still),
        yaxis=axis("True", range=[end, -0.5], **still),
        hovermode="closest", showlegend=False, height=max(320, 36 * len(names) + 70),
    )  # fmt: skip
    framed(figure, frame)
    if chosen is not None:
        true_at, at = chosen
        figure.add_shape(
            x0=at - 0.5, x1=at + 0.5, y0=true_at - 0.5, y1=true_at + 0.5,
            line={"color": "#ffffff" if dark else "#000000", "width": 2},
        )  # fmt: skip
    return figure


def _add_counts(
    figure: go.Figure, counts: np.ndarray, share: np.ndarray, names: list[str], inks: list[str]
) -> None:
    """Write the count of every cell on it, on markers that can be chosen."""
    true, predicted = np.divmod(np.arange(counts.size), max(len(names), 1))
    figure.add_scatter(
        x=[names[i] for i in predicted],
        y=[names[i] for i in true],
        mode="markers+text" if len(names) <= 20 else "markers",
        text=[str(count) if count else "" for count in counts.ravel()],
        textfont={"color": inks, "size": 11},
        # Invisible; large enough for a thumb on a phone.
        marker={"symbol": "square", "size": 28, "color": MUTED, "opacity": 0},
        customdata=np.stack([true, predicted, counts.ravel()], axis=1),
        hovertext=[f"{part:.1%} of the class" for part in share.ravel()],
        hovertemplate="is %{y}, taken for %{x}: %{customdata[2]:,} images,"
        " %{hovertext}<extra></extra>",
    )


def right_and_wrong(share: np.ndarray) -> np.ndarray:
    """Return (classes, classes) in [-1, 1]: minus the share of right, plus that of wrong ones."""
    right = np.eye(len(share), dtype=bool)
    worst = share[~right].max(initial=0) or 1.0
    # At most 0.75: the far ends of the palette leave the numbers too little contrast.
    return 0.75 * np.where(right, -share, share / worst)


def heatmap(
    matrix: np.ndarray,
    *,
    x_title: str,
    y_title: str,
    symmetric: bool = True,
    x_names: Sequence[str] | None = None,
    y_names: Sequence[str] | None = None,
    dark: bool = False,
) -> go.Figure:
    """Draw a matrix (rows, columns), the first row on top.

    Symmetric: the range is [-m, m] with m the largest magnitude, so zero is neutral. Otherwise
    the range is that of the values. Names replace the numbers 1, 2, ... of rows and columns.
    Up to 10 columns the cells hold their numbers; a single row needs no colour bar beside it.
    A matrix of more than 10,000 values has a cell for several: the strongest of them, see `cells`.
    """
    whole = np.atleast_2d(np.asarray(matrix, dtype=np.float32))
    z, (tall, wide) = _strongest(whole), cells(*whole.shape)
    finite = z[np.isfinite(z)]
    most = float(np.abs(finite).max(initial=0)) or 1.0
    ends = float(finite.min(initial=0)), float(finite.max(initial=0))
    zmin, zmax = (-most, most) if symmetric else ends
    figure = go.Figure(go.Heatmap(
        z=z,
        x=rows(x_names) if x_names is not None else wide * np.arange(z.shape[1]) + (wide + 1) / 2,
        y=rows(y_names) if y_names is not None else tall * np.arange(z.shape[0]) + (tall + 1) / 2,
        zmin=zmin, zmax=zmax, colorscale=colour_scale(dark), showscale=z.shape[0] > 1,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": "~g", "nticks": 5},
        hovertemplate=f"{y_title} %{{y}}, {x_title.lower()} %{{x}}: %{{z:.4f}}<extra></extra>",
    ))  # fmt: skip
    if symmetric and z.shape[1] <= 10 and z.shape[0] <= 40:
        _add_numbers(figure, z, ink_on(np.nan_to_num(z) / most, dark=dark))
    frame = _matrix_frame(whole, x_title, y_title, x_names is not None, y_names is not None)
    return framed(figure, frame)


def _matrix_frame(
    whole: np.ndarray, x_title: str, y_title: str, x_named: bool, y_named: bool
) -> dict:
    columns, lines = whole.shape[1], whole.shape[0]
    across, down = _counted(columns, x_named), _counted(lines, y_named)
    first_x, first_y = (-0.5 if named else 0.5 for named in (x_named, y_named))
    return layout(
        xaxis=axis(x_title, showgrid=False, range=[first_x, first_x + columns], **across),
        yaxis=axis(y_title, showgrid=False, range=[first_y + lines, first_y], **down),
        height=int(min(max(24 * whole.shape[0], 36), 520)) + 72,
        margin={"l": 8, "r": 12, "t": 8, "b": 48},  # a strip is too low for automargin
    )


def _counted(count: int, named: bool) -> dict:
    """Return an axis of names, each of which is said, or of numbers from 1, as units are called."""
    if named:
        return {"type": "category", "dtick": 1}
    # Few numbers have a tick each; of many Plotly's own, 50, 100, are units' numbers too.
    return {"tickformat": "d"} | ({"tick0": 1, "dtick": 1} if count <= 12 else {})


def cells(tall: int, wide: int) -> tuple[int, int]:
    """Return how many rows and columns of a matrix share a cell of its heatmap."""
    rows_each, columns_each = 1, 1
    while -(-tall // rows_each) * -(-wide // columns_each) > MOST_CELLS:
        if tall / rows_each >= wide / columns_each:
            rows_each += 1
        else:
            columns_each += 1
    return rows_each, columns_each


def _strongest(z: np.ndarray) -> np.ndarray:
    """Return of the values that share a cell the one farthest from zero, with its sign."""
    tall, wide = cells(*z.shape)
    if (tall, wide) == (1, 1):
        return z
    starts = np.arange(0, z.shape[0], tall), np.arange(0, z.shape[1], wide)
    ends = []
    for function in (np.minimum, np.maximum):
        ends.append(function.reduceat(function.reduceat(z, starts[0], axis=0), starts[1], axis=1))
    return np.where(-ends[0] > ends[1], *ends)


def _add_numbers(figure: go.Figure, z: np.ndarray, inks: list[str]) -> None:
    """Write every value of a small matrix on its cell."""
    down_at, across_at = np.indices(z.shape).reshape(2, -1)
    figure.add_scatter(
        x=np.asarray(figure.data[0].x)[across_at],
        y=np.asarray(figure.data[0].y)[down_at],
        mode="text",
        text=[signed(float(v)) for v in z.ravel()],
        textfont={"color": inks, "size": 11},
        hoverinfo="skip",
        showlegend=False,
    )


def distribution(groups: Mapping[str, np.ndarray], *, bins: int = 61) -> go.Figure:
    """Draw how the values of each group are spread: the share of the group in each of `bins`.

    All groups share one set of bins, centred on zero, so their widths can be compared. Bins are
    counted here: a million weights cross to the page as `bins` numbers.
    """
    arrays = {name: np.asarray(v, np.float64).ravel() for name, v in groups.items()}
    arrays = {name: v[np.isfinite(v)] for name, v in arrays.items()}
    most = max((float(np.abs(v).max(initial=0)) for v in arrays.values()), default=0) or 1.0
    edges = np.linspace(-most, most, bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    for i, (name, values) in enumerate(arrays.items()):
        share = np.histogram(values, edges)[0] / max(values.size, 1)
        figure.add_scatter(
            x=centres,
            y=share,
            mode="lines",
            name=name,
            line={"color": SERIES[i % len(SERIES)], "width": 2, "shape": "hvh"},
            fill="tozeroy" if len(arrays) == 1 else "none",
            hovertemplate=f"{name}: %{{y:.1%}} near %{{x:.3g}}<extra></extra>",
        )
    return framed(
        figure,
        layout(
            xaxis=axis("Value"),
            yaxis=axis("Share", tickformat=".0%", rangemode="tozero"),
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            showlegend=len(arrays) > 1,
            uirevision="distribution",
        ),
    )


def colour_key(limit: float, *, own: bool = False, dark: bool = False) -> go.Figure:
    """Draw the key to weight colours: a strip from -limit to limit, zero in the middle.

    Own: every unit has its own limit, so the ends say so instead of a number.
    """
    figure = go.Figure(
        go.Heatmap(
            z=np.linspace(-1, 1, LEVELS, dtype=np.float32)[None],
            x=np.linspace(-limit, limit, LEVELS),
            zmin=-1,
            zmax=1,
            colorscale=colour_scale(dark),
            showscale=False,
            hoverinfo="skip",
        )
    )
    ticks = [-limit, 0, limit]
    ends = ("unit's strongest \u2212", "unit's strongest +")
    low, high = ends if own else (f"\u2264 \u2212{limit:.2g}", f"\u2265 {limit:.2g}")
    return framed(
        figure,
        layout(
            height=44,
            margin={"l": 64, "r": 64, "t": 2, "b": 24},
            xaxis=axis(tickvals=ticks, ticktext=[low, "0", high], showgrid=False, automargin=False),
            yaxis={"visible": False},
        ),
    )
