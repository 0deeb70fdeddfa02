"""Work: what the engine holds of a run under way, and what of it pages get to see."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from dashboard.host.tab import HERE
from dashboard.runs import lineage
from dashboard.runs.bounds import Bounds
from dashboard.runs.fork import Plan
from dashboard.runs.lineage import Course, Leg
from dashboard.runs.recipe import Recipe
from dashboard.runs.recording import MOST_SHARED, MOST_WAITING, PACKING_SHARE, Recording
from dashboard.runs.run import Run
from nnengine.analysis.signals import recorded
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.training import Evaluated, Event, History, StepFinished, training
from nnengine.training import course as settings
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
    to_come: Course = ()  # what it will go by later on
    asked: Recipe | None = None  # what it is to go by from the next step on
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


def set_up(run: Run, network: Network, sets: Sets, plan: Plan | None) -> None:
    """Give a new run what it trains with; a fork, which has a plan, where its replay begins."""
    reached = _set_out(run, plan) if plan else TrainingState()
    network = run.snapshot.copy() if plan else network
    run.work = begin(run.course, network, sets, reached, run.history.copy(), run.watched)
    run.recording = Recording(network, run.total_steps, run.step) if run.watched else None


def _set_out(run: Run, plan: Plan) -> TrainingState:
    """Put a new run where its fork's replay begins; return what it goes on with."""
    run.course, run.origin, run.waypoints = plan.course, plan.origin, plan.inherited()
    way = plan.waypoint
    if way is None:
        return TrainingState()
    count, record = run.data_count, way.network.training[-1] if way.network.training else {}
    run.snapshot = way.network
    run.history = History.from_dict(record["history"]) if "history" in record else History()
    run.spent = tuple(pair for pair in plan.parent.spent if pair[0] <= way.step)
    images = lineage.recipe_at(plan.course, 0).config(count).images_after(way.step, count)
    run.progress = replace(
        run.progress, step=way.step, epoch=images / count, images=images, busy_s=way.busy_s,
        seconds=way.seconds,
    )  # fmt: skip
    return way.state()


def begin(
    course: Course,
    network: Network,
    sets: Sets,
    reached: TrainingState,
    history: History,
    watched: bool = True,
) -> Work:
    """Return what the engine holds of a run that begins, or goes on where `reached` says.

    watched: see `Run`.

    Raises ConfigError for images of two sizes.
    """
    dataset, validation = sets
    if validation is not None and validation.inputs != dataset.inputs:
        raise ConfigError(
            f"validation images have {validation.inputs:,} pixels, training images "
            f"{dataset.inputs:,}: use sets of one image size"
        )
    recipe = lineage.recipe_at(course, reached.step)
    return Work(
        network=network,
        events=_events(recipe, network, sets, reached, watched),
        history=history,
        reached=reached,
        sets=sets,
        total_images=_images(course[-1].recipe, dataset.count),
        to_come=lineage.to_come(course, reached.step),
    )


def _events(
    recipe: Recipe, network: Network, sets: Sets, reached: TrainingState, watched: bool
) -> Generator[Event, None, None]:
    """Return what trains a network by a recipe, from where `reached` says; its curves go on."""
    dataset, validation = sets
    config = recipe.config(dataset.count)
    settings.turn(network, config, reached.step)
    events = training(network, dataset, config, validation, reached)
    return recorded(events, network, dataset, validation, state=reached) if watched else events


def _images(recipe: Recipe, count: int) -> int:
    """Return how many images a whole run shows to the network."""
    config = recipe.config(count)
    return config.total_steps(count) * min(config.batch_size or count, count)


def turn(run: Run, work: Work, recipe: Recipe) -> None:
    """Have a run go by another recipe from where it is, between two events."""
    work.events.close()
    if not work.reached.step:  # it begins anew: what was measured is measured again
        work.network.training, work.history = (), History()
    work.reached.steps_per_call = None
    work.events = _events(recipe, work.network, work.sets, work.reached, run.watched)


def turn_as_asked(run: Run, work: Work) -> None:
    """Have a run go by what a visitor has asked for meanwhile, and keep from which step on."""
    recipe, work.asked = work.asked, None
    if recipe is None or run.ended:
        return
    turn(run, work, recipe)
    run.course = lineage.joined([*run.course, Leg(work.reached.step, recipe)])
    run.recipe = recipe
    work.total_images = _images(recipe, work.sets[0].count)


def most_steps(run: Run, work: Work) -> int | None:
    """Return how many steps may be taken in one call at most: to where the run turns, or is kept.

    None: as many as you like.
    """
    if work.steps_due:
        return 1
    step = work.reached.step
    turn_in = work.to_come[0].step - step if work.to_come else None
    kept_in = run.recording.until_next(step) if run.recording else None
    return min((most for most in (turn_in, kept_in) if most is not None), default=None)


def pass_by(run: Run, work: Work, busy_s: float) -> None:
    """Between two events: turn where the course says so, and keep the moment if it is due."""
    step = work.reached.step
    if run.watched and run.waypoints.due(step, busy_s):
        run.waypoints.add(work.network, work.reached, busy_s, run.progress.seconds)
    while work.to_come and work.to_come[0].step <= step:
        leg, *later = work.to_come
        work.to_come = tuple(later)
        turn(run, work, leg.recipe)


def note_point(run: Run, event: Evaluated, busy_s: float) -> None:
    """Keep how long the engine had been at work at a point of the curves."""
    before = run.spent[:-1] if run.spent and run.spent[-1][0] == event.step else run.spent
    run.spent = (*before, (event.step, round(busy_s, 4)))


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
    if run.watched and run.reached.step and not run.waypoints.kept:
        # Of a run of an earlier time: it can be forked here.
        run.waypoints.add(network, run.reached, run.progress.busy_s, run.progress.seconds)
    run.work = begin(run.course, network, sets, run.reached, run.history.copy(), run.watched)
    if run.watched and run.recording is None:  # what was kept holds its last weights alone
        run.recording = Recording(network, run.total_steps, run.step)
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


def note_step(run: Run, event: StepFinished, images: int) -> None:
    """Bring a run's numbers up to date with the last step of a call that took so many images."""
    run.progress = replace(
        run.progress,
        step=event.step,
        epoch=event.epoch,
        loss=event.loss,
        accuracy=event.accuracy,
        images=run.progress.images + images,
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


def packs_now(run: Run, sharers: int) -> bool:
    """Return whether moments are packed now: as they cost training little, or have to.

    sharers: runs that share the memory which copies may take that wait.
    """
    told = run.recording
    if told is None or not told.waiting:
        return False
    due = told.packing_s < PACKING_SHARE * run.progress.busy_s
    most = MOST_WAITING if sharers == 1 else MOST_SHARED / sharers
    return due or run.state == "paused" or told.waiting_bytes > most


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
