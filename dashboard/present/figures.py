"""Figures: arrays in, charts out; pictures of pixels and of weights are made in `pictures`.

Charts are `go.Figure` without a template, so that whoever shows them (Streamlit's theme or
`components.live_plot`) gives them the page's own colours.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

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

if TYPE_CHECKING:
    from nnengine.training import History

MOST_CELLS = 10_000  # of a heatmap: 160 kB as JSON; 1,024 units on 1,024 others were 5 MB a tick
MOST_POINTS = 1500  # a live chart is sent whole at each tick: more points cost, and none is seen


def curves(
    runs: Sequence[tuple[str, History]],
    metric: Literal["accuracy", "loss"],
    *,
    x: Literal["step", "epoch"] = "step",
) -> go.Figure:
    """Draw one metric of each run: training solid, validation dashed, one colour a run.

    Accuracy is in [0, 1] and shown in percent; loss is cross-entropy in nats. At most about
    1,500 points a curve are kept, the newest always. Runs without points draw nothing.
    """
    spec = _curve_spec(runs, metric, x)
    return _framed(go.Figure(spec["data"]), spec["layout"])


Mark = tuple[float, int, str]  # where on the x axis, of the how manyth run, and what was changed
_ACROSS = {"step": "Step", "epoch": "Epoch", "seconds": "Seconds of the engine's work"}


def curve_text(
    runs: Sequence[tuple[str, Any]],
    metric: Literal["accuracy", "loss"],
    x: Literal["step", "epoch", "seconds"] = "step",
    marks: Sequence[Mark] = (),
) -> str:
    """Return the same chart as the JSON that `live_plot` draws; a dotted line stands at each mark.

    x: of "seconds" the histories have a column, too.
    Plotly holds every property to its schema, 4.5 ms of the interpreter for 300 points where this
    takes 0.13; a test holds the two to each other.
    """
    return json.dumps(_curve_spec(runs, metric, x, marks), default=_typed)


def _typed(array: np.ndarray) -> dict[str, str]:
    """Return numbers as Plotly reads them fastest, in four bytes each."""
    short = np.asarray(array, "<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(short.tobytes()).decode("ascii")}


def _curve_spec(
    runs: Sequence[tuple[str, Any]], metric: str, x: str, marks: Sequence[Mark] = ()
) -> dict:
    traces: list[dict] = []
    for i, (name, history) in enumerate(runs):
        for side in ("train", "val"):
            traces += _curve(name, history, side, metric, x, SERIES[i % len(SERIES)], len(runs))
    if len(runs) > 1:
        traces += _dashes_explained()
    percent = metric == "accuracy"
    begun = any(history.step for _, history in runs)
    frame = layout(
        xaxis=axis(_ACROSS[x], rangemode="tozero"),
        yaxis=axis(
            "Accuracy" if percent else "Loss",
            tickformat="~%" if percent else "~g",  # of 9.5 % nothing is cut off
            rangemode="normal" if percent else "tozero",
            **({} if begun else {"range": [0, 1]}),  # Plotly's own would go from -100 to 400 %
        ),
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="x unified",
        dragmode="zoom",
        uirevision=f"{metric} {x}",  # zoom is kept until the axes mean something else
        **_marked(marks, high=not percent),
    )
    return {"data": traces, "layout": frame}


def _marked(marks: Sequence[Mark], *, high: bool) -> dict:
    """Return a dotted line for each mark, in its run's colour, and what was changed beside it.

    high: the words stand at the top of the chart, else at its foot.
    """
    if not marks:
        return {}
    lines, words = [], []
    for number, (at, run, text) in enumerate(marks):
        colour, off = SERIES[run % len(SERIES)], 0.02 + 0.09 * (number % 4)
        dots = {"color": colour, "width": 1.5, "dash": "dot"}
        lines.append({"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper",
                      "line": dots})  # fmt: skip
        words.append({"x": at, "y": 1 - off if high else off, "yref": "paper", "text": label(text),
                      "showarrow": False, "xanchor": "left", "yanchor": "top" if high else "bottom",
                      "xshift": 3, "font": {"size": 11, "color": colour}})  # fmt: skip
    return {"shapes": lines, "annotations": words}


def _framed(figure: go.Figure, frame: dict) -> go.Figure:
    """Give a chart its whole layout: 3 ms, of which update_layout would make 9.

    Here a template of None means Plotly's own, so that is taken off afterwards.
    """
    figure.layout = frame
    figure.layout["template"] = None
    return figure


def _curve(
    name: str, history: History, side: str, metric: str, x: str, colour: str, run_count: int
) -> list[dict]:
    across = np.asarray(getattr(history, x), dtype=np.float64)
    values = np.array(
        [np.nan if v is None else v for v in getattr(history, f"{side}_{metric}")], np.float64
    )
    if side == "val" and not np.isfinite(values).any():
        return []
    keep = _thin(len(values))
    words = "training" if side == "train" else "validation"
    number = "%{y:.2%}" if metric == "accuracy" else "%{y:.4f}"
    alone = run_count == 1
    called = words if alone else label(name)
    trace = {
        "type": "scatter",
        "x": across[keep],
        "y": values[keep],
        "mode": "lines" if len(values) > 1 else "markers",
        "name": called,
        "legendgroup": called,
        "showlegend": alone or side == "train",
        "line": {"color": colour, "width": 2, "dash": "solid" if side == "train" else "dash"},
        "marker": {"color": colour, "symbol": "circle" if side == "train" else "circle-open"},
        "connectgaps": True,
        "hovertemplate": f"{called if alone else called + ', ' + words} {number}<extra></extra>",
    }
    return [trace]


def _thin(count: int) -> np.ndarray:
    """Return the indices to keep: all, or evenly spaced ones with the first and the newest."""
    if count <= MOST_POINTS:
        return np.arange(count)
    return np.unique(np.rint(np.linspace(0, count - 1, MOST_POINTS)).astype(np.int64))


def _dashes_explained() -> list[dict]:
    """Say in the legend what solid and dashed mean; with one run the names already do."""
    return [
        {
            "type": "scatter",
            "x": [None],
            "y": [None],
            "mode": "lines",
            "name": words,
            "line": {"color": MUTED, "width": 2, "dash": dash},
            "hoverinfo": "skip",
        }
        for words, dash in (("training", "solid"), ("validation", "dash"))
    ]


_STRIP_PX, _PLOT_PX = 44, 140  # of a robustness chart: the images below, the curves above


def robustness(
    lines: Sequence[tuple[str, np.ndarray]],
    images: np.ndarray,
    names: Sequence[str],
    *,
    usual: int,
) -> go.Figure:
    """Draw accuracy (levels,) in [0, 1] at each level of a distortion, one colour a line.

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
    return _framed(go.Figure(_lines(at, lines)), frame)


