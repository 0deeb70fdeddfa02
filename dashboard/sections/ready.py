"""Ready: what pages not opened yet need, made in a tab while nobody waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from dashboard import state
from dashboard.host import ahead
from dashboard.present import curves, figures
from dashboard.store import networks
from nnengine.training import History

# Lowest first, so that no module brings many others along in a piece of its own.
ROOMS = "present", "runs", "store", "state", "components", "sections"


def pieces() -> Iterator[Callable[[], Any]]:
    """Yield pieces of work, most of them below 50 ms, the most often needed first."""
    yield state.prepare_built_in
    yield from ahead.libraries()
    yield partial(curves.curves, [("", History())], "loss")
    for room in ROOMS:
        yield from ahead.modules(f"dashboard.{room}")
    for name in networks.SHIPPED:
        yield partial(networks.shipped, name)
    blank = np.zeros((2, 28, 28), np.uint8)
    yield partial(figures.robustness, [("", np.zeros(2))], blank, ("", ""), usual=0)
    yield partial(figures.heatmap, np.eye(2), x_title="", y_title="")
    yield partial(figures.class_balance, np.ones(2), ("", ""))
