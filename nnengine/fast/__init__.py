"""Fast: the same steps taken quickly. The textbook is `nnengine.core` and `training.loop`.

`Executor` is the contract, `reference` the textbook behind it. `gathered` adds a batch's gradient
up part by part; `sparse` and `sliced` are quicker at that: one on lists of nonzero pixels (`csr`),
which has many small steps taken in one call, one on groups of sixteen images (`groups`).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from .. import kernels
from ..data.dataset import Dataset
from ..training.batches import Split
from ..training.events import Event
from ..training.loop import Taken
from ..training.state import Task
from . import sliced
from .gathered import Gathered
from .reference import Reference
from .sliced import Sliced
from .sparse import Sparse

__all__ = ["Executor", "choose"]


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


def choose(task: Task) -> tuple[Executor, str]:
    """Return what takes a run's steps, and why that."""
    network, config = task.network, task.config
    if not kernels.packs:
        return Reference(task), f"{kernels.name} kernels: {kernels.reason}"
    if network.dtype != "float32":
        return Gathered(task), f"whole steps are compiled for float32, this is {network.dtype}"
    if sliced.pays(network.sizes, len(task.dataset), config):
        return Sliced(task), "full batches, often enough to win back what grouping takes"
    if config.augmentation:
        return Sparse(task), "images are distorted anew, and read as lists where these pay"
    chosen = Sparse(task)
    few = "few" if chosen.split.images.indices.size else "most"
    return chosen, f"{few} pixels are not zero"
