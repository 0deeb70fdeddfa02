"""Work: what the engine holds of a run under way, and what of it pages get to see."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from dashboard.host.tab import HERE
from dashboard.runs.bounds import Bounds
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from nnengine.analysis.signals import recorded
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.training import History, StepFinished, training
from nnengine.training.state import TrainingState

PUBLISH_S = 0.25  # snapshots at most four times a second
PUBLISH_SHARE = 0.05  # and at most this share of the engine's time
SPEED_WINDOW_S = 4.0
LINE_WINDOW_S = 20.0  # where runs wait in line between their terms
Sets = tuple[Dataset, Dataset | None]


@dataclass(eq=False)
class Work:
    """The engine's side of an active run; let go when the run ends, or is set aside."""

    network: Network
    events: Generator[Any]
    history: History
    total_images: int
    reached: TrainingState
    sets: Sets
    steps_due: int = 0
    touched: bool = False  # a command has come since the last slice
    published_s: float = -1e9
    publish_cost_s: float = 0.0
    resumed_s: float | None = None  # when the clock of this run was last read; None: it stands
    window: deque = field(default_factory=deque)  # (seconds, images) at the end of slices

    @property
    def data(self) -> tuple[Dataset, ...]:
        """What it learns from and is judged by."""
        return tuple(one for one in self.sets if one is not None)


def begin(
    recipe: Recipe, network: Network, sets: Sets, reached: TrainingState, history: History
) -> Work:
    """Return what the engine holds of a run that begins, or goes on where `reached` says.

    Raises ConfigError for images of two sizes.
    """
    dataset, validation = sets
    if validation is not None and validation.inputs != dataset.inputs:
        raise ConfigError(
            f"validation images have {validation.inputs:,} pixels, training images "
            f"{dataset.inputs:,}: use sets of one image size"
        )
    config = recipe.config(dataset.count)
    events = training(network, dataset, config, validation, reached)
    return Work(
        network=network,
        events=recorded(events, network, dataset, validation, state=reached),
        history=history,
        reached=reached,
        sets=sets,
        total_images=config.total_steps(dataset.count)
        * min(config.batch_size or dataset.count, dataset.count),
    )


def take_up(run: Run, bounds: Bounds) -> None:
    """Give a run set aside its data again; raises ConfigError or FormatError without."""
    if run.work is not None or run.reached is None or run.data is None:
        return
    sets = dataset, _ = run.data()
    network = run.snapshot.copy()
    known = network.training[-1] if network.training else {}
    if run.step and known.get("data_digest") not in (None, dataset.digest):
        raise ConfigError(f"this run began with other images than {dataset.name} holds now")
    run.recipe.check(dataset, bounds)
    run.work = begin(run.recipe, network, sets, run.reached, run.history.copy())
    run.forget_place()


def set_aside(run: Run, work: Work) -> None:
    """Let go of everything that a paused run can have again: it goes on to the same bits.

    What stays is its weights and what the optimizer carries: of 1.9 million parameters with Adam
    33 MB, where a paused run holds 67.
    """
    work.events.close()
    run.snapshot, run.history = work.network.snapshot(), work.history.copy()
    sets = work.sets
    run.reached, run.data, run.aside = work.reached, lambda: sets, work.data
    run.work = None


def note_step(run: Run, event: StepFinished) -> None:
    """Bring a run's numbers up to date with a step."""
    run.progress = replace(
        run.progress,
        step=event.step,
        epoch=event.epoch,
        loss=event.loss,
        accuracy=event.accuracy,
        images=run.progress.images + event.images,
    )


def account(run: Run, work: Work, now: float, *, in_line: bool) -> None:
    """Bring the clock, the speed and the time left up to date."""
    seconds = run.progress.seconds
    if work.resumed_s is not None:
        seconds += now - work.resumed_s
    work.resumed_s = now if run.state == "running" else None
    window, most_s = work.window, LINE_WINDOW_S if in_line else SPEED_WINDOW_S
    window.append((seconds, run.progress.images))
    while len(window) > 2 and seconds - window[0][0] > most_s:
        window.popleft()
    took, done = seconds - window[0][0], run.progress.images - window[0][1]
    speed = done / took if took > 0 and done else run.progress.images_per_s
    left = work.total_images - run.progress.images
    run.progress = replace(
        run.progress,
        seconds=seconds,
        images_per_s=speed,
        seconds_left=max(left, 0) / speed if speed and not run.ended else None,
    )


def publish(run: Run, work: Work, clock: Callable[[], float]) -> None:
    """Replace what pages see, when it is due: the copies must not eat the training."""
    now = clock()
    pause = max(PUBLISH_S, work.publish_cost_s / PUBLISH_SHARE)
    if run.state == "running" and now - work.published_s < pause:
        return
    run.snapshot = work.network.snapshot()
    # The last word on a step replaces an earlier one, so an end is copied in any case.
    if run.ended or len(work.history) != len(run.history):
        run.history = work.history.copy()
    work.published_s = clock()
    work.publish_cost_s = work.published_s - now


def in_words(fault: Exception) -> str:
    """Return what a visitor is told of a fault that ended a run."""
    if isinstance(fault, EngineError):
        return str(fault)
    if isinstance(fault, MemoryError):
        return f"{HERE.capitalize()} ran out of memory: try a smaller network or smaller batches."
    if "new futures after" in str(fault):
        return "The server was shut down."
    return f"A fault of ours ended this run ({type(fault).__name__}: {fault})."


def settled(run: Run) -> bool:
    """Return whether every command given has had its effect."""
    work = run.work
    return work is None or not (work.touched or (run.state == "paused" and work.steps_due))


def one_blas_thread() -> None:
    """Have BLAS use one thread from now on, where that can be asked for."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # then the variable that app.py sets has to do
        return
    threadpool_limits(1, user_api="blas")
