"""Curves: accuracy and loss of one run or of several, as they grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dashboard import state
from dashboard.components.board import Chart
from dashboard.present import glossary, run_words
from dashboard.present.curves import Mark, curve_text
from dashboard.runs.lineage import turns
from dashboard.runs.scheduler import Run
from nnengine.training import History

# What stands behind the question mark of each chart: plain text, not Markdown.
_HELP = {
    "accuracy": glossary.plainly("Accuracy", "Validation images"),
    "loss": glossary.plainly("Loss", "Overfitting"),
}
MARK = "curves.mark"  # where the run in view came to something, if that was asked for


def charts(shown: Sequence[Run]) -> list[Chart]:
    """Return accuracy and loss of the runs, to be drawn side by side where there is room."""
    told = [(run.name, run.history) for run in shown]
    marks = [(at, i, words) for i, run in enumerate(shown) for at, words in turns(run.course)]
    mark = state.get(MARK)
    if mark and shown and mark.run == shown[0].id:
        marks.append((mark.step, 0, mark.words))
    classes = classes_of(shown)
    return [chart(told, metric, marks, classes) for metric in ("accuracy", "loss")]


def classes_of(runs: Sequence[Run]) -> int | None:
    """Return how many classes the runs tell apart; None where they differ, or there are none."""
    found = {run.snapshot.classes for run in runs}
    return found.pop() if len(found) == 1 else None


def chart(
    curves: Sequence[tuple[str, History]],
    metric: Literal["accuracy", "loss"],
    marks: Sequence[Mark],
    classes: int | None,
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
            help=_HELP[metric],
            figure=curve_text(curves, metric, marks=marks, classes=classes),
            label=run_words.curve(curves, metric, classes=classes) + run_words.marks(marks),
        )
        state.put(f"train.chart.{metric}", (curves, marks, known))
    return known
