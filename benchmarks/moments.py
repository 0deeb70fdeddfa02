"""Moments: what keeping them costs a run, in the processor's time, by pairs of runs.

    python benchmarks/moments.py --pairs 3

Trains 784-128-10 on MNIST with the scheduler in this one thread, with moments and without; packing
is done behind each run and told apart.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dashboard.runs import work
from dashboard.runs.recipe import Recipe
from dashboard.runs.scheduler import Scheduler
from nnengine.data import catalogue

RECIPE = Recipe(hidden=(128,), epochs=2, batch_size=64, validation="none")


def trained(scheduler: Scheduler, data, kept: bool) -> tuple[float, float]:
    """Return the processor's seconds of a run, and of packing its moments."""
    run = scheduler.start(RECIPE, data)
    if not kept:
        run.recording = None
    began = time.process_time()
    while not run.ended:
        scheduler.advance()
    took = time.process_time() - began
    if run.recording is None:
        return took, 0.0
    began = time.process_time()
    run.recording.pack()
    return took, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    pairs = parser.parse_args().pairs
    work.PACKING_SHARE, work.MOST_WAITING = 0.0, 1 << 40
    data = catalogue.load("mnist").train
    scheduler = Scheduler(threaded=False)
    trained(scheduler, data, True)  # compiles
    ratios = []
    for _ in range(pairs):
        alone, (with_them, packing) = (
            trained(scheduler, data, False)[0],
            trained(scheduler, data, True),
        )
        ratios.append(with_them / alone)
        print(f"{alone:.2f} s alone, {with_them:.2f} s with moments, packing {packing:.2f} s")
    print(f"with moments a run takes {statistics.median(ratios):.3f} of its time")


if __name__ == "__main__":
    main()
