"""Forks after a restart: how long a run of an earlier server is replayed before anything is other.

    python benchmarks/forking.py --seconds 60
    python benchmarks/forking.py --seconds 60 --hidden 512-256

A run of 784-128-10 on MNIST, or of other widths, goes on for so long, 200 epochs at most, in a
registry whose keeper writes to a store in a temporary folder. Another registry then finds the run
there, and forks of it from steps all over it are timed from their start to the step they were
forked at. Printed are what is kept of exact moments, and the longest and the median replay, beside
one from the first step.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from dashboard.runs.fork import fork
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from dashboard.runs.scheduler import Scheduler
from dashboard.runs.waypoints import Stored
from dashboard.store.runkeeper import RunKeeper
from dashboard.store.visits import Registry
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset
from nnengine.storage.runs import Store

RECIPE = Recipe(epochs=200, batch_size=64, validation="none")


def registry(place: Path, data: Dataset) -> Registry:
    """Return what a server has of visitors and runs, with a keeper that writes there."""
    made = Registry(Scheduler())
    made.run_keeper = RunKeeper(
        made, lambda: Store(place), lambda run, asked: (data, None), lambda visit, run: {}
    )
    return made


def begun(place: Path, data: Dataset, hidden: tuple[int, ...], seconds: float) -> str:
    """Train for so long, or all epochs; return the id of the run, left as its server ends."""
    first = registry(place, data)
    visit = first.create()
    recipe = replace(RECIPE, hidden=hidden)
    run = first.scheduler.start(recipe, data, owner=visit.owner, run_id=visit.reserved)
    first.add_run(visit, run)
    while run.progress.busy_s < seconds and not run.ended:
        time.sleep(0.1)
        first.scheduler.touch(run)
    first.run_keeper.close()
    first.scheduler.close()
    return run.id


def replayed(engine: Scheduler, run: Run, data: Dataset, step: int) -> tuple[float, int]:
    """Return how many seconds a fork takes until it has come to its step, and how many steps."""
    plan = fork(run, step, {"learning_rate": 0.0005})
    began = time.perf_counter()
    child = engine.start(plan.recipe, data, plan=plan)
    while child.step < step and not child.ended:
        time.sleep(0.005)
    took = time.perf_counter() - began
    engine.stop(child)
    return took, plan.replayed


def main() -> None:
    """Print what is kept, and how long replays take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--forks", type=int, default=12)
    parser.add_argument("--hidden", default="128", help="widths, as 512-256")
    asked = parser.parse_args()
    hidden = tuple(int(width) for width in asked.hidden.split("-"))
    data, _ = catalogue.load("mnist")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "runs.sqlite"
        id = begun(place, data, hidden, asked.seconds)
        with Store(place) as store:
            points = store.points(id)
        second = registry(place, data)
        (run,) = second.run_keeper.come_back(id).runs
        size = sum(one[2] for one in points)
        print(
            f"{run.step:,} steps in {run.progress.busy_s:.0f} s of work; {len(points)} exact "
            f"moments of {size:,} bytes are kept"
        )
        steps = np.random.default_rng(0).integers(1, run.step, asked.forks)
        took = [replayed(second.scheduler, run, data, int(step)) for step in steps]
        seconds = [one for one, _ in took]
        print(
            f"{len(took)} forks: the longest replay {max(seconds):.2f} s, the median "
            f"{statistics.median(seconds):.2f} s, {max(n for _, n in took):,} steps at most"
        )
        run.waypoints.stored = Stored()
        far, count = replayed(second.scheduler, run, data, run.step)
        print(f"from the first step: {far:.1f} s for {count:,} steps")
        second.scheduler.close()
        second.run_keeper.close()


if __name__ == "__main__":
    main()
