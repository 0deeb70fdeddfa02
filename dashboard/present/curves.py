"""Curves: how accuracy and loss of runs went, on axes that mean the same from one run to the next.

Accuracy always goes from 0 to 100 %. A dotted line stands at what guessing reaches, thin ones at
the ends of epochs, and the axis of a loss that blew up is logarithmic.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import plotly.graph_objects as go

from dashboard.present.figures import framed
from dashboard.present.outside import label
from dashboard.present.style import MUTED, SERIES, axis, layout

if TYPE_CHECKING:
    from nnengine.training import History

MOST_POINTS = 1500  # a live chart is sent whole at each tick: more points cost, and none is seen
MOST_EPOCHS = 10  # lines for their ends; of more epochs every second, fifth, tenth has one
TOP = 1.03  # of the axis of accuracy, so that a curve at 100 % is drawn whole
# Times what guessing costs: a loss that has been larger would press all that follows to the floor.
_BLOWN_UP = 10
_GUESSED = math.log(10)  # where nobody says how many classes there are

Mark = tuple[float, int, str]  # where on the x axis, of the how manyth run, and what was changed
_ACROSS = {"step": "Step", "epoch": "Epoch", "seconds": "Seconds of the engine's work"}


def curves(
    runs: Sequence[tuple[str, History]],
    metric: Literal["accuracy", "loss"],
    *,
    x: Literal["step", "epoch"] = "step",
    classes: int | None = None,
) -> go.Figure:
    """Draw one metric of each run: training solid, validation dashed, one colour a run.

    Accuracy is in [0, 1] and shown in percent; loss is cross-entropy in nats. classes: how many the
    runs tell apart, of which the line for guessing is made; None draws none. At most about 1,500
    points a curve are kept, the newest always. Runs without points draw nothing.
    """
    spec = _spec(runs, metric, x, (), classes)
    return framed(go.Figure(spec["data"]), spec["layout"])


def curve_text(
    runs: Sequence[tuple[str, Any]],
    metric: Literal["accuracy", "loss"],
    x: Literal["step", "epoch", "seconds"] = "step",
    marks: Sequence[Mark] = (),
    classes: int | None = None,
) -> str:
    """Return the same chart as the JSON that `live_plot` draws; a dotted line stands at each mark.

    x: of "seconds" the histories have a column, too.
    Plotly holds every property to its schema, 4.5 ms of the interpreter for 300 points where this
    takes 0.13; a test holds the two to each other.
    """
    return json.dumps(_spec(runs, metric, x, marks, classes), default=_typed)


def guessing(metric: str, classes: int) -> float:
    """Return what equal chances reach: 1 / classes, or their cross-entropy in nats."""
    return 1 / classes if metric == "accuracy" else math.log(classes)


def _typed(array: np.ndarray) -> dict[str, str]:
    """Return numbers as Plotly reads them fastest, in four bytes each."""
    short = np.asarray(array, "<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(short.tobytes()).decode("ascii")}


def _spec(
    runs: Sequence[tuple[str, Any]], metric: str, x: str, marks: Sequence[Mark], classes: int | None
) -> dict:
    traces: list[dict] = []
    for i, (name, history) in enumerate(runs):
        for side in ("train", "val"):
            traces += _curve(name, history, side, metric, x, SERIES[i % len(SERIES)], len(runs))
    if len(runs) > 1:
        traces += _explained({"training": "solid", "validation": "dash"})
    percent, steep = metric == "accuracy", metric == "loss" and _is_steep(runs, classes)
    lines, words = _marked(marks, high=not percent)
    ends, numbers = _epoch_ends([history for _, history in runs], x, high=not percent)
    if classes and classes > 1:
        lines = [_guess_line(metric, classes, steep), *lines]
        traces += _explained({_guess_words(metric, classes): "dot"})
    frame = layout(
        xaxis=axis(_ACROSS[x], rangemode="tozero"),
        yaxis=_up(metric, steep, begun=any(history.step for _, history in runs)),
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        hovermode="x unified",
        dragmode="zoom",
        # Zoom is kept until the axes mean something else.
        uirevision=f"{metric} {x}{' log' * steep}",
        **({"shapes": [*ends, *lines]} if ends or lines else {}),
        **({"annotations": [*numbers, *words]} if numbers or words else {}),
    )
    return {"data": traces, "layout": frame}


# Axes ------------------------------------------------------------------------------------


def _up(metric: str, steep: bool, *, begun: bool) -> dict:
    if metric == "accuracy":
        return axis("Accuracy", tickformat="~%", range=[0, TOP])  # of 9.5 % nothing is cut off
    if steep:
        return axis("Loss, each line ten times the one below", type="log", dtick=1)
    # Plotly's own range of an empty chart would begin at -1.
    return axis("Loss", tickformat="~g", rangemode="tozero", **({} if begun else {"range": [0, 1]}))


def _is_steep(runs: Sequence[tuple[str, Any]], classes: int | None) -> bool:
    most = _BLOWN_UP * (guessing("loss", classes) if classes and classes > 1 else _GUESSED)
    sides = ("train_loss", "val_loss")
    return any(
        value is not None and math.isfinite(value) and value > most
        for _, history in runs for side in sides for value in getattr(history, side)
    )  # fmt: skip


def _guess_line(metric: str, classes: int, steep: bool) -> dict:
    at = guessing(metric, classes)
    at = math.log10(at) if steep else at  # shapes on a logarithmic axis are placed by exponents
    dots = {"color": MUTED, "width": 1.5, "dash": "dot"}
    return {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": at, "y1": at, "line": dots}


def _guess_words(metric: str, classes: int) -> str:
    at = guessing(metric, classes)
    return f"guessing, {100 * at:.3g} %" if metric == "accuracy" else f"guessing, {at:.2f}"


def _epoch_ends(histories: Sequence[Any], x: str, *, high: bool) -> tuple[list[dict], list[dict]]:
    """Return a thin line at the end of each epoch, or of every second, fifth, ..., and its number.

    None where the axis counts epochs itself, where a step is a whole epoch, and where runs of
    different batches lie side by side, whose epochs end in different places.
    """
    drawn = [one for one in histories if one.step and one.epoch[-1] > 0]
    each = [one.step[-1] / one.epoch[-1] for one in drawn]
    if x != "step" or not each or min(each) < 1.5 or max(each) > 1.01 * min(each):
        return [], []
    last, exact = max((one.epoch[-1], steps) for one, steps in zip(drawn, each, strict=True))
    stride = _stride(last)
    lines, words = [], []
    for number in range(stride, int(last + 1e-6) + 1, stride):
        at = number * exact
        thin = {"color": MUTED, "width": 1, "dash": "dot"}
        lines.append({"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper",
                      "opacity": 0.45, "line": thin})  # fmt: skip
        said = f"epoch {number}" if number == stride else f"{number}"
        words.append({"x": at, "y": 1 if high else 0, "yref": "paper", "text": said,
                      "showarrow": False, "xanchor": "right", "xshift": -1,
                      "yanchor": "top" if high else "bottom",
                      "font": {"size": 11, "color": MUTED}})  # fmt: skip
    return lines, words


def _stride(epochs: float) -> int:
    """Return each how manyth epoch has a line: 1, 2, 5, 10, 20, 50, ..."""
    tens = 1
    while True:
        for one in (1, 2, 5):
            if epochs / (one * tens) <= MOST_EPOCHS:
                return one * tens
        tens *= 10


def _marked(marks: Sequence[Mark], *, high: bool) -> tuple[list[dict], list[dict]]:
    """Return a dotted line for each mark, in its run's colour, and what was changed beside it.

    high: the words stand at the top of the chart, else at its foot; the numbers of epochs have the
    first line there.
    """
    lines, words = [], []
    for number, (at, run, text) in enumerate(marks):
        colour, off = SERIES[run % len(SERIES)], 0.09 * (number % 4 + 1)
        dots = {"color": colour, "width": 1.5, "dash": "dot"}
        lines.append({"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper",
                      "line": dots})  # fmt: skip
        words.append({"x": at, "y": 1 - off if high else off, "yref": "paper", "text": label(text),
                      "showarrow": False, "xanchor": "left", "yanchor": "top" if high else "bottom",
                      "xshift": 3, "font": {"size": 11, "color": colour}})  # fmt: skip
    return lines, words


# Lines -----------------------------------------------------------------------------------


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


def _explained(dashes: dict[str, str]) -> list[dict]:
    """Say in the legend what kinds of lines mean, in no run's colour."""
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
        for words, dash in dashes.items()
    ]
