"""Fast: the same steps taken quickly. The textbook is `nnengine.core` and `training.loop`.

`executor` is the contract, `reference` the textbook behind it. `gathered` adds a batch's gradient
up part by part; `sparse` and `sliced` are quicker at that: one on lists of nonzero pixels (`csr`),
which has many small steps taken in one call, one on groups of sixteen images (`groups`).
"""

from __future__ import annotations

from .. import kernels
from ..training.state import Task
from . import sliced
from .executor import Executor
from .gathered import Gathered
from .reference import Reference
from .sliced import Sliced
from .sparse import Sparse

__all__ = ["Executor", "choose"]


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