def _lines(at: np.ndarray, lines: Sequence[tuple[str, np.ndarray]]) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=at,
            y=np.asarray(accuracies, np.float64),
            mode="lines+markers",
            name=label(name),
            line={"color": SERIES[i % len(SERIES)], "width": 2},
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
    return _framed(
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
    return _framed(figure, bar_frame(class_names, across))


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
    return _framed(figure, bar_frame(names, across))


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
    painted = _right_and_wrong(share)
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
    _framed(figure, frame)
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


def _right_and_wrong(share: np.ndarray) -> np.ndarray:
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
    the range is that of the values. Names replace the indices 0, 1, ... of rows and columns.
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
        x=rows(x_names) if x_names is not None else wide * np.arange(z.shape[1]) + (wide - 1) / 2,
        y=rows(y_names) if y_names is not None else tall * np.arange(z.shape[0]) + (tall - 1) / 2,
        zmin=zmin, zmax=zmax, colorscale=colour_scale(dark), showscale=z.shape[0] > 1,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": "~g", "nticks": 5},
        hovertemplate=f"{y_title} %{{y}}, {x_title.lower()} %{{x}}: %{{z:.4f}}<extra></extra>",
    ))  # fmt: skip
    if symmetric and z.shape[1] <= 10 and z.shape[0] <= 40:
        _add_numbers(figure, z, ink_on(np.nan_to_num(z) / most, dark=dark))
    frame = _matrix_frame(whole, x_title, y_title, x_names is not None, y_names is not None)
    return _framed(figure, frame)


def _matrix_frame(
    whole: np.ndarray, x_title: str, y_title: str, x_named: bool, y_named: bool
) -> dict:
    across = {"type": "category"} if x_named else {"tickformat": "d"}
    down = {"type": "category", "dtick": 1} if y_named else {"tickformat": "d"}
    return layout(
        xaxis=axis(x_title, showgrid=False, range=[-0.5, whole.shape[1] - 0.5], **across),
        yaxis=axis(y_title, showgrid=False, range=[whole.shape[0] - 0.5, -0.5], **down),
        height=int(min(max(24 * whole.shape[0], 36), 520)) + 72,
        margin={"l": 8, "r": 12, "t": 8, "b": 48},  # a strip is too low for automargin
    )


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
    return _framed(
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
    return _framed(
        figure,
        layout(
            height=44,
            margin={"l": 64, "r": 64, "t": 2, "b": 24},
            xaxis=axis(tickvals=ticks, ticktext=[low, "0", high], showgrid=False, automargin=False),
            yaxis={"visible": False},
        ),
    )
