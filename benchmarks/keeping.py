"""What it costs a run on a server that it is kept: with and without the keeper, in turns.

    python benchmarks/keeping.py                      # 784-128-10 and 784-512-256-10, 8 pairs each
    python benchmarks/keeping.py --pairs 3 --only 128

Two runs of one recipe in one process, one of a registry whose keeper writes to a store in a
temporary folder, take turns of some seconds, in pairs whose order alternates. Printed are the ratio
of steps a second, kept over not kept, and of steps a second of the processor, which other programs
disturb less: medians, and the quartiles around them; and the share of one processor that the keeper
itself takes, which holds on a busy machine too. A turn begins with a checkpoint, as a resumed
run does, and has those after it that are due; the goal is 0.97.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from dashboard.runs.fields import dense
from dashboard.runs.recipe import Recipe
from dashboard.runs.run import Run
from dashboard.runs.scheduler import Scheduler
from dashboard.store.runkeeper import RunKeeper
from dashboard.store.runwriter import EVERY_S
from dashboard.store.visits import Registry
from nnengine.data import catalogue
from nnengine.data.dataset import Dataset
from nnengine.storage.runs import Store

CASES = {"128": (128,), "512-256": (512, 256)}
TURN_S = 2 * EVERY_S + 3.0


def begun(
    hidden: tuple[int, ...], data: Dataset, place: Path | None
) -> tuple[Scheduler, Run, list[float]]:
    """Return a run that stands still after its first steps, kept where a place is given.

    Beside it what its keeper takes, in seconds of a processor, is counted.
    """
    scheduler, spent = Scheduler(), [0.0]
    registry = Registry(scheduler)
    if place is not None:
        registry.run_keeper = RunKeeper(
            registry,
            lambda: Store(place),
            lambda run, asked: (data, None),
            lambda visit, run: {"train": data},
        )
        count(keeper := registry.run_keeper, "flush", spent)
        scheduler.chores.remove(keeper.sweep)
        count(keeper, "sweep", spent)
        scheduler.chores.append(keeper.sweep)
    visit = registry.create()
    recipe = Recipe(
        hidden=dense(hidden), epochs=None, iterations=100_000, batch_size=128, validation="none"
    )
    run = scheduler.start(recipe, data, owner=visit.owner, run_id=visit.reserved)
    registry.add_run(visit, run)
    while run.step < 200:
        time.sleep(0.01)
    scheduler.pause(run)
    return scheduler, run, spent


def count(keeper: RunKeeper, name: str, spent: list[float]) -> None:
    """Add up the seconds of a processor that a method of the keeper takes."""
    act = getattr(keeper, name)

    def counted(*given: float) -> None:
        began = time.thread_time()
        act(*given)
        spent[0] += time.thread_time() - began

    setattr(keeper, name, counted)


def turn(scheduler: Scheduler, run: Run, spent: list[float]) -> tuple[float, float, float]:
    """Return the steps of one turn for each second, and for each of the processor.

    The third is the share of a processor that the keeper took.
    """
    scheduler.touch(run)
    scheduler.resume(run)
    began, used, step = time.perf_counter(), time.process_time(), run.step
    spent[0] = 0.0
    time.sleep(TURN_S)
    done = run.step - step
    took = time.perf_counter() - began
    rates = done / took, done / (time.process_time() - used), spent[0] / took
    scheduler.pause(run)
    time.sleep(0.5)  # what the pause has written is not the other's
    if run.ended:
        raise SystemExit("the run is over: take fewer pairs")
    return rates


def ratios(name: str, pairs: int) -> None:
    """Print what keeping costs in one case."""
    data = catalogue.load("digits").train
    with tempfile.TemporaryDirectory() as folder:
        sides = [begun(CASES[name], data, place) for place in (None, Path(folder) / "runs.sqlite")]
        found, shares = [], []
        for pair in range(pairs):
            order = (0, 1) if pair % 2 else (1, 0)
            got = {side: turn(*sides[side]) for side in order}
            found.append([kept / alone for alone, kept in zip(got[0][:2], got[1], strict=False)])
            shares.append(got[1][2])
        with Store(Path(folder) / "runs.sqlite") as store:
            (kept,) = store.runs()
    for what, column in zip(
        ("of the clock", "of the processor"), zip(*found, strict=True), strict=True
    ):
        low, middle, high = statistics.quantiles(column, n=4)
        print(
            f"784-{name}-10, steps a second {what}, kept over not kept: {middle:.3f} "
            f"({low:.3f} to {high:.3f}), {pairs} pairs, {kept.bytes:,} bytes kept",
            flush=True,
        )
    print(f"784-{name}-10, the keeper takes {statistics.median(shares):.2%} of one processor")


def main() -> None:
    """Measure the cases that were asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--only", choices=CASES)
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else CASES:
        ratios(name, arguments.pairs)


if __name__ == "__main__":
    main()
