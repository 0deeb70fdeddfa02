"""State: what a run carries from step to step, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..core.losses import Loss, softmax_cross_entropy
from ..errors import FormatError

if TYPE_CHECKING:
    from ..core.network import Network
    from ..core.optimizers import Optimizer
    from ..data.dataset import Dataset
    from .config import TrainingConfig
    from .events import Heartbeat
    from .record import Timings
    from .watching import Watch


@dataclass(slots=True)
class TrainingState:
    """Where a run is. Given to `training` new, it is kept up to date; given again, the run goes on.

    step: optimizer steps taken. arrays: what goes from step to step, by name, each of the weights'
    shape and type: the optimizer's, and the best weights; those of a run under way change with it.
    Between two events state and weights belong together. steps_per_call: how many steps are taken
    at once at most, before their events are told and the run can be stopped; None: what takes some
    5 ms. It may be changed at any time, and changes no bit of a run.
    """

    step: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    steps_per_call: int | None = None

    def join(self, carried: dict[str, np.ndarray]) -> None:
        """Fill a run's arrays with those kept here, and hold on to them from now on.

        Raises FormatError where a run that has begun brings others than are asked for.
        """
        if self.step:
            for name, array in carried.items():
                found = self.arrays.get(name)
                if found is None or found.shape != array.shape or found.dtype != array.dtype:
                    raise FormatError(
                        f"{name}: expected {array.dtype} {array.shape} to go on from step "
                        f"{self.step:,}, found {'nothing' if found is None else found.dtype} "
                        f"{'' if found is None else found.shape}: begin the run anew"
                    )
                array[:] = found
        self.arrays = carried


@dataclass(frozen=True, slots=True)
class Task:
    """What an executor is to do: train this network on these data, from this state on."""

    network: Network
    dataset: Dataset
    config: TrainingConfig
    optimizer: Optimizer
    state: TrainingState
    timings: Timings
    heartbeat: Heartbeat
    loss: Loss = softmax_cross_entropy  # what steps descend
    watch: Watch | None = None  # who is told of every measurement on the way


class GoodWeights:
    """The last weights known to be good, for runs whose loss is no longer finite."""

    def __init__(self, theta: np.ndarray) -> None:
        self.theta = theta
        self._good = theta.copy()
        self._seen = theta.copy()

    def look(self) -> None:
        """Remember the weights as they are, of which nobody knows the loss yet."""
        self._seen[:] = self.theta

    def keep(self) -> None:
        """Take those looked at last for good: by now their loss is known."""
        self._good, self._seen = self._seen, self._good

    def restore(self) -> None:
        """Put the good weights back."""
        self.theta[:] = self._good
