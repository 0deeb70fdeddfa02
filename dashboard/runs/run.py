"""Run: what a page may read of one training run, and what only the engine may touch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from dashboard.runs.recipe import Recipe
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.training import History, TrainingConfig
from nnengine.training.state import TrainingState

LIVE = ("waiting", "running")
ENDED = ("finished", "stopped", "diverged", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Light numbers of a run, replaced as one: what a page may show twice a second."""

    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    loss: float | None = None
    accuracy: float | None = None
    images: int = 0
    images_per_s: float | None = None
    seconds: float = 0.0  # by the run's own clock, which stands while it is paused
    busy_s: float = 0.0  # of those, how many the engine was at work on it
    seconds_left: float | None = None


@dataclass(eq=False)
class Run:
    """One training run. Pages read it; only the scheduler changes it.

    `history` and `snapshot` are replaced whole and never changed, so any thread may read them.
    """

    id: str
    owner: str
    name: str
    recipe: Recipe
    sizes: tuple[int, ...]
    data_name: str
    data_count: int
    snapshot: Network
    progress: Progress
    beat: float
    state: str = "waiting"
    message: str = ""
    history: History = field(default_factory=History)
    work: Work | None = field(default=None, repr=False)
    # Of a run from an earlier time, until it goes on: where it was, and how its data are had.
    reached: TrainingState | None = field(default=None, repr=False)
    data: Callable[[], tuple[Dataset, Dataset | None]] | None = field(default=None, repr=False)

    @property
    def config(self) -> TrainingConfig:
        """The engine's settings of this run."""
        return self.recipe.config(self.data_count)

    @property
    def live(self) -> bool:
        """Whether its numbers change by themselves, so that a page should poll."""
        work = self.work  # read once: the engine may let go of it meanwhile
        return self.state in LIVE or bool(work and work.steps_due)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    step = property(lambda self: self.progress.step)
    total_steps = property(lambda self: self.progress.total_steps)
    epoch = property(lambda self: self.progress.epoch)
    images_per_s = property(lambda self: self.progress.images_per_s)
    seconds = property(lambda self: self.progress.seconds)
    seconds_left = property(lambda self: self.progress.seconds_left)


@dataclass(eq=False)
class Work:
    """The engine's side of an active run; let go when the run ends."""

    network: Network
    events: Generator[Any]
    history: History
    total_images: int
    reached: TrainingState
    steps_due: int = 0
    touched: bool = True  # a command has come since the last slice
    published_s: float = -1e9
    publish_cost_s: float = 0.0
    resumed_s: float | None = None  # when the clock of this run was last read; None: it stands
    window: deque = field(default_factory=deque)  # (seconds, images) at the end of slices
