"""Executor: the contract between the loop and whatever takes its steps quickly."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..training.batches import Split
    from ..training.events import Event
    from ..training.loop import Taken


class Executor(Protocol):
    """How a run's steps are taken and its splits measured. Made for one task.

    path: in words, how it reads the training images; split: these. measured_at_once: images that
    `loss` should be given at a time.
    """

    path: str
    split: Split
    measured_at_once: int

    def read(self, data: Dataset) -> Split:
        """Return a data set as it is read fastest here."""
        ...

    def prepare(self) -> Generator[Event, None, None]:
        """Do what must be done before the first step; yield signs of life."""
        ...

    def take(self, most: int) -> Generator[Event, None, list[Taken]]:
        """Take the next steps, one at least and `most` at most; yield signs of life.

        The weights are then those after the last step that is returned. Which steps are taken
        together changes no bit. A loss that is not finite is the last.
        """
        ...

    def sample(self, split: Split, most: int, seed: int) -> Split:
        """Return at most `most` images of a split, chosen by the seed, for curves."""
        ...

    def loss(self, part: Split) -> tuple[float, int]:
        """Return (loss summed, right answers) for the weights as they are now."""
        ...

    def close(self) -> None:
        """Let go of whatever is still made ahead."""
        ...
