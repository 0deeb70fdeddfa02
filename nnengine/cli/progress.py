"""Progress: training and fetching on a terminal, as bars with speed and time left.

tqdm draws them. Without tqdm, or where standard error is no terminal, there is no bar.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

from ..training import Event, Progressed, StepFinished
from .ends import terminal_columns

_WIDE, _NARROW = 72, "{percentage:3.0f}% {bar} {remaining}"  # columns for words; less goes here
_PAUSE_S = 0.1  # between two drawings: a small step takes 0.0001 s, a text in the bar as long


class Progress:
    """A bar over ``images``, all that ``steps`` steps will see; a context manager.

    ``steps`` is afterwards the number of steps taken; ``steps_seen`` and ``images_seen`` are what a
    run that goes on brings along.
    """

    def __init__(
        self, steps: int, images: int, *, steps_seen: int = 0, images_seen: int = 0
    ) -> None:
        self.steps = steps_seen
        self._total_steps = steps
        self._bar = _tqdm_bar(images, " images", seen=images_seen)
        self._seen = images_seen
        self._loss = self._right = self._counted = 0.0
        self._next = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()

    def show(self, event: Event) -> None:
        """Take note of an event, and draw if the last drawing is some time ago."""
        ahead = 0
        if isinstance(event, StepFinished):
            self.steps = event.step
            self._seen += event.images
            self._loss += event.loss * event.images
            self._right += event.accuracy * event.images
            self._counted += event.images
        elif isinstance(event, Progressed) and event.step > self.steps:
            ahead = event.done  # within the next step; others are parts of a measurement
        if self._bar is not None and time.perf_counter() >= self._next:
            self._draw(self._seen + ahead)

    def _draw(self, images: int) -> None:
        self._bar.set_description_str(f"step {self.steps:,} of {self._total_steps:,}", False)
        if self._counted:
            loss, accuracy = self._loss / self._counted, self._right / self._counted
            self._bar.set_postfix_str(f"loss {loss:.4f}, accuracy {accuracy:.1%}", False)
            self._loss = self._right = self._counted = 0.0
        with contextlib.suppress(OSError):  # the terminal is gone: the run is not
            self._bar.update(max(0, images - self._bar.n))
        self._next = time.perf_counter() + _PAUSE_S


class FetchProgress:
    """A bar over the bytes of a data set, from the first that comes on; a context manager.

    ``shown`` is afterwards whether any came.
    """

    def __init__(self) -> None:
        self.shown = False
        self._bar: Any = None
        self._drawn = 0.0

    def __enter__(self) -> FetchProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()

    def show(self, done: int, total: int, file: str) -> None:
        """Take note that ``done`` of ``total`` bytes have come, the last of them of ``file``."""
        if not self.shown:
            self.shown = True
            self._bar = _tqdm_bar(total, "B")
        if self._bar is not None:
            self._bar.total = total
            self._bar.set_description_str(file, False)
            self._bar.n = done  # not update(): it goes back where a mirror fails
            if time.perf_counter() - self._drawn >= _PAUSE_S:
                self._bar.refresh()
                self._drawn = time.perf_counter()


def _tqdm_bar(total: int, unit: str, *, seen: int = 0) -> Any:
    """Return a bar, or None where there is nothing to draw on or nothing to draw with."""
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(
        total=total,
        unit=unit,
        unit_scale=True,
        leave=False,
        mininterval=0,
        miniters=0,
        dynamic_ncols=True,
        initial=seen,
        bar_format=_NARROW if terminal_columns(sys.stderr) < _WIDE else None,
        file=sys.stderr,
    )
