"""Runs: who trains now. One engine thread gives every active run one slice in turn."""

from __future__ import annotations

import logging
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from dashboard.host.tab import HERE
from dashboard.runs.bounds import Bounds
from dashboard.runs.estimate import Pace, in_words
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import ENDED, LIVE, Progress, Run, Work
from nnengine import kernels
from nnengine.core.network import Network
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.training import History, StepFinished, TrainingDiverged, TrainingFinished, training
from nnengine.training.state import TrainingState

SLICE_S = 0.05
PUBLISH_S = 0.25  # snapshots at most four times a second
PUBLISH_SHARE = 0.05  # and at most this share of the engine's time
SPEED_WINDOW_S = 4.0
REAP_EVERY_S = 2.0
SETTLE_S = 0.4  # how long a click waits to see its effect

log = logging.getLogger(__name__)


class Scheduler:
    """Every active run of one server process, advanced by one thread or by whoever calls.

    With `threaded=False` nothing happens until `advance` is called: a browser build's page
    does so, and so do tests. `clock` is in seconds and may be injected. Commands may come
    from any thread; they take effect between two events.
    """

    def __init__(
        self,
        bounds: Bounds | None = None,
        *,
        threaded: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        warm_up: Callable[[], Iterable[Any] | None] | None = None,
    ) -> None:
        self.bounds = bounds or Bounds()
        self.threaded = sys.platform != "emscripten" if threaded is None else threaded
        self.warm = False
        self.chores: list[Callable[[float], None]] = []  # called every few seconds with the clock
        self._clock = clock
        self.pace = Pace()
        self._warm_up = warm_up or self._prepare
        self._warming: Iterator[Any] | None = None
        self._active: deque[Run] = deque()
        self._changed = threading.Condition()
        self._reaped_s = clock()
        self._closed = False
        if self.threaded:
            threading.Thread(target=self._serve, name="engine", daemon=True).start()

    def start(
        self,
        recipe: Recipe,
        dataset: Dataset,
        validation: Dataset | None = None,
        *,
        owner: str = "",
        name: str = "",
        run_id: str | None = None,
    ) -> Run:
        """Queue a new run and return it; raises ConfigError for what the bounds forbid."""
        recipe.check(dataset, self.bounds)
        if validation is not None and validation.inputs != dataset.inputs:
            raise ConfigError(
                f"validation images have {validation.inputs:,} pixels, training images "
                f"{dataset.inputs:,}: use sets of one image size"
            )
        network = recipe.build(dataset)
        work = _work(recipe, network, TrainingState(), History(), dataset, validation)
        run = Run(
            id=run_id or new_id(),
            owner=owner,
            name=name or "Run",
            recipe=recipe,
            sizes=tuple(network.sizes),
            data_name=dataset.name,
            data_count=dataset.count,
            snapshot=network.snapshot(),
            progress=Progress(total_steps=recipe.config(dataset.count).total_steps(dataset.count)),
            beat=self._clock(),
            work=work,
        )
        with self._changed:
            self._check_room(owner)
            self._active.append(run)
            self._changed.notify_all()
        return run

    def restore(self, run: Run) -> None:
        """Enter a run of an earlier time; its data are asked for when it goes on."""
        with self._changed:
            self._active.append(run)
            self._changed.notify_all()

    def _take_up(self, run: Run) -> None:
        """Give a run of an earlier time its data; raises ConfigError or FormatError without."""
        if run.work is not None or run.reached is None or run.data is None:
            return
        dataset, validation = run.data()
        network = run.snapshot.copy()
        known = network.training[-1] if network.training else {}
        if run.step and known.get("data_digest") not in (None, dataset.digest):
            raise ConfigError(f"this run began with other images than {dataset.name} holds now")
        run.recipe.check(dataset, self.bounds)
        run.work = _work(
            run.recipe, network, run.reached, run.history.copy(), dataset, validation
        )  # fmt: skip
        run.reached = run.data = None

    def pause(self, run: Run) -> None:
        """Ask for no further event of `run` until it is resumed."""
        self._command(run, LIVE, "paused")

    def resume(self, run: Run) -> None:
        """Let a paused run go on; raises ConfigError when the server has no room just now."""
        with self._changed:
            if run.state == "paused":
                self._check_room(run.owner, but=run)
        self._take_up(run)
        run.beat = self._clock()
        # Where there is no thread the first slice is not waited for: 0.06 s of a click's time.
        self._command(run, ("paused",), "running", wait=self.threaded)

    def step(self, run: Run) -> None:
        """Let a live or paused run do exactly one optimizer step, and stay paused."""
        run.beat = self._clock()
        self._take_up(run)
        with self._changed:
            if run.work and run.state == "paused":
                run.work.steps_due += 1
        self._command(run, ("paused", *LIVE), "paused")

    def stop(self, run: Run, message: str = "") -> None:
        """End a run for good; its last weights and its history stay."""
        self._command(run, ("paused", *LIVE), "stopped", message)

    def abandon(self, run: Run) -> None:
        """Stop a run without waiting, from any thread; the engine lets go of it next."""
        self._command(run, ("paused", *LIVE), "stopped", wait=False)

    def touch(self, run: Run) -> None:
        """Note that somebody is looking."""
        run.beat = self._clock()

    def active(self, owner: str | None = None) -> list[Run]:
        """Return the runs that are waiting, running or paused, of one owner or of all."""
        with self._changed:
            return [r for r in self._active if not r.ended and owner in (None, r.owner)]

    def busy(self) -> int:
        """Return how many runs share the engine now."""
        return sum(run.state in LIVE for run in self.active())

    def close(self) -> None:
        """Stop every run and end the thread."""
        for run in self.active():
            self.abandon(run)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def advance(self, budget_s: float = SLICE_S) -> bool:
        """Give active runs a slice each in turn for about `budget_s`; False when none had work.

        Before the first, and in slices too, the kernels are prepared.
        """
        deadline = self._clock() + budget_s
        if not self.warm and not self._get_warm(deadline):
            return True
        return self._give_turns(deadline)

    def _give_turns(self, deadline: float) -> bool:
        worked = False
        while run := self._next():
            self._slice(run)
            worked = True
            if self._clock() >= deadline:
                break
        self._reap()
        return worked

    def _get_warm(self, deadline: float) -> bool:
        """Return whether the kernels are prepared; after a while whoever asked has another turn."""
        try:
            if self._warming is None:
                self._warming = iter(self._warm_up() or ())
            for _ in self._warming:
                if self._clock() >= deadline:
                    return False
        except Exception:  # then the runs will meet the fault, and each will say so
            log.exception("the kernels could not be prepared")
        self.warm, self._warming = True, None
        return True

    def _prepare(self) -> Iterator[None]:
        """Compile the kernels, seconds on a machine that has not seen them, and measure them."""
        kernels.warm_up()
        yield from self.pace.calibrate()

    def _serve(self) -> None:
        """The engine thread: slices while there is work, sleep while there is none."""
        _one_blas_thread()
        while not self._closed:
            try:
                worked = self.advance()
            except Exception:  # the thread serves everybody: it must outlive any surprise
                log.exception("the engine thread met a fault and goes on")
                worked = False
            if not worked:
                with self._changed:
                    if not self._due():
                        self._changed.wait(REAP_EVERY_S)

    def _due(self) -> Run | None:
        """Return whose turn it is; a run with a fresh command goes first, so clicks show soon."""
        due = None
        for run in self._active:
            work = run.work
            if work and work.touched:
                return run
            if due is None and (run.state in LIVE or (work and work.steps_due)):
                due = run
        return due

    def _next(self) -> Run | None:
        """Return the next run with something to do and send it to the end of the queue."""
        with self._changed:
            run = self._due()
            if run:
                self._active.remove(run)
                self._active.append(run)
            return run

    def _slice(self, run: Run) -> None:
        if run.work is None and not self._taken_up(run):
            return
        work = run.work
        assert work is not None
        work.touched = False
        started = self._clock()
        if run.state in LIVE or work.steps_due:
            self._turn(run, "waiting", "running")
            if work.resumed_s is None:
                work.resumed_s = started
            try:
                self._take_events(run, work, started + SLICE_S)
            except Exception as fault:
                self._fail(run, fault)
            busy_s = run.progress.busy_s + self._clock() - started
            run.progress = replace(run.progress, busy_s=busy_s)
        self._account(run, work)
        self._publish(run, work)
        if run.ended:
            self._let_go(run, work)
        with self._changed:
            self._changed.notify_all()

    def _taken_up(self, run: Run) -> bool:
        """Return whether a run of an earlier time can go on; otherwise it waits and says why."""
        try:
            self._take_up(run)
        except EngineError as fault:
            message = f"Paused where it was: {fault}. Choose its data again, then resume."
            with self._changed:
                run.state, run.message = "paused", message
        return run.work is not None

    def _take_events(self, run: Run, work: Work, deadline: float) -> None:
        clock, reached, level = self._clock, work.reached, True
        # Steps taken in one call have their events behind it: a run rests where all are out.
        while run.state == "running" or work.steps_due or not level:
            reached.steps_per_call = 1 if work.steps_due else None
            event = next(work.events, None)
            level = type(event) is not StepFinished or event.step >= reached.step
            if type(event) is StepFinished:
                self._note_step(run, work, event)
            elif event is None or isinstance(event, TrainingFinished):
                self._end(run, "finished", "")
            elif isinstance(event, TrainingDiverged):
                self._end(run, "diverged", event.advice)
            if event is not None:
                work.history.record(event)
            if run.ended or (level and clock() >= deadline):
                break

    def _note_step(self, run: Run, work: Work, event: StepFinished) -> None:
        run.progress = replace(
            run.progress,
            step=event.step,
            epoch=event.epoch,
            loss=event.loss,
            accuracy=event.accuracy,
            images=run.progress.images + event.images,
        )
        if work.steps_due:
            work.steps_due -= 1
            if event.step >= run.progress.total_steps:
                self._turn(run, "paused", "running")  # nothing is left but the last evaluation

    def _account(self, run: Run, work: Work) -> None:
        """Bring the clock, the speed and the time left up to date."""
        now = self._clock()
        seconds = run.progress.seconds
        if work.resumed_s is not None:
            seconds += now - work.resumed_s
        work.resumed_s = now if run.state == "running" else None
        window = work.window
        window.append((seconds, run.progress.images))
        while len(window) > 2 and seconds - window[0][0] > SPEED_WINDOW_S:
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

    def _publish(self, run: Run, work: Work) -> None:
        """Replace what pages see, when it is due: the copies must not eat the training."""
        now = self._clock()
        pause = max(PUBLISH_S, work.publish_cost_s / PUBLISH_SHARE)
        if run.state == "running" and now - work.published_s < pause:
            return
        run.snapshot = work.network.snapshot()
        # The last word on a step replaces an earlier one, so an end is copied in any case.
        if run.ended or len(work.history) != len(run.history):
            run.history = work.history.copy()
        work.published_s = self._clock()
        work.publish_cost_s = work.published_s - now

    def _let_go(self, run: Run, work: Work) -> None:
        """Keep what pages show; free the optimizer's memory and the data."""
        try:
            work.events.close()
            run.snapshot = work.network.snapshot()
        except Exception:
            log.exception("run %s did not close cleanly", run.name)
        done = run.progress
        self.pace.note(run.recipe, run.sizes, done.images, done.step, done.busy_s)
        run.work = None
        with self._changed:
            self._active.remove(run)

    def _fail(self, run: Run, fault: Exception) -> None:
        if isinstance(fault, EngineError):
            message = str(fault)
        elif isinstance(fault, MemoryError):
            message = (
                f"{HERE.capitalize()} ran out of memory: try a smaller network or smaller batches."
            )
        elif "new futures after" in str(fault):  # the process is ending under this thread
            self._closed, message = True, "The server was shut down."
        else:
            log.error("run %s failed", run.name, exc_info=fault)
            message = f"A fault of ours ended this run ({type(fault).__name__}: {fault})."
        self._end(run, "failed", message)

    def _end(self, run: Run, state: str, message: str) -> None:
        with self._changed:
            if not run.ended:
                run.state, run.message = state, message
            if run.work:
                run.work.steps_due = 0

    def _turn(self, run: Run, before: str, after: str) -> None:
        with self._changed:
            if run.state == before:
                run.state = after

    def _reap(self) -> None:
        """Every few seconds: pause runs nobody looks at, and do the chores."""
        now = self._clock()
        if now - self._reaped_s < REAP_EVERY_S:
            return
        self._reaped_s = now
        patience = self.bounds.unseen_pause_s
        for run in self.active():
            if run.state in LIVE and now - run.beat > patience:
                message = f"Paused by itself: nobody had looked for {in_words(patience)}."
                self._command(run, LIVE, "paused", message, wait=False)
        for chore in self.chores:
            chore(now)

    def _command(
        self, run: Run, states: tuple[str, ...], state: str, message: str = "", wait: bool = True
    ) -> None:
        with self._changed:
            if run.state not in states or (run.work is None and run.reached is None):
                return
            run.state, run.message = state, message
            if run.work is None:  # of an earlier time, and not gone on with
                if state in ENDED:
                    run.reached = run.data = None
                    self._active.remove(run)
                return
            run.work.touched = True
            if state in ENDED:
                run.work.steps_due = 0
            self._changed.notify_all()
            if wait and self.threaded and self.warm:
                self._changed.wait_for(lambda: _settled(run), SETTLE_S)
        if wait and not self.threaded:
            # A command need not wait until the kernels are measured.
            while not _settled(run) and self._give_turns(self._clock() + SLICE_S):
                pass

    def _check_room(self, owner: str, but: Run | None = None) -> None:
        live = [r for r in self._active if not r.ended and r is not but and r.state in LIVE]
        mine = sum(r.owner == owner for r in live)
        if mine >= self.bounds.active_per_visit:
            raise ConfigError(
                f"{mine} of your runs are training already, as many as "
                f"{HERE} allows one visitor: pause or stop one first"
            )
        if len(live) >= self.bounds.active_runs:
            raise ConfigError(
                f"{len(live)} runs are training here, all that {HERE} has room for: "
                "try again in a few minutes"
            )


def _work(
    recipe: Recipe,
    network: Network,
    reached: TrainingState,
    history: History,
    dataset: Dataset,
    validation: Dataset | None,
) -> Work:
    """Return what the engine holds of a run that begins, or goes on where `reached` says."""
    config = recipe.config(dataset.count)
    return Work(
        network=network,
        events=training(network, dataset, config, validation, reached),
        history=history,
        reached=reached,
        total_images=config.total_steps(dataset.count)
        * min(config.batch_size or dataset.count, dataset.count),
    )


def _settled(run: Run) -> bool:
    work = run.work
    return work is None or not (work.touched or (run.state == "paused" and work.steps_due))


def in_background(work: Callable[[], Any], name: str) -> None:
    """Do a piece of work that is no training on a thread of its own; in a browser tab, now."""
    if sys.platform == "emscripten":
        work()
    else:
        threading.Thread(target=work, name=name, daemon=True).start()


def new_id() -> str:
    """Return an id nobody can guess (128 bits), fit for a URL."""
    return secrets.token_urlsafe(16)


def _one_blas_thread() -> None:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # then the variable that app.py sets has to do
        return
    threadpool_limits(1, user_api="blas")
