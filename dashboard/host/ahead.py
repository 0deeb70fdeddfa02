"""Ahead: modules loaded in a tab while nobody waits for them, in pieces that let clicks between.

Whoever opened Train or Fragility for the first time waited half a second longer than the next time:
for modules to be compiled, digits to be unpacked, and what plotly reads when it draws its first
chart. What belongs to the app's own pages is added in `dashboard.sections.ready`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import plotly.graph_objects as go

PICTURES = "PngImagePlugin", "GifImagePlugin", "JpegImagePlugin"  # of Pillow, at the first picture
PLOTLY = "Layout", "Figure", "Scatter", "Heatmap", "Bar"  # imported when first asked for


def libraries() -> Iterator[Callable[[], Any]]:
    """Yield what loads the parts of libraries that would load themselves when first used."""
    for name in PICTURES:
        yield partial(importlib.import_module, f"PIL.{name}")
    for name in PLOTLY:
        yield partial(getattr, go, name)


def modules(package: str) -> Iterator[Callable[[], Any]]:
    """Yield what loads the modules of a package, one by one; packages in it are left alone."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if not module.ispkg:
            yield partial(importlib.import_module, module.name)
