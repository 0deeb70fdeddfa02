"""Run: what a page may read of one training run, and what only the engine may touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboard.runs.lineage import Course, Leg, Origin
from dashboard.runs.recipe import Recipe
from dashboard.runs.recording import Recording
from dashboard.runs.waypoints import Waypoints
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.training import History, TrainingConfig
from nnengine.training.state import TrainingState

if TYPE_CHECKING:
    from dashboard.runs.work import Work

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
    interrupted: bool = False  # paused because its server ended
    history: History = field(default_factory=History)
    # At the end of which epoch it pauses by itself; whom the engine tells when it rests or ends.
    rests_at: float | None = None
    told: Callable[[Run], None] | None = field(default=None, repr=False)
    watched: bool = True  # moments, places to fork at and what the doctor asks are kept of it
    work: Work | None = field(default=None, repr=False)
    recording: Recording | None = field(default=None, repr=False)  # its moments, to be seen again
    # Of a run set aside, or from an earlier time, until it goes on: where it was, and how its data
    # are had.
    reached: TrainingState | None = field(default=None, repr=False)
    data: Callable[[], tuple[Dataset, Dataset | None]] | None = field(default=None, repr=False)
    aside: tuple[Dataset, ...] = field(default=(), repr=False)  # data sets that `data` holds on to
    course: Course = ()  # its recipes by the step from which they act; the last is `recipe`
    origin: Origin | None = None  # of a fork
    waypoints: Waypoints = field(default_factory=Waypoints, repr=False)
    spent: tuple[tuple[int, float], ...] = ()  # steps measured, and seconds of the engine by then

    def __post_init__(self) -> None:
        """Take a run that says nothing else to have gone by one recipe."""
        self.course = self.course or (Leg(0, self.recipe),)

    @property
    def shown_state(self) -> str:
        """Its state as pages call it."""
        return "interrupted" if self.interrupted else self.state

    def forget_place(self) -> None:
        """Let go of where it was, once it has gone on from there or never will."""
        self.reached, self.data, self.aside = None, None, ()

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
