"""Curves: accuracy and loss of one run or of several, as they grow."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import state
from dashboard.components.board import Chart
from dashboard.present import figures, run_words
from dashboard.runs.lineage import turns
from dashboard.runs.scheduler import Run
from nnengine.training import History

MARK = "curves.mark"  # where the run in view came to something, if that was asked for


def charts(shown: Sequence[Run]) -> list[Chart]:
    """Return accuracy and loss of the runs, to be drawn side by side where there is room."""
    told = [(run.name, run.history) for run in shown]
    marks = [(at, i, words) for i, run in enumerate(shown) for at, words in turns(run.course)]
    mark = state.get(MARK)
    if mark and shown and mark.run == shown[0].id:
        marks.append((mark.step, 0, mark.words))
    return [chart(told, metric, marks) for metric in ("accuracy", "loss")]


def chart(
    curves: Sequence[tuple[str, History]], metric: str, marks: Sequence[figures.Mark]
) -> Chart:
    """Return the chart of one metric; the last one again where no curve has grown.

    Most ticks bring no new point.
    """
    drawn, marked, known = state.get(f"train.chart.{metric}", ([], [], None))
    same = (
        len(drawn) == len(curves)
        and marked == marks
        and all(
            name == before and history is seen
            for (name, history), (before, seen) in zip(curves, drawn, strict=True)
        )
    )
    if known is None or not same:
        known = Chart(
            title=metric.capitalize(),
            figure=figures.curve_text(curves, metric, marks=marks),
            label=run_words.curve(curves, metric) + run_words.marks(marks),
        )
        state.put(f"train.chart.{metric}", (curves, marks, known))
    return known
