"""Curves: accuracy and loss of one run or of several, as they grow."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from dashboard import state
from dashboard.components.live_plot import live_plot
from dashboard.present import figures, run_words
from dashboard.runs.scheduler import Run
from nnengine.training import History


def charts(shown: Sequence[Run]) -> None:
    """Draw accuracy and loss of the runs, side by side where there is room."""
    told = [(run.name, run.history) for run in shown]
    for column, metric in zip(st.columns(2), ("accuracy", "loss"), strict=True):
        with column, st.container(border=True):
            st.markdown(f"**{metric.capitalize()}**")
            live_plot(
                curve(told, metric),
                key=f"curve.{metric}",
                height=320,
                label=run_words.curve(told, metric),
            )


def curve(curves: Sequence[tuple[str, History]], metric: str) -> go.Figure:
    """Return the chart of one metric; the last one again where no curve has grown.

    Building a figure takes 7 ms of the interpreter, and most ticks bring no new point.
    """
    drawn, figure = state.get(f"train.figure.{metric}", ([], None))
    same = len(drawn) == len(curves) and all(
        name == known and history is seen
        for (name, history), (known, seen) in zip(curves, drawn, strict=True)
    )
    if figure is None or not same:
        figure = figures.curves(curves, metric)
        state.put(f"train.figure.{metric}", (curves, figure))
    return figure
