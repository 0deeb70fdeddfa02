"""Ahead: what pages not opened yet need, made ready in a tab while nobody waits for it.

Whoever opened Train or Fragility for the first time waited half a second longer than the next time:
for modules to be compiled, digits to be unpacked, and what plotly reads when it draws its first
chart.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go

import dashboard
from dashboard import components, state
from dashboard.present import figures
from nnengine.training import History

APP = "dashboard.app"  # a script, which runs already
PICTURES = "PngImagePlugin", "GifImagePlugin", "JpegImagePlugin"  # of Pillow, at the first picture
PLOTLY = "Layout", "Figure", "Scatter", "Heatmap", "Bar"  # imported when first asked for


def pieces() -> Iterator[Callable[[], Any]]:
    """Yield pieces of work, most of them below 50 ms, the most often needed first."""
    yield state.prepare_built_in
    for name in PICTURES:
        yield partial(importlib.import_module, f"PIL.{name}")
    for name in PLOTLY:
        yield partial(getattr, go, name)
    yield partial(figures.curves, [("", History())], "loss")
    for package in (components, dashboard):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.ispkg and module.name != APP:
                yield partial(importlib.import_module, module.name)
    for name in state.SHIPPED:
        yield partial(state.shipped, name)
    blank = np.zeros((2, 28, 28), np.uint8)
    yield partial(figures.fragility, [("", np.zeros(2))], blank, ("", ""), usual=0)
    yield partial(figures.heatmap, np.eye(2), x_title="", y_title="")
    yield partial(figures.class_balance, np.ones(2), ("", ""))
