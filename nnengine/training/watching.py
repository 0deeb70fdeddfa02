"""Watching: what follows from the losses that a run measures, where it was asked for."""

from __future__ import annotations

import math

import numpy as np

from ..core.schedules import Plateau
from .events import History


class Watch:
    """A lower rate, the best weights, an end: whatever the measured losses lead to.

    On the validation data where there are any. patience: how many measurements may pass that bring
    no smaller loss; zero: nothing is kept, and the run goes to its end.
    """

    def __init__(self, theta: np.ndarray, patience: int, rate: object) -> None:
        self.theta, self.patience = theta, patience
        self.plateau = rate if isinstance(rate, Plateau) else None
        self.best = theta.copy() if patience else None
        self.least, self.waited = math.inf, 0

    def carried(self) -> dict[str, np.ndarray]:
        """Return the best weights, if they are kept, as arrays that go from step to step."""
        return {} if self.best is None else {"best": self.best}

    def go_on(self, history: History) -> None:
        """Take into account what was measured before a run was interrupted."""
        for train, validation in zip(history.train_loss, history.val_loss, strict=True):
            loss = train if validation is None else validation
            self._hear(math.nan if loss is None else loss)  # JSON has no other word for it

    def note(self, train: float, validation: float | None) -> None:
        """Take the losses of the weights as they are into account."""
        if self._hear(train if validation is None else validation) and self.best is not None:
            self.best[:] = self.theta

    def _hear(self, loss: float) -> bool:
        """Return whether this is the smallest loss so far."""
        if self.plateau:
            self.plateau.note(loss)
        better = loss < self.least
        self.least, self.waited = (loss, 0) if better else (self.least, self.waited + 1)
        return better

    @property
    def over(self) -> bool:
        """Whether nothing better came for too long."""
        return 0 < self.patience <= self.waited

    def restore(self) -> None:
        """Put the best weights back, if they are kept."""
        if self.best is not None:
            self.theta[:] = self.best
