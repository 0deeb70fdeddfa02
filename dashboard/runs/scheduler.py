"""Scheduler: one engine thread trains all runs, a slice at a time, as `dealing` deals the turns."""

from __future__ import annotations

import logging
import math
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from dashboard.runs import work as works
from dashboard.runs.bounds import Bounds
from dashboard.runs.dealing import Dealer
from dashboard.runs.estimate import Pace, in_words
from dashboard.runs.fields import rows
from dashboard.runs.fork import Plan
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import ENDED, LIVE, Progress, Run
from dashboard.runs.work import Work
from nnengine import kernels
from nnengine.analysis.parts import cost_of
from nnengine.data.dataset import Dataset
from nnengine.errors import ConfigError, EngineError
from nnengine.training import Evaluated, StepFinished, TrainingDiverged, TrainingFinished

SLICE_S = 0.05
REAP_EVERY_S = 2.0
HALT_S = 3.0  # how long the end of the process waits for the slice under way
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
        self.starting: list[Callable[[Run], None]] = []  # called with a new run at step 0
        self._clock = clock
        self.pace = Pace()
        self._warm_up = warm_up or self._prepare
        self._warming: Iterator[Any] | None = None
        self._active: list[Run] = []  # in the order in which they came, or came back
        self._dealer = Dealer(self.bounds.active_runs, self.bounds.active_per_visit)
        self._changed = threading.Condition()
        self._reaped_s = clock()
        self._closed = False
        self._thread: threading.Thread | None = None
        if self.threaded:
            self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
            self._thread.start()

    def start(
        self,
        recipe: Recipe,
        dataset: Dataset,
        validation: Dataset | None = None,
        *,
        owner: str = "",
        name: str = "",
        run_id: str | None = None,
        plan: Plan | None = None,
        rests_at: float | None = None,
        told: Callable[[Run], None] | None = None,
    ) -> Run:
        """Queue a new run and return it; raises ConfigError for what the bounds forbid.

        plan: of a fork, whose recipe this is; its data are those of its parent. rests_at, told: of
        a search's candidate, see `Run`.
        """
        recipe.check(dataset, self.bounds)
        network = (plan.course[0].recipe if plan else recipe).build(dataset)
        run = Run(
            id=run_id or new_id(), owner=owner, name=name or "Run", recipe=recipe,
            sizes=tuple(network.sizes), data_name=dataset.name, data_count=dataset.count,
            snapshot=network.snapshot(),
            progress=Progress(total_steps=recipe.config(dataset.count).total_steps(dataset.count)),
            beat=self._clock(), rests_at=rests_at, told=told, watched=told is None,
        )  # fmt: skip
        works.set_up(run, network, (dataset, validation), plan)
        with self._changed:
            self.bounds.check_room(*self._sharing(owner))
            for starts in self.starting:
                starts(run)
            self._active.append(run)
            self._changed.notify_all()
        return run

    def restore(self, run: Run) -> None:
        """Enter a run of an earlier time; its data are asked for when it goes on."""
        with self._changed:
            self._active.append(run)
            self._changed.notify_all()

    def pause(self, run: Run, message: str = "", *, wait: bool = True) -> None:
        """Ask for no further event of `run` until it is resumed."""
        self._command(run, LIVE, "paused", message, wait)

    def resume(self, run: Run, *, wait: bool = True) -> None:
        """Let a paused run go on; raises ConfigError when the server has no room just now."""
        with self._changed:
            if run.state == "paused":
                self.bounds.check_room(*self._sharing(run.owner))
                self._active.remove(run)  # it gave its place away when it was paused
                self._active.append(run)
        works.take_up(run, self.bounds)
        run.beat = self._clock()
        # Where there is no thread the first slice is not waited for: 0.06 s of a click's time.
        self._command(run, ("paused",), "running", wait=wait and self.threaded)

    def step(self, run: Run) -> None:
        """Let a live or paused run do exactly one optimizer step, and stay paused."""
        run.beat = self._clock()
        works.take_up(run, self.bounds)
        with self._changed:
            if run.work and run.state == "paused":
                run.work.steps_due += 1
        self._command(run, ("paused", *LIVE), "paused")

    def change_rate(self, run: Run, rate: float) -> None:
        """Have a run that has not ended go on at another learning rate from its next step on.

        Where the rate follows a schedule, the rest of that goes as if the run had begun with it.
        Raises ConfigError for a rate out of bounds, and for a run that cannot be changed.
        """
        recipe = replace(run.recipe, learning_rate=rate)
        rows(self.bounds)["learning_rate"].check(rate)
        run.beat = self._clock()
        works.take_up(run, self.bounds)
        work = run.work
        if run.ended or work is None:
            raise ConfigError(f"{run.name} has ended: fork it, with the other rate")
        if work.to_come:
            raise ConfigError(
                f"{run.name} is being replayed up to step {work.to_come[0].step:,}: change its "
                "rate when it has come there"
            )
        work.asked = recipe
        self._command(run, (run.state,), run.state, run.message)

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

    def sharers(self, owner: str) -> tuple[int, int]:
        """Return how many other visitors' turns there are, and how many runs share this one's."""
        with self._changed:
            return self._sharing(owner)

    def _sharing(self, owner: str) -> tuple[int, int]:
        live = [run.owner for run in self._active if run.state in LIVE]
        return len({*live} - {owner}), live.count(owner)

    def waits(self, run: Run) -> tuple[int, float | None] | None:
        """Return a run's place in line, 1 for the next, and about how many seconds it waits yet.

        None where it has turns now; None for the seconds where it waits for the visitor's others.
        """
        wait = self._dealer.waits.get(run.id)
        if wait is None or run.state not in LIVE:
            return None
        left = None if wait.until_s is None else max(wait.until_s - self._clock(), 0.0)
        return wait.place, left

    @property
    def closed(self) -> bool:
        """Whether nothing is trained any more, as at the end of the process."""
        return self._closed

    def now(self) -> float:
        """Return the time by the engine's clock, in seconds."""
        return self._clock()

    def close(self) -> None:
        """Stop every run and end the thread."""
        for run in self.active():
            self.abandon(run)
        self._end_thread()

    def halt(self, wait_s: float = HALT_S) -> bool:
        """Train no more, at the end of the process, and leave every run's state as it is.

        Return whether that is so within `wait_s`: what runs have come to may then be read in any
        thread. Otherwise a slice, or the compiler, is at work yet.
        """
        self._end_thread()
        if self._thread is None:
            return True
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _end_thread(self) -> None:
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
        while due := self._next():
            trained = self._slice(*due)
            worked = True
            if trained and self._clock() >= deadline:
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
        works.one_blas_thread()
        while not self._closed:
            try:
                worked = self.advance()
            except Exception:  # the thread serves everybody: it must outlive any surprise
                log.exception("the engine thread met a fault and goes on")
                worked = False
            if not worked:
                with self._changed:
                    if not any(run.state in LIVE or _called(run) for run in self._active):
                        self._changed.wait(REAP_EVERY_S)

    def _next(self) -> tuple[Run, bool] | None:
        """Return the next run with something to do, and whether it is its turn to train.

        One with a fresh command goes first, so clicks show soon; but training takes a turn.
        """
        with self._changed:
            for run in self._active:
                if _called(run):
                    return run, False
            run = self._dealer.next(self._active, self._clock())
            return (run, True) if run else None

    def _slice(self, run: Run, its_turn: bool) -> bool:
        """Do what is due for a run; return whether it trained."""
        if run.work is None and not self._taken_up(run):
            return False
        work = run.work
        assert work is not None
        work.touched = False
        works.turn_as_asked(run, work)
        started = self._clock()
        trains = (its_turn and run.state in LIVE) or work.steps_due > 0
        if trains:
            self._turn(run, "waiting", "running")
            if work.resumed_s is None:
                work.resumed_s = started
            try:
                self._take_events(run, work, started)
            except Exception as fault:
                self._fail(run, fault)
            busy_s = run.progress.busy_s + self._clock() - started
            run.progress = replace(run.progress, busy_s=busy_s)
        works.account(run, work, self._clock(), in_line=bool(self._dealer.waits))
        works.publish(run, work, self._clock)
        if run.ended:
            self._let_go(run, work)
        self._pack(run)
        if run.told is not None and run.state not in LIVE:
            run.told(run)
        with self._changed:
            self._changed.notify_all()
        return trains

    def _pack(self, run: Run) -> None:
        """Have moments packed beside training, as they cost it little; all where it rests.

        Without a thread who draws the page packs those of a run that has ended.
        """
        told = run.recording
        if not told or not (run.ended or works.packs_now(run, max(self.busy(), 1))):
            return
        if not self.threaded:
            if not run.ended:
                told.pack(1)
        elif run.ended:
            in_background(lambda: told.pack(wait=True), "moments")
        elif not told.packing:
            in_background(lambda: told.pack(1 if run.state in LIVE else math.inf), "moments")

    def _taken_up(self, run: Run) -> bool:
        """Return whether a run of an earlier time can go on; otherwise it waits and says why."""
        try:
            works.take_up(run, self.bounds)
        except EngineError as fault:
            message = f"Paused where it was: {fault}. Choose its data again, then resume."
            with self._changed:
                run.state, run.message = "paused", message
        return run.work is not None

    def _take_events(self, run: Run, work: Work, started: float) -> None:
        clock, reached, level = self._clock, work.reached, True
        before_s = run.progress.busy_s - started  # of the engine's work, by the clock
        images = 0  # of steps that are not noted yet
        # Steps taken in one call have their events behind it: a run rests where all are out.
        while run.state == "running" or work.steps_due or not level:
            if level:
                reached.steps_per_call = works.most_steps(run, work)
            event = next(work.events, None)
            if type(event) is StepFinished:
                images, level = images + event.images, event.step >= reached.step
                if not level:
                    continue
                self._note_step(run, work, event, images)
                images = 0
                if run.recording:
                    run.recording.note(event.step, work.network.theta)
            if isinstance(event, Evaluated):
                work.history.record(event)
                works.note_point(run, event, before_s + clock())
                if event.epoch >= (run.rests_at or math.inf):
                    self._turn(run, "running", "paused")
            if event is None or isinstance(event, TrainingFinished | TrainingDiverged):
                # Whoever sees that it has ended finds its last weights and points.
                run.snapshot, run.history = work.network.snapshot(), work.history.copy()
                diverged = isinstance(event, TrainingDiverged)
                self._end(run, *("diverged", event.advice) if diverged else ("finished", ""))
            if run.ended:
                break
            now = clock()
            works.pass_by(run, work, before_s + now)
            if now - started >= SLICE_S:
                break

    def _note_step(self, run: Run, work: Work, event: StepFinished, images: int) -> None:
        works.note_step(run, event, images)
        if work.steps_due:
            work.steps_due -= 1
            if event.step >= run.progress.total_steps:
                self._turn(run, "paused", "running")  # nothing is left but the last evaluation

    def _let_go(self, run: Run, work: Work) -> None:
        """Keep what pages show; free the optimizer's memory and the data."""
        try:
            work.events.close()
            run.snapshot = work.network.snapshot()
            if run.recording:
                run.recording.note(run.step, run.snapshot.theta, last=True)
        except Exception:
            log.exception("run %s did not close cleanly", run.name)
        done = run.progress
        self.pace.note(run.recipe, cost_of(run.snapshot), done.images, done.step, done.busy_s)
        run.work = None
        with self._changed:
            self._active.remove(run)

    def _fail(self, run: Run, fault: Exception) -> None:
        if "new futures after" in str(fault):  # the process is ending under this thread
            self._closed = True
        elif not isinstance(fault, EngineError | MemoryError):
            log.error("run %s failed", run.name, exc_info=fault)
        self._end(run, "failed", works.in_words(fault))

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
        """Every few seconds: pause runs nobody looks at, set those aside, and do the chores."""
        now = self._clock()
        if now - self._reaped_s < REAP_EVERY_S:
            return
        self._reaped_s = now
        patience = self.bounds.unseen_pause_s
        message = f"Paused by itself: nobody had looked for {in_words(patience)}."
        for run in self.active():
            if now - run.beat > patience:
                self._command(run, LIVE, "paused", message, wait=False)
                self._set_aside(run, patience)
        for chore in self.chores:
            chore(now)

    def _set_aside(self, run: Run, patience: float) -> None:
        """Let a paused run hold no more than it needs to go on, unless somebody has come back."""
        with self._changed:
            work = run.work
            rests = run.state == "paused" and not _called(run)
            if work and rests and self._clock() - run.beat > patience:
                works.set_aside(run, work)

    def _command(
        self, run: Run, states: tuple[str, ...], state: str, message: str = "", wait: bool = True
    ) -> None:
        with self._changed:
            if run.state not in states or (run.work is None and run.reached is None):
                return
            run.state, run.message, run.interrupted = state, message, False
            if run.work is None:  # of an earlier time, and not gone on with
                if state in ENDED:
                    run.forget_place()
                    self._active.remove(run)
                return
            run.work.touched = True
            if state in ENDED:
                run.work.steps_due = 0
            self._changed.notify_all()
            if wait and self.threaded and self.warm:
                self._changed.wait_for(lambda: works.settled(run), SETTLE_S)
        if wait and not self.threaded:
            # A command need not wait until the kernels are measured.
            while not works.settled(run) and self._give_turns(self._clock() + SLICE_S):
                pass


def _called(run: Run) -> bool:
    """Return whether a command waits for its effect."""
    work = run.work
    return bool(work and (work.touched or work.steps_due))


def in_background(work: Callable[[], Any], name: str) -> None:
    """Do a piece of work that is no training on a thread of its own; in a browser tab, now."""
    if sys.platform == "emscripten":
        work()
    else:
        threading.Thread(target=work, name=name, daemon=True).start()


def new_id() -> str:
    """Return an id nobody can guess (128 bits), fit for a URL."""
    return secrets.token_urlsafe(16)
