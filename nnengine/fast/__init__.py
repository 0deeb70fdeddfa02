"""Fast: the same steps taken quickly. The textbook is `nnengine.core` and `training.loop`.

`Executor` is the contract, `reference` the textbook behind it. `gathered` adds a batch's gradient
up part by part; `sparse` and `sliced` are quicker at that: one on lists of nonzero pixels (`csr`),
which has many small steps taken in one call, one on groups of sixteen images (`groups`).
`windowed` takes those of networks with convolutions and pools.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from .. import kernels
from ..core.losses import softmax_cross_entropy
from ..data.dataset import Dataset
from ..kernels.taken import too_many, too_much
from ..training.batches import Split
from ..training.events import Event
from ..training.loop import Taken
from ..training.state import Task
from . import sliced
from .gathered import Gathered
from .reference import Reference
from .sliced import Sliced
from .sparse import Sparse
from .windowed import Windowed

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
    if not network.is_dense and network.dtype == "float32":
        images = min(config.batch_size or len(task.dataset), len(task.dataset))
        if large := too_much(network) or too_many(network, images):
            return Gathered(task), f"compiled steps know no {large}"
        return Windowed(task), "windows move over sixteen images at once"
    if strange := strange_to_kernels(task):
        return Gathered(task), f"compiled steps know no {strange}"
    if network.dtype != "float32":
        return Gathered(task), f"whole steps are compiled for float32, this is {network.dtype}"
    if sliced.pays(network.sizes, len(task.dataset), config):
        return Sliced(task), "full batches, often enough to win back what grouping takes"
    if config.augmentation:
        return Sparse(task), "images are distorted anew, and read as lists where these pay"
    chosen = Sparse(task)
    few = "few" if chosen.split.images.indices.size else "most"
    return chosen, f"{few} pixels are not zero"


def strange_to_kernels(task: Task) -> str:
    """Return, in words, the first thing of a run that no compiled step knows; "" for nothing."""
    config, optimizer = task.config, task.optimizer
    if not task.network.is_dense:
        kinds = (spec.kind for spec in task.network.specs if spec.kind != "dense")
        return f"layer {next(kinds)}"
    if optimizer.rule is None:
        return f"optimizer {config.optimizer}"
    if optimizer.penalty:
        return "penalties or cut gradients"
    if task.loss is not softmax_cross_entropy:
        return "smoothed labels or class weights"
    return ""
