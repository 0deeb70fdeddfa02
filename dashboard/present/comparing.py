"""Comparing: runs as curves across steps, epochs or seconds, as rows of a table, as lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

from dashboard.present.outside import label
from dashboard.present.style import MUTED, SERIES, axis, layout

if TYPE_CHECKING:
    from nnengine.training import History

MANY_PX = 340  # height of the lines across many settings
_STOPS = 5  # numbers written at an axis at most
_COLUMNS = ("step", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True, slots=True)
class Compared:
    """A run as it is compared: name, settings in words and as they are, and what it reached.

    reached: numbers by their titles, None where unknown. colour: of how manyth curve.
    """

    name: str
    settings: Mapping[str, str]
    reached: Mapping[str, float | None]
    numbers: Mapping[str, float] = field(default_factory=dict)  # of settings that are numbers
    colour: int = 0


def timed(history: History, spent: Sequence[tuple[int, float]]) -> SimpleNamespace:
    """Return curves with a column of seconds: those of the engine's work up to each point.

    A point whose time nobody took has none, and is not drawn across seconds.
    """
    known = dict(spent)
    seconds = [known.get(step, math.nan) for step in history.step]
    return SimpleNamespace(seconds=seconds, **{name: getattr(history, name) for name in _COLUMNS})


def differing(runs: Sequence[Compared]) -> list[str]:
    """Return the settings that are not the same in all of these runs."""
    names = list(dict.fromkeys(name for run in runs for name in run.settings))
    return [name for name in names if len({run.settings.get(name) for run in runs}) > 1]


def ordered(runs: Sequence[Compared], by: str, *, down: bool) -> list[Compared]:
    """Return the runs by a column: numbers by size, words by letter; what is unknown comes last."""

    def key(run: Compared) -> tuple[int, float, str]:
        value = run.reached.get(by, run.numbers.get(by))
        if by in run.reached or by in run.numbers:
            return (0, value, "") if value is not None else (1, 0.0, "")
        return (2, 0.0, run.name if by == "Name" else run.settings.get(by, ""))

    known = [run for run in runs if key(run)[0] != 1]
    return sorted(known, key=key, reverse=down) + [run for run in runs if key(run)[0] == 1]


def words(title: str, value: float | None) -> str:
    """Return a number that was reached as a table shows it."""
    if value is None:
        return "–"
    if title.startswith("Accuracy"):
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if title == "Steps" else f"{value:.4g}"


def lines(runs: Sequence[Compared], columns: Sequence[str]) -> str:
    """Return parallel coordinates as the JSON of a chart: an axis a column, a line a run.

    Numbers stand by size, small ones lowest; words at equal distances. A column that is the same
    in all runs is left out by whoever calls. Made of ordinary lines: Plotly's own chart of this
    kind makes code as it runs, which the pages' policy forbids.
    """
    places = [_Axis(column, runs) for column in columns]
    traces = [
        {
            "type": "scatter", "mode": "lines+markers", "name": label(run.name),
            "x": list(range(len(places))), "y": [one.place(run) for one in places],
            "text": [f"{label(one.column)}: {label(one.said(run))}" for one in places],
            "hovertemplate": f"{label(run.name)}<br>%{{text}}<extra></extra>",
            "connectgaps": True,
            "line": {"color": SERIES[run.colour % len(SERIES)], "width": 2},
            "marker": {"color": SERIES[run.colour % len(SERIES)], "size": 8},
        }
        for run in runs
    ]  # fmt: skip
    rails = [
        {"type": "line", "x0": i, "x1": i, "y0": 0, "y1": 1, "line": {"color": MUTED, "width": 1}}
        for i in range(len(places))
    ]
    stops = [_stop(i, at, text) for i, one in enumerate(places) for at, text in one.stops()]
    across = axis(
        tickvals=list(range(len(places))), ticktext=[label(one, 24) for one in columns],
        range=[-0.45, len(places) - 0.55], side="top", showgrid=False, fixedrange=True,
    )  # fmt: skip
    up = axis(range=[-0.14, 1.14], visible=False, fixedrange=True)
    legend = {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"}
    frame = layout(
        xaxis=across, yaxis=up, shapes=rails, annotations=stops, legend=legend, hovermode="closest",
        showlegend=True, uirevision=" ".join(columns),
    )  # fmt: skip
    return json.dumps({"data": traces, "layout": frame})


def _stop(rail: int, at: float, text: str) -> dict:
    """Return words at a rail: beyond its ends above and below them, where no line goes."""
    ends = {0.0: ("center", 0, -12), 1.0: ("center", 0, 12)}
    anchor, right, up = ends.get(at, ("right", -8, 0))
    return {
        "x": rail, "y": at, "text": label(text, 20), "showarrow": False, "xanchor": anchor,
        "xshift": right, "yshift": up, "font": {"size": 11},
    }  # fmt: skip


class _Axis:
    """One column as a rail from 0 to 1, and where each run stands on it."""

    def __init__(self, column: str, runs: Sequence[Compared]) -> None:
        self.column = column
        found = [one for run in runs if (one := self._number(run)) is not None]
        self.numeric = any(column in run.reached for run in runs) or len(found) == len(runs)
        said = sorted({run.settings.get(column, "–") for run in runs})
        self.values: list = sorted(set(found)) if self.numeric else said
        # Rates and penalties differ by factors: what spans a hundred of them stands by these.
        wide = self.numeric and self.values and self.values[0] > 0
        self.log = bool(wide and self.values[-1] / self.values[0] >= 100)

    def _number(self, run: Compared) -> float | None:
        return run.reached.get(self.column, run.numbers.get(self.column))

    def _at(self, value: float | str) -> float:
        if not self.numeric:
            return self.values.index(value) / max(len(self.values) - 1, 1)
        low, high, one = self.values[0], self.values[-1], float(value)
        if self.log:
            low, high, one = math.log(low), math.log(high), math.log(one)
        return (one - low) / (high - low) if high > low else 0.5

    def place(self, run: Compared) -> float | None:
        """Return where a run stands, None where it is not known."""
        value = self._number(run) if self.numeric else run.settings.get(self.column, "–")
        return None if value is None else self._at(value)

    def said(self, run: Compared) -> str:
        """Return what a run has here."""
        return run.settings.get(self.column) or words(self.column, self._number(run))

    def stops(self) -> list[tuple[float, str]]:
        """Return the places to be written at, with what stands there."""
        kept = self.values if len(self.values) <= _STOPS else [self.values[0], self.values[-1]]
        return [(self._at(one), words(self.column, one) if self.numeric else one) for one in kept]
