"""Curves: accuracy and loss of one run or of several, as they grow."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import state
from dashboard.components.board import Chart
from dashboard.present import figures, run_words
from dashboard.present.rewinding import Mark
from dashboard.runs.scheduler import Run
from nnengine.training import History

MARK = "curves.mark"  # where the run in view came to something, if that was asked for


def charts(shown: Sequence[Run]) -> list[Chart]:
    """Return accuracy and loss of the runs, to be drawn side by side where there is room."""
    told = [(run.name, run.history) for run in shown]
    mark = state.get(MARK)
    mark = mark if mark and shown and mark.run == shown[0].id else None
    return [chart(told, metric, mark) for metric in ("accuracy", "loss")]


def chart(curves: Sequence[tuple[str, History]], metric: str, mark: Mark | None = None) -> Chart:
    """Return the chart of one metric; the last one again where no curve has grown.

    Most ticks bring no new point.
    """
    drawn, known, marked = state.get(f"train.chart.{metric}", ([], None, None))
    same = (
        mark == marked
        and len(drawn) == len(curves)
        and all(
            name == before and history is seen
            for (name, history), (before, seen) in zip(curves, drawn, strict=True)
        )
    )
    if known is None or not same:
        known = Chart(
            title=metric.capitalize(),
            figure=figures.curve_text(curves, metric, mark and (mark.step, mark.words)),
            label=run_words.curve(curves, metric)
            + (f". {mark.words} from step {mark.step:,} on" if mark else ""),
        )
        state.put(f"train.chart.{metric}", (curves, known, mark))
    return known
