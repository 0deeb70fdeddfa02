"""Curves: accuracy and loss of one run or of several, as they grow."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import state
from dashboard.components.board import Chart
from dashboard.present import figures, run_words
from dashboard.runs.scheduler import Run
from nnengine.training import History


def charts(shown: Sequence[Run]) -> list[Chart]:
    """Return accuracy and loss of the runs, to be drawn side by side where there is room."""
    told = [(run.name, run.history) for run in shown]
    return [chart(told, metric) for metric in ("accuracy", "loss")]


def chart(curves: Sequence[tuple[str, History]], metric: str) -> Chart:
    """Return the chart of one metric; the last one again where no curve has grown.

    Most ticks bring no new point.
    """
    drawn, known = state.get(f"train.chart.{metric}", ([], None))
    same = len(drawn) == len(curves) and all(
        name == before and history is seen
        for (name, history), (before, seen) in zip(curves, drawn, strict=True)
    )
    if known is None or not same:
        known = Chart(
            title=metric.capitalize(),
            figure=figures.curve_text(curves, metric),
            label=run_words.curve(curves, metric),
        )
        state.put(f"train.chart.{metric}", (curves, known))
    return known
